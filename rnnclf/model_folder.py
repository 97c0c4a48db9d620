"""The files of a trained model: written, and read again without trust."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import init
from torch.overrides import TorchFunctionMode

from rnnclf.atomic import replacing, write_text
from rnnclf.classifier import Classifier, build_model
from rnnclf.config import load as load_config
from rnnclf.config import to_yaml
from rnnclf.data.vocabulary import Vocabulary
from rnnclf.errors import ConfigError, ModelError
from rnnclf.model import Ensemble, RecurrentClassifier
from rnnclf.paths import BUNDLE_FORMAT, BundlePaths, ModelPaths
from rnnclf.schema import Config


def save_description(
    config: Config, vocabulary: Vocabulary, classes: list[str], paths: ModelPaths
) -> None:
    """Writes what `load` needs beside the weights: configuration, words, labels."""
    write_text(paths.config, to_yaml(config))
    write_text(paths.vocabulary, "".join(f"{word}\n" for word in vocabulary.words))
    write_text(paths.labels, "".join(f"{name}\n" for name in classes))


def save_weights(weights: Mapping[str, Tensor], path: Path) -> None:
    """Writes the weights of a model as safetensors, atomically."""
    with replacing(path) as temporary:
        try:
            save_file({name: value.contiguous() for name, value in weights.items()}, temporary)
        except SafetensorError as error:
            raise OSError(f"{path}: cannot be written: {error}") from error


def load(folder: str | Path) -> Classifier:
    """Loads the model in the folder of a run or in a bundle. Nothing in the folder is executed.

    A bundle's files must be those that were written: their checksums are in it.

    Raises:
        ModelError: If a file is missing, damaged, elsewhere, or does not fit the others, or if a
            newer version made the bundle.
    """
    paths = BundlePaths(Path(folder))
    _check_files(paths)
    if paths.metrics.exists():
        _check_digests(read_metrics(paths.folder), paths)
    try:
        config = load_config(paths.config)
        weights = load_file(paths.weights)
    except ConfigError as error:
        raise ModelError(f"{paths.config}: {error}") from error
    except SafetensorError as error:
        raise ModelError(f"{paths.weights}: not a whole safetensors file ({error})") from error
    words, classes = _read_lines(paths.vocabulary), _read_lines(paths.labels)
    try:
        vocabulary = Vocabulary(words)
    except ModelError as error:
        raise ModelError(f"{paths.vocabulary}: {error}") from error
    if len(set(classes)) != len(classes) or not all(classes):
        raise ModelError(f"{paths.labels}: a label is empty or stands there twice")
    model = _built(config, len(vocabulary), len(classes), weights, paths)
    return Classifier(config, vocabulary, classes, model.eval())


def read_metrics(folder: Path) -> dict[str, Any]:
    """Reads `metrics.json` of a bundle.

    Raises:
        ModelError: If it is not there or not that of a bundle which this version knows.
    """
    path = BundlePaths(folder).metrics
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        made, digests = metrics["format"], metrics["sha256"]
    except FileNotFoundError:
        raise ModelError(f"{folder}: no bundle here ({path.name} is missing)") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{path}: not what rnnclf pick writes") from error
    if type(made) is not int or made < 1 or not isinstance(digests, dict):
        raise ModelError(f"{path}: not what rnnclf pick writes")
    if made > BUNDLE_FORMAT:
        raise ModelError(f"{path}: made by a newer rnnclf (format {made}); update yours")
    return dict(metrics)


def digest(path: Path) -> str:
    """Returns the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_files(paths: BundlePaths) -> None:
    folder = os.path.realpath(paths.folder)
    for path in (*paths.all, paths.metrics):
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(folder):
            raise ModelError(f"{path}: a link that leads out of its folder")
        if path.exists() and not path.is_file():
            raise ModelError(f"{path}: not a file")
    for path in paths.all:
        if not path.exists():
            raise ModelError(f"{paths.folder}: no model here ({path.name} is missing)")


def _check_digests(metrics: dict[str, Any], paths: BundlePaths) -> None:
    for path in paths.all:
        if metrics["sha256"].get(path.name) != digest(path):
            raise ModelError(f"{path}: changed or damaged since the bundle was made")


def _built(
    config: Config, words: int, classes: int, weights: dict[str, Tensor], paths: ModelPaths
) -> RecurrentClassifier | Ensemble:
    """Makes the model that the configuration describes, of nothing but the loaded weights."""
    misfit = f"{paths.weights}: does not fit {paths.config.name}, {paths.vocabulary.name} and "
    members = _members(weights)
    if config.model.num_layers * max(1, len(members)) > len(weights):
        raise ModelError(f"{misfit}{paths.labels.name}: too few tensors for its layers")
    try:
        with torch.device("meta"), _Uninitialised():
            networks = [build_model(config.model, words, classes) for _ in members or {"0"}]
            model = Ensemble(networks) if members else networks[0]
        expected = model.state_dict()
        model.load_state_dict(weights, assign=True)
    except (RuntimeError, OverflowError, TypeError) as error:
        raise ModelError(f"{misfit}{paths.labels.name}: {error}") from error
    for name, value in weights.items():
        if value.dtype != expected[name].dtype:
            raise ModelError(f"{paths.weights}: {name} is {value.dtype}")
        if not value.isfinite().all():
            raise ModelError(f"{paths.weights}: {name} has a number that is not finite")
    return model


def _members(weights: Iterable[str]) -> set[str]:
    """Returns the numbers of the networks of an ensemble, of which weights have the names."""
    return {name.split(".")[1] for name in weights if name.startswith("members.")}


class _Uninitialised(TorchFunctionMode):
    """Makes modules without initial values, for which torch would import its compiler, too."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == init.__name__:
            return kwargs["tensor"]
        return func(*args, **kwargs)


def _read_lines(path: Path) -> list[str]:
    # Not splitlines(): a word may contain what str takes for a line end, such as U+2028.
    try:
        return path.read_bytes().decode("utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from error
