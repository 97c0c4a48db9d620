"""Bundles: made of a run, loaded without the data, verified, refused when they were changed."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hydra_study_sweeper.intervals import seed_values
from hydra_study_sweeper.records import FinalModel, RefitRecord
from scipy.stats import norm

import rnnclf as package
from rnnclf.bundles.bundle import write_bundle
from rnnclf.bundles.card import accuracy_interval
from rnnclf.bundles.verify import verify
from rnnclf.errors import DataError, ModelError

TEXTS = ["Who wrote it?", "", "🙂", "how " * 25_000]
REFIT = RefitRecord(
    trial=3,
    validation=seed_values([0.7, 0.8]),
    final=seed_values([0.6, 0.7]),
    model=FinalModel(seed=1, value=0.7, folder="refit-of-3/2"),
    best_step=None,
    failed=0,
)


@pytest.fixture
def bundle(trained, tmp_path) -> Path:
    write_bundle(trained, tmp_path / "sample-gru")
    return tmp_path / "sample-gru"


def result_in(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text())


# Making


def test_a_bundle_has_the_model_what_it_achieved_and_a_page(bundle, trained):
    assert sorted(path.name for path in bundle.iterdir()) == [
        *("README.md", "config.yaml", "labels.txt", "metrics.json"),
        *("model.safetensors", "vocabulary.txt"),
    ]
    metrics = json.loads((bundle / "metrics.json").read_text())
    result = result_in(trained)
    assert metrics["result"]["test_accuracy"] == result["test_accuracy"]
    assert metrics["refit"] is None
    assert sorted(metrics["sha256"]) == [
        *("config.yaml", "labels.txt", "model.safetensors", "vocabulary.txt")
    ]


def test_a_bundle_answers_like_the_run_and_needs_nothing_else(bundle, trained, tmp_path):
    expected = package.load(trained).predict_proba(TEXTS)
    moved = tmp_path / "elsewhere"
    shutil.move(bundle, moved)
    np.testing.assert_array_equal(package.load(moved).predict_proba(TEXTS), expected)


def test_a_bundle_says_nothing_of_its_makers_folders(bundle, trained):
    for path in bundle.iterdir():
        assert str(trained.parent).encode() not in path.read_bytes(), path


def test_pretrained_vectors_are_named_without_their_folder(run_py, tmp_path):
    vectors = tmp_path / "mine" / "glove.txt"
    vectors.parent.mkdir()
    vectors.write_text("who 0.1 0.2 0.3\nwhat 0.3 0.2 0.1\n")
    sizes = ("embedding_size=3", "hidden_size=8", "epochs=1")
    run_py(f"model.vectors={vectors}", *sizes, "hydra.run.dir=run")
    write_bundle(tmp_path / "run", tmp_path / "bundle")
    assert package.load(tmp_path / "bundle").config.model.vectors == "glove.txt"


def test_an_older_bundle_is_replaced_and_anything_else_is_not(bundle, trained, tmp_path):
    (bundle / "note").touch()
    write_bundle(trained, bundle)
    assert not (bundle / "note").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(ModelError, match="exists and is not a bundle"):
        write_bundle(trained, mine)
    assert (mine / "thesis.txt").read_text() == "years of work"


def test_a_damaged_run_makes_no_bundle_and_leaves_the_old_one(bundle, trained, tmp_path):
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    damaged = tmp_path / "damaged"
    shutil.copytree(trained, damaged)
    (damaged / "labels.txt").write_text("one\n")
    with pytest.raises(ModelError):
        write_bundle(damaged, bundle)
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged", "sample-gru"]


@pytest.mark.parametrize("content", [None, "{", "{}", "[]"])
def test_a_run_without_a_whole_result_makes_no_bundle(content, trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    (run / "result.json").unlink()
    if content is not None:
        (run / "result.json").write_text(content)
    with pytest.raises(ModelError, match=re.escape(str(run))):
        write_bundle(run, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


# The model card


def test_the_card_has_the_accuracies_with_intervals(bundle, trained):
    card = (bundle / "README.md").read_text()
    result = result_in(trained)
    low, high = accuracy_interval(result["test_accuracy"], 150)
    assert f"| test | 150 | {result['test_accuracy']:.4f} | {low:.4f} to {high:.4f} |" in card
    assert "The validation accuracy is too optimistic" in card
    assert "never tested" not in card


def test_the_card_of_a_model_that_was_never_tested_says_so(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    result = result_in(run) | {"test_accuracy": None, "test_macro_f1": None}
    (run / "result.json").write_text(json.dumps(result))
    write_bundle(run, tmp_path / "bundle")
    card = (tmp_path / "bundle" / "README.md").read_text()
    assert "The model was never tested." in card
    assert "| test |" not in card


def test_the_card_of_a_studys_winner_has_the_spread_over_seeds(trained, tmp_path):
    write_bundle(trained, tmp_path / "bundle", study="sample-gru", refit=REFIT)
    card = (tmp_path / "bundle" / "README.md").read_text()
    assert "0.7500 ± 0.0707 (2) on the validation texts" in card
    assert "0.6500 ± 0.0707 (2) on the test texts" in card


def test_the_cards_python_runs(bundle, monkeypatch):
    monkeypatch.chdir(bundle.parent)
    card = (bundle / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    names = {}
    exec(code, names)
    assert names["classifier"].classes == (bundle / "labels.txt").read_text().splitlines()


def test_the_interval_is_wilsons():
    accuracy, texts, z = 0.83, 1488, norm.ppf(0.975)
    p = round(accuracy * texts) / texts
    middle = (p + z**2 / (2 * texts)) / (1 + z**2 / texts)
    half = z / (1 + z**2 / texts) * np.sqrt(p * (1 - p) / texts + z**2 / (4 * texts**2))
    assert accuracy_interval(accuracy, texts) == pytest.approx((middle - half, middle + half))


# What was changed


def flip_a_bit_of_a_weight(bundle: Path) -> None:
    path = bundle / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)


def swap_two_labels(bundle: Path) -> None:
    path = bundle / "labels.txt"
    path.write_text("\n".join(reversed(path.read_text().splitlines())) + "\n")


def truncate(bundle: Path) -> None:
    path = bundle / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def swell(bundle: Path) -> None:
    os.truncate(bundle / "model.safetensors", 2**40)


def claim_a_newer_format(bundle: Path) -> None:
    path = bundle / "metrics.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 99', 1))


def write_metrics(content: str):
    def change(bundle: Path) -> None:
        (bundle / "metrics.json").write_text(content)

    change.__name__ = content[:20]
    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (flip_a_bit_of_a_weight, "model.safetensors: changed or damaged"),
        (swap_two_labels, "labels.txt: changed or damaged"),
        (truncate, "model.safetensors: changed or damaged"),
        (swell, "model.safetensors: larger than"),
        (claim_a_newer_format, "not what this rnnclf writes (unreadable: Invalid enum value 99"),
        (write_metrics("{"), "not what this rnnclf writes"),
        (write_metrics("[]"), "not what this rnnclf writes"),
        (write_metrics('{"format": 1, "sha256": {}}'), "not what this rnnclf writes"),
        (write_metrics("[" * 100_000), "not what this rnnclf writes"),
    ],
)
def test_a_changed_bundle_is_refused(change, message, bundle):
    change(bundle)
    with pytest.raises(ModelError, match=re.escape(message)):
        package.load(bundle)


def test_the_command_refuses_it_in_one_line(bundle, rnnclf):
    flip_a_bit_of_a_weight(bundle)
    done = rnnclf("predict", str(bundle), "text")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)


# Verifying


def test_the_reported_accuracies_are_computed_anew(bundle, trained, rnnclf):
    done = rnnclf("evaluate", str(bundle))
    assert done.returncode == 0, done.stderr
    (validation, test) = done.stdout.splitlines()
    assert validation.startswith("validation")
    assert test.endswith("as reported")
    assert f"computed {result_in(trained)['test_accuracy']:.4f}" in test
    assert [one.agrees for one in verify(trained, Path("data"))] == [True, True]


def test_a_wrong_claim_is_found(bundle, rnnclf):
    path = bundle / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["result"]["test_accuracy"] += 0.02
    path.write_text(json.dumps(metrics))
    done = rnnclf("evaluate", str(bundle))
    assert done.returncode == 1
    assert "NOT AS REPORTED" in done.stdout
    assert "its accuracies are not as reported" in done.stderr


@pytest.mark.parametrize(
    "result",
    [
        None,
        [],
        {"texts": {}},
        {"test_accuracy": "good"},
        {"test_accuracy": float("nan")},
        {"texts": {"train": 405, "validation": 45, "test": "150"}},
    ],
)
def test_a_claim_that_makes_no_sense_is_refused(result, bundle):
    path = bundle / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["result"] = metrics["result"] | result if isinstance(result, dict) else result
    path.write_text(json.dumps(metrics))
    with pytest.raises(ModelError, match="not what this rnnclf writes"):
        verify(bundle, Path("data"))


def test_a_model_that_was_never_tested_is_not_tested_now(bundle):
    path = bundle / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["result"]["test_accuracy"] = None
    path.write_text(json.dumps(metrics))
    assert [one.part for one in verify(bundle, Path("data"))] == ["validation"]


def test_other_data_than_the_models_is_refused(bundle):
    path = bundle / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["result"]["splits"] = "0123456789ab"
    path.write_text(json.dumps(metrics))
    with pytest.raises(DataError, match="the model was made with other data"):
        verify(bundle, Path("data"))


def test_an_accuracy_on_texts_that_the_configuration_does_not_leave_is_refused(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    config = (run / "config.yaml").read_text()
    changed = config.replace("validation_fraction: 0.1", "validation_fraction: 0.0")
    assert changed != config
    (run / "config.yaml").write_text(changed)
    with pytest.raises(DataError, match="the model was made with other data"):
        verify(run, Path("data"))


def test_ones_own_csv_data_is_found_by_its_folder(run_py, tmp_path):
    data = tmp_path / "letters"
    data.mkdir()
    for name in ("train", "test"):
        rows = "".join(f"{letter} {n},{letter}\n" for n in range(20) for letter in "ab")
        (data / f"{name}.csv").write_text(f"sentence,label\n{rows}")
    run_py("dataset=csv", f"dataset.folder={data}", "epochs=1", "hydra.run.dir=run")
    write_bundle(tmp_path / "run", tmp_path / "bundle")
    (validation, test) = verify(tmp_path / "bundle", data)
    assert verify(tmp_path / "bundle", data.parent) == [validation, test]
    assert validation.agrees and test.agrees
    assert str(data) not in (tmp_path / "bundle" / "config.yaml").read_text()
