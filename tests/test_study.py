"""The sweeper `study` in an application that is not ours: real processes, real signals."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from conftest import REPO
from omegaconf import OmegaConf
from optuna.trial import FrozenTrial, TrialState
from processes import run_program

from rnnclf.study.paths import StudyPaths
from rnnclf.study.storage import open_storage
from rnnclf.study.trials import counts

APP = REPO / "tests" / "foreign_app" / "app.py"
SWEEP = [sys.executable, str(APP), "-m"]
OUTPUT = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}

Sweep = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    """Runs the application's sweep in an empty folder."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        done = run_program(APP, "-m", *arguments, cwd=tmp_path)
        done.stdout += done.stderr
        return done

    return run


def trials_of(folder: Path, name: str = "study") -> list[FrozenTrial]:
    storage = open_storage(None, StudyPaths(folder))
    return optuna.load_study(study_name=name, storage=storage).trials


def states_of(folder: Path, name: str = "study") -> Counter[str]:
    return Counter(trial.state.name for trial in trials_of(folder, name) if counts(trial))


def test_a_study_leaves_its_trials_its_winner_and_pictures(sweep, tmp_path):
    done = sweep()
    assert done.returncode == 0, done.stdout
    study = tmp_path / "study"
    with (study / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["number"] for row in rows] == ["0", "1", "2", "3"]
    assert float(rows[0]["x"]) == 0.5, "trial 0 has the defaults"
    best = max(rows, key=lambda row: float(row["value"]))
    summary = json.loads((study / "study.json").read_text())
    assert summary["finished"] is True
    assert summary["best"][0]["values"] == [float(best["value"])]
    assert summary["best"][0]["number"] == int(best["number"])
    assert f"x: {best['x']}" in (study / "best.yaml").read_text()
    assert f"x: {best['x']}" in (study / best["number"] / ".hydra" / "config.yaml").read_text()
    for picture in ("history", "importances", "parallel_coordinates"):
        assert (study / f"{picture}.png").read_bytes().startswith(b"\x89PNG")
    assert f"trial {best['number']}, in study/{best['number']}" in done.stdout


def test_the_winners_configuration_runs_by_itself(sweep, tmp_path):
    assert sweep("name='a, b'", "n_trials=3".replace("n_", "hydra.sweeper.n_")).returncode == 0
    best = ("--config-dir", "study", "--config-name", "best")
    done = run_program(APP, *best, "--cfg", "job", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    summary = json.loads((tmp_path / "study" / "study.json").read_text())
    assert f"x: {summary['best'][0]['params']['x']}\n" in done.stdout
    assert "name: a, b\n" in done.stdout


def test_the_same_command_resumes_with_new_numbers_and_new_points(sweep, tmp_path):
    seeded = "hydra.sweeper.sampler.seed=1"
    assert sweep(seeded).returncode == 0
    study = tmp_path / "study"
    before = {p: p.stat().st_mtime_ns for n in range(4) for p in (study / str(n)).rglob("*")}
    done = sweep(seeded, "hydra.sweeper.n_trials=7")
    assert done.returncode == 0, done.stdout
    assert "3 trials to go after 4" in done.stdout
    trials = trials_of(study)
    assert [trial.number for trial in trials] == list(range(7))
    assert len({trial.params["x"] for trial in trials}) == 7, "no point is tried twice"
    assert {p: p.stat().st_mtime_ns for p in before} == before, "finished folders are untouched"

    done = sweep(seeded, "hydra.sweeper.n_trials=7")
    assert (done.returncode, len(trials_of(study))) == (0, 7)
    assert "is finished" in done.stdout


def test_a_trial_that_is_not_promising_is_pruned(sweep, tmp_path):
    done = sweep("hydra/sweeper/pruner=median", "hydra.sweeper.n_trials=14", "steps=4")
    assert done.returncode == 0, done.stdout
    states = states_of(tmp_path / "study")
    assert states["PRUNED"] > 0
    assert states["COMPLETE"] + states["PRUNED"] == 14
    assert "pruned at step" in done.stdout
    pruned = next(t for t in trials_of(tmp_path / "study") if t.state is TrialState.PRUNED)
    log = (tmp_path / "study" / str(pruned.number) / "app.log").read_text()
    assert "Traceback" not in log, "being pruned is no error"


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_other_launchers_run_the_same_study(tmp_path, launcher):
    arguments = ("hydra/launcher=" + launcher, "hydra/sweeper/pruner=asha", "steps=4")
    command = [*SWEEP, *arguments, "hydra.sweeper.n_trials=16", "seconds=0.02"]
    done = subprocess.run(command, cwd=tmp_path, check=False, **OUTPUT)
    assert done.returncode == 0, done.stdout
    states = states_of(tmp_path / "study")
    assert states["PRUNED"] > 0
    assert states["COMPLETE"] + states["PRUNED"] == 16
    assert json.loads((tmp_path / "study" / "study.json").read_text())["finished"]
    workers = {trial.user_attrs["worker"]["pid"] for trial in trials_of(tmp_path / "study")}
    assert len(workers) == 2


def test_a_failing_trial_is_recorded_and_the_study_goes_on(sweep, tmp_path):
    above = "hydra.sweeper.enqueue=[{x: 0.9}]"
    done = sweep("outcome=fail_above", "hydra.sweeper.n_trials=8", above)
    assert done.returncode == 0, done.stdout
    failed = [t for t in trials_of(tmp_path / "study") if t.state is TrialState.FAIL]
    assert failed
    for trial in failed:
        assert trial.user_attrs["reason"] == f"RuntimeError: x is {trial.params['x']:.3f}"
    assert sum(states_of(tmp_path / "study").values()) == 8


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ("fail", "RuntimeError: x is 0.500"),
        ("not_a_number", "BadObjective: the task returned nan"),
        ("text", "BadObjective: the task returned 'high', not a number"),
        ("two", "BadObjective: the task returned 2 values for 1 directions"),
    ],
)
def test_failures_alike_stop_the_study_and_the_first_is_shown(sweep, tmp_path, outcome, reason):
    done = sweep(f"outcome={outcome}", "hydra.sweeper.max_failures=3", "hydra.sweeper.n_trials=50")
    assert done.returncode == 1
    assert "failed alike" in done.stdout
    assert reason in done.stdout
    assert "Traceback" not in done.stdout
    assert 3 <= sum(states_of(tmp_path / "study").values()) <= 4, "one more may have been running"


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
    assert "no trial ended well" in done.stdout
    first, second = trials_of(tmp_path / "study")
    assert (first.state, second.state) == (TrialState.FAIL, TrialState.FAIL)
    assert second.user_attrs["retry_of"] == first.number


