"""A data set of one's own: from its files to the parts, the warnings, and a model."""

import csv
import os
import random
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from omegaconf import OmegaConf
from project import composed, result_of

from rnnclf.bundles.verify import verify
from rnnclf.cli.commands import commands
from rnnclf.data.corpus import Corpus, Texts
from rnnclf.data.findings import findings
from rnnclf.data.own import files_in, read_own
from rnnclf.data.prepared import prepare
from rnnclf.data.tokens import characters
from rnnclf.errors import DataError
from rnnclf.training.precheck import check_trials
from rnnclf.training.run import train

TINY = ["epochs=1", "embedding_size=4", "hidden_size=4", "device=cpu"]


def write(path: Path, records: list[tuple[str, ...]], header: str = "text,label") -> Path:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header.split(","), *records])
    return path


def read(*overrides: str) -> Corpus:
    return read_own(composed("dataset=csv", *overrides).dataset)


def many(count: int, *labels: str) -> list[tuple[str, str]]:
    return [(f"text {number}", labels[number % len(labels)]) for number in range(count)]


def test_one_file_is_split_with_the_classes_in_proportion(tmp_path):
    file = write(tmp_path / "a.csv", [*many(80, "x", "y"), ("one", "rare")])
    corpus = read(f"dataset.file={file}", "dataset.train_fraction=0.75")
    assert corpus.classes == ["rare", "x", "y"]
    assert [corpus.test.labels.count(label) for label in corpus.classes] == [0, 10, 10]
    everything = corpus.train.texts + corpus.test.texts
    assert sorted(everything) == sorted([*(text for text, _ in many(80, "x")), "one"])
    again = [read(f"dataset.file={file}", f"dataset.split_seed={seed}") for seed in (0, 1)]
    assert again[0] == corpus != again[1]


@pytest.mark.parametrize("names", [("train.csv", "test.tsv"), ("train.csv", "dev.csv", "test.csv")])
def test_a_folder_has_a_file_for_each_part(names, tmp_path):
    for name in names:
        delimiter = "\t" if name.endswith("tsv") else ","
        (tmp_path / name).write_text(f"text{delimiter}label\n{name}{delimiter}x\nb{delimiter}y\n")
    corpus = read(f"dataset.folder={tmp_path}")
    assert corpus.train.texts == ["train.csv", "b"]
    assert corpus.test.texts == [names[-1], "b"]
    validation = corpus.validation.texts if corpus.validation else None
    assert validation == (["dev.csv", "b"] if len(names) == 3 else None)


def test_files_are_named_for_each_part(tmp_path):
    paths = [write(tmp_path / f"{name}.csv", [(name, "x"), ("b", "y")]) for name in "abc"]
    files = zip(("file", "validation_file", "test_file"), paths, strict=True)
    overrides = [f"dataset.{key}={path}" for key, path in files]
    dataset = composed("dataset=csv", *overrides).dataset
    data = prepare(dataset, tmp_path)
    assert (len(data.training), data.validation_texts.texts, data.num_test) == (2, ["b", "b"], 2)


def test_links_in_a_folder_are_not_followed_but_named_ones_are(tmp_path):
    """A stranger's folder may have a link to what only its reader can read."""
    write(tmp_path / "secret.csv", many(4, "x", "y"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").symlink_to("../secret.csv")
    with pytest.raises(DataError, match=r"train.csv: cannot be read: a symbolic link"):
        read(f"dataset.folder={tmp_path / 'data'}")
    assert len(read(f"dataset.file={tmp_path / 'data' / 'train.csv'}").train) == 3


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (["a,x", "b,x"], ["c,x"], r"train.csv: every text has the label 'x'; .*two classes"),
        (
            ["a,x", "b,y"],
            ["c,z"],
            r"test.csv: 1 of 1 .*line 2: no training text has this label \(z",
        ),
        (
            ["a,x", "b,"],
            ["c,x"],
            r"train.csv: 1 of 2 rows cannot be used: line 3: no label in column label \(b,\)",
        ),
        (None, ["c,x"], r"train.csv: no such file"),
    ],
)
def test_files_that_cannot_be_used_are_refused(train, test, message, tmp_path):
    for name, rows in (("train.csv", train), ("test.csv", test)):
        if rows:
            (tmp_path / name).write_text("\n".join(["text,label", *rows]) + "\n")
    with pytest.raises(DataError, match=message):
        read(f"dataset.folder={tmp_path}")


