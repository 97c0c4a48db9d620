"""Whatever comes in: read, or refused in one clear line; what was written is read again."""

import csv
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra_study_sweeper.files import RecordError
from hydra_study_sweeper.options import all_types
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from project import composed

from rnnclf.configuration.composed import load, to_yaml
from rnnclf.configuration.overrides import override
from rnnclf.configuration.schema import Config
from rnnclf.data.tables.table import Reading, read_table
from rnnclf.data.torchtext_adapter import tokenize
from rnnclf.data.vocabulary import Vocabulary
from rnnclf.errors import ConfigError, ModelError
from rnnclf.files.answers import SUFFIXES, write_answers
from rnnclf.files.paths import ModelPaths
from rnnclf.files.predictions import Prediction, read_predictions, write_predictions
from rnnclf.files.tensors import save_tensors
from rnnclf.model.classifier import Classifier
from rnnclf.model.network import RecurrentClassifier
from rnnclf.model.store import load as load_model
from rnnclf.model.store import save_description
from rnnclf.training.checkpoint import load_checkpoint, save_checkpoint

# The same examples each time: a test run must not depend on chance. The fuzzer looks for new ones.
thorough = settings(max_examples=40, deadline=None, derandomize=True, database=None)
brief = settings(thorough, max_examples=10)

anything = st.text(st.characters())  # lone surrogates, too, as a file name or a shell may give
no_nul = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
sentences = no_nul.filter(str.strip)
shares = st.floats(0, 1)
PARTS = ("validation", "test")
labels = no_nul.map(str.strip).filter(lambda label: label and not set(label) & set("\r\n"))


def is_one_line(error: Exception) -> bool:
    return bool(str(error)) and "\n" not in str(error)


@thorough
@given(no_nul)
@example("1e3")
@example("null")
@example("a, [b]")
@example('c\\"')
@example("d\\")
@example("it's + 1")
def test_an_override_gives_any_string(value):
    assume("${" not in value)
    (parsed,) = OverridesParser.create().parse_overrides([override("key", value)])
    assert parsed.value() == value


@thorough
@given(st.lists(st.tuples(sentences, labels), min_size=1))
def test_texts_written_as_csv_are_read_again(records):
    with tempfile.NamedTemporaryFile("w", suffix=".csv", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("sentence", "label"), *records])
        file.flush()
        table = read_table(Path(file.name), Reading())
    assert not table.bad
    assert list(zip(table.texts, table.labels, strict=True)) == records


@thorough
@given(st.lists(st.tuples(no_nul, sentences), min_size=1), st.sampled_from(SUFFIXES))
def test_answers_keep_every_character_of_every_column(rows, suffix):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"answers{suffix}")
        answers = [(None if number % 2 else "a", 0.5) for number in range(len(rows))]
        write_answers(path, ["note", "text"], rows, answers)
        reading = Reading(text=["text"], labelled=False, keep=True)
        table = read_table(path, reading)
    assert table.bad == []
    assert table.texts == [text for _, text in rows]
    assert [tuple(row[:2]) for row in table.rows] == rows


PREDICTIONS = st.builds(
    Prediction,
    st.sampled_from(PARTS),
    st.none() | st.integers(1),
    *(no_nul, labels, labels, shares),
    st.fixed_dictionaries({"id": no_nul, "note": no_nul}),
)


@thorough
@given(st.lists(PREDICTIONS))
def test_predictions_are_read_as_they_were_written(predictions):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "predictions.csv")
        write_predictions(path, predictions, ["id", "note"])
        for part in PARTS:
            expected = [one for one in predictions if one.part == part]
            assert read_predictions(path, part) == expected


def test_a_further_column_cannot_stand_for_one_of_the_predictions(tmp_path):
    path = tmp_path / "predictions.csv"
    write_predictions(path, [Prediction("test", 2, "a", "x", "y", 0.5, {"label": "y"})], ["label"])
    with pytest.raises(RecordError, match="two columns of the same name"):
        read_predictions(path, "test")


