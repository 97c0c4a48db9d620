"""Configurations of trials, composed by Hydra."""

import copy
import math
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import optuna
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import OverrideType, ValueType
from hydra.errors import ConfigCompositionException
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from hydra_study_sweeper.records import Value
from hydra_study_sweeper.space.dimensions import Dimension
from hydra_study_sweeper.space.overrides import key_of, parse_override
from hydra_study_sweeper.space.points import Point, as_overrides, groups_of, suggest

BY_NUMBER = "${hydra.job.num}"  # Hydra's default for `hydra.sweep.subdir`


def unresolved(node: DictConfig, name: str) -> Any:
    """Returns a value without resolving what it refers to."""
    container = OmegaConf.to_container(node)
    assert isinstance(container, dict), "it is a mapping"
    return container.get(name)


class Bases:
    """Configurations in which the values of trials are set, one for each choice of groups.

    Hydra takes tens of milliseconds for a configuration, nearly all of them for the defaults list.
    Only config groups change that list, so it is resolved once for each choice of them.

    Args:
        loader: Hydra's.
        master: The sweep's configuration.
        overrides: The fixed overrides of all trials.
        folder: The folder of the study.
        mandatory: Overrides of config groups that are `???` in the defaults list, by group. They
            hold where nothing else is chosen.
        first: The configuration with no further overrides, if Hydra has composed it already.
    """

    def __init__(
        self,
        loader: ConfigLoader,
        master: DictConfig,
        overrides: Sequence[str],
        folder: str,
        mandatory: Mapping[str, str],
        first: DictConfig | None = None,
    ) -> None:
        self._loader = loader
        self.master = master
        self.overrides = overrides
        self.folder = folder
        self._mandatory = mandatory
        self._places = {key_of(line): n for n, line in enumerate(master.hydra.overrides.task)}
        self._made: dict[tuple[str, ...], DictConfig] = {}
        self._pickled: dict[tuple[str, ...], bytes] = {}
        if first is not None:
            self._made[()] = _light(self._as_trial(copy.deepcopy(first), 0))

    def with_fixed(self, overrides: Sequence[str], folder: Path) -> "Bases":
        """Returns those of another study, which has further fixed overrides."""
        overrides = [*self.overrides, *overrides]
        return Bases(self._loader, self.master, overrides, str(folder), self._mandatory)

    def __call__(self, groups: Sequence[str] = ()) -> DictConfig:
        """Returns the configuration with some options of groups; it must not be changed."""
        key = tuple(groups)
        if key not in self._made:
            self._made[key] = _light(self.in_full(groups, 0))
        return self._made[key]

    def copy(self, groups: Sequence[str] = ()) -> DictConfig:
        """Returns the same for changes: unpickled, in a seventh of the time of a copy."""
        key = tuple(groups)
        if key not in self._pickled:
            try:
                self._pickled[key] = pickle.dumps(self(groups))
            except (pickle.PicklingError, AttributeError, TypeError):  # of a type without a name
                return copy.deepcopy(self(groups))
        config: DictConfig = pickle.loads(self._pickled[key])  # noqa: S301 -- its own
        return config

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_pickled": {}}  # each process pickles its own

    def in_full(self, overrides: Sequence[str], number: int) -> DictConfig:
        """Has Hydra itself compose the configuration of a trial.

        Raises:
            HydraException: If Hydra cannot compose it.
        """
        given = with_mandatory([*self.overrides, *overrides], self._mandatory)
        return self._as_trial(self._loader.load_sweep_config(self.master, given), number)

    def _as_trial(self, config: DictConfig, number: int) -> DictConfig:
        with open_dict(config):
            config.hydra.sweep.dir = self.folder
            if unresolved(config.hydra.sweeper, "study_name") is None:
                config.hydra.sweeper.study_name = PurePath(self.folder).name
        _number(config, number)
        return config

    def is_value(self, line: str) -> bool:
        """Returns whether an override only sets a key to a number or a text."""
        override = parse_override(line)
        key = override.key_or_group
        return (
            override.type is OverrideType.CHANGE
            and override.value_type is ValueType.ELEMENT
            and isinstance(override.value(), str | int | float | None)
            and override.package is None
            and not (override.is_hydra_override() or self._loader.get_group_options(key))
        )

    def in_order(self, overrides: Sequence[str]) -> list[str]:
        """Sorts overrides as their keys are on the command line; the others come last."""
        return sorted(overrides, key=lambda line: self._places.get(key_of(line), math.inf))


def with_mandatory(overrides: Sequence[str], mandatory: Mapping[str, str]) -> list[str]:
    """Adds overrides of mandatory config groups, by group, where nothing else is chosen."""
    chosen = set(map(key_of, overrides))
    return [*overrides, *(line for group, line in mandatory.items() if group not in chosen)]


