"""Character n-grams: as written out, for unknown words, the same in any batch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from project import composed

from rnnclf.configuration.schema import OptimizerConfig
from rnnclf.data.subwords import SIZES, subwords_of, subwords_of_vocabulary
from rnnclf.data.vocabulary import PADDING_INDEX, UNKNOWN_INDEX, Vocabulary
from rnnclf.model.batches import make_batch
from rnnclf.model.classifier import Classifier
from rnnclf.model.evaluate import predict_logits
from rnnclf.model.network import RecurrentClassifier
from rnnclf.training.updates import make_updates

BUCKETS = 50
WORDS = ["<unk>", "<pad>", "where", "he", "a", "größe", "\U0001f40b"]
TEXTS = ["where he", "whereabouts of a he", "a", "", "größer größe größer \U0001f40b"]


def fnv_1a(ngram: str) -> int:
    """The hash as its definition has it, character by character."""
    value = 0xCBF29CE484222325
    for character in ngram:
        value = ((value ^ ord(character)) * 0x100000001B3) % 2**64
    return value


def buckets_of(word: str) -> list[int]:
    marked = f"<{word}>"
    ngrams = [marked[i : i + n] for n in SIZES for i in range(len(marked) - n + 1)]
    return [(value ^ (value >> 32)) % BUCKETS for value in map(fnv_1a, ngrams)]


def test_words_have_the_ngrams_of_their_letters():
    words = ["where", "a", "", "größe", "a" * 40, "\U0001f40b", "\ud800"]
    buckets, offsets = subwords_of(words, BUCKETS).of(np.arange(len(words)))
    for word, found in zip(words, np.split(buckets, offsets[1:]), strict=True):
        assert sorted(found) == sorted(buckets_of(word))
    assert len(buckets_of("where")) == 5 + 4 + 3
    assert len(subwords_of([], BUCKETS).ends) == 0


def test_many_words_have_those_of_each(monkeypatch):
    whole = subwords_of(WORDS, BUCKETS)
    monkeypatch.setattr("rnnclf.data.subwords.SHARE", 3)
    shares = subwords_of(WORDS, BUCKETS)
    assert shares.buckets.tolist() == whole.buckets.tolist()
    assert shares.ends.tolist() == whole.ends.tolist()


def test_the_two_special_words_have_none():
    subwords = subwords_of_vocabulary(WORDS, BUCKETS) + subwords_of(["new"], BUCKETS)
    assert len(subwords.of(np.array([UNKNOWN_INDEX, PADDING_INDEX]))[0]) == 0
    assert sorted(subwords.of(np.array([len(WORDS)]))[0]) == sorted(buckets_of("new"))


@pytest.fixture
def classifier() -> Classifier:
    torch.manual_seed(0)
    config = composed("hidden_size=4", "embedding_size=3", f"model.ngram_buckets={BUCKETS}")
    model = RecurrentClassifier(config.model, len(WORDS), 2)
    return Classifier(config, Vocabulary(WORDS), ["no", "yes"], model.eval())


def vector(classifier: Classifier, word: str) -> torch.Tensor:
    weight = classifier.model.embedding.weight
    own = weight[WORDS.index(word) if word in WORDS else UNKNOWN_INDEX]
    ngrams = [len(WORDS) + bucket for bucket in buckets_of(word)]
    return own + weight[ngrams].mean(0)


def test_a_vector_is_that_of_the_word_plus_the_mean_of_its_ngrams(classifier):
    batch = make_batch(classifier.encode(TEXTS), np.arange(len(TEXTS)))
    vectors = classifier.model.vectors_of(batch.words, batch.subwords)
    for column, text in enumerate(TEXTS[:3]):
        for row, word in enumerate(text.split()):
            torch.testing.assert_close(vectors[row, column], vector(classifier, word))
        assert not vectors[len(text.split()) :, column].any(), "padding"
    torch.testing.assert_close(vectors[0, 3], classifier.model.embedding.weight[UNKNOWN_INDEX])


def test_unknown_words_are_told_apart(classifier):
    first, second = classifier.predict_proba(["whereabouts", "zebra"])
    assert not np.allclose(first, second)


def test_folded_into_the_vectors_of_known_words_they_give_the_same(classifier):
    known = ["where he a", "größe", "", "\U0001f40b a"]
    folded = classifier.without_ngrams()
    assert len(folded.model.embedding.weight) == len(WORDS)
    np.testing.assert_allclose(
        folded.predict_proba(known), classifier.predict_proba(known), atol=1e-6
    )


def test_the_deferred_optimizer_moves_the_rows_that_torchs_moves(classifier):
    """A step over the whole table, and one over the rows that a batch reads."""
    texts = replace(classifier.encode(TEXTS), labels=np.array([0, 1, 0, 1, 0]))
    batch = make_batch(texts, np.arange(len(TEXTS)))
    weights = []
    for decay in (0.0, 1e-30):  # with a decay it is torch's own
        model = RecurrentClassifier(classifier.config.model, len(WORDS), 2)
        model.load_state_dict(classifier.model.state_dict())
        updates = make_updates(model, OptimizerConfig("adam", 0.01, decay, 0.0))
        logits = updates.forward(batch)
        updates.step(torch.nn.functional.cross_entropy(logits, batch.labels))
        updates.flush()
        weights.append(model.state_dict())
    torch.testing.assert_close(*weights, rtol=1e-5, atol=1e-6)
    assert not torch.equal(weights[0]["embedding.weight"], classifier.model.embedding.weight)


def test_a_models_answers_do_not_depend_on_the_size_of_batches(classifier):
    encoded = classifier.encode(TEXTS * 10)
    one, many = (predict_logits(classifier.model, encoded, size) for size in (1, 64))
    torch.testing.assert_close(one, many)
