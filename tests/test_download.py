"""Raw files: fetched from a real server on loopback, verified, never half there."""

import gzip
import hashlib
import io
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

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
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def no_pauses(monkeypatch):
    """pooch's, of a second and two, before it tries again."""
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)


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
    server.failures = 1
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
def test_the_next_mirror_is_tried(server, tmp_path):
    urls = (server.url("gone.label"), server.url("a.label"))
    assert fetch(raw_file(*urls), tmp_path).read_bytes() == CONTENT


@pytest.mark.usefixtures("no_pauses")
def test_another_content_is_refused_and_nothing_stays(server, tmp_path):
    folder = tmp_path / "data"
    with pytest.raises(DataError, match="not the published file"):
        fetch(raw_file(server.url("a.label"), content=b"other"), folder)
    assert not list(folder.iterdir())


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


def test_a_member_that_stands_there_twice_is_refused(tmp_path):
    with pytest.raises(DataError, match="twice"):
        read_archive(archive(tmp_path / "a.tar.gz", member("a/b"), member("a/b")))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_archive_is_refused(tmp_path, share):
    path = archive(tmp_path / "a.tar.gz", *(member(f"a/{i}", size=5000) for i in range(20)))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match="damaged archive"):
        read_archive(path)
