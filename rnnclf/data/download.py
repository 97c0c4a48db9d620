"""Raw files: found in the data folder or downloaded, and verified either way."""

import hashlib
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from hydra_study_sweeper.files import replacing

from rnnclf.data.archives import members_digest, read_archive
from rnnclf.data.locks import one_process_at_a_time
from rnnclf.errors import DataError

LARGEST = 2**28  # bytes of a file; the published ones have 14 million at most
LONGEST_SECONDS = 900  # of a download
PAUSES = (1, 2)  # seconds before a mirror is tried again


@dataclass(frozen=True)
class RawFile:
    """A file as upstream publishes it.

    Attributes:
        name: Its name in the data folder.
        urls: Its mirrors, in the order in which they are tried.
        sha256: The checksum of upstream's own file, if it is known.
        members_sha256: For an archive, the `members_digest` of its content, if it is known: it
            accepts the same documents in another packing.

    A file without a known checksum is accepted as it is.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str | None = None
    members_sha256: str | None = None


def fetch(raw_file: RawFile, folder: Path) -> Path:
    """Returns the path of a raw file as `locate` does, verified."""
    path = locate(raw_file, folder)
    verify(raw_file, path)
    return path


def locate(raw_file: RawFile, folder: Path) -> Path:
    """Returns the path of a raw file, which is downloaded if it is not in `folder`.

    A download reaches its final name only when it is whole and verified. A file that is there
    already is not verified.

    Raises:
        DataError: If the file is missing and cannot be downloaded, or something else is there.
    """
    path = folder / raw_file.name
    if not path.exists():
        with one_process_at_a_time(path):
            if not path.exists():
                _download(raw_file, path)
    if not path.is_file():
        raise DataError(f"{path}: not a file")
    return path


def verify(raw_file: RawFile, path: Path) -> None:
    """Checks that a file has the published content.

    Raises:
        DataError: If neither the file's checksum nor its members' digest is the known one.
    """
    actual = hashlib.sha256(path.read_bytes()).hexdigest()
    if raw_file.sha256 == actual or (raw_file.sha256 is raw_file.members_sha256 is None):
        return
    if raw_file.members_sha256 is not None:
        actual = members_digest(read_archive(path))
        if raw_file.members_sha256 == actual:
            return
    raise DataError(
        f"{path}: not the published file (SHA-256 {actual[:12]}...); "
        "move it elsewhere to have the published one downloaded"
    )


def _download(raw_file: RawFile, path: Path) -> None:
    failures = []
    missing = [one for one in (path.parent, *path.parent.parents) if not one.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        staging = tempfile.mkdtemp(prefix=".download-", dir=path.parent)
    except OSError as error:
        raise DataError(f"{path.parent}: cannot be written: {error.strerror}") from error
    try:
        for number, url in enumerate(raw_file.urls):
            fetched = Path(staging, str(number))  # a mirror given up may still write its own
            try:
                _retrieve(url, fetched)
                verify(raw_file, fetched)
            except _GivenUpError as error:
                failures.append(f"{url} ({error})")
            except ValueError as error:
                failures.append(f"{url} ({type(error).__name__})")
            except DataError:
                failures.append(f"{url} (not the published file)")
            else:
                with replacing(path) as temporary:
                    shutil.copyfile(fetched, temporary)
                return
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        for folder in missing:
            with suppress(OSError):  # the file is in it, or that of another process
                folder.rmdir()
    raise DataError(
        f"{raw_file.name} is not in {path.parent.resolve()} and could not be downloaded from "
        f"{', '.join(failures)}; put the file there by hand, or set RNNCLF_DATA to the folder that "
        "has it; dataset=sample needs no download"
    )


class _GivenUpError(Exception):
    """A download that has no end; the message says why."""


def _retrieve(url: str, path: Path) -> None:
    """Downloads a file, for `LONGEST_SECONDS` at most.

    A thread does it: a timeout of a socket starts again with each byte, of a header as of the body.
    """
    outcome: list[Exception | None] = []

    def transfer() -> None:
        try:
            _transfer(url, path)
        except Exception as error:  # of whatever kind: the waiting thread raises it
            outcome.append(error)
        else:
            outcome.append(None)

    thread = Thread(target=transfer, daemon=True)
    thread.start()
    thread.join(LONGEST_SECONDS)
    if not outcome:
        raise _GivenUpError(f"not here after {LONGEST_SECONDS} s")
    if outcome[0] is not None:
        raise outcome[0]


def _transfer(url: str, path: Path) -> None:
    """Downloads a file; the failures of a network and of a server pass at times."""
    import requests  # here: the raw files of most runs are there already

    for pause in (*PAUSES, None):
        try:
            with requests.get(url, stream=True, timeout=30) as response, path.open("wb") as file:
                response.raise_for_status()
                for content in response.iter_content(2**16):
                    file.write(content)
                    if file.tell() > LARGEST:
                        raise _GivenUpError(f"more than {LARGEST} bytes")
            return
        except requests.RequestException as error:
            if pause is None:
                raise _GivenUpError(type(error).__name__) from error
            time.sleep(pause)
