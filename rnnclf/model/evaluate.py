"""Predictions of a model and their scores."""

import numpy as np
import torch
from torch import Tensor, nn

from rnnclf.data.encoding import EncodedTexts
from rnnclf.model.batches import ordered_batches
from rnnclf.model.metrics import (
    Indices,
    Scores,
    calibration_error,
    macro_f1,
    measure_classes,
    measure_thresholds,
)

BATCH_SIZE = 256


def predict_logits(model: nn.Module, texts: EncodedTexts, batch_size: int = BATCH_SIZE) -> Tensor:
    """Returns the logits of texts (texts, classes), on the CPU.

    The model computes without dropout and gradients. `batch_size`, the number of texts in a batch
    at most, changes the speed only.
    """
    model.eval()
    device = next(model.parameters()).device
    rows: list[Tensor] = []
    positions: list[Indices] = []
    with torch.inference_mode():
        for where, batch in ordered_batches(texts, batch_size):
            rows.append(model(*batch.to(device).inputs).float())
            positions.append(where)
    order = torch.from_numpy(np.argsort(np.concatenate(positions)))
    return torch.cat(rows).cpu()[order]


def score(logits: Tensor, labels: Indices) -> Scores:
    """Compares logits (texts, classes) with the true class indices (texts)."""
    loss = nn.functional.cross_entropy(logits, torch.from_numpy(labels)).item()
    highest, predicted = (tensor.numpy() for tensor in logits.softmax(1).max(1))
    is_right = predicted == labels
    # Those of a model that has diverged are NaN; its loss, which is NaN too, tells that.
    probabilities = np.nan_to_num(highest.astype(np.float64))
    classes = measure_classes(labels, predicted, logits.shape[1])
    return Scores(
        loss=loss,
        accuracy=float(is_right.mean()),
        macro_f1=macro_f1(classes),
        calibration_error=calibration_error(probabilities, is_right),
        classes=classes,
        thresholds=measure_thresholds(probabilities, is_right),
    )
