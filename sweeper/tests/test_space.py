"""Search spaces: what can be written, what it becomes, and what is refused before a trial."""

from dataclasses import dataclass

import optuna
import pytest
from hydra_study_sweeper.errors import ConfigError
from hydra_study_sweeper.space.composing import Bases
from hydra_study_sweeper.space.overrides import definitions_of, take_apart
from hydra_study_sweeper.space.points import as_overrides, corners, grid, suggest
from omegaconf import OmegaConf
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from planning import dimensions_of


@pytest.mark.parametrize(
    ("definition", "distribution"),
    [
        ("interval(0.1, 2)", FloatDistribution(0.1, 2.0)),
        ("tag(log, interval(0.001, 0.1))", FloatDistribution(0.001, 0.1, log=True)),
        ("int(interval(1, 8))", IntDistribution(1, 8)),
        ("int(tag(log, interval(1, 64)))", IntDistribution(1, 64, log=True)),
        ("range(2, 8, 2)", IntDistribution(2, 6, step=2)),
        ("choice(16, 32)", CategoricalDistribution([16, 32])),
        ("gru,lstm", CategoricalDistribution(["gru", "lstm"])),
        ("choice(true, false)", CategoricalDistribution([True, False])),
        ("choice([1, 2], '3', a)", CategoricalDistribution(["[1,2]", "'3'", "a"])),
        ("null,1", CategoricalDistribution(["null", 1])),
        ("choice(1, true, 0)", CategoricalDistribution([1, "true", 0])),
    ],
)
def test_hydras_sweep_syntax_becomes_optunas_distributions(definition, distribution):
    (dimension,) = dimensions_of({"a.b": definition})
    assert (dimension.key, dimension.distribution) == ("a.b", distribution)


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("interval(2, 1)", "interval"),
        ("interval(a, 1)", "interval"),
        ("interval(1)", "interval"),
        ("interval(0, inf)", "not finite"),
        ("tag(lgo, interval(0.1, 1))", "the tag lgo is not known; there is log"),
        ("tag(log, interval(0, 1))", "log"),
        ("choice(1, 1)", "twice"),
        ("choice()", "choice"),
        ("range(3, 3)", "at least one"),
        ("coice(1, 2)", "coice"),
        ("0.5", "one value, nothing to search"),
        ("choice(1, 2", "cannot be parsed"),
    ],
)
def test_a_malformed_definition_is_refused_with_its_key(definition, message):
    with pytest.raises(ConfigError, match=r"search space: a\.b") as caught:
        dimensions_of({"a.b": definition})
    assert message in str(caught.value)


def test_a_choice_with_a_comma_or_a_blank_in_it_just_works():
    (dimension,) = dimensions_of({"name": "choice('a, b', 'c d', plain)"})
    config = OmegaConf.create({"name": "plain"})
    for value, override in {"a, b": "name='a, b'", "plain": "name=plain"}.items():
        assert as_overrides({"name": dimension.member(value, config)}, [dimension]) == [override]


SPACE = {
    "layers": "choice(1, 2)",
    "dropout": {"when": {"layers": 2}, "space": "interval(0.0, 0.5)"},
    "both": {"when": {"layers": [1, 2]}, "space": "choice(true, false)"},
}


def test_a_conditional_dimension_is_asked_only_where_its_condition_holds():
    dimensions = dimensions_of(SPACE)
    one = suggest(optuna.trial.FixedTrial({"layers": 1, "both": True}), dimensions)
    assert one == {"layers": 1, "both": True}
    two = suggest(optuna.trial.FixedTrial({"layers": 2, "dropout": 0.3, "both": True}), dimensions)
    assert two == {"layers": 2, "dropout": 0.3, "both": True}
    assert str(dimensions[1]) == "0 to 0.5 (when layers is 2)"


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ({"when": {"nothing": 1}, "space": "choice(1, 2)"}, "nothing is no key"),
        ({"when": {"x": 1}, "space": "choice(1, 2)"}, "x depends on itself"),
        ({"when": {"layers": 3}, "space": "choice(1, 2)"}, "layers=3 is not in 1, 2"),
        ({"when": {"layers": 1}}, "a mapping has 'when' and 'space'"),
        ({"when": "layers", "space": "choice(1, 2)"}, "is not a mapping of keys"),
    ],
)
def test_a_condition_that_can_never_hold_is_refused(definition, message):
    with pytest.raises(ConfigError, match=message):
        dimensions_of({"layers": "choice(1, 2)", "x": definition}, {"layers": 1, "x": 1})


