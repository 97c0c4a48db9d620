"""A database server as storage: calls that were cut off are made again, and what they had done."""

import optuna
import pytest
from hydra_study_sweeper.errors import StudyError
from hydra_study_sweeper.storage import database
from hydra_study_sweeper.storage.database import ServerStorage
from optuna.trial import TrialState
from sqlalchemy.exc import IntegrityError, OperationalError


class CutOff:
    """A storage whose connection breaks once, after a call of a method has done its work."""

    def __init__(self, storage: optuna.storages.BaseStorage, method: str) -> None:
        self._storage, self._method = storage, method
        self.broke = False

    def __getattr__(self, name: str):
        method = getattr(self._storage, name)
        if name != self._method:
            return method

        def call(*arguments, **options):
            result = method(*arguments, **options)
            if self.broke:
                return result
            self.broke = True
            raise OperationalError("COMMIT", {}, Exception("server closed the connection"))

        return call


@pytest.fixture
def storage(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "RETRY_SECONDS", 0.01)
    server = optuna.storages.RDBStorage(f"sqlite:///{tmp_path}/study.db")
    yield ServerStorage(server)
    server.engine.dispose()


@pytest.fixture
def study(storage):
    return optuna.create_study(storage=storage)


@pytest.mark.parametrize("method", ["set_trial_state_values", "get_all_trials"])
def test_a_trial_that_was_told_when_the_connection_broke_is_told_once(study, storage, method):
    trial = study.ask()
    storage.storage = CutOff(storage.storage, method)
    study.tell(trial, 0.5)
    assert [(t.state, t.value) for t in study.trials] == [(TrialState.COMPLETE, 0.5)]
    assert storage.storage.broke


def test_a_waiting_trial_that_was_taken_when_the_connection_broke_is_ours(study, storage):
    study.enqueue_trial({"x": 0.25})
    storage.storage = CutOff(storage.storage, "set_trial_state_values")
    assert study.ask().suggest_float("x", 0, 1) == 0.25
    assert [t.state for t in study.trials] == [TrialState.RUNNING]


def test_a_trial_that_others_have_ended_is_not_told_again(study):
    trial = study.ask()
    study.tell(trial, state=TrialState.FAIL)
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        trial.set_user_attr("reason", "another")


def test_a_server_that_stays_away_is_one_line(storage, monkeypatch):
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 0.05)

    def away():
        raise OperationalError("SELECT", {}, Exception("connection refused"))

    with pytest.raises(
        StudyError, match=r"unreachable for .*connection refused.*same command continues"
    ):
        database.patiently(away)


def test_an_error_that_is_no_outage_is_raised_at_once(storage, monkeypatch):
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 0.05)

    def wrong():
        raise IntegrityError("INSERT", {}, Exception("duplicate key"))

    with pytest.raises(IntegrityError):
        database.patiently(wrong)
    with pytest.raises(KeyError):
        storage.get_trial(77)
