"""Temperature scaling: probabilities that say how often the answers are right.

Source: Guo et al. (2017), "On Calibration of Modern Neural Networks".

Where a model answers all texts rightly, the temperature with the lowest loss is 0: certainty, from
however few texts. So the labels are smoothed by the rule of succession, as Platt (1999),
"Probabilistic Outputs for Support Vector Machines", does: n right answers of n are taken for a
probability of (n + 1) / (n + 2).
"""

import math

import torch
from torch import nn

from rnnclf.data.encoding import EncodedTexts
from rnnclf.model.classifier import Classifier
from rnnclf.model.evaluate import predict_logits

SMALLEST, LARGEST = 0.05, 20.0


def calibrate(classifier: Classifier, texts: EncodedTexts) -> float:
    """Divides the logits by the temperature with the lowest loss on texts, and returns it.

    The fewer the texts, the less it can sharpen the probabilities.

    The linear layers are divided by it, so that everything that has the weights is calibrated: a
    bundle, an ensemble, ONNX. The most probable class of a text stays the same.
    """
    from scipy.optimize import minimize_scalar  # here: it takes half a second to import

    (network,) = classifier.networks
    logits = predict_logits(network, classifier.with_subwords(texts)).double()
    labels = torch.from_numpy(texts.labels)
    num_texts, num_classes = logits.shape
    smoothing = num_classes / (num_classes - 1) / (num_texts + 2)  # 1 / (n + 2) for the others

    def loss(log_temperature: float) -> float:
        scaled = logits / math.exp(log_temperature)
        return nn.functional.cross_entropy(scaled, labels, label_smoothing=smoothing).item()

    bounds = (math.log(SMALLEST), math.log(LARGEST))
    temperature = math.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x)
    with torch.no_grad():
        network.linear.weight.div_(temperature)
        network.linear.bias.div_(temperature)
        if network.wide is not None:
            network.wide.weight.div_(temperature)
    return temperature
