"""The refit: the winner of a study is trained again with several seeds.

The value of the best trial is too good, because it is the best of many (selection bias). So each
seed is run twice. The *validation run* repeats the trial with a fresh seed, and so measures the
winner. The *final run* makes a model for use: the application trains it on training and validation
data together, and tests it. Three choices come from the validation runs alone, so that the test
has no part in them: whether the final runs have the parameters of the winner or of its rival, the
number of their steps, which is the median of the best steps (on a flat curve, the best step of a
single run is chance), and the model to use, which is that of the seed with the median value.

The best of many may only be lucky. So the winner has a *rival*: the best other trial whose point
was known before the search, which has the defaults or a point that the user gave. It has
validation runs too, with the same seeds, in a folder of its own, and stays unless the winner is
better.

A study with little time has fewer seeds, and with fewer than two no comparison. Without time for a
single pair of runs there is one final run, which is trained to the best step of the winner, and
ends with the time.
"""

import logging

from optuna.trial import FrozenTrial

from hydra_study_sweeper.budget import Took
from hydra_study_sweeper.intervals import advantage, seed_values
from hydra_study_sweeper.options import BEST_STEP
from hydra_study_sweeper.output.outcome import below
from hydra_study_sweeper.output.queue import Queue
from hydra_study_sweeper.plan import StudyPlan
from hydra_study_sweeper.records import Comparison, RefitRecord
from hydra_study_sweeper.refit_runs import (
    ROLES,
    RefitRuns,
    median_best_step,
    was_begun,
)
from hydra_study_sweeper.storage.trials import Trials
from hydra_study_sweeper.workers.pool import Pool

log = logging.getLogger(__name__)


def refit_winner(
    plan: StudyPlan,
    search: Trials,
    winner: FrozenTrial,
    pool: Pool,
    queue: Queue,
    *,
    joined: bool,
) -> RefitRecord:
    """Trains the winner again as the study's options say, or its rival if that stays.

    Runs that ended well before are not repeated, except the one whose model is to be used if that
    was deleted, because with other seeds another one was the median.

    Args:
        plan: Of the search.
        search: The trials of the search.
        winner: The best of them.
        pool: The worker processes of this command.
        queue: The studies of this command.
        joined: Whether another process began the study, whose folder may have the model.

    Raises:
        StudyError: If no run of a kind ended well, or `{best_step}` is asked for and there is none.
    """
    needs_best_step = any(BEST_STEP in override for override in plan.options.refit.final)
    if needs_best_step and plan.worker.repeats.count == 1:
        median_best_step(search, [winner])  # raises before anything runs
    rival = _rival(plan, search, winner)
    seeds, seeds_of_rival = _seeds(plan, winner, rival)
    kept = RefitRuns(plan, winner, seeds, pool, queue)
    other: RefitRuns | None = None
    # Without time for its runs, or now with a single seed, it may have been measured before.
    if rival and (seeds_of_rival or was_begun(plan, rival)):
        other = RefitRuns(plan, rival, seeds_of_rival, pool, queue)
    elif rival and plan.compares:
        log.info("there is no time to compare the winner with trial %d", rival.number)
    elif plan.compares:
        log.info("the winner has no rival: no other trial with a known point is complete")
    roles, comparison, step = ROLES, None, None
    if other or needs_best_step:
        then = seeds + seeds_of_rival
        kept.run("validation runs", ["validation"], then=then)
        roles = ("final",)
    if other:
        kept.required("validation")  # raises if none ended well: there is nothing to compare
        other.run("validation runs of the rival", ["validation"], then=seeds)
        comparison = _compare(kept, other, search)
        if comparison and not comparison.winner_stays:
            kept, other = other, kept
    if needs_best_step:
        step = kept.step_to_train_to()
    to = "" if step is None else f", to {plan.spec.names.step} {step}"
    kept.run(f"{' and '.join(roles)} runs{to}", roles, step)
    chosen, failed = _chosen(kept, other, joined=joined)
    return kept.record(chosen, step, failed, comparison)


def _chosen(kept: RefitRuns, other: RefitRuns | None, *, joined: bool) -> tuple[FrozenTrial, int]:
    """Returns the final run whose model is for use, and how many runs failed.

    The weights of all others are deleted, if none failed.
    """
    chosen = kept.choose()
    if kept.lacks_model(chosen, joined):
        kept.repeat(chosen)
        chosen = kept.choose()
    failed = len(kept.missing(ROLES)) + kept.lacks_model(chosen, joined)
    if other:
        failed += len(other.missing(["validation"]))
    if not failed:
        kept.delete_other_weights(chosen)
        if other:
            other.delete_weights_of_validation()
    return chosen, failed


def _rival(plan: StudyPlan, search: Trials, winner: FrozenTrial) -> FrozenTrial | None:
    """Returns the best other trial with a known point, if the winner has to be better than it.

    One that failed or was pruned has lost already.
    """
    if not plan.options.refit.keep_known:
        return None
    others = (trial for trial in search.ranked() if trial.params != winner.params)
    return next((trial for trial in others if trial.params in plan.rivals), None)


def _seeds(plan: StudyPlan, winner: FrozenTrial, rival: FrozenTrial | None) -> tuple[int, int]:
    """Returns for how many seeds there is time, and for how many the rival is measured."""
    budget = plan.spec.budget
    if budget is None:
        return plan.seeds, plan.seeds if rival and plan.seeds > 1 else 0
    both = budget.fitting_seeds(Took.of(winner), Took.of(rival)) if rival else 0
    return (both, both) if both else (budget.fitting_seeds(Took.of(winner)), 0)


def _compare(of_winner: RefitRuns, of_rival: RefitRuns, search: Trials) -> Comparison | None:
    """Compares the winner with its rival by the seeds with which both were measured."""
    winner, rival = of_winner.complete("validation"), of_rival.complete("validation")
    seeds = [seed for seed in winner if seed in rival]
    if len(seeds) < 2:
        log.warning(
            "the winner is not compared with trial %d: that takes two seeds with validation runs "
            "of both; there is %s",
            of_rival.trial.number,
            "one" if seeds else "none",
        )
        return None
    values = [winner[seed].values[0] for seed in seeds]
    rival_values = [rival[seed].values[0] for seed in seeds]
    maximize = search.spec.directions[0] == "maximize"
    better_by, error = advantage(values, rival_values, maximize=maximize)
    return Comparison(
        winner=of_winner.trial.number,
        rival=of_rival.trial.number,
        folder=below(search, of_rival.trial),
        of_winner=seed_values(values),
        of_rival=seed_values(rival_values),
        better_by=better_by,
        standard_error=error,
    )
