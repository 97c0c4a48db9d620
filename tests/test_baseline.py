"""`rnnclf baseline`: linear classifiers on the texts of the runs, and where they are shown."""

import json
import shutil
from pathlib import Path

import pytest
from processes import run_program
from project import composed

from rnnclf.data.corpus import Texts
from rnnclf.data.prepared import load
from rnnclf.data.splits import hold_out
from rnnclf.errors import DataError
from rnnclf.runs.linear import WORDS, _trained, measure_baselines


@pytest.fixture
def place(outputs, tmp_path) -> Path:
    shutil.copytree(outputs, tmp_path / "outputs")
    return tmp_path


def test_it_is_measured_on_the_runs_texts_and_ranked_beside_them(place, rnnclf):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics import accuracy_score
    from sklearn.svm import LinearSVC

    done = rnnclf("baseline", cwd=place)
    assert done.returncode == 0, done.stderr
    (path,) = (place / "outputs" / "baselines").glob("sample-*/baseline.json")
    words, with_characters = json.loads(path.read_text())["models"]

    config = composed().dataset
    corpus = load(config, place)
    training, validation = hold_out(corpus, config)
    for texts, tested, expected in (
        (training, validation, words["val_accuracy"]),
        (corpus.train, corpus.test, words["test_accuracy"]),
    ):
        vectorizer = TfidfVectorizer(ngram_range=(1, 2))
        machine = LinearSVC().fit(vectorizer.fit_transform(texts.texts), texts.labels)
        predicted = machine.predict(vectorizer.transform(tested.texts))
        assert accuracy_score(tested.labels, predicted) == expected
    assert with_characters["num_features"] > words["num_features"]

    rows = json.loads(rnnclf("compare", "--format", "json", cwd=place).stdout)
    linear = [row for row in rows if row["cell"].startswith("linear SVM")]
    for one in linear:  # a trial that was trained again may rank above better values
        above = [row["val_accuracy"] for row in rows[: rows.index(one)]]
        assert all(value >= one["val_accuracy"] for value in above)
    assert {row["refit_test"]["mean"] for row in linear} == {
        words["test_accuracy"],
        with_characters["test_accuracy"],
    }
    assert all(row["rank"] is None for row in linear)
    assert rnnclf("pick", cwd=place).stdout.count("models/sample-") == 2, "not among the models"
    assert rnnclf("report", cwd=place).returncode == 0
    assert f"test accuracy {words['test_accuracy']:.4f}" in (place / "report.html").read_text()


def test_on_another_split_it_stands_beside_no_run(place, rnnclf):
    assert rnnclf("baseline", cwd=place).returncode == 0
    (path,) = (place / "outputs" / "baselines").glob("sample-*/baseline.json")
    measured = json.loads(path.read_text())
    measured["dataset"]["split_seed"] = 1
    path.write_text(json.dumps(measured))
    assert "linear SVM" not in rnnclf("compare", cwd=place).stdout
    path.write_text("{}")
    done = rnnclf("compare", cwd=place)
    assert done.returncode == 0
    assert "baseline.json" in done.stderr


def test_without_runs_or_scikit_learn_it_says_what_to_do(place, rnnclf, tmp_path):
    (tmp_path / "empty").mkdir()
    done = rnnclf("baseline", "empty", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "error: no finished run below empty\n"
    (tmp_path / "without.py").write_text(
        "import sys\nsys.modules['sklearn'] = None\nfrom rnnclf.cli.commands import main\n"
        "sys.argv = ['rnnclf', 'baseline']\nmain()"
    )
    done = run_program(tmp_path / "without.py", cwd=place)
    assert done.returncode == 1
    assert "pip install 'rnnclf[baseline]'" in done.stderr


def test_texts_without_words_are_refused():
    texts = Texts(["a b", "c d"], ["one", "two"])
    with pytest.raises(DataError, match="empty vocabulary"):
        _trained(WORDS, texts)


def test_a_configuration_that_cannot_be_is_named(place, rnnclf):
    for path in (place / "outputs").glob("**/config.yaml"):
        path.write_text(path.read_text().replace("train_fraction: 0.75", "train_fraction: 1e308"))
    done = rnnclf("baseline", cwd=place)
    assert done.returncode == 1
    assert "config.yaml: dataset.train_fraction must be" in done.stderr


def test_it_has_the_class_weights_of_the_runs(tmp_path):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics import f1_score
    from sklearn.svm import LinearSVC

    config = composed("training.class_weights=balanced")
    corpus = load(config.dataset, tmp_path)
    vectorizer = TfidfVectorizer(ngram_range=(1, 2))
    machine = LinearSVC(class_weight="balanced")
    machine.fit(vectorizer.fit_transform(corpus.train.texts), corpus.train.labels)
    predicted = machine.predict(vectorizer.transform(corpus.test.texts))
    words, _ = measure_baselines(config, tmp_path).models
    assert words.test_macro_f1 == f1_score(corpus.test.labels, predicted, average="macro")
    assert _trained(WORDS, corpus.train, "balanced")[-1].class_weight == "balanced"
