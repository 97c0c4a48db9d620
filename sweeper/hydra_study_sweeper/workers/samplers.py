"""Samplers and pruners as they are configured."""

import importlib.util
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from omegaconf import DictConfig

from hydra_study_sweeper.errors import ConfigError
from hydra_study_sweeper.options import TRUSTED
from hydra_study_sweeper.versions import make

# What Optuna imports for a sampler when it is first used.
NEEDED = {
    "CmaEsSampler": ("cmaes",),
    "QMCSampler": ("scipy",),
    "GPSampler": ("scipy", "torch"),
}


def make_sampler(config: DictConfig, turn: int = 0) -> optuna.samplers.BaseSampler:
    """Makes the configured sampler.

    Settings that are null are left to Optuna.

    Args:
        config: Of the sampler.
        turn: The place of the trial that it is for. A seed is combined with it, since samplers with
            the same seed propose the same points.
    """
    settings = {str(name): value for name, value in config.items() if value is not None}
    if is_seeded(config) and not settings.get("scramble"):  # which all must do alike
        entropy = [settings["seed"], turn]
        settings["seed"] = int(np.random.SeedSequence(entropy).generate_state(1)[0])
    sampler: optuna.samplers.BaseSampler = _make(settings)
    return sampler


def is_seeded(sampler: DictConfig) -> bool:
    """Returns whether a sampler has a seed."""
    return sampler.get("seed") is not None


def make_pruner(config: DictConfig) -> optuna.pruners.BasePruner:
    """Makes the configured pruner."""
    pruner: optuna.pruners.BasePruner = _make(config)
    return pruner


def check_makeable(sampler: DictConfig, pruner: DictConfig) -> None:
    """Makes sure that workers will be able to make both.

    Raises:
        ConfigError: If one cannot be made.
    """
    name = str(sampler["_target_"]).rpartition(".")[2]
    for package in NEEDED.get(name, ()):
        if importlib.util.find_spec(package) is None:  # Optuna would say so in the tenth trial
            raise ConfigError(f"{name} needs a package that is missing: pip install {package}")
    try:
        make_sampler(sampler)
        make_pruner(pruner)
    except Exception as error:  # of whatever kind: it comes from what the user chose
        cause = error.__cause__ or error
        raise ConfigError(f"the sampler or the pruner cannot be made: {cause}") from error


def _make(config: Mapping[str, Any] | DictConfig) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return make(config, TRUSTED)
