"""Training of the wide path, before everything else and in seconds: a linear SVM.

Each class is told from all others with the squared hinge loss, by stochastic gradient descent. A
few epochs take the place of a penalty on the weights.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from rnnclf.data.encoding import EncodedTexts
from rnnclf.data.wide import BAGS
from rnnclf.model.batches import BatchBags
from rnnclf.model.layers import TINY, WideLayer
from rnnclf.training.updates import schedule_factor

EPOCHS, BATCH_SIZE, RATE = 5, 32, 0.3
AT_ONCE = 2**18  # updates of weights, which stay in the processor's cache


def train_wide(
    wide: WideLayer,
    texts: EncodedTexts,
    order: np.random.Generator,
    class_weights: Tensor | None = None,
    on_step: Callable[[int], None] = lambda step: None,
    on_epoch: Callable[[int, float], None] = lambda epoch, loss: None,
    is_time_up: Callable[[], bool] = lambda: False,
) -> None:
    """Trains a wide path.

    Args:
        wide: The wide path.
        texts: The training part, with bags.
        order: Draws the order of the texts.
        class_weights: How much the texts of a class count when it is told from the others; None
            counts all texts alike.
        on_step: Is called after each step with its number in the epoch, from 1.
        on_epoch: Is called after each epoch with its number, from 1, and its mean loss.
        is_time_up: Ends the training after the epoch in which it is true, since a part of one
            would be worse than nothing.
    """
    assert texts.bags is not None, "the model has a wide path"
    num_classes, device = wide.weight.shape[1], wide.weight.device
    margin = math.log(1 + num_classes)  # measured: logits as certain as right (docs/notebook.md)
    weights = torch.ones(num_classes) if class_weights is None else class_weights
    steps = -(-len(texts) // BATCH_SIZE)
    factor = schedule_factor("cosine", 0.0, EPOCHS * steps)
    for epoch in range(EPOCHS):
        losses = []
        rows = order.permutation(len(texts))
        for step, batch in enumerate(np.array_split(rows, steps)):
            classes = torch.from_numpy(texts.labels[batch])
            is_class = nn.functional.one_hot(classes, num_classes).bool()
            targets = torch.where(is_class, margin, -margin).to(device)
            rate = RATE * factor(epoch * steps + step)
            rates = rate * torch.where(is_class, weights, 1).to(device)
            losses.append(_step(wide, BatchBags.of(texts.bags, batch).to(device), targets, rates))
            on_step(step + 1)
        on_epoch(epoch + 1, sum(losses) / len(losses))
        if is_time_up():
            return


def _step(wide: WideLayer, bags: BatchBags, targets: Tensor, rates: Tensor) -> float:
    """Takes a gradient step on a batch, and returns the mean loss before it.

    Args:
        wide: The wide path.
        bags: The features of the texts.
        targets: The margins (texts, classes); a logit beyond its margin has no loss.
        rates: The learning rates (texts, classes), before they are bounded.
    """
    signs = targets.sign()
    residuals = signs * (signs * (targets - wide(bags))).clamp(min=0)
    values, texts = wide.values(bags), bags.owners // BAGS
    # A step on one text changes the logits of all texts that share features with it, by the inner
    # product. None of these is negative, so a rate of at most the inverse of their sum over the
    # batch cannot overshoot.
    _, features = torch.unique(bags.buckets, return_inverse=True)
    sums = torch.zeros_like(values).index_add(0, features, values)
    products = torch.zeros_like(rates[:, 0]).index_add(0, texts, values * sums[features])
    updates = torch.minimum(rates, 1 / products.clamp(min=TINY).unsqueeze(1)) * residuals
    pieces = -(-len(values) * updates.shape[1] // AT_ONCE)
    parts = (part.chunk(max(1, pieces)) for part in (bags.buckets, values, texts))
    for buckets, factors, owners in zip(*parts, strict=True):
        wide.weight.index_add_(0, buckets, factors.unsqueeze(1) * updates[owners])
    return float(residuals.square().sum(1).mean())
