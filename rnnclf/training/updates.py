"""Optimizers and schedules by name, and the steps that they take on a model."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import SGD, Adam, AdamW, Optimizer

from rnnclf.configuration.schema import OptimizerConfig
from rnnclf.data.vocabulary import NUM_SPECIAL_WORDS
from rnnclf.model.batches import Batch
from rnnclf.model.network import EMBEDDING
from rnnclf.training.deferred_adam import DeferredAdam


class Updates:
    """The steps of an optimizer on a model.

    Args:
        model: The model, called with the inputs of a batch.
        optimizer: The optimizer of its parameters.
        precision: What the model computes in where torch's autocast deems it safe.
        clip_norm: Gradients with a larger norm are scaled down to it; None scales none.
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

    def forward(self, batch: Batch) -> Tensor:
        """Calls the model with a batch."""
        if self._precision == torch.float32:
            return self._call(batch)
        with torch.autocast(batch.words.device.type, self._precision):
            return self._call(batch)

    def step(self, loss: Tensor) -> None:
        """Takes a step against the gradient of a loss that comes from `forward`."""
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self._clip_norm is not None:
            nn.utils.clip_grad_norm_(self._changed(), self._clip_norm)
        self.optimizer.step()

    def flush(self) -> None:
        """Makes all weights of the model current; between steps some may lag behind."""

    def _call(self, batch: Batch) -> Tensor:
        output: Tensor = self.model(*batch.inputs)
        return output

    def _changed(self) -> Iterable[Tensor]:
        return [x for group in self.optimizer.param_groups for x in group["params"]]


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


def make_updates(
    model: nn.Module,
    settings: OptimizerConfig,
    precision: torch.dtype = torch.float32,
    clip_norm: float | None = None,
) -> Updates:
    """Makes the updates of a model on its device; for the arguments see `Updates`.

    On a CPU, a step over all word vectors would take longer than everything else, so Adam and AdamW
    are a `DeferredAdam` there. The exception is Adam with a weight decay, which is a part of the
    gradient of every vector. On a GPU, one kernel updates all parameters (`fused`).
    """
    name, lr, decay = settings.name, settings.lr, settings.weight_decay
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    on_cpu = parameters[EMBEDDING].device.type == "cpu"
    if on_cpu and (name == "adamw" or (name == "adam" and not decay)):
        embedding = parameters.pop(EMBEDDING)
        deferred = DeferredAdam(embedding, parameters.values(), lr=lr, weight_decay=decay)
        return _DeferredUpdates(model, deferred, precision, clip_norm)
    optimizer: Optimizer
    if name == "sgd":
        momentum = settings.momentum
        optimizer = SGD(
            parameters.values(), lr=lr, weight_decay=decay, momentum=momentum, fused=not on_cpu
        )
    else:
        kind = Adam if name == "adam" else AdamW
        optimizer = kind(parameters.values(), lr=lr, weight_decay=decay, fused=not on_cpu)
    return Updates(model, optimizer, precision, clip_norm)


def schedule_factor(name: str, warmup: float, num_steps: int) -> Callable[[int], float]:
    """Returns the factor on the learning rate as a function of the step (0 to num_steps - 1).

    Args:
        name: `none` (1 after the warm-up), `linear` or `cosine` (from 1 down to 0).
        warmup: Share of the steps during which the factor rises linearly from 0 to 1.
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
