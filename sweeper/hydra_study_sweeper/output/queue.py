"""The studies of one command: those that have ended, the one that runs, those that wait."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, repeat

from rich.table import Table

from hydra_study_sweeper.output.messages import INDENT, fold


@dataclass(frozen=True)
class Queued:
    """A study of the queue.

    Attributes:
        name: Its name.
        trials: The number of its trials.
        refit: How many complete trials take as long as its refit.
    """

    name: str
    trials: int
    refit: float = 0


@dataclass
class Queue:
    """Studies that run one after the other.

    Attributes:
        studies: All of them, in the order in which they run.
        outcomes: The results of those that have ended.
    """

    studies: list[Queued]
    outcomes: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The study that runs, with its place among several."""
        running = len(self.outcomes)
        place = f" ({running + 1} of {len(self.studies)})" if len(self.studies) > 1 else ""
        return f"{self.studies[running].name}{place}"

    @property
    def waiting(self) -> list[Queued]:
        """The studies after the one that runs."""
        return self.studies[len(self.outcomes) + 1 :]

    def table(self) -> Table:
        """Shows all of them, with the results of those that have ended."""
        table = Table(title=f"{len(self.studies)} studies")
        for column in ("study", "trials", "outcome"):
            table.add_column(column)
        states = chain(self.outcomes, ["running"], repeat("waiting"))
        for study, state in zip(self.studies, states, strict=False):
            table.add_row(study.name, str(study.trials), state)
        return table

    def lines(self) -> Iterator[str]:
        """Yields a line with the result of each that has ended."""
        width = max(len(study.name) for study in self.studies)
        for study, outcome in zip(self.studies, self.outcomes, strict=False):
            yield from fold(f"{study.name:{width}}  {outcome}", INDENT)
