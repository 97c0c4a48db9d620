"""The network (embedding, recurrent layers, pooling, linear layer) and ensembles of it."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from rnnclf.configuration.schema import ModelConfig
from rnnclf.data.vocabulary import PADDING_INDEX, UNKNOWN_INDEX
from rnnclf.model.batches import BatchBags, BatchSubwords
from rnnclf.model.layers import RecurrentLayers, WideLayer
from rnnclf.model.pooling import POOLINGS, States, attention

EMBEDDING, WIDE = "embedding.weight", "wide.weight"
STD_WITHOUT = 0.1  # of random vectors beside pretrained ones


class RecurrentClassifier(nn.Module):
    """Classifies texts by the states of recurrent layers.

    With one layer, one direction and the pooling `last` it is the hand-out's network (section 3.2):
    the last state is that of each text's own last word, not of the end of the padded batch.

    With a wide path (Cheng et al. 2016, "Wide & Deep Learning for Recommender Systems") the answer
    is a weighted mean of its logits and those of a linear classifier on hashed features.

    Args:
        config: The key `vectors` is not used.
        vocabulary_size: Words, with `<unk>` and `<pad>`. In the embedding, the vectors of character
            n-grams follow theirs.
        num_classes: Classes.
    """

    def __init__(self, config: ModelConfig, vocabulary_size: int, num_classes: int) -> None:
        super().__init__()
        self.vocabulary_size = vocabulary_size
        self.word_dropout = config.word_dropout
        self.poolings = POOLINGS[config.pooling]
        self.embedding = nn.Embedding(
            vocabulary_size + config.ngram_buckets, config.embedding_size, padding_idx=PADDING_INDEX
        )
        self.embedding_dropout = nn.Dropout(config.embedding_dropout)
        self.recurrent = RecurrentLayers(
            config.cell,
            config.embedding_size,
            config.hidden_size,
            num_layers=config.num_layers,
            bidirectional=config.bidirectional,
            dropout=config.layer_dropout,
        )
        width = self.recurrent.output_size
        self.attention = nn.Linear(width, 1, bias=False) if attention in self.poolings else None
        self.dropout = nn.Dropout(config.dropout)
        self.linear = nn.Linear(len(self.poolings) * width, num_classes)
        self.wide = WideLayer(config.wide_buckets, num_classes) if config.wide_buckets else None
        self.wide_share = config.wide_share

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.linear.weight.device

    def take_vectors(self, indices: Tensor, vectors: Tensor) -> None:
        """Gives words pretrained vectors, and all other words and n-grams small random ones.

        Args:
            indices: Of the words in the vocabulary.
            vectors: Theirs (words, embedding size).
        """
        with torch.no_grad():
            self.embedding.weight.mul_(STD_WITHOUT)
            words = self.embedding.weight[: self.vocabulary_size].normal_(std=STD_WITHOUT)
            words[indices] = vectors
            words[PADDING_INDEX] = 0

    def forward(
        self,
        words: Tensor,
        lengths: Tensor,
        subwords: BatchSubwords | None = None,
        bags: BatchBags | None = None,
    ) -> Tensor:
        """Returns the logits (batch, classes).

        Args:
            words: (sequence, batch), padded at the end: word indices, or positions in `subwords`.
            lengths: Words in each text (batch), at least 1.
            subwords: The words with their n-grams, for a model that reads those.
            bags: The features of the texts, for a model with a wide path; without them the logits
                are those of the recurrent layers, which have a loss of their own.
        """
        states, last = self.read(words, lengths, subwords)
        scores = None if self.attention is None else self.attention(states)
        read = States(states, last, lengths, scores)
        pooled = torch.cat([pool(read) for pool in self.poolings], dim=-1)
        logits: Tensor = self.linear(self.dropout(pooled))
        if self.wide is None or bags is None:
            return logits
        return torch.lerp(logits, self.wide(bags), self.wide_share)

    def read(
        self, words: Tensor, lengths: Tensor, subwords: BatchSubwords | None = None
    ) -> tuple[Tensor, Tensor]:
        """Returns what `RecurrentLayers` returns: all states and the last ones."""
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
    """Classifies texts by the mean probabilities of networks with the same words and classes."""

    def __init__(self, members: Iterable[RecurrentClassifier]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(
        self,
        words: Tensor,
        lengths: Tensor,
        subwords: BatchSubwords | None = None,
        bags: BatchBags | None = None,
    ) -> Tensor:
        """Returns the logarithms of the mean probabilities; see `RecurrentClassifier.forward`."""
        answers = [m(words, lengths, subwords, bags).log_softmax(-1) for m in self.members]
        return torch.stack(answers).logsumexp(0) - math.log(len(answers))


def count_parameters(model: nn.Module) -> int:
    """Returns the number of trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
