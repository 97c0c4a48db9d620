"""Files of every usual shape: what is read from them, and what is said of the rest."""

import gzip
import json
import os
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnclf.data.tables import formats, streams, table
from rnnclf.data.tables.delimited import Broken, Dialect, records
from rnnclf.data.tables.table import Reading, read_table
from rnnclf.errors import DataError

TEXTS = ["Where is my invoice, please?", "The app crashes", "You charged me twice", "It is black"]
LABELS = ["billing", "technical", "billing", "technical"]
PAIRS = list(zip(TEXTS, LABELS, strict=True))


def delimited(delimiter: str, *header: str, after: str = "") -> str:
    rows = [f'"{text}"{delimiter}{label}{after}' for text, label in PAIRS]
    return "\n".join([delimiter.join(header), *rows] if header else rows) + "\n"


def objects(*pairs: tuple[str, str]) -> str:
    return "".join(json.dumps({"id": 7, "text": t, "label": n}) + "\n" for t, n in pairs)


CSV = delimited(",", "sentence", "label")
LIST = [{"text": text, "label": label} for text, label in PAIRS]
SHAPES = {
    "usual.csv": CSV,
    "order.csv": "label,sentence\n" + "".join(f'{label},"{text}"\n' for text, label in PAIRS),
    "odd names.csv": delimited(",", "Message Text", "Ticket category"),
    "strange names.csv": delimited(",", "foo", "bar"),
    "no header.csv": delimited(","),
    "semicolon.csv": delimited(";", "Text", "Label"),
    "semicolon.txt": delimited(";", "Text", "Label"),
    "bar.csv": delimited("|", "text", "label"),
    "tabs.tsv": delimited("\t", "text", "label").replace('"', ""),
    "tabs.txt": delimited("\t").replace('"', ""),
    "windows.csv": CSV.replace("\n", "\r\n"),
    "old mac.csv": CSV.replace("\n", "\r"),
    "mark.csv": "\ufeff" + CSV,
    "utf16.csv": CSV.encode("utf-16"),
    "packed.csv.gz": gzip.compress(CSV.encode()),
    "packed": gzip.compress(CSV.encode()),
    "spreadsheet.csv": delimited(",", "v1", "v2", "", "", after=",,"),
    "blanks.csv": delimited(", ", "sentence", "label"),
    "blanks too.csv": "label; text\n" + "".join(f'{label}; "{text}"\n' for text, label in PAIRS),
    "objects.jsonl": objects(*PAIRS),
    "list": json.dumps(LIST),
    "list.json": json.dumps(LIST, indent=2),
    "fast.txt": "".join(f"__label__{label} {text}\n" for text, label in PAIRS),
}  # fmt: skip


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path, content: str | bytes, **reading: object) -> list[tuple[str, str]]:
    table = read_table(write(path, content), Reading(**reading))
    return list(zip(table.texts, table.labels, strict=True))


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_gives_the_same_texts(name, tmp_path):
    assert read(tmp_path / name, SHAPES[name]) == PAIRS


def test_parquet_gives_the_same_texts(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    write_table(pyarrow.table({"text": TEXTS, "label": LABELS}), tmp_path / "a.parquet")
    table = read_table(tmp_path / "a.parquet", Reading())
    assert list(zip(table.texts, table.labels, strict=True)) == PAIRS


def test_what_parquet_unpacks_to_is_bounded_and_odd_values_are_one_line(tmp_path, monkeypatch):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    labels = ["x", "y"] * 500
    never = pyarrow.array([-(2**62)] * 1000, pyarrow.timestamp("ns"))
    texts = pyarrow.array(["a text"] * 1000).dictionary_encode()
    monkeypatch.setattr(formats, "LARGEST", 5000)
    for column, message in (
        (never, "a damaged Parquet file"),
        (texts, "larger than 5000 bytes when it is unpacked"),
    ):
        write_table(pyarrow.table({"text": column, "label": labels}), tmp_path / "a.parquet")
        with pytest.raises(DataError, match=message):
            read_table(tmp_path / "a.parquet", Reading())


def test_the_number_of_rows_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "MOST_ROWS", 1000)
    path = write(tmp_path / "a.csv", "text,label\n" + "a,x\n" * 1000)
    assert len(read_table(path, Reading()).texts) == 1000
    write(path, "text,label\n" + "a,x\n" * 1000 + "broken\n")
    with pytest.raises(DataError, match="more than 1000 rows; take a sample"):
        read_table(path, Reading())
    monkeypatch.setattr(streams, "MOST_LINES", 500)
    write(path, "text,label\na,x\n" + "\n" * 499)  # no rows, and yet they must be read
    with pytest.raises(DataError, match="more than 500 lines; take a sample"):
        read_table(path, Reading())