def test_a_trial_that_hangs_is_ended(sweep, tmp_path):
    done = sweep("outcome=hang", "hydra.sweeper.trial_timeout=0.3", "hydra.sweeper.n_trials=2")
    assert done.returncode == 1
    assert states_of(tmp_path / "study") == {"FAIL": 2}
    assert "TrialTimeout: the trial took longer than 0.3 s" in done.stdout


def test_ctrl_c_keeps_what_ended_and_the_same_command_goes_on(sweep, tmp_path):
    arguments = ["steps=2", "seconds=0.2", "hydra.sweeper.n_trials=8"]
    process = subprocess.Popen([*SWEEP, *arguments], cwd=tmp_path, **OUTPUT)
    trials = tmp_path / "study" / "1" / ".hydra"
    while not trials.exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert all(
        trial.state.is_finished() or trial.state is TrialState.WAITING
        for trial in trials_of(tmp_path / "study")
    )
    assert (tmp_path / "study" / "trials.csv").exists()
    done = sweep(*arguments)
    assert done.returncode == 0, done.stdout
    assert states_of(tmp_path / "study") == {"COMPLETE": 8}


def test_no_trial_is_begun_when_the_time_is_up(sweep, tmp_path):
    limits = ("hydra.sweeper.timeout=2", "hydra.sweeper.n_trials=1000")
    done = sweep(*limits, "steps=1", "seconds=0.3")
    assert done.returncode == 0, done.stdout
    assert "its time is up" in done.stdout
    states = states_of(tmp_path / "study")
    assert set(states) == {"COMPLETE"}, "the running trials ended"
    assert 1 <= states["COMPLETE"] <= 20


def test_another_study_in_the_same_place_is_refused_with_the_difference(sweep, tmp_path):
    assert sweep("hydra.sweeper.n_trials=1").returncode == 0
    before = trials_of(tmp_path / "study")
    for argument, difference in (
        ("x=interval(0.0,2.0)", "search space: x was 0 to 1 and is 0 to 2"),
        ("name=other", "configuration: name was plain and is other"),
    ):
        done = sweep(argument)
        assert done.returncode == 1
        assert difference in done.stdout
        assert "hydra.sweeper.restart=true" in done.stdout
    assert trials_of(tmp_path / "study") == before
    done = sweep("name=other", "hydra.sweeper.restart=true", "hydra.sweeper.n_trials=1")
    assert done.returncode == 0, done.stdout
    (aside,) = tmp_path.glob("study.*")
    assert trials_of(aside) == before, "nothing is deleted"