def test_the_points_to_check_have_every_choice_and_every_bound():
    points = corners(dimensions_of({"x": "int(interval(1, 5))", "name": "a,b,c"}))
    assert {point["name"] for point in points} == {"a", "b", "c"}
    assert {point["x"] for point in points} == {1, 5}


def test_the_grid_has_every_combination_and_respects_conditions():
    space = {
        "layers": "choice(1, 2)",
        "x": {"when": {"layers": 2}, "space": "range(0, 0.3, 0.1)"},
    }
    points = grid(dimensions_of(space))
    assert [sorted(point) for point in points] == [["layers"]] + [["layers", "x"]] * 3
    assert [point["x"] for point in points[1:]] == pytest.approx([0, 0.1, 0.2])
    with pytest.raises(ConfigError, match="the grid sampler needs choices"):
        grid(dimensions_of({"x": "interval(0.0, 1.0)"}))


def test_a_dimension_comes_after_those_that_its_condition_names():
    later = {"x": {"when": {"layers": 2}, "space": "choice(1, 2)"}, "y": "0,1", "layers": "1,2"}
    assert [dimension.key for dimension in dimensions_of(later)] == ["layers", "x", "y"]


def test_keys_that_are_separate_make_studies_and_others_dimensions():
    arguments = ["cell=rnn,gru", "lr=interval(0.1,1)", "seed=3", "size=choice(1,2)"]
    sweep = take_apart(arguments, definitions_of({"dataset": "a,b"}), {"cell", "dataset"})
    assert sweep.studies == [
        ["seed=3", f"cell={cell}", f"dataset={dataset}"]
        for cell in ("rnn", "gru")
        for dataset in "ab"
    ]
    spaces = {key: definition.space for key, definition in sweep.dimensions.items()}
    assert spaces == {"lr": "interval(0.1,1)", "size": "choice(1,2)"}
    assert sweep.taken == {"seed", "cell", "dataset"}


def test_a_separate_key_that_the_command_line_fixes_is_not_swept():
    sweep = take_apart(["dataset=a"], definitions_of({"dataset": "a,b"}), {"dataset"})
    assert sweep.studies == [["dataset=a"]]


@pytest.mark.parametrize("one", ["a", ["a", "b"]])
def test_a_separate_key_with_one_value_is_nothing_to_search(one):
    with pytest.raises(ConfigError, match=r"search space: dataset: .*a.* is one value, nothing"):
        take_apart([], definitions_of({"dataset": one}), {"dataset"})


@pytest.mark.parametrize(
    ("arguments", "fixed", "searched"),
    [
        (["x=1,2", "x=3"], ["x=3"], {}),
        (["x=3", "x=1,2"], ["x=3"], {"x": "1,2"}),
        (["x=1,2", "x=3,4"], [], {"x": "3,4"}),
        (["+x=1,2", "++x=3"], ["++x=3"], {}),
        (["x=1,2", "~x"], ["~x"], {}),
    ],
)
def test_the_last_override_of_a_key_wins(arguments, fixed, searched):
    sweep = take_apart(arguments, {}, set())
    assert sweep.studies == [fixed]
    assert {key: definition.space for key, definition in sweep.dimensions.items()} == searched


def test_each_trial_changes_a_configuration_of_its_own():
    @dataclass
    class Local:  # which no pickle can name
        a: int = 1

    hydra = {"overrides": {"task": []}, "sweep": {}, "sweeper": {"study_name": "s"}}
    hydra["job"] = {"name": "j"}
    for a in (OmegaConf.create({"x": "${n}", "n": 1}), OmegaConf.structured(Local)):
        config = OmegaConf.create({"hydra": hydra, "own": a})
        bases = Bases(None, config, [], "folder", {}, first=config)  # type: ignore[arg-type]
        one, other = bases.copy(), bases.copy()
        assert one == other == bases()
        assert OmegaConf.get_type(one, "own") is OmegaConf.get_type(config, "own")
        one.own = None
        assert other == bases()
