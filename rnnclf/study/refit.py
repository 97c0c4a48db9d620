"""The winner of a study, trained again with several seeds and reported with an interval.

The trials of a study say which hyperparameters are best, but the best value among many is too good
by selection. So each seed is run twice: once as the trials were, which says what the winner is
worth with fresh seeds, and once for use, by our application on training and validation texts
together, and then tested. The model to use is that of the seed whose first run is the median of
all, so the test has no part in choosing it.

The runs are trials of a study of their own, which lends them resuming and retrying.
"""

import logging
import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import optuna
from omegaconf import OmegaConf
from optuna.trial import FrozenTrial, TrialState
from scipy.special import stdtrit

from rnnclf.errors import StudyError
from rnnclf.study.cleaning import Cleaner
from rnnclf.study.launch import launch_workers
from rnnclf.study.outcome import best_step
from rnnclf.study.paths import StudyPaths
from rnnclf.study.plan import StudyPlan
from rnnclf.study.space import as_overrides
from rnnclf.study.trials import LOST, OVERRIDES, REASON, Trials
from rnnclf.study.worker import Worker

log = logging.getLogger(__name__)

ROLE, SEED = "role", "seed"
VALIDATE, FINAL = "validate", "final"
CONFIDENCE = 0.95


def refit_winner(plan: StudyPlan, study: optuna.Study, winner: FrozenTrial) -> dict[str, Any]:
    """Trains the winner again as the study's options say.

    Returns:
        The values of all runs, mean, standard deviation and interval of both kinds, and the
        folder of the final model.

    Raises:
        StudyError: If no run of a kind ended well.
    """
    options = plan.options.refit
    folder = StudyPaths(plan.spec.folder).refit(winner.number)
    folder.mkdir(parents=True, exist_ok=True)
    step = best_step(study, winner)
    if step is None and any("{best_step}" in line for line in options[VALIDATE] + options[FINAL]):
        raise StudyError("refit asks for {best_step}, but the trials report no steps")
    jobs = [
        (role, seed, _filled(options[role], seed=seed, best_step=step))
        for seed in range(options.seeds)
        for role in (VALIDATE, FINAL)
    ]
    worker = _worker(plan, winner, len(jobs))
    trials = Trials(worker.spec)
    missing = jobs[len([t for t in trials.all() if LOST not in t.user_attrs]) :]
    for role, seed, overrides in missing:
        trials.enqueue({}, {ROLE: role, SEED: seed, OVERRIDES: overrides})
    title = f"{plan.spec.name}: training trial {winner.number} again"
    if missing:
        log.info("%s: %d runs to go, %d for each seed", title, len(missing), len((VALIDATE, FINAL)))
    launch_workers(worker, plan.config, plan.options.workers, title)
    return _summarize(trials, plan, winner)


def _worker(plan: StudyPlan, winner: FrozenTrial, n_trials: int) -> Worker:
    folder = StudyPaths(plan.spec.folder).refit(winner.number)
    spec = replace(
        plan.spec,
        name=f"{plan.spec.name}-{folder.name}",
        folder=folder,
        n_trials=n_trials,
        trial_timeout=None,
        deadline=None,
    )
    return replace(
        plan.worker,
        spec=spec,
        dimensions=(),
        overrides=[*plan.worker.overrides, *as_overrides(winner.params)],
        sampler=OmegaConf.create({"_target_": "optuna.samplers.RandomSampler"}),
        pruner=OmegaConf.create({"_target_": "optuna.pruners.NopPruner"}),
        keep=None,
        is_refit=True,
    )


def _filled(overrides: Sequence[str], **fillings: object) -> list[str]:
    filled = []
    for override in overrides:
        for name, value in fillings.items():
            override = override.replace(f"{{{name}}}", str(value))  # noqa: PLW2901
        filled.append(override)
    return filled


def _summarize(trials: Trials, plan: StudyPlan, winner: FrozenTrial) -> dict[str, Any]:
    complete = {
        role: sorted(
            (
                trial
                for trial in trials.all()
                if trial.state is TrialState.COMPLETE and trial.user_attrs[ROLE] == role
            ),
            key=lambda trial: trial.user_attrs[SEED],
        )
        for role in (VALIDATE, FINAL)
    }
    for role, ended in complete.items():
        if not ended:
            failed = next(t for t in trials.all() if t.state is TrialState.FAIL)
            raise StudyError(
                f"training trial {winner.number} again failed ({role}): "
                f"{failed.user_attrs[REASON]}; the folder is {trials.spec.folder}"
            )
    chosen = _median_run(complete[VALIDATE], complete[FINAL])
    paths = StudyPaths(trials.spec.folder)
    others = [t.number for t in trials.all() if t.number != chosen.number]
    Cleaner(trials.spec.folder, plan.worker.weights, keep=None).delete(others)
    return {
        "trial": winner.number,
        VALIDATE: describe([t.value for t in complete[VALIDATE]]),
        FINAL: describe([t.value for t in complete[FINAL]]),
        "failed": sum(
            t.state is TrialState.FAIL and LOST not in t.user_attrs for t in trials.all()
        ),
        "model": {
            "seed": chosen.user_attrs[SEED],
            "value": chosen.value,
            "folder": str(paths.trial(chosen.number).relative_to(plan.spec.folder)),
        },
    }


def _median_run(validated: Sequence[FrozenTrial], final: Sequence[FrozenTrial]) -> FrozenTrial:
    """Returns the final run of the seed with the median validation (the lower of two)."""
    by_seed = {trial.user_attrs[SEED]: trial for trial in final}
    usable = [trial for trial in validated if trial.user_attrs[SEED] in by_seed]
    if not usable:
        return final[0]
    usable.sort(key=lambda trial: (trial.value, trial.user_attrs[SEED]))
    return by_seed[usable[(len(usable) - 1) // 2].user_attrs[SEED]]


def describe(values: Sequence[float | None]) -> dict[str, Any]:
    """Returns values with their mean, standard deviation and 95 % interval of the mean.

    The interval is Student's t over the seeds; it says how much the mean would change with other
    seeds, not with other texts. One value has no deviation, and two have no interval: theirs would
    be twelve times as wide as their distance.
    """
    numbers = [value for value in values if value is not None]
    mean = statistics.fmean(numbers)
    described: dict[str, Any] = {"values": numbers, "mean": mean, "sd": None, "interval": None}
    if len(numbers) > 1:
        described["sd"] = statistics.stdev(numbers)
    if len(numbers) > 2:
        quantile = float(stdtrit(len(numbers) - 1, (1 + CONFIDENCE) / 2))
        half = quantile * described["sd"] / math.sqrt(len(numbers))
        described["interval"] = [mean - half, mean + half]
    return described