@thorough
@given(st.lists(anything), anything)
def test_words_are_those_of_the_vocabulary_or_strangers(known, text):
    words = sorted({word for one in known for word in tokenize(one)})
    vocabulary = Vocabulary(["<unk>", "<pad>", *words])
    oov: dict[str, int] = {}
    indices = vocabulary.encode(tokenize(text), oov)
    names = list(oov)
    decoded = [vocabulary.words[i] if i >= 0 else names[-1 - i] for i in indices]
    assert decoded == (tokenize(text) or ["<unk>"])
    assert not set(oov) & set(words)


def make_classifier(words: list[str], classes: list[str], ngram_buckets: int) -> Classifier:
    sizes = ("model.embedding_size=3", "model.hidden_size=3", "dataset.max_length=5")
    config = composed(*sizes, f"model.ngram_buckets={ngram_buckets}")
    torch.manual_seed(0)
    model = RecurrentClassifier(config.model, len(words) + 2, len(classes)).eval()
    return Classifier(config, Vocabulary(["<unk>", "<pad>", *words]), classes, model)


@brief
@given(st.lists(no_nul), st.lists(labels, min_size=2, unique=True))
def test_a_model_that_was_written_is_loaded_with_its_words_and_labels(known, classes):
    words = sorted({word for text in known for word in tokenize(text)})
    made = make_classifier(words, classes, 0)
    with tempfile.TemporaryDirectory() as folder:
        paths = ModelPaths(Path(folder))
        save_description(made.config, made.vocabulary, made.classes, paths)
        save_tensors(made.model.state_dict(), paths.weights)
        loaded = load_model(folder)
    assert loaded.vocabulary.words == made.vocabulary.words
    assert loaded.classes == classes
    assert loaded.config == made.config


@pytest.mark.parametrize("ngram_buckets", [0, 7])
def test_every_text_is_answered_with_probabilities(ngram_buckets):
    classifier = make_classifier(["good", "bad"], ["yes", "no"], ngram_buckets)

    @thorough
    @given(st.lists(anything, min_size=1, max_size=5))
    def check(texts: list[str]) -> None:
        probabilities = classifier.predict_proba(texts)
        assert probabilities.shape == (len(texts), 2)
        assert np.allclose(probabilities.sum(1), 1)
        alone = np.concatenate([classifier.predict_proba([text]) for text in texts])
        assert np.allclose(probabilities, alone, atol=1e-6)

    check()


scalars = st.none() | st.booleans() | st.integers() | st.floats() | no_nul
values = scalars | st.lists(scalars, max_size=2) | st.dictionaries(no_nul, scalars, max_size=2)


@thorough
@given(st.sampled_from(list(all_types(Config))), values)
def test_any_value_of_any_key_is_accepted_or_refused_in_one_line(key, value):
    content = yaml.safe_load(to_yaml(composed()))
    *parents, last = key.split(".")
    node = content
    for parent in parents:
        node = node[parent]
    node[last] = value
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        path = Path(file.name)
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        try:
            config = load(path)
        except ConfigError as error:
            assert str(error)
        else:
            path.write_text(to_yaml(config), encoding="utf-8")
            assert load(path) == config


tensors = st.builds(lambda size: torch.arange(size, dtype=torch.float64), st.integers(0, 3))
leaves = tensors | st.none() | st.integers() | st.floats(allow_nan=False) | no_nul
states = st.dictionaries(
    st.integers() | no_nul,
    st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.integers(), inner, max_size=3)
        ),
        max_leaves=6,
    ),
    max_size=3,
)


@brief
@given(states, st.data())
def test_a_checkpoint_is_read_as_it_was_written_or_not_at_all(state, data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "it.safetensors"
        save_checkpoint(state, path)
        assert str(load_checkpoint(path)) == str(state)
        content = bytearray(path.read_bytes())
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= data.draw(st.integers(1, 255))
        path.write_bytes(content[: data.draw(st.integers(place, len(content)))])
        try:
            load_checkpoint(path)
        except ModelError as error:
            assert is_one_line(error)
