"""Figures of a search: what there is enough to draw, and the page of them."""

import itertools
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import optuna
import pytest
from hydra_study_sweeper.output.figures import draw, drawable, write_figures
from hydra_study_sweeper.output.tuning_curve import best_of
from hydra_study_sweeper.paths import StudyPaths
from hydra_study_sweeper.reporting import TAKEN_FROM
from hydra_study_sweeper.storage.journal import open_journal

ALWAYS = {"history", "tuning_curve", "parallel_coordinates"}


def search(folder: Path, n_trials: int) -> optuna.Study:
    """A search on two parameters of which one is the same in all trials."""
    storage = open_journal(StudyPaths(folder))
    study = optuna.create_study(
        study_name="study", storage=storage, direction="maximize", load_if_exists=True
    )
    for number in range(n_trials):
        trial = study.ask({"size": optuna.distributions.IntDistribution(1, 1)})
        x = trial.suggest_float("x", 0, 1)
        study.tell(trial, x + number)
    return study


@pytest.mark.parametrize(
    ("n_trials", "drawn"), [(1, set()), (9, ALWAYS), (10, ALWAYS | {"importances"})]
)
def test_importances_are_drawn_where_enough_trials_tell_them(n_trials, drawn, tmp_path):
    assert draw(search(tmp_path, n_trials)).keys() == drawn


def test_only_what_differs_between_trials_is_drawn(tmp_path):
    assert drawable(search(tmp_path, 2))["parallel_coordinates"] == ["x"]


def test_importances_are_of_what_all_trials_have():
    """Optuna leaves out the trials that lack one of the parameters, and may rank by none."""
    study = optuna.create_study()
    for number in range(10):
        study.enqueue_trial({"kind": "ab"[number % 2]})
        trial = study.ask()
        x, kind = trial.suggest_float("x", 0, 1), trial.suggest_categorical("kind", "ab")
        study.tell(trial, x + number + trial.suggest_float(f"of_{kind}", 0, 1))
    drawn = drawable(study)
    assert drawn["importances"] == ["kind", "x"]
    assert drawn["parallel_coordinates"] == ["kind", "of_a", "of_b", "x"]


def test_with_several_objectives_or_one_value_there_is_nothing_to_draw(tmp_path):
    two = optuna.create_study(directions=["maximize", "maximize"])
    one = optuna.create_study()
    for _ in range(2):
        for study, values in ((two, [1.0, 2.0]), (one, [1.0])):
            trial = study.ask()
            trial.suggest_float("x", 0, 1)
            study.tell(trial, values)
    for study in (two, one):
        assert drawable(study) == {}
        page = write_figures(study, tmp_path).read_text(encoding="utf-8")
        assert "figures need one objective, and finite values that differ between trials" in page


def test_the_tuning_curve_is_the_best_of_all_subsets():
    values = np.array([0.3, 0.9, 0.1, 0.5, 0.5])
    mean, low, high = best_of(values, np.arange(1, 6))
    for size in range(1, 6):
        best = sorted(max(chosen) for chosen in itertools.combinations(values, size))
        assert mean[size - 1] == pytest.approx(np.mean(best))
        assert low[size - 1] == best[math.ceil(0.05 * len(best)) - 1]
        assert high[size - 1] == best[math.ceil(0.95 * len(best)) - 1]


def test_the_tuning_curve_of_losses_falls_and_counts_pruned_trials():
    study = optuna.create_study(direction="minimize")
    for loss, state in (
        (0.4, None),
        (math.inf, None),
        (0.9, optuna.trial.TrialState.PRUNED),
        (0.2, None),
    ):
        trial = study.ask()
        trial.report(loss, 1)
        study.tell(trial, None if state else loss, state)
    curve = draw(study, "loss")["tuning_curve"].data[-1]
    assert list(curve.x) == [1, 2, 3]
    assert list(curve.y) == pytest.approx([0.5, (0.4 + 0.2 + 0.2) / 3, 0.2])


def test_the_trials_of_earlier_studies_are_not_in_the_tuning_curve():
    study = optuna.create_study()
    for value, attributes in ((0.1, {TAKEN_FROM: ["earlier", 0]}), (0.5, {}), (0.3, {})):
        assert drawable(study) == {}
        study.add_trial(optuna.trial.create_trial(value=value, user_attrs=attributes))
    curve = draw(study)["tuning_curve"].data[-1]
    assert list(curve.y) == pytest.approx([0.4, 0.3])


def test_what_is_not_finite_is_not_drawn():
    study = optuna.create_study()
    for value in (math.inf, -math.inf, 1.0):
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        study.tell(trial, value)
    assert drawable(study) == {}


def test_the_command_writes_a_page_that_needs_no_network(tmp_path):
    search(tmp_path, 2)
    command = [sys.executable, "-m", "hydra_study_sweeper.output.figures", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'figures.html'}\n"), done.stderr
    page = (tmp_path / "figures.html").read_text(encoding="utf-8")
    assert page.count("Plotly.newPlot(") == len(ALWAYS)
    assert "<script src=" not in page


def test_what_the_command_cannot_read_or_write_is_one_line(tmp_path):
    (tmp_path / "study" / "figures.html").mkdir(parents=True)
    search(tmp_path / "study", 2)
    for folder, message in ((tmp_path, "there is no study.journal"), (tmp_path / "study", "html")):
        command = [sys.executable, "-m", "hydra_study_sweeper.output.figures", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert message in done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
