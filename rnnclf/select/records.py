"""What `result.json` and `study.json` must say before anything is made of them."""

from collections.abc import Mapping
from pathlib import PurePath
from types import UnionType
from typing import Any

Kinds = Mapping[str, type | UnionType]

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


def check_result(result: Any) -> None:
    """Checks the content of `result.json`.

    Raises:
        KeyError: If something is missing.
        TypeError: If something is of another kind.
    """
    _check(result, RESULT)
    if result["val_accuracy"] is not None and result["val_loss"] is None:
        raise TypeError("val_accuracy has no val_loss beside it")


def check_config(config: Mapping[str, Any]) -> None:
    """Checks the configuration of a run, by full keys.

    Raises:
        KeyError: If something is missing.
        TypeError: If something is of another kind.
    """
    for key, kind in CONFIG.items():
        _check_kind(key, config[key], kind)


def check_study(summary: Any) -> None:
    """Checks the content of `study.json`.

    Raises:
        KeyError: If something is missing.
        TypeError: If something is of another kind.
        ValueError: If the model is outside the study's folder.
    """
    _check(summary, STUDY)
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
