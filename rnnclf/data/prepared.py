"""A data set made ready for training: split, its words counted, its texts encoded."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnclf.configuration.schema import DatasetConfig
from rnnclf.data.cache import Entry, file_digest, kept
from rnnclf.data.corpus import Corpus, Texts, class_indices
from rnnclf.data.encoding import EncodedTexts, encode
from rnnclf.data.findings import findings, large_path, rare_words, unmeasured
from rnnclf.data.own import PLACES, files_of, is_own, read_own
from rnnclf.data.sources import load_corpus, source_files
from rnnclf.data.splits import hold_out
from rnnclf.data.tokens import TOKENIZERS
from rnnclf.data.vocabulary import Vocabulary
from rnnclf.data.wide import Bags, bags_of
from rnnclf.errors import DataError

PARTS = ("training", "validation")
ENCODED = ("words", "starts", "lengths", "labels")
BAGS = ("buckets", "counts", "ends")


@dataclass(frozen=True)
class PreparedTexts:
    """A data set without its test texts.

    Attributes:
        data: See `data_digest`.
        splits: See `splits_digest`.
        classes: All class names, sorted by index.
        vocabulary: The words of the training texts.
        training: The training texts without the validation part.
        validation: The validation part, which may be empty.
        validation_texts: The same, as text.
        num_test: The number of test texts.
        counts: How many texts of all parts each class has.
        notes: What was found in the user's own files, a line each.
        complaints: What looks wrong with the texts, a line each.
    """

    data: str
    splits: str
    classes: list[str]
    vocabulary: Vocabulary
    training: EncodedTexts
    validation: EncodedTexts
    validation_texts: Texts
    num_test: int
    counts: list[int]
    notes: list[str]
    complaints: list[str]


def prepare(config: DatasetConfig, data_folder: Path, wide_buckets: int = 0) -> PreparedTexts:
    """Loads, splits, counts and encodes a data set, or finds it in the cache.

    For a model with a wide path, the texts have their features for that.
    """
    data = _prepare(astuple(config), data_folder)
    if not wide_buckets:
        return data
    training, validation = _prepare_bags(astuple(config), data_folder, wide_buckets)
    return replace(
        data,
        training=replace(data.training, bags=training),
        validation=replace(data.validation, bags=validation),
        complaints=[*data.complaints, *large_path(wide_buckets, len(data.classes))],
    )


@lru_cache(maxsize=1)
def _prepare_bags(
    values: tuple[object, ...], data_folder: Path, num_buckets: int
) -> tuple[Bags, Bags]:
    config = DatasetConfig(*values)  # type: ignore[arg-type]

    def build() -> Entry:
        parts = hold_out(load(config, data_folder), config)
        return Entry(
            {
                f"{part}.{name}": getattr(bags, name)
                for part, texts in zip(PARTS, parts, strict=True)
                for bags in [bags_of(texts.texts, num_buckets)]
                for name in BAGS
            }
        )

    made_from = _made_from(config, data_folder) | {"wide_buckets": num_buckets}
    arrays = kept(f"{config.name}-wide", made_from, build).arrays
    training, validation = (Bags(*(arrays[f"{part}.{name}"] for name in BAGS)) for part in PARTS)
    return training, validation


@lru_cache(maxsize=1)
def _prepare(values: tuple[object, ...], data_folder: Path) -> PreparedTexts:
    config = DatasetConfig(*values)  # type: ignore[arg-type]
    entry = kept(config.name, _made_from(config, data_folder), lambda: _build(config, data_folder))
    parts = []
    for part in PARTS:
        words, starts, lengths, labels = (entry.arrays[f"{part}.{name}"] for name in ENCODED)
        encoded = EncodedTexts(words, starts, lengths, labels, entry.strings[f"{part}.oov"])
        parts.append(encoded.cut(config.max_length, config.truncation))
    training, validation = parts
    classes = list(entry.strings["classes"])
    data, splits = entry.strings["digests"]
    validation_texts = Texts(
        list(entry.strings["texts"]),
        [classes[label] for label in validation.labels],
        list(entry.strings["rows"]),
    )
    return PreparedTexts(
        data,
        splits,
        classes,
        Vocabulary(list(entry.strings["words"])),
        training,
        validation,
        validation_texts,
        int(entry.arrays["num_test"]),
        entry.arrays["counts"].tolist(),
        list(entry.strings["notes"]),
        list(entry.strings["complaints"]),
    )


def _build(config: DatasetConfig, data_folder: Path) -> Entry:
    from rnnclf.data.torchtext_adapter import count_words  # here: it imports torch for a second

    corpus = load(config, data_folder)
    parts = dict(zip(PARTS, hold_out(corpus, config), strict=True))
    tokenize = TOKENIZERS[config.tokens]
    words = count_words(parts["training"].texts, config.min_frequency, tokenize)
    vocabulary = Vocabulary(words)
    arrays: dict[str, npt.NDArray[Any]] = {"num_test": np.array(len(corpus.test))}
    arrays["counts"] = _counts([*parts.values(), corpus.test], corpus.classes)
    validation = parts["validation"]
    strings = {"words": words, "classes": corpus.classes}
    strings |= {"texts": validation.texts, "rows": validation.rows}
    for part, texts in parts.items():
        labels = class_indices(texts.labels, corpus.classes)
        encoded = encode(texts.texts, labels, tokenize, vocabulary)
        arrays |= {f"{part}.{name}": getattr(encoded, name) for name in ENCODED}
        strings[f"{part}.oov"] = list(encoded.oov)
    complaints = list(corpus.complaints)
    if is_own(config):
        complaints += findings(parts | {"test": corpus.test})
        complaints += unmeasured(corpus.classes, validation)
    if config.tokens == "words":
        complaints += _rare_words(arrays["training.words"], len(parts["training"]))
    strings |= {"notes": corpus.notes, "complaints": complaints}
    return Entry(arrays, strings | {"digests": [data_digest(corpus), splits_digest(corpus)]})


def _counts(parts: Iterable[Texts], classes: Sequence[str]) -> npt.NDArray[np.int64]:
    labels = class_indices((label for texts in parts for label in texts.labels), classes)
    return np.bincount(labels, minlength=len(classes))


def load_test(config: DatasetConfig, data_folder: Path, splits: str) -> Texts:
    """Loads the test split, or finds it in the cache.

    Raises:
        DataError: If the splits are no longer those of the digest `splits`.
    """

    def build() -> Entry:
        corpus = load(config, data_folder)
        test, digests = corpus.test, [splits_digest(corpus)]
        parts = {"texts": test.texts, "labels": test.labels, "rows": test.rows}
        return Entry({}, parts | {"digests": digests})

    entry = kept(f"{config.name}-test", _made_from(config, data_folder), build)
    if list(entry.strings["digests"]) != [splits]:
        raise DataError(
            f"{place_of(config, data_folder)}: changed while the run was training; put the texts "
            "back, then resume=FOLDER tests the model"
        )
    return Texts(*(list(entry.strings[name]) for name in ("texts", "labels", "rows")))


def _made_from(config: DatasetConfig, data_folder: Path) -> dict[str, Any]:
    """Returns the settings and files that prepared texts depend on."""
    settings = asdict(config)
    for unused in (*PLACES, "max_length", "truncation"):  # texts are cut when they are read
        del settings[unused]
    if not is_own(config):
        files = {path.name: path for path in source_files(config.name, data_folder)}
    else:
        files = files_of(config)
    return settings | {"files": {part: file_digest(path) for part, path in files.items()}}


def _rare_words(words: npt.NDArray[np.int32], texts: int) -> Iterator[str]:
    counts = np.bincount(words[words >= 0])
    return rare_words(int((counts == 1).sum()), int(counts.sum()), texts)


def load(config: DatasetConfig, data_folder: Path) -> Corpus:
    """Loads the data set that a configuration names."""
    if is_own(config):
        return read_own(config)
    return load_corpus(
        config.name,
        data_folder,
        labels=config.labels,
        train_fraction=config.train_fraction,
        split_seed=config.split_seed,
    )


def place_of(config: DatasetConfig, data_folder: Path) -> str:
    """Names the files of the user's own data set, or the folder of the published ones."""
    if is_own(config):
        return ", ".join(map(str, files_of(config).values()))
    return str(data_folder)


def data_digest(corpus: Corpus) -> str:
    """Hashes all texts with their labels, however they are split (12 hexadecimal digits)."""
    return _digest(sorted(record for texts in _splits(corpus) for record in _records(texts)))


def splits_digest(corpus: Corpus) -> str:
    """Hashes the splits, each in its order (12 hexadecimal digits)."""
    return _digest(record for texts in _splits(corpus) for record in [*_records(texts), b"\n"])


def _splits(corpus: Corpus) -> list[Texts]:
    return [corpus.train, corpus.validation or Texts([], []), corpus.test]


def _records(texts: Texts) -> Iterator[bytes]:
    for text, label in zip(texts.texts, texts.labels, strict=True):
        yield f"{len(text)} {text} {label}\n".encode()


def _digest(records: Iterable[bytes]) -> str:
    hashed = hashlib.sha256()
    for record in records:
        hashed.update(record)
    return hashed.hexdigest()[:12]
