"""Which trials keep their weights while a study goes on."""

from pathlib import Path

import pytest
from hydra_study_sweeper.options import StudySpec
from hydra_study_sweeper.output.retention import Retention
from hydra_study_sweeper.storage.trials import Trials


@pytest.fixture
def trials(tmp_path: Path) -> Trials:
    return Trials(StudySpec("study", tmp_path, None, ("maximize",), 9, 5))


def begin(trials: Trials, folder: Path):
    trial = trials.claim()
    weights = folder / str(trial.number) / "model.safetensors"
    weights.parent.mkdir()
    weights.touch()
    return trial, weights


def test_only_the_best_keep_their_weights(trials, tmp_path):
    left = []
    for value in (0.3, 0.9, 0.5):
        trial, weights = begin(trials, tmp_path)
        left.append(weights)
        trials.complete(trial, [value])
    (left[0].parent / "more.safetensors").mkdir()  # no file
    running, of_running = begin(trials, tmp_path)
    Retention(trials, ["*.safetensors"], keep=1).apply()
    assert [path.exists() for path in left] == [False, True, False]
    assert of_running.exists(), "it is not over"
    assert running.number == 3


def test_a_lost_trial_keeps_its_checkpoint_for_the_one_that_repeats_it(trials, tmp_path):
    trial, weights = begin(trials, tmp_path)
    trials.settle(lambda _: "WorkerLost: a test")
    assert trials.all()[trial.number].state.is_finished()
    Retention(trials, ["*.safetensors"], keep=0).apply()
    assert weights.exists()