WIDE = "id,title,body,kind,agent\n1,aa,bb cc,x,Ann\n2,dd,ee ff,y,Ann\n"


@pytest.mark.parametrize(
    ("reading", "pairs"),
    [
        ({"text": ["title"], "label": "kind"}, [("aa", "x"), ("dd", "y")]),
        ({"text": ["title", "body"], "label": "KIND"}, [("aa bb cc", "x"), ("dd ee ff", "y")]),
        ({"text": [3], "label": 4}, [("bb cc", "x"), ("ee ff", "y")]),
        ({"label": "kind"}, [("bb cc", "x"), ("ee ff", "y")]),
    ],
)
def test_columns_are_chosen_by_name_or_number(reading, pairs, tmp_path):
    assert read(tmp_path / "a.csv", WIDE, **reading) == pairs


def test_a_number_that_stands_in_the_first_row_does_not_make_it_a_header(tmp_path):
    rows = "2,good\n1,bad\n2,fine\n"
    found = read(tmp_path / "a.csv", rows, text=["2"], label="1")
    assert found == [("good", "2"), ("bad", "1"), ("fine", "2")]


def test_a_column_of_numbers_tells_that_long_names_are_names(tmp_path):
    names = "N°;What is asked for, word by word;Which service answers it\n"
    rows = "1;an atlas of the seas;loans\n2;the opening times;desk\n3;a book of tales;loans\n"
    pairs = [("an atlas of the seas", "loans"), ("the opening times", "desk")]
    assert read(tmp_path / "a.csv", names + rows)[:2] == pairs


@pytest.mark.parametrize(
    ("name", "content", "pairs"),
    [
        ("a.csv", 'text,label\n"a, ""b""\nc",x\n\né, y \r\n', [('a, "b"\nc', "x"), ("é", "y")]),
        ("b.csv", 'text,label\n"a \\"b\\"",x\nc,y\n', [('a "b"', "x"), ("c", "y")]),
        ("c.tsv", 'text\tlabel\n"Nice" he said\tx\nc\ty\n', [('"Nice" he said', "x"), ("c", "y")]),
        ("d.csv", "sep=;\r\ntext;label\r\na;x\r\nb;y\r\n", [("a", "x"), ("b", "y")]),
        ("f.jsonl", '{"text": "é"}\n{"text": ["é", null], "label": "x"}\n', [('["é", null]', "x")]),
        ("d.jsonl", '{"text": 1, "label": true}\n\n{"text": "a"}\n', [("1", "true")]),
        ("e.csv", f"text,label\n{'a ' * 100_000},x\n", [("a " * 100_000, "x")]),
    ],
)  # fmt: skip
def test_quotes_line_ends_and_values_are_kept(name, content, pairs, tmp_path):
    assert read(tmp_path / name, content) == pairs


def test_an_encoding_can_be_named(tmp_path):
    content = "text,label\ncafé,x\n"
    for encoding in ("windows-1252", "utf-16-le", "utf-8", "UTF8"):
        pairs = read(tmp_path / "a.csv", content.encode(encoding), encoding=encoding)
        assert pairs == [("café", "x")]


QUOTED = '"good film",x\n"poor one",y\n"fine film",x\n'
NOT_CLOSED = "a quote is opened and never closed"
NOT_DOUBLED = "more text after a closing quote; a quote inside a field must be doubled"


