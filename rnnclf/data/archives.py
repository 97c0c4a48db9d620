"""Reading tar archives without trusting them."""

import hashlib
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from rnnclf.errors import DataError

LARGEST_CONTENT = 2**30


def read_archive(path: Path) -> dict[str, bytes]:
    """Reads all files of a gzipped tar archive into memory; nothing is written to disk.

    Returns:
        Contents by member name, sorted by name.

    Raises:
        DataError: If the archive is truncated or damaged, has a member that is neither a file nor
            a folder, a name outside the archive's own folder or twice, or more than 1 GiB in all.
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
                    raise DataError(f"{path}: member {member.name} stands there twice")
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
    """Digests the members of an archive, whatever their order, times and compression.

    Returns:
        SHA-256 of the lines that `sha256sum` prints for the files, sorted by name.
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
