"""Computes the accuracies in REPORT.md again with the submitted models.

make -C code setup
code/.venv/bin/python grade.py [--data FOLDER]

FOLDER has the raw files of the data sets; without it they are downloaded. The exit code is 0 if all
accuracies are as reported.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
Row = tuple[str, str, str]
# | questions | **0.7782** | 0.7564 to 0.7986 | 1488 | `models/questions-gru` |
ROW = re.compile(
    r"^\| ([\w.-]+) \| \*\*(\d\.\d{4})\*\* \| [^|]+ \| (\d+) \| `(models/\w[\w.-]*)` \|$",
    re.MULTILINE,
)
LARGEST = 2**20  # bytes of a file that is read
SPLIT = {
    "train_fraction": 0.75,
    "split_seed": 0,
}  # the hand-out's share, in the order of all groups


def main(arguments: list[str]) -> int:
    """Grades each model of the report; returns the exit code."""
    try:
        rows = reported(HERE)
    except (OSError, ValueError) as error:
        print(f"no report here: {error}")
        return 1
    wrong = [model for model, row in rows.items() if not _is_as_reported(model, row, arguments)]
    if not rows:
        print("REPORT.md reports no accuracy")
    elif wrong:
        print(f"\nnot as reported: {', '.join(wrong)}")
    else:
        print(f"\nall {len(rows)} accuracies are as reported")
    return 0 if rows and not wrong else 1


def reported(folder: Path) -> dict[str, Row]:
    """Returns data set, accuracy and number of test texts in the report, by model."""
    return {
        model: (name, value, texts)
        for name, value, texts, model in ROW.findall(_read(folder / "REPORT.md"))
    }


def contradiction(folder: Path, model: str, row: Row) -> str | None:
    """Compares the report with the model's own record; returns in words what differs."""
    try:
        result = json.loads(_read(folder / model / "metrics.json"))["result"]
        dataset = yaml.safe_load(_read(folder / model / "config.yaml"))["dataset"]
        task = dataset["name"] + ("-coarse" if dataset["labels"] == "coarse" else "")
        found = (repr(task)[1:-1], f"{result['test_accuracy']:.4f}", str(result["texts"]["test"]))
        split = {key: dataset[key] for key in SPLIT}
    except (OSError, ValueError, KeyError, TypeError, RecursionError, yaml.YAMLError) as error:
        return f"no model here: {str(error)!r}"
    for name, claimed, there in zip(
        ("data set", "accuracy", "test texts"), row, found, strict=True
    ):
        if claimed != there:
            return f"{name}: {claimed} in REPORT.md, {there} in {model}"
    return None if split == SPLIT else f"another split of the data in {model}"


def _is_as_reported(model: str, row: Row, arguments: list[str]) -> bool:
    """Compares the report with the model's record, and the record with the model's answers."""
    print(f"\n{model}: {row[1]} in REPORT.md", flush=True)
    if problem := contradiction(HERE, model, row):
        print(problem)
        return False
    packages = os.pathsep.join([str(HERE / "code"), str(HERE / "code" / "sweeper")])
    environment = os.environ | {"PYTHONPATH": packages}
    command = [sys.executable, "-m", "rnnclf", "evaluate", str(HERE / model), *arguments]
    return subprocess.run(command, env=environment, check=False).returncode == 0


def _read(path: Path) -> str:
    """Reads a file of a submission, which may be anything."""
    if not path.is_file() or path.is_symlink():
        raise OSError(f"it has no {path.name}")
    if path.stat().st_size > LARGEST:
        raise OSError(f"{path.name} has more than {LARGEST} bytes")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise OSError(f"{path.name} is not in UTF-8") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
