"""What the peer's tests call by its private names, done by `study`."""

from typing import Any

from hydra.core.override_parser.types import Override
from hydra_study_sweeper.space.dimensions import Dimension
from hydra_study_sweeper.space.distributions import parse_distribution
from hydra_study_sweeper.space.points import grid
from optuna.distributions import BaseDistribution


def create_optuna_distribution_from_override(override: Override) -> BaseDistribution:
    key, _, definition = override.input_line.partition("=")
    try:
        return parse_distribution(key, definition)
    except Exception as error:
        raise ValueError(str(error)) from error


class OptunaSweeperImpl:
    @staticmethod
    def _to_grid_sampler_choices(distribution: BaseDistribution) -> list[Any]:
        return [point["key"] for point in grid([Dimension("key", distribution)])]
