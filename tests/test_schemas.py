"""The JSON schemas of conf/ and sweeps/: every file follows its own, and mistakes are flagged."""

import functools
import json
import re
from contextlib import nullcontext
from pathlib import Path

import pytest
from hydra_study_sweeper.errors import ConfigError
from hydra_study_sweeper.space.distributions import parse_distribution
from jsonschema import Draft202012Validator, ValidationError, validators
from omegaconf import OmegaConf
from project import REPO

FILES = sorted([*REPO.glob("conf/**/*.yaml"), *REPO.glob("sweeps/**/*.yaml")])
CHECKED = [path for path in FILES if "hydra" not in path.parts]  # Python's logging has no schema
MODELINE = re.compile(r"\A(?:# @package .*\n)?# yaml-language-server: \$schema=(\S+)\n")


def matches(_: object, pattern: str, text: str, __: object):
    """The keyword `pattern` as JavaScript has it, whose `\\w` and `\\d` are those of ASCII."""
    if isinstance(text, str) and not re.search(pattern, text, re.ASCII):
        yield ValidationError(f"{text!r} does not match {pattern!r}")


AsEditors = validators.extend(Draft202012Validator, {"pattern": matches})


@functools.cache
def validator(schema: Path) -> Draft202012Validator:
    content = json.loads(schema.read_text())
    Draft202012Validator.check_schema(content)
    return AsEditors(content)


def complaints(schema: Path, text: str) -> list[str]:
    """What a validator says of YAML text."""
    content = OmegaConf.to_container(OmegaConf.create(text))
    return [error.message for error in validator(schema).iter_errors(content)]


def test_patterns_have_no_escape_that_javascript_refuses():
    for path in REPO.glob("conf/schema/*.json"):
        for pattern in re.findall(r'"pattern": (".*")', path.read_text()):
            assert set(re.findall(r"\\(.)", json.loads(pattern))) <= set("dws$.*+?()[]{}|")


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
        ("global", "hydra: {sweeper: {workers: two}}"),
        ("global", "hydra: {sweeper: {workers: 0}}"),
        ("global", "hydra: {sweeper: {minutes: 0}}"),
        ("global", "hydra: {sweeper: {direction: max}}"),
        ("global", "hydra: {sweeper: {sampler: tpe}}"),  # a group is chosen in the defaults list
        ("global", "hydra: {sweeper: {enqueue: [{model.droput: 0.1}]}}"),
        ("global", "hydra: {sweeper: {tracking: mlfow}}"),
        ("global", "hydra: {mode: SWEEP}"),
        ("global", "hydra: {sweep: {folder: grids}}"),  # an unknown key of Hydra's own
        ("global", "hydra: {launcher: ray}"),
        ("global", "tracking: mlfow"),
        ("global", "device: gpu"),
        ("global", "defaults: {override /cell: gru}"),  # a mapping for a list
        ("global", "defaults: [{override /cell: gru, override /dataset: spam}]"),  # two in one
        ("global", "defaults: [override /cell: gruu]"),
        ("global", "defaults: [override /optimizer: adma]"),
        ("global", "defaults: [override /cel: gru]"),
        ("global", "defaults: [override /hydra/sweeper/sampler: tpee]"),
        ("global", "defaults: [override /hydra/sweeper/pruner: ahsa]"),
        ("global", "search_space: {model.hiden_size: 'choice(8, 16)'}"),
        ("global", "search_space: {model.dropout: {if: {cell: gru}, space: 'choice(0, 1)'}}"),
        ("global", "search_space: {model.dropout: {when: {cel: gru}, space: 'choice(0, 1)'}}"),
        ("global", "search_space: {model.dropout: {when: {cell: gruu}, space: 'choice(0, 1)'}}"),
        ("global", "search_space: {cell: 'choice(gru, lsmt)'}"),
        ("global", "search_space: {model.pooling: 'last,maxx'}"),
        ("global", "search_space: {model.pooling: 'interval(0, 1)'}"),
        ("global", "search_space: {model.dropout: 'a,b'}"),
        ("global", "search_space: {training.epochs: 'choice(5, 7.5)'}"),
        ("global", "search_space: {training.batch_size: 'interval(8, 64)'}"),  # of fractions
        ("dataset", "{name: my data}"),
        ("dataset", "{name: mine, files: mine.csv}"),
        ("dataset", "{name: mine, bad_rows: ignore}"),
        ("model", "cell: mgu"),
        ("optimizer", "{name: sgd, lr: 0}"),
    ],
)
def test_a_mistake_is_flagged(schema, mistake):
    assert complaints(REPO / f"conf/schema/{schema}.json", mistake)


SPACES = {
    "choice(16, 32, 64)": True,
    "range(1, 4)": True,
    "range(1, 1_000)": True,
    "int(interval(32, 512))": True,
    "tag(log, interval(3e-4, 0.03))": True,
    "tag(log, int(interval(8, 64)))": True,
    "interval(-1, .5)": True,
    "interval( start=-1, end=+.5 )": True,
    "range(0.0, 0.5, step=0.1)": True,
    "range(4)": True,
    "0.1,0.2": True,
    "shuffle(choice(1, 2))": True,
    "sort(3,1,2, reverse=true)": True,
    "sort(range(1, 5), reverse=true)": True,
    "int(choice(1.0, 2.5))": True,
    "str(choice(1, 2))": True,
    "shuffle(int(choice(1.0, 2.5)))": True,
    "interval(0.1)": False,  # one bound
    "interval(low, high)": False,
    "tag(log, interval(0, 0.1))": False,  # nothing has the logarithm minus infinity
    "tag(log, interval(-0.1, 0.1))": False,
    "choose(0.1, 0.2)": False,  # no such function
    "shufle(choice(1, 2))": False,
    "tag(log, interval(0.1, 1)": False,  # a lost bracket
    "int(choice(1, 2)": False,
    "tag(lgo, interval(0.1, 1))": False,  # no such tag
    "0.1": False,  # nothing to search
    "int(0.1)": False,
}


@pytest.mark.parametrize("space", SPACES)
def test_the_sweep_syntax_is_what_the_sweeper_reads(space):
    with nullcontext() if SPACES[space] else pytest.raises(ConfigError):
        parse_distribution("model.dropout", space)
    found = complaints(
        REPO / "conf/schema/global.json", f"search_space: {{model.dropout: '{space}'}}"
    )
    assert bool(found) != SPACES[space]


@pytest.mark.parametrize(
    "text",
    [
        "search_space: {model.dropout: 'choice(${low},${high})'}",
        "search_space: {model.dropout: 'interval(0.5, 0.1)'}",  # no pattern compares numbers
        "search_space: {model.dropout: 'interval(0, 2)'}",
        "search_space: {model.hidden_size: 'tag(log, int(interval(8, 64)))'}",
        "search_space: {training.clip_norm: 'choice(null, \"1\", 5.0)'}",
        "search_space: {model.layer_dropout: {when: {model.num_layers: [2, 3]}, space: '0.1,0.2'}}",
        "hydra: {sweeper: {sampler: {seed: 1}, warm_start: [outputs/studies/spam-gru]}}",
        "{tracking: mine.Tracker, device: 'cuda:1'}",
        "{defaults: [größe, override /dataset: 日本], dataset: {name: größe-2}}",
        "search_space: {cell: glob(*)}",
        "defaults: [override /dataset: mine, override /hydra/sweeper: study, optional space: mine]",
    ],
)
def test_what_only_a_run_knows_is_not_flagged(text):
    assert complaints(REPO / "conf/schema/global.json", text) == []
