"""The classifier: embedding, recurrent layers, pooling, linear layer."""

import torch
from torch import Tensor, nn

from rnnclf.data.vocabulary import PADDING_INDEX, UNKNOWN_INDEX
from rnnclf.recurrent import RecurrentLayers

EMBEDDING = "embedding.weight"


class RecurrentClassifier(nn.Module):
    """Classifies texts by what recurrent layers make of them.

    With the defaults it is the hand-out's network (section 3.2): random word vectors, one layer
    read from left to right from a zero state, the last state, a linear layer. "Last" is each
    text's own last word, not the end of the padded batch.

    Args:
        vocabulary_size: Words, with `<unk>` and `<pad>`.
        num_classes: Classes.
        cell: `rnn`, `lstm` or `gru`.
        embedding_size: Width of the word vectors.
        hidden_size: Width of the hidden state, for each direction.
        num_layers: Stacked recurrent layers.
        bidirectional: Whether texts are also read from their end.
        pooling: `last`, `mean`, `max` or `attention`.
        word_dropout: Probability that a word becomes `<unk>` in training.
        embedding_dropout: Dropout on word vectors.
        layer_dropout: Dropout between recurrent layers.
        dropout: Dropout before the linear layer.
    """

    def __init__(
        self,
        vocabulary_size: int,
        num_classes: int,
        *,
        cell: str,
        embedding_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        pooling: str = "last",
        word_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        layer_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.word_dropout = word_dropout
        self.pooling = pooling
        self.embedding = nn.Embedding(vocabulary_size, embedding_size, padding_idx=PADDING_INDEX)
        self.embedding_dropout = nn.Dropout(embedding_dropout)
        self.recurrent = RecurrentLayers(
            cell,
            embedding_size,
            hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            dropout=layer_dropout,
        )
        width = self.recurrent.output_size
        self.attention = nn.Linear(width, 1, bias=False) if pooling == "attention" else None
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, num_classes)

    def forward(self, words: Tensor, lengths: Tensor) -> Tensor:
        """Computes the logits.

        Args:
            words: Word indices (sequence, batch), padded at the end.
            lengths: Words in each text (batch), at least 1.

        Returns:
            (batch, classes).
        """
        if self.training and self.word_dropout:
            dropped = torch.rand(words.shape, device=words.device) < self.word_dropout
            words = words.masked_fill(dropped & (words != PADDING_INDEX), UNKNOWN_INDEX)
        vectors = self.embedding_dropout(self.embedding(words))
        states, last = self.recurrent(vectors, lengths)
        pooled = last if self.pooling == "last" else self._pool(states, lengths)
        logits: Tensor = self.linear(self.dropout(pooled))
        return logits

    def _pool(self, states: Tensor, lengths: Tensor) -> Tensor:
        positions = torch.arange(states.shape[0], device=states.device).unsqueeze(1)
        is_word = (positions < lengths).unsqueeze(-1)
        if self.pooling == "mean":
            return states.where(is_word, 0).sum(0) / lengths.unsqueeze(-1)
        if self.pooling == "max":
            return states.where(is_word, -torch.inf).amax(0)
        assert self.attention is not None
        weights: Tensor = self.attention(states).where(is_word, -torch.inf).softmax(0)
        return (weights * states).sum(0)


def count_parameters(model: nn.Module) -> int:
    """Returns how many numbers training may change."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
