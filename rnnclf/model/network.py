"""The classifier: embedding, recurrent layers, pooling, linear layer; and several that vote."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from rnnclf.data.encoding import BatchSubwords
from rnnclf.data.vocabulary import PADDING_INDEX, UNKNOWN_INDEX
from rnnclf.model.layers import RecurrentLayers
from rnnclf.model.pooling import POOLINGS, States, attention

EMBEDDING = "embedding.weight"


class RecurrentClassifier(nn.Module):
    """Classifies texts by what recurrent layers make of them.

    With the defaults it is the hand-out's network (section 3.2): random word vectors, one layer
    read from left to right from a zero state, the last state, a linear layer. "Last" is each
    text's own last word, not the end of the padded batch.

    Args:
        vocabulary_size: Words, with `<unk>` and `<pad>`.
        num_classes: Classes.
        cell: A key of `CELLS`.
        embedding_size: Width of the word vectors.
        hidden_size: Width of the hidden state, for each direction.
        num_layers: Stacked recurrent layers.
        bidirectional: Whether texts are also read from their end.
        pooling: A key of `POOLINGS`.
        ngram_buckets: Vectors of character n-grams, which the embedding has after those of the
            words; a word's vector is its own plus the mean of those of its n-grams.
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
        ngram_buckets: int = 0,
        word_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        layer_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.word_dropout = word_dropout
        self.poolings = POOLINGS[pooling]
        self.embedding = nn.Embedding(
            vocabulary_size + ngram_buckets, embedding_size, padding_idx=PADDING_INDEX
        )
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
        self.attention = nn.Linear(width, 1, bias=False) if attention in self.poolings else None
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(len(self.poolings) * width, num_classes)

    def forward(
        self, words: Tensor, lengths: Tensor, subwords: BatchSubwords | None = None
    ) -> Tensor:
        """Computes the logits.

        Args:
            words: (sequence, batch), padded at the end: word indices, or numbers of the words
                of `subwords`.
            lengths: Words in each text (batch), at least 1.
            subwords: The words with their n-grams, if the model reads those.

        Returns:
            (batch, classes).
        """
        states, last = self.read(words, lengths, subwords)
        scores = None if self.attention is None else self.attention(states)
        read = States(states, last, lengths, scores)
        pooled = torch.cat([pool(read) for pool in self.poolings], dim=-1)
        logits: Tensor = self.linear(self.dropout(pooled))
        return logits

    def read(
        self, words: Tensor, lengths: Tensor, subwords: BatchSubwords | None = None
    ) -> tuple[Tensor, Tensor]:
        """Computes the states of the recurrent layers, and the last ones, as those return them."""
        if self.training and self.word_dropout:
            dropped = torch.rand(words.shape, device=words.device) < self.word_dropout
            words = words.masked_fill(dropped & (words != PADDING_INDEX), UNKNOWN_INDEX)
        vectors = self.vectors_of(words, subwords)
        states, last = self.recurrent(self.embedding_dropout(vectors), lengths)
        return states, last

    def vectors_of(self, words: Tensor, subwords: BatchSubwords | None = None) -> Tensor:
        """Looks up the vectors of words of any shape: (..., embedding size)."""
        if subwords is None:
            vectors: Tensor = self.embedding(words)
            return vectors
        own, ngrams, offsets = subwords
        of_ngrams = nn.functional.embedding_bag(ngrams, self.embedding.weight, offsets, mode="mean")
        distinct = self.embedding(own) + of_ngrams
        return nn.functional.embedding(words, distinct, padding_idx=PADDING_INDEX)


class Ensemble(nn.Module):
    """Classifies texts by the mean of the probabilities that several networks give.

    Args:
        members: The networks, which read the same words and tell the same classes apart.
    """

    def __init__(self, members: Iterable[RecurrentClassifier]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(
        self, words: Tensor, lengths: Tensor, subwords: BatchSubwords | None = None
    ) -> Tensor:
        """Computes the logarithms of the mean probabilities (batch, classes).

        The arguments are those of `RecurrentClassifier.forward`.
        """
        answers = [member(words, lengths, subwords).log_softmax(-1) for member in self.members]
        return torch.stack(answers).logsumexp(0) - math.log(len(answers))


def count_parameters(model: nn.Module) -> int:
    """Returns how many numbers training may change."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
