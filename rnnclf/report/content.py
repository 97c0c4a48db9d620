"""The content of a report, task by task."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import plotly.graph_objects as go
from hydra_study_sweeper import StudyRecord
from hydra_study_sweeper.files import RecordError

from rnnclf.files.class_table import telling
from rnnclf.files.command import as_typed_here
from rnnclf.files.epochs import read_epochs
from rnnclf.files.paths import RunPaths
from rnnclf.files.predictions import Prediction, read_predictions
from rnnclf.files.result import METRICS, ClassResult, Metric
from rnnclf.report.figures import confusion_heatmap, learning_curve, seeds_spread
from rnnclf.report.mistakes import Confusion, confusion_counts, confusions, mistakes
from rnnclf.report.search import Search, read_search
from rnnclf.runs.baselines import Baseline
from rnnclf.runs.find import Found
from rnnclf.runs.rank import (
    Ranked,
    baselines_of,
    differing_keys,
    metric_of,
    rank,
    why_incomparable,
)
from rnnclf.runs.results import Run

MOST_ROWS = 500
MOST_CLASSES = 100  # of the confusion matrix
MOST_CONFUSIONS = 10
MOST_MISTAKES = 10


@dataclass(frozen=True)
class Errors:
    """What a model gets wrong on texts."""

    num_texts: int
    heatmap: go.Figure
    confusions: Sequence[Confusion]
    mistakes: Sequence[Prediction]


@dataclass(frozen=True)
class RunDetails:
    """The best run with one cell.

    Attributes:
        run: The run.
        command: The command that repeats it.
        curves: Its learning curves by their measures.
        part: The part whose texts the rest is about: `validation`, or `test` without one.
        classes: The largest and the worst classes on them.
        errors: The errors on them.
        problems: Files that could not be read.
    """

    run: Run
    command: str
    curves: Mapping[str, go.Figure]
    part: str
    classes: Sequence[ClassResult]
    errors: Errors | None
    problems: Sequence[str]


@dataclass(frozen=True)
class StudyDetails:
    """A study.

    Attributes:
        name: Its name.
        folder: Where it is.
        record: Its record; None before it has ended.
        search: The search, from its journal.
        spread: The accuracies of the refit over several seeds.
        luck: By how much the winner's value in the search is above its mean over the seeds.
        command: The command that runs the trial that was trained again, or else the winner.
    """

    name: str
    folder: Path
    record: StudyRecord | None
    search: Search
    spread: go.Figure | None
    luck: float | None
    command: str | None


@dataclass(frozen=True)
class Task:
    """Everything about one data set.

    Attributes:
        name: The task.
        metric: The metric by which its runs are ranked.
        ranked: Its runs, the best first.
        keys: The keys in which the listed runs differ.
        baselines: The linear classifiers on the same texts.
        warning: Why the accuracies do not compare, if they do not.
        studies: Its studies.
        best: The best run with each cell.
    """

    name: str
    metric: Metric
    ranked: Sequence[Ranked]
    keys: Sequence[str]
    baselines: Sequence[Baseline]
    warning: str | None
    studies: Sequence[StudyDetails]
    best: Sequence[RunDetails]


def describe_tasks(found: Found) -> Iterator[Task]:
    """Describes the runs and studies found, task by task."""
    studies: dict[Path, StudyRecord | None] = {one.folder: one.record for one in found.studies}
    studies |= dict.fromkeys(found.unrecorded)
    for name, ranked in rank(found.runs).items():
        best: dict[str, Run] = {}
        for one in ranked:
            best.setdefault(one.run.cell, one.run)
        parents = {
            (one.run.study.folder if one.run.study else one.run.folder.parent).resolve()
            for one in ranked
        }
        metric = metric_of(one.run for one in ranked)
        yield Task(
            name,
            metric,
            ranked,
            differing_keys([one.run for one in ranked[:MOST_ROWS]]),
            list(baselines_of(ranked, found.baselines).values()),
            why_incomparable(ranked),
            [
                _describe_study(folder, record, METRICS[metric])
                for folder, record in studies.items()
                if folder.resolve() in parents
            ],
            [_describe_run(run) for run in best.values()],
        )


def _describe_study(folder: Path, record: StudyRecord | None, metric: str) -> StudyDetails:
    refit = record and record.refit
    spread = luck = None
    if refit and refit.of_winner and record and len(record.directions) == 1:
        luck = record.best[0].values[0] - refit.of_winner.mean
    if refit:
        parts = {"test" if role == "final" else role: one for role, one in refit.by_role.items()}
        spread = seeds_spread(metric, parts)
    return StudyDetails(
        name=record.name if record else folder.name,
        folder=folder,
        record=record,
        search=read_search(folder, f"validation {metric}"),
        spread=spread,
        luck=luck,
        command=_command_of(folder) if record and record.best else None,
    )


def _describe_run(run: Run) -> RunDetails:
    problems: list[str] = []
    part, classes = "validation", run.result.val_classes
    if run.val_accuracy is None:
        part, classes = "test", run.result.test_classes
    curves: Mapping[str, go.Figure] = {}
    errors = None
    try:
        epochs, best = read_epochs(RunPaths(run.folder).metrics), run.result.best_epoch
        curves = {name: learning_curve(epochs, name, best) for name in ("loss", "accuracy")}
    except RecordError as error:
        problems.append(f"There are no learning curves: {error}.")
    try:
        errors = _errors(run, part)
    except RecordError as error:
        problems.append(f"There are no predictions: {error}.")
    shown = telling(classes or [], MOST_CLASSES)
    return RunDetails(run, _command_of(run.folder), curves, part, shown, errors, problems)


def _errors(run: Run, part: str) -> Errors:
    predictions = read_predictions(RunPaths(run.folder).predictions, part)
    return Errors(
        num_texts=len(predictions),
        heatmap=confusion_heatmap(*confusion_counts(predictions, MOST_CLASSES)),
        confusions=confusions(predictions, MOST_CONFUSIONS),
        mistakes=mistakes(predictions, MOST_MISTAKES),
    )


def _command_of(folder: Path) -> str:
    """Returns the command that repeats the run in a folder, or what the study there found."""
    return as_typed_here(f"python run.py {shlex.quote(f'from={folder.resolve()}')}")
