"""Applications as their authors write them: killed in mid-study, continued, the best one run."""

import contextlib
import subprocess
import sys
import time

import psutil
import pytest
from foreign_study import APPLICATIONS, OUTPUT, states_of
from hydra_study_sweeper import read_study

TRIALS = 12


@pytest.mark.parametrize(
    ("folder", "program", "needs"),
    [
        ("simulator", ["app.py"], "hydra"),
        pytest.param("package", ["-m", "energy.simulate"], "hydra", marks=pytest.mark.slow),
        pytest.param("models", ["app.py"], "sklearn", marks=pytest.mark.slow),
        pytest.param("torch_script", ["app.py"], "torch", marks=pytest.mark.slow),
        pytest.param("lightning_loop", ["app.py"], "lightning", marks=pytest.mark.slow),
    ],
)
def test_an_application_is_killed_and_continues(folder, program, needs, tmp_path):
    pytest.importorskip(needs)
    study = tmp_path / "study"
    run = [sys.executable, "-W", "ignore", *program]
    options = {"cwd": APPLICATIONS / folder, **OUTPUT}
    command = [*run, "-m", f"hydra.sweep.dir={study}", f"hydra.sweeper.n_trials={TRIALS}"]
    command.append("hydra.sweeper.workers=2")
    process = subprocess.Popen(command, **options)
    while len(list(study.glob("*/trial.json"))) < 5:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.005)
    kill_everything(process)
    before = states_of(study)
    assert before["COMPLETE"] + before["PRUNED"] < TRIALS
    done = subprocess.run(command, check=False, **options)
    assert done.returncode == 0, done.stdout
    after = states_of(study)
    assert after["COMPLETE"] + after["PRUNED"] == after.total() == TRIALS
    best = [*run, "--config-dir", str(study), "--config-name", "best"]
    single = subprocess.run([*best, f"hydra.run.dir={tmp_path / 'single'}"], check=True, **options)
    value = float(single.stdout.splitlines()[-1].split()[-1])
    assert value == pytest.approx(read_study(study).best[0].values[0])


@pytest.mark.slow
def test_a_loader_of_pytorch_spawns_processes_in_a_trial(tmp_path):
    pytest.importorskip("torch")
    command = [sys.executable, "-W", "ignore", "app.py", "-m", "loaders=1", "epochs=1"]
    command += ["hydra.sweeper.n_trials=1", f"hydra.sweep.dir={tmp_path / 'study'}"]
    done = subprocess.run(command, cwd=APPLICATIONS / "torch_script", check=False, **OUTPUT)
    assert done.returncode == 0, done.stdout
    assert states_of(tmp_path / "study") == {"COMPLETE": 1}


def kill_everything(process: subprocess.Popen[str]) -> None:
    for one in [*psutil.Process(process.pid).children(recursive=True), process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    process.communicate()
