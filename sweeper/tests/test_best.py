"""`best.yaml` gives the winner's configuration with the application's schema."""

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra_study_sweeper.options import StudySpec
from hydra_study_sweeper.output.best import write_best
from hydra_study_sweeper.storage.trials import Trials
from omegaconf import DictConfig, OmegaConf


class Color(Enum):
    RED = 1
    BLUE = 2


@dataclass
class Model:
    size: int = 1


@dataclass
class Tree(Model):
    color: Color = Color.RED


@dataclass
class Forest(Tree):
    trees: int = 10
    place: Path = Path("here")


@dataclass
class Application:
    defaults: list[Any] = field(default_factory=lambda: ["_self_", {"kind@model": "tree"}])
    model: Any = None
    inner: Model = field(default_factory=Model)
    color: Color = Color.RED


STORE = ConfigStore.instance()
STORE.store(name="application", node=Application)
STORE.store(name="base", node=Model, group="schemas")
STORE.store(name="tree", node=Tree, group="kind")
STORE.store(name="forest", node=Forest, group="kind")


YAML = {
    "plain": {"defaults": [{"kind@model": "tree"}, "_self_"], "inner": {"size": 3}},
    "nested": {"defaults": [{"schemas@a.b": "base"}, "_self_"], "a": {"b": {"size": 7}}},
    "untyped": {"x": 1, "y": {"z": "${x}"}},
}


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("application", ["color=BLUE", "model.color=BLUE", "inner.size=2"]),
        ("application", ["kind@model=forest", "model.trees=20"]),
        ("plain", ["kind@model=forest", "model.place=there"]),
        ("nested", ["a.b.size=8"]),
        ("untyped", ["x=2", "+new=[1,2]"]),
    ],
)
def test_the_winners_configuration_has_its_types(name, overrides, tmp_path):
    for file, content in YAML.items():
        (tmp_path / f"{file}.yaml").write_text(yaml.safe_dump(content))
    trials = Trials(StudySpec("study", tmp_path, None, ("maximize",), 1, 5))
    trials.complete(trials.claim(), [0.5])
    with initialize_config_dir(str(tmp_path)):
        winner = compose(name, [*overrides, "hydra/sweeper=study"], return_hydra_config=True)
        write_best(trials, trials.ranked()[0], winner)
        again = compose("best")
    assert again == OmegaConf.masked_copy(winner, [key for key in winner if key != "hydra"])
    assert types(again) == types(winner)


def types(config: DictConfig) -> dict[str, type | None]:
    found = {key: OmegaConf.get_type(config, key) for key in config if key != "hydra"}
    for key in [key for key in found if OmegaConf.is_dict(config[key])]:
        found |= {f"{key}.{inner}": kind for inner, kind in types(config[key]).items()}
    return found
