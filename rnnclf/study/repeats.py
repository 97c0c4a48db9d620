"""A trial that is several runs, each on other validation texts or with another seed.

Where few texts decide, a search finds what fits them. The value of a trial is then the mean over
its runs, and the pruner compares two trials run by run, as Optuna's Wilcoxon pruner does: the
steps of the trial are its runs, and what these report themselves is not heard.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import optuna

REPEATED = "repeated"  # attribute of trials: the values of the runs that ended


@dataclass(frozen=True)
class Repeats:
    """How often a trial is run.

    Attributes:
        count: How often; 1 is a trial like any other.
        overrides: What differs between the runs of a trial; `{repeat}` is 0, 1, ...
    """

    count: int = 1
    overrides: Sequence[str] = ()

    def overrides_of(self, repeat: int) -> list[str]:
        """Returns the overrides of one of the runs, counted from 0; a single one has none."""
        if self.count == 1:
            return []
        return [override.replace("{repeat}", str(repeat)) for override in self.overrides]


def mean_of_repeats(
    trial: optuna.Trial, count: int, run: Callable[[int], list[float]]
) -> list[float]:
    """Runs a trial several times, except for the runs that ended before its worker was lost.

    Args:
        trial: The trial.
        count: How often.
        run: Runs it once, given the number of the run from 0, and returns its objective values.

    Returns:
        The mean of each objective.

    Raises:
        optuna.TrialPruned: If the pruner says after one of the runs that the rest is not worth it.
    """
    ended: list[list[float]] = list(trial.user_attrs.get(REPEATED, ()))
    for repeat in range(count):
        if repeat == len(ended):
            ended.append(run(repeat))
            trial.set_user_attr(REPEATED, list(ended))
        if len(trial.study.directions) == 1:
            trial.report(ended[repeat][0], repeat)
            if repeat < count - 1 and trial.should_prune():
                raise optuna.TrialPruned(f"after run {repeat} with {ended[repeat][0]:.6g}")
    return [statistics.fmean(values) for values in zip(*ended, strict=True)]
