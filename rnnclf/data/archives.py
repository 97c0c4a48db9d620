"""Tar archives from others, read without trust."""

import gzip
import hashlib
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from rnnclf.errors import DataError

LARGEST_CONTENT = 2**28  # bytes, with the headers; the published archives have 40 million
LARGEST_HEADER = 2**20  # bytes of all that stands before the content of a member
MOST_MEMBERS = 100_000  # the published archives have 19 000
MOST_KEYS = 1000  # of global headers, of which each member gets a copy
# What odd numbers and nested headers make of tarfile.
ODD = (ArithmeticError, LookupError, ValueError, RecursionError)


def read_archive(path: Path) -> dict[str, bytes]:
    """Reads all files of a gzipped tar archive into memory, by name and sorted.

    Raises:
        DataError: If the archive is damaged, has links, devices, names outside of its folder, a
            name twice, or more content than data sets have.
    """
    contents: dict[str, bytes] = {}
    try:
        with _Bounded(path) as unzipped, tarfile.open(fileobj=unzipped, mode="r:") as archive:
            for number, member in enumerate(archive):
                if number == MOST_MEMBERS or len(archive.pax_headers) > MOST_KEYS:
                    raise DataError(f"{path}: more members or headers than data sets have")
                if not member.isdir():
                    _check_member(member, path)
                    if member.name in contents:
                        raise DataError(f"{path}: two members are named {member.name}")
                    contents[member.name] = unzipped.content(archive, member)
                unzipped.expect(LARGEST_HEADER)
    except (tarfile.TarError, EOFError, zlib.error, OSError, *ODD) as error:
        raise DataError(
            f"{path}: damaged archive ({error}); delete it to download it again"
        ) from error
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


class _Bounded(gzip.GzipFile):
    """A gzipped file of which no more is read than is expected.

    tarfile reads a header at once, however large it says that it is.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._end = LARGEST_HEADER

    def expect(self, size: int) -> None:
        """Allows `size` more bytes to be read."""
        self._end = min(self.tell() + size, LARGEST_CONTENT)

    def content(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
        """Reads the content of a member."""
        self.expect(member.size + tarfile.BLOCKSIZE)
        file = archive.extractfile(member)
        assert file is not None, "a regular file has content"
        return file.read()

    def read(self, size: int | None = -1) -> bytes:
        """Reads `size` bytes.

        Raises:
            DataError: If that is more than is allowed.
        """
        if size is None or size < 0 or self.tell() + size > self._end:
            raise DataError(f"{self.name}: a larger header or more content than data sets have")
        return super().read(size)
