"""The trials of a study in their storage: claimed, told, and settled when their worker is lost.

The storage is the only thing that the workers of a study share, whichever launcher runs them.
"""

import contextlib
import statistics
import time
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from hydra_study_sweeper.budget import Took
from hydra_study_sweeper.options import StudySpec
from hydra_study_sweeper.paths import StudyPaths
from hydra_study_sweeper.printable import counted
from hydra_study_sweeper.reporting import TAKEN_FROM, is_own
from hydra_study_sweeper.storage.heartbeat import (
    KeepsHeartbeats,
    has_pid,
    heartbeats,
    is_gone,
    is_here,
    process_identity,
)
from hydra_study_sweeper.storage.locks import claim_lock
from hydra_study_sweeper.storage.opening import open_storage, open_study

# Attributes of trials, as optuna-dashboard shows them.
WORKER = "worker"  # the process that runs it
FOLDER = "folder"  # where it runs: the study's folder at that time, and the name below it
REASON = "reason"  # why it failed or was pruned
LOST = "lost"  # its worker was lost and it is queued again, so it does not count
RETRY_OF = "retry_of"  # the number of the trial whose parameters it has
LOSSES = "losses"  # how often the trials that it repeats were lost with their workers
POINT = "point"  # the values that were asked for when it was queued
OVERRIDES = "overrides"  # what it sets besides its parameters
ROLE, SEED = "role", "seed"  # what a trial of a refit is for, and its seed
# An attribute of studies.
STOPPED = "stopped"  # why no more trials are begun

ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
NOT_REPEATED = (WORKER, FOLDER, LOST, REASON)
LOST_KIND = "WorkerLost"
INTERRUPTED = "Interrupted: the study was interrupted"