def _light(config: DictConfig) -> DictConfig:
    """Leaves out what a job has no use for and Hydra copies several times for each."""
    with open_dict(config):
        config.hydra.hydra_logging = {}
    return config


@dataclass(frozen=True)
class TrialComposer:
    """Composes the configurations of the trials of one study in a few milliseconds each.

    Attributes:
        bases: Of the study.
        dimensions: What is searched.
        custom: A function of configuration and trial that suggests further values, if there is one.
    """

    bases: Bases
    dimensions: Sequence[Dimension]
    custom: Callable[[DictConfig, optuna.trial.BaseTrial], None] | None = None

    def suggest(self, trial: optuna.trial.BaseTrial) -> Point:
        """Asks a trial for its values: of the dimensions, then of the application's function."""
        point = suggest(trial, self.dimensions)
        if self.custom is None:
            return point
        self.custom(self.bases.copy(groups_of(point, self.dimensions)), trial)
        return trial.params | point

    def compose(
        self, number: int, chosen: Mapping[str, Value], further: Sequence[str] = ()
    ) -> DictConfig:
        """Composes the configuration of a trial.

        Args:
            number: The trial's.
            chosen: Values of the dimensions.
            further: Overrides of this trial or run alone, which may be of any kind.

        Raises:
            HydraException: If Hydra cannot compose it, or a value does not fit its key.
            ValueError: If something else in it took the place of a chosen value.
        """
        lines = as_overrides(chosen, self.dimensions)
        groups = groups_of(chosen, self.dimensions)
        if not all(map(self.bases.is_value, further)):
            config = self.bases.in_full([*lines, *further], number)
        else:
            config = self.bases.copy(groups)
            values = [line for line in [*lines, *further] if line not in groups]
            for line in values:
                _set(config, line, groups)
            with open_dict(config):
                config.hydra.overrides.task.extend(values)
            _number(config, number)
        with open_dict(config):
            config.hydra.overrides.task = self.bases.in_order(config.hydra.overrides.task)
        self._check_that_chosen_arrived(config, chosen)
        return config

    def _check_that_chosen_arrived(self, config: DictConfig, chosen: Mapping[str, Value]) -> None:
        for dimension in self.dimensions:
            key = dimension.key
            if key in chosen and not dimension.has(chosen[key], config):
                raise ValueError(
                    f"{key} was chosen as {chosen[key]}, "
                    f"but the configuration has {dimension.value_in(config)}"
                )


def _set(config: DictConfig, line: str, groups: Sequence[str]) -> None:
    override = parse_override(line)
    key, value, is_new = override.key_or_group, override.value(), override.is_add()
    try:
        if (
            is_new
            and not isinstance(value, dict | list)
            and OmegaConf.select(config, key) is not None
        ):
            raise ConfigCompositionException(f"{line} adds what is there already")
        OmegaConf.update(config, key, value, force_add=is_new or override.is_force_add())
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0]
        where = f" with {' '.join(groups)}" if groups else ""
        # From None, because Hydra and the application would say the reason once more.
        raise ConfigCompositionException(f"{line} cannot be set{where}: {reason}") from None


def folder_name(config: DictConfig) -> str:
    """Returns the name of a trial's folder: `hydra.sweep.subdir`, by default its number.

    Raises:
        ValueError: If it leads out of the folder of the study.
    """
    number = str(config.hydra.job.num)
    if unresolved(config.hydra.sweep, "subdir") == BY_NUMBER:
        return number
    hydra = HydraConfig.instance()
    before = hydra.cfg
    hydra.set_config(config)  # the name may depend on anything of Hydra's
    try:
        name = PurePath(str(config.hydra.sweep.subdir))
    finally:
        hydra.cfg = before
    if name.is_absolute() or ".." in name.parts:
        raise ValueError(f"hydra.sweep.subdir={name} leads out of the study's folder")
    return str(name) if name.parts else number


def place(config: DictConfig, folder: str, repeat: int | None = None) -> None:
    """Says where a trial runs.

    Args:
        config: Of the trial.
        folder: Its folder, relative to that of the study.
        repeat: Which of the trial's runs it is; each of several has a folder in that of the trial.
    """
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.sweep.subdir = folder if repeat is None else f"{folder}/{repeat}"
        if repeat is not None:
            config.hydra.job.id = f"{config.hydra.job.id}_{repeat}"


def _number(config: DictConfig, number: int) -> None:
    with open_dict(config):
        config.hydra.job.id = f"{config.hydra.job.name}_{number}"
        config.hydra.job.num = number
