"""The data sets by name, with their raw files and readers."""

import importlib.resources
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rnnclf.data.archives import read_archive
from rnnclf.data.corpus import Corpus, Texts
from rnnclf.data.download import RawFile, fetch, locate
from rnnclf.data.splits import shuffled_split
from rnnclf.data.tables.table import Reading, read_table


@dataclass(frozen=True)
class Source:
    """A published data set: its raw files, and what reads their texts in upstream's order."""

    raw_files: tuple[RawFile, ...]
    read: Callable[[list[Path]], Texts]


def default_data_folder() -> Path:
    """Returns the folder of the raw files: `$RNNCLF_DATA`, or `data` in the working folder."""
    return Path(os.environ.get("RNNCLF_DATA", "data"))


def load_corpus(
    name: str,
    data_folder: Path,
    *,
    labels: str | None = None,
    train_fraction: float = 0.75,
    split_seed: int = 0,
) -> Corpus:
    """Reads a published data set, or the sample, and splits it.

    Args:
        name: A key of `SOURCES`, or `sample`.
        data_folder: The folder of the raw files, to which missing ones are downloaded.
        labels: `coarse` for the coarse classes of `questions`.
        train_fraction: Share of the training split.
        split_seed: Seed of the shuffle before the split.

    Raises:
        DataError: If files are missing or damaged.
    """
    if name == "sample":
        sample = importlib.resources.files("rnnclf.data") / "sample.csv"
        with importlib.resources.as_file(sample) as path:
            table = read_table(path, Reading(text=["sentence"], label="label"))
        texts = Texts(table.texts, table.labels)
    else:
        source = SOURCES[name]
        texts = source.read([fetch(raw_file, data_folder) for raw_file in source.raw_files])
    if labels == "coarse":
        texts = Texts(texts.texts, [label.split(":")[0] for label in texts.labels])
    train, test = shuffled_split(texts, train_fraction, split_seed)
    return Corpus(sorted(set(texts.labels)), train, test)


def source_files(name: str, data_folder: Path) -> list[Path]:
    """Returns the files of a data set, downloaded if they are missing; `sample` has none."""
    if name == "sample":
        return []
    return [locate(raw_file, data_folder) for raw_file in SOURCES[name].raw_files]


def _normalise(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", " ").strip()


def _lines(content: bytes) -> list[str]:
    # Not splitlines(): windows-1252 has an ellipsis where Latin-1 has the line end 0x85.
    return [line for line in content.decode("windows-1252").split("\n") if line.strip()]


def _read_sentiment(paths: list[Path]) -> Texts:
    contents = read_archive(paths[0])
    texts, labels = [], []
    for label in ("pos", "neg"):
        lines = _lines(contents[f"rt-polaritydata/rt-polarity.{label}"])
        texts += [_normalise(line) for line in lines]
        labels += [label] * len(lines)
    return Texts(texts, labels)


def _read_questions(paths: list[Path]) -> Texts:
    lines = [line for path in paths for line in _lines(path.read_bytes())]
    records = [line.split(" ", 1) for line in lines]
    return Texts([_normalise(text) for _, text in records], [label for label, _ in records])


def _read_labelled_folders(paths: list[Path]) -> Texts:
    """Reads an archive of `ARCHIVE/LABEL/DOCUMENT` members."""
    contents = read_archive(paths[0])
    documents = {name: data for name, data in contents.items() if name.count("/") == 2}
    return Texts(
        [_normalise(data.decode("latin-1")) for data in documents.values()],
        [PurePosixPath(name).parts[1] for name in documents],
    )


SOURCES = {
    "sentiment": Source(
        (
            RawFile(
                "rt-polaritydata.tar.gz",
                (
                    "https://www.cs.cornell.edu/people/pabo/movie-review-data/"
                    "rt-polaritydata.tar.gz",
                    "https://storage.googleapis.com/seldon-datasets/sentence_polarity_v1/"
                    "rt-polaritydata.tar.gz",
                ),
                sha256="a05befe52aafda71d458d188a1c54506a998b1308613ba76bbda2e5029409ce9",
            ),
        ),
        _read_sentiment,
    ),
    "spam": Source(
        (
            RawFile(
                "enron1.tar.gz",
                (
                    "http://nlp.cs.aueb.gr/software_and_datasets/Enron-Spam/preprocessed/"
                    "enron1.tar.gz",
                    "http://www.aueb.gr/users/ion/data/enron-spam/preprocessed/enron1.tar.gz",
                ),
                members_sha256="7ed0578e47e75aed73fba11ebe7078114c1aafa3ffa18a8032d3e0b603daf9d9",
            ),
        ),
        _read_labelled_folders,
    ),
    "questions": Source(
        (
            RawFile(
                "train_5500.label",
                ("https://cogcomp.seas.upenn.edu/Data/QA/QC/train_5500.label",),
                sha256="9e4c8bdcaffb96ed61041bd64b564183d52793a8e91d84fc3a8646885f466ec3",
            ),
            RawFile(
                "TREC_10.label",
                ("https://cogcomp.seas.upenn.edu/Data/QA/QC/TREC_10.label",),
                sha256="033f22c028c2bbba9ca682f68ffe204dc1aa6e1cf35dd6207f2d4ca67f0d0e8e",
            ),
        ),
        _read_questions,
    ),
    "newsgroups": Source(
        (
            RawFile(
                "20news-18828.tar.gz",
                ("http://qwone.com/~jason/20Newsgroups/20news-18828.tar.gz",),
                sha256="380962ab5174e64eb8fee393d539d0793e03eb2b59a69df2318398935f4a48e2",
                members_sha256="175c234b64bf6e7ec2faa108c58acf48cadc273d9a154acebb5b82bd3237744c",
            ),
        ),
        _read_labelled_folders,
    ),
}
