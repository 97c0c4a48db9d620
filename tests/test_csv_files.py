"""The hand-out's CSV format: what is read, and what is refused with file and line."""

from pathlib import Path

import pytest

from rnnclf.data.csv_files import read_csv
from rnnclf.data.sources import load_corpus
from rnnclf.errors import DataError


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_quotes_commas_line_ends_accents_and_a_byte_order_mark_are_read(tmp_path):
    content = '\ufeffsentence,label\n"a, ""b""\nc",x\n\nnaïve 🙂 text, y \r\n'
    texts = read_csv(write(tmp_path / "a.csv", content))
    assert texts.texts == ['a, "b"\nc', "naïve 🙂 text"]
    assert texts.labels == ["x", "y"]


def test_a_field_of_200_000_characters_is_read(tmp_path):
    texts = read_csv(write(tmp_path / "a.csv", f"sentence,label\n{'a ' * 100_000},x\n"))
    assert len(texts.texts[0]) == 200_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1 must be the header sentence,label"),
        ("a,x\nb,y\n", "line 1 must be the header"),
        ("label,sentence\nx,a\n", "line 1 must be the header"),
        ("sentence,label\n", "no records after the header"),
        ("sentence,label\na,x\nb,c,y\n", "line 3: 3 fields"),
        ("sentence,label\na\n", "line 2: 1 fields"),
        ('sentence,label\n"a\nb",x\n,y\n', "line 4: the sentence is empty"),
        ("sentence,label\na,x\nb,\n", "line 3: the label is empty"),
        ("sentence,label\n  ,x\n", "line 2: the sentence is empty"),
        (b"sentence,label\na,x\nb\xe9,y\n", "line 3: byte 0xe9 is not UTF-8"),
        ("sentence,label\na\0b,x\n", "line 2: a NUL"),
        ('sentence,label\n"a,x\n', "is a quote missing"),
        ('sentence,label\na,"x\ny"\n', "the label contains a line end"),
    ],
)
def test_malformed_files_are_refused_with_their_line(tmp_path, content, message):
    path = write(tmp_path / "bad.csv", content)
    with pytest.raises(DataError, match=f"bad.csv: .*{message}|bad.csv: {message}"):
        read_csv(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.csv: no such file"):
        read_csv(tmp_path / "gone.csv")


def corpus_of(tmp_path: Path, train: str, test: str):
    write(tmp_path / "train.csv", f"sentence,label\n{train}")
    write(tmp_path / "test.csv", f"sentence,label\n{test}")
    return load_corpus("csv", tmp_path, csv_folder=tmp_path)


def test_a_folder_of_ones_own_is_a_data_set(tmp_path):
    corpus = corpus_of(tmp_path, "a,y\nb,x\n", "c,x\n")
    assert corpus.classes == ["x", "y"]
    assert (corpus.train.texts, corpus.test.texts) == (["a", "b"], ["c"])


def test_one_class_only_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"train\.csv: every text has the label 'x'"):
        corpus_of(tmp_path, "a,x\nb,x\n", "c,x\n")


def test_a_test_label_that_train_lacks_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no text in train\.csv has the label 'z'"):
        corpus_of(tmp_path, "a,x\nb,y\n", "c,z\n")
