"""The Hydra plugin: `hydra/sweeper=study`."""

from typing import Any

from hydra.errors import CompactHydraException
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from rnnclf.errors import UserError
from rnnclf.study.conf import register

register()


class SweepError(UserError, CompactHydraException):
    """A `UserError` that Hydra, too, shows in one line in applications that are not ours."""


class StudySweeper(Sweeper):
    """Runs an Optuna study by workers that ask for trials, instead of batches of jobs.

    Its options are described in `rnnclf.study.conf.StudySweeperConf`.
    """

    def __init__(self, **options: Any) -> None:
        # Read again from the configuration of each study, which may differ between them.
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

    def sweep(self, arguments: list[str]) -> list[dict[str, Any]]:
        """Runs the studies that the command line asks for, or continues them.

        Returns:
            What each study's `study.json` says.
        """
        from rnnclf.study.conduct import conduct  # here, so that other sweepers do not wait for it

        assert self.config is not None and self.hydra_context is not None, "setup comes first"
        try:
            return conduct(self.config, arguments, self.hydra_context, self.task_function)
        except UserError as error:
            raised = SweepError(str(error))
            raised.exit_code = error.exit_code
            raise raised from error
        except OSError as error:
            raise SweepError(f"{error}; what ended is kept, the same command continues") from error
