"""How a run reports to the study to which it belongs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import optuna  # at run time only where there is a trial: single runs do not wait for it


DOING, STEPS = "doing", "steps"  # attributes of a trial, shown on the screen


@dataclass
class _Current:
    trial: "optuna.Trial"
    is_refit: bool
    step_name: str
    steps: int | None = None


_running: list[_Current] = []  # the trial that this process runs, if it runs one


def report(value: float, step: int, steps: int | None = None) -> None:
    """Reports an intermediate value of the objective; outside of a study it does nothing.

    It does nothing either in a study with several objectives, because Optuna cannot prune those.

    Args:
        value: The objective so far, for example the validation accuracy.
        step: The step, for example the epoch. Each is reported once.
        steps: The largest number of steps, for the screen.

    Raises:
        optuna.TrialPruned: If the study's pruner ends the trial.
    """
    if not _running or len(_running[-1].trial.study.directions) > 1:
        return
    import optuna

    current = _running[-1]
    if steps != current.steps:
        current.trial.set_user_attr(STEPS, steps)
        current.steps = steps
    current.trial.report(value, step)
    if current.trial.should_prune():
        raise optuna.TrialPruned(f"at {current.step_name} {step} with {value:.4f}")


def announce(doing: str) -> None:
    """Shows what the trial does before its first report, for example that it is pretraining."""
    if _running:
        _running[-1].trial.set_user_attr(DOING, doing)


def in_refit() -> bool:
    """Tells whether the running job belongs to a refit, where nothing is left to choose."""
    return bool(_running) and _running[-1].is_refit


@contextmanager
def current(trial: "optuna.Trial", *, is_refit: bool, step_name: str) -> Iterator[None]:
    """Makes `report` and `in_refit` refer to `trial` within the block."""
    _running.append(_Current(trial, is_refit, step_name))
    try:
        yield
    finally:
        _running.pop()
