"""The features of the wide path: hashed words, pairs of words and character n-grams, counted.

They are those of a linear classifier on a bag of n-grams (Wang and Manning 2012, "Baselines and
Bigrams"), and come from the text itself: neither the vocabulary nor `dataset.max_length` limits
them. A hash gives each of them one of a fixed number of buckets (Weinberger et al. 2009, "Feature
Hashing for Large Scale Multitask Learning"), so that new texts need no list of features.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnnclf.data.subwords import FNV_PRIME, rows_of, subwords_of

BAGS = 2  # of a text: words with their pairs, and character n-grams
SIZES = (2, 3, 4, 5)  # of character n-grams, within a word with its two ends
TEXTS_AT_ONCE = 1000  # bounds the memory for the features before they are counted

Numbers = npt.NDArray[np.int64]
find_words = re.compile(r"\w\w+").findall


@dataclass(frozen=True)
class Bags:
    """The bags of many texts, `BAGS` of each.

    Attributes:
        buckets: The buckets of all features, bag by bag; each once in a bag.
        counts: How often each occurs in its text.
        ends: The end of each bag in `buckets`.
    """

    buckets: npt.NDArray[np.int32]
    counts: npt.NDArray[np.uint16]
    ends: Numbers

    def of(self, texts: Numbers) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint16], Numbers]:
        """Returns buckets and counts of the features of some texts, and where each bag begins."""
        bags = (texts[:, None] * BAGS + np.arange(BAGS)).ravel()
        positions, offsets = rows_of(self.ends, bags)
        return self.buckets[positions], self.counts[positions], offsets

    def idf(self, num_buckets: int) -> npt.NDArray[np.float32]:
        """Returns the inverse document frequency of each bucket: ln((1 + n) / (1 + df)) + 1.

        It is 0 for a bucket without a feature in these texts: nothing can be learnt about it.
        """
        texts = len(self.ends) // BAGS
        frequencies = np.bincount(self.buckets, minlength=num_buckets)
        idf = np.log((1 + texts) / (1 + frequencies)) + 1
        return np.where(frequencies, idf, 0).astype(np.float32)


def bags_of(texts: Sequence[str], num_buckets: int) -> Bags:
    """Finds and counts the features of texts."""
    parts = [
        _count(texts[start : start + TEXTS_AT_ONCE], num_buckets)
        for start in range(0, max(1, len(texts)), TEXTS_AT_ONCE)
    ]
    buckets, counts, sizes = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Bags(buckets, counts, np.cumsum(sizes))


def _count(
    texts: Sequence[str], num_buckets: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint16], Numbers]:
    """Returns buckets, counts, and the number of different features in each bag."""
    lowered = [text.lower() for text in texts]
    bags = (_words_and_pairs(lowered, num_buckets), _ngrams(lowered, num_buckets))
    keys = [
        (BAGS * owners + bag) * num_buckets + buckets for bag, (owners, buckets) in enumerate(bags)
    ]
    found, counts = np.unique(np.concatenate(keys), return_counts=True)
    sizes = np.bincount(found // num_buckets, minlength=BAGS * len(texts))
    buckets = (found % num_buckets).astype(np.int32)
    return buckets, np.minimum(counts, 2**16 - 1).astype(np.uint16), sizes


def _words_and_pairs(texts: Iterable[str], num_buckets: int) -> tuple[Numbers, Numbers]:
    """Returns the owner and the bucket of each word and of each pair of neighbours."""
    distinct, words, owners = _numbered(texts, find_words)
    hashes = np.array([_hash(word) for word in distinct], dtype=np.uint64)[words]
    together = owners[:-1] == owners[1:]
    pairs = (hashes[:-1] * FNV_PRIME ^ hashes[1:])[together] * FNV_PRIME
    everything = np.concatenate([hashes, pairs])
    mixed = everything ^ (everything >> np.uint64(32))
    buckets = (mixed % np.uint64(num_buckets)).astype(np.int64)
    return np.concatenate([owners, owners[:-1][together]]), buckets


def _ngrams(texts: Iterable[str], num_buckets: int) -> tuple[Numbers, Numbers]:
    """Returns the owner and the bucket of each character n-gram."""
    distinct, words, owners = _numbered(texts, str.split)
    ngrams = subwords_of(distinct, num_buckets, SIZES)
    positions, offsets = rows_of(ngrams.ends, words)
    sizes = np.diff(np.append(offsets, len(positions)))
    return np.repeat(owners, sizes), ngrams.buckets[positions]


def _numbered(
    texts: Iterable[str], split: Callable[[str], list[str]]
) -> tuple[list[str], Numbers, Numbers]:
    """Returns the distinct words of texts, the number of each word, and that of its text."""
    distinct: dict[str, int] = {}
    words = [[distinct.setdefault(word, len(distinct)) for word in split(text)] for text in texts]
    flat = np.array([number for text in words for number in text], dtype=np.int64)
    return list(distinct), flat, np.repeat(np.arange(len(words)), [len(text) for text in words])


def _hash(word: str) -> int:
    # Python's own hash differs from process to process.
    digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")
