"""Predicts the classes of texts with the ONNX file of the same name, written by `rnnclf export`.

python model.py TEXT...
python model.py < lines.txt

It needs onnxruntime, and NumPy, which comes with it. Words and classes are in the ONNX file.
"""

import json
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import pairwise
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
# Features of a wide path: hashed words, pairs of words, and n-grams of 2 to 5 characters.
BAGS, LONGEST_NGRAM = 2, 5
FNV_BASIS, FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3
MOST = 2**16 - 1  # a feature is counted no further


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
        self._wide_buckets: int = texts["wide_buckets"]

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

    def features(self, text: str) -> list[Counter[int]]:
        """Returns how often each bucket of the wide path occurs: words and pairs, n-grams."""
        lowered = text.lower()
        words = [_word_hash(word) for word in re.findall(r"\w\w+", lowered)]
        pairs = [(one * FNV_PRIME ^ other) * FNV_PRIME % 2**64 for one, other in pairwise(words)]
        ngrams = (hashed for word in lowered.split() for hashed in _ngram_hashes(f"<{word}>"))
        return [Counter(map(self._bucket, hashes)) for hashes in ([*words, *pairs], ngrams)]

    def _bucket(self, hashed: int) -> int:
        return (hashed ^ hashed >> 32) % self._wide_buckets

    def predict_proba(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Returns the probability of each class for each text (texts, classes)."""
        batches = [texts[i : i + BATCH_SIZE] for i in range(0, len(texts), BATCH_SIZE)]
        answers = [self._run(batch) for batch in batches]
        return np.concatenate([np.empty((0, len(self.classes)), np.float32), *answers])

    def predict(self, texts: Sequence[str]) -> list[str]:
        """Returns the most probable class of each text."""
        return [self.classes[index] for index in self.predict_proba(texts).argmax(1)]

    def _run(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        inputs = _words([self.encode(text) for text in texts])
        if self._wide_buckets:
            inputs |= _features([self.features(text) for text in texts])
        (probabilities,) = self.session.run(None, inputs)
        answers: npt.NDArray[np.float32] = probabilities
        return answers


def _words(rows: list[list[int]]) -> dict[str, npt.NDArray[Any]]:
    """Returns the inputs for indices of words."""
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    words = np.full((len(rows), lengths.max()), PADDING, dtype=np.int64)
    for padded, row in zip(words, rows, strict=True):
        padded[: len(row)] = row
    return {"words": words, "lengths": lengths}


def _features(rows: list[list[Counter[int]]]) -> dict[str, npt.NDArray[Any]]:
    """Returns the inputs for features; 0 fills up the rows."""
    shape = len(rows), BAGS, max(1, *(len(bag) for row in rows for bag in row))
    buckets, counts = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.float32)
    for number, row in enumerate(rows):
        for bag, found in enumerate(row):
            buckets[number, bag, : len(found)] = list(found)
            counts[number, bag, : len(found)] = list(found.values())
    return {"buckets": buckets, "counts": counts.clip(max=MOST)}


def _word_hash(word: str) -> int:
    digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _ngram_hashes(word: str) -> Iterator[int]:
    """Yields the hashes (FNV-1a of the characters) of the n-grams of 2 characters or more."""
    for start in range(len(word)):
        hashed = FNV_BASIS
        for place, character in enumerate(word[start : start + LONGEST_NGRAM]):
            hashed = (hashed ^ ord(character)) * FNV_PRIME % 2**64
            if place:
                yield hashed


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # ends it without a word after `| head`
    if sys.argv[1:] in (["-h"], ["--help"]):
        print(__doc__)
        sys.exit()
    model = Model(Path(__file__).with_suffix(".onnx"))
    asked = sys.argv[1:] or [line.rstrip("\r\n") for line in sys.stdin]
    for text, row in zip(asked, model.predict_proba(asked), strict=True):
        answer = f"{row.max():.3f} {model.classes[row.argmax()]}\t{text}"
        # What came with the model or the text must not rule the terminal.
        print("".join(c if c.isprintable() or c == "\t" else f"\\u{ord(c):04x}" for c in answer))
