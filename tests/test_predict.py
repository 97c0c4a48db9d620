"""`rnnclf predict`: texts from arguments, lines or a CSV file, answers in three formats."""

import csv
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from processes import FORKSERVER, Program
from project import RNNCLF, composed

import rnnclf as package
from rnnclf.cli.models import BATCH
from rnnclf.data.vocabulary import Vocabulary
from rnnclf.files.paths import ModelPaths
from rnnclf.files.tensors import save_tensors
from rnnclf.model.network import RecurrentClassifier
from rnnclf.model.store import save_description

# As on a terminal of its own; what starts the tests may have turned off Python's buffers.
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
CLASSES = ["a, b", "naïve", "plain"]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("model")
    config = composed("hidden_size=8", "embedding_size=3")
    vocabulary = Vocabulary(["<unk>", "<pad>", "who", "was", "it", "?"])
    torch.manual_seed(0)
    save_description(config, vocabulary, CLASSES, ModelPaths(folder))
    save_tensors(RecurrentClassifier(config.model, 6, 3).state_dict(), ModelPaths(folder).weights)
    return str(folder)


@pytest.fixture
def expected(model):
    """The classes of texts from the most to the least probable, by the library."""
    classifier = package.load(model)

    def ranked(texts: list[str]) -> list[list[str]]:
        return [[CLASSES[i] for i in row] for row in (-classifier.predict_proba(texts)).argsort(1)]

    return ranked


def test_arguments_are_texts(model, rnnclf, expected):
    done = rnnclf("predict", model, "Who was it ?", "zzz")
    classes = [line.split("\t")[0].split(" ", 1)[1] for line in done.stdout.splitlines()]
    assert classes == [row[0] for row in expected(["Who was it ?", "zzz"])]


def test_lines_of_standard_input_are_texts(model, rnnclf, expected):
    texts = ["who was", "", "🙂 it", "who " * 25_000]
    done = rnnclf("predict", model, "--format", "json", input="\n".join(texts) + "\n")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["text"] for answer in answers] == texts
    assert [a["classes"][0]["label"] for a in answers] == [row[0] for row in expected(texts)]


def test_top_lists_more_classes_from_the_most_probable_down(model, rnnclf, expected):
    (line,) = rnnclf("predict", model, "--format", "json", "--top", "2", "it").stdout.splitlines()
    classes = json.loads(line)["classes"]
    assert [c["label"] for c in classes] == expected(["it"])[0][:2]
    assert classes[0]["probability"] >= classes[1]["probability"]
    (line,) = rnnclf("predict", model, "--format", "json", "--top", "9", "it").stdout.splitlines()
    assert sum(c["probability"] for c in json.loads(line)["classes"]) == pytest.approx(1)


def test_a_csv_file_in_and_out(model, rnnclf, expected, tmp_path):
    texts = ['said "who"', "was\nit", "", "a,b"]
    with (tmp_path / "in.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["id", "sentence"], *([n, text] for n, text in enumerate(texts))])
    done = rnnclf("predict", model, "--csv", str(tmp_path / "in.csv"), "--format", "csv")
    records = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [record["sentence"] for record in records] == texts
    assert [record["label"] for record in records] == [row[0] for row in expected(texts)]
    assert {record["rank"] for record in records} == {"1"}


def test_a_text_with_line_ends_stays_on_its_line(model, rnnclf, tmp_path):
    (tmp_path / "in.csv").write_text('sentence\n"was\nit"\n')
    done = rnnclf("predict", model, "--csv", str(tmp_path / "in.csv"))
    assert done.stdout.endswith("\twas it\n")
    assert done.stdout.count("\n") == 1


def test_bytes_that_are_not_utf_8_are_replaced(model, rnnclf):
    done = rnnclf("predict", model, "--format", "json", input=b"caf\xe9\r\nit\n")
    assert [json.loads(line)["text"] for line in done.stdout.splitlines()] == ["caf�", "it"]


def test_arguments_are_any_bytes_and_answers_utf_8_whatever_the_terminal_is(model):
    command = [sys.executable, "-m", "rnnclf", "predict", model, b"\xe9", "🙂"]
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(command, capture_output=True, check=True, env=environment)
    texts = [line.split("\t")[1] for line in done.stdout.decode("utf-8").splitlines()]
    assert texts == ["?", "🙂"]


@pytest.mark.parametrize("kind", ["text", "json", "csv"])
@pytest.mark.parametrize("lines", [1, 50_000])
def test_a_reader_that_has_enough_ends_it_quietly(kind, lines, model, rnnclf):
    reader, writer = FORKSERVER.Pipe(duplex=False)
    reader.close()
    with writer:
        texts = "who was it ?\n" * lines
        done = rnnclf("predict", model, "--format", kind, input=texts, stdout=writer)
    assert done.stderr == ""


def test_also_at_the_end_of_python(model, tmp_path):
    """Which flushes the streams once more."""
    (tmp_path / "lines").write_text("who was it ?\n")
    command = f"{sys.executable} -m rnnclf predict {model} < {tmp_path}/lines | exec 0<&-"
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, check=True, env=BUFFERED
    )
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("kind", ["text", "json", "csv"])
def test_answers_come_as_the_texts_do(kind, model):
    stdin, texts = FORKSERVER.Pipe(duplex=False)
    answers, stdout = FORKSERVER.Pipe(duplex=False)
    pipes = {"stdin": stdin, "stdout": stdout}
    with texts, answers, Program(RNNCLF, "predict", model, "--format", kind, **pipes):
        os.write(texts.fileno(), b"who\n" * BATCH)
        with open(answers.fileno(), encoding="utf-8", closefd=False) as lines:
            read = [lines.readline() for _ in range(BATCH + (kind == "csv"))]
        assert read[-1].count("who") == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\nc,d\n", "which column has the text? set dataset.text"),
        (b"", "no rows in it"),
        (b"sentence\ncaf\xe9\n", "line 2: byte 0xe9 is not UTF-8"),
        (b'sentence\n"open\n', "line 2: a quote is opened and never closed"),
        (None, "no such file"),
    ],
)
def test_a_wrong_csv_file_is_one_line(content, message, model, rnnclf, tmp_path):
    if content is not None:
        (tmp_path / "in.csv").write_bytes(content)
    done = rnnclf("predict", model, "--csv", str(tmp_path / "in.csv"))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert message in done.stderr


def test_texts_and_a_file_exclude_each_other(model, rnnclf):
    assert rnnclf("predict", model, "text", "--csv", "in.csv").returncode == 2


def test_a_folder_without_a_model_says_what_is_missing(tmp_path, rnnclf):
    done = rnnclf("predict", str(tmp_path), "x")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "config.yaml is missing; rnnclf compare lists the runs" in done.stderr


def test_ten_thousand_short_questions_take_seconds(model, rnnclf, tmp_path: Path):
    lines = "".join(f"who was it number {n} ?\n" for n in range(10_000))
    start = time.perf_counter()
    done = rnnclf("predict", model, input=lines)
    assert done.stdout.count("\n") == 10_000
    assert time.perf_counter() - start < 15
