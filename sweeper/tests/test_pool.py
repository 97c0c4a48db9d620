"""The pool of worker processes: which trial belongs to which process, and who is to blame."""

import contextlib
import multiprocessing
from pathlib import Path

import pytest
from hydra_study_sweeper.options import StudySpec
from hydra_study_sweeper.storage.heartbeat import process_identity
from hydra_study_sweeper.storage.trials import LOSSES, LOST, WORKER, Trials
from hydra_study_sweeper.workers import pool
from hydra_study_sweeper.workers.process import Order, Report
from hydra_study_sweeper.workers.slot import FORKSERVER, Exit, Slot
from optuna.trial import TrialState
from processes import start_server


@pytest.fixture
def trials(tmp_path, monkeypatch) -> Trials:
    monkeypatch.setattr(pool, "pack", lambda worker: None)
    trials = Trials(StudySpec("study", tmp_path, None, ("maximize",), 2, 5))
    trials.paths.folder.mkdir(exist_ok=True)
    return trials


class EndsNow:
    """A process that reports and ends between two looks at it."""

    pid = 2**30  # more than Linux and macOS have: if it were taken for ended, it would be killed

    def __init__(self, connection):
        self._connection = connection

    @property
    def exitcode(self):
        self._connection.send(Report(None, is_last=True))
        return 0


def test_a_report_is_not_overlooked_because_its_process_has_ended_since():
    slot = Slot(0)
    slot._orders, theirs = FORKSERVER.Pipe()
    slot._process = EndsNow(theirs)
    assert slot.look() == Report(None, is_last=True)


def test_a_process_is_not_forgotten_because_its_start_was_interrupted(monkeypatch):
    """The command would wait for it at its end: it takes no order, and is not told to end."""

    @contextlib.contextmanager
    def interrupted():
        yield
        raise KeyboardInterrupt

    monkeypatch.setattr("hydra_study_sweeper.workers.slot._main_left_out", interrupted)
    slot = Slot(0)
    start_server()  # with all that other tests need of it
    with pytest.raises(KeyboardInterrupt):
        slot.give(Order(None, Path()), {})
    assert slot.pid is not None
    slot.dismiss()
    slot.clear()
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(("host", "is_lost"), [("elsewhere", False), (None, True)])
def test_only_the_trial_of_this_hosts_process_is_lost_with_it(host, is_lost, trials):
    """In containers the processes of all hosts have the same few numbers."""
    worker = process_identity() | ({"host": host} if host else {})
    trials.claim().set_user_attr(WORKER, worker)
    pool._Shift([], None, trials)._settle(Exit(worker["pid"], -9), trials.paths.worker_log(0))
    assert (trials.all()[0].state is TrialState.FAIL) is is_lost


def test_a_trial_that_repeats_a_lost_one_has_its_folder(trials):
    """A name that another trial has gets the number added; a lost trial gives its name away."""
    assert trials.settle_folder(trials.claim(), "x=1") == "x=1"
    (trials.paths.folder / "x=1").mkdir()
    assert trials.settle_folder(trials.claim(), "x=1") == "x=1_1"
    (lost, _) = trials.settle(lambda trial: "gone", blameless=True)
    repeated = trials.claim()
    assert trials.settle_folder(repeated, "x=1") == "x=1"
    assert trials.folder_of(trials.all()[lost.number]) == trials.paths.folder / "x=1"


def test_no_more_processes_begin_than_there_are_trials(trials, monkeypatch):
    given = []

    def give(slot, order, environment):
        slot.is_busy = True
        given.append(slot.number)

    monkeypatch.setattr(Slot, "give", give)
    shift = pool._Shift([Slot(number) for number in range(5)], None, trials)
    assert [shift._order_missing(), shift._order_missing()] == [2, 0]
    assert given == [0, 1]


def test_trials_whose_processes_the_pool_kills_are_not_to_blame(trials):
    class Busy(Slot):
        is_busy = True

        def look(self):
            return None

    def fail():
        raise OSError("no space is left")

    slot = Busy(0)
    slot.is_busy = True
    trials.claim().set_user_attr(WORKER, process_identity() | {"started": 0.0})
    with pytest.raises(OSError, match="no space"):
        pool._Shift([slot], None, trials).run(fail)
    lost, waiting = trials.all()
    assert LOST in lost.user_attrs
    assert waiting.user_attrs[LOSSES] == 0
