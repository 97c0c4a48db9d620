"""Predicts the classes of texts with the ONNX file of the same name, written by `rnnclf export`.

python model.py TEXT...
python model.py < lines.txt

It needs onnxruntime, and NumPy, which comes with it. Words and classes are in the ONNX file.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # otherwise it reports to its maker
import onnxruntime

BATCH_SIZE = 64
UNKNOWN, PADDING = 0, 1  # indices of words
# Words are split at blanks. These characters are words, and those part words.
SEPARATE = {ord(character): f" {character} " for character in "'.,()!?"}
SEPARATE |= {ord(character): " " for character in ";:"}
BLANK = "▁"  # a blank of a model that reads characters


class Model:
    """A model.

    Args:
        path: The file.

    Attributes:
        classes: The classes in the order of the probabilities.
    """

    def __init__(self, path: str | Path) -> None:
        options = {"providers": ["CPUExecutionProvider"]}
        self.session: Any = onnxruntime.InferenceSession(Path(path).read_bytes(), **options)
        texts = json.loads(self.session.get_modelmeta().custom_metadata_map["texts"])
        self.classes: list[str] = texts["classes"]
        self._indices = {word: index for index, word in enumerate(texts["words"])}
        self._reads_characters = texts["tokens"] == "characters"
        self._max_length: int = texts["max_length"]
        self._truncation: str = texts["truncation"]

    def encode(self, text: str) -> list[int]:
        """Returns the indices of the words that the model reads of a text."""
        indices = [self._indices.get(word, UNKNOWN) for word in self._split(text.lower())]
        longest = self._max_length
        if len(indices) <= longest:
            return indices or [UNKNOWN]
        head = longest if self._truncation == "head" else -(-longest // 2)
        return indices[:head] + indices[len(indices) - (longest - head) :]

    def _split(self, text: str) -> list[str]:
        if self._reads_characters:
            return list(BLANK.join(text.split()))
        return text.replace('"', "").replace("<br />", " ").translate(SEPARATE).split()

    def predict_proba(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Returns the probability of each class for each text (texts, classes)."""
        batches = [texts[i : i + BATCH_SIZE] for i in range(0, len(texts), BATCH_SIZE)]
        answers = [self._run([self.encode(text) for text in batch]) for batch in batches]
        return np.concatenate([np.empty((0, len(self.classes)), np.float32), *answers])

    def predict(self, texts: Sequence[str]) -> list[str]:
        """Returns the most probable class of each text."""
        return [self.classes[index] for index in self.predict_proba(texts).argmax(1)]

    def _run(self, rows: list[list[int]]) -> npt.NDArray[np.float32]:
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        words = np.full((len(rows), lengths.max()), PADDING, dtype=np.int64)
        for padded, row in zip(words, rows, strict=True):
            padded[: len(row)] = row
        (probabilities,) = self.session.run(None, {"words": words, "lengths": lengths})
        answers: npt.NDArray[np.float32] = probabilities
        return answers


if __name__ == "__main__":
    model = Model(Path(__file__).with_suffix(".onnx"))
    asked = sys.argv[1:] or [line.rstrip("\r\n") for line in sys.stdin]
    for text, row in zip(asked, model.predict_proba(asked), strict=True):
        answer = f"{row.max():.3f} {model.classes[row.argmax()]}\t{text}"
        # What came with the model or the text must not rule the terminal.
        print("".join(c if c.isprintable() or c == "\t" else f"\\u{ord(c):04x}" for c in answer))
