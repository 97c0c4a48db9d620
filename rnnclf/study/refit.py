"""The winner of a study, trained again with several seeds and reported with an interval.

The trials of a study say which hyperparameters are best, but the best value among many is too good
by selection. So each seed is run twice: once as the trials were, which says what the winner is
worth with fresh seeds, and once for use, by our application on training and validation texts
together, and then tested. The first runs choose what the others must be told, so that the test has
no part in it: the step to train to, which is the median of their best ones (that of a single run is
chance where the curve is flat), and the model to use, that of the seed with the median value.

The runs are trials of a study of their own, which lends them resuming and retrying.
"""

import logging
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import optuna
from omegaconf import OmegaConf
from optuna.trial import FrozenTrial, TrialState
from scipy.special import stdtrit

from rnnclf.errors import StudyError
from rnnclf.study.agenda import Agenda
from rnnclf.study.cleaning import Cleaner
from rnnclf.study.launch import launch_workers, wait_for_others
from rnnclf.study.outcome import best_step
from rnnclf.study.paths import StudyPaths
from rnnclf.study.plan import StudyPlan
from rnnclf.study.repeats import Repeats
from rnnclf.study.space import as_overrides
from rnnclf.study.trials import OVERRIDES, REASON, Trials, counts
from rnnclf.study.worker import Worker

log = logging.getLogger(__name__)

ROLE, SEED = "role", "seed"
# attributes of the study: the runs without their weights; the step to which runs for use train
DELETED, TRAIN_TO = "deleted", "train_to"
ROLES = VALIDATE, FINAL = "validate", "final"
BEST_STEP = "{best_step}"
CONFIDENCE = 0.95

Job = tuple[str, int]
"""The role, `validate` or `final`, and the seed of a run that trains the winner again."""

Jobs = dict[Job, list[str]]
"""What each sets beside the winner's parameters."""


def refit_winner(
    plan: StudyPlan, study: optuna.Study, winner: FrozenTrial, agenda: Agenda
) -> dict[str, Any]:
    """Trains the winner again as the study's options say.

    Runs that ended well before are not repeated, except the one whose model is to be used if that
    was deleted, since then with other seeds another was the median.

    Returns:
        The values of all runs, mean, standard deviation and interval of both kinds, the folder of
        the final model, the step to which it was trained if that is the median of the best, and how
        many runs failed.

    Raises:
        StudyError: If no run of a kind ended well, or `{best_step}` is asked for and there is none.
    """
    options = plan.options.refit
    needs_best_step = any(BEST_STEP in override for override in options[FINAL])
    if needs_best_step and plan.worker.repeats.count == 1:
        _median_best_step(study, [winner])  # raises before anything runs
    worker = _worker(plan, winner)
    worker.spec.folder.mkdir(parents=True, exist_ok=True)
    trials = Trials(worker.spec)
    wait_for_others(trials)
    trials.resume()
    run = partial(_run, plan, worker, f"training trial {winner.number} again", agenda)
    step = None
    if needs_best_step:
        run("as in the search", _missing(trials, _jobs(plan, [VALIDATE])))
        step = _step_to_train_to(trials, winner)
        run(f"for use, to step {step}", _missing(trials, _jobs(plan, [FINAL], step)))
    else:
        run("as in the search and for use", _missing(trials, _jobs(plan, ROLES)))
    chosen = _choose(trials, winner)
    if _has_no_model(trials, chosen):
        run("for use", {_job_of(chosen): chosen.user_attrs[OVERRIDES]})
        chosen = _choose(trials, winner)
    failed = len(_missing(trials, _jobs(plan, ROLES))) + _has_no_model(trials, chosen)
    if not failed:
        _delete_others(trials, plan, chosen)
    return _summary(trials, plan, winner, chosen) | {"best_step": step, "failed": failed}


def _step_to_train_to(trials: Trials, winner: FrozenTrial) -> int:
    """Returns the median best step of the runs as in the search, when it was first asked for.

    It is kept, so that the runs for use are alike even if seeds are added.
    """
    if TRAIN_TO not in trials.study.user_attrs:
        validated = _some_by_seed(trials, VALIDATE, winner).values()
        trials.study.set_user_attr(TRAIN_TO, _median_best_step(trials.study, validated))
    step: int = trials.study.user_attrs[TRAIN_TO]
    return step


def _median_best_step(study: optuna.Study, trials: Iterable[FrozenTrial]) -> int:
    """Returns the median (the lower of two) of the steps with the best values."""
    steps = [step for trial in trials if (step := best_step(study, trial)) is not None]
    if not steps:
        raise StudyError(f"refit asks for {BEST_STEP}, but the trials report no steps")
    return statistics.median_low(steps)


