"""Texts as arrays of indices."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rnnclf.data.subwords import Subwords
from rnnclf.data.vocabulary import Tokenizer, Vocabulary
from rnnclf.data.wide import Bags

LONGEST = 2**14  # words of a text; a network has kilobytes for each


@dataclass(frozen=True)
class EncodedTexts:
    """Texts of any length in one array.

    Attributes:
        words: Word indices of all texts, text by text; -1 is the first of `oov`, -2 the second.
        starts: The position of each text's first word in `words`.
        lengths: Words in each text.
        labels: Class indices.
        oov: The out-of-vocabulary words.
        subwords: The n-grams of the vocabulary and, after them, of `oov`; None for a model to
            which each of `oov` is `<unk>`.
        bags: The features of the whole texts for the wide path, if the model has one.
    """

    words: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    oov: Sequence[str] = ()
    subwords: Subwords | None = None
    bags: Bags | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def cut(self, max_length: int | None, truncation: str = "head") -> "EncodedTexts":
        """Returns the same texts with at most `max_length` words of each; None is `LONGEST`.

        `head` keeps the first words, `head_tail` the first half and the last.
        """
        if max_length is None:
            max_length = LONGEST
        if not (self.lengths > max_length).any():
            return self
        lengths = np.minimum(self.lengths, max_length)
        if truncation == "head":
            return replace(self, lengths=lengths)
        starts = np.cumsum(lengths) - lengths
        within = np.arange(lengths.sum()) - np.repeat(starts, lengths)
        left_out = np.repeat(self.lengths - lengths, lengths)
        head = np.repeat(np.where(self.lengths > max_length, -(-max_length // 2), lengths), lengths)
        source = np.repeat(self.starts, lengths) + within + np.where(within < head, 0, left_out)
        return replace(self, words=self.words[source], starts=starts, lengths=lengths)


def encode(
    texts: Sequence[str],
    labels: npt.NDArray[np.int64],
    tokenize: Tokenizer,
    vocabulary: Vocabulary,
) -> EncodedTexts:
    """Turns texts into word indices; `labels` are their class indices."""
    oov: dict[str, int] = {}
    encoded = [vocabulary.encode(tokenize(text), oov) for text in texts]
    lengths = np.array([len(words) for words in encoded], dtype=np.int64)
    words = np.concatenate(encoded) if encoded else np.empty(0, dtype=np.int32)
    return EncodedTexts(words, np.cumsum(lengths) - lengths, lengths, labels, list(oov))
