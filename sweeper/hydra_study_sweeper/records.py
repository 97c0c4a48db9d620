"""The records of a study: `study.json` in its folder, and `trial.json` in that of each trial."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal

from hydra_study_sweeper.files import read_record
from hydra_study_sweeper.paths import StudyPaths, trial_record

Value = str | int | float | bool | None
"""The value of a hyperparameter."""

State = Literal["running", "complete", "pruned", "failed", "interrupted"]
"""How far a trial has come; `running` also after its worker was lost, until that is noticed."""

Role = Literal["validation", "final"]
"""What a run of the refit is for: to measure the winner as the search did, or to be used."""


@dataclass(frozen=True)
class TrialRecord:
    """A trial.

    Attributes:
        number: The number of the trial.
        state: `running` until the trial has ended, and after its worker was lost.
        values: The objective values, if the trial is complete.
        params: The hyperparameters that were chosen for it.
        runs: The folders of its runs, relative to that of the trial; `.` for a single run.
        role: The kind of run, if the trial belongs to a refit.
        reason: Why the trial failed, was pruned or was interrupted.
    """

    number: int
    state: State
    values: list[float] | None
    params: dict[str, Value]
    runs: list[str]
    role: Role | None
    reason: str | None

    def __post_init__(self) -> None:
        """Refuses runs outside of the trial."""
        _check_inside(*self.runs)


@dataclass(frozen=True)
class BestTrial:
    """One of the best trials.

    Attributes:
        number: The number of the trial.
        values: Its objective values.
        params: Its hyperparameters.
        folder: Its folder, relative to that of the study; null if it ran elsewhere, where
            `trials.csv` says.
        best_step: The step at which it reported its best value; null if its steps are not epochs
            of one run.
    """

    number: int
    values: list[float]
    params: dict[str, Value]
    folder: str | None
    best_step: int | None

    def __post_init__(self) -> None:
        """Refuses a trial without values, and a folder outside of the study."""
        if not self.values:
            raise ValueError("the values of a best trial are missing")
        _check_inside(self.folder)


@dataclass(frozen=True)
class SeedValues:
    """The values of one kind of run over several seeds.

    Attributes:
        values: One for each seed.
        mean: Their mean.
        sd: Their standard deviation; null for a single value.
        interval: The 95 % interval of the mean; null for fewer than three values.
    """

    values: list[float]
    mean: float
    sd: float | None
    interval: tuple[float, float] | None

    def __post_init__(self) -> None:
        """Refuses a mean of nothing."""
        if not self.values:
            raise ValueError("values over seeds are missing")

    def __str__(self) -> str:
        """Writes mean, standard deviation and number."""
        sd = "" if self.sd is None else f" ± {self.sd:.4f}"
        return f"{self.mean:.4f}{sd} ({len(self.values)})"


@dataclass(frozen=True)
class FinalModel:
    """The final run whose model is to be used.

    Attributes:
        seed: Its seed.
        value: Its objective value.
        folder: Its folder, relative to that of the study; null if it ran on another host.
    """

    seed: int
    value: float
    folder: str | None

    def __post_init__(self) -> None:
        """Refuses a folder outside of the study."""
        _check_inside(self.folder)


@dataclass(frozen=True)
class Comparison:
    """The winner of the search beside its rival, the best known point, with the same seeds.

    Attributes:
        winner: The number of the trial that won the search.
        rival: The number of the other trial.
        folder: The folder of the rival, relative to that of the study; null if it ran elsewhere.
        of_winner: The values of the winner's validation runs.
        of_rival: The values of the rival's validation runs, with the same seeds.
        better_by: The mean of the differences, seed by seed; positive if the winner is better.
        standard_error: The standard error of this mean.
    """

    winner: int
    rival: int
    folder: str | None
    of_winner: SeedValues
    of_rival: SeedValues
    better_by: float
    standard_error: float

    def __post_init__(self) -> None:
        """Refuses a folder outside of the study."""
        _check_inside(self.folder)

    @property
    def winner_stays(self) -> bool:
        """Whether the winner is better in the mean over the seeds."""
        return self.better_by > 0


@dataclass(frozen=True)
class RefitRecord:
    """The refit: the winner of the search, or its rival, trained again with several seeds.

    Attributes:
        trial: The number of the trial that was trained again: the winner, or its rival if the
            winner is not better.
        validation: The values of its validation runs, which are as in the search; null if there
            was no time for them.
        final: The values of the final runs, whose models are for use.
        model: The final run of the seed with the median validation value.
        best_step: The step to which final runs are trained, if it is the median of the best steps.
        failed: The number of runs that failed.
        comparison: The winner beside its rival; null if they were not compared.
    """

    trial: int
    validation: SeedValues | None
    final: SeedValues
    model: FinalModel
    best_step: int | None
    failed: int
    comparison: Comparison | None = None

    @property
    def winner(self) -> int:
        """The number of the trial that won the search."""
        return self.comparison.winner if self.comparison else self.trial

    @property
    def has_rival(self) -> bool:
        """Whether the rival was trained again, and not the winner."""
        return self.trial != self.winner

    @property
    def of_winner(self) -> SeedValues | None:
        """The values of the winner's validation runs."""
        return self.comparison.of_winner if self.comparison else self.validation

    @property
    def by_role(self) -> dict[Role, SeedValues]:
        """The values of each kind of run that there was."""
        both: dict[Role, SeedValues | None] = {"validation": self.validation, "final": self.final}
        return {role: values for role, values in both.items() if values}


