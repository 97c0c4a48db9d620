"""A PostgreSQL server as the storage of a study: workers lost, the server away, hosts apart."""

import os
import signal
import subprocess
import time
from collections import Counter
from contextlib import ExitStack

import optuna
import pytest
from foreign_study import OUTPUT, SWEEP
from hydra_study_sweeper.options import StudySpec
from hydra_study_sweeper.storage import database
from hydra_study_sweeper.storage.trials import LOST, REASON, WORKER, Trials, counts
from servers import PATIENCE, Postgres, postgres, started, wait_until
from sqlalchemy.pool import NullPool

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2 * PATIENCE)]


@pytest.fixture(scope="module")
def server():
    with postgres() as started:
        yield started


def sweep_of(server: Postgres, name: str, *arguments: str) -> list[str]:
    names = [f"hydra.sweeper.storage={server.url}", f"hydra.sweeper.study_name={name}"]
    return [*SWEEP, *names, *arguments]


def storage_of(server: Postgres) -> optuna.storages.RDBStorage:
    return optuna.storages.RDBStorage(server.url, engine_kwargs={"poolclass": NullPool})


def trials_of(server: Postgres, name: str) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name=name, storage=storage_of(server)).trials


def states_of(server: Postgres, name: str) -> Counter[str]:
    return Counter(trial.state.name for trial in trials_of(server, name) if counts(trial))


def reasons_of(server: Postgres, name: str) -> list[str]:
    attributes = [trial.user_attrs for trial in trials_of(server, name)]
    return [of_one[REASON] for of_one in attributes if REASON in of_one]


def workers_of(server: Postgres, name: str) -> set[int]:
    try:
        trials = trials_of(server, name)
    except KeyError:  # the study is not there yet
        return set()
    running = [t for t in trials if t.state is optuna.trial.TrialState.RUNNING]
    return {t.user_attrs[WORKER]["pid"] for t in running if WORKER in t.user_attrs}


def kill_in_a_trial(server: Postgres, name: str) -> bool:
    """Kills a worker during a trial, if one has any; stopped first, it cannot end it meanwhile."""
    for pid in workers_of(server, name):
        os.kill(pid, signal.SIGSTOP)
        if pid in workers_of(server, name):
            os.kill(pid, signal.SIGKILL)
            return True
        os.kill(pid, signal.SIGCONT)
    return False


def test_eight_workers_share_a_study(server, tmp_path):
    arguments = ("hydra.sweeper.workers=8", "hydra.sweeper.n_trials=80", "steps=5", "seconds=0.01")
    command = sweep_of(server, "eight", *arguments, "hydra/sweeper/pruner=median")
    done = subprocess.run(command, cwd=tmp_path, check=False, **OUTPUT)
    assert done.returncode == 0, done.stdout
    states = states_of(server, "eight")
    assert states["COMPLETE"] + states["PRUNED"] == states.total() == 80
    logs = [path.read_text() for path in tmp_path.glob("study/worker-*.log")]
    assert len(logs) == 8
    assert not [log for log in logs if "Error" in log]


def test_a_killed_worker_and_a_restarted_server_cost_no_trial(server, tmp_path):
    arguments = ("hydra.sweeper.workers=8", "hydra.sweeper.n_trials=60", "steps=10", "seconds=0.1")
    command = sweep_of(server, "hurt", *arguments)
    with started(command, tmp_path / "log", cwd=tmp_path) as sweep:
        # Not all at the same time: on a busy machine they are seldom seen so.
        wait_until(lambda: len(workers_of(server, "hurt")) > 3, "workers run trials", sweep)
        wait_until(lambda: kill_in_a_trial(server, "hurt"), "a worker is in a trial", sweep)
        time.sleep(2)
        server.control("restart", "-m", "fast")
        time.sleep(2)
        server.control("stop", "-m", "immediate")
        time.sleep(3)
        server.control("start")
        output = sweep.wait()
    assert sweep.process.returncode == 0, output
    assert states_of(server, "hurt") == {"COMPLETE": 60}, reasons_of(server, "hurt")
    lost = [trial for trial in trials_of(server, "hurt") if LOST in trial.user_attrs]
    assert len(lost) == 1, "the killed worker's, which was tried again once"


def test_hosts_that_share_nothing_but_the_database_run_one_study(server, tmp_path):
    """Two folders stand for two hosts; the clock of the second is an hour late."""
    arguments = ("hydra.sweeper.n_trials=24", "steps=4", "seconds=0.1")
    refit = ("hydra.sweeper.refit.seeds=2", "hydra.sweeper.refit.final=['size={seed}']")
    command = sweep_of(server, "apart", *arguments, *refit)
    with ExitStack() as running:
        hosts = []
        for name, clock in (("first", []), ("second", ["faketime", "-f", "-1h"])):
            (tmp_path / name).mkdir()
            options = {"cwd": tmp_path / name}
            host = started([*clock, *command], tmp_path / f"{name}.log", **options)
            hosts.append(running.enter_context(host))
        outputs = [host.wait() for host in hosts]
    assert [host.process.returncode for host in hosts] == [0, 0], outputs
    assert states_of(server, "apart") == {"COMPLETE": 24}
    folders = [len(list((tmp_path / n).glob("study/[0-9]*"))) for n in ("first", "second")]
    assert sum(folders) == 24
    assert min(folders) > 0, "both ran trials"
    runs = [
        states_of(server, name)["COMPLETE"]
        for name in optuna.get_all_study_names(storage_of(server))
        if name.startswith("apart-refit")
    ]
    assert sorted(runs) == [2, 4], "of the defaults, which are measured, and of the winner"


def test_a_worker_on_a_host_that_died_is_detected(server, tmp_path, monkeypatch):
    """Its trial has the name of a host from which nothing more is heard."""
    monkeypatch.setattr(database, "STALE_SECONDS", 1)
    monkeypatch.setattr(database, "SECOND_LOOK", 1)
    spec = StudySpec("stale", tmp_path, server.url, ("maximize",), 4, 5)
    trials = Trials(spec)
    trial = trials.claim()
    trial.set_user_attr(WORKER, {"host": "far away", "pid": 1, "started": 0.0})
    assert trials.settle_lost() == [], "it was heard just now"
    time.sleep(2)
    assert trials.settle_lost() == [], "after an outage all are stale: another look"
    time.sleep(1.5)
    assert [lost.number for lost in trials.settle_lost()] == [trial.number]
    assert trials.settle_lost() == [], "once"
    again = trials.claim()
    assert again.user_attrs["retry_of"] == trial.number
    for engine in (trials.study._storage.storage._backend.engine, database._engine(server.url)):
        engine.dispose()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql+psycopg://nobody@127.0.0.1:1/none", "cannot be used: connection failed"),
        ("oracle://nobody@127.0.0.1/none", "pip install 'hydra-study-sweeper[postgres]'"),
        ("postgres:secret", "is not the URL of a database"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_line(tmp_path, url, said):
    command = [*SWEEP, f"hydra.sweeper.storage={url}"]
    done = subprocess.run(command, cwd=tmp_path, check=False, **OUTPUT)
    assert done.returncode in (1, 2)
    assert said in done.stdout
    assert "Traceback" not in done.stdout
    assert "secret" not in done.stdout
    assert not list(tmp_path.glob("study/*"))
