"""Runs of the same task, ranked by a validation metric."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hydra_study_sweeper.intervals import seed_values

from rnnclf.configuration.identity import WITHOUT_EFFECT
from rnnclf.files.result import Metric, flat
from rnnclf.runs.baselines import SPLIT, Baseline, split_of
from rnnclf.runs.query import Names, Value
from rnnclf.runs.results import Run
from rnnclf.runs.significance import p_of_test, p_of_validation

# Keys that do not change the result, or that have a column of their own.
NEVER_A_COLUMN = (*WITHOUT_EFFECT, "dataset.name", "model.cell")

Row = dict[str, Any]


@dataclass(frozen=True)
class Ranked:
    """A run and its rank within its task; None for a run without a validation part."""

    rank: int | None
    run: Run


def metric_of(runs: Iterable[Run]) -> Metric:
    """Returns the metric that the runs were trained for; accuracy if they differ in it."""
    metrics = {run.metric for run in runs}
    return metrics.pop() if len(metrics) == 1 else "accuracy"


def rank(runs: Iterable[Run]) -> dict[str, list[Ranked]]:
    """Ranks runs within their tasks, which are sorted by name."""
    return {task: _ranked(of_task) for task, of_task in sorted(by_task(runs).items())}


def by_task(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Returns runs by the names of their tasks.

    Folders of different data may have the same name; the digest of the data then follows it.
    """
    tasks: defaultdict[str, defaultdict[str, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        tasks[run.task][run.result.data].append(run)
    return {
        task if len(data) == 1 else f"{task}-{digest}": of_data
        for task, data in tasks.items()
        for digest, of_data in data.items()
    }


def _ranked(runs: Sequence[Run]) -> list[Ranked]:
    """Ranks the runs of a task by the validation metric, then by loss and number of parameters.

    No trial ranks above the one that its study trained again: a better value was luck. Runs without
    a validation part come last.
    """
    metric = metric_of(runs)
    again = {run.study.folder: run.validation(metric) for run in runs if run.study and run.refit}

    def order(run: Run) -> tuple[float, bool, float, float, int, str]:
        value, loss = run.validation(metric), run.result.val_loss
        if value is None or loss is None:
            return (math.inf, True, 0, math.inf, 0, str(run.folder))
        most = again.get(run.study.folder) if run.study else None
        counted = value if most is None else min(value, most)
        return (-counted, run.refit is None, -value, loss, run.result.parameters, str(run.folder))

    return [
        Ranked(None if run.val_accuracy is None else place, run)
        for place, run in enumerate(sorted(runs, key=order), start=1)
    ]


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
        if one.get(what) != other.get(what)
        and not what.startswith("test_")
        and not isinstance(one.get(what), list)  # of classes and thresholds
    ]


def why_incomparable(ranked: Iterable[Ranked]) -> str | None:
    """Returns why the runs of a task do not compare, if they do not."""
    runs = [one.run for one in ranked]
    if len({run.metric for run in runs}) > 1:
        return (
            "some runs were trained for the accuracy, others for macro-F1; all are ranked by the "
            "accuracy; --filter one kind by training.metric"
        )
    return _split_warning(runs)


def _split_warning(runs: Iterable[Run]) -> str | None:
    """Returns a warning if runs were measured on different validation texts."""
    measured = [run for run in runs if run.val_accuracy is not None]
    # The accuracy of a trial of several runs is a mean over their splits.
    splits = {
        frozenset(
            (*split_of(part.dataset).values(), part.result.splits) for part in run.parts or (run,)
        )
        for run in measured
    }
    if len(splits) < 2:
        return None
    columns = zip((*SPLIT, ""), *frozenset().union(*splits), strict=True)
    differing = [f"dataset.{key}" for key, *values in columns if key and len(set(values)) > 1]
    if any(run.parts for run in measured):
        differing.append("study")
    return f"{len(splits)} different splits, whose accuracies do not compare; " + (
        f"--filter one by {', '.join(differing)}" if differing else "its files changed"
    )


def rows(ranked: Sequence[Ranked], names: Names, baselines: Mapping[Path, Baseline]) -> list[Row]:
    """Returns a row for each run, with a column for each key in which these runs differ.

    Linear baselines on the same texts have rows without a rank, sorted in by the metric.
    """
    metric = metric_of(one.run for one in ranked)
    keys = differing_keys([one.run for one in ranked])
    listed = [_row(one, keys, names, metric) for one in ranked]
    for folder, baseline in baselines_of(ranked, baselines).items():
        weights = ", balanced" if baseline.class_weights else ""
        for model in baseline.models:
            row = dict.fromkeys(listed[0]) | {
                "val_accuracy": model.val_accuracy,
                f"val_{metric}": getattr(model, f"val_{metric}"),
                "refit_test": seed_values([getattr(model, f"test_{metric}")]),
                "cell": f"linear SVM, {model.features}{weights}",
                "parameters": model.num_features,
                "seconds": model.seconds,
                "folder": str(folder),
            }
            column = f"val_{metric}"
            better = [(other[column] or 0) >= (row[column] or 0) for other in listed]
            listed.insert((*better, False).index(False), row)
    return listed


def _row(one: Ranked, keys: Iterable[str], names: Names, metric: Metric) -> Row:
    run = one.run
    return {
        "rank": one.rank,
        f"val_{metric}": run.validation(metric),
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
    metric = metric_of(one.run for one in ranked)
    runs = {str(one.run.folder): one.run for one in ranked}
    best = ranked[0].run
    refit = next((one.run for one in ranked if one.run.refit), best)
    columns = ("rank", f"val_{metric}", "p_val", "refit_val", "refit_test", "p_test")
    marked: list[Row] = []
    for row in listed:
        marked.append(dict.fromkeys(columns) | row)
        if run := runs.get(row["folder"]):
            marked[-1]["p_val"] = None if run is best else p_of_validation(best, run, metric)
            marked[-1]["p_test"] = None if run is refit else p_of_test(refit, run, metric)
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
    sorted_runs = [one.run for one in ranked]
    metric = metric_of(sorted_runs)
    for run in sorted_runs:
        groups[tuple(value(run) for value in values.values())].append(run)
    listed = []
    for key, runs in groups.items():  # the best group was met first
        measured = [value for run in runs if (value := run.validation(metric)) is not None]
        row = {
            "runs": len(runs),
            "best": runs[0].validation(metric),
            "mean": seed_values(measured) if measured else None,
            "best_folder": str(runs[0].folder),
        }
        listed.append(dict(zip(values, key, strict=True)) | row)
    return listed
