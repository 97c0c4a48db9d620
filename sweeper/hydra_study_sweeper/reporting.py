"""How a run reports to the study to which it belongs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import optuna  # at run time only where there is a trial: single runs do not wait for it
    from optuna.trial import FrozenTrial


# Attributes of a trial: what it does and how many steps it has at most, for the screen; that its
# time was up before its last step.
DOING, STEPS, CUT = "doing", "steps", "cut"
KNOWN = "known"  # the attribute of a trial whose point is known to be good elsewhere
# Of a trial that an earlier study ran: the folder of that study, and the number of the trial there.
TAKEN_FROM = "taken_from"


@dataclass
class _Current:
    """The trial that runs.

    Attributes:
        trial: Optuna's.
        is_refit: Whether it is a run of a refit.
        reports: Whether the steps of its run are those of the trial.
        step_name: What a step is called.
        ends: When it must end, in seconds since the epoch, or None.
        ends_itself: Whether the application asks for the time.
    """

    trial: "optuna.Trial"
    is_refit: bool
    reports: bool
    step_name: str
    ends: float | None
    ends_itself: bool = False


_running: list[_Current] = []  # the trial that this process runs, if it runs one


def report(value: float, step: int, steps: int | None = None) -> None:
    """Reports an intermediate value of the objective; outside of a study it does nothing.

    It does nothing either in a study with several objectives, because Optuna cannot prune those.

    Args:
        value: The objective so far, for example the validation accuracy.
        step: The step, for example the epoch. Each is reported once.
        steps: The largest number of steps, for the screen.

    Raises:
        optuna.TrialPruned: If the study's pruner ends the trial; or if the time of the search is
            up, a trial is complete, and the application never asked `time_is_up`.
    """
    if not _running:
        return
    current = _running[-1]
    if not current.reports or len(current.trial.study.directions) > 1:
        return
    import optuna

    known = current.trial.user_attrs
    if steps != known.get(STEPS):
        current.trial.set_user_attr(STEPS, steps)
    current.trial.report(value, step)
    if KNOWN not in known and current.trial.should_prune():
        raise optuna.TrialPruned(f"at {current.step_name} {step} with {value:.4f}")
    if _is_late(current) and not (current.ends_itself or current.is_refit):
        states = (optuna.trial.TrialState.COMPLETE,)
        complete = current.trial.study.get_trials(deepcopy=False, states=states)
        if any(map(is_own, complete)):  # else no result
            raise optuna.TrialPruned(f"at {current.step_name} {step}, since the time is up")


def is_own(trial: "FrozenTrial") -> bool:
    """Returns whether a trial is one that its study ran, and not one of an earlier study."""
    return TAKEN_FROM not in trial.user_attrs


def announce(doing: str) -> None:
    """Shows what the trial does before its first report, for example that it is pretraining."""
    if _running:
        _running[-1].trial.set_user_attr(DOING, doing)


def in_refit() -> bool:
    """Returns whether the running job belongs to a refit, where nothing is left to choose."""
    return bool(_running) and _running[-1].is_refit


def time_is_up() -> bool:
    """Returns whether the running job must end, because the study has `minutes` and they are spent.

    An application that asks ends its training early and returns the objective as it is then. So
    the trial is complete, and one with too little time still has a result.
    """
    if not _running:
        return False
    current = _running[-1]
    current.ends_itself = True
    if _is_late(current) and CUT not in current.trial.user_attrs:
        current.trial.set_user_attr(CUT, True)
    return _is_late(current)


def _is_late(current: _Current) -> bool:
    return current.ends is not None and time.time() > current.ends


@contextmanager
def current(
    trial: "optuna.Trial", *, is_refit: bool, reports: bool, step_name: str, ends: float | None
) -> Iterator[None]:
    """Makes the functions of this module refer to `trial` within the block."""
    _running.append(_Current(trial, is_refit, reports, step_name, ends))
    try:
        yield
    finally:
        _running.pop()
