"""The check of a study before its first trial."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import fields
from operator import attrgetter
from pathlib import Path

from omegaconf import DictConfig

from rnnclf.configuration.checks import settle_test
from rnnclf.configuration.composed import from_omegaconf
from rnnclf.configuration.schema import DatasetConfig
from rnnclf.data.prepared import prepare
from rnnclf.data.vectors import read_vectors
from rnnclf.errors import ConfigError

# How a model reads the texts, and what tells repeats apart.
MAY_DIFFER = ("tokens", "max_length", "truncation", "min_frequency", "validation_seed")
# What decides which metric is measured, and on which texts.
SAME = (
    "training.metric",
    *(f"dataset.{key.name}" for key in fields(DatasetConfig) if key.name not in MAY_DIFFER),
)
log = logging.getLogger(__name__)


def check_trials(nodes: Sequence[DictConfig]) -> Mapping[str, str]:
    """Checks configurations of trials, and prepares the data set and word vectors of all.

    What is to be said of the data set is logged, as in a run.

    Args:
        nodes: Composed configurations that together have each choice and each bound.

    Returns:
        The digest of the data set, which must be the same when the study is continued.

    Raises:
        ConfigError: If one of them is wrong or asks for the test split, or they do not compare.
        DataError: If the data set cannot be had, or a file of word vectors does not fit.
    """
    configs = [from_omegaconf(node) for node in nodes]
    for config in configs:
        settle_test(config, in_sweep=True)
    first = configs[0]
    for key in SAME:
        if len(set(map(attrgetter(key), configs))) > 1:
            raise ConfigError(
                f"{key} cannot be searched, since trials must compare; choose one value"
            )
    models = [config.model for config in configs]
    for buckets in sorted({model.wide_buckets for model in models}):
        data = prepare(first.dataset, Path(first.paths.data), buckets)
    for line in (*data.notes, *data.complaints):
        log.info("%s", line)
    files = dict.fromkeys((Path(m.vectors), m.embedding_size) for m in models if m.vectors)
    for file, size in files:
        read_vectors(file, data.vocabulary, size)
    return {first.dataset.name: data.splits}
