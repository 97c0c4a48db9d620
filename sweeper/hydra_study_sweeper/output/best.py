"""`best.yaml`: the configuration that a study found, which stands by itself."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.core.config_store import ConfigNode, ConfigStore
from omegaconf import DictConfig, OmegaConf
from optuna.trial import FrozenTrial

from hydra_study_sweeper.files import write_text
from hydra_study_sweeper.space.composing import unresolved
from hydra_study_sweeper.space.fingerprint import is_below
from hydra_study_sweeper.storage.trials import Trials


def write_best(trials: Trials, trial: FrozenTrial, config: DictConfig) -> None:
    """Writes the configuration of a trial, with nothing of Hydra's own section in it.

    That section is a program: it sets variables, opens files, calls functions.

    Args:
        trials: Of the study.
        trial: One of them.
        config: Its composed configuration.
    """
    # Where params: ${search_space}, the search space is a part of the configuration.
    space = re.fullmatch(r"\$\{([\w.]+)\}", str(unresolved(config.hydra.sweeper, "params")))
    content: dict[str, Any] = {"defaults": _defaults(config)}
    content |= _without(config, ["hydra", *([space[1]] if space else [])])
    values = ", ".join(f"{value:.6g}" for value in trial.values)
    head = f"# Trial {trial.number} of the study {trials.spec.name}: {values}.\n"
    write_text(trials.paths.best, head + OmegaConf.to_yaml(OmegaConf.create(content)))


def _defaults(config: DictConfig) -> list[Any]:
    """Returns a defaults list that gives the values their types, by the application's schemas."""
    schemas: list[Any] = []
    overridden: list[str] = []
    root = _schema_of(OmegaConf.get_type(config))
    if root is not None:
        schemas.append(_name(root))
        overridden = _groups_of(root)
    typed = [_place_of(group) for group in overridden]  # by what comes after
    for place, kind in _typed(config, OmegaConf.create() if root is None else root.node):
        schema = _schema_of(kind)
        if schema is not None and not is_below(place, typed):
            typed.append(place)
            schemas.append(
                {f"/{schema.group}@{place}": _name(schema)}
                if schema.group
                else f"{_name(schema)}@{place}"
            )
    choices = config.hydra.runtime.choices
    return [*schemas, "_self_", *({f"override {group}": choices[group]} for group in overridden)]


def _typed(config: DictConfig, implied: DictConfig, above: str = "") -> Iterator[tuple[str, type]]:
    """Yields the places and classes of mappings whose schema nothing around them implies."""
    for name in map(str, config):
        if name == "hydra" or OmegaConf.is_missing(config, name):
            continue
        if OmegaConf.is_interpolation(config, name) or not OmegaConf.is_dict(config[name]):
            continue
        kind = OmegaConf.get_type(config, name)
        below = OmegaConf.create()
        if kind is not dict and kind is not None:
            below = OmegaConf.structured(kind)
            if name not in implied or kind is not OmegaConf.get_type(implied, name):
                yield f"{above}{name}", kind
        yield from _typed(config[name], below, f"{above}{name}.")


def _schema_of(kind: type | None) -> ConfigNode | None:
    """Returns what an application stored with Hydra as a schema of this class."""
    if kind in (dict, None):
        return None
    stored = _stored(ConfigStore.instance().repo)
    return next((node for node in stored if OmegaConf.get_type(node.node) is kind), None)


def _stored(repo: Mapping[str, Any]) -> Iterator[ConfigNode]:
    for entry in repo.values():
        if isinstance(entry, Mapping):
            yield from _stored(entry)
        elif OmegaConf.is_dict(entry.node):
            yield entry


def _name(schema: ConfigNode) -> str:
    return schema.name.removesuffix(".yaml")


def _groups_of(schema: ConfigNode) -> list[str]:
    """Returns the config groups in the defaults list of a schema."""
    entries = unresolved(schema.node, "defaults") or []
    keys = [str(key) for entry in entries if isinstance(entry, Mapping) for key in entry]
    return [key.removeprefix("optional ").lstrip("/") for key in keys if "override " not in key]


def _place_of(group: str) -> str:
    name, _, package = group.partition("@")
    return package or name.replace("/", ".")


def _without(config: DictConfig, left_out: Sequence[str]) -> dict[str, Any]:
    def kept(node: Any, prefix: str) -> Any:
        if not isinstance(node, dict):
            return node
        return {
            name: kept(value, f"{prefix}{name}.")
            for name, value in node.items()
            if not is_below(f"{prefix}{name}", left_out)
        }

    content: dict[str, Any] = kept(OmegaConf.to_container(config, enum_to_str=True), "")
    return content
