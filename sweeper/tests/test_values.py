"""Values and keys as Hydra means them: converted, referred to, prefixed, and chosen by groups."""

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from hydra_study_sweeper.errors import ConfigError
from hydra_study_sweeper.space.composing import TrialComposer
from hydra_study_sweeper.space.points import as_overrides, first_points
from omegaconf import DictConfig, OmegaConf
from planning import STUDY, dimensions_of, make_plans_of


class Color(Enum):
    RED = 1
    BLUE = 2


@dataclass
class App:
    color: Color = Color.RED
    version: str = "2"
    flag: bool = True
    place: Path = Path("a")
    rate: float = 1.0
    maybe: int | None = None
    low: float = 0.1
    high: float = 0.9
    lr: float = 0.1
    sizes: list[int] = field(default_factory=lambda: [128, 32])
    options: dict[str, int] = field(default_factory=lambda: {"a": 1})
    anything: Any = 1


ConfigStore.instance().store(name="app", node=App)
TYPED = {"config": STUDY | {"defaults": ["app", *STUDY["defaults"]]}}
GROUPS = {
    "config": STUDY | {"defaults": [{"model": "mlp"}, {"model/opt": "adam"}, *STUDY["defaults"]]},
    "model/mlp": {"name": "mlp", "size": 2},
    "model/svm": {"name": "svm", "C": 1.0},
    "model/opt/adam": {"lr": 0.1},
    "model/opt/sgd": {"lr": 0.1, "momentum": 0.5},
    "extra/a": {"y": 1},
    "extra/b": {"y": 2},
}


def combinations(configs: list[DictConfig]) -> dict[str, str]:
    """A check, which tells what it was asked about."""
    optimizers = {False: "adam", True: "sgd"}
    found = {f"{c.model.name} {optimizers['momentum' in c.model.opt]}" for c in configs}
    return {"combinations": ", ".join(sorted(found))}


CONVERTED = [  # a key, its space, what its default is there, a value in YAML, what that is there
    ("color", "choice(RED,BLUE)", "RED", "BLUE", "BLUE"),
    ("version", "choice(1,2)", 2, "1", 1),
    ("version", "range(1,4)", 2, 3, 3),
    ("flag", "choice(0,1)", 1, False, 0),
    ("place", "choice(a,b/c)", "a", "b/c", "b/c"),
    ("rate", "choice(1,2)", 1, 2.0, 2),
    ("rate", "interval(0.0,2.0)", 1.0, "2", 2.0),
    ("maybe", "null,3", "null", 3, 3),
    ("lr", "choice(${low},${high})", "${low}", 0.9, "${high}"),
    ("sizes", "choice([128,32],[64])", "[128,32]", [64], "[64]"),
    ("options", "choice({a:1},{a:2})", "{a:1}", {"a": 2}, "{a:2}"),
    ("anything", "choice(true,1)", 1, True, "true"),
]


@pytest.mark.parametrize(("key", "space", "default", "asked", "member"), CONVERTED)
def test_values_are_compared_after_omegaconf_converted_them(key, space, default, asked, member):
    dimensions = dimensions_of({key: space}, App())
    config = OmegaConf.structured(App)
    points, warnings = first_points(lambda groups=(): config, dimensions, [{key: asked}])
    assert [repr(point[key]) for point in points] == [repr(default), repr(member)]
    assert not warnings


def test_converted_values_arrive_in_trials(tmp_path):
    spaces = {key: f"{key}={space}" for key, space, *_ in CONVERTED}
    (plan,) = make_plans_of(tmp_path, TYPED, *spaces.values())
    assert plan.first[0].keys() == spaces.keys(), "and each choice was composed and compared"


