"""Splits, vocabulary, batches, the sample, and Table 1 on the real data."""

import functools
import re

import numpy as np
import pytest
from click.testing import CliRunner
from project import REAL_DATA, composed

from rnnclf.cli.commands import commands
from rnnclf.data import overview
from rnnclf.data.corpus import Corpus, Texts
from rnnclf.data.encoding import LONGEST, EncodedTexts, encode
from rnnclf.data.prepared import prepare
from rnnclf.data.sources import load_corpus
from rnnclf.data.splits import shuffled_split, stratified_split
from rnnclf.data.torchtext_adapter import count_words, tokenize
from rnnclf.data.vocabulary import PADDING_INDEX, Vocabulary
from rnnclf.errors import DataError, ModelError
from rnnclf.model.batches import LARGEST_BATCH, make_batch, ordered_batches, training_batches

PUBLISHED = ("sentiment", "spam", "questions", "newsgroups")


@functools.cache
def published(name: str) -> Corpus:
    return load_corpus(name, REAL_DATA)


@pytest.mark.real_data
@pytest.mark.parametrize("name", PUBLISHED)
def test_both_parts_have_all_classes_and_no_empty_text(name):
    corpus = published(name)
    assert set(corpus.train.labels) == set(corpus.test.labels) == set(corpus.classes)
    assert all(text == text.strip() and text for text in corpus.train.texts)


@pytest.mark.real_data
def test_questions_have_six_coarse_labels():
    corpus = load_corpus("questions", REAL_DATA, labels="coarse")
    assert corpus.classes == ["ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"]


@pytest.mark.real_data
def test_the_traps_of_the_encodings_are_avoided():
    sentiment = published("sentiment")
    texts = sentiment.train.texts + sentiment.test.texts
    assert len(texts) == 10662
    assert any("…" in text for text in texts)
    questions = published("questions")
    texts = questions.train.texts + questions.test.texts
    assert any("sisterðcity" in text for text in texts)
    newsgroups = published("newsgroups")
    assert max(map(len, newsgroups.train.texts + newsgroups.test.texts)) == 160_545
    spam = published("spam")
    assert not any("\0" in text or "\r" in text for text in spam.train.texts + spam.test.texts)


def test_the_sample_is_600_different_questions_over_6_classes(tmp_path):
    corpus = load_corpus("sample", tmp_path)
    texts = corpus.train.texts + corpus.test.texts
    assert len({" ".join(re.findall(r"\w+", text.lower())) for text in texts}) == 600
    assert len(corpus.classes) == 6
    assert (len(corpus.train), len(corpus.test)) == (450, 150)


def labelled(**counts: int) -> Texts:
    labels = [label for label, count in counts.items() for _ in range(count)]
    return Texts([f"text {index}" for index in range(len(labels))], labels)


def test_the_shuffled_split_is_a_seeded_partition():
    texts = labelled(a=41, b=62)
    train, test = shuffled_split(texts, 0.75, 0)
    assert (len(train), len(test)) == (77, 26)
    assert sorted(train.texts + test.texts) == sorted(texts.texts)
    assert shuffled_split(texts, 0.75, 0) == (train, test)
    assert shuffled_split(texts, 0.75, 1) != (train, test)


def test_the_validation_part_has_the_classes_in_proportion():
    texts = labelled(common=55, rare=26, single=1, pair=2, few=16)
    rest, held_out = stratified_split(texts, 0.1, 0, "mine")
    counts = {label: held_out.labels.count(label) for label in set(texts.labels)}
    assert counts == {"common": 5, "rare": 3, "few": 2, "pair": 0, "single": 0}
    assert sorted(rest.texts + held_out.texts) == sorted(texts.texts)
    assert stratified_split(texts, 0.1, 0, "mine") == (rest, held_out)
    assert stratified_split(texts, 0.1, 1, "mine")[1].texts != held_out.texts


def test_the_validation_part_can_be_drawn_again_alone(tmp_path):
    parts = [
        prepare(composed(*overrides).dataset, tmp_path)
        for overrides in ((), ("dataset.validation_seed=0",), ("dataset.validation_seed=1",))
    ]
    held_out = [part.validation_texts for part in parts]
    assert held_out[0] == held_out[1] != held_out[2], "null takes split_seed, which is 0"
    assert len(held_out[1]) == len(held_out[2]) == 45
    assert len({part.splits for part in parts}) == 1, "training and test split are the same"
    other_split = prepare(composed("dataset.split_seed=1").dataset, tmp_path)
    assert other_split.splits != parts[0].splits
    assert other_split.data == parts[0].data, "the texts are the same"


def test_too_few_texts_for_a_validation_part_are_refused():
    with pytest.raises(DataError, match=r"^mine: 4 training texts are too few to hold out 10%"):
        stratified_split(labelled(a=2, b=2), 0.1, 0, "mine")


def test_words_are_ordered_by_frequency_and_rare_ones_left_out():
    words = count_words(["b a a", "c b a", "B!"])
    assert words == ["<unk>", "<pad>", "a", "b", "!", "c"]
    assert count_words(["b a a", "c b a", "B!"], min_frequency=2) == ["<unk>", "<pad>", "a", "b"]


def test_unknown_words_and_empty_texts_become_unknown():
    vocabulary = Vocabulary(["<unk>", "<pad>", "a"])
    assert vocabulary.encode([], {}).tolist() == [0]
    texts = encode(["a z", "y z", ""], np.zeros(3, np.int64), str.split, vocabulary)
    assert (texts.words.tolist(), texts.oov) == ([2, -1, -2, -1, 0], ["z", "y"])
    assert make_batch(texts, np.arange(3)).words.t().tolist() == [[2, 0], [0, 0], [0, 1]]


