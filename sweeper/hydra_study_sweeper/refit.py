"""The refit: the winner of a study is trained again with several seeds.

The value of the best trial is too good, because it is the best of many (selection bias). So each
seed is run twice. The *validation run* repeats the trial with a fresh seed, and so measures the
winner. The *final run* makes a model for use: the application trains it on training and validation
data together, and tests it. Three choices come from the validation runs alone, so that the test
has no part in them: whether the final runs have the winner's parameters or the defaults, the number
of their steps, which is the median of the best steps (on a flat curve, the best step of a single
run is chance), and the model to use, which is that of the seed with the median value.

The defaults stay unless the winner is better, because the best of many may only be lucky. For that
the trial with the defaults has validation runs too, with the same seeds, in a folder of its own.

A study with little time has fewer seeds, and with fewer than two no comparison. Without time for a
single pair of runs there is one final run, which is trained to the best step of the winner, and
ends with the time.
"""

import logging

from optuna.trial import FrozenTrial, TrialState

from hydra_study_sweeper.intervals import advantage, seed_values
from hydra_study_sweeper.output.outcome import below
from hydra_study_sweeper.output.queue import Queue
from hydra_study_sweeper.paths import StudyPaths
from hydra_study_sweeper.plan import StudyPlan
from hydra_study_sweeper.records import Comparison, RefitRecord
from hydra_study_sweeper.refit_runs import BEST_STEP, ROLES, RefitRuns, median_best_step
from hydra_study_sweeper.storage.trials import Trials, took
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
    """Trains the winner again as the study's options say, or the defaults if they stay.

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
    defaults = _rival(plan, search, winner)
    seeds, of_defaults = _seeds(plan, winner, defaults)
    refit = RefitRuns(plan, winner, seeds, pool, queue)
    rival, comparison, step = None, None, None
    # Without time for their runs, the defaults may have been measured before.
    if defaults and (of_defaults or StudyPaths(plan.spec.folder).refit(defaults.number).exists()):
        rival = RefitRuns(plan, defaults, of_defaults, pool, queue)
    kept, other = refit, rival
    if rival is None and not needs_best_step:
        refit.run("validation and final runs", refit.planned(ROLES))
    else:
        refit.run("validation runs", refit.planned(["validation"]), then=seeds + of_defaults)
        if rival:
            refit.by_seed("validation")  # raises if none ended well: there is nothing to compare
            runs = rival.planned(["validation"])
            rival.run("validation runs of the defaults", runs, then=seeds)
            comparison = _compare(refit, rival, search)
            if comparison and not comparison.winner_stays:
                kept, other = rival, refit
        step = kept.step_to_train_to() if needs_best_step else None
        to = "" if step is None else f", to {plan.spec.names.step} {step}"
        kept.run(f"final runs{to}", kept.planned(["final"], step))
    chosen = kept.choose()
    if kept.lacks_model(chosen, joined):
        kept.repeat(chosen)
        chosen = kept.choose()
    failed = len(kept.missing(kept.planned(ROLES))) + kept.lacks_model(chosen, joined)
    if other:
        failed += len(other.missing(other.planned(["validation"])))
    if not failed:
        kept.delete_other_weights(chosen)
        if other:
            other.delete_weights_of_validation()
    return kept.record(chosen, step, failed, comparison)


def _rival(plan: StudyPlan, search: Trials, winner: FrozenTrial) -> FrozenTrial | None:
    """Returns the trial with the defaults, if the winner has to be better than it.

    One that failed or was pruned has lost already.
    """
    if not plan.compares or winner.params == plan.defaults:
        return None
    complete = search.in_state(TrialState.COMPLETE)
    return next((trial for trial in complete if trial.params == plan.defaults), None)


def _seeds(plan: StudyPlan, winner: FrozenTrial, defaults: FrozenTrial | None) -> tuple[int, int]:
    """Returns for how many seeds there is time, and for how many the defaults are measured."""
    budget = plan.spec.budget
    if budget is None:
        return plan.seeds, plan.seeds if defaults else 0
    both = budget.fitting_seeds(took(winner), took(defaults)) if defaults else 0
    return (both, both) if both else (budget.fitting_seeds(took(winner)), 0)


def _compare(refit: RefitRuns, rival: RefitRuns, search: Trials) -> Comparison | None:
    """Compares the winner with the defaults by the seeds with which both were measured."""
    winner, defaults = refit.complete("validation"), rival.complete("validation")
    seeds = [seed for seed in winner if seed in defaults]
    if len(seeds) < 2:
        log.warning(
            "the winner is not compared with the defaults: that takes two seeds with validation "
            "runs of both; there is %s",
            "one" if seeds else "none",
        )
        return None
    of_winner = [winner[seed].values[0] for seed in seeds]
    of_defaults = [defaults[seed].values[0] for seed in seeds]
    maximize = search.spec.directions[0] == "maximize"
    better_by, error = advantage(of_winner, of_defaults, maximize=maximize)
    return Comparison(
        winner=refit.trial.number,
        defaults=rival.trial.number,
        folder=below(search, rival.trial),
        of_winner=seed_values(of_winner),
        of_defaults=seed_values(of_defaults),
        better_by=better_by,
        standard_error=error,
    )