def test_bad_rows_and_labels_are_skipped_on_demand(tmp_path):
    write(tmp_path / "train.csv", [*many(9, "x", "y"), ("", "x")])
    write(tmp_path / "test.csv", [("a", "x"), ("b", "z")])
    corpus = read(f"dataset.folder={tmp_path}", "dataset.bad_rows=skip")
    assert (len(corpus.train), corpus.test) == (9, Texts(["a"], ["x"]))
    assert [line.split(": ", 1)[1] for line in corpus.complaints] == [
        "skipped 1 of 10 rows: line 11: no text in column text (,x)",
        "skipped 1 of 2 rows: line 3: no training text has this label (z)",
    ]


def test_a_file_without_a_usable_row_says_why(tmp_path):
    write(tmp_path / "train.csv", [("a\0", "x"), ("b\0", "y")])
    with pytest.raises(DataError, match=r"train.csv: no row can be used: line 2: a NUL character"):
        read(f"dataset.file={tmp_path / 'train.csv'}", "dataset.bad_rows=skip")


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"a folder; set dataset\.folder="):
        read(f"dataset.file={tmp_path}")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match=r"pipe: a pipe is read once, a run reads its texts again"):
        read(f"dataset.file={tmp_path / 'pipe'}")


def test_two_files_for_a_part_are_refused(tmp_path):
    for name in ("train.csv", "train.tsv"):
        write(tmp_path / name, many(4, "x", "y"))
    with pytest.raises(DataError, match=r"train.csv and train.tsv could both be for train"):
        files_in(tmp_path)


USUAL = ([f"text {number}" for number in range(40)], ["x", "y"] * 20)


@pytest.mark.parametrize(
    ("texts", "labels", "test", "said"),
    [
        (*USUAL, Texts(["new"], ["x"]), []),
        (*USUAL, Texts(["text 1", "new"], ["y", "x"]), ["have 1 of 2 test texts"]),
        (*USUAL, Texts(["text 1"], ["x"]), ["1 of 1 test", "1 text with more than one label"]),
        (USUAL[0], ["x"] * 38 + ["y"] * 2, None, ["1 class with fewer than 10 training texts: y"]),
        (USUAL[0], ["pos", "POS"] * 20, None, ["labels that differ only in case .*: pos, POS"]),
        (USUAL[0], ["1.0", "0.0"] * 20, None, ["whole numbers .*: 1.0, 0.0; if .* has 1,"]),
        ([*"abcdefgh"] * 8, [*map(str, range(64))], None, ["64 cl", "right label", "8 texts with"]),
    ],
)  # fmt: skip
def test_what_looks_wrong_is_said(texts, labels, test, said):
    parts = {"training": Texts(texts, labels)} | ({"test": test} if test else {})
    found = list(findings(parts))
    assert len(found) == len(said)
    for line, expected in zip(found, said, strict=True):
        assert re.search(expected, line), line


def test_a_class_that_validation_cannot_measure_is_said(tmp_path):
    write(tmp_path / "texts.csv", [*many(60, "x", "y"), ("seldom", "rare"), ("scarce", "rare")])
    config = composed("dataset=csv", f"dataset.file={tmp_path / 'texts.csv'}")
    (line,) = [one for one in prepare(config.dataset, tmp_path).complaints if "validation" in one]
    assert line.startswith("1 class without a validation text: rare; ")
    without = composed(
        "dataset=csv", f"dataset.file={tmp_path / 'texts.csv'}", "dataset.validation_fraction=0"
    )
    assert not any("validation" in one for one in prepare(without.dataset, tmp_path).complaints)


def test_validation_texts_that_are_training_texts_too_are_counted(tmp_path):
    write(tmp_path / "texts.csv", [("the same", "x"), ("another", "y")] * 20)
    config = composed("dataset=csv", f"dataset.file={tmp_path / 'texts.csv'}")
    said = prepare(config.dataset, tmp_path).complaints
    assert [line.split(";")[0] for line in said if "training texts have" in line] == [
        "the training texts have 3 of 3 validation texts",
        "the training texts have 10 of 10 test texts",
    ]


