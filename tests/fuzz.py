"""Coverage-guided fuzzing of what reads other people's files: `python tests/fuzz.py csv`.

Needs the package `atheris`. What follows the target goes to libFuzzer, such as
`-max_total_time=600`. It ends with an input that raised anything but the errors which are meant for
users, and with that input in a file.
"""

import contextlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris
import torch

with atheris.instrument_imports(include=["rnnclf", "csv", "yaml", "omegaconf"]):
    from project import composed

    from rnnclf.data.csv_files import read_csv, read_sentences
    from rnnclf.data.vocabulary import Vocabulary
    from rnnclf.errors import DataError, ModelError
    from rnnclf.files.paths import BundlePaths
    from rnnclf.model.network import RecurrentClassifier
    from rnnclf.model.store import load, save_description, save_weights
    from rnnclf.training.checkpoint import load_checkpoint, save_checkpoint

FOLDER = Path(tempfile.mkdtemp())


def read_as_csv(content: bytes) -> None:
    """Reads the input as labelled texts, and as texts."""
    path = FOLDER / "it.csv"
    path.write_bytes(content)
    for read in (read_csv, read_sentences):
        try:
            read(path)
        except DataError as error:
            assert "\n" not in str(error)


def read_as_bundle(content: bytes) -> None:
    """Takes one file of a whole bundle for the input, by its first byte, and loads that."""
    paths = BundlePaths(FOLDER)
    which = (*paths.all, paths.metrics)[content[0] % 5 if content else 0]
    before = which.read_bytes() if which.exists() else None
    which.write_bytes(content[1:])
    try:
        load(FOLDER)
    except ModelError:
        pass
    finally:
        which.unlink() if before is None else which.write_bytes(before)


def read_as_checkpoint(content: bytes) -> None:
    """Reads the input as a checkpoint."""
    path = FOLDER / "it.safetensors"
    path.write_bytes(content)
    with contextlib.suppress(ModelError):
        load_checkpoint(path)


def whole_csv() -> list[bytes]:
    """Returns what the fuzzer begins with."""
    return [b'sentence,label\na,b\n"c, d",e\n']


def whole_bundle() -> list[bytes]:
    """Writes a small model into the folder; returns each of its files."""
    config = composed("model.embedding_size=2", "model.hidden_size=2")
    torch.manual_seed(0)
    paths = BundlePaths(FOLDER)
    save_description(config, Vocabulary(["<unk>", "<pad>", "a"]), ["yes", "no"], paths)
    save_weights(RecurrentClassifier(config.model, 3, 2).state_dict(), paths.weights)
    load(FOLDER)
    return [bytes([number]) + path.read_bytes() for number, path in enumerate(paths.all)]


def whole_checkpoint() -> list[bytes]:
    """Returns a small checkpoint."""
    path = FOLDER / "it.safetensors"
    save_checkpoint({"epochs": [{"loss": 0.5}], "best": None, "state": {0: torch.ones(2)}}, path)
    return [path.read_bytes()]


TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], list[bytes]]]] = {
    "csv": (read_as_csv, whole_csv),
    "bundle": (read_as_bundle, whole_bundle),
    "checkpoint": (read_as_checkpoint, whole_checkpoint),
}

if __name__ == "__main__":
    target, make_whole = TARGETS[sys.argv.pop(1)]
    seeds = FOLDER / "seeds"
    seeds.mkdir()
    for number, content in enumerate(make_whole()):
        (seeds / str(number)).write_bytes(content)
    atheris.Setup([*sys.argv, str(seeds)], target)
    atheris.Fuzz()
