"""What differs between the versions of Hydra and Optuna that the sweeper works with."""

from typing import Any

import hydra
from hydra.core.override_parser.types import RangeSweep
from hydra.utils import instantiate
from omegaconf import StringNode

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
    """Tells whether a range is what its bounds and its step say; Hydra 1.3 casts those at once."""
    return not sweep.shuffle and not (sweep.transformers if not _HYDRA_1_3 else ())
