"""Time and memory of a run of one epoch as rows and classes grow: `python benchmarks/classes.py`.

The texts are made up: ten words each, one of them a word of the class. A row of the table is one
run with the default model, from the start of the process to its end, with nothing in the cache, and
without the linear path, unless --wide-buckets gives it some.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

RUN_PY = Path(__file__).resolve().parents[1] / "run.py"
WORDS = 20_000


def write_texts(path: Path, rows: int, classes: int, generator: random.Random) -> None:
    """Writes rows whose classes take turns."""
    with path.open("w", encoding="utf-8") as file:
        file.write("sentence,label\n")
        for row in range(rows):
            words = [f"w{int(WORDS * generator.random() ** 3)}" for _ in range(9)]
            file.write(f"class{row % classes} {' '.join(words)},c{row % classes}\n")


def measure(rows: int, classes: int, buckets: int) -> tuple[float, float, dict]:
    """Returns seconds and GiB of a run, and its result."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        data.mkdir()
        write_texts(data / "train.csv", rows * 9 // 10, classes, random.Random(0))
        write_texts(data / "test.csv", rows // 10, classes, random.Random(1))
        command = [sys.executable, str(RUN_PY), "dataset=csv", f"dataset.folder={data}", "epochs=1"]
        command.append(f"model.wide_buckets={buckets}")
        environment = os.environ | {"RNNCLF_CACHE": str(Path(folder, "cache"))}
        process = subprocess.Popen(
            [*command, f"hydra.run.dir={folder}/run"], env=environment, stdout=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"{rows} rows of {classes} classes: the run ended with {status}")
        result = json.loads(Path(folder, "run", "result.json").read_text())
        return result["seconds"]["total"], usage.ru_maxrss / 2**20, result


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--classes", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--wide-buckets", type=int, default=0)
    arguments = parser.parse_args()
    print("| rows | classes | load | fit | evaluate | total | memory |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for rows in arguments.rows:
        for classes in arguments.classes:
            total, memory, result = measure(rows, classes, arguments.wide_buckets)
            phases = " | ".join(
                f"{result['seconds'][name]:.1f} s" for name in ("load", "fit", "evaluate")
            )
            print(
                f"| {rows} | {classes} | {phases} | {total:.1f} s | {memory:.2f} GiB |", flush=True
            )


if __name__ == "__main__":
    main()
