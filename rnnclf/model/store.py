"""The files of a trained model: written, and read again without trust."""

import errno
import hashlib
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from hydra_study_sweeper import read_study, read_trial
from hydra_study_sweeper.files import (
    RecordError,
    open_regular,
    read_bounded,
    read_record,
    write_text,
)
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import init
from torch.overrides import TorchFunctionMode

from rnnclf.configuration.composed import load as load_config
from rnnclf.configuration.composed import to_yaml
from rnnclf.configuration.schema import Config
from rnnclf.data.vocabulary import Vocabulary
from rnnclf.errors import ConfigError, ModelError
from rnnclf.files.bundle import BundleRecord
from rnnclf.files.paths import BundlePaths, ModelPaths
from rnnclf.model.classifier import Classifier
from rnnclf.model.network import Ensemble, RecurrentClassifier

MOST_TENSORS = 1000  # of a model; an ensemble of ten networks of two layers has 200
LARGEST_FILE = 2**32  # bytes of weights; all of them are read for their checksum
LARGEST_LIST = 2**26  # bytes of a vocabulary; one of a million words has 10 million


def save_description(
    config: Config, vocabulary: Vocabulary, classes: list[str], paths: ModelPaths
) -> None:
    """Writes the configuration, the words and the labels of a model."""
    write_text(paths.config, to_yaml(config))
    write_text(paths.vocabulary, "".join(f"{word}\n" for word in vocabulary.words))
    write_text(paths.labels, "".join(f"{name}\n" for name in classes))


def load(folder: str | Path) -> Classifier:
    """Loads the model in the folder of a run or in a bundle. Nothing in the folder is executed.

    Raises:
        ModelError: If a file is missing, damaged, elsewhere, or does not fit the others, or if the
            checksums in a bundle are others.
    """
    paths = BundlePaths(Path(folder))
    _check_files(paths)
    if paths.metrics.exists():
        _check_digests(paths)
    try:
        config = load_config(paths.config)
        weights = load_file(paths.weights)
    except ConfigError as error:
        raise ModelError(f"{paths.config}: {error}") from error
    except SafetensorError as error:
        raise ModelError(f"{paths.weights}: not a whole safetensors file ({error})") from error
    words, classes = read_lines(paths.vocabulary), read_lines(paths.labels)
    try:
        vocabulary = Vocabulary(words)
    except ModelError as error:
        raise ModelError(f"{paths.vocabulary}: {error}") from error
    if len(set(classes)) != len(classes) or not all(classes):
        raise ModelError(f"{paths.labels}: a label is empty or listed twice")
    model = _built(config, len(vocabulary), len(classes), weights, paths)
    return Classifier(config, vocabulary, classes, model.eval())


def digest(path: Path) -> str:
    """Returns the SHA-256 of a file in hexadecimal."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_files(paths: BundlePaths) -> None:
    for path in (*paths.all, paths.metrics):
        try:
            with open_regular(path) as file:
                if os.fstat(file.fileno()).st_size > LARGEST_FILE:
                    raise OSError(errno.EFBIG, f"larger than {LARGEST_FILE} bytes", str(path))
        except FileNotFoundError as error:
            if path != paths.metrics:
                why = _why_not(paths.folder, path.name)
                raise ModelError(f"{paths.folder}: no model here, {why}") from error
        except OSError as error:
            raise ModelError(f"{path}: {error.strerror}") from error


def _why_not(folder: Path, missing: str) -> str:
    with suppress(RecordError):
        study = read_study(folder)
        final = study.refit and study.refit.model.folder
        where = folder / final if final else "missing, take the folder of a trial"
        return f"but a study; its final model is {where}"
    with suppress(RecordError):
        state = read_trial(folder).state
        if state != "complete":
            return f"because the trial is {state}; rnnclf compare lists those with one"
        return f"{missing} was deleted: a study keeps only the weights of its best trials"
    if not folder.is_dir():
        return f"there is no such folder in {Path.cwd()}; rnnclf compare lists the runs"
    return f"{missing} is missing; rnnclf compare lists the runs below a folder"


def _check_digests(paths: BundlePaths) -> None:
    try:
        digests = read_record(BundleRecord, paths.metrics).sha256
    except RecordError as error:
        raise ModelError(f"{paths.metrics}: not what this rnnclf writes ({error})") from error
    for path in paths.all:
        if digests.get(path.name) != digest(path):
            raise ModelError(f"{path}: changed or damaged since the bundle was made")


def _built(
    config: Config, words: int, classes: int, weights: dict[str, Tensor], paths: ModelPaths
) -> RecurrentClassifier | Ensemble:
    """Makes the model that the configuration describes from the loaded weights alone."""
    misfit = f"{paths.weights}: does not fit {paths.config.name}, {paths.vocabulary.name} and "
    # The weights of an ensemble are those of its networks, as members.0.NAME, members.1.NAME, ...
    members = {name.split(".")[1] for name in weights if name.startswith("members.")}
    if len(weights) > MOST_TENSORS:
        raise ModelError(f"{paths.weights}: more than {MOST_TENSORS} tensors")
    if config.model.num_layers * max(1, len(members)) > len(weights):
        raise ModelError(f"{misfit}{paths.labels.name}: too few tensors for its layers")
    try:
        with torch.device("meta"), _Uninitialised():
            networks = [RecurrentClassifier(config.model, words, classes) for _ in members or {"0"}]
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


class _Uninitialised(TorchFunctionMode):
    """Skips the initial values of modules, for which torch would also import its compiler."""

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


def read_lines(path: Path) -> list[str]:
    """Reads the words or the labels of a model.

    Raises:
        ModelError: If the file cannot be read.
    """
    # Not splitlines(): a word may contain what str takes for a line end, such as U+2028.
    try:
        content = read_bounded(path, LARGEST_LIST)
        return content.decode("utf-8").removesuffix("\n").split("\n")
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from error