@pytest.mark.parametrize(
    ("rows", "kind", "broken"),
    [
        (f'{QUOTED}"bad film,y\n', "CSV", f'5: {NOT_CLOSED} ("bad film,y)'),
        (f'"bad film,y\n{QUOTED}', "CSV", f'2: {NOT_CLOSED} ("bad film,y)'),
        (f'{QUOTED}fine,"x', "CSV", f'5: {NOT_CLOSED} (fine,"x)'),
        (f'{QUOTED}"a 5" disk",x\n', "CSV", f'5: {NOT_DOUBLED} ("a 5" disk",x)'),
        (f'{QUOTED}"a disk" ,x\n', "CSV", f'5: {NOT_DOUBLED} ("a disk" ,x)'),
        (f'a 5" disk,x\na "b",y"\n{QUOTED}', "CSV", None),
        (f'"a \\"b\\"",x\n"c,y\n{QUOTED}', "CSV with \\ before quotes", f'3: {NOT_CLOSED} ("c,y)'),
        (
            f'a,x\n"b,y\n{QUOTED[:14]}c,y\nd,x\n',
            "CSV without quotes, which would break line 3",
            None,
        ),
        ('a,x\n"say ""b""",y\n"c,x\nd,x\n', "CSV", f'4: {NOT_CLOSED} ("c,x)'),
    ],
)
def test_an_odd_quote_costs_one_row_or_is_named(rows, kind, broken, tmp_path):
    table = read_table(write(tmp_path / "a.csv", f"text,label\n{rows}"), Reading())
    assert table.kind.partition(":")[0] == kind
    assert [f"{line}: {bad}" for line, bad in table.bad] == ([broken] if broken else [])
    assert len(table.texts) == rows.strip().count("\n") + 1 - bool(broken)


BAD = """text,label
"a
b",x
"he said "hi" to me",y
ok,z
a,b,c
,x
d,
"never closed,y
last,z
"""


def test_bad_rows_are_counted_and_named_with_their_lines(tmp_path):
    table = read_table(write(tmp_path / "a.csv", BAD), Reading())
    assert list(zip(table.texts, table.labels, table.lines, strict=True)) == [
        ("a\nb", "x", 2),
        ("ok", "z", 5),
        ("last", "z", 10),
    ]
    assert [f"{line}: {bad}" for line, bad in table.bad] == [
        f'4: {NOT_DOUBLED} ("he said "hi" to me",y)',
        "6: 3 fields instead of 2; a text with a separator needs quotes (a,b,c)",
        "7: no text in column text (,x)",
        "8: no label in column label (d,)",
        '9: a quote is opened and never closed ("never closed,y)',
    ]
    with pytest.raises(DataError, match=r"a.csv: 5 of 8 rows cannot be used: line 4: .*=skip$"):
        table.check(table.bad, skip=False)
    short = read_table(write(tmp_path / "b.csv", "text;label;by\na;x;c\n  \nd;y\n"), Reading())
    assert [f"{line}: {bad}" for line, bad in short.bad] == [
        "4: 2 fields instead of 3; a text with a line end needs quotes (d;y)"
    ]
    many = replace(table, texts=["a text"] * 496)
    for one, total, skip in ((table, 8, True), (many, 501, False)):
        said = one.check(one.bad, skip=skip)
        assert said.startswith(f"{table.path}: skipped 5 of {total} rows: line 4: {NOT_DOUBLED}")
    assert table.check([], skip=False) is None


def test_texts_without_labels_are_read_for_predictions(tmp_path):
    reading = Reading(labelled=False, keep=True)
    one = read_table(write(tmp_path / "a.csv", "text\nhello\n\nb c\n"), reading)
    lines = read_table(write(tmp_path / "a.txt", "hello, you\n\nbye\n"), reading)
    for signs in ("{curly} a\n{}", "[{ a\n[1]", "[note]\n__label__x"):
        assert read_table(write(tmp_path / "b.txt", signs), reading).texts == signs.split("\n")
    for content in ('{"text": "a"}', '[{"text": "a"}]', "__label__x a"):
        assert read_table(write(tmp_path / "c.txt", content), reading).texts == ["a"]
    wide = read_table(write(tmp_path / "b.csv", "id,text\n1,a\n2,\n"), reading)
    assert (one.texts, lines.texts) == (["hello", "", "b c"], ["hello, you", "", "bye"])
    assert (wide.columns.names, wide.rows) == (["id", "text"], [["1", "a"], ["2", ""]])


