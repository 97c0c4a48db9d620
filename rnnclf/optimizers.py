"""Optimizers and learning-rate schedules by name."""

import math
from collections.abc import Callable

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from rnnclf.deferred_adam import DeferredAdam
from rnnclf.model import EMBEDDING


def make_optimizer(
    name: str,
    model: nn.Module,
    *,
    lr: float,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
) -> Optimizer:
    """Makes the optimizer `adam`, `adamw` or `sgd`.

    On a CPU, where a step over all word vectors would take longer than all else, the first two are
    a `DeferredAdam`; `adam` with a weight decay is not, since its decay is a part of the gradient.

    Args:
        name: Its name.
        model: What it changes.
        lr: Learning rate.
        weight_decay: L2 penalty (decoupled in `adamw`).
        momentum: For `sgd`.
    """
    parameters = dict(model.named_parameters())
    on_cpu = parameters[EMBEDDING].device.type == "cpu"
    if on_cpu and (name == "adamw" or (name == "adam" and not weight_decay)):
        embedding = parameters.pop(EMBEDDING)
        return DeferredAdam(embedding, parameters.values(), lr=lr, weight_decay=weight_decay)
    if name == "adam":
        return Adam(model.parameters(), lr=lr, weight_decay=weight_decay)
    if name == "adamw":
        return AdamW(model.parameters(), lr=lr, weight_decay=weight_decay)
    return SGD(model.parameters(), lr=lr, weight_decay=weight_decay, momentum=momentum)


def schedule_factor(name: str, warmup: float, num_steps: int) -> Callable[[int], float]:
    """Returns the factor on the learning rate as a function of the step (0 to num_steps - 1).

    Args:
        name: `none` (1 after the warm-up), `linear` or `cosine` (from 1 down to 0).
        warmup: Share of the steps during which the factor rises along a line from 0 to 1.
        num_steps: Steps of the whole training.
    """
    rising = round(warmup * num_steps)

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        done = (step - rising) / max(1, num_steps - rising)
        if name == "linear":
            return 1 - done
        if name == "cosine":
            return (1 + math.cos(math.pi * done)) / 2
        return 1.0

    return factor
