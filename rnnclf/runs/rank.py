"""Runs of the same task beside each other, the best by validation accuracy first."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rnnclf.configuration.identity import WITHOUT_EFFECT
from rnnclf.runs.baselines import SPLIT, Baseline, LinearModel, split_of
from rnnclf.runs.query import Names, Value
from rnnclf.runs.results import Run
from rnnclf.runs.significance import p_of_test, p_of_validation
from rnnclf.runs.spread import Spread

# Where and how a run was made, or what has a column of its own.
NEVER_A_COLUMN = (*WITHOUT_EFFECT, "dataset.name", "model.cell")

Row = dict[str, Any]


@dataclass(frozen=True)
class Ranked:
    """A run and its place.

    Attributes:
        rank: 1 for the best of its task; None for a run without a validation accuracy.
        run: The run.
    """

    rank: int | None
    run: Run


def quality(run: Run) -> tuple[float, bool, float, int, str]:
    """Returns what runs are sorted by, the best first.

    Validation accuracy; among equals the winner that its study trained again, then validation
    loss, then fewer parameters. Runs without a validation part come last.
    """
    if run.val_accuracy is None:
        return (math.inf, True, math.inf, 0, str(run.folder))
    loss, parameters = run.result.val_loss, run.result.parameters
    assert loss is not None, "measured with the accuracy"
    return (-run.val_accuracy, run.refit is None, loss, parameters, str(run.folder))


def rank(runs: Iterable[Run]) -> dict[str, list[Ranked]]:
    """Ranks runs within their tasks, which are in the order of their names."""
    tasks: defaultdict[str, list[Run]] = defaultdict(list)
    for run in runs:
        tasks[run.task].append(run)
    return {
        task: [
            Ranked(None if run.val_accuracy is None else place, run)
            for place, run in enumerate(sorted(tasks[task], key=quality), start=1)
        ]
        for task in sorted(tasks)
    }


def sort(ranked: Iterable[Ranked], value: Value, *, descending: bool) -> list[Ranked]:
    """Sorts by a value; runs that lack it come last, numbers come before words."""
    present: list[Ranked] = []
    missing: list[Ranked] = []
    for one in ranked:
        (missing if value(one.run) is None else present).append(one)
    present.sort(key=lambda one: _sortable(value(one.run)), reverse=descending)
    return present + missing


def differing_keys(runs: Sequence[Run]) -> list[str]:
    """Returns the keys in which runs differ, without those that say where they were run."""
    keys = sorted(set().union(*(run.config for run in runs)))
    return [
        key
        for key in keys
        if not key.startswith(NEVER_A_COLUMN)
        and any(run.value(key) != runs[0].value(key) for run in runs)
    ]


def split_warning(ranked: Iterable[Ranked]) -> str | None:
    """Says so when runs of a task were not measured on the same validation texts."""
    measured = [one.run for one in ranked if one.run.val_accuracy is not None]
    splits = {frozenset(_splits_of(run)) for run in measured}
    if len(splits) < 2:
        return None
    values = [dict(zip(SPLIT, split, strict=True)) for split in frozenset().union(*splits)]
    differing = [key for key in SPLIT if len({split[key] for split in values}) > 1]
    if any(run.is_mean for run in measured):
        differing.append("study")
    return (
        f"{len(splits)} different splits, whose accuracies do not compare; "
        f"--filter one by {', '.join(differing)}"
    )


def _splits_of(run: Run) -> list[tuple[Any, ...]]:
    """Returns the values of `SPLIT` for each run of which an accuracy is the mean."""
    return [tuple(split_of(part.value).values()) for part in run.parts or (run,)]


def rows(ranked: Sequence[Ranked], names: Names, baselines: Iterable[Baseline] = ()) -> list[Row]:
    """Returns a row for each run, with a column for each key in which these runs differ.

    The linear baselines on the same texts have rows without a rank, where their validation
    accuracy puts them.
    """
    keys = differing_keys([one.run for one in ranked])
    listed = [_row(one, keys, names) for one in ranked]
    for baseline in baselines_of(ranked, baselines):
        for model in baseline.models:
            beaten = (
                place
                for place, row in enumerate(listed)
                if (row["val_accuracy"] or 0) < (model.val_accuracy or 0)
            )
            listed.insert(next(beaten, len(listed)), _baseline_row(baseline, model, listed[0]))
    return listed


def with_significance(listed: Sequence[Row], ranked: Sequence[Ranked]) -> list[Row]:
    """Adds to the rows of runs how probable their distance to the best run is by chance.

    `p_val` compares with the first of the runs, `p_test` with the first that was trained again.
    """
    runs = {str(one.run.folder): one.run for one in ranked}
    best = ranked[0].run
    refit = next((one.run for one in ranked if one.run.refit), best)
    tests = {
        "val_accuracy": ("p_val", best, p_of_validation),
        "refit_test": ("p_test", refit, p_of_test),
    }
    marked: list[Row] = []
    for row in listed:
        run = runs.get(row["folder"])
        marked.append({})
        for name, value in row.items():
            marked[-1][name] = value
            if name in tests:
                p_name, reference, p = tests[name]
                compared = run is not None and run is not reference
                marked[-1][p_name] = p(reference, run) if compared and run else None
    return marked


def baselines_of(ranked: Iterable[Ranked], baselines: Iterable[Baseline]) -> list[Baseline]:
    """Returns those baselines that were measured on the texts of some of these runs."""
    values = [one.run.value for one in ranked]
    return [baseline for baseline in baselines if any(map(baseline.is_for, values))]


def _baseline_row(baseline: Baseline, model: LinearModel, like: Row) -> Row:
    return dict.fromkeys(like) | {
        "val_accuracy": model.val_accuracy,
        "refit_test": Spread(model.test_accuracy, None, 1),
        "cell": f"linear SVM, {model.features}",
        "parameters": model.num_features,
        "seconds": model.seconds,
        "folder": str(baseline.folder),
    }


def _row(one: Ranked, keys: Iterable[str], names: Names) -> Row:
    run = one.run
    return {
        "rank": one.rank,
        "val_accuracy": run.val_accuracy,
        "refit_val": Spread.of(run.refit.validation.values) if run.refit else None,
        "refit_test": Spread.of(run.refit.final.values) if run.refit else None,
        "cell": run.cell,
        **{names.short(key): run.value(key) for key in keys},
        "parameters": run.result.parameters,
        "seconds": run.result.seconds.total,
        "folder": str(run.folder),
    }


def group(ranked: Sequence[Ranked], values: Mapping[str, Value]) -> list[Row]:
    """Returns a row for each combination of values, the best first.

    Args:
        ranked: Runs of one task.
        values: By what to group, by the names of the columns.
    """
    groups: defaultdict[tuple[Any, ...], list[Run]] = defaultdict(list)
    for one in ranked:
        groups[tuple(value(one.run) for value in values.values())].append(one.run)
    return [
        _group_row(dict(zip(values, key, strict=True)), runs)
        for key, runs in sorted(groups.items(), key=lambda item: min(map(quality, item[1])))
    ]


def _group_row(grouped: Row, runs: Sequence[Run]) -> Row:
    accuracies = [run.val_accuracy for run in runs if run.val_accuracy is not None]
    best = min(runs, key=quality)
    return grouped | {
        "runs": len(runs),
        "best": best.val_accuracy,
        "mean": Spread.of(accuracies) if accuracies else None,
        "best_folder": str(best.folder),
    }


def _sortable(value: Any) -> tuple[bool, Any]:
    return isinstance(value, str), value