def _jobs(plan: StudyPlan, roles: Sequence[str], step: int | None = None) -> Jobs:
    """Returns what the runs of some roles set; those as in the search are as the trials' runs."""
    options, repeats = plan.options.refit, plan.worker.repeats
    return {
        (role, seed): [
            *(repeats.overrides_of(seed) if role == VALIDATE else []),
            *(
                override.replace("{seed}", str(seed)).replace(BEST_STEP, str(step))
                for override in options[role]
            ),
        ]
        for seed in range(options.seeds)
        for role in roles
    }


def _missing(trials: Trials, jobs: Jobs) -> Jobs:
    """Returns the jobs of which no run ended well."""
    done = {_job_of(trial) for trial in _complete(trials)}
    return {job: overrides for job, overrides in jobs.items() if job not in done}


def _run(plan: StudyPlan, worker: Worker, what: str, agenda: Agenda, kind: str, jobs: Jobs) -> None:
    """Runs jobs that do not wait in the queue already, and those that do."""
    trials = Trials(worker.spec)
    waiting = [_job_of(trial) for trial in trials.all() if trial.state is TrialState.WAITING]
    for (role, seed), overrides in jobs.items():
        if (role, seed) not in waiting:
            trials.enqueue({}, {ROLE: role, SEED: seed, OVERRIDES: overrides})
    to_go = sum(trial.state is TrialState.WAITING for trial in trials.all())
    if to_go == 0:
        return
    n_trials = to_go + sum(counts(trial) for trial in trials.all())
    worker = replace(worker, spec=replace(worker.spec, n_trials=n_trials))
    title = f"{plan.spec.name}: {what} {kind}"
    log.info("%s: %d runs to go", title, to_go)
    launch_workers(worker, plan.config, plan.options.workers, title, agenda)


def _worker(plan: StudyPlan, winner: FrozenTrial) -> Worker:
    folder = StudyPaths(plan.spec.folder).refit(winner.number)
    spec = replace(
        plan.spec,
        name=f"{plan.spec.name}-{folder.name}",
        folder=folder,
        n_trials=0,
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
        weights=list(plan.options.weights),
        repeats=Repeats(),
        is_refit=True,
    )


def _complete(trials: Trials) -> list[FrozenTrial]:
    return [trial for trial in trials.all() if trial.state is TrialState.COMPLETE]


def _job_of(trial: FrozenTrial) -> Job:
    return trial.user_attrs[ROLE], trial.user_attrs[SEED]


def _by_seed(trials: Trials, role: str) -> dict[int, FrozenTrial]:
    """Returns the last complete run of each seed, in the order of the seeds."""
    found = {t.user_attrs[SEED]: t for t in _complete(trials) if t.user_attrs[ROLE] == role}
    return dict(sorted(found.items()))


def _some_by_seed(trials: Trials, role: str, winner: FrozenTrial) -> dict[int, FrozenTrial]:
    """Returns what `_by_seed` does, or raises a `StudyError` if that is nothing."""
    runs = _by_seed(trials, role)
    if not runs:
        reasons = [
            trial.user_attrs[REASON]
            for trial in trials.all()
            if trial.user_attrs[ROLE] == role and REASON in trial.user_attrs
        ]
        raise StudyError(
            f"training trial {winner.number} again failed ({role}): "
            f"{reasons[-1] if reasons else 'no run ended'}; the folder is {trials.spec.folder}; "
            "the same command tries again"
        )
    return runs


def _choose(trials: Trials, winner: FrozenTrial) -> FrozenTrial:
    """Returns the final run of the seed with the median validation (the lower of two)."""
    validate, final = (_some_by_seed(trials, role, winner) for role in ROLES)
    usable = [trial for seed, trial in validate.items() if seed in final]
    if not usable:
        return next(iter(final.values()))
    usable.sort(key=lambda trial: (trial.value, trial.user_attrs[SEED]))
    return final[usable[(len(usable) - 1) // 2].user_attrs[SEED]]


def _has_no_model(trials: Trials, run: FrozenTrial) -> bool:
    return run.number in trials.study.user_attrs.get(DELETED, ())


def _delete_others(trials: Trials, plan: StudyPlan, chosen: FrozenTrial) -> None:
    """Deletes the weights of all runs but one."""
    others = [trial.number for trial in trials.all() if trial.number != chosen.number]
    trials.study.set_user_attr(DELETED, others)
    Cleaner(trials.spec.folder, plan.options.weights, keep=None).delete(others)


def _summary(
    trials: Trials, plan: StudyPlan, winner: FrozenTrial, chosen: FrozenTrial
) -> dict[str, Any]:
    runs = {role: _by_seed(trials, role) for role in ROLES}
    folder = StudyPaths(trials.spec.folder).trial(chosen.number)
    return {
        "trial": winner.number,
        **{role: describe([trial.value for trial in runs[role].values()]) for role in runs},
        "model": {
            "seed": chosen.user_attrs[SEED],
            "value": chosen.value,
            "folder": str(folder.relative_to(plan.spec.folder)),
        },
    }


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
