"""`model.init_from`: training goes on from a model, with more words and classes."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import rnnclf as package

SMALL = (
    *("hidden_size=8", "embedding_size=8", "epochs=2"),
    *("dataset=csv", "model.wide_buckets=0", "dataset.folder=data"),
)
OLD = [("good film", "pos"), ("bad film", "neg")]
NEW = [("splendid play", "pos"), ("good play", "pos"), ("awful play", "neg"), ("a bill", "mail")]


def write_data(folder: Path, pairs: list[tuple[str, str]]) -> None:
    folder.mkdir(exist_ok=True)
    for name, times in (("train", 20), ("test", 1)):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("sentence", "label"), *pairs * times])


@pytest.mark.parametrize("ngrams", ["model.ngram_buckets=0", "model.ngram_buckets=50"])
def test_it_goes_on_with_all_words_and_classes(run_py, tmp_path, ngrams):
    write_data(tmp_path / "data", OLD)
    run_py(*SMALL, ngrams, "hydra.run.dir=old").check_returncode()
    old = package.load(tmp_path / "old")
    write_data(tmp_path / "data", NEW)
    settings = [*SMALL, ngrams, "hydra.run.dir=new", "init_from=old"]
    run_py(*settings, "lr=1e-30").check_returncode()  # so that nothing is learned
    new = package.load(tmp_path / "new")
    assert new.classes == ["mail", "neg", "pos"]
    assert set(new.vocabulary.words) == {
        *old.vocabulary.words,
        *["splendid", "play", "awful", "a", "bill"],
    }
    texts = ["good film", "bad", "film film good"]  # old words, some of them not in the new texts
    np.testing.assert_allclose(
        new.logits(texts)[:, 1:], old.logits(texts), rtol=1e-5, err_msg="old words and classes"
    )
    result = json.loads((tmp_path / "new" / "result.json").read_text())
    assert result["classes"] == 3
    assert result["vocabulary_size"] == len(new.vocabulary)


def test_words_of_the_model_are_known_in_validation_texts_too(run_py, tmp_path):
    """They were out of the training texts' vocabulary when these were prepared."""
    write_data(tmp_path / "data", OLD * 3)
    run_py(*SMALL, "hydra.run.dir=old", "epochs=20", "lr=0.05").check_returncode()
    write_data(tmp_path / "data", [("good film", "pos"), ("bad film", "neg")] * 3)
    rare = ["dataset.min_frequency=1000", "lr=1e-30", "epochs=1"]
    run_py("from=old", "init_from=old", "hydra.run.dir=new", *rare).check_returncode()
    result = json.loads((tmp_path / "new" / "result.json").read_text())
    (epoch,) = map(json.loads, (tmp_path / "new" / "metrics.jsonl").read_text().splitlines())
    assert (epoch["val_accuracy"], epoch["train_accuracy"]) == (1, 1)
    assert epoch["val_loss"] == pytest.approx(result["val_loss"])


@pytest.mark.parametrize("place", ["dataset.file=data/train.csv", "dataset.folder=data"])
def test_a_test_part_that_is_drawn_anew_is_warned_of(run_py, tmp_path, place):
    """It may have texts that the model has learned, if the file has grown."""
    write_data(tmp_path / "data", OLD)
    (tmp_path / "data" / "test.csv").rename(tmp_path / "test.csv")
    run = (*SMALL[:-1], place, "epochs=1")
    run_py(*run, "hydra.run.dir=old").check_returncode()
    warning = "the model may have been trained on some of them"
    assert warning in run_py(*run, "init_from=old", "hydra.run.dir=new").stdout
    (tmp_path / "test.csv").rename(tmp_path / "data" / "test.csv")
    if "file" in place:
        run = (*run, "dataset.test_file=data/test.csv")
    tested = run_py(*run, "init_from=old", "hydra.run.dir=tested")
    assert tested.returncode == 0 and warning not in tested.stdout


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["init_from=nowhere"], "nowhere: no model here"),
        (["hidden_size=9"], "has model.hidden_size=16, this run 9; from=FOLDER takes over all"),
        (["model.pooling=mean"], "has model.pooling=last, this run mean"),
        (["model.vectors=x.txt"], "model.init_from has word vectors already"),
    ],
)
def test_what_cannot_be_gone_on_from(overrides, message, run_py, trained, tmp_path):
    same = ["hidden_size=16", "embedding_size=16", f"init_from={trained}"]
    done = run_py(*same, "hydra.run.dir=new", *overrides)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
