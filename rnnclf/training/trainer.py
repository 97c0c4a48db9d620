"""The training loop."""

import math
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from rnnclf.configuration.schema import TrainingConfig
from rnnclf.data.encoding import EncodedTexts
from rnnclf.errors import TrainingError
from rnnclf.files.epochs import EpochMetrics
from rnnclf.model.batches import Batch, training_batches
from rnnclf.model.evaluate import predict_logits, score
from rnnclf.training.updates import Updates, schedule_factor

STEPS_BETWEEN_AVERAGES = 10


class Trainer:
    """Trains a model and keeps the weights of its best epoch.

    Args:
        updates: The updates of the model, which returns logits (batch, classes).
        train: Training texts.
        validation: Validation texts, if there are any.
        settings: The section `training`.
        order: Draws the order of the batches.
        class_weights: The weights of the classes in the loss; None weighs all texts alike.

    Attributes:
        epochs: The metrics of the finished epochs.
        best: The metrics of the best epoch, as `EpochMetrics.better_than` decides.
        best_weights: The weights after the best epoch.
    """

    def __init__(
        self,
        updates: Updates,
        train: EncodedTexts,
        validation: EncodedTexts | None,
        settings: TrainingConfig,
        order: np.random.Generator,
        class_weights: Tensor | None = None,
    ) -> None:
        self.model = updates.model
        self.device = next(self.model.parameters()).device
        self.epochs: list[EpochMetrics] = []
        self.best: EpochMetrics | None = None
        self.best_weights: dict[str, Tensor] = {}
        self._updates = updates
        self._train = train
        self._validation = validation
        self._settings = settings
        self._order = order
        self._class_weights = None if class_weights is None else class_weights.to(self.device)
        steps = -(-len(train) // settings.batch_size) * settings.epochs
        schedule = schedule_factor(settings.schedule, settings.warmup, steps)
        self._scheduler = LambdaLR(updates.optimizer, schedule)
        self._average: AveragedModel | None = None
        if settings.ema_decay:
            # Only every tenth step, because going through all weights of an embedding takes long.
            decay = settings.ema_decay**STEPS_BETWEEN_AVERAGES
            update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
            # With `device`, which is the model's own, the copy's weights are contiguous for cuDNN.
            self._average = AveragedModel(self.model, self.device, multi_avg_fn=update)

    def run(
        self,
        on_step: Callable[[int], None] = lambda step: None,
        on_epoch: Callable[[EpochMetrics, bool], None] = lambda metrics, is_best: None,
        is_time_up: Callable[[], bool] = lambda: False,
    ) -> EpochMetrics:
        """Trains the missing epochs, gives the model the weights of the best, and returns that.

        Args:
            on_step: Is called after each step with its number in the epoch, from 1.
            on_epoch: Is called after each epoch with its metrics and whether it is the best so far.
            is_time_up: Ends the training after the step in which it is true, within an epoch.

        Raises:
            TrainingError: If the loss on training or validation texts becomes NaN or infinite.
        """
        while not self._is_finished() and not (self.epochs and is_time_up()):
            metrics = self._run_epoch(on_step, is_time_up)
            self.epochs.append(metrics)
            is_best = metrics.better_than(self.best, self._settings.metric)
            if is_best:
                self.best, self.best_weights = metrics, deepcopy(self._evaluated().state_dict())
            on_epoch(metrics, is_best)
        assert self.best is not None, "there is at least one epoch"
        self.model.load_state_dict(self.best_weights)
        return self.best

    def state_dict(self) -> dict[str, Any]:
        """Returns everything that the next epoch depends on, besides the trainer's arguments."""
        assert self.best is not None, "an epoch is finished"
        on_gpu = self.device.type == "cuda"
        last_is_best = self.best is self.epochs[-1]
        return {
            "epochs": [asdict(metrics) for metrics in self.epochs],
            "best_epoch": self.best.epoch,
            "best_weights": None if last_is_best else self.best_weights,
            "model": self.model.state_dict(),
            "average": self._average.state_dict() if self._average else None,
            "optimizer": self._updates.optimizer.state_dict(),
            "scheduler": self._scheduler.state_dict(),
            "order": self._order.bit_generator.state,
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(self.device) if on_gpu else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from the `state_dict` of a trainer with the same arguments."""
        self.epochs = [EpochMetrics(**metrics) for metrics in state["epochs"]]
        self.best = self.epochs[state["best_epoch"] - 1]
        self.model.load_state_dict(state["model"])
        if self._average:
            self._average.load_state_dict(state["average"])
        self.best_weights = state["best_weights"] or deepcopy(self._evaluated().state_dict())
        self._updates.optimizer.load_state_dict(state["optimizer"])
        self._scheduler.load_state_dict(state["scheduler"])
        self._order.bit_generator.state = state["order"]
        torch.set_rng_state(state["torch"])
        if state["cuda"] is not None:
            torch.cuda.set_rng_state(state["cuda"], self.device)

    def _is_finished(self) -> bool:
        done, patience = len(self.epochs), self._settings.patience
        waited = done - self.best.epoch if self.best else 0
        return done == self._settings.epochs or (patience is not None and waited >= patience)

    def _run_epoch(
        self, on_step: Callable[[int], None], is_time_up: Callable[[], bool]
    ) -> EpochMetrics:
        epoch = len(self.epochs) + 1
        start = time.perf_counter()
        self.model.train()
        texts = 0
        loss_sum = right = 0.0
        batches = training_batches(self._train, self._settings.batch_size, self._order)
        for step, batch in enumerate((batch.to(self.device) for batch in batches), start=1):
            lr = float(self._scheduler.get_last_lr()[0])
            loss, logits = self._step(batch)
            check_finite(loss, f"the loss became {{}} in step {step} of epoch {epoch}", lr)
            self._scheduler.step()
            self._update_average()
            texts += len(batch.labels)
            loss_sum += loss * len(batch.labels)
            right += (logits.argmax(1) == batch.labels).sum().item()
            on_step(step)
            if is_time_up():
                break
        self._updates.flush()
        trained = time.perf_counter()
        tokens = int(self._train.lengths.sum()) * texts / len(self._train)
        scores = None
        if self._validation is not None:
            logits = predict_logits(self._evaluated(), self._validation)
            scores = score(logits, self._validation.labels)
            check_finite(scores.loss, f"the validation loss is {{}} after epoch {epoch}", lr)
        return EpochMetrics(
            epoch=epoch,
            train_loss=loss_sum / texts,
            train_accuracy=right / texts,
            val_loss=scores.loss if scores else None,
            val_accuracy=scores.accuracy if scores else None,
            val_macro_f1=scores.macro_f1 if scores else None,
            lr=lr,
            seconds=time.perf_counter() - start,
            tokens_per_second=tokens / (trained - start),
        )

    def _step(self, batch: Batch) -> tuple[float, Tensor]:
        logits = self._updates.forward(batch).float()
        smoothing = self._settings.label_smoothing
        loss = nn.functional.cross_entropy(
            logits, batch.labels, self._class_weights, label_smoothing=smoothing
        )
        self._updates.step(loss)
        return loss.item(), logits.detach()

    def _update_average(self) -> None:
        if self._average and self._scheduler.last_epoch % STEPS_BETWEEN_AVERAGES == 0:
            self._updates.flush()
            self._average.update_parameters(self.model)

    def _evaluated(self) -> nn.Module:
        """Returns the model to evaluate and keep: the average, once it has begun."""
        if self._average and self._average.n_averaged:
            return self._average.module
        return self.model


def balanced_weights(labels: npt.NDArray[np.int64], num_classes: int) -> Tensor:
    """Returns class weights with which every class counts the same: n / (classes * n of class).

    A class without texts has no loss, and its weight does not matter.
    """
    counts = np.bincount(labels, minlength=num_classes)
    weights = len(labels) / (num_classes * np.maximum(1, counts))
    return torch.from_numpy(weights.astype(np.float32))


def check_finite(loss: float, what: str, lr: float) -> None:
    """Raises a `TrainingError` about a loss that is not finite; `what` has a place for it."""
    if not math.isfinite(loss):
        raise TrainingError(
            f"{what.format(loss)}; try a lower lr (it was {lr:g}) or training.clip_norm=1"
        )
