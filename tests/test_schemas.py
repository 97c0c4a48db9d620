"""The JSON schemas of conf/ and sweeps/: every file follows its own, and mistakes are flagged."""

import functools
import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from omegaconf import OmegaConf
from project import REPO

FILES = sorted([*REPO.glob("conf/**/*.yaml"), *REPO.glob("sweeps/**/*.yaml")])
CHECKED = [path for path in FILES if "hydra" not in path.parts]  # Python's logging has no schema
MODELINE = re.compile(r"\A(?:# @package .*\n)?# yaml-language-server: \$schema=(\S+)\n")


@functools.cache
def validator(schema: Path) -> Draft202012Validator:
    content = json.loads(schema.read_text())
    Draft202012Validator.check_schema(content)
    return Draft202012Validator(content)


def complaints(schema: Path, text: str) -> list[str]:
    """What a validator says of YAML text."""
    content = OmegaConf.to_container(OmegaConf.create(text))
    return [error.message for error in validator(schema).iter_errors(content)]


@pytest.mark.parametrize("path", CHECKED, ids=lambda path: str(path.relative_to(REPO)))
def test_every_file_names_its_schema_and_follows_it(path):
    text = path.read_text(encoding="utf-8")
    schema = path.parent.resolve() / MODELINE.match(text)[1]
    assert complaints(schema.resolve(), text) == []


@pytest.mark.parametrize(
    ("schema", "mistake"),
    [
        ("global", "modle: {hidden_size: 8}"),  # an unknown section
        ("global", "model: {hiden_size: 8}"),  # an unknown key
        ("global", "model: {hidden_size: large}"),  # a word for a number
        ("global", "model: {hidden_size: 0}"),  # below the least
        ("global", "model: {num_layers: 2.5}"),  # a fraction of a layer
        ("global", "model: {bidirectional: sometimes}"),  # neither true nor false
        ("global", "model: {pooling: maximum}"),  # no such choice
        ("global", "model: {dropout: 1.0}"),  # must be below
        ("global", "model: gru"),  # a value for a section
        ("global", "seed: null"),  # needs a value
        ("global", "training: {epochs: [5, 10]}"),  # a list for a value
        ("global", "training: {metric: f1}"),
        ("global", "hydra: {sweeper: {trials: 20}}"),  # an unknown option of studies
        ("global", "hydra: {sweeper: {n_trials: 0}}"),
        ("global", "hydra: {sweeper: {refit: {seed: 5}}}"),
        ("global", "hydra: {mode: SWEEP}"),
        ("global", "defaults: {override /cell: gru}"),  # a mapping for a list
        ("global", "defaults: [{override /cell: gru, override /dataset: spam}]"),  # two in one
        ("global", "search_space: {model.hiden_size: 'choice(8, 16)'}"),
        ("global", "search_space: {optimizer.lr: 'interval(0.1)'}"),  # one bound
        ("global", "search_space: {optimizer.lr: 'interval(low, high)'}"),
        ("global", "search_space: {optimizer.lr: 'choose(0.1, 0.2)'}"),  # no such function
        ("global", "search_space: {optimizer.lr: 'tag(log, interval(0.1, 1)'}"),  # a lost bracket
        ("global", "search_space: {optimizer.lr: 'tag(lgo, interval(0.1, 1))'}"),  # no such tag
        ("global", "search_space: {optimizer.lr: 0.1}"),  # nothing to search
        ("global", "search_space: {model.dropout: {if: {cell: gru}, space: 'choice(0, 1)'}}"),
        ("global", "search_space: {model.dropout: {when: {cel: gru}, space: 'choice(0, 1)'}}"),
        ("dataset", "{name: mine, files: mine.csv}"),
        ("dataset", "{name: mine, bad_rows: ignore}"),
        ("model", "cell: mgu"),
        ("optimizer", "{name: sgd, lr: 0}"),
    ],
)
def test_a_mistake_is_flagged(schema, mistake):
    assert complaints(REPO / f"conf/schema/{schema}.json", mistake)


@pytest.mark.parametrize(
    "space",
    [
        "choice(16, 32, 64)",
        "range(1, 4)",
        "int(interval(32, 512))",
        "tag(log, interval(3e-4, 0.03))",
        "tag(log, int(interval(8, 64)))",
        "interval(-1, .5)",
        "interval( start=-1, end=+.5 )",
        "range(0.0, 0.5, step=0.1)",
        "range(4)",
        "a,b",
        "glob(*)",
        "choice(${low},${high})",
    ],
)
def test_the_sweep_syntax_is_known(space):
    from hydra.core.override_parser.overrides_parser import OverridesParser

    assert OverridesParser.create().parse_override(f"model.dropout={space}").is_sweep_override()
    text = f"search_space: {{model.dropout: '{space}'}}"
    schema = REPO / "conf/schema/global.json"
    assert complaints(schema, text) == []
