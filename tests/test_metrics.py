"""Measures against scikit-learn."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from project import composed

from rnnclf.data.encoding import EncodedTexts
from rnnclf.data.vocabulary import Vocabulary
from rnnclf.files.class_table import class_table, telling
from rnnclf.files.result import ClassResult
from rnnclf.model.calibration import calibrate
from rnnclf.model.classifier import Classifier
from rnnclf.model.evaluate import predict_logits, score
from rnnclf.model.metrics import THRESHOLDS, of_classes
from rnnclf.model.network import RecurrentClassifier
from rnnclf.training.trainer import balanced_weights


@pytest.fixture(scope="module")
def theirs():
    import sklearn.metrics  # for a second, which only the process of these tests pays

    return sklearn.metrics


@pytest.mark.parametrize("seed", range(5))
def test_measures_are_those_of_scikit_learn(seed, theirs):
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 6, 40)  # classes 6 and 7 do not occur
    logits = torch.from_numpy(generator.normal(size=(40, 8)))
    logits[:, 6] -= 9
    logits[:, 7] -= 9
    logits[np.arange(20), truth[:20]] += 9
    probabilities, predicted = logits.softmax(1).numpy(), logits.argmax(1).numpy()
    scores = score(logits, truth)
    assert scores.accuracy == theirs.accuracy_score(truth, predicted)
    assert scores.macro_f1 == pytest.approx(theirs.f1_score(truth, predicted, average="macro"))
    assert scores.loss == pytest.approx(theirs.log_loss(truth, probabilities, labels=range(8)))
    found = of_classes(scores.classes, [str(number) for number in range(8)])
    columns = theirs.precision_recall_fscore_support(
        truth, predicted, labels=range(8), zero_division=0
    )
    for one, expected in zip(found, zip(*columns, strict=True), strict=True):
        assert (one.precision, one.recall, one.f1, one.support) == pytest.approx(expected)


def test_the_calibration_error_is_the_mean_distance_in_fifteen_bins():
    generator = np.random.default_rng(0)
    logits = torch.from_numpy(generator.normal(size=(300, 3)) * 3)
    truth = generator.integers(0, 3, 300)
    highest, predicted = (tensor.numpy() for tensor in logits.softmax(1).max(1))
    expected = 0.0
    for low in np.arange(15) / 15:
        inside = (highest >= low) & (highest < low + 1 / 15)
        if inside.any():
            right = (predicted[inside] == truth[inside]).mean()
            expected += inside.mean() * abs(right - highest[inside].mean())
    assert score(logits, truth).calibration_error == pytest.approx(expected)


def test_thresholds_tell_what_they_buy():
    logits = torch.tensor([[9.0, 0.0], [9.0, 0.0], [0.5, 0.0], [0.0, 0.0]])
    of = {one.probability: one for one in score(logits, np.array([0, 1, 0, 1])).thresholds}
    assert list(of) == list(THRESHOLDS)
    assert (of[0.5].coverage, of[0.5].accuracy) == (1, 0.5)
    assert (of[0.6].coverage, of[0.6].accuracy) == (0.75, pytest.approx(2 / 3))
    assert (of[0.99].coverage, of[0.99].accuracy) == (0.5, 0.5)


def test_a_model_that_has_diverged_is_told_by_its_loss():
    assert np.isnan(score(torch.full((3, 2), torch.nan), np.array([0, 1, 1])).loss)


def test_no_memory_grows_with_the_square_of_the_classes():
    """A matrix of 200 000 classes would have 320 GB."""
    truth = np.array([0, 199_999])
    scores = score(torch.eye(2, 200_000), truth)
    assert scores.classes.support[-1] == 1
    assert (scores.accuracy, scores.macro_f1) == (0.5, 1 / 3)


def test_weights_of_classes_are_those_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.array([0, 0, 0, 1, 2, 2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert balanced_weights(labels, 3).numpy() == pytest.approx(expected)
    assert balanced_weights(labels, 4).isfinite().all()


def test_of_many_classes_the_largest_and_the_worst_are_told():
    classes = [ClassResult(f"c{n}", 0.5, 0.5, 0.5 if n != 30 else 0.1, 100 - n) for n in range(40)]
    told = [one.label for one in telling(classes, 4)]
    assert told == ["c0", "c1", "c2", "c30"]
    head, *rows = class_table(classes, "test")
    assert head.startswith("test classes (largest and worst of 40)")
    assert len(rows) == 10


def eight_words(times: int) -> tuple[Classifier, EncodedTexts]:
    """An untrained model of three classes, and texts of a word each."""
    config = composed("hidden_size=8", "embedding_size=8")
    torch.manual_seed(0)
    model = RecurrentClassifier(config.model, 10, 3)
    vocabulary = Vocabulary(["<unk>", "<pad>", *"abcdefgh"])
    words = np.tile(np.arange(2, 10, dtype=np.int32), times)
    each = np.arange(len(words))
    texts = EncodedTexts(words, each, np.ones_like(each), np.zeros_like(each))
    return Classifier(config, vocabulary, ["x", "y", "z"], model), texts


def test_answers_that_are_all_right_are_no_surer_than_their_number_allows():
    """Of n texts, (n + 1) / (n + 2) would be right: the rule of succession."""
    certain, temperatures = [], []
    for times in (2, 100):
        classifier, texts = eight_words(times)
        (model,) = classifier.networks
        with torch.no_grad():
            model.linear.weight *= 20
        labels = predict_logits(model, texts).argmax(1).numpy()
        temperatures.append(calibrate(classifier, replace(texts, labels=labels)))
        certain.append(predict_logits(model, texts).softmax(1).max(1).values.mean().item())
        assert certain[-1] <= 1 - 1 / (len(texts) + 2)
    assert certain[0] < certain[1]
    assert 0.1 < temperatures[1] < temperatures[0] / 2, "the bounds did not decide"


def test_calibration_finds_the_temperature_that_made_the_labels():
    """The labels are drawn from the model's probabilities at temperature 3."""
    classifier, texts = eight_words(1000)
    (model,) = classifier.networks
    with torch.no_grad():
        model.linear.weight *= 10
    logits = predict_logits(model, texts)
    torch.manual_seed(0)
    labels = (logits / 3).softmax(1).multinomial(1)[:, 0].numpy()
    texts = replace(texts, labels=labels)
    found = calibrate(classifier, texts)
    assert found == pytest.approx(3, rel=0.2)
    torch.testing.assert_close(predict_logits(model, texts) * found, logits)
    truth = torch.from_numpy(labels)
    losses = [torch.nn.functional.cross_entropy(logits / t, truth) for t in (found / 1.05, found)]
    losses.append(torch.nn.functional.cross_entropy(logits / (found * 1.05), truth))
    assert min(losses) == losses[1]