def test_characters_are_tokens_for_texts_without_blanks(tmp_path, run_py):
    """A run on Chinese texts: by words it is warned of, by characters it learns them."""
    assert characters(" Ab \n c") == ["a", "b", "▁", "c"]
    generator = random.Random(0)
    words = {"好": "喜爱精彩优秀快乐", "坏": "讨厌糟糕无聊难过"}
    records = [
        ("".join(generator.choices(words[label] + "的是了在这那", k=12)), label)
        for label in generator.choices(list(words), k=200)
    ]
    write(tmp_path / "texts.csv", records)
    command = ["dataset=csv", "dataset.file=texts.csv", "epochs=8", "lr=0.02", *TINY[1:]]
    by_words = run_py(*command, "epochs=1", "hydra.run.dir=words")
    assert "words of the training texts occur once" in by_words.stdout
    done = run_py(*command, "dataset.tokens=characters", "hydra.run.dir=characters")
    assert "occur once" not in done.stdout
    assert result_of(tmp_path / "characters")["test_accuracy"] > 0.9


def test_a_file_of_tickets_from_the_check_to_the_evaluation(tmp_path, run_py, rnnclf):
    generator = random.Random(0)
    words = {"billing": "invoice charge refund", "technical": "crash screen login"}
    records = [
        (
            str(n),
            " ".join(generator.choices([*words[label].split(), "the", "my"], k=6)),
            "Ann",
            label,
        )
        for n, label in enumerate(generator.choices(list(words), k=120))
    ]
    file = write(tmp_path / "tickets.csv", records, "id,Message Text,agent,Category")
    checked = rnnclf("data", "check", str(file))
    assert checked.returncode == 0
    assert "text from Message Text, label from Category (found)" in checked.stdout
    named = rnnclf("data", "check", str(file), "--column", "Message Text", "--label", "4")
    words = shlex.split(named.stdout.splitlines()[-1])
    assert words[:4] == ["next:", "python", "run.py", "dataset=csv"]
    assert words[5:] == ["dataset.text=Message Text", 'dataset.label="4"']
    done = run_py(*words[3:], "hydra.run.dir=run", *TINY)
    assert done.returncode == 0, done.stderr
    assert result_of(tmp_path)["texts"] == {"train": 81, "validation": 9, "test": 30}
    assert "text from Message Text, label from Category" in done.stdout
    with (tmp_path / "run" / "predictions.csv").open(newline="") as answered:
        answers = list(csv.DictReader(answered))
    assert [one["part"] for one in answers].count("test") == 30
    for one in answers:
        of_file = records[int(one["line"]) - 2]  # below the header
        assert (one["id"], one["sentence"], one["agent"], one["label"]) == of_file
    verified = rnnclf("evaluate", "run", cwd=tmp_path)
    assert verified.returncode == 0, verified.stderr
    with file.open("a") as edited:
        edited.write("7,another invoice,Ann,billing\n")
    with pytest.raises(DataError, match=f"^{file}: the model was made with other data"):
        verify(tmp_path / "run", None)


def check(*arguments: str) -> str:
    """What `rnnclf data check` prints."""
    return (
        CliRunner().invoke(commands, ["data", "check", *arguments], catch_exceptions=False).stdout
    )


