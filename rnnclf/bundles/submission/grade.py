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

HERE = Path(__file__).resolve().parent
# | questions | **0.7782** | 0.7564 to 0.7986 | 1488 | `models/questions-gru` |
ROW = re.compile(r"^\| [^|]+ \| \*\*(\d\.\d{4})\*\* \|.*\| `(models/[^`/]+)` \|$", re.MULTILINE)


def main(arguments: list[str]) -> int:
    """Grades each model of the report; returns the exit code."""
    reported = {model: accuracy for accuracy, model in ROW.findall(_read(HERE / "REPORT.md"))}
    wrong = [model for model in reported if not _is_as_reported(model, reported, arguments)]
    if not reported:
        print("REPORT.md reports no accuracy")
    elif wrong:
        print(f"\nnot as reported: {', '.join(wrong)}")
    else:
        print(f"\nall {len(reported)} accuracies are as reported")
    return 0 if reported and not wrong else 1


def _is_as_reported(model: str, reported: dict[str, str], arguments: list[str]) -> bool:
    """Compares the report with the model's record, and the record with the model's answers."""
    print(f"\n{model}: {reported[model]} in REPORT.md", flush=True)
    try:
        recorded = json.loads(_read(HERE / model / "metrics.json"))["result"]["test_accuracy"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"no model here: {error}")
        return False
    if f"{recorded:.4f}" != reported[model]:
        print(f"{recorded:.4f} in {model}/metrics.json")
        return False
    packages = os.pathsep.join([str(HERE / "code"), str(HERE / "code" / "sweeper")])
    environment = os.environ | {"PYTHONPATH": packages}
    command = [sys.executable, "-m", "rnnclf", "evaluate", str(HERE / model), *arguments]
    return subprocess.run(command, env=environment, check=False).returncode == 0


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
