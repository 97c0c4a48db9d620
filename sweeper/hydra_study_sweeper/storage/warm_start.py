"""What is known before a study begins: points that are good elsewhere, and earlier trials."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from omegaconf import DictConfig
from optuna.trial import FrozenTrial, TrialState, create_trial

from hydra_study_sweeper.errors import ConfigError, StudyError
from hydra_study_sweeper.files import RecordError
from hydra_study_sweeper.options import StudySpec
from hydra_study_sweeper.paths import StudyPaths, shown
from hydra_study_sweeper.printable import counted
from hydra_study_sweeper.records import read_study
from hydra_study_sweeper.reporting import CUT, TAKEN_FROM
from hydra_study_sweeper.space.dimensions import Configured, Dimension
from hydra_study_sweeper.space.fingerprint import Fingerprint, beyond_the_space, fingerprint_of
from hydra_study_sweeper.space.overrides import plain
from hydra_study_sweeper.space.points import Point, completed
from hydra_study_sweeper.storage.journal import read_journal
from hydra_study_sweeper.storage.opening import open_storage


@dataclass(frozen=True)
class WarmStart:
    """What is known before a study begins.

    Attributes:
        points: Points that are good elsewhere, to be tried.
        trials: Trials of earlier studies that differ in the search space alone, for the sampler.
        notes: What the user should know about them.
    """

    points: list[Point] = field(default_factory=list)
    trials: list[FrozenTrial] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def warm_start(
    options: DictConfig,
    spec: StudySpec,
    fingerprint: Fingerprint,
    configured: Configured,
    dimensions: Sequence[Dimension],
) -> WarmStart:
    """Returns what `hydra.sweeper.warm_start` has for a study.

    Args:
        options: `hydra.sweeper`, resolved.
        spec: The study.
        fingerprint: Of the study.
        configured: Gives the configuration with the defaults.
        dimensions: What is searched.

    Raises:
        ConfigError: If there is no study in one of the folders, or an entry is something else.
        StudyError: If the journal of an earlier study is damaged.
    """
    gathered = _Gathered(options, spec, fingerprint, configured, dimensions)
    for entry in options.warm_start:
        if isinstance(entry, Mapping):
            gathered.add_point({plain(str(key)): value for key, value in entry.items()})
        elif not isinstance(entry, str):
            raise ConfigError(
                "hydra.sweeper.warm_start is a list of folders of studies and of points like "
                f"{{KEY: VALUE}}; one is {entry}"
            )
        else:
            gathered.add_study(Path(entry))
    return gathered.known


@dataclass
class _Gathered:
    """What is known so far; the other fields are the arguments of `warm_start`."""

    options: DictConfig
    spec: StudySpec
    fingerprint: Fingerprint
    configured: Configured
    dimensions: Sequence[Dimension]
    known: WarmStart = field(default_factory=WarmStart)

    def add_point(self, given: Mapping[str, Any]) -> None:
        """Adds a point, with the defaults for what it leaves out and without what is not searched.

        Nothing is added of a point that has nothing that is searched.
        """
        searched = {dimension.key for dimension in self.dimensions}
        asked = {key: value for key, value in given.items() if key in searched}
        if not asked:
            return
        try:
            self.known.points.append(completed(asked, self.configured, self.dimensions))
        except ValueError as error:
            self.known.notes.append(f"a point of warm_start is left out: {error}")

    def add_study(self, folder: Path) -> None:
        """Adds the trials of a study if their values count here, and its best point otherwise."""
        if folder.resolve() == self.spec.folder and not self.options.restart:  # it is this one
            self._add_winners(folder)
            return
        study = self._study_in(folder)
        difference = self._why_incomparable(study)
        if study is not None and difference is None:
            states = (TrialState.COMPLETE, TrialState.PRUNED)
            self._add_trials(study.get_trials(deepcopy=False, states=states), folder)
            return
        self._add_winners(folder)
        self.known.notes.append(f"only the best trial of {shown(folder)} is tried: {difference}")

    def _add_winners(self, folder: Path) -> None:
        for point in _winners_of(folder):
            self.add_point(point)

    def _study_in(self, folder: Path) -> optuna.Study | None:
        """Opens an earlier study that has a journal, or is in the database of this one."""
        if StudyPaths(folder).journal.is_file():
            try:
                return read_journal(folder)
            except StudyError as error:
                raise StudyError(f"hydra.sweeper.warm_start: {error}") from error
        if self.spec.storage is not None:
            with suppress(RecordError, KeyError):
                name = read_study(folder).name
                if name != self.spec.name:
                    return optuna.load_study(study_name=name, storage=open_storage(self.spec))
        return None

    def _why_incomparable(self, study: optuna.Study | None) -> str | None:
        """Says why the values of an earlier study do not count here; None if they do."""
        if len(self.spec.directions) > 1:
            return "there are several objectives"
        if study is None:
            return f"its trials are neither in a {StudyPaths(Path()).journal} nor in this storage"
        old = fingerprint_of(study)
        if old is None:
            return "it does not tell how its trials were made"
        difference = beyond_the_space(old, self.fingerprint, self.options.ignore)
        return None if difference is None else str(difference)

    def _add_trials(self, ended: Sequence[FrozenTrial], folder: Path) -> None:
        """Adds the trials within the space, and the point of the best.

        This study runs the best itself. So its winner is one of its own trials, with a folder in
        that of the study.

        Raises:
            ConfigError: If a trial is damaged.
        """
        # A trial that the end of the search cut short has the value of fewer steps.
        whole = [trial for trial in ended if CUT not in trial.user_attrs]
        within = [trial for trial in whole if _is_within(trial, self.dimensions)]
        try:
            self.known.trials.extend(
                _taken_over(trial, folder, self.dimensions) for trial in within
            )
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"hydra.sweeper.warm_start: a trial in {shown(folder)} is damaged: {error}"
            ) from error
        self.known.notes.append(
            f"the sampler is given {len(within)} of {counted(len(whole), 'trial')} in "
            f"{shown(folder)}, those within the search space"
        )
        sign = 1 if self.spec.directions == ("maximize",) else -1
        # The value of a pruned trial is its last report, and not that of a complete run.
        complete = [trial for trial in within if trial.state is TrialState.COMPLETE]
        if complete:
            best = max(complete, key=lambda trial: sign * trial.values[0])
            self.known.points.append(best.params)


def _winners_of(folder: Path) -> list[Mapping[str, Any]]:
    try:
        return [trial.params for trial in read_study(folder).best]
    except RecordError as error:
        raise ConfigError(
            f"hydra.sweeper.warm_start: there is no study in {shown(folder)}: {error}"
        ) from error


def _is_within(trial: FrozenTrial, dimensions: Sequence[Dimension]) -> bool:
    """Returns whether a trial has a value of every dimension that applies, and of no other."""
    return all(
        dimension.applies(trial.params) == (dimension.key in trial.params)
        and (dimension.key not in trial.params or dimension.contains(trial.params[dimension.key]))
        for dimension in dimensions
    )


def _taken_over(trial: FrozenTrial, folder: Path, dimensions: Sequence[Dimension]) -> FrozenTrial:
    """Returns a trial of the study in `folder` as one with the distributions of this study."""
    if trial.values is not None and len(trial.values) != 1:
        raise ValueError(f"trial {trial.number} has {len(trial.values)} values")
    distributions = {one.key: one.distribution for one in dimensions if one.key in trial.params}
    # The study that ran it: a trial may arrive through several studies, and is added once.
    origin = trial.user_attrs.get(TAKEN_FROM, [str(folder.resolve()), trial.number])
    return create_trial(
        state=trial.state,
        values=trial.values,
        params=trial.params,
        distributions=trial.distributions | distributions,
        user_attrs={TAKEN_FROM: origin},
        intermediate_values=trial.intermediate_values,
    )
