"""Ensembles: several models in one bundle that answers by the mean of their probabilities."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from processes import run_program
from project import RNNCLF, RUN_PY
from safetensors.torch import load_file, save_file

import rnnclf as package
from rnnclf.bundles.bundle import write_bundle
from rnnclf.data.prepared import load as load_corpus
from rnnclf.errors import ModelError
from rnnclf.model.store import digest

SMALL = ["epochs=2", "lr=0.01", "hidden_size=16", "embedding_size=16"]
LETTERS = [
    *SMALL,
    "model.ngram_buckets=50",
    "model.wide_buckets=500",
    "dataset.validation_fraction=0.2",
]
TEXTS = ["Who wrote it?", "", "How many legs has a spider?", "unheard words"]


@pytest.fixture(scope="module")
def members(made_once) -> list[Path]:
    """Two runs that differ in their seed."""
    runs = [[*LETTERS, f"seed={seed}", f"hydra.run.dir={seed}"] for seed in (3, 4)]
    folder = made_once("members", *runs)
    return [folder / "3", folder / "4"]


@pytest.fixture(scope="module")
def both(members, tmp_path_factory) -> Path:
    """An ensemble of the two."""
    folder = tmp_path_factory.mktemp("ensemble")
    done = run_program(RNNCLF, "ensemble", *map(str, members), "--to", "both", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "both"


@pytest.fixture
def ensemble(both, tmp_path) -> Path:
    """A copy of it, which may be changed."""
    return shutil.copytree(both, tmp_path / "both")


def test_it_answers_by_the_mean_of_the_probabilities(ensemble, members):
    expected = sum(package.load(member).predict_proba(TEXTS) for member in members) / 2
    np.testing.assert_allclose(package.load(ensemble).predict_proba(TEXTS), expected, atol=1e-6)


def test_its_accuracies_are_those_of_the_mean(ensemble, members):
    metrics = json.loads((ensemble / "metrics.json").read_text())
    result, listed = metrics["result"], metrics["members"]
    both = package.load(ensemble)
    test = load_corpus(both.config.dataset, Path("unused")).test
    mean = sum(package.load(member).predict_proba(test.texts) for member in members)
    right = mean.argmax(1) == both.class_indices(test.labels)
    assert result["test_accuracy"] == pytest.approx(right.mean())
    assert [member["seed"] for member in listed] == [3, 4]
    alone = [json.loads((m / "result.json").read_text()) for m in members]
    assert result["parameters"] == sum(one["parameters"] for one in alone)
    assert "seed" not in result, "it has none of its own"
    assert [m["test_accuracy"] for m in listed] == [o["test_accuracy"] for o in alone]


def test_it_is_a_bundle_like_any_other(ensemble, rnnclf):
    verified = rnnclf("evaluate", str(ensemble))
    assert verified.returncode == 0, verified.stderr
    assert verified.stdout.count("  as reported") == 2
    exported = rnnclf("export", str(ensemble))
    assert exported.returncode == 0, exported.stderr
    assert "same labels as the model on 100 made-up texts" in exported.stdout
    assert "2 networks that were trained alike" in (ensemble / "README.md").read_text()


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
    one = str(members[0])
    for models, message in (
        ([one], "takes at least two models"),
        ([one, one], "has seed 3, like another of the models"),
        ([one, str(trained)], "differs from"),
        ([one, str(ensemble)], "is an ensemble already"),
    ):
        done = rnnclf("ensemble", *models, "--to", "new", cwd=tmp_path)
        assert done.returncode == 1
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert not (tmp_path / "new").exists()


def test_texts_of_ones_own_are_the_same_by_what_is_in_them(rnnclf, tmp_path):
    texts = tmp_path / "texts.csv"
    rows = [f"{'good' if n % 2 else 'bad'} text {n},{n % 2}\n" for n in range(40)]
    texts.write_text("".join(["text,label\n", *rows]))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "texts.csv").write_text("".join(["text,label\n", *reversed(rows)]))
    for seed, file in ((0, texts), (1, texts), (2, tmp_path / "other" / "texts.csv")):
        own = [f"dataset.file={file}", f"seed={seed}", f"hydra.run.dir={seed}"]
        done = run_program(RUN_PY, "dataset=csv", *own, *SMALL, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    write_bundle(tmp_path / "1", tmp_path / "bundle")
    done = rnnclf("ensemble", "0", "bundle", "--to", "both", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    done = rnnclf("ensemble", "0", "2", "--to", "new", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "error: 2: was trained on other texts than 0\n")


def test_a_place_that_is_taken_is_refused_before_any_work(members, rnnclf, tmp_path):
    before = sorted(members[0].rglob("*"))
    done = rnnclf("ensemble", "unseen", "unheard", "--to", str(members[0]), cwd=tmp_path)
    assert "exists and is not a bundle; nothing was changed" in done.stderr
    assert sorted(members[0].rglob("*")) == before


def rewrite(bundle: Path, weights: dict[str, torch.Tensor]) -> None:
    """Gives a bundle other weights, and the checksums of the files that it has now."""
    save_file(weights, bundle / "model.safetensors")
    metrics = json.loads((bundle / "metrics.json").read_text())
    metrics["sha256"] = {name: digest(bundle / name) for name in metrics["sha256"]}
    (bundle / "metrics.json").write_text(json.dumps(metrics))


def test_weights_that_are_no_whole_ensemble_are_refused(ensemble):
    weights = load_file(ensemble / "model.safetensors")
    last = sorted(weights)[-1]
    for altered in (
        {name: value for name, value in weights.items() if name != last},
        {name.replace("members.1.", "members.7."): value for name, value in weights.items()},
        weights | {"linear.bias": weights[last].clone()},
    ):
        rewrite(ensemble, altered)
        with pytest.raises(ModelError, match="does not fit"):
            package.load(ensemble)


def test_no_more_layers_are_made_than_there_are_weights(ensemble):
    """A few names and a number must not make a million layers."""
    config = ensemble / "config.yaml"
    config.write_text(config.read_text().replace("num_layers: 1", "num_layers: 2"))
    rewrite(ensemble, {f"members.{number}.": torch.zeros(1) for number in range(300)})
    with pytest.raises(ModelError, match="too few tensors for its layers"):
        package.load(ensemble)
    rewrite(ensemble, {f"members.{number}.": torch.zeros(1) for number in range(1001)})
    with pytest.raises(ModelError, match="more than 1000 tensors"):
        package.load(ensemble)
