"""`rnnclf export`: ONNX that answers like the model, whatever the batch and the length."""

import itertools

import numpy as np
import onnxruntime
import pytest
import torch
from processes import run_program
from project import composed

from rnnclf.bundles.export import export_onnx, inputs_of
from rnnclf.data.encoding import make_batch
from rnnclf.data.vocabulary import Vocabulary
from rnnclf.errors import ModelError
from rnnclf.files.paths import ModelPaths
from rnnclf.files.tensors import save_tensors
from rnnclf.model.classifier import Classifier
from rnnclf.model.network import RecurrentClassifier
from rnnclf.model.store import save_description

WORDS = ["<unk>", "<pad>", *(f"word{number}" for number in range(30))]


def classifier(*overrides: str) -> Classifier:
    config = composed("hidden_size=5", "embedding_size=4", *overrides)
    torch.manual_seed(0)
    model = RecurrentClassifier(config.model, len(WORDS), 3)
    return Classifier(config, Vocabulary(WORDS), ["a", "b", "c"], model.eval())


@pytest.mark.parametrize(
    ("cell", "pooling", "bidirectional"),
    list(
        itertools.product(
            ["rnn", "lstm", "gru"], ["last", "mean", "max", "attention"], ["false", "true"]
        )
    ),
)
def test_every_network_answers_like_the_original(cell, pooling, bidirectional, tmp_path):
    original = classifier(
        f"cell={cell}",
        f"model.pooling={pooling}",
        f"model.bidirectional={bidirectional}",
        "model.num_layers=2",
    )
    export_onnx(original, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    texts = ["word1 word2", "word3", "word4 unheard " * 200]
    batch = make_batch(original.encode(texts), np.arange(3))
    feeds = {"words": batch.words.t().contiguous().numpy(), "lengths": batch.lengths.numpy()}
    (probabilities,) = session.run(None, feeds)
    np.testing.assert_allclose(probabilities, original.predict_proba(texts), atol=1e-5)


def test_a_wide_path_takes_the_features_of_texts(tmp_path):
    original = classifier("model.wide_buckets=1000", "dataset.max_length=1")
    torch.nn.init.normal_(original.model.wide.weight)
    export_onnx(original, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    texts = ["word1 word2", "", "word4 unheard " * 200]
    inputs = inputs_of(original.encode(texts))
    (found,) = session.run(None, {name: values.numpy() for name, values in inputs.items()})
    np.testing.assert_allclose(found, original.predict_proba(texts), atol=1e-5)


def test_a_graph_that_answers_otherwise_is_not_written(tmp_path, monkeypatch):
    """As if the exporter had recorded another network."""
    original, other = classifier(), classifier("cell=rnn")
    export = torch.onnx.export

    def record_another(model, *arguments, **options):
        model.model = other.model
        export(model, *arguments, **options)
        model.model = original.model

    monkeypatch.setattr(torch.onnx, "export", record_another)
    (tmp_path / "model.onnx").write_text("the old one")
    with pytest.raises(ModelError, match="answers differently"):
        export_onnx(original, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_text() == "the old one"


@pytest.fixture
def folder(tmp_path):
    original = classifier()
    paths = ModelPaths(tmp_path / "model")
    paths.folder.mkdir()
    save_description(original.config, original.vocabulary, original.classes, paths)
    save_tensors(original.model.state_dict(), paths.weights)
    return paths.folder


def test_the_command_says_how_well_it_answers(folder, rnnclf):
    done = rnnclf("export", str(folder))
    assert done.returncode == 0, done.stderr
    assert "same labels on 100 random texts" in done.stdout
    assert (folder / "model.onnx").exists()


def test_without_its_packages_it_says_what_to_install(folder, tmp_path):
    (tmp_path / "without.py").write_text(
        "import sys\nsys.modules['onnxruntime'] = None\nfrom rnnclf.cli import main\n"
        f"sys.argv = ['rnnclf', 'export', {str(folder)!r}]\nmain()"
    )
    done = run_program(tmp_path / "without.py")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "pip install 'rnnclf[export]'" in done.stderr