def test_a_second_process_on_a_running_study_is_refused(sweep, tmp_path):
    process = subprocess.Popen([*SWEEP, "steps=1", "seconds=1.5"], cwd=tmp_path, **OUTPUT)
    while not (tmp_path / "study" / "0").exists():
        assert process.poll() is None
        time.sleep(0.05)
    done = sweep("steps=1", "seconds=1.5")
    assert done.returncode == 1
    assert "another process is running the study" in done.stdout
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert states_of(tmp_path / "study") == {"COMPLETE": 4}


def test_known_good_points_come_first_after_the_defaults(sweep, tmp_path):
    arguments = ["size=choice(1,2)", "hydra.sweeper.enqueue=[{x: 0.25, size: 2}]"]
    assert sweep(*arguments, "hydra.sweeper.workers=1").returncode == 0
    params = [trial.params for trial in trials_of(tmp_path / "study")]
    assert params[:2] == [{"x": 0.5, "size": 1}, {"x": 0.25, "size": 2}]


def test_choices_over_a_group_make_a_study_each(sweep, tmp_path):
    done = sweep("group=a,b", "hydra.sweep.dir=study-${name}", "hydra.sweeper.n_trials=2")
    assert done.returncode == 0, done.stdout
    for name in "ab":
        assert states_of(tmp_path / f"study-{name}", f"study-{name}") == {"COMPLETE": 2}
        config = (tmp_path / f"study-{name}" / "1" / ".hydra" / "config.yaml").read_text()
        assert f"name: {name}" in config
    done = sweep("group=a,b")
    assert done.returncode == 1
    assert "several studies would share the folder" in done.stdout


def test_two_objectives_give_a_front(sweep, tmp_path):
    done = sweep("outcome=two", "hydra.sweeper.direction=[maximize,minimize]", "steps=2")
    assert done.returncode == 0, done.stdout
    summary = json.loads((tmp_path / "study" / "study.json").read_text())
    assert len(summary["best"]) >= 1
    assert all(len(best["values"]) == 2 for best in summary["best"])


def test_the_grid_sampler_tries_every_combination_once(sweep, tmp_path):
    space = ("x=0.1,0.5,0.9", "size=range(1,3)", "hydra/sweeper/sampler=grid")
    assert sweep(*space, "hydra.sweeper.n_trials=100").returncode == 0
    points = [(t.params["x"], t.params["size"]) for t in trials_of(tmp_path / "study")]
    assert sorted(points) == [(x, size) for x in (0.1, 0.5, 0.9) for size in (1, 2)]


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "nsgaii", "nsgaiii", "cmaes", "gp"])
def test_the_samplers_of_hydras_optuna_plugin_work(sweep, tmp_path, sampler):
    done = sweep(f"hydra/sweeper/sampler={sampler}", "hydra.sweeper.sampler.seed=3")
    assert done.returncode == 0, done.stdout
    assert states_of(tmp_path / "study") == {"COMPLETE": 4}


def test_a_database_may_hold_the_study(sweep, tmp_path):
    url = f"sqlite:///{tmp_path}/studies.db"
    arguments = [f"hydra.sweeper.storage={url}", "hydra.sweeper.study_name=mine"]
    assert sweep(*arguments, "hydra.sweeper.workers=1").returncode == 0
    assert len(optuna.load_study(study_name="mine", storage=url).trials) == 4
    assert sweep(*arguments, "hydra.sweeper.restart=true").returncode == 0
    names = optuna.get_all_study_names(url)
    assert len(names) == 2
    assert all(len(optuna.load_study(study_name=n, storage=url).trials) == 4 for n in names)


