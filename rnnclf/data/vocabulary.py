"""Words and their indices."""

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from rnnclf.errors import ModelError

UNKNOWN_INDEX, PADDING_INDEX = 0, 1
NUM_SPECIAL_WORDS = 2


class Vocabulary:
    """The words that a model knows.

    Args:
        words: All words in the order of their indices; the first is `<unk>`, which stands for
            every other word, the second `<pad>`, which fills batches.

    Raises:
        ModelError: If a word stands there twice or the first two are not `<unk>` and `<pad>`.
    """

    def __init__(self, words: list[str]) -> None:
        if words[:2] != ["<unk>", "<pad>"]:
            raise ModelError(f"a vocabulary begins with <unk> and <pad>, not {words[:2]}")
        self.words = words
        self._index = {word: index for index, word in enumerate(words)}
        if len(self._index) != len(words):
            raise ModelError("a vocabulary with a word that stands there twice")

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, words: Iterable[str], oov: dict[str, int]) -> npt.NDArray[np.int32]:
        """Returns the indices of the words of a text.

        A text without words becomes one `<unk>`. A word that is not here gets a negative number of
        its own: -1 for the first of `oov`, which is extended, -2 for the second.
        """
        indices = []
        for word in words:
            index = self._index.get(word)
            if index is None:
                index = -1 - oov.setdefault(word, len(oov))
            indices.append(index)
        return np.array(indices or [UNKNOWN_INDEX], dtype=np.int32)


Tokenizer = Callable[[str], list[str]]
