"""`rnnclf export`: ONNX that answers like the model, whatever the batch and the length."""

import itertools
import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch
from processes import run_program
from project import composed

from rnnclf.bundles.export import export_onnx
from rnnclf.data.vocabulary import Vocabulary
from rnnclf.errors import ModelError
from rnnclf.files.paths import ModelPaths
from rnnclf.files.tensors import save_tensors
from rnnclf.model.batches import make_batch
from rnnclf.model.classifier import Classifier
from rnnclf.model.network import RecurrentClassifier
from rnnclf.model.store import save_description

WORDS = ["<unk>", "<pad>", *(f"word{number}" for number in range(30))]


def classifier(**model: object) -> Classifier:
    config = composed("hidden_size=5", "embedding_size=4")
    config.model = replace(config.model, **model)
    torch.manual_seed(0)
    model = RecurrentClassifier(config.model, len(WORDS), 3)
    return Classifier(config, Vocabulary(WORDS), ["a", "b", "c"], model.eval())


@pytest.mark.parametrize(
    ("cell", "pooling", "bidirectional"),
    list(
        itertools.product(
            ["rnn", "lstm", "gru"], ["last", "mean", "max", "attention"], [False, True]
        )
    ),
)
def test_every_network_answers_like_the_original(cell, pooling, bidirectional, tmp_path):
    original = classifier(cell=cell, pooling=pooling, bidirectional=bidirectional, num_layers=2)
    export_onnx(original, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    texts = ["word1 word2", "word3", "word4 unheard " * 200]
    batch = make_batch(original.encode(texts), np.arange(3))
    feeds = {"words": batch.words.t().contiguous().numpy(), "lengths": batch.lengths.numpy()}
    (probabilities,) = session.run(None, feeds)
    np.testing.assert_allclose(probabilities, original.predict_proba(texts), atol=1e-5)


def test_a_graph_that_answers_otherwise_is_not_written(tmp_path, monkeypatch):
    """As if the exporter had recorded another network."""
    original, other = classifier(), classifier(cell="rnn")
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


def test_the_written_page_answers_every_text_as_the_model_does(tmp_path):
    """In a process that has no rnnclf and no torch, with unknown words and texts that are cut."""
    words = ["<unk>", "<pad>", "'", ".", "(", "it", "was", "s", "<br", "/>", "▁", "i", "t"]
    alphabet = [*words, "It's", '"was"', "unheard", "<br />", "WAS.", ";it:", "(!?)", "\u2028", ""]
    alphabet += ["Größe", "x-ray_vision", "\ud800", "\U0001f40b"]
    chance = random.Random(0)
    texts = [" ".join(chance.choices(alphabet, k=chance.randint(0, 20))) for _ in range(150)]
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    originals = []
    for number, (tokens, length, truncation, buckets) in enumerate(
        [
            *(("words", "null", "head", 0), ("words", 5, "head", 0), ("words", 4, "head_tail", 9)),
            *(("characters", 7, "head_tail", 0), ("words", 5, "head_tail", 10_000)),
        ]
    ):
        cut = [f"dataset.max_length={length}", f"dataset.truncation={truncation}"]
        cut += [f"dataset.tokens={tokens}", f"model.wide_buckets={buckets}"]
        config = composed("hidden_size=5", "embedding_size=4", *cut)
        torch.manual_seed(0)
        model = RecurrentClassifier(config.model, len(words), 3).eval()
        if model.wide:
            torch.nn.init.normal_(model.wide.weight)
        originals.append(Classifier(config, Vocabulary(words), ["a", "b", "c"], model))
        export_onnx(originals[-1], tmp_path / f"model{number}.onnx")
    code = (
        "import sys, json; sys.modules['torch'] = sys.modules['rnnclf'] = None\n"
        "from importlib import import_module\n"
        "texts = json.load(open('texts.json'))\n"
        "for name in sys.argv[1:]:\n"
        "    model = import_module(name).Model(f'{name}.onnx')\n"
        "    print(json.dumps([model.predict(texts), model.predict_proba(texts).tolist()]))"
    )
    names = [f"model{number}" for number in range(len(originals))]
    done = subprocess.run(
        [sys.executable, "-c", code, *names],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    for original, answers in zip(originals, done.stdout.splitlines(), strict=True):
        labels, probabilities = json.loads(answers)
        assert labels == original.predict(texts)
        np.testing.assert_allclose(probabilities, original.predict_proba(texts), atol=1e-5)
    done = subprocess.run(
        [sys.executable, tmp_path / f"{names[-1]}.py", "it was", "-x"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert [line[6:] for line in done.stdout.splitlines()] == [
        f"{label}\t{text}"
        for text, label in zip(["it was", "-x"], original.predict(["it was", "-x"]), strict=True)
    ]


def test_the_written_page_has_help_and_ends_without_a_word_when_nobody_reads(tmp_path):
    export_onnx(classifier(), tmp_path / "model.onnx")
    page = [sys.executable, tmp_path / "model.py"]
    done = subprocess.run([*page, "-h"], capture_output=True, text=True, check=True)
    assert "python model.py TEXT..." in done.stdout
    reader, writer = os.pipe()
    os.close(reader)  # as `| head` does
    done = subprocess.run([*page, "word1"], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")


def test_the_written_page_lets_no_name_rule_the_terminal_and_reports_to_nobody(tmp_path):
    original = classifier()
    original.classes[:] = ["\x1b[2J", "\u202eb", "c\u2028"]
    export_onnx(original, tmp_path / "model.onnx")
    command = [sys.executable, tmp_path / "model.py", "word1", "\x9b2J"]
    home = {"HOME": str(tmp_path / "home"), "PYTHONUTF8": "1"}
    (tmp_path / "home").mkdir()
    done = subprocess.run(command, env=home, check=True, capture_output=True, text=True)
    assert done.stdout.count("\n") == 2
    assert done.stdout.replace("\n", "").replace("\t", "").isprintable()
    assert not list((tmp_path / "home").rglob("*")), "onnxruntime leaves no device's number"


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
    assert "same labels as the model on 100 made-up texts" in done.stdout
    assert (folder / "model.onnx").exists()
    (folder / "model.py").write_text("print('mine')")
    done = rnnclf("export", str(folder))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "model.py exists and is not what rnnclf export writes" in done.stderr
    for name, message in (("model", "must end in .onnx"), ("json.onnx", "the module json; rename")):
        done = rnnclf("export", str(folder), "-o", str(folder / name))
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert message in done.stderr


def test_without_its_packages_it_says_what_to_install(folder, tmp_path):
    (tmp_path / "without.py").write_text(
        "import sys\nsys.modules['onnxruntime'] = None\nfrom rnnclf.cli.commands import main\n"
        f"sys.argv = ['rnnclf', 'export', {str(folder)!r}]\nmain()"
    )
    done = run_program(tmp_path / "without.py")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "pip install 'rnnclf[export]'" in done.stderr
