"""The training of the wide path: the steps of gradient descent, and scikit-learn's SVM."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from project import composed, result_of
from sklearn.svm import LinearSVC

from rnnclf.data.encoding import EncodedTexts
from rnnclf.data.prepared import prepare
from rnnclf.data.wide import BAGS, Bags, bags_of
from rnnclf.files.epochs import read_epochs
from rnnclf.model.batches import BatchBags
from rnnclf.model.layers import WideLayer
from rnnclf.training.run import train
from rnnclf.training.wide import _step, train_wide

BUCKETS, CLASSES = 4096, 6
SETTINGS = ("dataset=sample", f"model.wide_buckets={BUCKETS}", "evaluate_test=true")


@pytest.fixture
def sample() -> EncodedTexts:
    return prepare(composed("dataset=sample").dataset, Path("unused"), BUCKETS).training


def layer_for(bags: Bags) -> WideLayer:
    layer = WideLayer(BUCKETS, CLASSES)
    layer.idf = torch.from_numpy(bags.idf(BUCKETS))
    return layer


def dense(layer: WideLayer, bags: Bags, rows: np.ndarray) -> torch.Tensor:
    """The values of the features (texts, buckets)."""
    batch = BatchBags.of(bags, rows)
    places = (batch.owners // BAGS, batch.buckets)
    return torch.zeros(len(rows), BUCKETS).index_put(places, layer.values(batch), accumulate=True)


def test_a_step_goes_against_the_gradient_of_the_squared_hinge_loss(sample, monkeypatch):
    layer = layer_for(sample.bags)
    torch.nn.init.normal_(layer.weight)
    rows, weights = np.arange(7), torch.rand(7, CLASSES)
    targets = torch.randn(7, CLASSES).sign() * 1.5
    expected = layer.weight.detach().clone().requires_grad_()
    scores = dense(layer, sample.bags, rows) @ expected
    losses = (1.5 - targets.sign() * scores).clamp(min=0).square()
    (weights * losses).sum().backward()
    monkeypatch.setattr("rnnclf.training.wide.AT_ONCE", 100)  # a step in many parts
    found = _step(layer, BatchBags.of(sample.bags, rows), targets, 0.02 * weights)
    torch.testing.assert_close(layer.weight, (expected - 0.01 * expected.grad).detach())
    assert found == pytest.approx(losses.sum(1).mean().item())


def test_new_texts_get_the_answers_of_scikit_learns_svm(sample):
    old, new = np.arange(300), np.arange(300, len(sample))
    layer = layer_for(sample.bags)
    losses: list[float] = []
    train_wide(
        layer,
        replace(sample, labels=sample.labels[old]),
        np.random.default_rng(0),
        on_epoch=lambda epoch, loss: losses.append(loss),
    )
    svm = LinearSVC(fit_intercept=False)
    svm.fit(dense(layer, sample.bags, old), sample.labels[old])
    expected = svm.decision_function(dense(layer, sample.bags, new))
    found = layer(BatchBags.of(sample.bags, new)).numpy()
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99
    assert (found.argmax(1) == expected.argmax(1)).mean() > 0.9
    assert (found.argmax(1) == sample.labels[new]).mean() > 0.7
    assert losses[-1] < 0.1 * losses[0]


def test_a_class_whose_texts_do_not_count_is_never_the_answer(sample):
    layer, weights = layer_for(sample.bags), torch.ones(CLASSES)
    weights[2] = 0
    train_wide(layer, sample, np.random.default_rng(0), weights)
    scores = layer(BatchBags.of(sample.bags, np.arange(len(sample))))
    assert scores[:, 2].max() <= 0 < scores[:, 3].max()


def test_texts_that_are_all_alike_do_not_make_it_diverge(sample):
    bags = bags_of(["the same"] * 64, BUCKETS)
    texts = replace(sample, bags=bags, labels=np.arange(64) % 2)
    losses: list[float] = []
    order, keep = np.random.default_rng(0), lambda epoch, loss: losses.append(loss)
    train_wide(layer_for(bags), texts, order, on_epoch=keep)
    assert max(losses) < 1.5 * losses[0]


@pytest.mark.parametrize("epochs", [1, 5])
def test_a_budget_that_ends_in_it_or_with_it_gives_a_tested_model(epochs, tmp_path, monkeypatch):
    """The first model is the linear one: the recurrent layers have taken one step."""
    asked = itertools.count(1)
    monkeypatch.setattr("rnnclf.training.run.time_is_up", lambda: next(asked) >= epochs)
    train(composed(*SETTINGS), tmp_path)
    result = result_of(tmp_path)
    assert (result["epochs"], len(read_epochs(tmp_path / "metrics.jsonl"))) == (1, 1)
    assert result["test_accuracy"] > (0.6 if epochs == 1 else 0.8)
