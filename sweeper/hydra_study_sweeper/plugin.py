"""The Hydra plugin: `hydra/sweeper=study`."""

from typing import Any

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_study_sweeper.errors import StudyError
from hydra_study_sweeper.options import register
from hydra_study_sweeper.printable import told
from hydra_study_sweeper.records import StudyRecord
from hydra_study_sweeper.streams import open_streams, outlive_readers

register()


class StudySweeper(Sweeper):
    """Runs an Optuna study by workers that ask for trials, instead of batches of jobs.

    `hydra_study_sweeper.options.StudySweeperConf` describes its options.
    """

    def __init__(self, **options: Any) -> None:
        # They are read again from the configuration of each study, which may differ.
        del options

    def setup(
        self,
        *,
        hydra_context: HydraContext,
        task_function: TaskFunction,
        config: DictConfig,
    ) -> None:
        """Takes what Hydra gives to sweepers."""
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def sweep(self, arguments: list[str]) -> list[StudyRecord]:
        """Runs or continues the studies that the command line asks for.

        Returns:
            The record of each study.
        """
        from hydra_study_sweeper.study import run_studies  # here: other sweepers do not need them

        open_streams()
        outlive_readers()
        assert self.config is not None and self.hydra_context is not None, "setup comes first"
        try:
            return run_studies(self.config, arguments, self.hydra_context, self.task_function)
        except OSError as error:
            raise StudyError(
                f"{told(error)}; what ended is kept, the same command continues"
            ) from error
