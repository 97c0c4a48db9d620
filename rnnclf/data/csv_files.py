"""The hand-out's file format: CSV with the header `sentence,label`."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from hydra_study_sweeper.files import read_bounded

from rnnclf.data.corpus import Texts
from rnnclf.errors import DataError
from rnnclf.files.predictions import LONGEST_FIELD

HEADER = ["sentence", "label"]
LARGEST = 2**28  # bytes; Python needs six times as much for reading them


def read_csv(path: Path) -> Texts:
    """Reads labelled texts.

    The file is regular, no link, and has at most `LARGEST` bytes of UTF-8 (a byte order mark is
    accepted) with RFC 4180 quoting; a field may contain line ends inside quotes.

    Raises:
        DataError: If the file cannot be read, is not UTF-8, contains a NUL, lacks the header, or
            has a record without exactly two fields that are not blank.
    """
    return parse_csv(_decode(path, may_be_pipe=False), str(path))


def read_sentences(path: Path) -> list[str]:
    """Reads the column `sentence` of a CSV file; a sentence may be empty.

    The user names the file itself, so it may be a link or a pipe.

    Raises:
        DataError: If the file cannot be read, is not UTF-8, contains a NUL, or lacks the column.
    """
    records = _records(_decode(path, may_be_pipe=True), str(path))
    _, header = next(records, (1, []))
    if HEADER[0] not in header:
        raise DataError(f"{path}: line 1 must be a header with the column {HEADER[0]}")
    column = header.index(HEADER[0])
    return [record[column] if column < len(record) else "" for _, record in records]


def parse_csv(content: str, origin: str) -> Texts:
    """Parses the content of a file for `read_csv`; messages name it by `origin`."""
    records = _records(content, origin)
    if next(records, None) != (1, HEADER):
        raise DataError(f"{origin}: line 1 must be the header {','.join(HEADER)}")
    pairs = [_check_record(record, f"{origin}: line {line}") for line, record in records]
    if not pairs:
        raise DataError(f"{origin}: no records after the header")
    return Texts([sentence for sentence, _ in pairs], [label for _, label in pairs])


def _records(content: str, origin: str) -> Iterator[tuple[int, list[str]]]:
    """Yields the records that are not blank, each with the line on which it begins."""
    csv.field_size_limit(LONGEST_FIELD)
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    line = 1
    try:
        for record in reader:
            if record:
                yield line, record
            line = reader.line_num + 1
    except csv.Error as error:
        where = f"{origin}: line {reader.line_num}"
        raise DataError(f"{where}: {error} (is a quote missing?)") from error


def _check_record(record: list[str], where: str) -> tuple[str, str]:
    if len(record) != len(HEADER):
        raise DataError(
            f"{where}: {len(record)} fields instead of {','.join(HEADER)} "
            "(a sentence with a comma needs quotes)"
        )
    sentence, label = record
    for name, value in zip(HEADER, (sentence, label), strict=True):
        if not value.strip():
            raise DataError(f"{where}: the {name} is empty")
    if "\n" in label or "\r" in label:
        raise DataError(f"{where}: the label contains a line end")
    return sentence, label.strip()


def _decode(path: Path, *, may_be_pipe: bool) -> str:
    try:
        content = path.read_bytes() if may_be_pipe else read_bounded(path, LARGEST)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}: line {line}: byte 0x{content[error.start]:02x} is not UTF-8; "
            "save the file as UTF-8"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{path}: line {line}: a NUL character; remove it")
    return text
