"""Raw files: found in the data folder or downloaded, and verified either way."""

import hashlib
import shutil
import tempfile
import urllib.error
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests
from filelock import FileLock
from hydra_study_sweeper.files import replacing
from hydra_study_sweeper.paths import host_lock

from rnnclf.data.archives import members_digest, read_archive
from rnnclf.errors import DataError


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
        DataError: If the file is missing and cannot be downloaded.
    """
    path = folder / raw_file.name
    if not path.exists():
        with one_process_at_a_time(path):
            if not path.exists():
                _download(raw_file, path)
    return path


@contextmanager
def one_process_at_a_time(path: Path) -> Iterator[None]:
    """Lets one process of this machine make a file, if there is a place for its lock."""
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    with ExitStack() as stack:
        with suppress(OSError):
            stack.enter_context(FileLock(host_lock(name)))
        yield


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
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        staging = tempfile.mkdtemp(prefix=".download-", dir=path.parent)
    except OSError as error:
        raise DataError(f"{path.parent}: cannot be written: {error.strerror}") from error
    try:
        for url in raw_file.urls:
            try:
                fetched = Path(_retrieve(url, raw_file.name, staging))
                verify(raw_file, fetched)
            except (requests.RequestException, urllib.error.URLError, ValueError) as error:
                failures.append(f"{url} ({type(error).__name__})")
            except DataError:
                failures.append(f"{url} (not the published file)")
            else:
                with replacing(path) as temporary:
                    shutil.copyfile(fetched, temporary)
                return
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    raise DataError(
        f"{raw_file.name} is not in {path.parent.resolve()} and could not be downloaded from "
        f"{', '.join(failures)}; put the file there by hand, or use dataset=sample, "
        "which needs no download"
    )


def _retrieve(url: str, name: str, folder: str) -> str:
    fetcher = pooch.create(
        path=folder, base_url="", registry={name: None}, urls={name: url}, retry_if_failed=2
    )
    downloader = pooch.HTTPDownloader(progressbar=True, timeout=30)
    return str(fetcher.fetch(name, downloader=downloader))
