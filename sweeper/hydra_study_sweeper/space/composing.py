"""Configurations of trials, composed by Hydra."""

import copy
from collections.abc import Mapping, Sequence

from hydra.errors import ConfigCompositionException
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from hydra_study_sweeper.records import Value
from hydra_study_sweeper.space.dimensions import Dimension
from hydra_study_sweeper.space.overrides import parse_override
from hydra_study_sweeper.space.points import as_overrides


def compose_trial(
    context: HydraContext,
    master: DictConfig,
    overrides: Sequence[str],
    *,
    folder: str,
    number: int,
    repeat: int | None = None,
) -> DictConfig:
    """Composes the configuration of a trial, whose folder is named by its number.

    Args:
        context: Hydra's.
        master: The sweep's configuration.
        overrides: Of the trial.
        folder: The folder of the study.
        number: The trial's.
        repeat: Which of the trial's runs it is; each of several has a folder in that of the trial.

    Raises:
        HydraException: If Hydra cannot compose it.
    """
    config: DictConfig = context.config_loader.load_sweep_config(master, list(overrides))
    _place(config, folder, number, repeat)
    return config


class TrialComposer:
    """Composes the configurations of the trials of one study in a few milliseconds each.

    Hydra takes tens of milliseconds, nearly all of them for the defaults list. That is the same for
    all trials of a study, since only values are searched; so it is resolved once, and a trial's
    values are set in a copy.

    Args:
        context: Hydra's.
        master: The sweep's configuration.
        overrides: The fixed overrides of all trials.
        folder: The folder of the study.
    """

    def __init__(
        self, context: HydraContext, master: DictConfig, overrides: Sequence[str], folder: str
    ) -> None:
        self._context = context
        self._master = master
        self._overrides = overrides
        self._folder = folder
        self._base = compose_trial(context, master, overrides, folder=folder, number=0)
        with open_dict(self._base):
            # A job has no use for these, and Hydra copies them several times for each.
            self._base.hydra.sweeper = {"_target_": self._base.hydra.sweeper["_target_"]}
            self._base.hydra.hydra_logging = {}

    def compose(
        self,
        number: int,
        chosen: Mapping[str, Value],
        further: Sequence[str] = (),
        repeat: int | None = None,
    ) -> DictConfig:
        """Composes the configuration of a trial.

        Args:
            number: The trial's.
            chosen: Values of the dimensions.
            further: Overrides of this trial or run alone, which may be of any kind.
            repeat: Which of the trial's runs it is, if it has several.

        Raises:
            HydraException: If Hydra cannot compose it, or a value does not fit its key.
        """
        lines = as_overrides(chosen)
        if further:
            return compose_trial(
                self._context,
                self._master,
                [*self._overrides, *lines, *further],
                folder=self._folder,
                number=number,
                repeat=repeat,
            )
        config = copy.deepcopy(self._base)
        for line in lines:
            _set(config, line)
        with open_dict(config):
            config.hydra.overrides.task.extend(lines)
        _place(config, self._folder, number, repeat)
        return config


def _set(config: DictConfig, line: str) -> None:
    override = parse_override(line)
    is_new = override.is_add() or override.is_force_add()
    try:
        OmegaConf.update(config, override.key_or_group, override.value(), force_add=is_new)
    except OmegaConfBaseException as error:
        raise ConfigCompositionException(f"Error merging override {line}") from error


def check_that_chosen_arrived(
    config: DictConfig, dimensions: Sequence[Dimension], chosen: Mapping[str, Value]
) -> None:
    """Makes sure that a trial runs with the values that the sampler chose.

    Raises:
        ValueError: If something else in the configuration took the place of a chosen value.
    """
    for dimension in dimensions:
        if dimension.key not in chosen:
            continue
        arrived = OmegaConf.select(config, dimension.key.lstrip("+"))
        if OmegaConf.is_config(arrived):
            continue  # a list or a mapping can be written in many ways
        try:
            as_chosen = dimension.member(arrived) == chosen[dimension.key]
        except ValueError:
            as_chosen = False
        if not as_chosen:
            raise ValueError(
                f"{dimension.key} was chosen as {chosen[dimension.key]}, "
                f"but the configuration has {arrived}"
            )


def _place(config: DictConfig, folder: str, number: int, repeat: int | None) -> None:
    names = [str(number), *([] if repeat is None else [str(repeat)])]
    with open_dict(config):
        config.hydra.job.id = "_".join([config.hydra.job.name, *names])
        config.hydra.job.num = number
        config.hydra.sweep.dir = folder
        config.hydra.sweep.subdir = "/".join(names)
