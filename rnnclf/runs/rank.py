"""Runs of the same task, ranked by validation accuracy."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hydra_study_sweeper.intervals import seed_values

from rnnclf.configuration.identity import WITHOUT_EFFECT
from rnnclf.files.result import flat
from rnnclf.runs.baselines import SPLIT, Baseline, split_of
from rnnclf.runs.query import Names, Value
from rnnclf.runs.results import Run
from rnnclf.runs.significance import p_of_test, p_of_validation

# Keys that do not change the result, or that have a column of their own.
NEVER_A_COLUMN = (*WITHOUT_EFFECT, "dataset.name", "model.cell")

Row = dict[str, Any]


@dataclass(frozen=True)
class Ranked:
    """A run and its rank within its task; None for a run without a validation accuracy."""

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
    """Ranks runs within their tasks, which are sorted by name."""
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
    """Sorts by a value; numbers come before words, runs without a value last."""
    values = [(value(one.run), one) for one in ranked]
    present = [(isinstance(found, str), found, one) for found, one in values if found is not None]
    present.sort(key=lambda entry: entry[:2], reverse=descending)
    return [one for *_, one in present] + [one for found, one in values if found is None]


def differing_keys(runs: Sequence[Run]) -> list[str]:
    """Returns the keys in which runs differ, without those that do not change the result."""
    keys = sorted(set().union(*(run.config for run in runs)))
    return [
        key
        for key in keys
        if not key.startswith(NEVER_A_COLUMN)
        and any(run.value(key) != runs[0].value(key) for run in runs)
    ]


def difference(first: Run, second: Run) -> list[Row]:
    """Returns the keys of the configuration and the figures in which two runs differ.

    Test accuracies are left out: a choice between runs is made on the validation texts.
    """
    one, other = (
        {**run.config, **flat({**asdict(run.result), "config": {}})} for run in (first, second)
    )
    return [
        {"what": what, str(first.folder): one.get(what), str(second.folder): other.get(what)}
        for what in dict.fromkeys([*one, *other])
        if one.get(what) != other.get(what) and not what.startswith("test_")
    ]


def split_warning(ranked: Iterable[Ranked]) -> str | None:
    """Returns a warning if runs of a task were measured on different validation texts."""
    measured = [one.run for one in ranked if one.run.val_accuracy is not None]
    # The accuracy of a trial of several runs is a mean over their splits.
    splits = {
        frozenset(tuple(split_of(part.dataset).values()) for part in run.parts or (run,))
        for run in measured
    }
    if len(splits) < 2:
        return None
    columns = zip(SPLIT, *frozenset().union(*splits), strict=True)
    differing = [f"dataset.{key}" for key, *values in columns if len(set(values)) > 1]
    if any(run.parts for run in measured):
        differing.append("study")
    return (
        f"{len(splits)} different splits, whose accuracies do not compare; "
        f"--filter one by {', '.join(differing)}"
    )


def rows(ranked: Sequence[Ranked], names: Names, baselines: Mapping[Path, Baseline]) -> list[Row]:
    """Returns a row for each run, with a column for each key in which these runs differ.

    Linear baselines on the same texts have rows without a rank, sorted in by validation accuracy.
    """
    keys = differing_keys([one.run for one in ranked])
    listed = [_row(one, keys, names) for one in ranked]
    for folder, baseline in baselines_of(ranked, baselines).items():
        for model in baseline.models:
            row = dict.fromkeys(listed[0]) | {
                "val_accuracy": model.val_accuracy,
                "refit_test": seed_values([model.test_accuracy]),
                "cell": f"linear SVM, {model.features}",
                "parameters": model.num_features,
                "seconds": model.seconds,
                "folder": str(folder),
            }
            better = [(other["val_accuracy"] or 0) >= (model.val_accuracy or 0) for other in listed]
            listed.insert((*better, False).index(False), row)
    return listed


def _row(one: Ranked, keys: Iterable[str], names: Names) -> Row:
    run = one.run
    return {
        "rank": one.rank,
        "val_accuracy": run.val_accuracy,
        "refit_val": run.refit and run.refit.validation,
        "refit_test": run.refit and run.refit.final,
        "cell": run.cell,
        **{names.short(key): run.value(key) for key in keys},
        "parameters": run.result.parameters,
        "seconds": run.result.seconds.total,
        "folder": str(run.folder),
    }


def with_significance(listed: Sequence[Row], ranked: Sequence[Ranked]) -> list[Row]:
    """Adds to each run's row the p-values of its distance to the best run.

    `p_val` compares with the first of the runs, `p_test` with the first that was trained again.
    """
    runs = {str(one.run.folder): one.run for one in ranked}
    best = ranked[0].run
    refit = next((one.run for one in ranked if one.run.refit), best)
    columns = ("rank", "val_accuracy", "p_val", "refit_val", "refit_test", "p_test")
    marked: list[Row] = []
    for row in listed:
        marked.append(dict.fromkeys(columns) | row)
        if run := runs.get(row["folder"]):
            marked[-1]["p_val"] = None if run is best else p_of_validation(best, run)
            marked[-1]["p_test"] = None if run is refit else p_of_test(refit, run)
    return marked


def baselines_of(
    ranked: Sequence[Ranked], baselines: Mapping[Path, Baseline]
) -> dict[Path, Baseline]:
    """Returns the baselines that were measured on the texts of some of these runs."""
    return {
        folder: baseline
        for folder, baseline in baselines.items()
        if any(baseline.is_for(one.run) for one in ranked)
    }


def group(ranked: Iterable[Ranked], values: Mapping[str, Value]) -> list[Row]:
    """Returns a row for each combination of values, the best first.

    Args:
        ranked: Runs of one task.
        values: By what to group, by the names of the columns.
    """
    groups: defaultdict[tuple[Any, ...], list[Run]] = defaultdict(list)
    for run in sorted((one.run for one in ranked), key=quality):
        groups[tuple(value(run) for value in values.values())].append(run)
    listed = []
    for key, runs in groups.items():  # the best group was met first
        accuracies = [run.val_accuracy for run in runs if run.val_accuracy is not None]
        row = {
            "runs": len(runs),
            "best": runs[0].val_accuracy,
            "mean": seed_values(accuracies) if accuracies else None,
            "best_folder": str(runs[0].folder),
        }
        listed.append(dict(zip(values, key, strict=True)) | row)
    return listed
