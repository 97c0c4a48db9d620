"""The application, run as a job of Hydra's, as it is in a single run."""

import math
from dataclasses import replace
from typing import Any

import optuna
from hydra.core.utils import JobReturn, JobStatus, run_job
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class BadObjective(Exception):  # noqa: N818 -- the name is the kind of the failure
    """A task returned something that cannot be its objective."""


def run_application(config: DictConfig, context: HydraContext, task: TaskFunction) -> Any:
    """Runs the application; returns what it returned, or raises what it raised.

    Args:
        config: Of the job, with Hydra's section.
        context: Hydra's.
        task: The application's task function.
    """
    job = _Job(task)
    callbacks: Any = _CallbacksOfJob(context.callbacks, job)
    run_job(
        task_function=job,
        config=config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
        hydra_context=replace(context, callbacks=callbacks),
    )
    if isinstance(job.outcome, Exception):
        raise job.outcome
    return job.outcome


class _Job:
    """A task function that keeps what came of it."""

    def __init__(self, task: TaskFunction) -> None:
        self.task = task
        self.outcome: Any = None

    def __call__(self, config: DictConfig) -> Any:
        try:
            self.outcome = self.task(config)
        except optuna.TrialPruned as pruned:
            self.outcome = pruned  # if it were raised, Hydra would log a traceback
        except Exception as error:
            self.outcome = error
            raise
        return self.outcome


class _CallbacksOfJob:
    """The application's callbacks, which see its own task function and that a trial was pruned."""

    def __init__(self, callbacks: Any, job: _Job) -> None:
        self._callbacks = callbacks
        self._job = job

    def on_job_start(self, *, task_function: TaskFunction, **further: Any) -> None:
        self._callbacks.on_job_start(task_function=self._job.task, **further)

    def on_job_end(self, *, job_return: JobReturn, **further: Any) -> None:
        if isinstance(self._job.outcome, optuna.TrialPruned):
            job_return.status = JobStatus.FAILED
        self._callbacks.on_job_end(job_return=job_return, **further)


def objective_values(outcome: Any, count: int) -> list[float]:
    """Turns what a task function returned into objective values.

    Raises:
        BadObjective: If it is something else.
    """
    returned = list(outcome) if isinstance(outcome, list | tuple) else [outcome]
    try:
        values = [float(value) for value in returned]
    except (TypeError, ValueError) as error:
        raise BadObjective(f"the task returned {outcome!r}, not a number") from error
    if len(values) != count:
        raise BadObjective(f"the task returned {len(values)} values for {count} directions")
    if not all(map(math.isfinite, values)):
        raise BadObjective(f"the task returned {outcome!r}, which is not finite")
    return values
