"""The searches that are compared: as others run them, and as the sweeper does."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import optuna
from hydra_plugins.hydra_optuna_sweeper.config import TPESamplerConfig
from hydra_study_sweeper.options import PRUNERS, SAMPLERS
from hydra_study_sweeper.space.points import Point
from hydra_study_sweeper.workers.samplers import make_pruner, make_sampler
from omegaconf import DictConfig, OmegaConf
from optuna.pruners import MedianPruner, SuccessiveHalvingPruner
from optuna.samplers import RandomSampler, TPESampler
from recordings import Space
from simulator import Arm, Array

STOCK, OURS, BEST_TRIAL = "stock sweeper", "ours", "ours, best trial"


def last(curve: Array) -> float:
    """Returns the last value of a curve."""
    return float(curve[-1])


class RayPruner(optuna.pruners.BasePruner):
    """Asynchronous successive halving as Ray Tune's `AsyncHyperBandScheduler` decides it.

    At each rung, a trial ends if its value is below the best quarter of those that came before it.

    Args:
        epochs: Of a full training.
    """

    def __init__(self, epochs: int) -> None:
        self._rungs: dict[int, dict[int, float]] = {
            4**power: {} for power in range(8) if 4**power <= epochs
        }

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        """Tells whether a trial ends after the epoch that it has reported."""
        step = trial.last_step
        if step not in self._rungs:
            return False
        value, before = trial.intermediate_values[step], self._rungs[step]
        ends = bool(before) and value < np.percentile(list(before.values()), 75)
        before[trial.number] = value
        return ends


def arms_of(space: Space, known: Sequence[Point]) -> dict[str, Arm]:
    """Returns the searches by name; the winner of each is its best trial.

    Args:
        space: What is searched.
        known: Points that are good on other data sets. Without any, *ours* is cold.
    """
    trial_0 = space.first[:1]
    sampler = _made_of(OmegaConf.create(SAMPLERS["default"]))
    ours = Arm(sampler, _pruner("asha"), trial_0, known)
    return {
        STOCK: Arm(_made_of(OmegaConf.structured(TPESamplerConfig)), in_batches=True),
        "Optuna, median": Arm(_tpe, MedianPruner),
        "Ray Tune, ASHA": Arm(
            _random, lambda: RayPruner(space.epochs), value=last, keeps_pruned=True
        ),
        "random": Arm(_random),
        "random, halving": Arm(_random, _pruner("asha")),
        BEST_TRIAL: ours,
    } | ({"ours, cold": replace(ours, known=())} if known else {})


def tried_arms(space: Space, known: Sequence[Point]) -> dict[str, Arm]:
    """Returns variants of our search by name, the search itself first; see `arms_of`."""
    ours = arms_of(space, [])[BEST_TRIAL]
    plain, median = (replace(ours, pruner=_pruner(name)) for name in ("none", "median"))
    steeper, later = (replace(ours, pruner=_halving(first, 3)) for first in (1, 2))
    four = known[:4]
    return {
        "ours, cold": ours,
        "no pruner": plain,
        "median pruner": median,
        "asha, rungs 1, 3, 9": steeper,
        "asha, rungs 2, 6": later,
        "second chance, rungs 2, 4, 8": replace(plain, rungs=(2, 2)),
        "second chance, rungs 1, 3, 9": replace(plain, rungs=(1, 3)),
        "three finalists": replace(ours, finalists=3),
        "four known points": replace(ours, known=four),
        "four, median pruner": replace(median, known=four),
        "four, rungs 1, 3, 9": replace(steeper, known=four),
        "four, rungs 2, 6": replace(later, known=four),
        "eight known points": replace(ours, known=known),
    }


def _tpe(seed: int) -> optuna.samplers.BaseSampler:
    return TPESampler(seed=seed)


def _random(seed: int) -> optuna.samplers.BaseSampler:
    return RandomSampler(seed=seed)


def _made_of(config: DictConfig) -> Callable[[int], optuna.samplers.BaseSampler]:
    return lambda seed: make_sampler(OmegaConf.merge(config, {"seed": seed}))


def _pruner(name: str) -> Callable[[], optuna.pruners.BasePruner]:
    return lambda: make_pruner(OmegaConf.create(PRUNERS[name]))


def _halving(first: int, factor: int) -> Callable[[], optuna.pruners.BasePruner]:
    return lambda: SuccessiveHalvingPruner(min_resource=first, reduction_factor=factor)
