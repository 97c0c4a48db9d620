"""The sweeper `study` in an application that is not ours: real processes, real signals."""

import contextlib
import csv
import json
import os
import pty
import re
import subprocess

import optuna
import pytest
from foreign_study import (
    EARLIER,
    FOREIGN_APP,
    IN_A_DATABASE,
    OUTPUT,
    SIX,
    SWEEP,
    states_of,
    trials_of,
)
from hydra import compose, initialize_config_dir
from hydra_study_sweeper import read_trial
from hydra_study_sweeper.workers.samplers import make_sampler
from omegaconf import OmegaConf
from optuna.trial import TrialState
from processes import run_program


def test_a_study_leaves_its_trials_and_its_winner(swept, tmp_path):
    output = swept(*SIX)
    study = tmp_path / "study"
    with (study / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["number"] for row in rows] == ["0", "1", "2", "3", "4", "5"]
    assert float(rows[0]["x"]) == 0.5, "trial 0 has the defaults"
    best = max(rows, key=lambda row: float(row["value"]))
    summary = json.loads((study / "study.json").read_text())
    assert summary["finished"] is True
    assert summary["best"][0]["values"] == [float(best["value"])]
    assert summary["best"][0]["number"] == int(best["number"])
    assert f"x: {best['x']}" in (study / "best.yaml").read_text()
    assert f"x: {best['x']}" in (study / best["number"] / ".hydra" / "config.yaml").read_text()
    trial = read_trial(study / best["number"])
    assert (trial.state, trial.values, trial.runs) == ("complete", [float(best["value"])], ["."])
    assert trial.params == {"x": float(best["x"])}
    assert f"trial {best['number']}, in study/{best['number']}" in output


def test_the_winners_configuration_runs_by_itself(sweep, tmp_path):
    assert sweep("name='a, b'", "hydra.sweeper.n_trials=3").returncode == 0
    best = ("--config-dir", "study", "--config-name", "best")
    done = run_program(FOREIGN_APP, *best, "--cfg", "job", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    summary = json.loads((tmp_path / "study" / "study.json").read_text())
    assert f"x: {summary['best'][0]['params']['x']}\n" in done.stdout
    assert "name: a, b\n" in done.stdout


def test_a_trial_that_is_not_promising_is_pruned(sweep, tmp_path):
    one = ("hydra.sweeper.workers=1", "hydra.sweeper.sampler.seed=0")  # always the same trials
    done = sweep("hydra/sweeper/pruner=median", "hydra.sweeper.n_trials=14", "steps=4", *one)
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


def test_known_good_points_come_first_after_the_defaults(sweep, tmp_path):
    points = "hydra.sweeper.enqueue=[{x: 0.25, size: 2}, {x: 0.75}]"
    steps = "+hydra.sweeper.params.steps={when: {size: [2]}, space: 'range(0,1000)'}"
    assert sweep("+hydra.sweeper.params.size='range(1,1000)'", steps, points).returncode == 0
    params = [trial.params for trial in trials_of(tmp_path / "study")]
    assert params[:2] == [{"x": 0.5, "size": 1}, {"x": 0.25, "size": 2, "steps": 0}]
    assert params[2] == {"x": 0.75, "size": 1}, "the default of what the point does not say"


def test_a_group_of_its_own_makes_a_study_for_each_option(sweep, tmp_path):
    separate = "hydra.sweeper.separate=[group]"
    done = sweep(separate, "group=a,b", "hydra.sweep.dir=study-${name}", "hydra.sweeper.n_trials=2")
    assert done.returncode == 0, done.stdout
    for name in "ab":
        assert states_of(tmp_path / f"study-{name}") == {"COMPLETE": 2}
        config = (tmp_path / f"study-{name}" / "1" / ".hydra" / "config.yaml").read_text()
        assert f"name: {name}" in config
    outcome = r"study-{}  value of the best trial 0.\d+\n"
    assert re.search(f"{outcome.format('a')}.*{outcome.format('b')}", done.stdout)
    done = sweep(separate, "group=a,b")
    assert done.returncode == 1
    assert "several studies would share the folder" in done.stdout


def test_a_terminal_shows_all_studies_and_the_running_trials(tmp_path):
    terminal, program = pty.openpty()
    command = [*SWEEP, "group=a,b", "hydra.sweep.dir=study-${name}", "hydra.sweeper.n_trials=3"]
    command += ["hydra.sweeper.separate=[group]"]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), program)
    process = subprocess.Popen([*command, "seconds=0.5"], cwd=tmp_path, env=environment, **streams)
    os.close(program)
    shown = ""
    with contextlib.suppress(OSError):  # that is how a terminal says that its program ended
        while part := os.read(terminal, 2**16):
            shown += part.decode()
    os.close(terminal)
    assert process.wait() == 0, shown
    assert "2 studies" in shown
    assert re.search(
        r"study-a │ 3      │ value of [a-z ]+0[0-9.]+ │\s+│ study-b │ 3      │ running", shown
    ), shown
    assert "for all studies" in shown


def test_two_objectives_give_a_front(sweep, tmp_path):
    done = sweep("outcome=two", "hydra.sweeper.direction=[maximize,minimize]", "steps=2")
    assert done.returncode == 0, done.stdout
    summary = json.loads((tmp_path / "study" / "study.json").read_text())
    assert len(summary["best"]) >= 1
    assert all(len(best["values"]) == 2 for best in summary["best"])
    results = OmegaConf.load(tmp_path / "study" / "optimization_results.yaml")
    assert results.solutions == [
        {"params": best["params"], "values": best["values"]} for best in summary["best"]
    ]


