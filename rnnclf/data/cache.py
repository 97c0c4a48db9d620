"""Results of preparing data, kept on disk for the next run and shared by processes.

An entry is a safetensors file: arrays that are mapped into memory rather than read, so that all
processes of a machine share one copy. It is found by a key that covers all it was made from,
reaches its name only when it is whole, and is checked against its checksum; a damaged one is made
anew.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock
from hydra_study_sweeper.files import replacing
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from rnnclf.files.paths import cache_folder

log = logging.getLogger(__name__)

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Entry:
    """What is kept.

    Attributes:
        arrays: Arrays by name.
        strings: Lists of strings by name.
    """

    arrays: Mapping[str, Array]
    strings: Mapping[str, Sequence[str]] = field(default_factory=dict)


def kept(name: str, key: object, build: Callable[[], Entry]) -> Entry:
    """Returns an entry of the cache, which is made if it is not there.

    Of several processes that want a missing entry at once, one makes it and the others wait. Where
    the cache cannot be written, the entry is made and not kept.

    Args:
        name: What the file's name begins with.
        key: All that the entry depends on, as JSON can write it; the code that makes entries is
            added.
        build: Makes the entry.
    """
    code = [file_digest(path) for path in sorted(Path(__file__).parent.glob("*.*"))]
    made_from = json.dumps([key, code], sort_keys=True)
    digest = hashlib.sha256(made_from.encode()).hexdigest()[:16]
    path = cache_folder() / f"{name}-{digest}.safetensors"
    if entry := _read(path):
        return entry
    lock = FileLock(path.with_suffix(".lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        _say_that_nothing_is_kept(path, error)
        return build()
    try:
        return _read(path) or _made(build, path)
    finally:
        lock.release()


def file_digest(path: Path) -> str | None:
    """Returns the SHA-256 of a file's content in hexadecimal digits, None if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None  # whoever reads the file says what is wrong with it


def _made(build: Callable[[], Entry], path: Path) -> Entry:
    built = build()
    try:
        _write(built, path)
    except OSError as error:
        _say_that_nothing_is_kept(path, error)
    return _read(path) or built


def _say_that_nothing_is_kept(path: Path, error: OSError) -> None:
    log.warning("%s: cannot be written (%s); nothing is kept", path.parent, error.strerror)


def _read(path: Path) -> Entry | None:
    """Returns an entry that is there and whole."""
    try:
        with safe_open(path, framework="pt") as file:
            arrays = {name: file.get_tensor(name).numpy() for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except (OSError, SafetensorError):
        return None
    if metadata.get("sha256") != _checksum(arrays):
        log.warning("%s is damaged and is made anew", path)
        return None
    names = json.loads(metadata["strings"])
    strings = {name: _split(arrays.pop(name), arrays.pop(f"{name}.ends")) for name in names}
    return Entry(arrays, strings)


def _write(entry: Entry, path: Path) -> None:
    arrays = dict(entry.arrays)
    for name, strings in entry.strings.items():
        arrays[name], arrays[f"{name}.ends"] = _join(strings)
    metadata = {"strings": json.dumps(list(entry.strings)), "sha256": _checksum(arrays)}
    with replacing(path) as temporary:
        try:
            save_file(arrays, temporary, metadata)
        except SafetensorError as error:
            raise OSError(0, str(error)) from error


def _checksum(arrays: Mapping[str, Array]) -> str:
    hashed = hashlib.sha256()
    for name in sorted(arrays):
        hashed.update(name.encode())
        hashed.update(np.ascontiguousarray(arrays[name]).data)
    return hashed.hexdigest()


def _join(strings: Sequence[str]) -> tuple[Array, Array]:
    """Returns the UTF-8 of all strings, and where each ends in it."""
    encoded = [string.encode() for string in strings]
    ends = np.cumsum([len(string) for string in encoded], dtype=np.int64)
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), ends


def _split(joined: Array, ends: Array) -> list[str]:
    content, start, strings = joined.tobytes(), 0, []
    for end in ends.tolist():
        strings.append(content[start:end].decode())
        start = end
    return strings
