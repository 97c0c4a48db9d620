"""The same command again: a study goes on where it ended, or says why it cannot."""

import json
import signal

import pytest
from foreign_study import SIX, states_of, trials_of
from hydra_study_sweeper import read_trial
from optuna.trial import TrialState
from processes import wait_until


def test_the_same_command_resumes_with_new_numbers_and_new_points(swept, sweep, tmp_path):
    swept(*SIX)
    study = tmp_path / "study"
    before = {p: p.stat().st_mtime_ns for n in range(6) for p in (study / str(n)).rglob("*")}
    done = sweep(*SIX, "hydra.sweeper.n_trials=9")
    assert done.returncode == 0, done.stdout
    assert "3 trials to go after 6" in done.stdout
    trials = trials_of(study)
    assert [trial.number for trial in trials] == list(range(9))
    assert len({trial.params["x"] for trial in trials}) == 9, "no point is tried twice"
    assert {p: p.stat().st_mtime_ns for p in before} == before, "finished folders are untouched"

    done = sweep(*SIX, "hydra.sweeper.n_trials=9")
    assert (done.returncode, len(trials_of(study))) == (0, 9)
    assert "has all its trials already" in done.stdout

    study.rename(tmp_path / "in-two-parts")
    assert sweep(*SIX, "hydra.sweeper.n_trials=9").returncode == 0
    assert [t.params for t in trials_of(study)] == [t.params for t in trials], "as in one go"


def test_ctrl_c_keeps_what_ended_and_the_same_command_goes_on(sweep, start_sweep, tmp_path):
    arguments = ["steps=2", "seconds=0.1", "hydra.sweeper.n_trials=6"]
    process = start_sweep(*arguments)
    trials = tmp_path / "study" / "1" / ".hydra"
    wait_until(trials.exists, process)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30).returncode != 0
    assert all(
        trial.state.is_finished() or trial.state is TrialState.WAITING
        for trial in trials_of(tmp_path / "study")
    )
    assert (tmp_path / "study" / "trials.csv").exists()
    records = [read_trial(path.parent) for path in tmp_path.glob("study/*/trial.json")]
    assert "running" not in [record.state for record in records]
    done = sweep(*arguments)
    assert done.returncode == 0, done.stdout
    assert states_of(tmp_path / "study") == {"COMPLETE": 6}


def test_another_study_in_the_same_place_is_refused_with_the_difference(swept, sweep, tmp_path):
    swept(*SIX)
    before = trials_of(tmp_path / "study")
    for argument, differences in (
        ("x=interval(0.0,2.0)", ["search space: x was 0 to 1 and is 0 to 2"]),
        (
            "name=other",
            ["configuration: name was plain and is other", "add name to hydra.sweeper.ignore"],
        ),
        ("hydra.sweeper.study_name=other", ["study.json names study"]),
    ):
        done = sweep(argument)
        assert done.returncode == 1
        assert all(difference in done.stdout for difference in differences), done.stdout
        assert "hydra.sweeper.restart=true" in done.stdout
    assert trials_of(tmp_path / "study") == before
    allowed = ("name=other", "hydra.sweeper.ignore=[name]", "hydra.sweeper.n_trials=1")
    (tmp_path / "study").rename(tmp_path / "moved")
    done = sweep(*allowed, "hydra.sweep.dir=moved")
    assert done.returncode == 0, done.stdout
    assert "study study has all its trials already" in done.stdout
    (tmp_path / "moved").rename(tmp_path / "study")
    done = sweep("name=other", "hydra.sweeper.restart=true", "hydra.sweeper.n_trials=1")
    assert done.returncode == 0, done.stdout
    (aside,) = tmp_path.glob("study.*")
    assert trials_of(aside) == before, "nothing is deleted"


def test_two_processes_started_at_once_share_the_trials_of_a_study(start_sweep, tmp_path):
    command = ("steps=2", "seconds=0.1", "hydra.sweeper.n_trials=12")
    parents = [start_sweep(*command) for _ in range(2)]
    ended = [parent.wait(timeout=60) for parent in parents]
    assert [done.returncode for done in ended] == [0, 0], ended
    assert sum("this one runs trials of it too" in done.stdout + done.stderr for done in ended) == 1
    trials = trials_of(tmp_path / "study")
    assert states_of(tmp_path / "study") == {"COMPLETE": 12}
    assert len({trial.user_attrs["worker"]["pid"] for trial in trials}) > 2, "workers of both"
    assert [trial.params["x"] for trial in trials].count(0.5) == 1, "the defaults are tried once"
    assert len(list((tmp_path / "study").glob("*/.hydra"))) == 12, "a folder each"
    summary = json.loads((tmp_path / "study" / "study.json").read_text())
    assert summary["finished"]


