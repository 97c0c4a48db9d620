"""The winner trained again: nothing is lost here either, and the final model is always there."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from foreign_study import FOREIGN_APP, OUTPUT, SWEEP, states_of, trials_of
from processes import run_program, wait_until

REFIT = [
    "hydra.sweeper.n_trials=2",
    "hydra.sweeper.params.x='interval(0.0,0.5)'",  # trial 0, which has the defaults, wins
    "hydra.sweeper.weights=[app.log]",
    "hydra.sweeper.refit.validation=['name=validate-{seed}']",
    "hydra.sweeper.refit.final=['name=final-{seed}']",
]

TO_THE_BEST_STEP = [
    *REFIT,
    "steps=2",
    "hydra.sweeper.refit.validation=['steps=1{seed}']",
    "hydra.sweeper.refit.final=['size={best_step}']",
]


def study_with(folder: Path, seeds: int, *more: str) -> subprocess.CompletedProcess[str]:
    command = (*REFIT, f"hydra.sweeper.refit.seeds={seeds}", *more)
    done = run_program(FOREIGN_APP, "-m", *command, cwd=folder)
    done.stdout += done.stderr
    return done


def runs_of_the_refit(folder: Path) -> list[Path]:
    return list(folder.glob("study/refit-of-*/[0-9]*"))


def overrides_of_the_refit(folder: Path) -> list[list[str]]:
    (refit,) = folder.glob("study/refit-of-*")
    return [run.user_attrs["overrides"] for run in trials_of(refit)]


def refit_of(folder: Path) -> dict:
    return json.loads((folder / "study" / "study.json").read_text())["refit"]


def model_is_there(folder: Path) -> bool:
    return (folder / "study" / refit_of(folder)["model"]["folder"] / "app.log").exists()


def test_in_a_database_it_may_have_more_runs_than_the_search_has_trials(tmp_path):
    for _ in range(2):
        done = study_with(tmp_path, 2, f"hydra.sweeper.storage=sqlite:///{tmp_path}/study.db")
        assert done.returncode == 0, done.stdout


def test_killed_while_it_trains_the_winner_again_it_goes_on(start_sweep, tmp_path):
    """The first two starts are killed in the refit; the third has all its seeds."""
    command = [*REFIT, "hydra.sweeper.refit.seeds=3", "steps=1", "seconds=0.4"]
    for _ in range(2):
        begun = len(runs_of_the_refit(tmp_path))
        process = start_sweep(*command)
        wait_until(lambda begun=begun: len(runs_of_the_refit(tmp_path)) > begun, process)
        for worker in process.workers():
            worker.kill()
        process.kill()
    done = start_sweep(*command).wait()
    assert done.returncode == 0, done.stdout
    refit = refit_of(tmp_path)
    assert [len(refit[role]["values"]) for role in ("validation", "final")] == [3, 3]
    assert refit["failed"] == 0
    assert model_is_there(tmp_path)
    (folder,) = tmp_path.glob("study/refit-of-*")
    assert states_of(folder) == {"COMPLETE": 6}


def test_the_runs_for_use_train_to_the_median_of_the_best_steps_of_the_others(swept, tmp_path):
    """The last step is the best: of the winner's two, and of the ten and more of each seed."""
    swept(*TO_THE_BEST_STEP, "hydra.sweeper.refit.seeds=4")
    overrides = overrides_of_the_refit(tmp_path)
    assert sorted(overrides[:4]) == [["steps=10"], ["steps=11"], ["steps=12"], ["steps=13"]]
    assert overrides[4:] == 4 * [["size=10"]], "of 9, 10, 11 and 12, counted from 0"
    assert refit_of(tmp_path)["best_step"] == 10


def test_with_a_fifth_seed_the_model_of_the_fourth_is_trained_again_to_the_same_step(
    swept, tmp_path
):
    """It was deleted; the first attempt fails, since a file is where its folder would be."""
    swept(*TO_THE_BEST_STEP, "hydra.sweeper.refit.seeds=4")
    assert model_is_there(tmp_path)
    (folder,) = tmp_path.glob("study/refit-of-*")
    (folder / "10").touch()
    done = study_with(tmp_path, 5, *TO_THE_BEST_STEP)
    assert "1 run of the refit failed; the same command tries again" in done.stdout
    assert not model_is_there(tmp_path)
    assert study_with(tmp_path, 5, *TO_THE_BEST_STEP).returncode == 0
    assert len(refit_of(tmp_path)["final"]["values"]) == 5
    assert model_is_there(tmp_path)
    assert len(list(tmp_path.glob("study/refit-of-*/*/app.log"))) == 1
    overrides = overrides_of_the_refit(tmp_path)
    assert overrides.count(["size=10"]) == len(overrides) - 5 == 7, "of five seeds, two attempts"


def test_a_finished_study_that_gets_more_trials_keeps_its_model_when_it_is_interrupted(
    start_sweep, tmp_path
):
    """The winner is trial 0, and none of the new trials ends before Ctrl-C."""
    command = [*REFIT, "hydra.sweeper.refit.seeds=1", "hydra.sweeper.ignore=[seconds]", "steps=1"]
    assert start_sweep(*command, "hydra.sweeper.n_trials=1").wait().returncode == 0
    before = refit_of(tmp_path)
    process = start_sweep(*command, "hydra.sweeper.n_trials=9", "seconds=30")
    wait_until((tmp_path / "study" / "1").exists, process)
    process.send_signal(signal.SIGINT)
    assert process.wait().returncode != 0
    assert refit_of(tmp_path) == before
    assert model_is_there(tmp_path)


def test_the_best_step_must_be_known(tmp_path):
    final = "hydra.sweeper.refit.final=['size={best_step}']"
    done = study_with(tmp_path, 1, final)
    assert done.returncode == 1
    assert "refit asks for {best_step}, but the trials report no steps" in done.stdout
    assert not list(tmp_path.glob("study/refit-of-*")), "found before the first run"
    done = study_with(tmp_path, 1, "hydra.sweeper.refit.validation=['size={best_step}']")
    assert done.returncode == 1
    assert "hydra.sweeper.refit.validation cannot have {best_step}" in done.stdout


def test_a_refit_that_failed_is_tried_again_by_the_same_command(tmp_path):
    """What fails is the folder of the second run, which a file stands in place of."""
    assert study_with(tmp_path, 0).returncode == 0
    trial = json.loads((tmp_path / "study" / "study.json").read_text())["best"][0]["number"]
    obstacle = tmp_path / "study" / f"refit-of-{trial}" / "1"
    obstacle.parent.mkdir()
    obstacle.touch()
    done = study_with(tmp_path, 1)
    assert done.returncode == 1
    assert "has no final run: " in done.stdout
    assert "the same command tries again" in done.stdout
    done = study_with(tmp_path, 1)
    assert done.returncode == 0, done.stdout
    assert model_is_there(tmp_path)
    assert len(trials_of(obstacle.parent)) == 3


def test_ctrl_c_under_another_launcher_leaves_no_trial_running(tmp_path):
    command = [*SWEEP, "hydra/launcher=joblib", "steps=1", "seconds=5", "hydra.sweeper.n_trials=8"]
    process = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, **OUTPUT)
    while len(list(tmp_path.glob("study/[01]"))) < 2:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    states = [trial.state.name for trial in trials_of(tmp_path / "study")]
    assert "RUNNING" not in states
    assert "COMPLETE" not in states
    quickly = ("seconds=0", "hydra.sweeper.ignore=[seconds]", "hydra/launcher=basic")
    done = run_program(*command[1:], *quickly, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert states_of(tmp_path / "study")["COMPLETE"] == 8
