"""Reads the models and the report from somebody's zip file, and nothing else."""

import re
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from hydra_study_sweeper.files import open_regular

from rnnclf.bundles.submission.claims import REPORT
from rnnclf.data.archives import ODD
from rnnclf.errors import DataError

LARGEST_CONTENT = 2**30  # bytes of a submission's models; those of the hand-out have 100 million
LARGEST_DIRECTORY = 2**24  # bytes; zipfile makes an object of every 50
BLOCK = 2**20
TAIL = 2**16 + 100  # bytes in which the end of a zip file is looked for
END, ZIP64 = b"PK\5\6", b"PK\6\7"
# Code is not even unpacked.
WANTED = re.compile(
    r"REPORT\.md|models/\w[\w.-]*/"
    r"(?:config\.yaml|model\.safetensors|vocabulary\.txt|labels\.txt|metrics\.json)"
)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Yields a folder with `REPORT.md` and `models/` of a submission, for the block.

    Raises:
        DataError: If it is no zip file, is damaged, encrypted or too large, has links or a name
            twice.
    """
    with tempfile.TemporaryDirectory(prefix="rnnclf-") as temporary:
        folder = Path(temporary)
        try:
            with open_regular(path) as file:
                _check_directory(file)
                with zipfile.ZipFile(file) as archive:
                    _unpack(archive, folder)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, *ODD) as error:
            raise DataError(f"not a sound zip file ({error})") from error
        yield folder


def _check_directory(file: BinaryIO) -> None:
    """Refuses a list of members that would fill the memory; zipfile reads it as a whole."""
    size = file.seek(0, 2)
    file.seek(max(0, size - TAIL))
    tail = file.read(TAIL)
    sizes = [int.from_bytes(tail[at.start() + 12 :][:4], "little") for at in re.finditer(END, tail)]
    if ZIP64 in tail or max(sizes, default=0) > LARGEST_DIRECTORY:
        raise DataError("not a zip file of a submission: it lists too many files")


def _unpack(archive: zipfile.ZipFile, folder: Path) -> None:
    # Some programs write the backslashes of Windows; each name is checked below.
    members = [(member.filename.replace("\\", "/"), member) for member in archive.infolist()]
    around = _around([name for name, _ in members])
    left = LARGEST_CONTENT
    for path, member in members:
        name = path.removeprefix(around)
        if not path.startswith(around) or not WANTED.fullmatch(name):
            continue
        if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
            raise DataError(f"{name} is not a regular file")
        if member.header_offset < 0:
            raise DataError(f"{name} would begin before the archive")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(f"{name} is compressed in a way that is not read")
        to = folder / name
        if to.exists():
            raise DataError(f"{name} is there twice")
        to.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(member) as source, to.open("xb") as copy:
            while block := source.read(BLOCK):
                left -= len(block)
                if left < 0:  # counted, whatever the archive says of itself
                    raise DataError("its models are larger than those of a submission")
                copy.write(block)


def _around(names: list[str]) -> str:
    """Returns the folders around the outermost report, however many were zipped with it."""
    found = [name.removesuffix(REPORT) for name in names if name.rpartition("/")[2] == REPORT]
    depth = min((one.count("/") for one in found), default=0)
    outermost = {one for one in found if one.count("/") == depth}
    if len(outermost) > 1:
        raise DataError(f"{REPORT} is there twice")
    return outermost.pop() if outermost else ""
