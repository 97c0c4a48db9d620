"""The queue of the studies of one command: those that ended, the one that runs, those that wait."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, repeat

from rich.table import Table


@dataclass
class Queue:
    """Studies that run one after the other.

    Attributes:
        studies: Name and number of trials of each, in the order in which they run.
        outcomes: What came of those that have ended.
    """

    studies: list[tuple[str, int]]
    outcomes: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The study that runs, with its place among several."""
        running = len(self.outcomes)
        place = f" ({running + 1} of {len(self.studies)})" if len(self.studies) > 1 else ""
        return f"{self.studies[running][0]}{place}"

    @property
    def waiting_trials(self) -> int:
        """The trials of the studies after the one that runs."""
        return sum(size for _, size in self.studies[len(self.outcomes) + 1 :])

    def table(self) -> Table:
        """Shows all of them, with what came of those that have ended."""
        table = Table(title=f"{len(self.studies)} studies")
        for column in ("study", "trials", "outcome"):
            table.add_column(column)
        states = chain(self.outcomes, ["running"], repeat("waiting"))
        for (name, size), state in zip(self.studies, states, strict=False):
            table.add_row(name, str(size), state)
        return table

    def lines(self) -> Iterator[str]:
        """Says in a line what came of each that has ended."""
        width = max(len(name) for name, _ in self.studies)
        for (name, _), outcome in zip(self.studies, self.outcomes, strict=False):
            yield f"{name:{width}}  {outcome}"
