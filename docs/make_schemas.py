"""JSON schemas of conf/ and sweeps/, made from the typed schema; `make reference` writes them.

Editors check YAML files by them, since the first line of each file names its schema.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from hydra.conf import HydraConf
from hydra_study_sweeper import options
from hydra_study_sweeper.tracking.mirror import LIBRARIES
from in_markdown import attributes, kind, types
from sweep_syntax import sweep

from rnnclf.configuration import checks
from rnnclf.configuration.complaints import GROUPS
from rnnclf.configuration.composed import ComposedConfig
from rnnclf.configuration.schema import Config, DatasetConfig, ModelConfig, OptimizerConfig

FOLDER = Path(__file__).resolve().parents[1] / "conf" / "schema"
PLAIN = {bool: "boolean", int: "integer", float: "number", NoneType: "null"}
BOUNDS = (
    ("minimum", checks.AT_LEAST | options.AT_LEAST),
    ("exclusiveMinimum", checks.ABOVE | options.ABOVE),
    ("exclusiveMaximum", checks.BELOW),
    ("maximum", checks.AT_MOST),
)
LETTERS = "\\w\u0080-\U0010ffff"  # of all scripts, of which JavaScript's \\w has ASCII's only
PATTERNS = checks.PATTERNS | {"tracking": rf"{'|'.join(LIBRARIES)}|\w+(\.\w+)+"}
INTERPOLATION = {"type": "string", "pattern": r"\$\{.+\}"}
# The groups whose options are known; a project may have more options of the others.
CLOSED: dict[str, Any] = {
    "cell": types(ModelConfig)["cell"],
    "optimizer": types(OptimizerConfig)["name"],
    "hydra/sweeper/sampler": Literal[*options.SAMPLERS],
    "hydra/sweeper/pruner": Literal[*options.PRUNERS],
}


def value(hint: Any, key: str = "") -> dict[str, Any]:
    """Returns the schema of a value: its type with its range, or an interpolation."""
    if hint is Any:
        return {}
    hints = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    kinds = [one for inner in hints for one in kinds_of(inner, key)]
    return {"anyOf": [*kinds, INTERPOLATION]}


def kinds_of(hint: Any, key: str) -> Iterator[dict[str, Any]]:
    """The schemas of what a value of a type may be in YAML."""
    of = get_args(hint)
    if get_origin(hint) is Literal:
        yield {"enum": list(of)}
    elif get_origin(hint) is list:
        yield {"type": "array", "items": value(of[0])}
    elif get_origin(hint) is dict:
        yield {"type": "object", "additionalProperties": value(of[1])}
    elif hint is str and key in PATTERNS:
        yield {"type": "string", "pattern": f"^({PATTERNS[key]})$".replace(r"[\w", f"[{LETTERS}")}
    elif hint is str:
        yield {"type": ["string", "number"]}  # OmegaConf writes a number as a string
    elif is_dataclass(hint):
        yield section(hint)
    elif issubclass(hint, Enum):
        yield {"enum": list(hint.__members__)}
    else:
        yield {"type": PLAIN[hint]} | {name: of[key] for name, of in BOUNDS if key in of}


def section(schema: type, prefix: str = "") -> dict[str, Any]:
    """Returns the schema of a file or a section that sets some keys of a dataclass."""
    meanings, properties = attributes(schema), {}
    for name, hint in types(schema).items():
        if isinstance(hint, type) and is_dataclass(hint):
            properties[name] = section(hint, f"{prefix}{name}.")
        elif not name.startswith("_") and name != "defaults":
            described = {"description": meanings[name]} if name in meanings else {}
            properties[name] = described | value(hint, f"{prefix}{name}")
    return {"type": "object", "properties": properties, "additionalProperties": False}


def searched() -> dict[str, Any]:
    """Returns what a study may search, keys and config groups, with their types."""
    return options.all_types(Config) | {group: CLOSED.get(group, str) for group in GROUPS}


def search_space() -> dict[str, Any]:
    """Returns the schema of a search space; what it refers to is in `definitions`."""
    names = {key: {"$ref": f"#/$defs/{_definition(key)}"} for key in searched()}
    return {
        "description": "What a study searches, by key, in Hydra's sweep syntax.",
        "type": "object",
        "properties": names,
        "additionalProperties": False,
    }


def definitions() -> dict[str, Any]:
    """Returns what may be searched for each type of key, and points of the space."""
    keys = searched().items()
    alone = {key: value(hint, key) for key, hint in keys}
    listed = {key: value(hint | list[hint], key) for key, hint in keys}
    made = {
        "point": {"type": "object", "properties": alone, "additionalProperties": False},
        "when": {"type": "object", "properties": listed, "additionalProperties": False}
        | {"minProperties": 1},
    }
    return made | {_definition(key): _dimension(hint, key in GROUPS) for key, hint in keys}


def _definition(key: str) -> str:
    words = "option" if key in GROUPS and key not in CLOSED else kind(searched()[key])
    return re.sub(r"\W+", "-", words).strip("-")


def _dimension(hint: Any, is_group: bool) -> dict[str, Any]:
    """What a study may search for a key of a type."""
    space = {"type": "string", "pattern": sweep(hint, is_group=is_group)}
    conditional = {
        "type": "object",
        "properties": {"when": {"$ref": "#/$defs/when"}, "space": space},
        "required": ["when", "space"],
        "additionalProperties": False,
    }
    return {"anyOf": [space, conditional, INTERPOLATION]}


def defaults() -> dict[str, Any]:
    """Returns the schema of a defaults list."""
    groups = f"({'|'.join(GROUPS)}|hydra/.+)"
    name = rf"^((optional )?/?[{LETTERS}/-]+|override /?{groups})(@[\w.]+)?$"
    of_group = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "propertyNames": {"pattern": name},
        "patternProperties": {
            rf"^(override )?/?{group}$": value(hint) for group, hint in CLOSED.items()
        },
        "additionalProperties": {"type": ["string", "integer", "null"]},
    }
    return {
        "type": "array",
        "items": {"anyOf": [{"type": "string", "pattern": f"^[{LETTERS}/-]+$"}, of_group]},
    }


def hydra() -> dict[str, Any]:
    """Returns the schema of Hydra's own section, with the options of studies."""
    made, sweeper = section(HydraConf), section(options.StudySweeperConf)
    point = {"$ref": "#/$defs/point"}
    sweeper["properties"] |= {
        "params": {"anyOf": [search_space(), INTERPOLATION]},
        "enqueue": {"type": "array", "items": point},
        "warm_start": {"type": "array", "items": {"anyOf": [point, {"type": "string"}]}},
    }
    made["properties"] |= {"sweeper": sweeper, "launcher": {"type": "object"}}
    return made


def of_file(schema: dict[str, Any], **further: Any) -> dict[str, Any]:
    """Returns the schema of a whole file."""
    properties = {"defaults": defaults()} | schema["properties"] | further
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return draft | schema | {"properties": properties}


def schemas() -> dict[str, str]:
    """Returns the text of each schema by its file name."""
    composed = of_file(section(ComposedConfig), search_space=search_space(), hydra=hydra())
    made = {
        "dataset": of_file(section(DatasetConfig, "dataset.")),
        "model": of_file(section(ModelConfig, "model.")),
        "optimizer": of_file(section(OptimizerConfig, "optimizer.")),
        "global": composed | {"$defs": definitions()},
    }
    return {f"{name}.json": json.dumps(schema, indent=1) + "\n" for name, schema in made.items()}
