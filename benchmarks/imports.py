"""Where the imports of a command go: `python benchmarks/imports.py [--rounds 3]`.

A tiny run, `rnnclf compare` of it and `rnnclf --help` take turns. For each it prints the least CPU
seconds of the whole command, and the least seconds by `-X importtime` of each package by itself,
those above a hundredth. Needs the raw files in $RNNCLF_DATA.
"""

import argparse
import collections
import os
import re
import subprocess
import sys
import tempfile

from csv_folder import REPO

LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+([^.\s]+)")
TINY = ("epochs=1", "hidden_size=16", "embedding_size=16")


def run(command: list[str], *options: str) -> tuple[float, str]:
    """Returns the CPU seconds of a command of Python's, and its errors."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, *options, *command], stdout=subprocess.DEVNULL, stderr=errors
        )
        _, status, usage = os.wait4(process.pid, 0)
        errors.seek(0)
        if status:
            raise SystemExit(f"{command} ended with {status}: {errors.read()[-300:]}")
        return usage.ru_utime + usage.ru_stime, errors.read()


def imports(command: list[str]) -> dict[str, float]:
    """Returns the seconds that the modules of each package took, without what they import."""
    seconds: dict[str, float] = collections.defaultdict(float)
    for microseconds, package in LINE.findall(run(command, "-X", "importtime")[1]):
        seconds[package] += int(microseconds) / 1e6
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = range(parser.parse_args().rounds)
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "run.py": [str(REPO / "run.py"), *TINY, f"hydra.run.dir={folder}/" + "${now:%f}"],
            "compare": ["-m", "rnnclf", "compare", folder],
            "--help": ["-m", "rnnclf", "--help"],
        }
        measured = [{k: (run(c)[0], imports(c)) for k, c in commands.items()} for _ in rounds]
    for name in commands:
        cpu = min(one[name][0] for one in measured)
        least = {p: min(one[name][1].get(p, 9.9) for one in measured) for p in measured[0][name][1]}
        print(f"{name}: {cpu:.2f} s of CPU time, imports {sum(least.values()):.2f} s")
        for package, seconds in sorted(least.items(), key=lambda item: -item[1]):
            if seconds >= 0.01:
                print(f"  {package:22} {seconds:.3f}")


if __name__ == "__main__":
    main()
