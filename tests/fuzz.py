"""Coverage-guided fuzzing of what reads other people's files: `make fuzz SECONDS=60`.

Needs the package `atheris`. Each target takes its share of the seconds. `python tests/fuzz.py csv`
fuzzes one target; what follows goes to libFuzzer, such as `-max_total_time=600`. It ends with an
input that raised anything but the errors which are meant for users, and with that input in a file.
"""

import contextlib
import gzip
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import atheris
import torch

FUZZED = ["rnnclf", "hydra_study_sweeper", "csv", "yaml", "tarfile", "zipfile"]

with atheris.instrument_imports(include=FUZZED):
    from hydra_study_sweeper.errors import StudyError
    from hydra_study_sweeper.files import RecordError
    from hydra_study_sweeper.storage.journal import read_journal
    from project import composed

    from rnnclf.bundles.submission.unpack import unpacked
    from rnnclf.data.archives import read_archive
    from rnnclf.data.tables.table import Reading, read_table
    from rnnclf.data.vocabulary import Vocabulary
    from rnnclf.errors import DataError, ModelError
    from rnnclf.files.epochs import read_epochs
    from rnnclf.files.paths import BASELINE, BundlePaths, RunPaths
    from rnnclf.files.predictions import read_predictions
    from rnnclf.files.tensors import save_tensors
    from rnnclf.model.network import RecurrentClassifier
    from rnnclf.model.store import load, save_description
    from rnnclf.runs.find import find_runs
    from rnnclf.runs.query import Names
    from rnnclf.runs.rank import rank, rows
    from rnnclf.runs.tables import render
    from rnnclf.training.checkpoint import load_checkpoint, save_checkpoint

FOLDER = Path(tempfile.mkdtemp())


def read_as_csv(content: bytes) -> None:
    """Reads the input as labelled texts, and as texts."""
    for name in ("it.csv", "it.jsonl", "it.txt"):
        path = FOLDER / name
        path.write_bytes(content)
        for labelled in (True, False):
            try:
                read_table(path, Reading(labelled=labelled))
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


def read_as_archive(content: bytes) -> None:
    """Reads the input as the content of a gzipped tar archive."""
    path = FOLDER / "it.tar.gz"
    path.write_bytes(gzip.compress(content, 1))
    with contextlib.suppress(DataError):
        read_archive(path)


def read_as_submission(content: bytes) -> None:
    """Reads the input as the zip file of a submission."""
    path = FOLDER / "it.zip"
    path.write_bytes(content)
    with contextlib.suppress(DataError), unpacked(path):
        pass


def read_as_record(content: bytes) -> None:
    """Takes one record of a study and its trial for the input, by its first byte; compares all."""
    trial = FOLDER / "study" / "0"
    trial.mkdir(parents=True, exist_ok=True)
    names = ("../study.json", "../study.journal", "trial.json", "result.json", BASELINE)
    for name in names:
        (trial / name).unlink(missing_ok=True)
    for name, whole in WHOLE_RECORDS.items():
        (trial / name).write_text(json.dumps(whole))
    (trial / names[content[0] % len(names) if content else 0]).write_bytes(content[1:])
    found = find_runs([FOLDER / "study"])
    for ranked in rank(found.runs).values():
        table = rows(ranked, Names.of(found.runs), found.baselines)
        for kind in ("table", "md", "csv", "json"):
            render({"task": table}, kind)
    with contextlib.suppress(StudyError):
        read_journal(FOLDER / "study")


def read_as_lines(content: bytes) -> None:
    """Reads the input as what a run writes line by line."""
    paths = RunPaths(FOLDER)
    paths.metrics.write_bytes(content)
    paths.predictions.write_bytes(content)
    with contextlib.suppress(RecordError):
        read_epochs(paths.metrics)
    with contextlib.suppress(RecordError):
        read_predictions(paths.predictions, "test")


