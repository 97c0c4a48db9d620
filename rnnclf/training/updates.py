"""How a model changes in training: optimizers and schedules by name, and the steps they take."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import SGD, Adam, AdamW, Optimizer

from rnnclf.data.encoding import Batch
from rnnclf.data.vocabulary import NUM_SPECIAL_WORDS
from rnnclf.model.network import EMBEDDING
from rnnclf.training.deferred_adam import DeferredAdam


class Updates:
    """The steps of an optimizer on a model.

    Args:
        model: Takes the inputs of a batch.
        optimizer: Changes its parameters.
        precision: What the model computes in where torch's autocast deems it safe.
        clip_norm: Gradients with a larger norm are scaled down to it; None leaves them.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        precision: torch.dtype = torch.float32,
        clip_norm: float | None = None,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self._precision = precision
        self._clip_norm = clip_norm

    @classmethod
    def of(
        cls,
        model: nn.Module,
        optimizer: Optimizer,
        precision: torch.dtype = torch.float32,
        clip_norm: float | None = None,
    ) -> "Updates":
        """Returns the updates that an optimizer needs."""
        kind = _DeferredUpdates if isinstance(optimizer, DeferredAdam) else Updates
        return kind(model, optimizer, precision, clip_norm)

    def forward(self, batch: Batch) -> Tensor:
        """Calls the model with a batch, and with the weights as the optimizer has them."""
        enabled = self._precision != torch.float32
        with torch.autocast(batch.words.device.type, self._precision, enabled=enabled):
            return self._call(batch)

    def step(self, loss: Tensor) -> None:
        """Takes a step against the gradient of a loss that comes from `forward`."""
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self._clip_norm is not None:
            nn.utils.clip_grad_norm_(self._changed(), self._clip_norm)
        self.optimizer.step()

    def flush(self) -> None:
        """Makes the model's weights current; between steps some may lag behind."""

    def _call(self, batch: Batch) -> Tensor:
        output: Tensor = self.model(*batch.inputs)
        return output

    def _changed(self) -> Iterable[Tensor]:
        return self.model.parameters()


class _DeferredUpdates(Updates):
    """The steps of a `DeferredAdam`, which hands the model the rows of its embedding."""

    optimizer: DeferredAdam

    def flush(self) -> None:
        self.optimizer.flush()

    def _call(self, batch: Batch) -> Tensor:
        numbers, rows = self.optimizer.take_rows(batch.rows, always=NUM_SPECIAL_WORDS)
        inputs = batch.with_rows(numbers).inputs
        output: Tensor = functional_call(self.model, {EMBEDDING: rows}, inputs, tie_weights=False)
        return output

    def _changed(self) -> Iterable[Tensor]:
        return self.optimizer.parameters


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
