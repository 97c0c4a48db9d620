"""The project under test: its places, its configuration, and what its runs leave."""

import copy
import functools
import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from rnnclf.configuration.composed import composed as composed_once
from rnnclf.configuration.composed import register_schema
from rnnclf.configuration.schema import Config, ModelConfig, TrainingConfig
from rnnclf.data.sources import SOURCES

REPO = Path(__file__).resolve().parents[1]
RUN_PY = REPO / "run.py"
RNNCLF = Path(sys.executable).with_name("rnnclf")
CHROMIUM = shutil.which("chromium")
# The command of the study that most tests look at, see the fixture `outputs`.
STUDY_COMMAND = ["-m", "sweeps=smoke", "cell=gru", "n_trials=4", "pruner=none", "workers=1"]
STUDY_COMMAND += ["hidden_size=32", "embedding_size=32"]


def real_data_folder() -> Path | None:
    """The folder of the raw files, if all of them are there."""
    folder = os.environ.get("RNNCLF_DATA")
    names = [raw_file.name for source in SOURCES.values() for raw_file in source.raw_files]
    if folder and all((Path(folder).resolve() / name).exists() for name in names):
        return Path(folder).resolve()
    return None


REAL_DATA = real_data_folder()


@functools.cache
def compose_sweep(*overrides: str) -> DictConfig:
    """The configuration of a sweep, with what is Hydra's own; to be read only."""
    register_schema()
    with initialize_config_dir(str(REPO / "conf")):
        return compose("config", list(overrides), return_hydra_config=True)


def composed(*overrides: str) -> Config:
    """The configuration that run.py gets for these overrides."""
    return copy.deepcopy(_composed(*overrides))


_composed = functools.cache(composed_once)


def model_config(**settings: object) -> ModelConfig:
    """The section `model` of the configuration, with other values."""
    return replace(composed().model, **settings)


def training_config(**settings: object) -> TrainingConfig:
    """The section `training` of the configuration, with other values."""
    return replace(composed().training, **settings)


def result_of(folder: Path) -> dict:
    """The one result.json somewhere below a folder."""
    (path,) = folder.rglob("result.json")
    return json.loads(path.read_text())
