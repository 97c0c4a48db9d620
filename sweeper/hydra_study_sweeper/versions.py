"""What differs between the versions of Hydra, and the private parts of Hydra that are needed."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import hydra
import hydra.utils
from hydra.core.override_parser.types import RangeSweep
from hydra.types import HydraContext
from hydra.utils import instantiate
from omegaconf import StringNode
from omegaconf.basecontainer import BaseContainer

_HYDRA_1_3 = hydra.__version__.startswith("1.3.")

# Hydra 1.3 takes only plugins of the namespace `hydra_plugins`; 1.4 is told by an entry point.
SWEEPER = (
    "hydra_plugins.hydra_study_sweeper.StudySweeper"
    if _HYDRA_1_3
    else "hydra_study_sweeper.plugin.StudySweeper"
)


def sweeper_class() -> Any:
    """Returns what `hydra.sweeper._target_` is.

    From Hydra 1.4 on it is read-only: an application that comes from another sweeper may still set
    its class there, and would get a traceback. Hydra 1.3 sets it once more itself.
    """
    return SWEEPER if _HYDRA_1_3 else StringNode(SWEEPER, flags={"readonly": True})


def make(config: Any, trusted: tuple[str, ...]) -> Any:
    """Instantiates a configuration; from Hydra 1.4 on, only what is trusted."""
    if _HYDRA_1_3:
        return instantiate(config)
    return instantiate(config, _execution_whitelist_=trusted)


def is_plain(sweep: RangeSweep) -> bool:
    """Returns whether a range is no more than bounds and a step; Hydra 1.3 casts those at once."""
    return not sweep.shuffle and not (sweep.transformers if not _HYDRA_1_3 else ())


def trusting(context: HydraContext) -> AbstractContextManager[None]:
    """Allows in the block what the application's `execution_whitelist` allows."""
    if _HYDRA_1_3:
        return nullcontext()
    allowing: AbstractContextManager[None] = hydra.utils.execution_whitelist(
        context.execution_whitelist
    )
    return allowing


def resolvers() -> Mapping[str, Any]:
    """Returns OmegaConf's resolvers, by name."""
    return BaseContainer._resolvers


def set_resolvers(resolvers: Mapping[str, Any]) -> None:
    """Replaces OmegaConf's resolvers."""
    BaseContainer._resolvers = dict(resolvers)


class MainCalled(BaseException):
    """A function that `hydra.main` has decorated is called."""


@contextmanager
def no_main_begins() -> Iterator[None]:
    """Has every such call within the block raise `MainCalled` instead of starting Hydra."""
    module: Any = sys.modules[hydra.main.__module__]
    begin = module._run_hydra

    def refuse(*args: object, **options: object) -> None:
        raise MainCalled

    module._run_hydra = refuse
    try:
        yield
    finally:
        module._run_hydra = begin
