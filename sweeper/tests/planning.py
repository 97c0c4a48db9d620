"""Plans of studies, made in this process from the files of a configuration."""

from collections.abc import Mapping
from pathlib import Path

import yaml
from hydra import initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import HydraContext, RunMode
from hydra_study_sweeper.plan import StudyPlan
from hydra_study_sweeper.planning import make_plans
from hydra_study_sweeper.space.dimensions import Dimension, parse_space
from hydra_study_sweeper.space.overrides import definitions_of
from omegaconf import DictConfig, OmegaConf

STUDY = {
    "defaults": ["_self_", {"override hydra/sweeper": "study"}],
    "hydra": {"sweep": {"dir": "study"}, "sweeper": {"workers": 1}},
}


def make_plans_of(folder: Path, files: Mapping[str, object], *arguments: str) -> list[StudyPlan]:
    """Plans what `app.py -m ARGUMENTS` would run.

    Args:
        folder: An empty one.
        files: Contents of YAML files below it, of which `config` is the primary one.
        arguments: Of the command line.
    """
    for name, content in files.items():
        path = folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content, sort_keys=False))
    with initialize_config_dir(str(folder)):
        return make_plans(*composed(*arguments), lambda config: 0.0)


def composed(*arguments: str) -> tuple[DictConfig, list[str], HydraContext]:
    """What Hydra gives to its sweepers for these arguments, where it is initialized."""
    loader = GlobalHydra.instance().config_loader()
    master = loader.load_configuration("config", list(arguments), RunMode.MULTIRUN)
    HydraConfig.instance().set_config(master)
    overrides = OmegaConf.to_container(master.hydra.overrides.task)
    return master, overrides, HydraContext(config_loader=loader, callbacks=Callbacks(master))


def dimensions_of(space: Mapping[str, object], config: object = None) -> list[Dimension]:
    """The dimensions of `params` in an application without config groups."""
    return parse_space(definitions_of(space), lambda groups=(): OmegaConf.create(config or {}))