NAMES = ["a, b", "c d", "it's", "1", "plain"]
QUOTED = ",".join("'" + name.replace("'", r"\'") + "'" for name in NAMES)
GRID = (f"name={QUOTED}", "size=range(1,3)", "hydra/sweeper/sampler=grid")
GRID += ("hydra.sweeper.params=null", "hydra.sweeper.n_trials=100")


def test_the_grid_sampler_tries_every_combination_once(swept, tmp_path):
    swept(*GRID)
    points = [(t.params["name"], t.params["size"]) for t in trials_of(tmp_path / "study")]
    assert len(points) == len(set(points)) == len(NAMES) * 2


def test_a_sampler_of_hydras_optuna_plugin_runs_a_study(sweep, tmp_path):
    done = sweep("hydra/sweeper/sampler=cmaes", "hydra.sweeper.sampler.seed=3")
    assert done.returncode == 0, done.stdout
    assert states_of(tmp_path / "study") == {"COMPLETE": 4}


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("name", ["tpe", "random", "qmc", "nsgaii", "nsgaiii", "cmaes", "gp"])
def test_the_samplers_propose_points(name):
    if name == "gp":
        pytest.importorskip("torch")
    with initialize_config_dir(str(FOREIGN_APP.parent)):
        config = compose("config", [f"hydra/sweeper/sampler={name}"], return_hydra_config=True)
    config.hydra.sweeper.sampler.seed = 3
    sampler = make_sampler(config.hydra.sweeper.sampler, turn=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1) ** 2, n_trials=12)
    assert len({trial.params["x"] for trial in study.trials}) == 12


def test_a_database_may_hold_the_study(swept, sweep, tmp_path):
    swept(*EARLIER, *IN_A_DATABASE)
    url = f"sqlite:///{tmp_path}/studies.db"
    assert len(optuna.load_study(study_name="mine", storage=url).trials) == 6
    again = ("hydra.sweeper.restart=true", "hydra.sweeper.n_trials=1")
    assert sweep(*EARLIER, *IN_A_DATABASE, *again).returncode == 0
    trials = {
        name: len(optuna.load_study(study_name=name, storage=url).trials)
        for name in optuna.get_all_study_names(url)
    }
    assert trials.pop("mine") == 1
    assert list(trials.values()) == [6]


def test_a_dry_run_shows_the_space_and_samples_and_runs_nothing(sweep, tmp_path):
    done = sweep(
        "hydra.sweeper.dry_run=true", "size=choice(1,2)", "hydra.sweeper.enqueue=[{x: 0.25}]"
    )
    assert done.returncode == 0, done.stdout
    assert "0 to 1" in done.stdout
    assert done.stdout.count("sample:") == 3
    assert "first: x=0.25" in done.stdout, "enqueued"
    assert not (tmp_path / "study").exists()


def test_choices_with_commas_blanks_and_quotes_arrive_as_they_are(swept, tmp_path):
    swept(*GRID)
    configs = [
        OmegaConf.load(tmp_path / "study" / str(number) / ".hydra" / "config.yaml")
        for number in range(10)
    ]
    assert sorted(config.name for config in configs) == sorted(2 * NAMES)


TEN_LINES = """
import hydra
from hydra_study_sweeper import report

@hydra.main(config_path=None)
def main(cfg):
    for step in range(3):
        report(cfg.x, step)
    return cfg.x

if __name__ == "__main__":
    main()
"""


PRUNED = ["-m", "hydra/sweeper=study", "+x=interval(0,1)", "hydra.sweep.dir=study"]
PRUNED += ["hydra.sweeper.workers=1", "hydra/sweeper/pruner=median"]
PRUNED += ["hydra.sweeper.pruner.n_startup_trials=1", "hydra.sweeper.pruner.n_warmup_steps=0"]


def test_ten_lines_are_enough_to_prune_and_resume(tmp_path):
    (tmp_path / "app.py").write_text(TEN_LINES)
    command = [*PRUNED, "hydra.sweeper.direction=maximize"]
    command += ["hydra.sweeper.enqueue=[{+x: 0.0},{+x: 1.0}]"]
    for n_trials, finished in ((2, "1 complete, 1 pruned"), (3, "2 complete, 1 pruned")):
        more = f"hydra.sweeper.n_trials={n_trials}"
        done = run_program(tmp_path / "app.py", *command, more, cwd=tmp_path)
        assert (done.returncode, finished in done.stdout) == (0, True), done.stderr


def test_what_is_known_to_be_good_is_not_pruned(tmp_path):
    (tmp_path / "app.py").write_text(TEN_LINES)
    command = [*PRUNED, "hydra.sweeper.n_trials=4", "hydra.sweeper.enqueue=[{+x: 0.0},{+x: 0.8}]"]
    command += ["hydra.sweeper.warm_start=[{x: 0.9}]"]
    done = run_program(tmp_path / "app.py", *command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    ended = [(trial.params["x"], trial.state) for trial in trials_of(tmp_path / "study")[1:]]
    complete, pruned = TrialState.COMPLETE, TrialState.PRUNED
    assert ended == [(0.0, complete), (0.8, pruned), (0.9, complete)]
