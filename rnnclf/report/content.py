"""What a report says, before it is a page."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import yaml

from rnnclf.paths import RunPaths
from rnnclf.report.figures import confusion_heatmap, learning_curve, seeds_spread
from rnnclf.report.predictions import (
    Confusion,
    Prediction,
    confusion_counts,
    confusions,
    mistakes,
    read_predictions,
)
from rnnclf.report.search import Search, read_search
from rnnclf.select.baselines import Baseline
from rnnclf.select.folders import REFIT_FOLDER, Found
from rnnclf.select.leaderboard import Ranked, baselines_of, differing_keys, rank, split_warning
from rnnclf.select.runs import Run
from rnnclf.study.journals import find_journals
from rnnclf.study.paths import StudyPaths

MOST_ROWS = 500
MOST_CONFUSIONS = 10
MOST_MISTAKES = 10


@dataclass(frozen=True)
class Errors:
    """What a model gets wrong.

    Attributes:
        part: The part whose texts were predicted.
        num_texts: How many those are.
        heatmap: The confusion matrix.
        confusions: The most frequent confusions.
        mistakes: The wrong predictions that it was most sure of.
    """

    part: str
    num_texts: int
    heatmap: go.Figure
    confusions: Sequence[Confusion]
    mistakes: Sequence[Prediction]


@dataclass(frozen=True)
class RunDetails:
    """The best run with one cell, from close by.

    Attributes:
        run: The run.
        command: What repeats it.
        curves: Its learning curves by what they show.
        errors: What it gets wrong.
        problems: What could not be read.
    """

    run: Run
    command: str
    curves: Mapping[str, go.Figure]
    errors: Errors | None
    problems: Sequence[str]


@dataclass(frozen=True)
class StudyDetails:
    """A study.

    Attributes:
        name: Its name.
        folder: Where it is.
        summary: What its `study.json` says; None if it has not ended yet.
        search: What its journal says.
        spread: The accuracies of the winner with several seeds.
        command: What runs the winner.
    """

    name: str
    folder: Path
    summary: Mapping[str, Any] | None
    search: Search
    spread: go.Figure | None
    command: str | None


@dataclass(frozen=True)
class Task:
    """All about one data set.

    Attributes:
        name: The task.
        ranked: Its runs, the best first.
        keys: The keys in which those differ that are listed.
        baselines: What linear classifiers achieve on the same texts.
        warning: Why their accuracies do not compare, if they do not.
        studies: Its studies.
        best: The best run with each cell.
    """

    name: str
    ranked: Sequence[Ranked]
    keys: Sequence[str]
    baselines: Sequence[Baseline]
    warning: str | None
    studies: Sequence[StudyDetails]
    best: Sequence[RunDetails]


def describe_tasks(found: Found, folders: Sequence[Path]) -> Iterator[Task]:
    """Describes what was found below folders, task by task."""
    studies = dict(_studies(found, folders))
    for name, ranked in rank(found.runs).items():
        best: dict[str, Run] = {}
        for one in ranked:
            best.setdefault(one.run.cell, one.run)
        parents = {
            (one.run.study.folder if one.run.study else one.run.folder.parent).resolve()
            for one in ranked
        }
        yield Task(
            name,
            ranked,
            differing_keys([one.run for one in ranked[:MOST_ROWS]]),
            baselines_of(ranked, found.baselines),
            split_warning(ranked),
            [
                _describe_study(folder, summary)
                for folder, summary in studies.items()
                if folder.resolve() in parents
            ],
            [_describe_run(run) for run in best.values()],
        )


def _studies(
    found: Found, folders: Sequence[Path]
) -> Iterator[tuple[Path, Mapping[str, Any] | None]]:
    """Yields the studies with their summaries, then those that have none yet."""
    ended = {study.folder.resolve() for study in found.studies}
    for study in found.studies:
        yield study.folder, study.summary
    for journal in find_journals(folders):
        folder = journal.parent
        if not REFIT_FOLDER.fullmatch(folder.name) and folder.resolve() not in ended:
            yield folder, None


def _describe_study(folder: Path, summary: Mapping[str, Any] | None) -> StudyDetails:
    best = StudyPaths(folder).best
    refit = summary and summary["refit"]
    return StudyDetails(
        name=summary["name"] if summary else folder.name,
        folder=folder,
        summary=summary,
        search=read_search(folder),
        spread=seeds_spread({"validation": refit["validate"], "test": refit["final"]})
        if refit
        else None,
        command=_command("--config-dir", str(folder.resolve()), "--config-name", best.stem)
        if best.exists()
        else None,
    )


def _describe_run(run: Run) -> RunDetails:
    problems: list[str] = []
    curves: Mapping[str, go.Figure] = {}
    errors = None
    try:
        curves = _curves(run)
    except (OSError, ValueError, KeyError, TypeError) as error:
        problems.append(f"There are no learning curves: {error}.")
    try:
        errors = _errors(run)
    except (OSError, ValueError) as error:
        problems.append(f"There are no predictions: {error}.")
    return RunDetails(run, _command_of(run), curves, errors, problems)


def _curves(run: Run) -> dict[str, go.Figure]:
    with RunPaths(run.folder).metrics.open(encoding="utf-8") as file:
        epochs = [json.loads(line) for line in file]
    best_epoch = run.result["best_epoch"]
    return {name: learning_curve(epochs, name, best_epoch) for name in ("loss", "accuracy")}


def _errors(run: Run) -> Errors:
    predictions = read_predictions(RunPaths(run.folder).predictions)
    return Errors(
        part="test" if run.val_accuracy is None else "validation",
        num_texts=len(predictions),
        heatmap=confusion_heatmap(*confusion_counts(predictions)),
        confusions=confusions(predictions, MOST_CONFUSIONS),
        mistakes=mistakes(predictions, MOST_MISTAKES),
    )


def _command_of(run: Run) -> str:
    """Returns what repeats a run: what was typed, or for a job of a sweep its configuration."""
    typed = None if run.study else _typed(run.folder / ".hydra")
    return _command("--config-path", str(run.folder.resolve())) if typed is None else typed


def _typed(folder: Path) -> str | None:
    """Returns the command of a run of the project's own configuration, None for that of another."""
    try:
        hydra, overrides = (
            yaml.safe_load((folder / name).read_text(encoding="utf-8"))
            for name in ("hydra.yaml", "overrides.yaml")
        )
        sources = {
            source["provider"]: Path(source["path"]).name
            for source in hydra["hydra"]["runtime"]["config_sources"]
        }
        own = sources["main"] == "conf" and "command-line" not in sources
        if not own or hydra["hydra"]["job"]["config_name"] != "config":
            return None
        return _command(*map(str, overrides))
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return None


def _command(*arguments: str) -> str:
    return shlex.join(["python", "run.py", *arguments])
