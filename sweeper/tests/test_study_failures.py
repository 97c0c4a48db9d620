"""Failing, hanging and dying trials, and mistakes in the command: each is said, none is lost."""

import copy
import functools
import os
import re
import socket
import subprocess
import sys
import time

import psutil
import pytest
from foreign_study import FOREIGN_APP, OUTPUT, SWEEP, states_of, trials_of
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra_study_sweeper import read_trial
from hydra_study_sweeper.errors import ConfigError
from hydra_study_sweeper.options import StudySpec, check_options, directions_of, refuse_nan
from hydra_study_sweeper.storage.trials import Trials, counts
from hydra_study_sweeper.workers.job import BadObjective, objective_values
from omegaconf import DictConfig, OmegaConf
from optuna.trial import TrialState


def test_a_failing_trial_is_recorded_and_the_study_goes_on(sweep, tmp_path):
    points = "hydra.sweeper.enqueue=[{x: 0.9}, {x: 0.1}]"
    done = sweep("outcome=fail_above", "hydra.sweeper.n_trials=3", points)
    assert done.returncode == 0, done.stdout
    (failed,) = [t for t in trials_of(tmp_path / "study") if t.state is TrialState.FAIL]
    assert failed.params == {"x": 0.9}
    assert failed.user_attrs["reason"] == "RuntimeError: x is 0.900"
    assert states_of(tmp_path / "study") == {"COMPLETE": 2, "FAIL": 1}


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ("fail", "RuntimeError: x is 0.500"),
        ("not_a_number", "BadObjective: the task returned nan"),
        ("unreadable", "UnreadableError: its message cannot be read"),
    ],
)
def test_failures_alike_stop_the_study_and_the_first_is_shown(sweep, tmp_path, outcome, reason):
    done = sweep(f"outcome={outcome}", "hydra.sweeper.max_failures=3", "hydra.sweeper.n_trials=50")
    assert done.returncode == 1
    assert "failed alike" in done.stdout
    assert reason in done.stdout
    assert "Traceback" not in done.stdout
    assert 3 <= sum(states_of(tmp_path / "study").values()) <= 4, "one more may have been running"


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ("high", "the task returned 'high', not a number"),
        (None, "the task returned None, not a number"),
        ((0.5, 0.5), "the task returned 2 values for 1 directions"),
        (float("nan"), "the task returned nan, which is not finite"),
    ],
)
def test_what_is_no_objective_value_fails_the_trial(outcome, reason):
    with pytest.raises(BadObjective, match=re.escape(reason)):
        objective_values(outcome, count=1)


def test_a_worker_that_dies_is_replaced_and_its_trial_tried_again(sweep, tmp_path):
    done = sweep("outcome=die_once")
    assert done.returncode == 0, done.stdout
    trials = trials_of(tmp_path / "study")
    (lost,) = (trial for trial in trials if not counts(trial))
    assert "SIGKILL (out of memory?)" in lost.user_attrs["reason"]
    (again,) = (t for t in trials if t.user_attrs.get("retry_of") == lost.number)
    assert (again.state, again.params) == (TrialState.COMPLETE, lost.params)
    assert states_of(tmp_path / "study") == {"COMPLETE": 4}


def test_a_trial_that_kills_its_worker_each_time_is_tried_twice(sweep, tmp_path):
    done = sweep("outcome=die", "hydra.sweeper.n_trials=1", "hydra.sweeper.workers=1")
    assert done.returncode == 1
    assert "no trial is complete" in done.stdout
    first, second = trials_of(tmp_path / "study")
    assert (first.state, second.state) == (TrialState.FAIL, TrialState.FAIL)
    assert second.user_attrs["retry_of"] == first.number