class Trials:
    """The trials of one study, opened once in each process.

    Args:
        spec: Which study.
        begun: Whether it must be there already; otherwise it is made if it is not.

    Raises:
        StudyError: If it must be there and is not.

    Attributes:
        spec: The study.
        paths: Its files.
        study: Optuna's view of it.
        lock: Held while a trial is claimed, so that the count is exact; while lost trials are
            settled, so that none is seen half claimed; and while a new study gets its
            fingerprint.
    """

    def __init__(self, spec: StudySpec, *, begun: bool = False) -> None:
        self.spec = spec
        self.paths = StudyPaths(spec.folder)
        self._storage = open_storage(spec, begun=begun)
        self.study = open_study(spec, self._storage, begun=begun)
        self._study_id = self._storage.get_study_id_from_name(spec.name)
        self.lock = claim_lock(spec)
        # Of the first trials, which have ended and do not change: how many, and how many count.
        self._ended = self._ended_counted = 0

    def all(self) -> list[FrozenTrial]:
        """Returns all trials, in the order of their numbers."""
        return self.study.get_trials(deepcopy=False)

    def own(self) -> list[FrozenTrial]:
        """Returns the trials without those that were taken over from earlier studies."""
        return list(filter(is_own, self.all()))

    def in_state(self, *states: TrialState) -> list[FrozenTrial]:
        """Returns its own trials in some states."""
        return [trial for trial in self.own() if trial.state in states]

    def ranked(self) -> list[FrozenTrial]:
        """Returns the complete trials, the best first; with several objectives the Pareto front."""
        if len(self.study.directions) > 1:
            return self.study.best_trials
        maximize = self.study.direction is optuna.study.StudyDirection.MAXIMIZE
        sign = -1 if maximize else 1
        complete = self.in_state(TrialState.COMPLETE)
        return sorted(complete, key=lambda trial: (sign * trial.values[0], trial.number))

    def total(self) -> int:
        """Returns how many trials the study has when it is finished."""
        if self.spec.n_trials is not None:
            return self.spec.n_trials
        return self._counted() + len(self.in_state(TrialState.WAITING))

    def remaining(self) -> int:
        """Returns how many trials are still to be begun."""
        return self.total() - self._counted()

    def may_begin(self) -> bool:
        """Returns whether another trial may begin."""
        return not self.stopped and self.remaining() > 0 and not self._is_too_late()

    def end_of_trials(self) -> float | None:
        """Returns when running trials must end, in seconds since the epoch."""
        budget = self.spec.budget
        if budget is None:
            return None
        return budget.search_ends([Took.of(trial) for trial in self.ranked()])

    def mean_seconds(self, *states: TrialState) -> float:
        """Returns how long the trials in some states took on average; 0 if there are none."""
        seconds = [Took.of(trial).seconds for trial in self.in_state(*states) if trial.duration]
        return statistics.fmean(seconds) if seconds else 0.0

    def _is_too_late(self) -> bool:
        """Returns whether the time of a search is up; without any trial it would have no result."""
        end, is_refit = self.end_of_trials(), self.spec.n_trials is None
        return end is not None and not is_refit and self._counted() > 0 and time.time() > end

    @property
    def stopped(self) -> str | None:
        """Why no more trials are begun, if the study was stopped."""
        reason: str | None = self.study.user_attrs.get(STOPPED)
        return reason

    def resume(self) -> None:
        """Lets a study continue that was stopped."""
        if self.stopped:
            self.study.set_user_attr(STOPPED, None)

    def enqueue(
        self, point: Mapping[str, Any], attributes: Mapping[str, Any] | None = None
    ) -> None:
        """Puts a point in the queue of those that are tried next."""
        self.study.enqueue_trial(dict(point), {POINT: dict(point), **(attributes or {})})

    def drop_queued(self, is_useless: Callable[[FrozenTrial], bool]) -> None:
        """Takes trials out of the queue; they are pruned before they begin."""
        with self.lock:
            for trial in filter(is_useless, self.in_state(TrialState.WAITING)):
                self._storage.set_trial_state_values(self._id(trial.number), TrialState.PRUNED)

    def was_queued(self, point: Mapping[str, Any]) -> bool:
        """Returns whether a point is in the queue, or was, or whether a sampler chose it."""
        return any(point in (one.user_attrs.get(POINT), one.params) for one in self.own())

    def take_over(self, trials: Sequence[FrozenTrial]) -> None:
        """Adds trials of earlier studies, unless an interrupted start has added them before."""
        there = [trial.user_attrs.get(TAKEN_FROM) for trial in self.all()]
        for trial in trials:
            if trial.user_attrs[TAKEN_FROM] not in there:
                self.study.add_trial(trial)
                there.append(trial.user_attrs[TAKEN_FROM])

    def claim(self, seeded: Callable[[int], BaseSampler] | None = None) -> optuna.Trial | None:
        """Takes the next trial for this process: one that waits, or a new one.

        Args:
            seeded: Makes the sampler of a trial from its turn, if a study has a seed. So neither
                interruptions nor lost workers change what a single worker proposes.

        Returns:
            A running trial, or None if no other may begin.
        """
        with self.lock:
            if not self.may_begin():
                return None
            if seeded is not None:
                self.study.sampler = seeded(self._next_turn())
            trial = self.study.ask()
            if isinstance(self._storage, KeepsHeartbeats):
                self._storage.heartbeat(self._id(trial.number))
            if self.spec.storage is not None:
                trial.set_user_attr(FOLDER, [str(self.paths.folder), str(trial.number)])
            trial.set_user_attr(WORKER, process_identity())
            return trial

    def folder_of(self, trial: FrozenTrial) -> Path:
        """Returns the folder of a trial, which may have run when the study had another folder."""
        recorded: tuple[str, str] = trial.user_attrs.get(FOLDER, ("", str(trial.number)))
        study, name = recorded
        own = self.paths.folder / name
        return own if own.exists() else Path(study or self.paths.folder, name)

    def settle_folder(self, trial: optuna.Trial, name: str) -> str:
        """Gives a trial its folder, which no other has; that of the lost trial that it repeats.

        Args:
            trial: The trial.
            name: What the folder should be called.

        Returns:
            The name of the folder, relative to that of the study.
        """
        with self.lock:
            trials = self.all()
            if any(_has_folder(other, name) for other in trials if other.number != trial.number):
                name = f"{name}_{trial.number}"
            lost = trial.user_attrs.get(RETRY_OF)
            if lost is not None:
                folder = self.paths.folder / name
                with contextlib.suppress(OSError):  # there is none, or this one exists already
                    folder.parent.mkdir(parents=True, exist_ok=True)
                    self.folder_of(trials[lost]).rename(folder)
            trial.set_user_attr(FOLDER, [str(self.paths.folder), name])
        return name

    def heartbeats(self, trial: optuna.Trial) -> AbstractContextManager[None]:
        """Sends heartbeats while the block runs, if the storage keeps them."""
        if not isinstance(self._storage, KeepsHeartbeats):
            return contextlib.nullcontext()
        return heartbeats(partial(self._storage.heartbeat, self._id(trial.number)))

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
            self._lose(self.all()[trial.number], INTERRUPTED, 0)

    def settle_lost(
        self, *, blameless: bool = False, children: Collection[int] = ()
    ) -> list[FrozenTrial]:
        """Fails every running trial whose worker is gone, and queues it again; see `settle`.

        Args:
            blameless: See `settle`.
            children: Processes for which the caller has not waited yet; it settles their trials
                when it has, since it then knows why they ended.
        """
        stale: set[int] = set()
        if isinstance(self._storage, KeepsHeartbeats):
            stale = self._storage.stale_trials(self._study_id)

        def reason_of(trial: FrozenTrial) -> str | None:
            if any(has_pid(trial.user_attrs.get(WORKER), pid) for pid in children):
                return None
            return self._why_lost(trial, stale)

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
            running = self.in_state(TrialState.RUNNING)
            lost = [(t, reason) for t in running if (reason := reason_of(t)) is not None]
            for trial, reason in lost:
                if blameless or (retry and trial.user_attrs.get(LOSSES, 0) < 1):
                    self._lose(trial, reason, 0 if blameless else 1)
                else:
                    self._end(trial, reason)
            if lost:
                self._stop_after_too_many_failures()
        return [trial for trial, _ in lost]

    def _next_turn(self) -> int:
        """Returns the place of the next trial among those that repeat no other.

        A trial that repeats another has the place of that one.
        """
        trials = self.all()
        waiting = (trial.number for trial in trials if trial.state is TrialState.WAITING)
        number = next(waiting, len(trials))
        while number < len(trials) and RETRY_OF in trials[number].user_attrs:
            number = trials[number].user_attrs[RETRY_OF]
        return sum(RETRY_OF not in trial.user_attrs for trial in trials[:number])

    def _counted(self) -> int:
        trials = self.all()
        while self._ended < len(trials) and trials[self._ended].state.is_finished():
            self._ended_counted += counts(trials[self._ended])
            self._ended += 1
        return self._ended_counted + sum(map(counts, trials[self._ended :]))

    def _why_lost(self, trial: FrozenTrial, stale: Set[int]) -> str | None:
        worker = trial.user_attrs.get(WORKER)
        if worker is None:  # nobody is claiming it: that happens under the lock
            return f"{LOST_KIND}: the worker was lost before it began"
        process = f"process {worker['pid']} on {worker['host']}"
        if is_gone(worker, self.paths):
            return f"{LOST_KIND}: {process} is gone"
        if self._id(trial.number) in stale and not is_here(worker):
            return f"{LOST_KIND}: {process} sent no heartbeat"
        return None

    def _lose(self, trial: FrozenTrial, reason: str, losses: int) -> None:
        # In this order a process that dies in between leaves nothing that is settled twice.
        if trial.number not in {t.user_attrs.get(RETRY_OF) for t in self.all()}:
            kept = {k: v for k, v in trial.user_attrs.items() if k not in NOT_REPEATED}
            losses += kept.get(LOSSES, 0)
            point = kept.pop(POINT, {}) | trial.params
            self.enqueue(point, kept | {RETRY_OF: trial.number, LOSSES: losses})
        self._storage.set_trial_user_attr(self._id(trial.number), LOST, True)
        self._end(trial, reason)

    def _end(self, trial: FrozenTrial, reason: str) -> None:
        trial_id = self._id(trial.number)
        self._storage.set_trial_user_attr(trial_id, REASON, reason)
        self._storage.set_trial_state_values(trial_id, TrialState.FAIL)

    def _stop_after_too_many_failures(self) -> None:
        ended = [trial for trial in self.all() if trial.state.is_finished()]
        last = ended[-self.spec.max_failures :]
        kinds = {_failure_kind(trial) for trial in last}
        if len(last) < self.spec.max_failures or len(kinds) > 1 or None in kinds:
            return
        first = next(t for t in ended if _failure_kind(t) in kinds)
        self.study.set_user_attr(
            STOPPED,
            f"{counted(len(last), 'trial')} in a row failed alike; "
            f"the first was trial {first.number}: {first.user_attrs[REASON]}",
        )

    def _id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)

    def _tell(
        self, trial: optuna.Trial, state: TrialState, values: Sequence[float] | None = None
    ) -> None:
        # A process that took this one for dead has told the trial already: then its word stands.
        self.study.tell(trial, values, state, skip_if_finished=True)


def counts(trial: FrozenTrial) -> bool:
    """Returns whether a trial is one of `n_trials`.

    One that waits, is queued again or was taken over is not.
    """
    is_waiting = trial.state is TrialState.WAITING
    return is_own(trial) and not is_waiting and LOST not in trial.user_attrs


def _has_folder(trial: FrozenTrial, name: str) -> bool:
    """Returns whether a trial has the folder of this name, and gives it to no repetition."""
    attributes = trial.user_attrs
    return attributes.get(FOLDER, ("", None))[1] == name and LOST not in attributes


def _failure_kind(trial: FrozenTrial) -> str | None:
    """Returns the kind of a failed trial's failure."""
    if trial.state is not TrialState.FAIL:
        return None
    return str(trial.user_attrs.get(REASON, "")).split(":")[0]
