"""Pretraining of a classifier's recurrent layers as a language model on the training texts.

Each direction learns to predict the word that it reads next (Dai and Le 2015, "Semi-supervised
Sequence Learning"). The softmax is over the words of the batch only, whose vectors are its weights
(Press and Wolf 2017), so that a step costs the same for a vocabulary of any size.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from rnnclf.configuration.schema import TrainingConfig
from rnnclf.data.encoding import EncodedTexts
from rnnclf.model.batches import BatchSubwords, training_batches
from rnnclf.model.network import RecurrentClassifier
from rnnclf.training.trainer import check_finite
from rnnclf.training.updates import Updates


class NextWords(nn.Module):
    """Predicts words from the states of a classifier; its output is the loss.

    Args:
        model: The classifier. If it is bidirectional it must have one layer, because a second one
            has already seen the word that it should predict.
    """

    def __init__(self, model: RecurrentClassifier) -> None:
        super().__init__()
        self.embedding = model.embedding
        self.model = model
        self.directions = 2 if len(model.recurrent.backwards) else 1
        width = model.recurrent.output_size // self.directions
        self.outputs = nn.ModuleList(
            nn.Linear(width, model.embedding.embedding_dim) for _ in range(self.directions)
        )

    def forward(
        self,
        words: Tensor,
        lengths: Tensor,
        subwords: BatchSubwords | None = None,
        bags: None = None,
    ) -> Tensor:
        """Computes the mean cross-entropy; for the arguments see `RecurrentClassifier.forward`."""
        states, _ = self.model.read(words, lengths, subwords)
        distinct, numbers = torch.unique(words, return_inverse=True)
        vectors = self.model.vectors_of(distinct, subwords)
        positions = torch.arange(1, len(words), device=words.device).unsqueeze(1)
        is_pair = positions < lengths
        losses = []
        for direction, (output, half) in enumerate(
            zip(self.outputs, states.chunk(self.directions, dim=-1), strict=True)
        ):
            before, after = (half[:-1], numbers[1:]) if direction == 0 else (half[1:], numbers[:-1])
            logits = output(self.model.dropout(before[is_pair])) @ vectors.t()
            losses.append(
                nn.functional.cross_entropy(logits.float(), after[is_pair], reduction="sum")
            )
        return torch.stack(losses).sum() / (self.directions * is_pair.sum()).clamp(min=1)


def pretrain(
    model: RecurrentClassifier,
    texts: EncodedTexts,
    make_updates: Callable[[nn.Module], Updates],
    settings: TrainingConfig,
    order: np.random.Generator,
    on_step: Callable[[int], None] = lambda step: None,
    on_epoch: Callable[[int, float], None] = lambda epoch, loss: None,
    is_time_up: Callable[[], bool] = lambda: False,
) -> None:
    """Trains the embedding and the recurrent layers of a classifier to predict words.

    Args:
        model: The classifier.
        texts: The training part.
        make_updates: Makes the updates of a module.
        settings: The section `training`.
        order: Draws the order of the batches.
        on_step: Is called after each step with its number in the epoch, from 1.
        on_epoch: Is called after each epoch with its number, from 1, and its mean loss.
        is_time_up: Ends the pretraining after the step in which it is true.

    Raises:
        TrainingError: If the loss becomes NaN or infinite.
    """
    updates = make_updates(NextWords(model).to(model.device).train())
    lr = float(updates.optimizer.param_groups[0]["lr"])
    for epoch in range(1, settings.pretrain_epochs + 1):
        losses = []
        for step, batch in enumerate(training_batches(texts, settings.batch_size, order), start=1):
            loss = updates.forward(batch.to(model.device))
            updates.step(loss)
            losses.append(loss.item())
            where = f"the loss became {{}} in step {step} of epoch {epoch} of the pretraining"
            check_finite(losses[-1], where, lr)
            on_step(step)
            if is_time_up():
                updates.flush()
                return
        updates.flush()
        on_epoch(epoch, sum(losses) / len(losses))
