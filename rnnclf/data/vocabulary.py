"""Words and their indices."""

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from rnnclf.errors import ModelError

UNKNOWN_INDEX, PADDING_INDEX = 0, 1
SPECIAL_WORDS = ["<unk>", "<pad>"]
NUM_SPECIAL_WORDS = len(SPECIAL_WORDS)


class Vocabulary:
    """The words that a model knows.

    Args:
        words: `<unk>`, which stands for every other word, `<pad>`, which fills batches, and all
            words, sorted by index.

    Raises:
        ModelError: If the first two words are others, or a word is listed twice.
    """

    def __init__(self, words: list[str]) -> None:
        if words[:NUM_SPECIAL_WORDS] != SPECIAL_WORDS:
            raise ModelError(f"a vocabulary begins with <unk> and <pad>, not {words[:2]}")
        self.words = words
        self._index = {word: index for index, word in enumerate(words)}
        if len(self._index) != len(words):
            raise ModelError("a vocabulary lists a word twice")

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, words: Iterable[str], oov: dict[str, int]) -> npt.NDArray[np.int32]:
        """Returns the indices of the words of a text; one without words becomes one `<unk>`.

        An out-of-vocabulary word is added to `oov` and gets a negative index: -1 for the first of
        `oov`, -2 for the second.
        """
        indices = []
        for word in words:
            index = self._index.get(word)
            if index is None:
                index = -1 - oov.setdefault(word, len(oov))
            indices.append(index)
        return np.array(indices or [UNKNOWN_INDEX], dtype=np.int32)


Tokenizer = Callable[[str], list[str]]
