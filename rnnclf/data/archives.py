"""Tar archives from others, read without trust."""

import hashlib
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from rnnclf.errors import DataError

LARGEST_CONTENT = 2**30


def read_archive(path: Path) -> dict[str, bytes]:
    """Reads all files of a gzipped tar archive into memory, by name and sorted.

    Raises:
        DataError: If the archive is damaged, has links, devices, names outside of its folder, a
            name twice, or more than 1 GiB of content.
    """
    contents: dict[str, bytes] = {}
    size = 0
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                if member.isdir():
                    continue
                _check_member(member, path)
                if member.name in contents:
                    raise DataError(f"{path}: has {member.name} twice")
                size += member.size
                if size > LARGEST_CONTENT:
                    raise DataError(f"{path}: more than {LARGEST_CONTENT} bytes of content")
                file = archive.extractfile(member)
                assert file is not None, "a regular file has content"
                contents[member.name] = file.read()
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise DataError(f"{path}: damaged archive ({error})") from error
    return dict(sorted(contents.items()))


def members_digest(contents: dict[str, bytes]) -> str:
    """Hashes the members of an archive, whatever their order, times and compression.

    Returns:
        The SHA-256 of what `sha256sum` prints for the files, sorted by name.
    """
    digest = hashlib.sha256()
    for name, content in sorted(contents.items()):
        digest.update(f"{hashlib.sha256(content).hexdigest()}  {name}\n".encode())
    return digest.hexdigest()


def _check_member(member: tarfile.TarInfo, path: Path) -> None:
    if not member.isreg():
        raise DataError(f"{path}: member {member.name} is a link or device; refused")
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise DataError(f"{path}: member {member.name} points outside the archive; refused")
