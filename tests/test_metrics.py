"""Measures against scikit-learn."""

import numpy as np
import pytest
import torch

from rnnclf.model.evaluate import score
from rnnclf.model.metrics import accuracy, confusion_matrix, macro_f1


@pytest.fixture(scope="module")
def theirs():
    import sklearn.metrics  # for a second, which only the process of these tests pays

    return sklearn.metrics


@pytest.mark.parametrize("seed", range(5))
def test_measures_are_those_of_scikit_learn(seed, theirs):
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 6, 40)
    predicted = np.where(generator.random(40) < 0.5, truth, generator.integers(0, 6, 40))
    confusion = confusion_matrix(truth, predicted, 8)  # classes 6 and 7 do not occur
    expected = theirs.confusion_matrix(truth, predicted, labels=range(8))
    assert np.array_equal(confusion, expected)
    assert accuracy(confusion) == theirs.accuracy_score(truth, predicted)
    assert macro_f1(confusion) == pytest.approx(theirs.f1_score(truth, predicted, average="macro"))


def test_the_loss_is_the_log_loss_of_scikit_learn(theirs):
    logits = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    truth = np.arange(30) % 4
    expected = theirs.log_loss(truth, logits.double().softmax(1).numpy())
    assert score(logits, truth).loss == pytest.approx(expected, rel=1e-5)
