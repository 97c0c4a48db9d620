"""Large files of trials that are not among the best are deleted while the study goes on."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from rnnclf.study.paths import StudyPaths
from rnnclf.study.trials import LOST


def ranked(study: optuna.Study) -> list[FrozenTrial]:
    """Returns the complete trials, the best first; with several objectives the Pareto front."""
    if len(study.directions) > 1:
        return study.best_trials
    complete = [t for t in study.get_trials(deepcopy=False) if t.state is TrialState.COMPLETE]
    sign = -1 if study.direction is optuna.study.StudyDirection.MAXIMIZE else 1
    return sorted(complete, key=lambda trial: (sign * trial.values[0], trial.number))


class Cleaner:
    """Deletes files of trials that are not among the best.

    Args:
        folder: The folder of the study.
        patterns: Which files, below the folders of the trials.
        keep: How many trials keep them; None for all. With several objectives the trials of the
            Pareto front keep them.
    """

    def __init__(self, folder: Path, patterns: Sequence[str], keep: int | None) -> None:
        self._paths = StudyPaths(folder)
        self._patterns = patterns
        self._keep = keep
        self._cleaned: set[int] = set()

    def clean(self, study: optuna.Study) -> None:
        """Deletes what can be deleted now; not what a lost trial left for its repetition."""
        if self._keep is None or not self._patterns:
            return
        best = ranked(study)
        if len(study.directions) == 1:
            best = best[: self._keep]
        kept = {trial.number for trial in best}
        for trial in study.get_trials(deepcopy=False):
            over = trial.state.is_finished() and LOST not in trial.user_attrs
            if over and trial.number not in kept | self._cleaned:
                self.delete([trial.number])
                self._cleaned.add(trial.number)

    def delete(self, numbers: Iterable[int]) -> None:
        """Deletes the files of trials."""
        for number in numbers:
            for pattern in self._patterns:
                for path in self._paths.trial(number).glob(pattern):
                    path.unlink(missing_ok=True)
