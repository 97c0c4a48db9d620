"""Points that are known to be good elsewhere, as far as they fit the space of this study."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra_study_sweeper.errors import ConfigError
from hydra_study_sweeper.files import RecordError
from hydra_study_sweeper.paths import shown
from hydra_study_sweeper.records import read_study
from hydra_study_sweeper.space.dimensions import Configured, Dimension
from hydra_study_sweeper.space.overrides import plain
from hydra_study_sweeper.space.points import Point, completed


def warm_points(
    configured: Configured, dimensions: Sequence[Dimension], given: Sequence[Any]
) -> tuple[list[Point], list[str]]:
    """Returns the points that fit, in their order.

    A key that is not searched here is ignored, and one that a point leaves out has its default.

    Args:
        configured: Gives the configuration with the defaults.
        dimensions: What is searched.
        given: Mappings of keys to values, and folders of studies, whose best trials are meant.

    Returns:
        The points, and a warning for each that has a value outside of the space.

    Raises:
        ConfigError: If there is no study in one of the folders, or one is something else.
    """
    points: list[Point] = []
    warnings = []
    searched = {dimension.key for dimension in dimensions}
    for known in _known(given):
        asked = {key: value for key, value in known.items() if key in searched}
        try:
            points += [completed(asked, configured, dimensions)] if asked else []
        except ValueError as error:
            warnings.append(f"a point of warm_start is left out: {error}")
    return points, warnings


def _known(given: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
    for entry in given:
        if isinstance(entry, Mapping):
            yield {plain(str(key)): value for key, value in entry.items()}
        elif isinstance(entry, str):
            yield from _winners_of(Path(entry))
        else:
            raise ConfigError(
                "hydra.sweeper.warm_start is a list of folders of studies and of points like "
                f"{{KEY: VALUE}}; one is {entry}"
            )


def _winners_of(study: Path) -> list[Mapping[str, Any]]:
    try:
        return [trial.params for trial in read_study(study).best]
    except RecordError as error:
        raise ConfigError(
            f"hydra.sweeper.warm_start: there is no study in {shown(study)}: {error}"
        ) from error
