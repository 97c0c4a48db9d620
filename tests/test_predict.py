"""`rnnclf predict` and `evaluate --file`: texts from arguments, lines or files, and answers."""

import csv
import io
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow
import pytest
import torch
from processes import FORKSERVER, Program
from project import RNNCLF, composed
from pyarrow import parquet

import rnnclf as package
from rnnclf.bundles.card import accuracy_interval
from rnnclf.bundles.measure import macro_f1_interval
from rnnclf.cli.predict import BATCH
from rnnclf.data.tables.table import Reading, read_table
from rnnclf.data.vocabulary import Vocabulary
from rnnclf.files.answers import write_answers
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


TEXTS = [
    'said "who"',
    "was\nit",
    "",
    "a,b",
    "it\rwas",
    "who\r\n",
    "\u2028it\x85",
    "-1 it",
    "\x1c it\t",
]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_a_file_keeps_its_columns_and_every_character(suffix, model, rnnclf, expected, tmp_path):
    columns = ["id", "Message Text", "label"]
    rows = [[str(number), text, f"old\r{number}"] for number, text in enumerate(TEXTS)]
    with (tmp_path / "in.csv").open("w", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([columns, *rows])
    out = tmp_path / f"out{suffix}"
    done = rnnclf(
        *("predict", model, "--file", str(tmp_path / "in.csv"), "--column", "Message Text"),
        *("-o", str(out)),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{out}\n", "")
    if suffix == ".jsonl":
        lines = out.read_text(encoding="utf-8").split("\n")[:-1]
        records = [list(json.loads(line).values()) for line in lines]
        assert list(json.loads(lines[0])) == [*columns, "predicted_label", "probability"]
    elif suffix == ".parquet":
        table = parquet.read_table(out)
        assert table.column_names == [*columns, "predicted_label", "probability"]
        records = [list(record.values()) for record in table.to_pylist()]
    else:
        with out.open(encoding="utf-8", newline="") as file:
            header, *records = csv.reader(file, delimiter="\t" if suffix == ".tsv" else ",")
        assert header == [*columns, "predicted_label", "probability"]
    assert [record[:3] for record in records] == rows
    assert [record[3] for record in records] == [row[0] for row in expected(TEXTS)]
    probabilities = package.load(model).predict_proba(TEXTS).max(1)
    assert [float(record[4]) for record in records] == pytest.approx(probabilities, abs=1e-6)


def test_values_of_json_and_parquet_are_kept_as_they_are(tmp_path):
    rows = [{"id": 7, "text": "a", "of": {"b": [1.5, None]}}, {"id": None, "text": "c", "of": 2}]
    (tmp_path / "in.json").write_text(json.dumps(rows))
    parquet.write_table(
        pyarrow.table({"id": [7, None], "text": ["a", "c"], "of": [[1.5, None], []]}),
        tmp_path / "in.parquet",
    )
    for name in ("in.json", "in.parquet"):
        table = read_table(tmp_path / name, Reading(text=["text"], labelled=False, keep=True))
        for out in ("out.jsonl", "out.parquet", "out.csv"):
            write_answers(tmp_path / out, table.columns.names, table.rows, [("x", 0.5)] * 2)
        kept = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
        assert [list(one.values())[:3] for one in kept] == table.rows
        kept = parquet.read_table(tmp_path / "out.parquet")
        texts = name == "in.json"  # `of` is a text there, because its values have no one type
        assert kept["id"].to_pylist() == [7, None]
        assert kept["of"].to_pylist() == (
            ['{"b": [1.5, null]}', "2"] if texts else [[1.5, None], []]
        )
        with (tmp_path / "out.csv").open(newline="") as file:
            assert next(csv.DictReader(file))["of"] == (
                '{"b": [1.5, null]}' if texts else "[1.5, null]"
            )


def test_columns_of_one_name_are_all_kept(tmp_path):
    columns = ["text", "text", "label", "predicted_label"]
    write_answers(tmp_path / "a.jsonl", columns, [["a", "b", "c", "d"]], [("e", 0.5)])
    assert json.loads((tmp_path / "a.jsonl").read_text()) == {
        **{"text": "a", "text_2": "b", "label": "c", "predicted_label": "d"},
        **{"predicted_label_2": "e", "probability": 0.5},
    }


def test_a_lone_carriage_return_is_quoted_whatever_python_it_is(tmp_path):
    """Before 3.11.9, csv.QUOTE_MINIMAL left it as it was, which is the end of a line."""
    write_answers(tmp_path / "out.csv", ["text"], [["a\rb"]], [("c", 0.5)])
    assert (tmp_path / "out.csv").read_bytes().endswith(b'\n"a\rb","c",0.5\n')


def test_a_threshold_gives_no_class_and_tells_what_it_buys(trained, rnnclf, tmp_path):
    texts = ["who was it ?", "zzz"]
    shares = package.load(trained).predict_proba(texts).max(1)
    threshold = float(shares.mean())
    done = rnnclf("predict", str(trained), "--threshold", str(threshold), *texts)
    assert [" (none)\t" in line for line in done.stdout.splitlines()] == list(shares < threshold)
    (tmp_path / "in.txt").write_text("\n".join(texts))
    command = ["predict", str(trained), "--file", str(tmp_path / "in.txt"), "--threshold", "0.99"]
    done = rnnclf(*command, "--format", "json")
    answers = [json.loads(line)["classes"] for line in done.stdout.splitlines()]
    assert [[one["label"] for one in classes] for classes in answers] == [[None], [None]]
    result = json.loads((trained / "result.json").read_text())
    (measured,) = [one for one in result["thresholds"] if one["probability"] == 0.99]
    assert done.stderr == (
        f"with the threshold 0.99, {100 * measured['coverage']:.1f} % of the "
        f"{result['texts']['validation']} validation texts were answered\n"
    )
    rnnclf(*command, "-o", str(tmp_path / "out.csv")).check_returncode()
    with (tmp_path / "out.csv").open() as file:
        assert [row["label"] for row in csv.DictReader(file)] == ["", ""]


def test_lines_of_a_file_are_texts_also_the_blank_ones(model, rnnclf, expected, tmp_path):
    (tmp_path / "in.txt").write_text("who was\n\nit\n")
    done = rnnclf("predict", model, "--file", str(tmp_path / "in.txt"), "--format", "csv")
    records = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [record["sentence"] for record in records] == ["who was", "", "it"]
    labels = [row[0] for row in expected(["who was", "", "it"])]
    assert [record["label"] for record in records] == labels
    assert {record["rank"] for record in records} == {"1"}


def test_a_text_with_line_ends_stays_on_its_line(model, rnnclf, tmp_path):
    (tmp_path / "in.csv").write_text('sentence\n"was\nit"\n')
    done = rnnclf("predict", model, "--file", str(tmp_path / "in.csv"))
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
        (b"a,b\nc,d\n", "which column has the text? set --column"),
        (b"", "no rows in it"),
        (b"sentence\ncaf\xe9\n", "looks right, set --encoding=windows-1252"),
        (b'sentence\n"open\n', "line 2: a quote is opened and never closed"),
        (
            b"id,text\n1,a\n2,hello, it\n",
            "1 of the rows cannot be answered: line 3: 3 fields instead of 2",
        ),
        (None, "no such file"),
    ],
)
def test_a_wrong_file_is_one_line_and_leaves_no_output(content, message, model, rnnclf, tmp_path):
    if content is not None:
        (tmp_path / "in.csv").write_bytes(content)
    done = rnnclf("predict", model, "--file", str(tmp_path / "in.csv"), "-o", tmp_path / "out.csv")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert message in done.stderr
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("command", [["predict", "-o"], ["evaluate", "--mistakes"]])
def test_the_output_never_replaces_the_texts(command, model, rnnclf, tmp_path):
    (tmp_path / "in.csv").write_text("sentence,label\nWho was it ?,human\n")
    done = rnnclf(command[0], model, "--file", "in.csv", command[1], "./in.csv", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "in.csv: the output would replace the texts; give it another name" in done.stderr
    assert (tmp_path / "in.csv").read_text() == "sentence,label\nWho was it ?,human\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["text", "--file", "in.csv"], "texts as arguments or --file, not both"),
        (["-oh no"], "a text that begins with - comes after --"),
        (["--file", "in.csv", "-o", "out.csv", "--top", "2"], "-o writes one class"),
        (["--file", "in.csv", "-o", "out.csv", "--format", "json"], "that its suffix names"),
        (["--file", "in.csv", "-o", "out.xlsx"], "must end in .csv, .tsv, .jsonl, .parquet"),
    ],
)
def test_options_that_do_not_go_together(arguments, message, model, rnnclf):
    done = rnnclf("predict", model, *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr


def test_a_labelled_file_measures_the_model(model, rnnclf, tmp_path):
    from sklearn.metrics import accuracy_score, f1_score

    chance = random.Random(0)
    texts = [" ".join(chance.choices(["who", "was", "it", "?", "x"], k=4)) for _ in range(200)]
    labels = [chance.choice([*CLASSES, "new"]) for _ in texts]
    with (tmp_path / "in.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["id", "Body", "Kind"], *zip(range(200), texts, labels, strict=True)]
        )
    named = ["--file", "in.csv", "--column", "Body", "--label", "Kind", "--mistakes", "wrong.csv"]
    done = rnnclf("evaluate", model, *named, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "labels that the model does not have, whose texts are mistakes: new" in done.stderr
    predicted = package.load(model).predict(texts)
    accuracy = accuracy_score(labels, predicted)
    macro_f1 = f1_score(labels, predicted, average="macro", zero_division=0)
    low, high = accuracy_interval(accuracy, 200)
    assert f"accuracy  {accuracy:.4f}  (95 % interval {low:.4f} to {high:.4f})" in done.stdout
    assert f"macro-F1  {macro_f1:.4f}  (95 % interval " in done.stdout
    with (tmp_path / "wrong.csv").open() as file:
        mistakes = [(row["id"], row["Kind"], row["label"]) for row in csv.DictReader(file)]
    assert mistakes == [
        (str(number), label, answer)
        for number, (label, answer) in enumerate(zip(labels, predicted, strict=True))
        if label != answer
    ]


def test_the_interval_of_macro_f1_is_that_of_the_bootstrap_of_texts():
    """Texts are drawn here one by one, with scikit-learn's measure."""
    from sklearn.metrics import f1_score

    generator = np.random.default_rng(0)
    truth = generator.integers(0, 3, 300)
    predicted = np.where(generator.random(300) < 0.6, truth, generator.integers(0, 3, 300))
    draws = generator.integers(0, 300, (400, 300))
    values = [f1_score(truth[draw], predicted[draw], average="macro") for draw in draws]
    expected = np.quantile(values, (0.025, 0.975))
    assert macro_f1_interval(truth, predicted, 3) == pytest.approx(expected, abs=0.01)


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
