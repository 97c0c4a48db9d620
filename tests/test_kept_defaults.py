"""Where the defaults stayed, whatever reads the study uses them, and not its lucky winner."""

import json
import shutil
from pathlib import Path

import pytest

from rnnclf.bundles.pick import choose
from rnnclf.configuration.composed import load
from rnnclf.runs.find import find_runs

STUDY = Path("outputs", "studies", "smoke-sample-gru")
# The second trial wins. Its validation runs are those of the defaults, so it was only lucky.
LUCKY = [
    *("-m", "sweeps=smoke", "n_trials=2", "pruner=none", "workers=1"),
    *("hidden_size=8", "embedding_size=8"),
    "search_space={optimizer.lr: 'interval(0.0001,0.03)'}",
    "hydra.sweeper.enqueue=[{optimizer.lr: 0.02, training.batch_size: 32}]",
    "hydra.sweeper.refit.validation=['seed={seed}','optimizer.lr=0.01']",
    "hydra.sweeper.keep=1",
]


@pytest.fixture
def kept(made_once, tmp_path) -> dict:
    """The record of a copied study in which the defaults stayed."""
    shutil.copytree(made_once("kept-defaults", LUCKY) / "outputs", tmp_path / "outputs")
    record = json.loads((tmp_path / STUDY / "study.json").read_text())
    assert (record["best"][0]["number"], record["refit"]["trial"]) == (1, 0)
    return record


def test_the_trial_that_was_trained_again_ranks_first_and_shows_the_test(kept, compare):
    first, second = compare()
    assert [Path(row["folder"]).name for row in (first, second)] == ["0", "1"]
    assert first["val_accuracy"] < second["val_accuracy"]
    assert first["refit_test"]["mean"] == kept["refit"]["final"]["mean"]
    assert first["refit_val"] == kept["refit"]["validation"]
    assert second["refit_test"] is None


def test_compare_says_why_the_accuracies_are_not_in_order(kept, rnnclf, tmp_path):
    said = rnnclf("compare", cwd=tmp_path).stderr
    assert f"sample: no trial ranks above {STUDY / '0'}, which its study kept" in said


def test_its_final_model_is_picked(kept, rnnclf, tmp_path):
    assert not (tmp_path / STUDY / "0" / "model.safetensors").exists(), "only those of the winner"
    done = rnnclf("pick", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    bundle = tmp_path / "models" / "sample-gru"
    metrics = json.loads((bundle / "metrics.json").read_text())
    assert metrics["refit"] == kept["refit"]
    assert metrics["result"]["test_accuracy"] == kept["refit"]["model"]["value"]
    assert load(bundle / "config.yaml").optimizer.lr == 0.001
    card = (bundle / "README.md").read_text()
    assert "was not better than trial 0, whose hyperparameters were known before, so" in card


def test_without_its_model_the_next_best_is_taken_and_the_reason_said(kept, tmp_path):
    (tmp_path / STUDY / kept["refit"]["model"]["folder"] / "model.safetensors").unlink()
    (pick,) = choose(find_runs([tmp_path / "outputs"]).runs)
    assert pick.run.folder.name == "1"
    assert [(run.folder.name, why) for run, why in pick.better] == [
        ("0", "its weights were deleted")
    ]


def test_from_the_study_is_from_the_defaults(kept, run_py, tmp_path):
    done = run_py(f"from={STUDY}", "hydra.run.dir=again", "epochs=1")
    assert done.returncode == 0, done.stderr
    assert load(tmp_path / "again" / "config.yaml").optimizer.lr == 0.001
    assert "lr: 0.001" in (tmp_path / STUDY / "best.yaml").read_text()


def test_the_report_has_the_comparison_and_the_luck_of_the_winner(kept, rnnclf, tmp_path):
    assert rnnclf("report", str(STUDY), cwd=tmp_path).returncode == 0
    html = (tmp_path / "report.html").read_text()
    assert "The refit of the rival, trial 0" in html
    assert "The winner is not better (+0.0 points, standard error 0.0)." in html
    luck = kept["best"][0]["values"][0] - kept["refit"]["comparison"]["of_winner"]["mean"]
    assert f"which is {luck * 100:.1f} points above its mean over the seeds" in html