@pytest.mark.parametrize(
    ("condition", "is_searched"),
    [
        ({"color": "RED"}, True),
        ({"color": ["BLUE", "RED"]}, True),
        ({"color": "BLUE"}, False),
        ({"version": 2}, True),
        ({"version": 3}, False),
        ({"maybe": None}, True),
        ({"rate": 1}, True),
        ({"lr": "${low}"}, True),
        ({"place": "a", "flag": "yes"}, True),
        ({"sizes": [[128, 32]]}, True),
    ],
)
def test_a_condition_on_a_typed_key_is_decided(condition, is_searched):
    found = dimensions_of({"high": {"when": condition, "space": "interval(0,1)"}}, App())
    assert len(found) == is_searched


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"color": "BLEU"}, "Invalid value 'BLEU'"),
        ({"flag": "maybe"}, "is not a valid bool"),
        ({"nothing": 3}, "nothing is no key"),
        ({"low": 5}, "low=5.0 is not in 0 to 1"),
    ],
)
def test_a_condition_that_can_never_hold_is_refused(condition, message):
    space = {"low": "interval(0.0,1.0)", "lr": {"when": condition, "space": "0.1,1.0"}}
    with pytest.raises(ConfigError, match=f"search space: lr: when: .*{message}"):
        dimensions_of(space, App())