@pytest.mark.parametrize("words", [["a", "b"], [], ["<unk>", "<pad>", "a", "a"]])
def test_a_list_of_words_that_is_no_vocabulary_is_refused(words):
    with pytest.raises(ModelError):
        Vocabulary(words)


def random_texts(count: int, longest: int = 30):
    generator = np.random.default_rng(0)
    texts = ["a " * length for length in generator.integers(1, longest, count)]
    labels = np.arange(count, dtype=np.int64)
    return encode(texts, labels, tokenize, Vocabulary(["<unk>", "<pad>", "a"])).cut(25)


@pytest.mark.parametrize(
    ("max_length", "truncation", "kept"),
    [
        (None, "head", ["a b c d e", "f", "g h i j"]),
        (5, "head_tail", ["a b c d e", "f", "g h i j"]),
        (3, "head", ["a b c", "f", "g h i"]),
        (3, "head_tail", ["a b e", "f", "g h j"]),
        (4, "head_tail", ["a b d e", "f", "g h i j"]),
        (1, "head_tail", ["a", "f", "g"]),
    ],
)
def test_long_texts_are_cut(max_length, truncation, kept):
    vocabulary = Vocabulary(["<unk>", "<pad>", *"abcdefghij"])
    whole = encode(["a b c d e", "f", "g h i j"], np.arange(3), tokenize, vocabulary)
    texts = whole.cut(max_length, truncation)
    spans = zip(texts.starts, texts.lengths, strict=True)
    found = [texts.words[start : start + length].tolist() for start, length in spans]
    assert [" ".join(vocabulary.words[i] for i in words) for words in found] == kept


def test_without_a_limit_a_text_has_one_for_the_sake_of_memory():
    vocabulary = Vocabulary(["<unk>", "<pad>", "a"])
    texts = encode(["a " * (LONGEST + 1), "a"], np.arange(2), tokenize, vocabulary)
    assert texts.cut(None).lengths.tolist() == [LONGEST, 1]
    assert texts.cut(LONGEST + 1).lengths.tolist() == [LONGEST + 1, 1]


def test_a_batch_is_padded_at_the_end():
    vocabulary = Vocabulary(["<unk>", "<pad>", "a", "b"])
    texts = encode(["a b a", "b"], np.array([5, 6]), tokenize, vocabulary)
    batch = make_batch(texts, np.array([1, 0]))
    assert batch.words.tolist() == [[3, 2], [PADDING_INDEX, 3], [PADDING_INDEX, 2]]
    assert (batch.lengths.tolist(), batch.labels.tolist()) == ([1, 3], [6, 5])


@pytest.mark.parametrize(("longest", "padded"), [(64, 64), (65, 72), (72, 72), (393, 400)])
def test_long_batches_come_in_few_lengths(longest, padded):
    texts = encode(
        ["a " * longest, "a b"],
        np.array([0, 1]),
        str.split,
        Vocabulary(["<unk>", "<pad>", "a", "b"]),
    )
    words = make_batch(texts, np.arange(2)).words
    assert (words != PADDING_INDEX).sum(0).tolist() == [longest, 2]
    assert len(words) == padded


def test_training_batches_hold_each_text_once_in_a_seeded_order():
    texts = random_texts(100)

    def order(seed: int) -> list[int]:
        batches = training_batches(texts, 8, np.random.default_rng(seed))
        return [label for batch in batches for label in batch.labels.tolist()]

    assert sorted(order(0)) == list(range(100))
    assert order(0) == order(0) != order(1)


def test_training_batches_are_mostly_words():
    texts = random_texts(2000)
    batches = list(training_batches(texts, 16, np.random.default_rng(0)))
    cells = sum(batch.words.numel() for batch in batches)
    assert len(texts.words) / cells > 0.95


def test_one_long_text_does_not_make_a_batch_of_long_ones():
    long, longer = LARGEST_BATCH // 2, LARGEST_BATCH * 2
    lengths = np.array([longer, *[3] * 40, long, long])
    starts = np.cumsum(lengths) - lengths
    texts = EncodedTexts(np.zeros(lengths.sum(), np.int32), starts, lengths, np.arange(43))
    shapes = [tuple(batch.words.shape) for _, batch in ordered_batches(texts, 32)]
    assert shapes == [(3, 32), (3, 8), (long, 2), (longer, 1)]


def test_ordered_batches_say_where_their_texts_come_from():
    texts = random_texts(50)
    for positions, batch in ordered_batches(texts, 16):
        assert batch.labels.tolist() == positions.tolist()
        assert batch.lengths.tolist() == texts.lengths[positions].tolist()


def test_the_overview_has_the_columns_of_table_1(rnnclf, tmp_path):
    done = rnnclf("data", "info", "--data", str(tmp_path))
    assert done.returncode == 0, done.stderr
    sample = next(line for line in done.stdout.splitlines() if "sample" in line)
    assert [cell.strip() for cell in sample.strip("│").split("│")] == [
        *("sample", "6", "1160", "", "450", "150", "0")
    ]
    assert "not here" in done.stdout


@pytest.mark.real_data
def test_the_overview_of_the_published_data_sets_is_table_1(monkeypatch):
    monkeypatch.setattr(overview, "load_corpus", lambda name, _: published(name))  # read once
    done = CliRunner().invoke(commands, ["data", "info", "--data", str(REAL_DATA)])
    rows = [
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in done.stdout.splitlines()
        if line.startswith("│")
    ]
    assert rows[1:] == [
        ["sentiment", "2", "17515", "18298", "7996", "2666", "0"],
        ["spam", "2", "42503", "28049", "3879", "1293", "61"],
        ["questions", "50", "7442", "7694", "4464", "1488", "29"],
        ["newsgroups", "20", "217657", "160792", "14121", "4707", "2"],
    ]
