"""What a change does over the same seeds: `python benchmarks/effects.py BASE FOLDER...`.

Each folder holds a grid over seeds (0, 1, ...). Prints the validation accuracy of the best epoch
and of the last, mean and standard deviation, and the differences to BASE of the same seeds with
their 95 % interval (Student's t, not corrected for several comparisons).
"""

import json
import statistics
import sys
from pathlib import Path

from hydra_study_sweeper.intervals import seed_values


def main() -> None:
    """Prints a line for each folder."""
    base, *others = map(Path, sys.argv[1:])
    reference = accuracies(base)
    for folder in (base, *others):
        cells = [folder.name]
        for values, references in zip(accuracies(folder), reference, strict=True):
            mean, deviation = statistics.fmean(values), statistics.stdev(values)
            cells += [f"{mean:.4f} ± {deviation:.4f}", difference(values, references)]
        print(" | ".join(cells))


def accuracies(grid: Path) -> tuple[list[float], list[float]]:
    """Returns those of the best and of the last epoch, run by run."""
    curves = [
        [json.loads(line)["val_accuracy"] for line in path.read_text().splitlines()]
        for path in sorted(grid.glob("[0-9]*/metrics.jsonl"))
    ]
    return [max(curve) for curve in curves], [curve[-1] for curve in curves]


def difference(values: list[float], references: list[float]) -> str:
    differences = [a - b for a, b in zip(values, references, strict=True)]
    described = seed_values(differences)
    assert described.interval is not None, "there are three seeds or more"
    low, high = described.interval
    return f"{described.mean:+.4f} ± {(high - low) / 2:.4f}"


if __name__ == "__main__":
    main()
