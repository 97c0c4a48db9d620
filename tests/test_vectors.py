"""Pretrained word vectors: the file's for the words that it has, small random ones for others."""

import gzip
import os
from pathlib import Path

import pytest
import torch
from project import composed, model_config

from rnnclf.data import vectors
from rnnclf.data.prepared import prepare
from rnnclf.data.vectors import read_vectors
from rnnclf.data.vocabulary import Vocabulary
from rnnclf.errors import DataError
from rnnclf.model.network import STD_WITHOUT, RecurrentClassifier
from rnnclf.training.run import build_classifier


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RNNCLF_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def path(tmp_path):
    (tmp_path / "there").mkdir()
    return tmp_path / "there/vectors.txt"


def vocabulary(*words: str) -> Vocabulary:
    return Vocabulary(["<unk>", "<pad>", *words])


def table_of(path: Path, *words: str) -> torch.Tensor:
    """The word vectors of a new model."""
    network = RecurrentClassifier(model_config(embedding_size=3), 2 + len(words), 2)
    network.take_vectors(*map(torch.from_numpy, read_vectors(path, vocabulary(*words), 3)))
    return network.embedding.weight.detach()


def test_a_word_has_the_files_vector_and_a_word_without_one_a_small_random_one(path):
    path.write_text("what 1 2 3\nwho 4 5 6\nnobody 7 8 9\n")
    oov = [f"stranger{number}" for number in range(1000)]
    torch.manual_seed(0)
    table = table_of(path, "who", *oov, "what")
    assert table.shape == (1004, 3)
    assert table[2].tolist() == [4, 5, 6]
    assert table[-1].tolist() == [1, 2, 3]
    assert table[1].tolist() == [0, 0, 0]  # <pad>
    assert table[3:-1].std().item() == pytest.approx(STD_WITHOUT, rel=0.1)
    assert table[0].any()


def test_character_ngrams_beside_pretrained_vectors_begin_as_small(path):
    path.write_text("what 1 2 3\nwho 4 5 6\n")
    config = composed(f"model.vectors={path}", "embedding_size=3", "model.ngram_buckets=1000")
    data = prepare(config.dataset, Path("data"))
    (network,) = build_classifier(config, data).networks
    assert len(network.embedding.weight) == len(data.vocabulary) + 1000
    assert network.embedding.weight[-1000:].std().item() == pytest.approx(STD_WITHOUT, rel=0.1)


def test_random_vectors_depend_on_the_seed_alone(path):
    path.write_text("what 1 2 3\nwho 4 5 6\n")
    tables = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        tables.append(table_of(path, "what", "stranger"))
    assert torch.equal(tables[0], tables[1])  # the first from the file, the second from the cache
    assert not torch.equal(tables[0][3], tables[2][3])


def test_what_the_file_had_is_kept_and_a_changed_file_is_read_anew(path, monkeypatch):
    lookups = []

    def counted(*arguments):
        lookups.append(arguments)
        return find(*arguments)

    find = vectors.find_vectors
    monkeypatch.setattr(vectors, "find_vectors", counted)
    for number in (1.0, 1.0, 2.0):
        path.write_text(f"what {number} 0 0\nwho 0 0 0\n")
        assert table_of(path, "what")[2].tolist() == [number, 0, 0]
    assert len(lookups) == 2
    assert table_of(path, "who")[2].tolist() == [0, 0, 0]
    assert len(lookups) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no word vectors in it"),
        (b"what 1 2 x\n", "line 1: no numbers at its end; not word vectors"),
        (b"who 1 2 3\nwhat 1 x 3\n", "line 2: not a word and its numbers"),
        (b"at 5 1 2 3\nwhat 1 2 3\n", "line 2: 3 numbers .* 4 are expected; .*such as 400000 300"),
        (b"what 1 2 3\nwho 1 2\n", "line 2: 2 numbers after the word where 3 are expected"),
        (b"who 1 2 3\nwhat 1 nan 3\n", "line 2: a number is NaN, infinite"),
        (b"who 1 2 3\nwhat 1 1e39 3\n", "line 2: a number is NaN, infinite or too large"),
        (bytes(range(200)), "line 1: no numbers at its end"),
        (b"PK\x03\x04", "a zip archive; unpack it"),
        (gzip.compress(b"what 1 2 3\n" * 9, mtime=0)[:-9], "a damaged gzip file"),
    ],
)
def test_a_malformed_file_is_refused(path, content, message):
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"vectors\.txt: {message}"):
        read_vectors(path, vocabulary("what"), 3)


@pytest.mark.parametrize(
    "content",
    [b"9 3\n", b"", b"at home 1 2 3\n", b"9 3\nat 5 1 2 3\n", gzip.compress(b"", mtime=0)],
)
def test_headers_blanks_in_words_and_gzip_are_read(path, content):
    lines = b"who 1 2 3\n. . 4 5 6\nwhat 7 8 9 \nwhat 1 1 1\n\xff 1 2 3\n"
    packed = content.startswith(b"\x1f\x8b")
    path.write_bytes(gzip.compress(lines) if packed else content + lines)
    assert table_of(path, "what", ". .")[2:].tolist() == [[1, 1, 1], [4, 5, 6]]


def test_binary_vectors_are_refused_with_the_way_to_text(tmp_path):
    (tmp_path / "w.bin").write_bytes(b"2 3\nthe \x00\x00")
    with pytest.raises(DataError, match=r"w\.bin: binary word vectors; gensim"):
        read_vectors(tmp_path / "w.bin", vocabulary("what"), 3)


def test_a_file_that_does_not_fit_says_why(path):
    with pytest.raises(DataError, match=r"vectors\.txt: no such file \(model\.vectors\)"):
        read_vectors(path, vocabulary("what"), 3)
    path.write_text("what 1 2 3\nwho 4 5 6\n")
    with pytest.raises(DataError, match=r"width 3, but .* is 4; set embedding_size=3"):
        read_vectors(path, vocabulary("what"), 4)
    with pytest.raises(DataError, match="none of the 3 words"):
        read_vectors(path, vocabulary("WHAT"), 3)


def test_a_file_without_end_is_refused(tmp_path):
    path = tmp_path / "vectors.txt"
    path.touch()
    os.truncate(path, 2**40)
    with pytest.raises(DataError, match="larger than"):
        read_vectors(path, Vocabulary(["<unk>", "<pad>"]), 3)
