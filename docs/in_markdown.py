"""What the code says of itself, as Markdown: docstrings, types and values."""

import inspect
import re
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from hydra_study_sweeper.options import type_of
from hydra_study_sweeper.records import Value

from rnnclf.configuration.schema import DatasetConfig

NAMES: dict[Any, str] = {
    **{bool: "boolean", int: "integer", float: "number", str: "string"},
    DatasetConfig: "section [dataset](keys.md#dataset)",
    **{NoneType: "`null`", Value: "scalar", Value | dict[str, Value]: "", Any: ""},
}


def table(header: str, rows: Iterable[Iterable[str]]) -> str:
    """Returns a Markdown table without its empty columns; bars part the cells of the header."""
    body = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    columns = [column for column in zip(header.split("|"), *body, strict=True) if any(column[1:])]
    head, *lines = (" | ".join(cells) for cells in zip(*columns, strict=True))
    rule = " | ".join(["---"] * len(columns))
    return "\n".join(f"| {line} |" for line in (head, rule, *lines))


def summary(of: object) -> str:
    """Returns a docstring without its sections."""
    return re.split(r"\n\n(?:Args|Attributes):\n", inspect.getdoc(of) or "")[0]


def attributes(of: type) -> dict[str, str]:
    """Returns what the sections "Attributes" of a class and of its bases say."""
    meanings: dict[str, str] = {}
    for base in reversed(of.__mro__):
        _, _, section = inspect.cleandoc(base.__doc__ or "").partition("\nAttributes:\n")
        for name, meaning in re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", section, re.MULTILINE):
            meanings[name] = " ".join(meaning.split())
    return meanings


def types(schema: type) -> dict[str, Any]:
    """Returns the types of the keys and sections of a schema."""
    return {one.name: type_of(one) for one in fields(schema)}


def kind(hint: Any) -> str:
    """Returns a type in words."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint in NAMES:
        return NAMES[hint]
    if isinstance(hint, type) and is_dataclass(hint):
        name: str = hint.__name__
        return f"[{name}](#{name.lower()})"
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in inner)
    if origin is Annotated:
        return kind(inner[0])
    if origin in (Union, UnionType):
        return " or ".join(map(kind, inner))
    of = kind(inner[-1])
    plural = f"{of}s" if of.isalpha() else of
    words = {list: "list of ", dict: "mapping to ", tuple: "pair of "}
    return words[origin] + plural if plural else words[origin].split()[0]


def shown(value: object) -> str:
    """Returns a value as YAML writes it."""
    text = "null" if value is None else str(value)
    return f"`{text.lower() if isinstance(value, bool) else text}`"
