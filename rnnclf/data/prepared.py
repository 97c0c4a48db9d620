"""A data set made ready for training: split, its words counted, its texts encoded."""

import hashlib
from dataclasses import astuple, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from rnnclf.data.corpus import Corpus, Texts
from rnnclf.data.encoding import EncodedTexts, encode
from rnnclf.data.sources import load_corpus
from rnnclf.data.splits import stratified_split
from rnnclf.data.torchtext_adapter import count_words, tokenize
from rnnclf.data.vocabulary import Vocabulary
from rnnclf.schema import DatasetConfig


@dataclass(frozen=True)
class PreparedTexts:
    """What training needs of a data set.

    Attributes:
        corpus: The data set.
        training: Training texts without the validation part.
        validation: The validation part, which may be empty.
        vocabulary: The words of the training texts.
        encoded_training: The training texts as indices.
        encoded_validation: The validation part as indices, or None if it is empty.
    """

    corpus: Corpus
    training: Texts
    validation: Texts
    vocabulary: Vocabulary
    encoded_training: EncodedTexts
    encoded_validation: EncodedTexts | None


def prepare(config: DatasetConfig, data_folder: Path) -> PreparedTexts:
    """Loads, splits, counts and encodes; the last result is kept for the next run in this process.

    Raises:
        DataError: If the data set cannot be had or has too few texts.
    """
    return _prepare(astuple(config), data_folder)


@lru_cache(maxsize=1)
def _prepare(values: tuple[object, ...], data_folder: Path) -> PreparedTexts:
    config = DatasetConfig(*values)  # type: ignore[arg-type]
    corpus = load(config, data_folder)
    training, validation = stratified_split(
        corpus.train, config.validation_fraction, config.split_seed
    )
    vocabulary = Vocabulary(count_words(training.texts, config.min_frequency))

    def encoded(texts: Texts) -> EncodedTexts:
        index = {name: position for position, name in enumerate(corpus.classes)}
        labels = np.array([index[name] for name in texts.labels], dtype=np.int64)
        return encode(texts.texts, labels, tokenize, vocabulary, config.max_length)

    return PreparedTexts(
        corpus,
        training,
        validation,
        vocabulary,
        encoded(training),
        encoded(validation) if len(validation) else None,
    )


def load(config: DatasetConfig, data_folder: Path) -> Corpus:
    """Loads the data set that a configuration names."""
    return load_corpus(
        config.name,
        data_folder,
        labels=config.labels,
        csv_folder=Path(config.folder) if config.folder else None,
        train_fraction=config.train_fraction,
        split_seed=config.split_seed,
    )


def digest(corpus: Corpus) -> str:
    """Hashes the texts and labels of both splits in their order.

    Returns:
        12 hexadecimal digits of a SHA-256.
    """
    hashed = hashlib.sha256()
    for split in (corpus.train, corpus.test):
        for text, label in zip(split.texts, split.labels, strict=True):
            hashed.update(f"{len(text)} {text} {label}\n".encode())
    return hashed.hexdigest()[:12]