@pytest.mark.parametrize(
    ("name", "content", "reading", "message"),
    [
        ("a.csv", "", {}, "no rows in it"),
        ("a.csv", "text,label\n", {}, "no rows after the header"),
        ("a.csv", WIDE, {}, "which column has the label.*id, title, body, kind, agent"),
        ("a.csv", WIDE, {"text": ["no"]}, "dataset.text=no: no column has that name; columns: id"),
        ("a.csv", WIDE, {"text": [9]}, "dataset.text=9: no such column; columns: id"),
        ("a.csv", "x,x\na,b\n", {"text": ["x"]}, "two columns have that name; use a number"),
        ("a.csv", b"text,label\na,x\ncaf\xe9,y\n", {}, "line 3: byte 0xe9 is not .*“café,y”"),
        ("a.csv", b"text,label\n\xe9,x\n", {"encoding": "klingon"}, "dataset.encoding=klingon"),
        ("a.csv", CSV.encode("utf-16-le"), {"encoding": "utf-16"}, "BOM; with -le or -be"),
        ("a.csv", CSV.encode("utf-16-le"), {}, "NUL character.*dataset.encoding=utf-16-le"),
        ("a.csv", CSV, {"encoding": "\0"}, "=\0: Python knows no encoding of that name"),
        ("a.csv", WIDE, {"text": ["9" * 5000]}, ".*no column has that name"),
        ("a.csv", "," * 20_000, {}, "20001 columns; at most 10000 are read"),
        ("a.csv", b"PK\x03\x04", {}, "Excel file; unpack it, or save the sheet as CSV"),
        ("a.csv.gz", gzip.compress(b"text,label\na,x\n", mtime=0)[:-9], {}, "a damaged gzip file"),
        ("a.json", "[\n{]", {}, "not a list of JSON objects: JSON is malformed"),
        ("a.json", "[1]", {}, r"not a list of JSON objects: Expected `object`, got `int` - at"),
        ("a.csv", "\n \n", {}, "no rows in it; all lines are blank"),
        ("a.csv", "\n" * 2000 + CSV, {}, "no rows in it; the first 1000 lines are blank"),
        ("a.txt", "a text\nanother\n", {}, "which column has the label"),
        (
            "a.csv",
            f"a,{'b' * 30},c\nd,{'e' * 30},f\n",
            {},
            rf"label\? set dataset.label to a number; columns: 1 \(a\), 2 \({'b' * 19}…\), "
            r"3 \(c\); no header was recognised",
        ),
        ("a.parquet", b"PAR1 and no more", {}, "a damaged Parquet file|needs pyarrow"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_refused_in_one_line(
    name, content, reading, message, tmp_path
):
    path = write(tmp_path / name, content)
    with pytest.raises(DataError, match=f"^{path}: .*{message}|^{path}: {message}") as caught:
        read_table(path, Reading(**reading))
    assert "\n" not in str(caught.value)


def test_links_and_pipes_are_read_where_the_user_names_them(tmp_path):
    write(tmp_path / "a.csv", CSV)
    (tmp_path / "link.csv").symlink_to("a.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    writer = threading.Thread(target=write, args=(tmp_path / "pipe.csv", CSV))
    writer.start()
    assert read_table(tmp_path / "link.csv", Reading()).texts == TEXTS
    assert read_table(tmp_path / "pipe.csv", Reading()).texts == TEXTS
    writer.join()
    for name in ("link.csv", "pipe.csv"):
        with pytest.raises(DataError, match=rf"{name}: cannot be read: (a symbolic|not a)"):
            read_table(tmp_path / name, Reading(may_be_link=False))


thorough = settings(max_examples=60, deadline=None, derandomize=True, database=None)


@thorough
@given(st.text('"\n,ab\r') | st.text())
def test_no_line_is_lost_whatever_the_quotes(content):
    """Rows and broken rows together begin on rising lines, and cover every line."""
    lines = content.splitlines(keepends=True)
    starts = [line for line, _ in records(lines, Dialect(","))]
    assert starts == sorted(set(starts))
    assert all(1 <= line <= len(lines) for line in starts)


@thorough
@given(st.lists(st.text('"\nab', min_size=1).filter(str.strip), min_size=1))
def test_a_broken_row_costs_no_other(texts):
    """Whole rows after a quote that is never closed are all read."""
    quoted = [f'"{text.replace(chr(34), chr(34) * 2)}",x\n' for text in texts]
    lines = ['a"b",x\n', '"broken,x\n', *"".join(quoted).splitlines(keepends=True)]
    rows = [row for _, row in records(lines, Dialect(",")) if not isinstance(row, Broken)]
    assert [text for text, *_ in rows if text in texts][-1] == texts[-1]


@thorough
@given(st.binary() | st.text().map(lambda text: f"text,label\n{text}".encode(errors="replace")))
def test_any_bytes_are_texts_or_an_error_that_names_the_file(content):
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        path = write(Path(file.name), content)
        try:
            table = read_table(path, Reading())
        except DataError as error:
            assert str(error).startswith(str(path))
            assert "\n" not in str(error)
        else:
            assert len(table.texts) == len(table.labels) == len(table.lines)
            assert all(map(str.strip, [*table.texts, *table.labels]))
