"""Pictures of a search: in the folder of the study, and in the report."""

from pathlib import Path

import optuna
import pytest
from hydra_study_sweeper.output.figures import draw, drawable
from hydra_study_sweeper.paths import StudyPaths
from hydra_study_sweeper.storage.locks import open_storage

from rnnclf.report.search import read_search

ALWAYS = {"history", "parallel_coordinates"}


def search(folder: Path, n_trials: int) -> optuna.Study:
    """A search on two parameters of which one is the same in all trials."""
    storage = open_storage(None, StudyPaths(folder))
    study = optuna.create_study(
        study_name="study", storage=storage, direction="maximize", load_if_exists=True
    )
    for number in range(n_trials):
        trial = study.ask({"size": optuna.distributions.IntDistribution(1, 1)})
        x = trial.suggest_float("x", 0, 1)
        study.tell(trial, x + number)
    return study


def pictures(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.png")}


@pytest.mark.parametrize(
    ("n_trials", "drawn"), [(1, set()), (9, ALWAYS), (10, ALWAYS | {"importances"})]
)
def test_importances_are_drawn_where_enough_trials_tell_them(n_trials, drawn, tmp_path):
    draw(search(tmp_path, n_trials), StudyPaths(tmp_path))
    assert pictures(tmp_path) == drawn
    assert set(read_search(tmp_path).figures) == drawn


def test_only_what_differs_between_trials_is_drawn(tmp_path):
    assert drawable(search(tmp_path, 2))["parallel_coordinates"] == ["x"]


def test_importances_are_of_what_all_trials_have():
    """Optuna leaves out the trials that lack one of the parameters, and may rank by none."""
    study = optuna.create_study()
    for number in range(10):
        trial = study.ask()
        x, kind = trial.suggest_float("x", 0, 1), trial.suggest_categorical("kind", "ab")
        study.tell(trial, x + number + trial.suggest_float(f"of_{kind}", 0, 1))
    pictures = drawable(study)
    assert pictures["importances"] == ["kind", "x"]
    assert pictures["parallel_coordinates"] == ["kind", "of_a", "of_b", "x"]


def test_with_several_objectives_or_one_value_there_is_nothing_to_draw():
    two = optuna.create_study(directions=["maximize", "maximize"])
    one = optuna.create_study()
    for _ in range(2):
        for study, values in ((two, [1.0, 2.0]), (one, [1.0])):
            trial = study.ask()
            trial.suggest_float("x", 0, 1)
            study.tell(trial, values)
    assert (drawable(two), drawable(one)) == ({}, {})


def test_pictures_are_drawn_anew_when_a_trial_ended_after_them(tmp_path):
    study = search(tmp_path, 2)
    draw(study, StudyPaths(tmp_path))
    history = tmp_path / "history.png"
    before = history.stat().st_mtime_ns
    draw(study, StudyPaths(tmp_path))
    assert history.stat().st_mtime_ns == before
    draw(search(tmp_path, 1), StudyPaths(tmp_path))
    assert history.stat().st_mtime_ns > before
