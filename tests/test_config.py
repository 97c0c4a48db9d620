"""Configuration: everything in conf/ composes, and what makes no sense is refused."""

import itertools
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from project import REPO, compose_sweep, composed

from rnnclf.configuration.checks import PUBLISHED, settle_test
from rnnclf.configuration.composed import load, to_yaml
from rnnclf.configuration.identity import WITHOUT_EFFECT, identity
from rnnclf.configuration.schema import ModelConfig
from rnnclf.data.sources import SOURCES
from rnnclf.errors import ConfigError
from rnnclf.model.layers import CELLS
from rnnclf.model.pooling import POOLINGS


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (REPO / "conf" / group).glob("*.yaml"))


@pytest.mark.parametrize("dataset", options("dataset"))
def test_every_data_set_composes_with_every_cell_and_optimizer(dataset):
    folder = ["dataset.folder=some/where"] if dataset == "csv" else []
    name = "csv-where" if dataset == "csv" else dataset
    optimizers = options("optimizer")
    for cell, optimizer in zip(options("cell"), itertools.cycle(optimizers)):
        config = composed(f"dataset={dataset}", f"cell={cell}", f"optimizer={optimizer}", *folder)
        assert (config.dataset.name, config.model.cell) == (name, cell)
        assert config.optimizer.name == optimizer


def test_the_names_of_the_schema_are_those_of_the_code():
    types = get_type_hints(ModelConfig)
    assert get_args(types["cell"]) == tuple(CELLS)
    assert get_args(types["pooling"]) == tuple(POOLINGS)
    assert ("sample", *SOURCES) == PUBLISHED


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("folder=data/letters", "csv-letters"),
        ("folder='/x/my texts [new]'", "csv-my-texts-new-"),
        ("file=data/letters.csv.gz", "csv-letters"),
    ],
)
def test_own_data_have_studies_of_their_own(place, name):
    sweep = compose_sweep("sweeps=smoke", "dataset=csv", f"dataset.{place}", "cell=rnn")
    assert sweep.hydra.sweep.dir == f"outputs/studies/smoke-{name}-rnn"


def test_the_default_is_the_handouts_model_on_the_sample():
    config = composed()
    assert config.dataset.name == "sample"
    assert (config.model.num_layers, config.model.bidirectional) == (1, False)
    assert (config.model.pooling, config.model.vectors) == ("last", None)
    assert config.optimizer.name == "adam"
    off = (config.model.dropout, config.model.word_dropout, config.training.label_smoothing)
    assert off == (0, 0, 0)


def test_short_names_set_the_keys_they_stand_for():
    config = composed("lr=0.5", "epochs=3", "batch_size=7", "embedding_size=5", "hidden_size=6")
    assert (config.optimizer.lr, config.training.epochs, config.training.batch_size) == (0.5, 3, 7)
    assert (config.model.embedding_size, config.model.hidden_size) == (5, 6)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["lr=-1"], "optimizer.lr must be a number above 0; it is -1.0"),
        (["lr=nan"], "optimizer.lr must be a number above 0; it is nan"),
        (["lr=inf"], "optimizer.lr must be at most 1000; it is inf"),
        (["optimizer.weight_decay=1e9"], "optimizer.weight_decay must be at most 1000"),
        (["batch_size=0"], "training.batch_size must be at least 1; it is 0"),
        (["hidden_size=0"], "model.hidden_size must be at least 1; it is 0"),
        (["model.dropout=1.5"], "model.dropout must be below 1; it is 1.5"),
        (["dataset.max_length=0"], "dataset.max_length must be at least 1"),
        (["training.clip_norm=inf"], "training.clip_norm must be at most 1000000; it is inf"),
        (["model.num_layers=10000000"], "model.num_layers must be at most 100"),
        (["training.clip_norm=0"], "training.clip_norm must be a number above 0"),
        (["dataset.train_fraction=0"], "dataset.train_fraction must be a number above 0"),
        (["seed=-1"], "seed must be at least 0; it is -1"),
        (["seed=4294967296"], "seed must be below 4294967296; it is 4294967296"),
        (["dataset=csv"], "needs dataset.file=FILE, or dataset.folder=FOLDER"),
        (["dataset=csv", "dataset.file=a", "dataset.folder=b"], "needs dataset.file=FILE, or"),
        (["dataset=csv", "dataset.folder=b", "dataset.test_file=a"], "go with dataset.file=FILE"),
        (["dataset.text=a"], "dataset.text=a is for dataset=csv"),
        (["dataset.folder=x"], "is for dataset=csv"),
        (["dataset.name=letters"], "dataset=letters needs dataset.file"),
        (["dataset.name=../letters"], "must have nothing but letters, digits"),
        (["dataset=spam", "dataset.labels=fine"], "dataset.labels is fine or coarse for"),
        (["dataset=questions", "dataset.labels=null"], "dataset.labels is fine or coarse for"),
        (["model.layer_dropout=0.5"], "needs model.num_layers of at least 2"),
        (["optimizer.momentum=0.5"], "is for optimizer=sgd"),
    ],
)
def test_values_out_of_range_are_refused_with_the_value(overrides, message):
    with pytest.raises(ConfigError, match=message):
        composed(*overrides)


def test_identity_depends_on_what_determines_the_result_and_on_nothing_else():
    base = identity(composed())
    assert identity(composed("device=cpu", "paths.data=x", "evaluate_test=false")) == base
    for override in ("seed=1", "lr=0.1", "dataset.split_seed=1", "model.dropout=0.1", "cell=rnn"):
        assert identity(composed(override)) != base


def test_studies_ignore_the_same_keys_as_identity():
    ignored = set(compose_sweep("sweeps=smoke").hydra.sweeper.ignore)
    assert ignored == {*WITHOUT_EFFECT, "search_space", "resume", "tracking"}


def test_only_a_single_run_and_a_winner_that_is_told_to_read_the_test_split():
    single, sweep, validated = composed(), composed(), composed()
    settle_test(single, in_sweep=False)
    settle_test(sweep, in_sweep=True)
    settle_test(validated, in_sweep=True, is_winner=True)
    assert single.evaluate_test
    assert not sweep.evaluate_test
    assert not validated.evaluate_test
    final = composed("evaluate_test=true", "dataset.validation_fraction=0")
    settle_test(final, in_sweep=True, is_winner=True)
    assert final.evaluate_test
    with pytest.raises(ConfigError, match="evaluate_test=true in a sweep"):
        settle_test(composed("evaluate_test=true"), in_sweep=True)


def test_a_saved_configuration_is_read_back(tmp_path: Path):
    config = composed("dataset=questions", "lr=0.25")
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(config))
    assert load(path) == config


@pytest.mark.parametrize(
    "content",
    ["seed: ${oc.env:HOME}", "- 1", "seed: 0", "lr: 1", "{", "!!python/name:os.system x", ""],
)
def test_a_foreign_configuration_that_is_not_one_is_refused(tmp_path: Path, content: str):
    path = tmp_path / "config.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError):
        load(path)
