"""Hashed character n-grams, by which a model knows something of rare and unknown words.

A word between `<` and `>` has n-grams of 3 to 5 characters, and a hash gives each n-gram one of a
fixed number of buckets (Bojanowski et al. 2017, "Enriching Word Vectors with Subword Information").
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnnclf.data.vocabulary import NUM_SPECIAL_WORDS

SIZES = (3, 4, 5)
SHARE = 2**15  # words
FNV_BASIS, FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Subwords:
    """The n-grams of numbered words.

    Attributes:
        buckets: The buckets of all n-grams, word by word.
        ends: The end of each word's n-grams in `buckets`.
    """

    buckets: Numbers
    ends: Numbers

    def __add__(self, other: "Subwords") -> "Subwords":
        """Returns the n-grams of these words followed by others."""
        moved = other.ends + len(self.buckets)
        return Subwords(
            np.concatenate([self.buckets, other.buckets]), np.concatenate([self.ends, moved])
        )

    def of(self, words: Numbers) -> tuple[Numbers, Numbers]:
        """Returns the buckets of the n-grams of some words, and where each word's begin."""
        positions, offsets = rows_of(self.ends, words)
        return self.buckets[positions], offsets


def rows_of(ends: Numbers, rows: Numbers) -> tuple[Numbers, Numbers]:
    """Returns the positions of some rows of a ragged array, and where each row begins in them."""
    starts = np.concatenate([[0], ends])[rows]
    sizes = ends[rows] - starts
    offsets = np.cumsum(sizes) - sizes
    return np.arange(sizes.sum()) + np.repeat(starts - offsets, sizes), offsets


def subwords_of_vocabulary(words: Sequence[str], num_buckets: int) -> Subwords:
    """Finds the n-grams of a vocabulary; `<unk>` and `<pad>` have none."""
    special = Subwords(np.empty(0, np.int64), np.zeros(NUM_SPECIAL_WORDS, np.int64))
    return special + subwords_of(words[NUM_SPECIAL_WORDS:], num_buckets)


def subwords_of(words: Sequence[str], num_buckets: int, sizes: Sequence[int] = SIZES) -> Subwords:
    """Finds the n-grams of words and their buckets, by the hash FNV-1a of the characters."""
    # A share at a time, for the sake of memory.
    shares = [words[start : start + SHARE] for start in range(0, max(1, len(words)), SHARE)]
    found = [_subwords_of(share, num_buckets, sizes) for share in shares]
    counts = np.concatenate([np.diff(share.ends, prepend=0) for share in found])
    return Subwords(np.concatenate([share.buckets for share in found]), np.cumsum(counts))


def _subwords_of(words: Sequence[str], num_buckets: int, sizes: Sequence[int]) -> Subwords:
    marked = [f"<{word}>" for word in words]
    lengths = np.array([len(word) for word in marked], dtype=np.int64)
    characters = np.frombuffer("".join(marked).encode("utf-32-le", "surrogatepass"), np.uint32)
    owner = np.repeat(np.arange(len(words)), lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(characters))
    hashes = np.full(len(characters), FNV_BASIS)
    owners, buckets = [], []
    for size in range(1, max(sizes) + 1):
        following = characters[size - 1 :].astype(np.uint64)
        hashes = (hashes[: len(following)] ^ following) * FNV_PRIME
        if size in sizes:
            inside = left[: len(hashes)] >= size
            owners.append(owner[: len(hashes)][inside])
            mixed = hashes[inside] ^ (hashes[inside] >> np.uint64(32))
            buckets.append((mixed % np.uint64(num_buckets)).astype(np.int64))
    all_owners = np.concatenate(owners)
    order = np.argsort(all_owners, kind="stable")
    counts = np.bincount(all_owners, minlength=len(words))
    return Subwords(np.concatenate(buckets)[order], np.cumsum(counts))