@pytest.mark.parametrize(
    ("records", "refused"),
    [
        ([*many(70, "x", "y"), *[("the same", "x"), ("another", "y")] * 20, ("", "x")], None),
        (many(2, "x", "y"), r"/a\.csv: 2 training texts are too few to hold out 25% for the test"),
        (
            [*many(9, "x", "y"), ("", "x")],
            "1 of 10 rows cannot be used: line 11: no text in column text",
        ),
    ],
)
def test_a_check_says_what_a_run_says_and_refuses_what_it_refuses(
    records, refused, tmp_path, caplog
):
    file = write(tmp_path / "a.csv", records)
    config = composed("dataset=csv", f"dataset.file={file}", "model.wide_buckets=0", *TINY)
    if refused:
        for use in (lambda: check(str(file)), lambda: train(config, tmp_path / "run")):
            with pytest.raises(DataError, match=refused):
                use()
        return
    said = check(str(file)).splitlines()
    with caplog.at_level("INFO", "rnnclf"):
        train(config, tmp_path / "run")
    of_run = [one.message for one in caplog.records if one.levelname == "WARNING"]
    messages = [one.message for one in caplog.records]
    caplog.clear()
    with caplog.at_level("INFO", "rnnclf"):
        check_trials([OmegaConf.structured(replace(config, evaluate_test=False))])
    assert [one.message for one in caplog.records] == [*said[:2], *of_run], "as a study does"
    assert [line for line in said if "warning: " in line] == [f"warning: {one}" for one in of_run]
    assert len(of_run) == 3, "a row that is skipped, texts of training in validation and test"
    assert set(said[:2]) < set(messages)
    parts = "csv-a: 74 training and 8 validation texts, 2 classes"
    assert any(message.startswith(parts) for message in messages)
    assert said[2:5] == [
        "      55  x",
        "      55  y",
        "a run trains on 74 texts, validates on 8 and tests on 28",
    ]


def test_a_check_of_many_classes_lists_the_largest_and_counts_the_rest(tmp_path):
    labels = [f"c{number}" for number in range(30)]
    said = check(str(write(tmp_path / "a.csv", [*many(90, *labels), ("more", "c7")])))
    assert said.splitlines()[2] == "       4  c7"
    assert re.search(r"\n       3  c\d+\n     and  10 more, of at most 3 texts\n", said)


def test_a_check_names_its_options_and_leaves_what_stands_in_the_file(tmp_path, rnnclf):
    file = write(
        tmp_path / "a.csv", [*many(9, "x", "y"), ("dataset.label", "")], "text,dataset.text"
    )
    asked = rnnclf("data", "check", str(file), "--label", "b")
    assert "--label=b: no column has that name; columns: text, dataset.text" in asked.stderr
    done = rnnclf("data", "check", str(file), "--column", "text")
    assert "no label in column dataset.text (dataset.label,)" in done.stderr


def test_a_data_set_with_a_name_is_one_file_and_is_listed(tmp_path, rnnclf):
    write(tmp_path / "data" / "tickets.csv", many(40, "x", "y"))
    (tmp_path / "conf" / "dataset").mkdir(parents=True)
    (tmp_path / "conf" / "dataset" / "tickets.yaml").write_text(
        "name: tickets\nfile: data/tickets.csv\n"
    )
    faulty = {
        "name: [wrong": "parsing",
        "- a list": "not a mapping",
        "": "not a mapping",
        "name: nothing": "sets neither file nor folder",
        "file: 7": "7: ",
        "file: [a]": "['a']: ",
        "file: data/tickets.csv\ntokens: letters": "letters is not one of words, characters",
        "file: data/tickets.csv\ntext: [text]": "no column",
        "file: data/tickets.csv\nencoding: 8": "encoding",
        "\0": "unacceptable character",
    }
    for number, content in enumerate(faulty):
        (tmp_path / "conf" / "dataset" / f"wrong-{number}.yaml").write_text(content)
    (tmp_path / "conf" / "dataset" / "latin.yaml").write_bytes(b"file: \xe9")
    (tmp_path / "conf" / "dataset" / "folder.yaml").mkdir()
    listed = rnnclf(
        "data", "info", "--data", ".", cwd=tmp_path, env=os.environ | {"COLUMNS": "300"}
    )
    assert (listed.returncode, listed.stderr) == (0, "")
    for number, complaint in enumerate(faulty.values()):  # a faulty file costs its own row
        (row,) = [line for line in listed.stdout.splitlines() if f"wrong-{number} " in line]
        assert complaint in row
    (row,) = [line for line in listed.stdout.splitlines() if "tickets " in line]
    assert [cell.strip() for cell in row.split("│")][2:6] == ["2", "41", "", "40"]


def test_the_size_of_a_linear_path_for_many_classes_is_said(tmp_path):
    file = write(tmp_path / "a.csv", many(1300, *map(str, range(1300))) * 3)
    (line,) = [one for one in check(str(file)).splitlines() if "linear path" in one]
    assert "needs 0.3 GB for 65536 buckets and 1300 classes" in line
