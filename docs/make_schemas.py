"""JSON schemas of conf/ and sweeps/, made from the typed schema; `make reference` writes them.

Editors check YAML files by them, since the first line of each file names its schema.
"""

import json
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra_study_sweeper import options
from in_markdown import attributes

from rnnclf.configuration import checks
from rnnclf.configuration.complaints import GROUPS
from rnnclf.configuration.composed import ComposedConfig
from rnnclf.configuration.schema import (
    Config,
    DatasetConfig,
    ModelConfig,
    OptimizerConfig,
    keys,
)

FOLDER = Path(__file__).resolve().parents[1] / "conf" / "schema"
PLAIN = {bool: "boolean", int: "integer", float: "number", NoneType: "null"}
BOUNDS = (
    ("minimum", checks.AT_LEAST | options.AT_LEAST),
    ("exclusiveMinimum", checks.ABOVE),
    ("exclusiveMaximum", checks.BELOW),
    ("maximum", checks.AT_MOST),
)
INTERPOLATION = {"type": "string", "pattern": r"\$\{.+\}"}

_NUMBER = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"
_BOUND = rf" *(\w+ *= *)?{_NUMBER} *"
_INTERVAL = rf"interval\({_BOUND},{_BOUND}\)"
_NUMERIC = rf"({_INTERVAL}|range\({_BOUND}(,{_BOUND}){{0,2}}\))"
# Hydra's sweep syntax; tests/test_schemas.py holds it against the sweeper's own parser.
_FORMS = (
    r"choice\(.+\)",
    r"glob\(.+\)",
    _NUMERIC,
    rf"tag\( *log *, *({_NUMERIC}|(int|float)\({_NUMERIC}\)) *\)",
    r"[^(),]+(,[^(),]+)+",  # several values; one is nothing to search
)
_FORM = f"({'|'.join(_FORMS)})"
# The other functions of Hydra change what is in their brackets, which may be another of them.
_OWN = {"choice", "glob", "interval", "range", "tag", "extend_list"}
_CHANGES = "|".join(sorted(OverridesParser.create().functions.functions.keys() - _OWN))
_CHANGED = rf"\( *{_FORM} *(, *reverse *= *(true|false) *)?\)"
SWEEP = rf"^({_FORM}|({_CHANGES})({_CHANGED}|\( *({_CHANGES}){_CHANGED} *\)))$"


def value(hint: Any, key: str) -> dict[str, Any]:
    """Returns the schema of a value: its type with its range, or an interpolation."""
    if get_origin(hint) in (Union, UnionType):
        kinds = [kind for inner in get_args(hint) for kind in value(inner, key)["anyOf"]]
        return {"anyOf": [kind for n, kind in enumerate(kinds) if kind not in kinds[:n]]}
    return {"anyOf": [*kinds_of(hint, key), INTERPOLATION]}


def kinds_of(hint: Any, key: str) -> Iterator[dict[str, Any]]:
    """The schemas of what a value of a type may be in YAML."""
    if get_origin(hint) is Literal:
        yield {"enum": list(get_args(hint))}
    elif get_origin(hint) is list:
        yield {"type": "array"}
    elif get_origin(hint) is dict:
        yield {"type": "object"}
    elif hint is str:
        yield {"type": ["string", "number"]}  # OmegaConf writes a number as a string
    elif hint in PLAIN:
        yield {"type": PLAIN[hint]} | {name: of[key] for name, of in BOUNDS if key in of}
    else:
        yield {}


def section(schema: type, prefix: str = "") -> dict[str, Any]:
    """Returns the schema of a file or a section that sets some keys of a dataclass."""
    meanings, properties = attributes(schema), {}
    for name, hint in get_type_hints(schema).items():
        if isinstance(hint, type) and is_dataclass(hint):
            properties[name] = section(hint, f"{prefix}{name}.")
        elif name in meanings:
            properties[name] = {"description": meanings[name]} | value(hint, f"{prefix}{name}")
    return {"type": "object", "properties": properties, "additionalProperties": False}


def search_space() -> dict[str, Any]:
    """Returns the schema of a search space."""
    names = {"enum": [*keys(Config), *GROUPS]}
    sweep = {"type": "string", "pattern": SWEEP}
    when = {"type": "object", "propertyNames": names, "minProperties": 1}
    conditional = {
        "type": "object",
        "properties": {"when": when, "space": sweep},
        "required": ["when", "space"],
        "additionalProperties": False,
    }
    return {
        "description": "What a study searches, by key, in Hydra's sweep syntax.",
        "type": "object",
        "propertyNames": names,
        "additionalProperties": {"anyOf": [sweep, conditional, INTERPOLATION]},
    }


def defaults() -> dict[str, Any]:
    """Returns the schema of a defaults list."""
    groups = f"({'|'.join(GROUPS)}|hydra/.+)"
    name = rf"^((optional )?/?[\w/-]+|override /?{groups})(@[\w.]+)?$"
    closed = {"cell": (ModelConfig, "cell"), "optimizer": (OptimizerConfig, "name")}
    of_group = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "propertyNames": {"pattern": name},
        "patternProperties": {  # a project may have more options of the other groups
            rf"^(override )?/?{group}$": value(get_type_hints(schema)[key], group)
            for group, (schema, key) in closed.items()
        },
        "additionalProperties": {"type": ["string", "integer", "null"]},
    }
    return {
        "type": "array",
        "items": {"anyOf": [{"type": "string", "pattern": r"^[\w/-]+$"}, of_group]},
    }


def of_file(schema: dict[str, Any], **further: Any) -> dict[str, Any]:
    """Returns the schema of a whole file."""
    properties = {"defaults": defaults()} | schema["properties"] | further
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return draft | schema | {"properties": properties}


def schemas() -> dict[str, str]:
    """Returns the text of each schema by its file name."""
    sweeper = section(options.StudySweeperConf)
    mode = {"enum": ["RUN", "MULTIRUN"]}
    made = {
        "dataset": of_file(section(DatasetConfig, "dataset.")),
        "model": of_file(section(ModelConfig, "model.")),
        "optimizer": of_file(section(OptimizerConfig, "optimizer.")),
        "global": of_file(
            section(ComposedConfig),
            search_space=search_space(),
            hydra={"type": "object", "properties": {"sweeper": sweeper, "mode": mode}},
        ),
    }
    return {f"{name}.json": json.dumps(schema, indent=1) + "\n" for name, schema in made.items()}
