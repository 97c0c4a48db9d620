"""Prepared data, kept on disk for the next run and shared by processes.

An entry is a safetensors file whose arrays are mapped into memory, so that all processes of a
machine share one copy. Its name is a hash of everything it was made from. A checksum guards it; a
damaged entry is made again.
"""

import errno
import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from hydra_study_sweeper.files import replacing
from hydra_study_sweeper.paths import private_folder
from safetensors import SafetensorError
from safetensors.numpy import save_file

from rnnclf.data.locks import one_process_at_a_time
from rnnclf.files.paths import cache_folder

log = logging.getLogger(__name__)

Array = npt.NDArray[Any]
LARGEST = 2**33  # bytes; the largest published vectors have 6 billion
# What safetensors and NumPy call the types of the arrays.
DTYPES = {"BOOL": "?", "F32": "<f4", "F64": "<f8"}
DTYPES |= {f"I{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)}
DTYPES |= {f"U{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)}
STRINGS = "strings"  # the array that holds the strings of an entry, as JSON


@dataclass(frozen=True)
class Entry:
    """Arrays and lists of strings, by name."""

    arrays: Mapping[str, Array]
    strings: Mapping[str, Sequence[str]] = field(default_factory=dict)


def kept(name: str, key: object, build: Callable[[], Entry]) -> Entry:
    """Returns an entry of the cache, which is made if it is missing.

    Of several processes of this machine that miss an entry at once, one makes it and the others
    wait. If the cache cannot be written, or others can write there, the entry is made and not kept.

    Args:
        name: The beginning of the file's name.
        key: Everything that the entry depends on besides the code in this folder, as JSON.
        build: Makes the entry.
    """
    code = [file_digest(path) for path in sorted(Path(__file__).parent.glob("*.*"))]
    made_from = json.dumps([key, code], sort_keys=True)
    digest = hashlib.sha256(made_from.encode()).hexdigest()[:16]
    try:
        path = private_folder(cache_folder()) / f"{name}-{digest}.safetensors"
    except OSError as error:
        _say_that_nothing_is_kept(error)
        return build()
    if entry := _read(path):
        return entry
    with one_process_at_a_time(path):
        if entry := _read(path):
            return entry
        if path.exists():
            log.warning("%s is damaged and is made again", path)
        built = build()
        try:
            _write(built, path)
        except OSError as error:
            _say_that_nothing_is_kept(error)
        return _read(path) or built


def _say_that_nothing_is_kept(error: OSError) -> None:
    place = f"{error.filename}: " if error.filename else ""
    log.warning("%s%s; nothing is kept in the cache", place, error.strerror or error)


def file_digest(path: Path) -> str | None:
    """Returns the SHA-256 of a file's content in hexadecimal digits.

    It is None if the file cannot be read, is no regular file or is larger than `LARGEST`.
    """
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None  # the reader of the file reports the reason


def _read(path: Path) -> Entry | None:
    """Returns an entry that is there and whole."""
    try:
        arrays, digest = _mapped(path)
        is_whole = digest == _checksum(arrays)
    except Exception:  # of whatever kind: it is missing, or anything in it is damaged
        return None
    if not is_whole:
        return None
    strings = json.loads(arrays.pop(STRINGS).tobytes())
    return Entry(arrays, strings)


def _mapped(path: Path) -> tuple[dict[str, Array], str]:
    """Maps the arrays of a safetensors file into memory; also returns their checksum.

    The library would copy them for NumPy. It maps them for torch, whose import takes a second.
    """
    content = np.memmap(path, np.uint8, mode="c")  # writing into it changes no file
    start = 8 + int(content[:8].view("<u8")[0])
    header = json.loads(content[8:start].tobytes())
    digest: str = header.pop("__metadata__")["sha256"]
    arrays = {}
    for name, of_array in header.items():
        first, end = (start + offset for offset in of_array["data_offsets"])
        flat = content[first:end].view(DTYPES[of_array["dtype"]])
        arrays[name] = np.asarray(flat.reshape(of_array["shape"]))
    return arrays, digest


def _write(entry: Entry, path: Path) -> None:
    strings = np.frombuffer(json.dumps(dict(entry.strings)).encode(), dtype=np.uint8)
    arrays = {**entry.arrays, STRINGS: strings}
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    with replacing(path) as temporary:
        try:
            save_file(arrays, temporary, {"sha256": _checksum(arrays)})
        except SafetensorError as error:
            raise OSError(errno.EIO, f"cannot be written: {error}", str(path)) from error


def _checksum(arrays: Mapping[str, Array]) -> str:
    hashed = hashlib.sha256()
    for name in sorted(arrays):
        hashed.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape} ".encode())
        hashed.update(np.ascontiguousarray(arrays[name]).data)
    return hashed.hexdigest()
