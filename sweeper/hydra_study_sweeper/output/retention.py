"""Deletes the large files of trials: while a study runs, of those not among the best."""

from collections.abc import Iterable, Sequence

from hydra_study_sweeper.storage.trials import LOST, Trials


class Retention:
    """Deletes files of trials that are not among the best.

    Args:
        trials: Of the study.
        patterns: Which files, below the folders of the trials.
        keep: How many trials keep them. With several objectives the trials of the Pareto front
            keep them.
    """

    def __init__(self, trials: Trials, patterns: Sequence[str], keep: int) -> None:
        self._trials = trials
        self._patterns = patterns
        self._keep = keep
        self._done: set[int] = set()

    def apply(self) -> None:
        """Deletes the files of trials that have ended, except lost ones, which are continued.

        Trials of earlier studies have no folder here, but the number of one may name a folder.
        """
        if not self._patterns:
            return
        best = self._trials.ranked()
        if len(self._trials.study.directions) == 1:
            best = best[: self._keep]
        kept = {trial.number for trial in best}
        for trial in self._trials.own():
            has_ended = trial.state.is_finished() and LOST not in trial.user_attrs
            if has_ended and trial.number not in kept | self._done:
                delete_files(self._trials, [trial.number], self._patterns)
                self._done.add(trial.number)


def delete_files(trials: Trials, numbers: Iterable[int], patterns: Sequence[str]) -> None:
    """Deletes files of some trials, by patterns below their folders."""
    all_trials = trials.all()
    for number in numbers:
        for pattern in patterns:
            for path in trials.folder_of(all_trials[number]).glob(pattern):
                if not path.is_dir():
                    path.unlink(missing_ok=True)
