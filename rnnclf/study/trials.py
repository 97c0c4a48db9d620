"""The trials of a study in their storage: claimed, told, and settled when their worker is lost.

The storage is the only thing that the workers of a study share, whichever launcher runs them.
"""

from collections.abc import Callable, Collection, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from rnnclf.study.liveness import KeepsSigns, is_gone, is_here, process_identity, signs_of_life
from rnnclf.study.paths import StudyPaths
from rnnclf.study.storage import claim_lock, open_storage

Direction = Literal["minimize", "maximize"]

# Attributes of trials, as optuna-dashboard shows them.
WORKER = "worker"  # the process that runs it
REASON = "reason"  # why it failed or was pruned
LOST = "lost"  # its worker was lost and it is queued again, so it does not count
RETRY_OF = "retry_of"  # the number of the trial whose parameters it has
LOSSES = "losses"  # how often the trials that it repeats were lost with their workers
OVERRIDES = "overrides"  # what it sets besides its parameters
# An attribute of studies.
STOPPED = "stopped"  # why no trial is begun any more

LOST_KIND = "WorkerLost"


@dataclass(frozen=True)
class StudySpec:
    """What every worker of a study must know to take part; it travels to other processes.

    Attributes:
        name: The name of the study in its storage.
        folder: The folder of the study.
        storage: An RDB URL, or None for the journal in the folder.
        directions: `maximize` or `minimize` for each objective.
        n_trials: How many trials the study has when it is finished.
        max_failures: Failures of one kind in a row after which it stops.
        trial_timeout: Seconds after which a trial is failed, or None.
        deadline: Seconds since the epoch after which no trial is begun, or None.
    """

    name: str
    folder: Path
    storage: str | None
    directions: tuple[Direction, ...]
    n_trials: int
    max_failures: int
    trial_timeout: float | None = None
    deadline: float | None = None


