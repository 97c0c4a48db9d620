"""The schema of the configuration: types without values. The values are in `conf/`."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from omegaconf import OmegaConf

from rnnclf.errors import ConfigError


@dataclass
class DatasetConfig:
    """Which texts, how they are split, and how they become word indices.

    Attributes:
        name: `sample`, `sentiment`, `spam`, `questions`, `newsgroups` or `csv`.
        labels: `fine` or `coarse`, for `questions` only.
        folder: Where `train.csv` and `test.csv` are, for `csv` only.
        train_fraction: Share of the texts in the training split; `csv` comes split.
        validation_fraction: Share of the training split that is held out for validation.
        split_seed: Seed of the shuffles behind both splits.
        max_length: Words after this many are cut off; null keeps all.
        min_frequency: Words rarer than this in the training part become `<unk>`.
    """

    name: Literal["sample", "sentiment", "spam", "questions", "newsgroups", "csv"]
    labels: Literal["fine", "coarse"] | None
    folder: str | None
    train_fraction: float
    validation_fraction: float
    split_seed: int
    max_length: int | None
    min_frequency: int


@dataclass
class ModelConfig:
    """The network: embedding, recurrent layers, pooling, linear layer.

    Attributes:
        cell: `rnn`, `lstm` or `gru`.
        embedding_size: Width of the word vectors.
        hidden_size: Width of the hidden state, for each direction.
        num_layers: How many recurrent layers are stacked.
        bidirectional: Whether a second layer reads each text from its end.
        pooling: How the states of a text become one vector: its `last` state, the `mean` or `max`
            over its words, or a learned weighted mean (`attention`).
        word_dropout: Probability that a training word is replaced by `<unk>`.
        embedding_dropout: Dropout on the word vectors.
        layer_dropout: Dropout between stacked recurrent layers.
        dropout: Dropout before the linear layer.
        vectors: A text file of pretrained word vectors (GloVe or word2vec format), or null for
            random ones.
    """

    cell: Literal["rnn", "lstm", "gru"]
    embedding_size: int
    hidden_size: int
    num_layers: int
    bidirectional: bool
    pooling: Literal["last", "mean", "max", "attention"]
    word_dropout: float
    embedding_dropout: float
    layer_dropout: float
    dropout: float
    vectors: str | None


@dataclass
class OptimizerConfig:
    """The optimizer.

    Attributes:
        name: `adam`, `adamw` or `sgd`.
        lr: Learning rate at its peak.
        weight_decay: L2 penalty (decoupled in `adamw`).
        momentum: Momentum of `sgd`; the others have none.
    """

    name: Literal["adam", "adamw", "sgd"]
    lr: float
    weight_decay: float
    momentum: float


@dataclass
class TrainingConfig:
    """The training loop.

    Attributes:
        epochs: Passes over the training part at most.
        batch_size: Texts in a step.
        schedule: Learning rate over the steps: constant (`none`), or down to 0 along a line
            (`linear`) or half a cosine (`cosine`).
        warmup: Share of all steps during which the learning rate rises from 0.
        label_smoothing: Share of the target probability that is spread over all classes.
        clip_norm: Gradients with a larger norm are scaled down to it; null leaves them.
        patience: Stop after this many epochs without a better validation accuracy; null never.
    """

    epochs: int
    batch_size: int
    schedule: Literal["none", "linear", "cosine"]
    warmup: float
    label_smoothing: float
    clip_norm: float | None
    patience: int | None


@dataclass
class PathsConfig:
    """Folders.

    Attributes:
        data: The raw files of the data sets, downloaded where they are missing.
        outputs: Where runs leave their folders.
    """

    data: str
    outputs: str


@dataclass
class Config:
    """One training run.

    Attributes:
        dataset: See `DatasetConfig`.
        model: See `ModelConfig`.
        optimizer: See `OptimizerConfig`.
        training: See `TrainingConfig`.
        paths: See `PathsConfig`.
        seed: Seed of weights, dropout and the order of the batches; 0 is a seed like any other.
        evaluate_test: Whether the run reads the test split, once, at its end; null means that
            a single run does and the runs of a sweep do not.
        device: `auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:N`.
        threads: CPU threads of torch.
    """

    dataset: DatasetConfig
    model: ModelConfig
    optimizer: OptimizerConfig
    training: TrainingConfig
    paths: PathsConfig
    seed: int
    evaluate_test: bool | None
    device: str
    threads: int


NOT_IN_IDENTITY = ("paths", "evaluate_test", "device", "threads")


def from_omegaconf(node: Any) -> Config:
    """Resolves a composed configuration and checks it.

    Args:
        node: An OmegaConf node that was composed over the schema `Config`.

    Returns:
        The configuration as plain dataclasses.

    Raises:
        ConfigError: If a value is out of its range or values do not go together.
    """
    config: Config = OmegaConf.to_object(node)  # type: ignore[assignment]
    check(config)
    return config


def load(path: str) -> Config:
    """Reads a `config.yaml` that a run left and checks it.

    Interpolations are not resolved: the file may come from somebody else.

    Raises:
        ConfigError: If a key is unknown, missing or has a wrong type or value.
    """
    plain = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    return from_omegaconf(OmegaConf.merge(OmegaConf.structured(Config), plain))


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
    canonical = json.dumps(determining, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def check(config: Config) -> None:
    """Checks ranges and what values mean for each other.

    Raises:
        ConfigError: On the first value that is wrong; the message shows it.
    """
    dataset, model, optimizer, training = (
        config.dataset,
        config.model,
        config.optimizer,
        config.training,
    )
    _at_least(1, "model.embedding_size", model.embedding_size)
    _at_least(1, "model.hidden_size", model.hidden_size)
    _at_least(1, "model.num_layers", model.num_layers)
    _at_least(1, "training.epochs", training.epochs)
    _at_least(1, "training.batch_size", training.batch_size)
    _at_least(1, "training.patience", training.patience)
    _at_least(1, "dataset.max_length", dataset.max_length)
    _at_least(1, "dataset.min_frequency", dataset.min_frequency)
    _at_least(0, "optimizer.weight_decay", optimizer.weight_decay)
    _at_least(0, "seed", config.seed)
    _at_least(1, "threads", config.threads)
    _above_zero("optimizer.lr", optimizer.lr)
    _above_zero("training.clip_norm", training.clip_norm)
    _fraction("model.word_dropout", model.word_dropout)
    _fraction("model.embedding_dropout", model.embedding_dropout)
    _fraction("model.layer_dropout", model.layer_dropout)
    _fraction("model.dropout", model.dropout)
    _fraction("optimizer.momentum", optimizer.momentum)
    _fraction("training.warmup", training.warmup)
    _fraction("training.label_smoothing", training.label_smoothing)
    _fraction("dataset.train_fraction", dataset.train_fraction)
    _fraction("dataset.validation_fraction", dataset.validation_fraction)
    _above_zero("dataset.train_fraction", dataset.train_fraction)
    _above_zero("dataset.validation_fraction", dataset.validation_fraction)
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
    if model.layer_dropout and model.num_layers == 1:
        raise ConfigError(
            f"model.layer_dropout={model.layer_dropout} acts between recurrent layers "
            "and needs model.num_layers of at least 2"
        )
    if optimizer.momentum and optimizer.name != "sgd":
        raise ConfigError(
            f"optimizer.momentum={optimizer.momentum} is for optimizer=sgd; "
            f"optimizer.name is {optimizer.name}"
        )


def _at_least(low: int, key: str, value: float | None) -> None:
    if value is not None and not value >= low:
        raise ConfigError(f"{key} must be at least {low}; it is {value}")


def _above_zero(key: str, value: float | None) -> None:
    if value is not None and not 0 < value < float("inf"):
        raise ConfigError(f"{key} must be a number above 0; it is {value}")


def _fraction(key: str, value: float) -> None:
    if not 0 <= value < 1:
        raise ConfigError(f"{key} must be at least 0 and below 1; it is {value}")
