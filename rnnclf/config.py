"""A composed configuration: read, checked, written, and told from others."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnclf.errors import ConfigError
from rnnclf.schema import Config, DatasetConfig, ModelConfig, OptimizerConfig

AT_LEAST = {
    "dataset.validation_seed": 0,
    "dataset.max_length": 1,
    "dataset.min_frequency": 1,
    "model.embedding_size": 1,
    "model.hidden_size": 1,
    "model.num_layers": 1,
    "model.ngram_buckets": 0,
    "optimizer.weight_decay": 0,
    "training.pretrain_epochs": 0,
    "training.epochs": 1,
    "training.batch_size": 1,
    "training.patience": 1,
    "seed": 0,
    "threads": 1,
}
ABOVE_ZERO = (
    "dataset.train_fraction",
    "optimizer.lr",
    "training.clip_norm",
)
FRACTIONS = (
    "dataset.train_fraction",
    "dataset.validation_fraction",
    "model.word_dropout",
    "model.embedding_dropout",
    "model.layer_dropout",
    "model.dropout",
    "optimizer.momentum",
    "training.warmup",
    "training.label_smoothing",
    "training.ema_decay",
)
BELOW = {
    "seed": 2**32,  # what NumPy's generators take
    "threads": 1025,  # torch crashes with too many
}
RATES = ("optimizer.lr", "optimizer.weight_decay")
LARGEST_RATE = 1000  # far from what torch's optimizers cannot hold as float32
FORMERLY = {  # keys that earlier versions did not have: what they did
    "precision": "float32",
    "dataset": {"truncation": "head", "validation_seed": None},
    "model": {"ngram_buckets": 0},
    "training": {"pretrain_epochs": 0, "ema_decay": 0.0},
}
NOT_IN_IDENTITY = ("paths", "evaluate_test", "device", "threads")


def value_of(config: Config, key: str) -> Any:
    """Returns the value of a key by its full name."""
    value: Any = config
    for name in key.split("."):
        value = getattr(value, name)
    return value


@dataclass
class ComposedConfig(Config):
    """What Hydra composes: the configuration of a run, and what a study searches around it.

    Attributes:
        search_space: `hydra.sweeper.params` of a study; a single run does without it.
        resume: The folder of a run that goes on with its own configuration.
    """

    search_space: dict[str, Any]
    resume: str | None


def register_schema() -> None:
    """Makes the schema known to Hydra, under the name that `conf/config.yaml` begins with."""
    ConfigStore.instance().store(name="schema", node=ComposedConfig, replace=True)


def keys(schema: type, prefix: str = "") -> list[str]:
    """Returns the full names of all keys of a schema, such as `model.hidden_size`."""
    names: list[str] = []
    for field in fields(schema):
        if isinstance(field.type, type) and is_dataclass(field.type):
            names += keys(field.type, f"{prefix}{field.name}.")
        else:
            names.append(prefix + field.name)
    return names


def from_omegaconf(node: DictConfig) -> Config:
    """Resolves a composed configuration and checks it.

    Args:
        node: An OmegaConf node that was composed over the schema `Config`.

    Returns:
        The configuration as plain dataclasses.

    Raises:
        ConfigError: If a value is out of its range or values do not go together.
    """
    plain = OmegaConf.to_container(node, resolve=True)
    if isinstance(plain, dict):
        plain.pop("search_space", None)
        plain.pop("resume", None)
    config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), plain))
    assert isinstance(config, Config), "it was composed over the schema"
    check(config)
    return config


def load(path: Path) -> Config:
    """Reads a `config.yaml` that a run left and checks it.

    A file of an earlier version gets what that version did for the keys that it did not have. The
    file may come from somebody else: an interpolation in it, which could read the environment,
    is refused.

    Raises:
        ConfigError: If a key is unknown, missing or has a wrong type or value.
        FileNotFoundError: If there is no such file.
    """
    try:
        content = path.read_text(encoding="utf-8")
        if "${" in content:
            raise ConfigError("an interpolation (${...}) is not allowed in a saved configuration")
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(content)):
            raise ConfigError("an alias (*...) is not allowed in a saved configuration")
        node = OmegaConf.create(yaml.safe_load(content))
        if not isinstance(node, DictConfig):
            raise ConfigError("the configuration is not a mapping")
        return from_omegaconf(DictConfig(OmegaConf.merge(FORMERLY, node)))
    except (OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
        raise ConfigError(str(error)) from error
    except RecursionError as error:
        raise ConfigError("the configuration is nested too deeply") from error


def to_yaml(config: Config) -> str:
    """Returns the configuration as YAML, which `load` reads."""
    return OmegaConf.to_yaml(OmegaConf.structured(config))


def identity(config: Config) -> str:
    """Hashes what determines the result of a run.

    Folders, device, threads, and whether the test split is read are left out.

    Returns:
        12 hexadecimal digits of the SHA-256 of the canonical JSON.
    """
    determining = {k: v for k, v in asdict(config).items() if k not in NOT_IN_IDENTITY}
    if config.dataset.validation_seed is None:  # runs of versions without this key go on
        del determining["dataset"]["validation_seed"]
    canonical = json.dumps(determining, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def settle_test(config: Config, *, in_sweep: bool, is_winner: bool = False) -> None:
    """Decides whether a run reads the test split, where the configuration leaves it open.

    Args:
        config: Its `evaluate_test` becomes true or false.
        in_sweep: Whether the run is one of several of a command.
        is_winner: Whether it trains the winner of a study again, so that nothing is left to choose.

    Raises:
        ConfigError: If a run among which somebody will choose asks for the test split: choosing by
            test accuracy makes every test accuracy wrong. If it has no validation part to be chosen
            by.
    """
    is_candidate = in_sweep and not is_winner
    if is_candidate and not config.dataset.validation_fraction:
        raise ConfigError("dataset.validation_fraction=0 in a sweep: there is nothing to choose by")
    if is_candidate and config.evaluate_test:
        raise ConfigError(
            "evaluate_test=true in a sweep: choose by validation accuracy, "
            "then run the choice alone"
        )
    if config.evaluate_test is None:
        config.evaluate_test = not in_sweep


def check(config: Config) -> None:
    """Checks ranges and what values mean for each other.

    Raises:
        ConfigError: On the first value that is wrong; the message shows it.
    """
    values = {key: value_of(config, key) for key in keys(Config)}
    for key, low in AT_LEAST.items():
        if values[key] is not None and values[key] < low:
            raise ConfigError(f"{key} must be at least {low}; it is {values[key]}")
    for key, limit in BELOW.items():
        if not values[key] < limit:
            raise ConfigError(f"{key} must be below {limit}; it is {values[key]}")
    for key in ABOVE_ZERO:
        if values[key] is not None and not values[key] > 0:
            raise ConfigError(f"{key} must be a number above 0; it is {values[key]}")
    for key in FRACTIONS:
        if not 0 <= values[key] < 1:
            raise ConfigError(f"{key} must be at least 0 and below 1; it is {values[key]}")
    for key in RATES:
        if not values[key] <= LARGEST_RATE:
            raise ConfigError(f"{key} must be at most {LARGEST_RATE}; it is {values[key]}")
    _check_dataset(config.dataset)
    _check_combinations(config.model, config.optimizer)
    if (
        config.training.pretrain_epochs
        and config.model.bidirectional
        and config.model.num_layers > 1
    ):
        raise ConfigError(
            "training.pretrain_epochs predicts the next word, which the second layer of a "
            "bidirectional model has seen; it needs model.num_layers=1 or bidirectional=false"
        )
    if config.training.patience is not None and not config.dataset.validation_fraction:
        raise ConfigError(
            "training.patience waits for a better validation accuracy; "
            "with dataset.validation_fraction=0 there is none"
        )


def _check_dataset(dataset: DatasetConfig) -> None:
    if dataset.name == "csv" and not dataset.folder:
        raise ConfigError(
            "dataset=csv needs dataset.folder=FOLDER with train.csv and test.csv in it"
        )
    if dataset.name != "csv" and dataset.folder:
        raise ConfigError(
            f"dataset.folder={dataset.folder} is for dataset=csv; dataset.name is {dataset.name}"
        )
    if (dataset.labels is None) == (dataset.name == "questions"):
        raise ConfigError(
            "dataset.labels is fine or coarse for dataset=questions and null for every other; "
            f"dataset.name is {dataset.name}, dataset.labels is {dataset.labels}"
        )


def _check_combinations(model: ModelConfig, optimizer: OptimizerConfig) -> None:
    if model.layer_dropout and model.num_layers == 1:
        raise ConfigError(
            f"model.layer_dropout={model.layer_dropout} acts between recurrent layers "
            "and needs model.num_layers of at least 2"
        )
    decay = optimizer.lr * optimizer.weight_decay
    if optimizer.name == "adamw" and decay >= 1:
        raise ConfigError(
            "optimizer.lr times optimizer.weight_decay, the share of the weights that adamw takes "
            f"away in each step, must be below 1; it is {decay:g}"
        )
    if optimizer.momentum and optimizer.name != "sgd":
        raise ConfigError(
            f"optimizer.momentum={optimizer.momentum} is for optimizer=sgd; "
            f"optimizer.name is {optimizer.name}"
        )