@pytest.mark.parametrize(
    ("files", "arguments", "message"),
    [
        (TYPED, ["color=RED,BLUE", "hydra.sweeper.enqueue=[{color: BLEU}]"], "color=BLEU is not"),
        (
            GROUPS,
            ["+hydra.sweeper.params.model.size={when: {model: bb}, space: '0,1'}"],
            "model has no option bb, only mlp, svm",
        ),
        (
            GROUPS,
            ["model=mlp,svm", "+hydra.sweeper.params.model.C={when: {model: bb}, space: '0,1'}"],
            "model=bb is not in mlp, svm",
        ),
        (
            GROUPS,
            [
                "model=mlp,svm",
                "+hydra.sweeper.params.model.C={when: {model.name: svm}, space: '0,1'}",
            ],
            "model.name depends on a config group that is searched",
        ),
        (GROUPS, ["model=svm,mlp", "model.C=0,1"], "model.C=1 cannot be set with model=mlp"),
        (GROUPS, ["model=glob(x*)"], "nothing to choose from"),
    ],
)
def test_what_can_never_be_is_refused_in_a_line(files, arguments, message, tmp_path):
    with pytest.raises(HydraException) as caught:
        make_plans_of(tmp_path, files, *arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


OF_SVM = "+hydra.sweeper.params.model.C={when: {model: svm}, space: 'interval(0.5,2)'}"


@pytest.mark.parametrize(
    ("arguments", "first", "found"),
    [
        (["model=glob(*)"], "model=mlp", {"mlp adam", "svm adam"}),
        (["+hydra.sweeper.params.model='choice(mlp,svm)'"], "model=mlp", {"mlp adam", "svm adam"}),
        (
            ["model=svm,mlp", "model/opt=sgd,adam"],
            "model=mlp model/opt=adam",
            {"svm sgd", "mlp adam"},
        ),
        (["+extra=choice(a,b)"], "", {"mlp adam"}),
        ([OF_SVM, "model=mlp,svm"], "model=mlp", {"mlp adam", "svm adam"}),
        ([OF_SVM, "model=svm"], "model.C=1.0", {"svm adam"}),
        (["model.opt.lr=0.1,1", "model/opt=sgd"], "model.opt.lr=0.1", {"mlp sgd"}),
    ],
)
def test_config_groups_are_dimensions(arguments, first, found, tmp_path):
    check = "hydra.sweeper.check=test_values.combinations"
    (plan,) = make_plans_of(tmp_path, GROUPS, *arguments, check)
    dimensions = plan.dimensions
    assert " ".join(as_overrides(plan.first[0], dimensions)) == first
    assert set(plan.fingerprint["data"]["combinations"].split(", ")) >= found


def test_a_number_in_place_of_an_options_name_is_told(tmp_path):
    with pytest.raises(ConfigError, match="search space: Config group override must be a string"):
        make_plans_of(tmp_path, GROUPS, "model=0,1")


@pytest.mark.parametrize(
    ("argument", "first"),
    [
        ("model=choice([mlp,svm],[svm])", {}),
        ("numbered='1','2'", {"numbered": "'2'"}),
        ("extra@other=a,b", {"extra@other": "a"}),
    ],
)
def test_options_may_be_several_numbers_or_placed_elsewhere(argument, first, tmp_path):
    numbered = [{"extra@other": "a"}, {"numbered": "2"}, *GROUPS["config"]["defaults"]]
    files = GROUPS | {"config": GROUPS["config"] | {"defaults": numbered}}
    files |= {"numbered/1": {"y": 1}, "numbered/2": {"y": 2}}
    (plan,) = make_plans_of(tmp_path, files, argument)
    assert plan.first[0] == first, "and all options were composed and compared"


def test_a_group_that_must_be_chosen_is_searched(tmp_path):
    defaults = [{"task": "???"}, *GROUPS["config"]["defaults"]]
    files = GROUPS | {"config": GROUPS["config"] | {"defaults": defaults}}
    files |= {"task/a": {"y": 1}, "task/b": {"y": 2}}
    (plan,) = make_plans_of(tmp_path, files, "task=b,a")
    compose = plan.worker.composer.compose
    assert [compose(0, {"task": option}).task.y for option in "ba"] == [2, 1]


def test_the_overrides_of_a_trial_are_in_the_order_of_the_command_line(tmp_path):
    (plan,) = make_plans_of(tmp_path, GROUPS, "+a=1,2", "model=svm,mlp", "+b=3", "model.opt.lr=4,5")
    point = {"a": 2, "model": "mlp", "model.opt.lr": 5}
    expected = ["+a=2", "model=mlp", "+b=3", "model.opt.lr=5"]
    compose = plan.worker.composer.compose
    assert compose(0, point).hydra.overrides.task == expected
    assert compose(0, point, ["+seed=1"]).hydra.overrides.task == [*expected, "+seed=1"]


@pytest.fixture(scope="module")
def composer(tmp_path_factory: pytest.TempPathFactory) -> TrialComposer:
    """Of a study that searches the learning rate."""
    config = GROUPS["config"] | {"seed": 0, "name": "x", "lr": 1.0}
    (plan,) = make_plans_of(
        tmp_path_factory.mktemp("plan"), GROUPS | {"config": config}, "lr=0.1,0.2"
    )
    return plan.worker.composer


@pytest.mark.parametrize(
    "further",
    [
        ["model.size=3", "seed=7", "name='a b'"],
        ["seed=null", "name=${model.name}"],
        ["model=svm", "seed=7"],
        ["+extra@more=a"],
        ["+new=1", "~name"],
        ["model={size: 5}"],
        ["hydra.job.chdir=true", "seed=7"],
    ],
)
def test_overrides_of_one_trial_have_the_effect_that_hydra_gives_them(further, composer):
    expected = composer.bases.in_full(["lr=0.2", *further], 3)
    found = composer.compose(3, {"lr": 0.2}, further)
    for one in (expected, found):
        one.hydra.hydra_logging = {}  # the only thing that is left out
    assert found == expected


@pytest.mark.parametrize(
    ("params", "arguments", "searched"),
    [
        ({"++lr": "interval(0.0,1.0)"}, ["lr=0.05"], {"size": ""}),
        ({"lr": "interval(0.0,1.0)"}, ["++lr=0.05"], {"size": ""}),
        ({"+momentum": "0.1,0.2"}, ["+momentum=0.3"], {"size": ""}),
        ({"+momentum": "0.1,0.2"}, ["+momentum=0.3,0.4"], {"momentum": "+", "size": ""}),
        ({"++lr": "0.1,0.2"}, ["lr=0.3,0.4"], {"lr": "", "size": ""}),
        ({"++lr": "0.1,0.2"}, ["lr=0.3,0.4", "~lr", "+lr=1"], {"size": ""}),
    ],
)
def test_a_key_with_another_prefix_is_the_same_key(params, arguments, searched, tmp_path):
    sweeper = STUDY["hydra"]["sweeper"] | {"params": params | {"size": "1,2"}}
    hydra = STUDY["hydra"] | {"sweeper": sweeper}
    files = {"config": STUDY | {"lr": 0.1, "size": 1, "hydra": hydra}}
    (plan,) = make_plans_of(tmp_path, files, *arguments)
    assert {one.key: one.prefix for one in plan.dimensions} == searched