def test_a_study_that_runs_is_not_put_aside(sweep, start_sweep, tmp_path):
    process = start_sweep("steps=1", "seconds=60")
    wait_until((tmp_path / "study" / "0").exists, process)
    done = sweep("hydra.sweeper.restart=true")
    process.kill()
    assert done.returncode == 1
    assert "another process is running the study" in done.stdout
    assert [path.name for path in tmp_path.glob("study*")] == ["study"]


def test_points_can_be_queued_when_a_study_goes_on(swept, sweep, tmp_path):
    swept(*SIX)
    done = sweep("hydra.sweeper.n_trials=8", "hydra.sweeper.enqueue=[{x: 0.123}]")
    assert done.returncode == 0, done.stdout
    assert trials_of(tmp_path / "study")[6].params["x"] == 0.123


OF_GROUP_B = ("group=b", "hydra.sweep.dir=study-${name}", "hydra.sweeper.n_trials=1")


def test_a_study_that_cannot_go_on_is_refused_before_another_begins(swept, sweep, tmp_path):
    swept(*OF_GROUP_B)
    both = ("hydra.sweeper.separate=[group]", "group=a,b", OF_GROUP_B[1], "x=interval(0,2)")
    done = sweep(*both)
    assert done.returncode == 1
    assert "study-b holds a study that differs: search space: x" in done.stdout
    assert not (tmp_path / "study-a" / "0").exists()


def test_a_study_that_is_moved_before_its_turn_is_not_begun_anew(swept, start_sweep, tmp_path):
    swept(*OF_GROUP_B)
    slowly = ("steps=1", "seconds=0.2", "hydra.sweeper.ignore=[steps,seconds]")
    both = start_sweep("hydra.sweeper.separate=[group]", "group=a,b", OF_GROUP_B[1], *slowly)
    wait_until((tmp_path / "study-a" / "0").exists, both)
    (tmp_path / "study-b").rename(tmp_path / "moved")
    done = both.wait(timeout=30)
    assert done.returncode == 1
    assert "the study study-b is no longer in" in done.stderr
    assert not (tmp_path / "study-b").exists()


def test_a_study_that_is_moved_during_a_trial_ends_and_leaves_nothing_there(sweep, tmp_path):
    done = sweep("outcome=move_once")
    assert done.returncode == 1
    assert (
        "study.journal: No such file or directory; what ended is kept, the same command continues"
        in done.stdout
    )
    assert "Traceback" not in done.stdout
    assert not (tmp_path / "study").exists(), "or moving it back would move it into this one"
    (tmp_path / "moved").rename(tmp_path / "study")
    assert sweep("outcome=move_once").returncode == 0
    assert states_of(tmp_path / "study") == {"COMPLETE": 4}, "no trial failed because of that"


STORAGES = {"journal": (), "database": ("hydra.sweeper.storage=sqlite:///studies.db",)}


@pytest.mark.parametrize("storage", STORAGES)
def test_a_folder_with_other_files_is_left_as_it_is(sweep, tmp_path, storage):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "result.json").write_text("{}")
    done = sweep("hydra.sweep.dir=precious", *STORAGES[storage])
    assert done.returncode == 1
    assert "precious has files but no study; choose" in done.stdout
    assert {path.name for path in tmp_path.rglob("*")} - {"studies.db"} == {
        "precious",
        "result.json",
    }


def test_a_file_in_the_place_of_the_folder_is_told(sweep, tmp_path):
    (tmp_path / "taken").touch()
    done = sweep("hydra.sweep.dir=taken")
    assert done.returncode == 1
    assert "taken is a file; choose another hydra.sweep.dir" in done.stdout


def test_a_study_whose_files_lead_elsewhere_is_not_continued(swept, sweep, tmp_path):
    swept(*SIX)
    (tmp_path / "precious").mkdir()
    (tmp_path / "study" / "6").symlink_to(tmp_path / "precious")
    for further in ((), ("hydra.sweeper.restart=true",)):
        done = sweep("hydra.sweeper.n_trials=7", *further)
        assert done.returncode == 1
        assert "study/6 is a symbolic link that leads elsewhere; delete it first" in done.stdout
        assert not list((tmp_path / "precious").iterdir())


@pytest.mark.parametrize("storage", STORAGES)
def test_a_folder_that_is_no_study_is_not_put_aside(sweep, tmp_path, storage):
    (tmp_path / "precious").mkdir()
    done = sweep("hydra.sweep.dir=precious", "hydra.sweeper.restart=true", *STORAGES[storage])
    assert done.returncode == 1
    assert "holds no study" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} - {"studies.db"} == {"precious"}
