"""The time that a study has, for its search and for the refit of the winner."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

from hydra_study_sweeper.reporting import CUT, STEPS

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial  # at run time only where there is a trial

REFIT_SHARE = 1 / 3  # of the time, which a refit of several runs may take
UNTRIED_SHARE = 0.45  # of the time, for a search that does not know yet how long its trials take
LATE = 1.1  # times its time is left for a refit, because a search waits for the steps that run
# A final run is longer than a trial, by these parts of it: it may train on more data, and it is
# tested after its last step.
MORE_DATA, TEST = 0.15, 0.15
FINAL_RUN = 1 + MORE_DATA + TEST


@dataclass(frozen=True)
class Budget:
    """The time from the start of a study's command to its end.

    Attributes:
        seconds: How long it is.
        ends: When it ends, in seconds since the epoch.
        seeds: How many seeds the refit should have; 0 for no refit.
        workers: How many runs there are at a time.
        repeats: The number of runs of each trial.
        compares: Whether the refit has validation runs of a rival as well.
    """

    seconds: float
    ends: float
    seeds: int
    workers: int
    repeats: int
    compares: bool = False

    def search_ends(self, complete: Sequence["Took"]) -> float:
        """Returns when the search must end, so that the refit has its time.

        Args:
            complete: The times of the complete trials, those of the best first.
        """
        if not self.seeds:
            return self.ends
        if not complete:
            return self.ends - (1 - UNTRIED_SHARE) * self.seconds
        # The best one is the winner unless a better one comes, which is likely as long as most.
        in_full = max(complete[0].in_full, median(trial.in_full for trial in complete))
        for rival in (in_full, None) if self.compares else (None,):
            if seeds := self._fitting(REFIT_SHARE * self.seconds, in_full, rival):
                return self.ends - LATE * self._of_seeds(seeds, in_full, rival)
        seconds = max(complete[0].seconds, median(trial.seconds for trial in complete))
        return self.ends - FINAL_RUN * seconds / self.repeats

    def fitting_seeds(self, winner: "Took", rival: "Took | None" = None) -> int:
        """Returns how many seeds the refit can have now; 0 if there is time for a final run only.

        Args:
            winner: The times of the best trial.
            rival: Those of its rival, if both are compared. That takes two seeds, so the answer is
                never 1.
        """
        beside = None if rival is None else rival.in_full
        return self._fitting(self.ends - time.time(), winner.in_full, beside)

    def for_a_final_run(self, winner: "Took") -> "Budget":
        """Returns the time for the steps of a final run."""
        return replace(self, ends=self.ends - TEST * winner.seconds, seeds=0)

    def _fitting(self, seconds: float, winner: float, rival: float | None) -> int:
        counts = range(self.seeds, 0 if rival is None else 1, -1)
        return next((n for n in counts if self._of_seeds(n, winner, rival) <= seconds), 0)

    def _of_seeds(self, seeds: int, winner: float, rival: float | None) -> float:
        """Returns how long a refit takes: the validation runs, then as many final runs.

        Args:
            seeds: How many there are.
            winner: The time of the best trial.
            rival: The time of its rival, if both are compared; the final runs may be its.
        """
        rounds = -(-seeds // self.workers)
        beside = rival or 0.0
        return rounds * (winner + beside + FINAL_RUN * max(winner, beside)) / self.repeats


@dataclass(frozen=True)
class Took:
    """How long a trial took.

    Attributes:
        seconds: From its start to its end.
        in_full: The same if its time had not been up before its last step.
    """

    seconds: float
    in_full: float

    @classmethod
    def of(cls, trial: "FrozenTrial") -> "Took":
        """Returns how long a trial took that has ended."""
        assert trial.duration is not None, "it has ended"
        seconds = max(0.0, trial.duration.total_seconds())  # the clock may have been set back
        reports, steps = len(trial.intermediate_values), trial.user_attrs.get(STEPS)
        if CUT in trial.user_attrs and reports and steps:
            return cls(seconds, seconds * max(1.0, steps / reports))
        return cls(seconds, seconds)
