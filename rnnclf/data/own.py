"""The user's own data set: its files, their texts, and the parts that they make."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from rnnclf.configuration.schema import DatasetConfig
from rnnclf.data.corpus import Corpus, Texts
from rnnclf.data.findings import describe
from rnnclf.data.splits import stratified_split
from rnnclf.data.tables.columns import columns_of
from rnnclf.data.tables.delimited import Broken
from rnnclf.data.tables.table import BadRow, Reading, Table, read_table
from rnnclf.errors import DataError

STEMS = {
    "train": ("train",),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}
PLACES = ("folder", "file", "validation_file", "test_file")  # the keys of the configuration
FORMATS = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", ".parquet")


def is_own(dataset: DatasetConfig) -> bool:
    """Returns whether a configuration names the user's own files."""
    return bool(dataset.folder or dataset.file)


def files_in(folder: Path) -> dict[str, Path]:
    """Finds the files of the parts in a folder: `train.csv` and others by their names.

    Raises:
        DataError: If the folder has no file for training, or two for a part.
    """
    names = sorted(path for path in folder.glob("*.*") if set(path.suffixes) & set(FORMATS))
    files = {}
    for part, stems in STEMS.items():
        of_part = [path for path in names if path.name.partition(".")[0] in stems]
        if len(of_part) > 1:
            two = " and ".join(path.name for path in of_part[:2])
            raise DataError(f"{folder}: {two} could both be for {part}; name the files instead")
        if of_part:
            files[part] = of_part[0]
    if "train" not in files:
        raise DataError(f"{folder / 'train.csv'}: no such file")
    return files


def own_files(
    folder: str | None, file: str | None, validation_file: str | None, test_file: str | None
) -> dict[str, Path]:
    """Returns the files of the parts: those named, or those in the folder.

    Raises:
        DataError: If the folder has not the files of the parts, or a file is a folder or a pipe.
    """
    if folder:
        return files_in(Path(folder))
    named = zip(STEMS, (file, validation_file, test_file), strict=True)
    files = {part: Path(path) for part, path in named if path}
    for path in files.values():
        if path.is_dir():
            raise DataError(f"{path}: a folder; set dataset.folder={path} instead of dataset.file")
        if path.is_fifo():
            raise DataError(f"{path}: a pipe is read once, a run reads its texts again; save it")
    return files


def files_of(dataset: DatasetConfig) -> dict[str, Path]:
    """Returns the files of the user's own data that a configuration names."""
    return own_files(*(getattr(dataset, key) for key in PLACES))


def file_names(dataset: DatasetConfig) -> dict[str, str]:
    """Returns the files that a configuration names, by their keys and without their folders."""
    return {key: Path(path).name for key in PLACES[1:] if (path := getattr(dataset, key))}


def read_own(dataset: DatasetConfig) -> Corpus:
    """Reads the user's own data set that a configuration describes.

    A single file is split by `train_fraction`, with the classes in proportion.

    Raises:
        DataError: If a file cannot be read, has too many bad rows, or there is only one class.
    """
    reading = Reading(
        text=columns_of(dataset.text),
        label=dataset.label,
        encoding=dataset.encoding,
        may_be_link=not dataset.folder,
        origins=True,
    )
    files = files_of(dataset)
    parts, notes, complaints = read_parts(files, reading, skip=dataset.bad_rows == "skip")
    if "test" not in parts:
        share = round(1 - dataset.train_fraction, 9)
        name, purpose = str(files["train"]), "the test; lower dataset.train_fraction"
        parts["train"], parts["test"] = stratified_split(
            parts["train"], share, dataset.split_seed, name, purpose
        )
    classes = sorted(set(parts["train"].labels))
    validation = parts.get("validation")
    return Corpus(classes, parts["train"], parts["test"], validation, notes, complaints)


def read_parts(
    files: Mapping[str, Path], reading: Reading, *, skip: bool
) -> tuple[dict[str, Texts], list[str], list[str]]:
    """Reads the files of the parts.

    Args:
        files: The file of `train`, and perhaps of `validation` and `test`.
        reading: How they are read.
        skip: Whether any number of bad rows is left out; see `Table.check`.

    Returns:
        The texts of each part; what was found in the files, and which rows are skipped, a line
        each.

    Raises:
        DataError: As `read_own`.
    """
    parts: dict[str, Texts] = {}
    notes, complaints = list[str](), list[str]()
    classes: set[str] = set()
    for part in (part for part in STEMS if part in files):
        table = read_table(files[part], reading)
        notes.append(f"{table.path}: {table.kind}, {table.columns}")
        complaints += filter(None, [table.check(table.bad, skip=skip)])
        texts = Texts(table.texts, table.labels, table.origins)
        if part == "train":
            classes = set(table.labels)
            _check_classes(table)
        else:
            strange = list(_strange(table, classes))
            complaints += filter(None, [table.check(strange, skip=skip)])
            if strange:
                known = (i for i, label in enumerate(table.labels) if label in classes)
                texts = texts.take(known)
        parts[part] = texts
        notes.append(f"{table.path}: {describe(texts)}")
    return parts, notes, complaints


def _check_classes(table: Table) -> None:
    classes = set(table.labels)
    if not classes:
        raise DataError(f"{table.path}: no row can be used: {table.named(table.bad[:1])}")
    if len(classes) < 2:
        raise DataError(
            f"{table.path}: every text has the label {min(classes)!r}; "
            "a classifier needs at least two classes"
        )


def _strange(table: Table, classes: set[str]) -> Iterator[BadRow]:
    """Yields the rows with labels that no training text has."""
    for line, label in zip(table.lines, table.labels, strict=True):
        if label not in classes:
            yield line, Broken("no training text has this label", label)