class Trials:
    """The trials of one study, as one process sees them.

    Args:
        spec: Which study; it is made if it is not there.

    Attributes:
        study: In its storage.
        lock: Held while a trial is taken, so that the count is exact, while trials of lost workers
            are settled, so that none is seen half taken, and while a study is made what it should
            be. The kernel, or the database's server, releases it with its holder.
    """

    def __init__(self, spec: StudySpec) -> None:
        paths = StudyPaths(spec.folder)
        self.spec = spec
        self._paths = paths
        self.study = optuna.create_study(
            study_name=spec.name,
            storage=open_storage(spec.storage, paths),
            directions=list(spec.directions),
            pruner=optuna.pruners.NopPruner(),
            load_if_exists=True,
        )
        self.lock = claim_lock(spec.storage, spec.name, paths)

    def all(self) -> list[FrozenTrial]:
        """Returns all trials, in the order of their numbers."""
        return self.study.get_trials(deepcopy=False)

    def remaining(self) -> int:
        """Returns how many trials are still to be begun."""
        return self.spec.n_trials - sum(counts(trial) for trial in self.all())

    @property
    def stopped(self) -> str | None:
        """Why no trial is begun any more, if it was stopped."""
        reason: str | None = self.study.user_attrs.get(STOPPED)
        return reason

    def resume(self) -> None:
        """Lets a study go on that was stopped."""
        if self.stopped:
            self.study.set_user_attr(STOPPED, None)

    def enqueue(
        self, point: Mapping[str, Any], attributes: Mapping[str, Any] | None = None
    ) -> None:
        """Puts a point in the queue of those that are tried next."""
        self.study.enqueue_trial(dict(point), user_attrs=dict(attributes or {}))

    def claim(self) -> optuna.Trial | None:
        """Takes the next trial for this process: one that waits, or a new one.

        Returns:
            A running trial, or None if the study has all its trials or was stopped.
        """
        with self.lock:
            if self.stopped or self.remaining() <= 0:
                return None
            trial = self.study.ask()
            if isinstance(self._storage, KeepsSigns):
                self._storage.sign_of_life(trial._trial_id)
            trial.set_user_attr(WORKER, process_identity())
            return trial

    def signs_of_life(self, trial: optuna.Trial) -> AbstractContextManager[None]:
        """Says while the block runs that the worker of a trial lives, to who cannot see it."""
        return signs_of_life(self._storage, trial._trial_id)

    def complete(self, trial: optuna.Trial, values: Sequence[float]) -> None:
        """Tells the values of a trial that ended well."""
        self._tell(trial, TrialState.COMPLETE, values)

    def prune(self, trial: optuna.Trial, reason: str) -> None:
        """Tells that the pruner ended a trial."""
        trial.set_user_attr(REASON, reason)
        self._tell(trial, TrialState.PRUNED)

    def fail(self, trial: optuna.Trial, reason: str) -> None:
        """Tells that a trial failed; the kind of the failure is what `reason` has before `:`."""
        trial.set_user_attr(REASON, reason)
        self._tell(trial, TrialState.FAIL)
        with self.lock:
            self._stop_after_too_many_failures()

    def interrupt(self, trial: optuna.Trial) -> None:
        """Fails a trial that is not to blame for its end, and queues it again."""
        with self.lock:
            self._lose(self.all()[trial.number], "Interrupted: the study was interrupted", 0)

    def settle_lost(
        self, *, blameless: bool = False, children: Collection[int] = ()
    ) -> list[FrozenTrial]:
        """Fails every running trial whose worker is gone, and queues it again; see `settle`.

        Args:
            blameless: See `settle`.
            children: Processes that the caller has not waited for yet, whose trials it settles
                when it has, since it knows then why they ended.
        """
        silent: set[int] = set()
        if isinstance(self._storage, KeepsSigns):
            silent = self._storage.silent_trials(self.study._study_id)

        def reason_of(trial: FrozenTrial) -> str | None:
            if trial.user_attrs.get(WORKER, {}).get("pid") in children:
                return None
            return self._why_lost(trial, silent)

        return self.settle(reason_of, blameless=blameless)

    def settle(
        self,
        reason_of: Callable[[FrozenTrial], str | None],
        *,
        retry: bool = True,
        blameless: bool = False,
    ) -> list[FrozenTrial]:
        """Fails every running trial for which `reason_of` has a reason.

        Args:
            reason_of: Why the worker of a trial must be taken for lost, or None.
            retry: Whether the trial is queued again, if it was not lost before.
            blameless: Whether the loss does not count as one, since the study was interrupted.

        Returns:
            The trials that were failed.
        """
        with self.lock:
            running = [t for t in self.all() if t.state is TrialState.RUNNING]
            lost = [(t, reason) for t in running if (reason := reason_of(t)) is not None]
            for trial, reason in lost:
                if blameless or (retry and trial.user_attrs.get(LOSSES, 0) < 1):
                    self._lose(trial, reason, 0 if blameless else 1)
                else:
                    self._end(trial, reason)
            if lost:
                self._stop_after_too_many_failures()
        return [trial for trial, _ in lost]

    def _why_lost(self, trial: FrozenTrial, silent: Set[int]) -> str | None:
        worker = trial.user_attrs.get(WORKER)
        if worker is None:  # nobody is taking it: that happens under the lock
            return f"{LOST_KIND}: the worker was lost before it began"
        process = f"process {worker['pid']} on {worker['host']}"
        if is_gone(worker, self._paths):
            return f"{LOST_KIND}: {process} is gone"
        if trial._trial_id in silent and not is_here(worker):
            return f"{LOST_KIND}: {process} gave no sign of life"
        return None

    def _lose(self, trial: FrozenTrial, reason: str, losses: int) -> None:
        # In this order a process that dies in between leaves nothing that is settled twice.
        if trial.number not in {t.user_attrs.get(RETRY_OF) for t in self.all()}:
            point = trial.system_attrs.get("fixed_params", {}) | trial.params
            kept = {k: v for k, v in trial.user_attrs.items() if k not in (WORKER, LOST, REASON)}
            losses += trial.user_attrs.get(LOSSES, 0)
            attributes = kept | {RETRY_OF: trial.number, LOSSES: losses}
            self.enqueue(point, attributes)
        self._storage.set_trial_user_attr(trial._trial_id, LOST, True)
        self._end(trial, reason)

    def _end(self, trial: FrozenTrial, reason: str) -> None:
        self._storage.set_trial_user_attr(trial._trial_id, REASON, reason)
        self._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)

    def _stop_after_too_many_failures(self) -> None:
        ended = [t for t in self.all() if t.state.is_finished()]
        last = ended[-self.spec.max_failures :]
        kinds = {failure_kind(trial) for trial in last}
        if len(last) < self.spec.max_failures or len(kinds) > 1 or None in kinds:
            return
        first = next(t for t in ended if failure_kind(t) in kinds)
        self.study.set_user_attr(
            STOPPED,
            f"the last {len(last)} trials failed alike; "
            f"the first was trial {first.number}: {first.user_attrs[REASON]}",
        )

    @property
    def _storage(self) -> BaseStorage:
        return self.study._storage

    def _tell(
        self, trial: optuna.Trial, state: TrialState, values: Sequence[float] | None = None
    ) -> None:
        # Who took this process for dead has told the trial already: then theirs stands.
        self.study.tell(trial, values, state, skip_if_finished=True)


def counts(trial: FrozenTrial) -> bool:
    """Tells whether a trial is one of `n_trials`; one that waits or is queued again is not."""
    return trial.state is not TrialState.WAITING and LOST not in trial.user_attrs


def failure_kind(trial: FrozenTrial) -> str | None:
    """Returns the kind of a failed trial's failure."""
    if trial.state is not TrialState.FAIL:
        return None
    return str(trial.user_attrs.get(REASON, "")).split(":")[0]
