"""Raw files: fetched from a real server on loopback, verified, never half there."""

import gzip
import hashlib
import io
import os
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from rnnclf.data.archives import members_digest, read_archive
from rnnclf.data.download import RawFile, fetch
from rnnclf.errors import DataError

CONTENT = b"NUM:dist How far is it ?\n" * 100


class Server(ThreadingHTTPServer):
    """Serves a folder; the first answers are errors, as many as `failures` says."""

    failures = 0
    answers = 0

    def __init__(self, folder: Path) -> None:
        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *arguments) -> None:
                super().__init__(*arguments, directory=str(folder))

            def do_GET(self) -> None:
                if self.server.failures > 0:
                    self.server.failures -= 1
                    self.send_error(503)
                else:
                    self.server.answers += 1
                    super().do_GET()

            def log_message(self, *arguments: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "upstream"
    folder.mkdir()
    (folder / "a.label").write_bytes(CONTENT)
    server = Server(folder)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def no_pauses(monkeypatch):
    monkeypatch.setattr("rnnclf.data.download.PAUSES", (0, 0))


def raw_file(*urls: str, content: bytes = CONTENT) -> RawFile:
    return RawFile("a.label", urls, sha256=hashlib.sha256(content).hexdigest())


def test_a_missing_file_is_downloaded_and_then_used_as_it_is(server, tmp_path):
    folder = tmp_path / "new" / "data"
    path = fetch(raw_file(server.url("a.label")), folder)
    assert path.read_bytes() == CONTENT
    assert [file.name for file in folder.iterdir()] == ["a.label"]
    assert fetch(raw_file("http://127.0.0.1:1/a.label"), folder) == path


@pytest.mark.usefixtures("no_pauses")
def test_a_passing_failure_of_the_server_is_tried_again(server, tmp_path):
    server.failures = 2
    assert fetch(raw_file(server.url("a.label")), tmp_path).read_bytes() == CONTENT


def test_of_several_workers_of_a_host_one_downloads(server, tmp_path):
    folder = tmp_path / "data"
    code = (
        "import sys, time; from pathlib import Path; from rnnclf.data import download;"
        "slow = download._retrieve;"
        "download._retrieve = lambda *a: (time.sleep(1), slow(*a))[1];"
        "raw_file = download.RawFile('a.label', (sys.argv[1],), sha256=sys.argv[2]);"
        "download.fetch(raw_file, Path(sys.argv[3]))"
    )
    wanted = raw_file(server.url("a.label"))
    command = [sys.executable, "-c", code, *wanted.urls, wanted.sha256, str(folder)]
    workers = [subprocess.Popen(command) for _ in range(2)]
    assert [worker.wait() for worker in workers] == [0, 0]
    assert server.answers == 1
    assert [file.name for file in folder.iterdir()] == ["a.label"]


def test_without_a_place_for_locks_it_is_downloaded_all_the_same(server, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("RNNCLF_CACHE", str(tmp_path / "file"))
    path = fetch(raw_file(server.url("a.label")), tmp_path / "data")
    assert path.read_bytes() == CONTENT


@pytest.mark.usefixtures("no_pauses")
def test_a_download_that_fails_leaves_no_folder(server, tmp_path):
    (tmp_path / "there").mkdir()
    for folder in ("there", "new/data"):
        with pytest.raises(DataError, match="could not be downloaded"):
            fetch(raw_file(server.url("gone.label")), tmp_path / folder)
    assert {path.name for path in tmp_path.iterdir()} == {"there", "upstream"}


@pytest.mark.usefixtures("no_pauses")
def test_the_next_mirror_is_tried(server, tmp_path):
    urls = (server.url("gone.label"), server.url("a.label"))
    assert fetch(raw_file(*urls), tmp_path).read_bytes() == CONTENT


@pytest.mark.usefixtures("no_pauses")
def test_a_wrong_file_of_a_mirror_is_replaced_by_the_next(server, tmp_path):
    """As where a captive portal answers for all hosts without encryption."""
    (tmp_path / "upstream" / "portal.html").write_text("Please log in.")
    urls = (server.url("portal.html"), server.url("a.label"))
    assert fetch(raw_file(*urls), tmp_path / "data").read_bytes() == CONTENT


@pytest.mark.parametrize("drip", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_download_without_end_is_given_up(tmp_path, monkeypatch, drip):
    """A byte every now and then, of a header or of the body."""
    monkeypatch.setattr("rnnclf.data.download.LONGEST_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listening, pytest.raises(DataError) as caught:
        Thread(target=dribble, args=(listening, drip), daemon=True).start()
        fetch(raw_file(f"http://127.0.0.1:{listening.getsockname()[1]}/"), tmp_path)
    assert "(not here after 0.5 s)" in str(caught.value)
    assert not list(tmp_path.iterdir())


def dribble(listening: socket.socket, beginning: bytes) -> None:
    client, _ = listening.accept()
    with client:
        client.sendall(beginning)
        for _ in range(20):  # a second
            client.sendall(b"x")
            time.sleep(0.05)


def test_an_endless_body_is_given_up(server, tmp_path, monkeypatch):
    monkeypatch.setattr("rnnclf.data.download.LARGEST", len(CONTENT) - 1)
    with pytest.raises(DataError, match=r"more than 2499 bytes"):
        fetch(raw_file(server.url("a.label")), tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.label")
    with pytest.raises(DataError, match="not a file"):
        fetch(raw_file(), tmp_path)


@pytest.mark.usefixtures("no_pauses")
def test_another_content_is_refused_and_nothing_stays(server, tmp_path):
    folder = tmp_path / "data"
    with pytest.raises(DataError, match="not the published file"):
        fetch(raw_file(server.url("a.label"), content=b"other"), folder)
    assert not folder.exists()


def test_a_file_without_a_known_checksum_is_taken_as_it_is(server, tmp_path):
    unknown = RawFile("a.label", (server.url("a.label"),))
    assert fetch(unknown, tmp_path).read_bytes() == CONTENT
    (tmp_path / "a.label").write_bytes(b"by hand")
    assert fetch(unknown, tmp_path).read_bytes() == b"by hand"


@pytest.mark.usefixtures("no_pauses")
def test_without_a_network_the_message_says_what_to_do(tmp_path):
    url = "http://127.0.0.1:1/a.label"
    with pytest.raises(DataError) as caught:
        fetch(raw_file(url), tmp_path)
    for hint in (url, str(tmp_path), "dataset=sample"):
        assert hint in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_an_altered_file_in_the_folder_is_refused_and_kept(tmp_path):
    (tmp_path / "a.label").write_bytes(CONTENT[:-1])
    with pytest.raises(DataError, match=r"a\.label: not the published file.*move it elsewhere"):
        fetch(raw_file(), tmp_path)
    assert (tmp_path / "a.label").read_bytes() == CONTENT[:-1]


def archive(path: Path, *members: tarfile.TarInfo, level: int = 9) -> Path:
    with (
        gzip.GzipFile(path, "wb", compresslevel=level, mtime=level) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tar,
    ):
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def member(name: str, size: int = 3, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, "/etc/passwd" if size == 0 else ""
    return info


def test_the_same_documents_in_another_packing_are_accepted(tmp_path):
    first = archive(tmp_path / "first", member("a/b"), member("a/c"))
    digest = members_digest(read_archive(first))
    archive(tmp_path / "a.tar.gz", member("a/c"), member("a/b"), level=1)
    wanted = RawFile("a.tar.gz", (), sha256="0" * 64, members_sha256=digest)
    assert fetch(wanted, tmp_path) == tmp_path / "a.tar.gz"
    archive(tmp_path / "a.tar.gz", member("a/c"), member("a/b", size=4))
    with pytest.raises(DataError, match="not the published file"):
        fetch(wanted, tmp_path)


def test_the_digest_is_that_of_the_lines_of_sha256sum():
    lines = f"{hashlib.sha256(b'1').hexdigest()}  a\n{hashlib.sha256(b'2').hexdigest()}  b\n"
    assert members_digest({"b": b"2", "a": b"1"}) == hashlib.sha256(lines.encode()).hexdigest()


@pytest.mark.parametrize(
    ("hostile", "message"),
    [
        (member("../outside"), "points outside"),
        (member("/etc/outside"), "points outside"),
        (member("a/link", size=0, kind=tarfile.SYMTYPE), "is a link or device"),
        (member("a/link", size=0, kind=tarfile.LNKTYPE), "is a link or device"),
        (member("a/device", size=0, kind=tarfile.CHRTYPE), "is a link or device"),
    ],
)
def test_hostile_archives_are_refused(tmp_path, hostile, message):
    with pytest.raises(DataError, match=message):
        read_archive(archive(tmp_path / "a.tar.gz", member("a/b"), hostile))


def test_two_members_of_one_name_are_refused(tmp_path):
    with pytest.raises(DataError, match="two members are named a/b"):
        read_archive(archive(tmp_path / "a.tar.gz", member("a/b"), member("a/b")))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_archive_is_refused(tmp_path, share):
    path = archive(tmp_path / "a.tar.gz", *(member(f"a/{i}", size=5000) for i in range(20)))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match="damaged archive"):
        read_archive(path)


def header(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"") -> bytes:
    info = member(name, len(content), kind)
    return info.tobuf(tarfile.USTAR_FORMAT) + content + b"\0" * (-len(content) % tarfile.BLOCKSIZE)


def keys(first: int, count: int) -> bytes:
    return b"".join(b"15 g%08d=v\n" % number for number in range(first, first + count))


@pytest.mark.parametrize(
    "record", [b"9" * 30 + b" a=b\n", b"24 GNU.sparse.map=0,one\n", b"23 GNU.sparse.size=one\n"]
)
def test_an_odd_number_in_a_header_is_damage(tmp_path, record):
    blocks = [header("x", tarfile.XHDTYPE, record), header("a")]
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(b"".join(blocks)))
    with pytest.raises(DataError, match="damaged archive"):
        read_archive(tmp_path / "a.tar.gz")


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([header(f"a/{number}") for number in range(200)], "more members or headers"),
        ([header("x", tarfile.GNUTYPE_LONGNAME, b"a" * 2**21)], "a larger header"),
        ([header("x", tarfile.XHDTYPE, keys(0, 150_000))], "a larger header"),
        ([header("x", tarfile.XHDTYPE) for _ in range(2000)], "damaged archive"),
        (
            [
                header(name, kind, content)
                for n in range(20)
                for name, kind, content in [
                    ("g", tarfile.XGLTYPE, keys(n * 70, 70)),
                    (f"a/{n}", tarfile.REGTYPE, b""),
                ]
            ],
            "more members or headers",
        ),
        ([header("a", content=b"0" * 2**22)], "more content"),
    ],
    ids=["members", "a long name", "keys", "a chain", "global keys", "content"],
)
def test_an_archive_that_would_take_all_memory_is_refused(tmp_path, monkeypatch, blocks, message):
    monkeypatch.setattr("rnnclf.data.archives.MOST_MEMBERS", 100)
    monkeypatch.setattr("rnnclf.data.archives.LARGEST_CONTENT", 2**22)
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(b"".join(blocks), 1))
    with pytest.raises(DataError, match=message):
        read_archive(tmp_path / "a.tar.gz")