TRIAL = {"number": 0, "state": "complete", "values": [0.5], "params": {"lr": 0.1}, "runs": ["."]}
BEST = {"number": 0, "values": [0.5], "params": {"lr": 0.1}, "folder": "0", "best_step": 1}
WHOLE_RECORDS = {
    "trial.json": TRIAL | {"role": None, "reason": None},
    "result.json": {
        **{"dataset": "sample", "cell": "gru", "parameters": 1, "vocabulary_size": 1, "classes": 2},
        **{"val_accuracy": 0.5, "val_macro_f1": 0.5, "val_loss": 0.5, "test_accuracy": None},
        **{"test_macro_f1": None, "test_loss": None, "git_revision": "a", "versions": {"a": "1"}},
        **{"val_calibration_error": 0.1, "test_calibration_error": None, "test_classes": None},
        "val_classes": [{"label": "a", "precision": 1, "recall": 1, "f1": 1, "support": 1}],
        "thresholds": [{"probability": 0.5, "coverage": 1, "accuracy": None}],
        **{"temperature": 1, "data": "0123456789ab", "splits": "0123456789ab"},
        **{"texts": {"train": 1, "validation": 1, "test": 0}, "best_epoch": 1, "epochs": 1},
        **{"seed": 0, "identity": "a", "device": "cpu", "started": "2026-01-01T00:00:00+00:00"},
        "seconds": {"load": 0, "fit": 0, "evaluate": 0, "total": 0},
        "config": {"dataset": {"name": "sample", "labels": None, "folder": None}, "seed": 0},
    },
    "../study.json": {
        **{"name": "s", "directions": ["maximize"], "n_trials": 1, "finished": True, "lost": 0},
        **{"stopped": None, "states": {"complete": 1}, "first_failure": None, "space": {"lr": "x"}},
        **{"overrides": ["a=1"], "repeats": 1, "best": [BEST], "refit": None},
    },
}


def whole_records() -> list[bytes]:
    """Returns a record of each kind, with the byte that chooses it."""
    numbers = {"../study.json": 0, "trial.json": 2, "result.json": 3}
    return [
        bytes([numbers[name]]) + json.dumps(whole).encode() for name, whole in WHOLE_RECORDS.items()
    ]


def whole_lines() -> list[bytes]:
    """Returns what the fuzzer begins with."""
    return [b"sentence,label,predicted,probability\na,b,c,0.5\n", b'{"epoch": 1}\n']


def whole_archive() -> list[bytes]:
    """Returns a tar archive of a file."""
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            archive.add(__file__, "a/b")
        file.seek(0)
        return [file.read()]


def whole_csv() -> list[bytes]:
    """Returns what the fuzzer begins with."""
    return [b'sentence,label\na,b\n"c, d",e\n']


def whole_bundle() -> list[bytes]:
    """Writes a small model into the folder; returns each of its files."""
    config = composed("model.embedding_size=2", "model.hidden_size=2")
    torch.manual_seed(0)
    paths = BundlePaths(FOLDER)
    save_description(config, Vocabulary(["<unk>", "<pad>", "a"]), ["yes", "no"], paths)
    save_tensors(RecurrentClassifier(config.model, 3, 2).state_dict(), paths.weights)
    load(FOLDER)
    return [bytes([number]) + path.read_bytes() for number, path in enumerate(paths.all)]


def whole_checkpoint() -> list[bytes]:
    """Returns a small checkpoint."""
    path = FOLDER / "it.safetensors"
    save_checkpoint({"epochs": [{"loss": 0.5}], "best": None, "state": {0: torch.ones(2)}}, path)
    return [path.read_bytes()]


def whole_submission() -> list[bytes]:
    """A zip file with a report."""
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("GROUP_7_PROJECT_PART2/REPORT.md", "# Group 7\n" * 9)
            archive.writestr("GROUP_7_PROJECT_PART2/models/m/labels.txt", "a\nb\n")
        return [file.getvalue()]


TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], list[bytes]]]] = {
    "archive": (read_as_archive, whole_archive),
    "bundle": (read_as_bundle, whole_bundle),
    "checkpoint": (read_as_checkpoint, whole_checkpoint),
    "csv": (read_as_csv, whole_csv),
    "lines": (read_as_lines, whole_lines),
    "record": (read_as_record, whole_records),
    "submission": (read_as_submission, whole_submission),
}


def fuzz_all(seconds: int) -> None:
    """Fuzzes every target in a process of its own; the first that falls ends it."""
    for name in TARGETS:
        print(f"== {name}", flush=True)
        share = f"-max_total_time={seconds // len(TARGETS)}"
        subprocess.run([sys.executable, __file__, name, share, "-verbosity=0"], check=True)


def fuzz(name: str, arguments: list[str]) -> None:
    """Fuzzes a target until an input falls, or as libFuzzer's arguments say."""
    target, make_whole = TARGETS[name]
    seeds = FOLDER / "seeds"
    seeds.mkdir()
    for number, content in enumerate(make_whole()):
        (seeds / str(number)).write_bytes(content)
        target(content)
    atheris.Setup([sys.argv[0], *arguments, str(seeds)], target)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1] == "all":
        fuzz_all(int(sys.argv[2]))
    else:
        fuzz(sys.argv[1], sys.argv[2:])