@dataclass(frozen=True)
class StudyRecord:
    """A summary of a study.

    Attributes:
        name: The name of the study in its storage.
        directions: `minimize` or `maximize` for each objective.
        n_trials: The number of trials of the finished study.
        finished: Whether the study has that many trials.
        stopped: Why no more trials are begun, if the study was stopped.
        states: The number of trials in each state.
        lost: The number of trials that were lost or interrupted and tried again.
        first_failure: The first failed trial with its reason.
        space: The search space in words, by key.
        overrides: The overrides that all trials have in common.
        repeats: The number of runs of each trial.
        best: The best trial; with several objectives, the Pareto front.
        refit: The result of the refit, if there was one.
        format: The format of the file.
    """

    name: str
    directions: list[str]
    n_trials: int
    finished: bool
    stopped: str | None
    states: dict[str, int]
    lost: int
    first_failure: str | None
    space: dict[str, str]
    overrides: list[str]
    repeats: int
    best: list[BestTrial]
    refit: RefitRecord | None
    format: int = 1

    def __post_init__(self) -> None:
        """Refuses a refit of nothing."""
        if self.refit and not self.best:
            raise ValueError("there is a refit, and no best trial")

    @property
    def chosen(self) -> str | None:
        """The folder of the trial that was trained again; without a refit, of the best trial."""
        if self.refit and self.refit.comparison and self.refit.has_rival:
            return self.refit.comparison.folder
        return self.best[0].folder if self.best else None


def as_values(params: Mapping[str, Value]) -> dict[str, Value]:
    """Returns parameters for JSON, which has no infinity: it becomes its name."""
    return {
        key: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in params.items()
    }


def read_study(folder: Path) -> StudyRecord:
    """Reads the `study.json` in the folder of a study.

    Raises:
        RecordError: If it is missing, damaged, or leads out of the folder.
    """
    return read_record(StudyRecord, StudyPaths(folder).record)


def read_trial(folder: Path) -> TrialRecord:
    """Reads the `trial.json` in the folder of a trial.

    Raises:
        RecordError: As for `read_study`.
    """
    return read_record(TrialRecord, trial_record(folder))


def _check_inside(*folders: str | None) -> None:
    for path in (PurePath(folder) for folder in folders if folder is not None):
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"the folder {path} is outside of the record's own")
