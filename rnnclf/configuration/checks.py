"""What a configuration must fulfil: ranges, and what values mean for each other."""

import operator
import re

from rnnclf.configuration.schema import Config, DatasetConfig, ModelConfig, OptimizerConfig
from rnnclf.errors import ConfigError

PUBLISHED = ("sample", "sentiment", "spam", "questions", "newsgroups")
OWN = ("folder", "file", "validation_file", "test_file", "text", "label", "encoding")
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
AT_LEAST = dict.fromkeys(FRACTIONS, 0) | {
    "dataset.validation_seed": 0,
    "dataset.max_length": 1,
    "dataset.min_frequency": 1,
    "model.embedding_size": 1,
    "model.hidden_size": 1,
    "model.num_layers": 1,
    "model.ngram_buckets": 0,
    "model.wide_buckets": 0,
    "model.wide_share": 0,
    "optimizer.weight_decay": 0,
    "training.pretrain_epochs": 0,
    "training.epochs": 1,
    "training.batch_size": 1,
    "training.patience": 1,
    "seed": 0,
    "threads": 1,
}
ABOVE = dict.fromkeys(("dataset.train_fraction", "optimizer.lr", "training.clip_norm"), 0)
BELOW = dict.fromkeys(FRACTIONS, 1) | {
    "seed": 2**32,  # what NumPy's generators take
    "threads": 1025,  # torch crashes with too many
}
# Far from what torch's optimizers cannot hold as float32.
AT_MOST = dict.fromkeys(("optimizer.lr", "optimizer.weight_decay"), 1000) | {
    "model.num_layers": 100,  # millions would be built for minutes, one after the other
    "model.wide_buckets": 2**31 - 1,  # the numbers of the buckets are int32
    "model.wide_share": 1,
    "training.clip_norm": 1_000_000,  # no record holds an infinite one
}
PATTERNS = {
    "dataset.name": r"(?![.-])[\w.-]+",  # it becomes a part of file names
    "device": r"auto|cpu|cuda(:\d{1,4})?",
}
LIMITS = (
    ("at least", operator.ge, AT_LEAST),
    ("a number above", operator.gt, ABOVE),
    ("below", operator.lt, BELOW),
    ("at most", operator.le, AT_MOST),
)


def check(config: Config) -> None:
    """Checks ranges and what values mean for each other.

    Raises:
        ConfigError: On the first value that is wrong; the message shows it.
    """
    for words, holds, bounds in LIMITS:
        for key, bound in bounds.items():
            value = operator.attrgetter(key)(config)
            if value is not None and not holds(value, bound):  # NaN holds nothing
                raise ConfigError(f"{key} must be {words} {bound}; it is {value}")
    if not re.fullmatch(PATTERNS["device"], config.device):
        raise ConfigError(f"device must be auto, cpu, cuda or cuda:N; it is {config.device}")
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
            "training.patience waits for a better validation metric; "
            "with dataset.validation_fraction=0 there is none"
        )


def _check_dataset(dataset: DatasetConfig) -> None:
    if not re.fullmatch(PATTERNS["dataset.name"], dataset.name):
        raise ConfigError(
            f"dataset.name={dataset.name} becomes a part of file names; "
            "it must have nothing but letters, digits, '_', '-' and '.'"
        )
    own = {key: value for key in OWN if (value := getattr(dataset, key)) is not None}
    if dataset.name in PUBLISHED and own:
        key, value = next(iter(own.items()))
        raise ConfigError(
            f"dataset.{key}={value} is for dataset=csv; dataset.name is {dataset.name}"
        )
    if dataset.name not in PUBLISHED and bool(dataset.folder) == bool(dataset.file):
        raise ConfigError(
            f"dataset={dataset.name} needs dataset.file=FILE, or dataset.folder=FOLDER with "
            "train.csv and test.csv in it"
        )
    if dataset.folder and (dataset.test_file or dataset.validation_file):
        raise ConfigError(
            "dataset.test_file and dataset.validation_file go with dataset.file=FILE, "
            f"not with dataset.folder={dataset.folder}"
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
    if model.vectors and model.init_from:
        raise ConfigError("model.init_from has word vectors already; leave out model.vectors")
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
            "evaluate_test=true in a sweep: choose by validation texts, then run the choice alone"
        )
    if config.evaluate_test is None:
        config.evaluate_test = not in_sweep
