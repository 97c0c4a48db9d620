"""Recurrent layers over padded batches.

`torch.nn` packs texts of unequal length, and on a CPU the backward pass of `pack_padded_sequence`
is quadratic in the length. The layers here give the same states from padded batches: left to right
the words come before the padding, and the other direction reverses each text within its length.
"""

import torch
from torch import Tensor, nn

from rnnclf.data.wide import BAGS
from rnnclf.model.batches import BatchBags
from rnnclf.model.kernels import states_of

TINY = 1e-30  # squared length; a text of nothing but unknown features has none

# A cell is made with input_size and hidden_size. Called with vectors (sequence, batch, input_size)
# it returns a tuple that begins with its states (sequence, batch, hidden_size).
CELLS: dict[str, type[nn.Module]] = {
    "rnn": nn.RNN,
    "lstm": nn.LSTM,
    "gru": nn.GRU,
}


class RecurrentLayers(nn.Module):
    """A stack of layers of a cell in one or two directions, with initial states of zero.

    With a cell of torch the function is that of torch's layer on packed sequences.

    Args:
        cell: A key of `CELLS`.
        input_size: Width of the input.
        hidden_size: Width of the hidden state, for each direction.
        num_layers: Layers in the stack.
        bidirectional: Whether each layer also reads from the end.
        dropout: Dropout between the layers.
    """

    def __init__(
        self,
        cell: str,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.output_size = hidden_size * (2 if bidirectional else 1)
        widths = [input_size] + [self.output_size] * (num_layers - 1)
        layer = CELLS[cell]
        self.forwards = nn.ModuleList(layer(width, hidden_size) for width in widths)
        self.backwards = nn.ModuleList(
            layer(width, hidden_size) for width in widths if bidirectional
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, vectors: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Runs the layers.

        Args:
            vectors: (sequence, batch, input_size), padded at the end.
            lengths: Words in each text (batch), at least 1.

        Returns:
            The states of the last layer (sequence, batch, output_size), without meaning beyond a
            text's length; and for each text the state after its last word (batch, output_size).
        """
        states = vectors
        for depth, forwards in enumerate(self.forwards):
            inputs = self.dropout(states) if depth else states
            states = states_of(forwards, inputs)
            last = _at(states, lengths - 1)
            if self.backwards:
                from_end = states_of(self.backwards[depth], reverse(inputs, lengths))
                states = torch.cat([states, reverse(from_end, lengths)], dim=-1)
                last = torch.cat([last, _at(from_end, lengths - 1)], dim=-1)
        return states, last


class WideLayer(nn.Module):
    """A linear layer from hashed features to classes, without a bias.

    Features are weighted as in TF-IDF and each bag is scaled to the length 1. The weights begin
    with zero, and no optimizer changes them.

    Args:
        num_buckets: Buckets of the features.
        num_classes: Classes.
    """

    idf: Tensor

    def __init__(self, num_buckets: int, num_classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(num_buckets, num_classes), requires_grad=False)
        self.register_buffer("idf", torch.ones(num_buckets))

    def forward(self, bags: BatchBags) -> Tensor:
        """Returns the logits of texts (batch, classes)."""
        logits: Tensor = nn.functional.embedding_bag(
            bags.buckets,
            self.weight,
            bags.offsets[::BAGS],
            mode="sum",
            per_sample_weights=self.values(bags),
        )
        return logits

    def values(self, bags: BatchBags) -> Tensor:
        """Returns the value of each feature, at least 0."""
        values = bags.counts * self.idf[bags.buckets]
        squares = values.new_zeros(len(bags.offsets)).index_add(0, bags.owners, values.square())
        return values / squares.clamp(min=TINY).sqrt()[bags.owners]


def reverse(vectors: Tensor, lengths: Tensor) -> Tensor:
    """Reverses each text (sequence, batch, width) within its length; the padding stays."""
    positions = torch.arange(vectors.shape[0], device=vectors.device).unsqueeze(1)
    source = torch.where(positions < lengths, lengths - 1 - positions, positions)
    return vectors.gather(0, source.unsqueeze(-1).expand_as(vectors))


def _at(vectors: Tensor, positions: Tensor) -> Tensor:
    return vectors[positions, torch.arange(positions.shape[0], device=vectors.device)]
