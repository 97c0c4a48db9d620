"""Reads the records of runs and studies; what they must say before anything is made of them."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path, PurePath
from types import UnionType
from typing import Any

import yaml

from rnnclf.paths import RESULT_FORMAT, RunPaths

Kinds = Mapping[str, type | UnionType]

FOREIGN = "not a run of rnnclf"
DAMAGED = (OSError, ValueError, KeyError, TypeError, RecursionError)  # by what a file then raises

NUMBER = int | float
RESULT: Kinds = {
    "format": int,
    "dataset": str,
    "cell": str,
    "val_accuracy": NUMBER | None,
    "val_macro_f1": NUMBER | None,
    "val_loss": NUMBER | None,
    "test_accuracy": NUMBER | None,
    "test_macro_f1": NUMBER | None,
    "best_epoch": int,
    "epochs": int,
    "parameters": int,
    "vocabulary_size": int,
    "seed": int,
    "git_revision": str | None,
    "versions": dict,
    "texts": dict,
    "texts.test": int,
    "device": str,
    "started": str,
    "seconds": dict,
    "seconds.total": NUMBER,
}
CONFIG: Kinds = {"dataset.labels": str | None, "dataset.folder": str | None}
STUDY: Kinds = {
    "name": str,
    "n_trials": int,
    "finished": bool,
    "states": dict,
    "space": dict,
    "best": list,
    "refit": dict | None,
}
OF_SEEDS: Kinds = {"mean": NUMBER, "sd": NUMBER | None, "values": list, "interval": list | None}
REFIT: Kinds = {
    "trial": int,
    "model": dict,
    "model.folder": str,
    "model.seed": int,
    **{f"{role}.{key}": kind for role in ("validate", "final") for key, kind in OF_SEEDS.items()},
}


class RecordError(Exception):
    """A record cannot be used; the message is the reason."""


def read_result(paths: RunPaths) -> tuple[dict[str, Any], dict[str, Any]]:
    """Reads what a finished run says of itself.

    Returns:
        The content of `result.json`, and the configuration by full keys.

    Raises:
        RecordError: If the file is damaged, of a newer version, or of another program.
    """
    try:
        result = json.loads(paths.result.read_text(encoding="utf-8"))
        if not (isinstance(result, dict) and {"format", "dataset", "cell"} <= result.keys()):
            raise RecordError(FOREIGN)
        if result["format"] > RESULT_FORMAT:
            raise RecordError(f"made by a newer rnnclf (format {result['format']})")
        _check_result(result)
        config = _flat(_config_of(result, paths))
        _check_config(config)
    except (*DAMAGED, yaml.YAMLError) as error:
        raise RecordError(_unreadable(error)) from error
    return result, config


def read_summary(path: Path) -> dict[str, Any]:
    """Reads the `study.json` of a study.

    Raises:
        RecordError: If it is damaged.
    """
    try:
        summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _check_study(summary)
    except DAMAGED as error:
        raise RecordError(_unreadable(error)) from error
    return summary


def read_trial_states(path: Path) -> dict[str, str]:
    """Reads the states of trials from a `trials.csv`, by the names of their folders."""
    with path.open(encoding="utf-8", newline="", errors="replace") as file:
        rows = csv.DictReader(file)
        return {row["folder"]: str(row.get("state")) for row in rows if row.get("folder")}


def _config_of(result: Mapping[str, Any], paths: RunPaths) -> Any:
    """Returns the configuration: from the result, or for old runs from its own file."""
    if "config" in result:
        return result["config"]
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(paths.config.read_text(encoding="utf-8"), loader)  # noqa: S506


def _flat(config: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(config, dict):
        raise TypeError("its configuration is no mapping")
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _unreadable(error: Exception) -> str:
    what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    return f"unreadable: {' '.join(what.split())}"


def _check_result(result: Any) -> None:
    """Checks the content of `result.json`."""
    _check(result, RESULT)
    if result["val_accuracy"] is not None and result["val_loss"] is None:
        raise TypeError("val_accuracy has no val_loss beside it")


def _check_config(config: Mapping[str, Any]) -> None:
    """Checks the configuration of a run, by full keys."""
    for key, kind in CONFIG.items():
        _check_kind(key, config[key], kind)


def _check_study(summary: Any) -> None:
    """Checks the content of `study.json`."""
    _check(summary, STUDY)
    _check_kind("repeats", summary.get("repeats", 1), int)
    refit = summary["refit"]
    if refit is None:
        return
    _check(refit, REFIT)
    for role in ("validate", "final"):
        for value in (*refit[role]["values"], *(refit[role]["interval"] or ())):
            _check_kind(f"a value of refit.{role}", value, NUMBER)
    model = PurePath(refit["model"]["folder"])
    if model.is_absolute() or ".." in model.parts:
        raise ValueError(f"refit.model.folder leads out of the study: {model}")


def _check(record: Any, kinds: Kinds) -> None:
    for path, kind in kinds.items():
        value = record
        for name in path.split("."):
            _check_kind("it", value, dict)
            value = value[name]
        _check_kind(path, value, kind)


def _check_kind(name: str, value: object, kind: type | UnionType) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{name} is {str(value)[:40]!r}")
