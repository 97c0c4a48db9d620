"""Pretrained word vectors for the words of a vocabulary."""

import logging
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rnnclf.data.cache import LARGEST, Entry, file_digest, kept
from rnnclf.data.torchtext_adapter import find_vectors
from rnnclf.data.vocabulary import PADDING_INDEX, Vocabulary
from rnnclf.errors import DataError

STD_WITHOUT = 0.1

log = logging.getLogger(__name__)


def read_vectors(path: Path, vocabulary: Vocabulary, embedding_size: int) -> Tensor:
    """Reads pretrained vectors from a text file (GloVe, word2vec).

    The vectors found are kept in the cache: a file of 400 000 vectors takes 15 seconds to read.

    Returns:
        A (vocabulary, embedding_size) tensor. Words that the file lacks have small random vectors;
        the row of `<pad>` is zero.

    Raises:
        DataError: If the file is missing, malformed, of another width, or has none of the words.
    """
    words = vocabulary.words

    def build() -> Entry:
        positions, vectors = find_vectors(path, words)
        return Entry({"positions": np.array(positions), "vectors": vectors.numpy()})

    if not path.is_file():
        raise DataError(f"{path}: no such file (model.vectors)")
    digest = file_digest(path)
    if digest is None:
        raise DataError(f"{path}: unreadable, or larger than {LARGEST} bytes (model.vectors)")
    found = kept("vectors", {"file": digest, "words": words}, build).arrays
    width = found["vectors"].shape[1]
    if width != embedding_size:
        raise DataError(
            f"{path}: vectors of width {width}, but model.embedding_size is {embedding_size}; "
            f"set embedding_size={width}"
        )
    if not len(found["positions"]):
        raise DataError(f"{path}: it has none of the {len(words)} words of the training texts")
    log.info("%s has vectors for %d of %d words", path, len(found["positions"]), len(words))
    table = torch.empty(len(words), embedding_size).normal_(std=STD_WITHOUT)
    table[torch.from_numpy(found["positions"])] = torch.from_numpy(found["vectors"])
    table[PADDING_INDEX] = 0
    return table