def test_a_trial_that_hangs_is_ended(sweep, tmp_path):
    done = sweep("outcome=hang", "hydra.sweeper.trial_timeout=0.3", "hydra.sweeper.n_trials=2")
    assert done.returncode == 1
    assert states_of(tmp_path / "study") == {"FAIL": 2}
    assert "TrialTimeout: the trial took longer than 0.3 s" in done.stdout


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("x=interval(1.0,0.0)", "search space: x"),
        ("colour=choice(1,2)", "colour"),
        ("hydra.sweeper.params={x: choise(1,2)}", "choise"),
        ("hydra.sweeper.separate=[x]", "makes a study of its own, so it needs choice(...)"),
        # In Hydra's words:
        ("nokey=choice(1,2)", "To append to your config use +nokey=1"),
        ("+size=choice(1,2)", "An item is already at 'size'."),
        ("hydra.sweeper.n_trials=0", "n_trials must be at least 1"),
        ("hydra.sweeper.minutes=nan", "hydra.sweeper.minutes has a value that is not a number"),
        ("hydra.sweeper.direction=up", "minimize, maximize or a list"),
        ("hydra.sweeper.params=x", "hydra.sweeper.params is a mapping like {KEY: SPACE}; it is x"),
        ("hydra.sweeper.enqueue=[{y: 1}]", "y is not a dimension"),
        ("hydra.sweeper.warm_start=[elsewhere]", "there is no study in elsewhere"),
        ("hydra.sweeper.warm_start=[3]", "points like {KEY: VALUE}; one is 3"),
        (
            "hydra.sweeper.refit={seeds: 1, final: ['nmae=final-{seed}']}",
            "hydra.sweeper.refit.final: nmae=final-0 cannot be set",
        ),
        (
            "hydra.sweeper.refit={seeds: 2, validation: ['name=[']}",
            "hydra.sweeper.refit.validation: ",
        ),
        ("x=0.3", "a study needs something to search; "),
        (
            "hydra.sweeper.check=no.such",
            "hydra.sweeper.check: ImportError: Error loading 'no.such'",
        ),
        ("hydra.sweeper.storage=sqlite:////none/s.db", "cannot be used: unable to open database"),
    ],
)
def test_what_is_wrong_is_said_before_the_first_trial(sweep, tmp_path, argument, message):
    done = sweep(argument)
    assert done.returncode == 1
    assert message in done.stdout
    assert "Traceback" not in done.stdout
    assert not (tmp_path / "study" / "0").exists()


@functools.cache
def options() -> DictConfig:
    with initialize_config_dir(str(FOREIGN_APP.parent)):
        return compose("config", return_hydra_config=True)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("hydra.sweeper.minutes=inf", "minutes must be a finite number above 0; it is inf"),
        ("hydra.sweeper.trial_timeout=inf", "trial_timeout must be a finite number above 0"),
        ("hydra.sweeper.enqueue=[{x: nan}]", "enqueue has a value that is not a number (nan)"),
        ("hydra.sweeper.workers=none", "workers is auto or a number from 1"),
        ("hydra.sweeper.direction=[]", "minimize, maximize or a list of them; it is []"),
        ("hydra.sweeper.direction=5", "minimize, maximize or a list of them; it is 5"),
        ("hydra.sweeper.sampler=tpe", "chooses none; write hydra/sweeper/sampler=tpe"),
        ("hydra.sweeper.weights=[../*]", "in the folder of a trial, such as *.pt; one is ../*"),
    ],
)
def test_an_option_that_cannot_be_is_told(argument, message):
    config = copy.deepcopy(options())
    (override,) = OverridesParser.create().parse_overrides([argument])
    OmegaConf.update(config, override.key_or_group, override.value())
    with pytest.raises(ConfigError, match=re.escape(message)):
        for check in (refuse_nan, check_options, directions_of):  # as the planning does
            check(config.hydra.sweeper)


def test_if_all_trials_fail_the_first_failure_is_shown(sweep):
    done = sweep("outcome=fail", "hydra.sweeper.n_trials=3")
    assert done.returncode == 1
    assert (
        "no trial is complete; the first failure: trial 0: RuntimeError: x is 0.500" in done.stdout
    )
    assert "hydra.sweeper.restart=true begins again" in done.stdout


def test_a_value_that_json_has_no_number_for_is_a_value(sweep, tmp_path):
    done = sweep("x=choice(1.0,inf)", "outcome=one", "hydra/sweeper/sampler=grid")
    assert done.returncode == 0, done.stdout
    assert states_of(tmp_path / "study") == {"COMPLETE": 2}
    found = {read_trial(tmp_path / "study" / number).params["x"] for number in "01"}
    assert found == {1.0, "inf"}


