"""Ensembles: several models in one bundle that answers by the mean of their probabilities."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import rnnclf as package
from rnnclf.data.prepared import load as load_corpus

SMALL = ["epochs=2", "lr=0.01", "hidden_size=16", "embedding_size=16"]
LETTERS = [*SMALL, "model.ngram_buckets=50", "dataset.validation_fraction=0.2"]
TEXTS = ["Who wrote it?", "", "How many legs has a spider?", "unheard words"]


@pytest.fixture(scope="module")
def members(made_once) -> list[Path]:
    """Two runs that differ in their seed."""
    runs = [[*LETTERS, f"seed={seed}", f"hydra.run.dir={seed}"] for seed in (3, 4)]
    folder = made_once("members", *runs)
    return [folder / "3", folder / "4"]


@pytest.fixture
def ensemble(members, rnnclf, tmp_path) -> Path:
    done = rnnclf("ensemble", *map(str, members), "--to", "both", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    return tmp_path / "both"


def test_it_answers_by_the_mean_of_the_probabilities(ensemble, members):
    expected = sum(package.load(member).predict_proba(TEXTS) for member in members) / 2
    np.testing.assert_allclose(package.load(ensemble).predict_proba(TEXTS), expected, atol=1e-6)


def test_its_accuracies_are_those_of_the_mean(ensemble, members):
    result = json.loads((ensemble / "metrics.json").read_text())["result"]
    both = package.load(ensemble)
    test = load_corpus(both.config.dataset, Path("unused")).test
    mean = sum(package.load(member).predict_proba(test.texts) for member in members)
    right = mean.argmax(1) == both.class_indices(test.labels)
    assert result["test_accuracy"] == pytest.approx(right.mean())
    assert [member["seed"] for member in result["members"]] == [3, 4]
    alone = [json.loads((m / "result.json").read_text()) for m in members]
    assert result["parameters"] == sum(one["parameters"] for one in alone)
    assert [m["test_accuracy"] for m in result["members"]] == [o["test_accuracy"] for o in alone]


def test_it_is_a_bundle_like_any_other(ensemble, rnnclf):
    verified = rnnclf("evaluate", str(ensemble))
    assert verified.returncode == 0, verified.stderr
    assert verified.stdout.count("  as reported") == 2
    exported = rnnclf("export", str(ensemble))
    assert exported.returncode == 0, exported.stderr
    assert "same labels on 100 random texts" in exported.stdout
    assert "2 networks, trained alike with the seeds 3, 4" in (ensemble / "README.md").read_text()


def test_the_test_split_is_not_read_if_one_was_never_tested(members, rnnclf, tmp_path):
    untested = tmp_path / "untested"
    shutil.copytree(members[1], untested)
    result = json.loads((untested / "result.json").read_text()) | {"test_accuracy": None}
    (untested / "result.json").write_text(json.dumps(result))
    done = rnnclf("ensemble", str(members[0]), str(untested), "--to", "both", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "validation  accuracy" in done.stdout
    assert "test " not in done.stdout
    made = json.loads((tmp_path / "both" / "metrics.json").read_text())["result"]
    assert made["test_accuracy"] is None


def test_what_does_not_fit_is_refused_in_one_line(members, trained, ensemble, rnnclf, tmp_path):
    one, other = map(str, members)
    for models, message in (
        ([one], "takes two models at least"),
        ([one, one], "seed 3 is there twice"),
        ([one, str(trained)], "differs from"),
        ([one, str(ensemble)], "is an ensemble already"),
    ):
        done = rnnclf("ensemble", *models, "--to", "new", cwd=tmp_path)
        assert done.returncode == 1
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert not (tmp_path / "new").exists()
    done = rnnclf("ensemble", one, other, "--to", one, cwd=tmp_path)
    assert "is there and no bundle; nothing was changed" in done.stderr
