"""A saved model: loaded, asked anything, and refused when it is damaged."""

import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from project import composed
from safetensors.torch import load_file, save_file

import rnnclf as package
from rnnclf.data.vocabulary import Vocabulary
from rnnclf.errors import ModelError
from rnnclf.files.paths import ModelPaths
from rnnclf.files.tensors import save_tensors
from rnnclf.model.classifier import Classifier
from rnnclf.model.network import RecurrentClassifier
from rnnclf.model.store import save_description

TEXTS = ["Who was it ?", "", "   ", "🙂", "how " * 100_000, "zzz \u2028 \0"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = composed("hidden_size=4", "embedding_size=3", "dataset.max_length=50")
    vocabulary = Vocabulary(["<unk>", "<pad>", "who", "was", "it", "?", "\u2028odd"])
    classes = ["a, b", "naïve"]
    torch.manual_seed(0)
    save_description(config, vocabulary, classes, ModelPaths(tmp_path))
    save_tensors(RecurrentClassifier(config.model, 7, 2).state_dict(), ModelPaths(tmp_path).weights)
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
    with pytest.raises(TypeError, match="a list of strings"):
        classifier.predict("Who was it ?")


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


def rewrite_weights(change):
    def damage(folder: Path) -> None:
        path = folder / "model.safetensors"
        weights = load_file(path)
        change(weights)
        save_file(weights, path)

    damage.__name__ = change.__name__
    return damage


def not_a_number(weights: dict) -> None:
    weights["linear.bias"][0] = torch.nan


def half_precision(weights: dict) -> None:
    weights["linear.bias"] = weights["linear.bias"].half()


def one_too_many(weights: dict) -> None:
    weights["extra"] = torch.zeros(1)


def one_too_few(weights: dict) -> None:
    del weights["linear.bias"]


def set_in_config(old: str, new: str):
    def damage(folder: Path) -> None:
        path = folder / "config.yaml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    damage.__name__ = new.replace("\n", " ")
    return damage


def link_out_of_the_folder(folder: Path) -> None:
    outside = folder.parent / f"{folder.name}-labels"
    (folder / "labels.txt").rename(outside)
    (folder / "labels.txt").symlink_to(outside)


def pipe_for_labels(folder: Path) -> None:
    (folder / "labels.txt").unlink()
    os.mkfifo(folder / "labels.txt")


def repeat_a_label(folder: Path) -> None:
    (folder / "labels.txt").write_text("a\na\n")


def latin_1_vocabulary(folder: Path) -> None:
    path = folder / "vocabulary.txt"
    path.write_bytes(path.read_bytes().replace(b"who", b"wh\xe9"))


def grow_in_aliases(folder: Path) -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)]
    path = folder / "config.yaml"
    path.write_text(path.read_text() + "\n".join(lines) + "\n")


def link_in_a_circle(folder: Path) -> None:
    (folder / "labels.txt").unlink()
    (folder / "labels.txt").symlink_to("labels.txt")


def pipe_for_metrics(folder: Path) -> None:
    os.mkfifo(folder / "metrics.json")


def nest_without_end(folder: Path) -> None:
    (folder / "config.yaml").write_text("dataset: " + "[" * 1000)


def repeat_a_word(folder: Path) -> None:
    path = folder / "vocabulary.txt"
    path.write_text(path.read_text().replace("was", "who"))


def begin_with_another_word(folder: Path) -> None:
    path = folder / "vocabulary.txt"
    path.write_text(path.read_text().replace("<pad>", "pad"))


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
        *map(rewrite_weights, (not_a_number, half_precision, one_too_many, one_too_few)),
        set_in_config("hidden_size: 4", "hidden_size: 1000000000"),
        set_in_config("hidden_size: 4", "hidden_size: 10000000000000000000000"),
        set_in_config("num_layers: 1", "num_layers: 1000000000"),
        set_in_config("device: auto", "device: auto\n_target_: os.system"),
        set_in_config("device: auto", "device: !!python/object/apply:os.system [touch executed]"),
        link_out_of_the_folder,
        link_in_a_circle,
        pipe_for_labels,
        pipe_for_metrics,
        nest_without_end,
        repeat_a_label,
        repeat_a_word,
        begin_with_another_word,
        latin_1_vocabulary,
        grow_in_aliases,
        *map(lose, ("config.yaml", "model.safetensors", "vocabulary.txt", "labels.txt")),
    ],
)
def test_a_damaged_model_is_refused_in_one_line_and_nothing_is_executed(folder, damage):
    damage(folder)
    with pytest.raises(ModelError, match=re.escape(str(folder))):
        package.load(folder)
    assert not (folder / "executed").exists()
