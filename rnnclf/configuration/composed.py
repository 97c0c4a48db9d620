"""Configurations as Hydra composes them and as runs save them: read, checked, written."""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra_study_sweeper.files import read_bounded
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnclf.configuration.checks import check
from rnnclf.configuration.overrides import in_order
from rnnclf.configuration.schema import Config
from rnnclf.errors import ConfigError
from rnnclf.files.command import as_typed_here, packaged_conf
from rnnclf.files.result import METRICS

LARGEST = 2**18  # bytes of a saved configuration; one has about 1,500
DEEPEST = 10  # its nesting is 2
CSV_NAME = "${csv_name:${dataset.folder},${dataset.file}}"  # as in conf/dataset/csv.yaml
OPENING = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
CLOSING = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)


@dataclass
class ComposedConfig(Config):
    """What Hydra composes: the configuration of a run, and what a study searches around it.

    Attributes:
        search_space: The search space of a study, by key; `sweeps=` sets it.
        resume: The folder of an interrupted run. The run continues with its own configuration.
        tracking: Where a run or a study is also recorded: `tensorboard`, `mlflow`, `wandb`,
            `trackio`, or the dotted path of a class like
            `hydra_study_sweeper.tracking.entry.Tracker`.
    """

    search_space: dict[str, Any]
    resume: str | None
    tracking: str | None


def register_schema() -> None:
    """Makes known to Hydra what `conf/` names: the schema and its resolvers."""
    ConfigStore.instance().store(name="schema", node=ComposedConfig, replace=True)
    OmegaConf.register_resolver("csv_name", csv_name, replace=True)
    OmegaConf.register_resolver("options", options, replace=True)
    OmegaConf.register_resolver("typed", as_typed_here, replace=True)
    OmegaConf.register_resolver("metric_name", METRICS.get, replace=True)


def csv_name(folder: str | None, file: str | None) -> str:
    """Names the user's own data by its folder or file, so that two of them have two studies."""
    if not folder and not file:
        return "csv"  # the check says that they are missing
    name = Path(folder).resolve().name if folder else Path(str(file)).name.partition(".")[0]
    return re.sub(r"[^\w.-]+", "-", f"csv-{name}")


def options(group: str) -> str:
    """Lists the options of a group for `--help`, in lines of 80 columns."""
    listed = ", ".join(in_order(GlobalHydra.instance().config_loader().get_group_options(group)))
    head = f"{group:10}  "
    indent = " " * len(head)
    return textwrap.fill(head + listed, 80, subsequent_indent=indent, break_on_hyphens=False)


def composed(*overrides: str) -> Config:
    """Returns the configuration that `rnnclf train` has with these overrides."""
    register_schema()
    with initialize_config_dir(str(packaged_conf())):
        return from_omegaconf(compose("config", list(overrides)))


def from_omegaconf(node: DictConfig) -> Config:
    """Resolves a composed configuration and checks it.

    Args:
        node: An OmegaConf node that was composed over the schema `Config`.

    Returns:
        The configuration as plain dataclasses.

    Raises:
        ConfigError: If a value is out of its range or values do not go together.
    """
    plain = OmegaConf.to_container(node, resolve=True)
    if isinstance(plain, dict):
        for key in ("search_space", "resume", "tracking"):
            plain.pop(key, None)
    config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), plain))
    assert isinstance(config, Config), "it was composed over the schema"
    check(config)
    return config


def load(path: Path) -> Config:
    """Reads a `config.yaml` that a run left and checks it.

    The file may come from somebody else. It is data: an interpolation, which could read the
    environment, an alias, which could grow without end, and a section for Hydra are refused.

    Raises:
        ConfigError: If a key is unknown, missing or has a wrong type or value.
        FileNotFoundError: If there is no such file.
    """
    try:
        node = OmegaConf.create(_read_plain(path))
        return from_omegaconf(node)
    except FileNotFoundError:
        raise
    except (OmegaConfBaseException, yaml.YAMLError, ValueError, OSError) as error:
        raise ConfigError(str(error)) from error


def _read_plain(path: Path) -> dict[str, Any]:
    content = read_bounded(path, LARGEST).decode()
    if "${" in content:
        raise ConfigError("an interpolation (${...}) is not allowed in a saved configuration")
    depth = 0
    for token in yaml.scan(content):  # a parser would fail at a deep nesting, or crash
        if isinstance(token, yaml.AliasToken):
            raise ConfigError("an alias (*...) is not allowed in a saved configuration")
        depth += isinstance(token, OPENING)
        depth -= isinstance(token, CLOSING)
        if depth > DEEPEST:
            raise ConfigError("the configuration is nested too deeply")
    values = yaml.safe_load(content)
    if not isinstance(values, dict):
        raise ConfigError("the configuration is not a mapping")
    return values


def to_yaml(config: Config) -> str:
    """Returns the configuration as YAML, which `load` reads."""
    return OmegaConf.to_yaml(OmegaConf.structured(config))
