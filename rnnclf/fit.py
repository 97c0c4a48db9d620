"""The training loop."""

import math
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from rnnclf.data.encoding import Batch, EncodedTexts, training_batches
from rnnclf.data.vocabulary import NUM_SPECIAL_WORDS
from rnnclf.deferred_adam import DeferredAdam
from rnnclf.errors import TrainingError
from rnnclf.evaluate import predict_logits, score
from rnnclf.metrics import Scores
from rnnclf.model import EMBEDDING

EVALUATION_BATCH_SIZE = 256


@dataclass(frozen=True)
class EpochMetrics:
    """What one pass over the training part gave; a line of `metrics.jsonl`.

    Attributes:
        epoch: From 1.
        train_loss: Mean loss over the training texts during the pass (with dropout, with label
            smoothing).
        train_accuracy: Share of training texts that were right during the pass.
        val_loss: Cross-entropy on the validation part after the pass.
        val_accuracy: Accuracy on it.
        val_macro_f1: Macro-F1 on it.
        lr: Learning rate of the last step.
        seconds: Wall time of pass and validation.
        tokens_per_second: Training words, without padding, for each second of the pass.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    val_macro_f1: float | None
    lr: float
    seconds: float
    tokens_per_second: float

    def better_than(self, other: "EpochMetrics | None") -> bool:
        """Tells whether the validation accuracy is higher, or the same with a lower loss.

        Without a validation part the later epoch is the better one.
        """
        if other is None or self.val_accuracy is None or other.val_accuracy is None:
            return True
        assert self.val_loss is not None and other.val_loss is not None, "as the accuracy"
        return (self.val_accuracy, -self.val_loss) > (other.val_accuracy, -other.val_loss)


def fit(
    model: nn.Module,
    train: EncodedTexts,
    validation: EncodedTexts | None,
    optimizer: Optimizer,
    *,
    epochs: int,
    batch_size: int,
    order: np.random.Generator,
    schedule: Callable[[int], float] = lambda step: 1.0,
    label_smoothing: float = 0.0,
    clip_norm: float | None = None,
    patience: int | None = None,
    precision: torch.dtype = torch.float32,
    device: torch.device | None = None,
    on_step: Callable[[int], None] = lambda step: None,
    on_epoch: Callable[[EpochMetrics, bool], None] = lambda metrics, is_best: None,
) -> EpochMetrics:
    """Trains a model and leaves it with the weights of its best epoch.

    Args:
        model: Takes words (sequence, batch) and lengths (batch), returns logits (batch, classes);
            is on `device`.
        train: Training texts.
        validation: Validation texts; the best epoch is the one with the highest accuracy on them
            (with the lower loss among equals), or the last one if there are none.
        optimizer: Changes the model's parameters.
        epochs: Passes over the training texts at most.
        batch_size: Texts in a step.
        order: Draws the order of the batches.
        schedule: Factor on the learning rate for each step from 0.
        label_smoothing: Share of the target probability that is spread over all classes.
        clip_norm: Largest norm of the gradient; None does not clip.
        patience: Stop after this many epochs without a better one; None never stops early.
        precision: What the network computes in where torch's autocast deems it safe.
        device: Where to compute; default: the CPU.
        on_step: Is called with the number of the step (from 1, in this epoch) after each step.
        on_epoch: Is called after each epoch with its metrics and whether it is the best so far;
            the model then has the weights of that epoch.

    Returns:
        The metrics of the best epoch.

    Raises:
        TrainingError: If the loss on the training or the validation texts becomes NaN or infinite.
    """
    device = device or torch.device("cpu")
    scheduler = LambdaLR(optimizer, schedule)
    best: EpochMetrics | None = None
    best_weights: dict[str, Tensor] = {}
    for epoch in range(1, epochs + 1):
        start = time.perf_counter()
        model.train()
        loss_sum = right = 0.0
        batches = training_batches(train, batch_size, order)
        for step, batch in enumerate((batch.to(device) for batch in batches), start=1):
            lr = float(scheduler.get_last_lr()[0])
            loss, logits = _step(model, batch, optimizer, label_smoothing, clip_norm, precision)
            check_finite(loss, f"the loss became {{}} in step {step} of epoch {epoch}", lr)
            scheduler.step()
            loss_sum += loss * len(batch.labels)
            right += (logits.argmax(1) == batch.labels).sum().item()
            on_step(step)
        settle(optimizer)
        trained = time.perf_counter()
        scores = _validate(model, validation, device, epoch, lr)
        metrics = EpochMetrics(
            epoch=epoch,
            train_loss=loss_sum / len(train),
            train_accuracy=right / len(train),
            val_loss=scores.loss if scores else None,
            val_accuracy=scores.accuracy if scores else None,
            val_macro_f1=scores.macro_f1 if scores else None,
            lr=lr,
            seconds=time.perf_counter() - start,
            tokens_per_second=int(train.lengths.sum()) / (trained - start),
        )
        is_best = metrics.better_than(best)
        if is_best:
            best, best_weights = metrics, deepcopy(model.state_dict())
        on_epoch(metrics, is_best)
        assert best is not None, "the first epoch is the best so far"
        if patience is not None and epoch - best.epoch >= patience:
            break
    assert best is not None, "there is at least one epoch"
    model.load_state_dict(best_weights)
    return best


def _step(
    model: nn.Module,
    batch: Batch,
    optimizer: Optimizer,
    label_smoothing: float,
    clip_norm: float | None,
    precision: torch.dtype,
) -> tuple[float, Tensor]:
    optimizer.zero_grad()
    logits = call(model, batch, optimizer, precision).float()
    loss = nn.functional.cross_entropy(logits, batch.labels, label_smoothing=label_smoothing)
    change(model, loss, optimizer, clip_norm)
    return loss.item(), logits.detach()


def call(model: nn.Module, batch: Batch, optimizer: Optimizer, precision: torch.dtype) -> Tensor:
    """Calls a model with a batch, and with the weights as its optimizer has them."""
    device = batch.words.device.type
    with torch.autocast(device, precision, enabled=precision != torch.float32):
        if isinstance(optimizer, DeferredAdam):
            numbers, rows = optimizer.take_rows(batch.rows, always=NUM_SPECIAL_WORDS)
            inputs = batch.with_rows(numbers).inputs
            output: Tensor = functional_call(model, {EMBEDDING: rows}, inputs, tie_weights=False)
        else:
            output = model(*batch.inputs)
    return output


def change(
    model: nn.Module, loss: Tensor, optimizer: Optimizer, clip_norm: float | None = None
) -> None:
    """Takes a step against the gradient of the loss, whose norm is at most `clip_norm`."""
    loss.backward()  # type: ignore[no-untyped-call]
    if clip_norm is not None:
        changed = (
            optimizer.parameters if isinstance(optimizer, DeferredAdam) else model.parameters()
        )
        nn.utils.clip_grad_norm_(changed, clip_norm)
    optimizer.step()


def settle(optimizer: Optimizer) -> None:
    """Makes the model's weights current."""
    if isinstance(optimizer, DeferredAdam):
        optimizer.settle()


def _validate(
    model: nn.Module, validation: EncodedTexts | None, device: torch.device, epoch: int, lr: float
) -> Scores | None:
    if validation is None:
        return None
    logits = predict_logits(model, validation, EVALUATION_BATCH_SIZE, device)
    scores = score(logits, validation.labels)
    check_finite(scores.loss, f"the validation loss is {{}} after epoch {epoch}", lr)
    return scores


def check_finite(loss: float, what: str, lr: float) -> None:
    """Raises a `TrainingError` that says `what` happened to a loss that is not finite."""
    if not math.isfinite(loss):
        raise TrainingError(
            f"{what.format(loss)}; try a lower lr (it was {lr:g}) or training.clip_norm=1"
        )
