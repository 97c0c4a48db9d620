"""What is known before a study begins: points that are good elsewhere, and earlier trials."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from omegaconf import DictConfig
from optuna.trial import FrozenTrial, TrialState, create_trial

from hydra_study_sweeper.errors import ConfigError
from hydra_study_sweeper.files import RecordError
from hydra_study_sweeper.options import StudySpec
from hydra_study_sweeper.paths import StudyPaths, shown
from hydra_study_sweeper.printable import counted
from hydra_study_sweeper.records import read_study
from hydra_study_sweeper.reporting import TAKEN_FROM
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
    known = WarmStart()
    for entry in options.warm_start:
        if isinstance(entry, Mapping):
            _add_point(known, {plain(str(k)): v for k, v in entry.items()}, configured, dimensions)
        elif not isinstance(entry, str):
            raise ConfigError(
                "hydra.sweeper.warm_start is a list of folders of studies and of points like "
                f"{{KEY: VALUE}}; one is {entry}"
            )
        else:
            _add_study(known, Path(entry), options, spec, fingerprint, configured, dimensions)
    return known


def _add_point(
    known: WarmStart,
    given: Mapping[str, Any],
    configured: Configured,
    dimensions: Sequence[Dimension],
) -> None:
    """Adds a point, with the defaults for what it leaves out and without what is not searched."""
    searched = {dimension.key for dimension in dimensions}
    asked = {key: value for key, value in given.items() if key in searched}
    try:
        known.points.extend([completed(asked, configured, dimensions)] if asked else [])
    except ValueError as error:
        known.notes.append(f"a point of warm_start is left out: {error}")


def _winners_of(folder: Path) -> list[Mapping[str, Any]]:
    try:
        return [trial.params for trial in read_study(folder).best]
    except RecordError as error:
        raise ConfigError(
            f"hydra.sweeper.warm_start: there is no study in {shown(folder)}: {error}"
        ) from error


def _add_study(
    known: WarmStart,
    folder: Path,
    options: DictConfig,
    spec: StudySpec,
    fingerprint: Fingerprint,
    configured: Configured,
    dimensions: Sequence[Dimension],
) -> None:
    """Adds the trials of a study if their values count here, and its best point otherwise."""
    is_itself = folder.resolve() == spec.folder and not options.restart
    study = None if is_itself or len(spec.directions) > 1 else _study_in(folder, spec)
    old = fingerprint_of(study) if study else None
    difference = beyond_the_space(old, fingerprint, options.ignore) if old else None
    if study is not None and old is not None and difference is None:
        ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        _add_trials(known, ended, folder, spec, dimensions)
        return
    if difference:
        known.notes.append(f"only the best trial of {shown(folder)} is tried: {difference}")
    for point in _winners_of(folder):
        _add_point(known, point, configured, dimensions)


def _study_in(folder: Path, spec: StudySpec) -> optuna.Study | None:
    """Opens a study with a journal, or in the database of `spec`, if there is one."""
    if StudyPaths(folder).journal.is_file():
        return read_journal(folder)
    if spec.storage is not None:
        with suppress(RecordError, KeyError):
            name = read_study(folder).name
            if name != spec.name:
                return optuna.load_study(study_name=name, storage=open_storage(spec))
    return None


def _add_trials(
    known: WarmStart,
    ended: Sequence[FrozenTrial],
    folder: Path,
    spec: StudySpec,
    dimensions: Sequence[Dimension],
) -> None:
    """Adds the trials within the space, and the point of the best, which this study runs itself.

    So the winner of a study is one of its own trials, with a folder in that of the study.

    Raises:
        ConfigError: If a trial is damaged.
    """
    within = [(trial, point) for trial in ended if (point := _point(trial, dimensions)) is not None]
    try:
        known.trials.extend(
            _taken_over(trial, point, folder, dimensions) for trial, point in within
        )
    except ValueError as error:
        raise ConfigError(
            f"hydra.sweeper.warm_start: a trial in {shown(folder)} is damaged: {error}"
        ) from error
    known.notes.append(
        f"the sampler learns from {len(within)} of {counted(len(ended), 'trial')} in "
        f"{shown(folder)}, those within the search space"
    )
    sign = 1 if spec.directions == ("maximize",) else -1
    # The value of a pruned trial is its last report, and not that of a complete run.
    complete = [
        (sign * trial.values[0], point)
        for trial, point in within
        if trial.state is TrialState.COMPLETE
    ]
    if complete:
        known.points.append(max(complete, key=lambda one: one[0])[1])


def _taken_over(
    trial: FrozenTrial, point: Point, folder: Path, dimensions: Sequence[Dimension]
) -> FrozenTrial:
    """Returns a trial of the study in `folder` as one with the distributions of this study."""
    if trial.values is not None and len(trial.values) != 1:
        raise ValueError(f"trial {trial.number} has {len(trial.values)} values")
    distributions = {one.key: one.distribution for one in dimensions if one.key in point}
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


def _point(trial: FrozenTrial, dimensions: Sequence[Dimension]) -> Point | None:
    """Returns the point of a trial; None if it is outside the space."""
    point: Point = {}
    for dimension in dimensions:
        if dimension.applies(point) != (dimension.key in trial.params):
            return None
        if dimension.key in trial.params:
            point[dimension.key] = trial.params[dimension.key]
            if not dimension.contains(point[dimension.key]):
                return None
    return point
