"""Pretrained word vectors for the words of a vocabulary."""

import logging
from itertools import takewhile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rnnclf.data.cache import LARGEST, Entry, file_digest, kept
from rnnclf.data.tables.streams import open_data
from rnnclf.data.vocabulary import Vocabulary
from rnnclf.errors import DataError

LONGEST_LINE = 2**20  # bytes

Indices = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]
log = logging.getLogger(__name__)


def read_vectors(
    path: Path, vocabulary: Vocabulary, embedding_size: int
) -> tuple[Indices, Vectors]:
    """Reads pretrained vectors from a text file (GloVe, word2vec).

    The vectors found are kept in the cache: a file of 400 000 vectors takes 15 seconds to read.

    Returns:
        The indices of the words found, and their vectors (found, embedding_size).

    Raises:
        DataError: If the file is missing, malformed, of another width, or has none of the words.
    """
    words = vocabulary.words

    def build() -> Entry:
        indices, vectors = find_vectors(path, words)
        return Entry({"indices": indices, "vectors": vectors})

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
    if not len(found["indices"]):
        raise DataError(
            f"{path}: it has none of the {len(words)} words of the training texts, which are in "
            "lower case; take vectors of lower-case words in the language of the texts"
        )
    log.info("%s has vectors for %d of %d words", path, len(found["indices"]), len(words))
    return found["indices"], found["vectors"]


def find_vectors(path: Path, words: list[str]) -> tuple[Indices, Vectors]:
    """Looks words up in a text file of pretrained vectors (GloVe, word2vec), gzipped or not.

    Of a word that the file has twice, the last vector counts. A word of the file may have blanks.

    Returns:
        The indices in `words` of the words found, and their vectors (found, width).

    Raises:
        DataError: If the file is malformed; the message names the line.
    """
    wanted = {word.encode(errors="surrogatepass"): place for place, word in enumerate(words)}
    found: dict[int, Vectors] = {}
    width = 0
    with open_data(path, largest=LARGEST) as file:
        _check_kind(path, file.peek(2))
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), start=1):
            fields = line.rstrip().split(b" ")
            if number == 1 and len(fields) == 2 and all(field.isdigit() for field in fields):
                width = int(fields[1])  # word2vec begins with the numbers of words and dimensions
                continue
            width = width or _numbers_at_end(fields)
            if width < 2:
                raise DataError(f"{path}: line {number}: no numbers at its end; not word vectors")
            if len(fields) <= width:
                raise DataError(
                    f"{path}: line {number}: {len(fields) - 1} numbers after the word where "
                    f"{width} are expected; the file is cut off, or its first word ends with a "
                    f"number: then begin it with a line that has the number of its words and "
                    f"their width, such as 400000 300"
                )
            word = b" ".join(fields[:-width])
            if word in wanted:
                found[wanted[word]] = _numbers(fields[-width:], f"{path}: line {number}")
    if not width:
        raise DataError(f"{path}: no word vectors in it")
    indices = sorted(found)
    vectors = np.array([found[index] for index in indices], dtype=np.float32)
    return np.array(indices, dtype=np.int64), vectors.reshape(-1, width)


def _numbers_at_end(fields: list[bytes]) -> int:
    """Counts the numbers at the end of a line, after a word that may have blanks."""
    return sum(1 for _ in takewhile(_is_number, reversed(fields[1:])))


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _numbers(fields: list[bytes], where: str) -> Vectors:
    try:
        with np.errstate(over="ignore"):
            numbers = np.array([float(field) for field in fields], dtype=np.float32)
    except ValueError as error:
        raise DataError(f"{where}: not a word and its numbers ({error})") from error
    if not np.isfinite(numbers).all():
        raise DataError(
            f"{where}: a number is NaN, infinite or too large for float32; remove the line"
        )
    return numbers


def _check_kind(path: Path, start: bytes) -> None:
    if start.startswith(b"PK"):
        raise DataError(f"{path}: a zip archive; unpack it and name the file inside")
    if path.suffix == ".bin":
        raise DataError(
            f"{path}: binary word vectors; gensim writes them as text: "
            "KeyedVectors.load_word2vec_format(FILE, binary=True).save_word2vec_format(TEXT)"
        )
