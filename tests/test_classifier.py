"""A saved model: loaded, asked anything, and refused when it is damaged."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import composed
from safetensors.torch import load_file, save_file

import rnnclf as package
from rnnclf.classifier import Classifier, build_model, save_description, save_weights
from rnnclf.data.vocabulary import Vocabulary
from rnnclf.errors import ModelError
from rnnclf.paths import ModelPaths

TEXTS = ["Who was it ?", "", "   ", "🙂", "how " * 100_000, "zzz \u2028 \0"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = composed("hidden_size=4", "embedding_size=3", "dataset.max_length=50")
    vocabulary = Vocabulary(["<unk>", "<pad>", "who", "was", "it", "?", "\u2028odd"])
    classes = ["a, b", "naïve"]
    torch.manual_seed(0)
    save_description(config, vocabulary, classes, ModelPaths(tmp_path))
    save_weights(build_model(config.model, 7, 2), ModelPaths(tmp_path).weights)
    return tmp_path


def test_a_model_is_loaded_as_it_was_saved(folder):
    classifier = package.load(folder)
    assert isinstance(classifier, Classifier)
    assert classifier.vocabulary.words[-1] == "\u2028odd"
    assert classifier.classes == ["a, b", "naïve"]
    saved = load_file(folder / "model.safetensors")
    assert saved.keys() == classifier.model.state_dict().keys()
    assert all(torch.equal(saved[k], v) for k, v in classifier.model.state_dict().items())


def test_any_text_is_answered(folder):
    classifier = package.load(folder)
    probabilities = classifier.predict_proba(TEXTS)
    assert probabilities.shape == (len(TEXTS), 2)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    one_by_one = np.concatenate([classifier.predict_proba([text]) for text in TEXTS])
    np.testing.assert_allclose(probabilities, one_by_one, rtol=1e-5)
    assert classifier.predict([]) == []


def test_the_command_predicts_arguments_and_lines(folder, rnnclf):
    done = rnnclf("predict", str(folder), "Who was it ?", "zzz")
    expected = package.load(folder).predict(["Who was it ?", "zzz"])
    lines = done.stdout.splitlines()
    assert [line.split("\t")[0].split(" ", 1)[1] for line in lines] == expected
    done = rnnclf("predict", str(folder), "--json", "--top", "2", input="a\nb\n")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["text"] for answer in answers] == ["a", "b"]
    assert all(len(answer["classes"]) == 2 for answer in answers)


def damage_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-5])


def pickle_weights(folder: Path) -> None:
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (folder / "executed",))

    (folder / "model.safetensors").write_bytes(pickle.dumps(Bomb()))


def reshape_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    weights["linear.weight"] = torch.zeros(3, 4)
    save_file(weights, path)


def drop_a_word(folder: Path) -> None:
    (folder / "vocabulary.txt").write_text("<unk>\n<pad>\nwho\n")


def ask_the_environment(folder: Path) -> None:
    path = folder / "config.yaml"
    path.write_text(path.read_text().replace("device: auto", "device: ${oc.env:HOME}"))


def misspell_a_key(folder: Path) -> None:
    path = folder / "config.yaml"
    path.write_text(path.read_text().replace("hidden_size", "hiden_size"))


def lose(name: str):
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    "damage",
    [
        damage_weights,
        pickle_weights,
        reshape_weights,
        drop_a_word,
        ask_the_environment,
        misspell_a_key,
        *map(lose, ("config.yaml", "model.safetensors", "vocabulary.txt", "labels.txt")),
    ],
)
def test_a_damaged_model_is_refused_in_one_line_and_nothing_is_executed(folder, damage):
    damage(folder)
    with pytest.raises(ModelError):
        package.load(folder)
    assert not (folder / "executed").exists()


def test_the_command_says_what_is_missing(tmp_path, rnnclf):
    done = rnnclf("predict", str(tmp_path), "x")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "config.yaml is missing" in done.stderr