def test_a_dry_run_shows_the_space_and_samples_and_runs_nothing(sweep, tmp_path):
    done = sweep("hydra.sweeper.dry_run=true", "size=choice(1,2)")
    assert done.returncode == 0, done.stdout
    assert "0 to 1" in done.stdout
    assert done.stdout.count("sample:") == 3
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("x=interval(1.0,0.0)", "search space: x"),
        ("colour=choice(1,2)", "colour"),
        ("hydra.sweeper.params={x: choise(1,2)}", "choise"),
        ("hydra.sweeper.n_trials=0", "n_trials must be at least 1"),
        ("hydra.sweeper.workers=none", "workers is auto or a number from 1"),
        ("hydra.sweeper.direction=up", "minimize, maximize or a list"),
        ("hydra.sweeper.enqueue=[{y: 1}]", "y is not a dimension"),
        ("x=0.3", "needs something to search"),
    ],
)
def test_what_is_wrong_is_said_before_the_first_trial(sweep, tmp_path, argument, message):
    done = sweep(argument)
    assert done.returncode == 1
    assert message in done.stdout
    assert "Traceback" not in done.stdout
    assert not (tmp_path / "study" / "0").exists()


def test_choices_with_commas_blanks_and_quotes_arrive_as_they_are(sweep, tmp_path):
    names = ["a, b", "c d", "it's", "1", "plain"]
    quoted = ",".join("'" + name.replace("'", r"\'") + "'" for name in names)
    done = sweep(
        f"name={quoted}",
        *("hydra/sweeper/sampler=grid", "hydra.sweeper.params=null", "hydra.sweeper.n_trials=5"),
    )
    assert done.returncode == 0, done.stdout
    configs = [
        OmegaConf.load(tmp_path / "study" / str(number) / ".hydra" / "config.yaml")
        for number in range(5)
    ]
    assert sorted(config.name for config in configs) == sorted(names)


def test_if_all_trials_fail_the_first_failure_is_shown(sweep):
    done = sweep("outcome=fail", "hydra.sweeper.n_trials=3")
    assert done.returncode == 1
    assert (
        "no trial ended well; the first failure: trial 0: RuntimeError: x is 0.500" in done.stdout
    )
    assert "hydra.sweeper.restart=true begins anew" in done.stdout


def test_points_can_be_queued_when_a_study_goes_on(sweep, tmp_path):
    assert sweep("hydra.sweeper.n_trials=2").returncode == 0
    done = sweep("hydra.sweeper.n_trials=4", "hydra.sweeper.enqueue=[{x: 0.123}]")
    assert done.returncode == 0, done.stdout
    assert trials_of(tmp_path / "study")[2].params["x"] == 0.123


def test_a_study_that_cannot_go_on_is_refused_before_another_begins(sweep, tmp_path):
    place = "hydra.sweep.dir=study-${name}"
    assert sweep("group=b", place).returncode == 0
    done = sweep("group=a,b", place, "x=interval(0,2)")
    assert done.returncode == 1
    assert "study-b holds a study that differs: search space: x" in done.stdout
    assert not (tmp_path / "study-a" / "0").exists()


def test_a_folder_that_is_no_study_is_not_put_aside(sweep, tmp_path):
    (tmp_path / "precious").mkdir()
    done = sweep("hydra.sweep.dir=precious", "hydra.sweeper.restart=true")
    assert done.returncode == 1
    assert "holds no study" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_a_worker_that_dies_while_it_takes_a_trial_costs_none(tmp_path):
    """The process is killed between Optuna's trial and the name of its worker."""
    (tmp_path / "patch").mkdir()
    (tmp_path / "patch" / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "if 'rnnclf.study.process' in ' '.join(sys.orig_argv):\n"
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


TEN_LINES = """
import hydra
from rnnclf.study import report

@hydra.main(config_path=None)
def main(cfg):
    for step in range(3):
        report(cfg.x, step)
    return cfg.x

main()
"""


def test_ten_lines_are_enough_to_prune_and_resume(tmp_path):
    (tmp_path / "app.py").write_text(TEN_LINES)
    command = [sys.executable, "app.py", "-m", "hydra/sweeper=study", "+x=interval(0,1)"]
    command += ["hydra.sweep.dir=study", "hydra.sweeper.workers=1", "hydra/sweeper/pruner=median"]
    command += ["hydra.sweeper.pruner.n_startup_trials=1", "hydra.sweeper.pruner.n_warmup_steps=0"]
    command += ["hydra.sweeper.enqueue=[{+x: 0.0},{+x: 1.0}]"]
    for n_trials, finished in ((2, "1 complete, 1 pruned"), (3, "2 complete, 1 pruned")):
        more = ["hydra.sweeper.direction=maximize", f"hydra.sweeper.n_trials={n_trials}"]
        done = subprocess.run([*command, *more], cwd=tmp_path, check=False, **OUTPUT)
        assert (done.returncode, finished in done.stdout) == (0, True), done.stdout
