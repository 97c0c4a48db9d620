"""Texts as arrays of indices, and batches of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rnnclf.data.vocabulary import PADDING_INDEX, Tokenizer, Vocabulary

BATCHES_IN_A_BUCKET = 50
LARGEST_BATCH = 2**17  # words with padding; 256 texts of 512 words


@dataclass(frozen=True)
class EncodedTexts:
    """Texts of any length in one array.

    Attributes:
        words: Word indices of all texts, one text after the other (int32).
        starts: Where each text begins in `words` (int64).
        lengths: Words in each text (int64).
        labels: Class indices (int64).
    """

    words: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def cut(self, max_length: int | None) -> "EncodedTexts":
        """Returns the same texts without the words after the first `max_length`; None keeps all."""
        if max_length is None:
            return self
        return replace(self, lengths=np.minimum(self.lengths, max_length))


@dataclass(frozen=True)
class Batch:
    """Texts side by side.

    Attributes:
        words: Word indices (sequence, batch); short texts are filled with `<pad>` at their end.
        lengths: Words in each text (batch).
        labels: Class indices (batch).
    """

    words: Tensor
    lengths: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> "Batch":
        """Returns the batch on `device`."""
        return Batch(self.words.to(device), self.lengths.to(device), self.labels.to(device))


def encode(
    texts: Sequence[str],
    labels: npt.NDArray[np.int64],
    tokenize: Tokenizer,
    vocabulary: Vocabulary,
    max_length: int | None,
) -> EncodedTexts:
    """Turns texts into indices.

    Args:
        texts: The texts.
        labels: Their class indices.
        tokenize: Splits a text into words.
        vocabulary: Gives each word its index.
        max_length: Words after this many are cut off; None keeps all.
    """
    encoded = [vocabulary.encode(tokenize(text)[:max_length]) for text in texts]
    lengths = np.array([len(words) for words in encoded], dtype=np.int64)
    words = np.concatenate(encoded) if encoded else np.empty(0, dtype=np.int32)
    return EncodedTexts(words, np.cumsum(lengths) - lengths, lengths, labels)


def training_batches(
    texts: EncodedTexts, batch_size: int, generator: np.random.Generator
) -> Iterator[Batch]:
    """Yields all texts once, in random batches of texts of similar length.

    The texts are shuffled, sorted by length within buckets of `BATCHES_IN_A_BUCKET` batches, and
    the batches of all buckets are shuffled.
    """
    order = generator.permutation(len(texts))
    lengths = texts.lengths
    bucket_size = batch_size * BATCHES_IN_A_BUCKET
    batches: list[npt.NDArray[np.int64]] = []
    for start in range(0, len(order), bucket_size):
        bucket = order[start : start + bucket_size]
        bucket = bucket[np.argsort(lengths[bucket], kind="stable")]
        batches += np.split(bucket, range(batch_size, len(bucket), batch_size))
    for position in generator.permutation(len(batches)):
        yield make_batch(texts, batches[position])


def ordered_batches(
    texts: EncodedTexts, batch_size: int
) -> Iterator[tuple[npt.NDArray[np.int64], Batch]]:
    """Yields all texts once, from short to long, with the positions from which they come.

    A batch has fewer texts where it would have more than `LARGEST_BATCH` words with its padding, so
    that one long text among short ones does not take the memory of as many long ones.
    """
    order = np.argsort(texts.lengths, kind="stable")
    lengths = texts.lengths[order]
    start = 0
    while start < len(order):
        longest = lengths[start : start + batch_size]
        sizes = longest * np.arange(1, len(longest) + 1)
        end = start + max(1, int(np.searchsorted(sizes, LARGEST_BATCH, side="right")))
        yield order[start:end], make_batch(texts, order[start:end])
        start = end


def make_batch(texts: EncodedTexts, positions: npt.NDArray[np.int64]) -> Batch:
    """Puts the texts at `positions` side by side."""
    lengths = texts.lengths[positions]
    longest = int(lengths.max())
    padded = np.full((longest, len(positions)), PADDING_INDEX, dtype=np.int64)
    for column, position in enumerate(positions):
        start, length = texts.starts[position], texts.lengths[position]
        padded[:length, column] = texts.words[start : start + length]
    return Batch(
        torch.from_numpy(padded),
        torch.from_numpy(lengths),
        torch.from_numpy(texts.labels[positions]),
    )
