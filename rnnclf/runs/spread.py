"""Values of several runs in short."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Values of several runs.

    Attributes:
        mean: Their mean.
        sd: Their standard deviation; None for a single one.
        n: How many there are.
    """

    mean: float
    sd: float | None
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Describes values."""
        sd = statistics.stdev(values) if len(values) > 1 else None
        return cls(statistics.fmean(values), sd, len(values))

    def __str__(self) -> str:
        """Writes it as mean, standard deviation and number."""
        return f"{self.mean:.4f}{'' if self.sd is None else f' ± {self.sd:.4f}'} ({self.n})"
