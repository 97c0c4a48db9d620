"""Rows as a table on the terminal, as Markdown, CSV or JSON."""

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hydra_study_sweeper.printable import one_line
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rnnclf.files.words import in_markdown
from rnnclf.runs.rank import Row
from rnnclf.runs.results import plain
from rnnclf.runs.significance import LEVEL

ACCURACY = ".4f"
NUMBERS = {
    "val_accuracy": ACCURACY,
    "val_macro_f1": ACCURACY,
    "best": ACCURACY,
    "test_accuracy": ACCURACY,
    "reported": ACCURACY,
    "computed": ACCURACY,
    "seconds": ".1f",
    "parameters": ",",
}
P_VALUES = ("p_val", "p_test")
SPREADS = ("refit_val", "refit_test", "mean")  # `SeedValues`
NOTHING = "-"
ALWAYS = (
    "val_accuracy",
    "val_macro_f1",
    "folder",
    "best",
    "best_folder",
)  # columns of the narrowest table
FIRST = ("refit_test", "cell", "rank")  # those that come next
FOLDERS = ("folder", "best_folder")
PADDING = 3  # between two columns
WIDEST = 10_000


def render(
    tables: Mapping[str, Sequence[Row]],
    kind: str,
    title: str = "task",
    width: int = WIDEST,
) -> str:
    """Writes tables.

    Args:
        tables: Rows by the titles of their tables.
        kind: For people, `table` and `md` write each table by itself, round numbers and leave out
            empty columns; for programs, `csv` and `json` write one list of exact values.
        title: The column in which `csv` and `json` name the table.
        width: The width of a `table` in characters; columns that do not fit are left out.
    """
    if kind == "table":
        return "\n".join(_table(name, rows, width) for name, rows in tables.items())
    if kind == "md":
        return "\n".join(_markdown(name, rows) for name, rows in tables.items())
    together = [{title: name, **row} for name, rows in tables.items() for row in rows]
    if kind == "csv":
        return _csv(together)
    return json.dumps(together, indent=2, default=asdict, ensure_ascii=False) + "\n"


def _table(title: str, rows: Sequence[Row], width: int) -> str:
    """Writes a table whose lines are whole, so that a folder can be copied from a terminal."""
    columns = _filled_columns(rows)
    kept = _that_fit(columns, rows, width)
    if len(kept) < len(columns):
        parent, rows = _below_one_folder(rows)
        title += f", folders below {parent}/" if parent else ""
        kept = _that_fit(columns, rows, width)
    if len(kept) < len(columns):
        title += f"  ({len(columns) - len(kept)} more columns with --wide)"
    table = Table(title=Text(title), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in kept:
        number = all(isinstance(row.get(name), int | float | None) for row in rows)
        table.add_column(Text(name), justify="right" if number else "left")
    for row in rows:
        table.add_row(*(Text(_shown(name, row.get(name))) for name in kept))
    output = io.StringIO()
    Console(file=output, width=WIDEST).print(table)
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines()) + "\n"


def _that_fit(columns: Sequence[str], rows: Sequence[Row], width: int) -> list[str]:
    """Returns the columns that fit, in their order; those of `ALWAYS` are always kept."""
    widths = {
        name: max(len(name), *(len(_shown(name, row.get(name))) for row in rows)) + PADDING
        for name in columns
    }
    kept = [name for name in columns if name in ALWAYS]
    for name in sorted(columns, key=lambda name: (*FIRST, name).index(name)):
        if name not in ALWAYS and sum(widths[one] for one in (*kept, name)) <= width + PADDING:
            kept.append(name)
    return sorted(kept, key=columns.index)


def _below_one_folder(rows: Sequence[Row]) -> tuple[str, Sequence[Row]]:
    """Returns the folder that all folders have in common, and the rows with the rest of them."""
    parents = [Path(row[name]).parent for row in rows for name in FOLDERS if row.get(name)]
    if not parents or len({parent.is_absolute() for parent in parents}) > 1:
        return "", rows
    common = os.path.commonpath(parents)
    if not common:
        return "", rows
    return common, [
        row | {name: os.path.relpath(row[name], common) for name in FOLDERS if row.get(name)}
        for row in rows
    ]


def _markdown(title: str, rows: Sequence[Row]) -> str:
    columns = _filled_columns(rows)
    lines = [
        columns,
        ["---"] * len(columns),
        *([in_markdown(_shown(name, row.get(name))) for name in columns] for row in rows),
    ]
    return f"## {title}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _csv(rows: Sequence[Row]) -> str:
    flat: list[Row] = []
    for row in rows:
        flat.append({})
        for name, value in row.items():
            if name in SPREADS:
                mean, sd, n = (value.mean, value.sd, len(value.values)) if value else (None,) * 3
                flat[-1] |= {f"{name}_mean": mean, f"{name}_sd": sd, f"{name}_n": n}
            else:
                flat[-1][name] = value
    output = io.StringIO()
    if flat:
        writer = csv.DictWriter(output, _columns(flat), lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat)
    return output.getvalue()


def _columns(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _filled_columns(rows: Sequence[Row]) -> list[str]:
    return [name for name in _columns(rows) if any(row.get(name) is not None for row in rows)]


def _shown(name: str, value: Any) -> str:
    if value is None:
        return NOTHING
    if name in P_VALUES:
        return f"≈ {value:.2f}" if value >= LEVEL else f"{value:.2g}"
    return format(value, NUMBERS[name]) if name in NUMBERS else one_line(plain(value))
