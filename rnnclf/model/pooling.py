"""Poolings, which make one vector of the states of a text."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class States:
    """The states of a batch of texts.

    Attributes:
        all: At every position (sequence, batch, width); without meaning beyond a text's length.
        last: After the last word that each direction reads (batch, width).
        lengths: Words in each text (batch).
        scores: The attention scores (sequence, batch, 1); None without attention.
    """

    all: Tensor
    last: Tensor
    lengths: Tensor
    scores: Tensor | None = None

    @property
    def is_word(self) -> Tensor:
        """Whether a position is within its text (sequence, batch, 1)."""
        positions = torch.arange(self.all.shape[0], device=self.all.device).unsqueeze(1)
        return (positions < self.lengths).unsqueeze(-1)


def _last(states: States) -> Tensor:
    return states.last


def _mean(states: States) -> Tensor:
    return states.all.where(states.is_word, 0).sum(0) / states.lengths.unsqueeze(-1)


def _max(states: States) -> Tensor:
    return states.all.where(states.is_word, -torch.inf).amax(0)


def attention(states: States) -> Tensor:
    """Returns the mean weighted by the softmax of the scores."""
    assert states.scores is not None, "the network computes them for this pooling"
    weights = states.scores.where(states.is_word, -torch.inf).softmax(0)
    return (weights * states.all).sum(0)


# A pooling gives (batch, width); the vectors of several are concatenated.
POOLINGS: dict[str, tuple[Callable[[States], Tensor], ...]] = {
    "last": (_last,),
    "mean": (_mean,),
    "max": (_max,),
    "attention": (attention,),
    "attention_max": (attention, _max),
}
