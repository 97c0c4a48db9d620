"""A Hydra sweeper that runs Optuna studies: `hydra/sweeper=study`.

An application calls `report` while a trial runs, and may call `announce`, `in_refit` and
`time_is_up`. Programs that read the folder of a study use `StudyPaths`, `read_study` and
`read_trial`. These names import neither Hydra nor Optuna.
"""

from hydra_study_sweeper.paths import StudyPaths
from hydra_study_sweeper.records import (
    StudyRecord,
    TrialRecord,
    read_study,
    read_trial,
)
from hydra_study_sweeper.reporting import announce, in_refit, report, time_is_up

__all__ = [
    "StudyPaths",
    "StudyRecord",
    "TrialRecord",
    "announce",
    "in_refit",
    "read_study",
    "read_trial",
    "report",
    "time_is_up",
]
