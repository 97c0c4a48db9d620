"""Recorded real studies: the files that hold them, and what they tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hydra_study_sweeper.files import read_record

FOLDER = Path(__file__).with_name("studies")
SHARES = (0.25, 0.5, 1.0)  # of the time, after which the winner so far is judged


@dataclass(frozen=True)
class Study:
    """A real study.

    Attributes:
        seed: Of its sampler.
        sweeper: `stock sweeper` or `ours`.
        by: What ran it: revision, torch and device.
        seconds: The CPU seconds of its trials.
        trials: How many ended in its time.
        pruned: How many of them were pruned.
        best: The best validation accuracy.
        winners: The overrides of the winner after each of the `SHARES`.
    """

    seed: int
    sweeper: str
    by: str
    seconds: float
    trials: int
    pruned: int
    best: float
    winners: list[list[str]]


@dataclass(frozen=True)
class Judged:
    """A configuration, trained with fresh seeds and validation parts, the same for all of them.

    Attributes:
        overrides: Of the configuration.
        validation: The highest validation accuracy of each training.
        test: The test accuracy of each training after the epoch with that.
    """

    overrides: list[str]
    validation: list[float]
    test: list[float]


@dataclass(frozen=True)
class Studies:
    """The real studies of a search space.

    Attributes:
        defaults: The overrides of trial 0.
        studies: In the order in which they ended.
        judged: Their winners and the defaults.
    """

    defaults: list[str]
    studies: list[Study]
    judged: list[Judged]

    def of(self, sweeper: str) -> list[Study]:
        """Returns the studies of a sweeper in the order of their seeds."""
        return sorted(
            (study for study in self.studies if study.sweeper == sweeper),
            key=lambda study: study.seed,
        )

    def test(self, overrides: Sequence[str]) -> float:
        """Returns the mean test accuracy of a configuration; NaN if it is not judged yet."""
        judged = self.judgement(overrides)
        return float(np.mean(judged.test)) if judged else np.nan

    def judgement(self, overrides: Sequence[str]) -> Judged | None:
        """Returns how a configuration was judged, if it was."""
        return next((one for one in self.judged if one.overrides == overrides), None)

    def test_if_rival_stays(self, study: Study, known: Sequence[Sequence[str]]) -> float:
        """Returns the expected test accuracy if the winner must be better; NaN if not judged yet.

        Known points are tried first. So the winner after a quarter of the time is the best of them,
        if it is one of them. Otherwise the rival has the defaults.

        Each training is the test once, and the others decide. So no training decides about itself.

        Args:
            study: The study.
            known: What its known points set.
        """
        first, winner = study.winners[0], study.winners[-1]
        is_known = any(set(point) <= set(first) for point in known)
        rival = first if is_known and first != winner else self.defaults
        won, other = self.judgement(winner), self.judgement(rival)
        if not (won and other):
            return np.nan
        better = np.subtract(won.validation, other.validation)
        tests = []
        for index, pair in enumerate(zip(won.test, other.test, strict=True)):
            stays = np.delete(better, index).mean() > 0
            tests.append(pair[0] if stays else pair[1])
        return float(np.mean(tests))


def path_of(name: str) -> Path:
    """Returns the file with the real studies of one of the `SEARCHES`."""
    return FOLDER / f"{name}.json"


def read_studies(name: str) -> Studies | None:
    """Returns the recorded studies of one of the `SEARCHES`, if there are some."""
    path = path_of(name)
    return read_record(Studies, path) if path.exists() else None
