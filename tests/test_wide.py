"""The wide path: features like scikit-learn's, whole texts, fixed while the rest is trained."""

import numpy as np
import pytest
import torch
from project import composed, training_config
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_union

from rnnclf.configuration.schema import OptimizerConfig
from rnnclf.data.encoding import encode
from rnnclf.data.torchtext_adapter import tokenize
from rnnclf.data.vocabulary import Vocabulary
from rnnclf.data.wide import BAGS, Bags, bags_of
from rnnclf.model.batches import BatchBags, make_batch
from rnnclf.model.classifier import Classifier
from rnnclf.model.evaluate import predict_logits
from rnnclf.model.layers import WideLayer
from rnnclf.model.network import RecurrentClassifier
from rnnclf.training.trainer import Trainer
from rnnclf.training.updates import make_updates

BUCKETS = 2**22  # no two features of these texts share one
TRAINING = [
    "Who was the first man on the moon ?",
    "the moon, the moon; THE MOON!",
    "größer als groß",
    "a",
    "It's x-ray_vision (3.14) \U0001f40b",
    "",
]
NEW = ["who is the man", "nobody", "größer \ud800", "", "of it all the moon the first"]
EVERY_NEW = np.arange(len(NEW))
WORDS = ["<unk>", "<pad>", "the", "moon"]


def dense(bags: Bags, idf: np.ndarray) -> torch.Tensor:
    """The values of features (texts, buckets), read from the gradient of a layer."""
    texts = len(bags.ends) // BAGS
    layer = WideLayer(len(idf), texts)
    layer.idf = torch.from_numpy(idf)
    layer.weight.requires_grad_()
    layer(BatchBags.of(bags, np.arange(texts))).diagonal().sum().backward()
    return layer.weight.grad.t()


@pytest.mark.parametrize("texts", [TRAINING, NEW])
def test_the_features_are_those_of_scikit_learns_tfidf(texts):
    """Inner products are the same whatever the order of the features, or their buckets."""
    vectorizers = [
        TfidfVectorizer(ngram_range=(1, 2)),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5)),
    ]
    union = make_union(*vectorizers).fit(TRAINING)
    expected = union.transform(texts) @ union.transform(NEW).T
    idf = bags_of(TRAINING, BUCKETS).idf(BUCKETS)
    found = dense(bags_of(texts, BUCKETS), idf) @ dense(bags_of(NEW, BUCKETS), idf).t()
    np.testing.assert_allclose(found, expected.toarray(), atol=1e-6)


def test_few_buckets_are_shared_and_many_texts_are_counted_like_few(monkeypatch):
    whole = bags_of(TRAINING * 3, 10)
    assert whole.buckets.max() < 10
    monkeypatch.setattr("rnnclf.data.wide.TEXTS_AT_ONCE", 4)
    parts = bags_of(TRAINING * 3, 10)
    for name in vars(whole):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    assert len(bags_of([], 10).ends) == 0


def test_buckets_are_the_same_in_every_process():
    """Written down once: a bundle would be worthless elsewhere."""
    bags = bags_of(["who was"], 1000)
    words, ngrams = np.split(bags.buckets, bags.ends[:1])
    assert (words.tolist(), ngrams.sum()) == ([631, 706, 988], 9841)


@pytest.fixture
def classifier() -> Classifier:
    torch.manual_seed(0)
    config = composed("hidden_size=4", "embedding_size=3", "model.wide_buckets=5000")
    config.dataset.max_length = 2
    model = RecurrentClassifier(config.model, len(WORDS), 3)
    torch.nn.init.normal_(model.wide.weight)
    model.wide.idf = torch.from_numpy(bags_of(TRAINING, 5000).idf(5000))
    return Classifier(config, Vocabulary(WORDS), ["a", "b", "c"], model.eval())


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8])
def test_the_answer_is_a_mean_of_both_and_unknown_features_give_zero(classifier, share):
    classifier.model.wide_share = share
    batch = make_batch(classifier.encode(NEW), EVERY_NEW)
    both, wide = classifier.model(*batch.inputs), classifier.model.wide(batch.bags)
    classifier.model.wide = None
    recurrent = classifier.model(*batch.inputs)
    torch.testing.assert_close(both, (1 - share) * recurrent + share * wide)
    assert not wide[NEW.index("")].any()
    assert wide[NEW.index("who is the man")].all()


def test_it_reads_the_whole_of_a_text_that_is_cut_for_the_recurrent_layers(classifier):
    cut, whole = classifier.encode(["the moon the first man"]), classifier.encode(["the moon"])
    assert cut.lengths == whole.lengths
    assert len(cut.bags.buckets) > len(whole.bags.buckets)


def test_a_text_gets_the_same_logits_alone_and_beside_others(classifier):
    encoded = classifier.encode(TRAINING * 10)
    one, many = (predict_logits(classifier.model, encoded, size) for size in (1, 64))
    torch.testing.assert_close(one, many)


def trained(buckets: int, optimizer: OptimizerConfig) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    config = composed(f"model.wide_buckets={buckets}", "model.dropout=0.3", "hidden_size=8")
    texts = encode(TRAINING, np.arange(len(TRAINING)) % 3, tokenize, Vocabulary(WORDS))
    model = RecurrentClassifier(config.model, len(WORDS), 3)
    if buckets:
        model.wide.weight.fill_(0.1)
    settings = training_config(epochs=6, batch_size=2, ema_decay=0.9, clip_norm=0.1)
    Trainer(make_updates(model, optimizer), texts, None, settings, np.random.default_rng(0)).run()
    return model.state_dict()


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_it_is_fixed_while_the_rest_is_trained_as_without_it(name, decay):
    optimizer = OptimizerConfig(name, 0.01, decay, 0.0)
    without, both = trained(0, optimizer), trained(100, optimizer)
    assert (both.pop("wide.weight") == 0.1).all()
    del both["wide.idf"]
    assert both.keys() == without.keys()
    for key, value in both.items():
        assert torch.equal(value, without[key]), key