def test_the_message_of_a_failure_may_have_any_characters(sweep, tmp_path):
    done = sweep("outcome=surrogate", "hydra.sweeper.max_failures=1")
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    assert r"\ud800" in (tmp_path / "study" / "trials.csv").read_text()


def test_a_worker_that_dies_while_it_takes_a_trial_costs_none(tmp_path):
    """The process is killed between Optuna's trial and the name of its worker."""
    (tmp_path / "patch").mkdir()
    (tmp_path / "patch" / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "if 'hydra_study_sweeper.workers.process' in ' '.join(sys.orig_argv):\n"
        "    import optuna\n"
        "    set_attribute = optuna.Trial.set_user_attr\n"
        "    def set_or_die(trial, key, value):\n"
        "        if key == 'worker' and trial.number == 2:\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "        set_attribute(trial, key, value)\n"
        "    optuna.Trial.set_user_attr = set_or_die\n"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "patch")}
    done = subprocess.run(SWEEP, cwd=tmp_path, env=environment, check=False, **OUTPUT)
    assert done.returncode == 0, done.stdout
    assert states_of(tmp_path / "study") == {"COMPLETE": 4}
    lost = trials_of(tmp_path / "study")[2]
    assert lost.user_attrs["reason"] == "WorkerLost: the worker was lost before it began"


def test_the_trial_of_a_dead_child_is_left_to_the_parent_who_knows_why_it_died(tmp_path):
    trials = Trials(StudySpec("study", tmp_path, None, ("maximize",), 3, 5))
    trial = trials.claim()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        process = psutil.Process(child.pid)
        started = round(process.create_time(), 1)
        worker = {"host": socket.gethostname(), "pid": child.pid, "started": started}
        trial.set_user_attr("worker", worker)
        assert not trials.settle_lost()
        child.kill()
        while process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        assert not trials.settle_lost(children=[child.pid])
        assert len(trials.settle_lost()) == 1


def test_a_worker_whose_trial_was_taken_from_it_goes_on_with_the_next(start_sweep, tmp_path):
    """Somebody took it for dead, as after a long outage of a database; the trial is theirs."""
    asked = ("hydra.sweeper.workers=1", "hydra.sweeper.n_trials=2", "steps=5", "seconds=0.2")
    process = start_sweep(*asked)
    folder = tmp_path / "study"
    while not (folder / "0" / "app.log").exists():
        time.sleep(0.05)
    trials = Trials(StudySpec("study", folder, None, ("maximize",), 2, 5))
    assert len(trials.settle(lambda trial: "WorkerLost: a test")) == 1
    done = process.wait(timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert states_of(folder) == {"COMPLETE": 2}
    workers = {t.user_attrs["worker"]["pid"] for t in trials_of(folder)}
    assert len(workers) == 1, "it did not die of it"
    assert "was taken from this process" in (folder / "worker-0.log").read_text()


@pytest.mark.parametrize(
    "storage",
    [
        '"postgresql+psycopg://me:Pa55word@127.0.0.1:1/none"',
        '"postgresql+psycopg://127.0.0.1:1/none?user=me&password=Pa55word"',
        '"postgresql+psycopg://me:Pa55word@127.0.0.1:port/none"',
        "${oc.env:DATABASE}",
    ],
)
def test_a_password_reaches_no_file_and_no_message(sweep, tmp_path, monkeypatch, storage):
    monkeypatch.setenv("DATABASE", f"sqlite://me:Pa55word@/{tmp_path}/study.db")
    done = sweep(f"hydra.sweeper.storage={storage}")
    assert done.returncode == 1
    assert "hydra.sweeper.storage" in done.stdout
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert "Pa55word" not in done.stdout + written.decode(errors="replace")


def test_the_environments_password_reaches_no_file(sweep, tmp_path, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "Pa55word")
    done = sweep(f"hydra.sweeper.storage=sqlite:///{tmp_path}/study.db", "outcome=fail_above")
    assert done.returncode == 0, done.stdout
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"study.json", "hydra.yaml", "worker-0.log", "study.db"} <= {file.name for file in files}
    for file in files:
        assert b"Pa55word" not in file.read_bytes(), file
