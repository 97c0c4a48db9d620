"""Pictures of a search: in the folder of the study, and in the report."""

from pathlib import Path

import optuna
import pytest

from rnnclf.report.search import read_search
from rnnclf.study.paths import StudyPaths
from rnnclf.study.pictures import draw, varied_parameters
from rnnclf.study.storage import open_storage

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
    in_report = {name.replace(" ", "_") for name in read_search(tmp_path).figures}
    assert in_report == drawn


def test_only_what_differs_between_trials_is_drawn(tmp_path):
    assert varied_parameters(search(tmp_path, 2).trials) == ["x"]


def test_pictures_are_drawn_anew_when_a_trial_ended_after_them(tmp_path):
    study = search(tmp_path, 2)
    draw(study, StudyPaths(tmp_path))
    history = tmp_path / "history.png"
    before = history.stat().st_mtime_ns
    draw(study, StudyPaths(tmp_path))
    assert history.stat().st_mtime_ns == before
    draw(search(tmp_path, 1), StudyPaths(tmp_path))
    assert history.stat().st_mtime_ns > before
