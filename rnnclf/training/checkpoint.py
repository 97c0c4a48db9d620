"""The checkpoint of a run: everything that its next epoch depends on, as data and never as code.

It is a safetensors file with numbered tensors; its metadata has the structure around them as JSON.
"""

import json
import logging
from pathlib import Path
from typing import Any

import torch
from hydra_study_sweeper.files import open_regular
from hydra_study_sweeper.paths import shown
from safetensors import SafetensorError, safe_open
from torch import Tensor

from rnnclf.configuration.identity import identity
from rnnclf.configuration.schema import Config
from rnnclf.data.prepared import place_of
from rnnclf.errors import ConfigError, ModelError
from rnnclf.files.paths import RunPaths
from rnnclf.files.tensors import save_tensors

STRUCTURE = "structure"

log = logging.getLogger(__name__)


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Writes nested dicts and lists of tensors, numbers, strings and None, atomically."""
    tensors: dict[str, Tensor] = {}
    structure = json.dumps(_take_out(state, tensors))
    save_tensors(tensors, path, {STRUCTURE: structure}, durable=False)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Reads what `save_checkpoint` wrote.

    Raises:
        ModelError: If the file is not a whole checkpoint.
        FileNotFoundError: If it is missing.
        OSError: If it is a link, a pipe or a device.
    """
    open_regular(path).close()  # safetensors would wait for the writer of a pipe
    try:
        with safe_open(path, "pt") as file:
            structure = json.loads((file.metadata() or {})[STRUCTURE])
            names = file.keys()
            return dict(_put_in(structure, {name: file.get_tensor(name) for name in names}))
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not a whole checkpoint; delete it to start again") from error


def checkpoint_of(
    config: Config, splits: str, device: torch.device, paths: RunPaths
) -> dict[str, Any] | None:
    """Reads the checkpoint that a run of a configuration left, if one did.

    Raises:
        ConfigError: If that run had other texts, or another kind of device.
        ModelError: See `load_checkpoint`.
    """
    try:
        checkpoint = load_checkpoint(paths.checkpoint)
    except FileNotFoundError:
        return None
    if checkpoint.get("identity") != identity(config):
        log.info("ignoring the checkpoint in %s: its configuration differs", paths.folder)
        return None
    if checkpoint.get("splits") != splits:
        raise ConfigError(
            f"{place_of(config.dataset, Path(config.paths.data))}: not the texts with which the "
            f"run in {shown(paths.folder)} was begun; put them back, or train again in another "
            "folder"
        )
    if checkpoint["device"] != device.type:
        raise ConfigError(
            f"{paths.checkpoint} was begun on {checkpoint['device']}, this is {device.type}; "
            "continue there, or delete it to start again"
        )
    return checkpoint


def _take_out(node: Any, tensors: dict[str, Tensor]) -> Any:
    """Replaces tensors by names, and dicts by lists of pairs, because JSON's keys are strings."""
    if isinstance(node, Tensor):
        name = str(len(tensors))
        tensors[name] = node.detach()
        return {"tensor": name}
    if isinstance(node, dict):
        return {"dict": [[key, _take_out(value, tensors)] for key, value in node.items()]}
    if isinstance(node, (list, tuple)):
        return [_take_out(value, tensors) for value in node]
    return node


def _put_in(node: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(node, dict):
        if "tensor" in node:
            return tensors[node["tensor"]]
        return {key: _put_in(value, tensors) for key, value in node["dict"]}
    if isinstance(node, list):
        return [_put_in(value, tensors) for value in node]
    return node
