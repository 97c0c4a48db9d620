"""The time that a study has, for its search and for the refit of the winner."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

REFIT_SHARE = 1 / 3  # of the time, which a refit of several runs may take
UNTRIED_SHARE = 0.45  # of the time, for a search that does not know yet how long its trials take
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
    """

    seconds: float
    ends: float
    seeds: int
    workers: int
    repeats: int

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
        seeds = self._fitting(in_full, REFIT_SHARE * self.seconds)
        if seeds:
            return self.ends - self._of_seeds(seeds, in_full)
        seconds = max(complete[0].seconds, median(trial.seconds for trial in complete))
        return self.ends - FINAL_RUN * seconds / self.repeats

    def fitting_seeds(self, winner: "Took") -> int:
        """Returns how many seeds the refit can have now; 0 if there is time for a final run only.

        Args:
            winner: The times of the best trial.
        """
        return self._fitting(winner.in_full, self.ends - time.time())

    def for_a_final_run(self, winner: "Took") -> "Budget":
        """Returns the time for the steps of a final run."""
        return replace(self, ends=self.ends - TEST * winner.seconds, seeds=0)

    def _fitting(self, trial: float, seconds: float) -> int:
        counts = range(self.seeds, 0, -1)
        return next((count for count in counts if self._of_seeds(count, trial) <= seconds), 0)

    def _of_seeds(self, seeds: int, trial: float) -> float:
        """Returns how long a refit takes: the validation runs, then as many final runs."""
        rounds = -(-seeds // self.workers)
        return rounds * (1 + FINAL_RUN) * trial / self.repeats


@dataclass(frozen=True)
class Took:
    """How long a trial took.

    Attributes:
        seconds: From its start to its end.
        in_full: The same if its time had not been up before its last step.
    """

    seconds: float
    in_full: float
