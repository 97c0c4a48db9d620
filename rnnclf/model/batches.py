"""Batches of encoded texts, as tensors."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rnnclf.data.encoding import EncodedTexts
from rnnclf.data.subwords import Subwords
from rnnclf.data.vocabulary import NUM_SPECIAL_WORDS, PADDING_INDEX, UNKNOWN_INDEX
from rnnclf.data.wide import Bags

BATCHES_IN_A_BUCKET = 50
LARGEST_BATCH = 2**17  # words with padding; 256 texts of 512 words
LONG, STRIDE = 64, 8  # a batch of more than LONG words is padded to a multiple of STRIDE


class BatchSubwords(NamedTuple):
    """The distinct words of a batch and their n-grams, as rows of the embedding.

    Attributes:
        own: The row of each word itself (words); `<unk>` and `<pad>` are the first two.
        ngrams: The rows of all n-grams, word by word.
        offsets: The position of each word's first n-gram in `ngrams` (words).
    """

    own: Tensor
    ngrams: Tensor
    offsets: Tensor


class BatchBags(NamedTuple):
    """The bags of the texts of a batch, one after another.

    Attributes:
        buckets: The buckets of all features, bag by bag; each once in a bag.
        counts: How often each occurs in its text.
        owners: The number of the bag of each.
        offsets: The position of the first feature of each bag in `buckets` (bags).
    """

    buckets: Tensor
    counts: Tensor
    owners: Tensor
    offsets: Tensor

    @classmethod
    def of(cls, bags: Bags, texts: npt.NDArray[np.int64]) -> "BatchBags":
        """Makes a batch of the texts at some positions."""
        buckets, counts, offsets = bags.of(texts)
        sizes = np.diff(np.append(offsets, len(buckets)))
        return cls(
            torch.from_numpy(buckets.astype(np.int64)),
            torch.from_numpy(counts.astype(np.float32)),
            torch.from_numpy(np.repeat(np.arange(len(offsets)), sizes)),
            torch.from_numpy(offsets),
        )

    def to(self, device: torch.device) -> "BatchBags":
        """Returns the bags on `device`."""
        return BatchBags(*(part.to(device) for part in self))


@dataclass(frozen=True)
class Batch:
    """Texts side by side.

    Attributes:
        words: (sequence, batch), padded at the end with `<pad>`: rows of the embedding, or with
            `subwords` positions in those.
        lengths: Words in each text (batch).
        labels: Class indices (batch).
        subwords: The words with their n-grams, for a model that reads those.
        bags: The features of the texts, for a model with a wide path.
    """

    words: Tensor
    lengths: Tensor
    labels: Tensor
    subwords: BatchSubwords | None = None
    bags: BatchBags | None = None

    def to(self, device: torch.device) -> "Batch":
        """Returns the batch on `device`."""
        subwords = self.subwords and BatchSubwords(*(part.to(device) for part in self.subwords))
        bags = self.bags and self.bags.to(device)
        words, lengths, labels = (x.to(device) for x in (self.words, self.lengths, self.labels))
        return Batch(words, lengths, labels, subwords, bags)

    @property
    def inputs(self) -> tuple[Tensor, Tensor, BatchSubwords | None, BatchBags | None]:
        """The arguments of a model."""
        return self.words, self.lengths, self.subwords, self.bags

    @property
    def rows(self) -> Tensor:
        """All rows of the embedding that the batch reads, unsorted and with repetitions."""
        if self.subwords is None:
            return self.words
        return torch.cat([self.subwords.own, self.subwords.ngrams])

    def with_rows(self, rows: Tensor) -> "Batch":
        """Returns the batch with other numbers for its `rows`."""
        if self.subwords is None:
            return replace(self, words=rows)
        own, ngrams = rows[: len(self.subwords.own)], rows[len(self.subwords.own) :]
        return replace(self, subwords=BatchSubwords(own, ngrams, self.subwords.offsets))


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
    """Yields all texts once, from short to long, with their positions.

    A batch has at most `LARGEST_BATCH` words with its padding, or a single text: one long text must
    not make many short ones as long.
    """
    order = np.argsort(texts.lengths, kind="stable")
    lengths = texts.lengths[order]
    start = 0
    while start < len(order):
        longest = _padded(lengths[start : start + batch_size])
        sizes = longest * np.arange(1, len(longest) + 1)
        end = start + max(1, int(np.searchsorted(sizes, LARGEST_BATCH, side="right")))
        yield order[start:end], make_batch(texts, order[start:end])
        start = end


def make_batch(texts: EncodedTexts, positions: npt.NDArray[np.int64]) -> Batch:
    """Puts the texts at `positions` side by side."""
    lengths = texts.lengths[positions]
    longest = int(_padded(lengths).max())
    padded = np.full((longest, len(positions)), PADDING_INDEX, dtype=np.int64)
    for column, position in enumerate(positions):
        start, length = texts.starts[position], texts.lengths[position]
        padded[:length, column] = texts.words[start : start + length]
    subwords = None
    if texts.subwords is None:
        np.maximum(padded, UNKNOWN_INDEX, out=padded)
    else:
        padded, subwords = _with_subwords(padded, texts.subwords, len(texts.oov))
    return Batch(
        torch.from_numpy(padded),
        torch.from_numpy(lengths),
        torch.from_numpy(texts.labels[positions]),
        subwords,
        None if texts.bags is None else BatchBags.of(texts.bags, positions),
    )


def _padded(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Returns the padded lengths; there are few, because oneDNN keeps a product for each."""
    return np.where(lengths > LONG, -(-lengths // STRIDE) * STRIDE, lengths)


def _with_subwords(
    words: npt.NDArray[np.int64], subwords: Subwords, num_oov: int
) -> tuple[npt.NDArray[np.int64], BatchSubwords]:
    """Numbers the distinct words of a batch and finds their n-grams."""
    num_words = len(subwords.ends) - num_oov
    numbered = np.where(words < 0, num_words - 1 - words, words)
    special = np.arange(NUM_SPECIAL_WORDS)
    distinct, numbers = np.unique(np.append(special, numbered), return_inverse=True)
    buckets, offsets = subwords.of(distinct)
    own = np.where(distinct < num_words, distinct, UNKNOWN_INDEX)
    parts = (torch.from_numpy(part) for part in (own, buckets + num_words, offsets))
    return numbers[NUM_SPECIAL_WORDS:].reshape(words.shape), BatchSubwords(*parts)
