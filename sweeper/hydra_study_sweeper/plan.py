"""A study that is to be run."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from omegaconf import DictConfig

from hydra_study_sweeper.budget import Budget
from hydra_study_sweeper.options import BEST_STEP, StudySpec
from hydra_study_sweeper.output.messages import duration, fold, in_short
from hydra_study_sweeper.output.queue import Queued
from hydra_study_sweeper.paths import shown
from hydra_study_sweeper.printable import counted
from hydra_study_sweeper.records import Role
from hydra_study_sweeper.space.dimensions import Dimension
from hydra_study_sweeper.space.fingerprint import Fingerprint
from hydra_study_sweeper.space.points import Point
from hydra_study_sweeper.storage.existing import seconds_spent
from hydra_study_sweeper.storage.warm_start import WarmStart
from hydra_study_sweeper.workers.launch import number_of_workers
from hydra_study_sweeper.workers.worker import Worker

FIRST_POINTS = 10  # that are shown
AROUND = 3.0  # seconds of a command before and after its studies


@dataclass(frozen=True)
class StudyPlan:
    """A study that is to be run.

    Attributes:
        worker: What its worker processes run; has the specification of the study.
        config: The composed configuration with the defaults of all dimensions.
        options: `hydra.sweeper`, resolved.
        fingerprint: What must be the same when the study is continued.
        first: Points to try first.
        known: What is known before; its points are in `first`, and their trials are not pruned.
        warnings: What the user should know before it starts.
        samples: Some points of the space.
        rivals: Points that are known in full, of which the best stays unless the winner is better.
        continues: Whether the study is there already.
    """

    worker: Worker
    config: DictConfig
    options: DictConfig
    fingerprint: Fingerprint
    first: list[Point]
    known: WarmStart
    warnings: list[str]
    samples: list[Point]
    rivals: list[Point]
    continues: bool = False

    @property
    def spec(self) -> StudySpec:
        """The specification of the study."""
        return self.worker.spec

    @property
    def dimensions(self) -> Sequence[Dimension]:
        """What is searched."""
        return self.worker.composer.dimensions

    @property
    def workers(self) -> int:
        """How many trials run at a time."""
        options = self.options
        return number_of_workers(options.workers, options.workers_per_gpu, self.config)

    @property
    def seeds(self) -> int:
        """How many seeds the refit has."""
        return int(self.options.refit.seeds) if len(self.spec.directions) == 1 else 0

    def overrides_of(self, role: Role, seed: int, step: int | None) -> list[str]:
        """Returns what a run of the refit sets; validation runs are as the trials of the search.

        Args:
            role: What the run is for.
            seed: Takes the place of `{seed}`.
            step: Takes the place of `{best_step}`.
        """
        repeats = self.worker.repeats.overrides_of(seed) if role == "validation" else []
        own = [
            override.replace("{seed}", str(seed)).replace(BEST_STEP, str(step))
            for override in self.options.refit[role]
        ]
        return [*repeats, *own]

    @property
    def compares(self) -> bool:
        """Whether the refit measures a rival as well; with one seed nothing would be sure."""
        return bool(self.options.refit.keep_known and self.seeds > 1 and self.rivals)

    @property
    def queued(self) -> Queued:
        """The study as a place in the queue."""
        kinds = len(get_args(Role)) + self.compares
        refit = kinds * self.seeds / self.worker.repeats.count
        return Queued(self.spec.name, self.spec.n_trials or 0, refit)

    def how(self) -> str:
        """Says in a line how the study is run."""
        pruner = self.config.hydra.runtime.choices["hydra/sweeper/pruner"]
        seeds = self.seeds
        each = " each of the winner and its rival," if self.compares else ""
        refit = f"; then {seeds} validation runs{each} and {seeds} final runs" if seeds else ""
        within = ""
        if budget := self.spec.budget:
            within = f"; as much of it as fits into {duration(budget.seconds)}"
        elif (minutes := self.options.minutes) is not None:
            within = f"; as much of it as fits into the command's {minutes:g} min"
        return f"{self.workers} at a time, pruner {pruner}{refit}{within}"

    def with_spec(self, **changes: Any) -> "StudyPlan":
        """Returns the plan with other values in the specification of the study."""
        spec = replace(self.spec, **changes)
        return replace(self, worker=replace(self.worker, spec=spec))

    def with_budget(self, since: float, studies: int) -> "StudyPlan":
        """Returns the plan with its budget, if it has one.

        Args:
            since: When its time began, in seconds since the epoch.
            studies: How many studies share the `minutes`.
        """
        if self.options.minutes is None:
            return self
        share = 60 * float(self.options.minutes) / studies
        spent = 0.0 if self.options.restart else seconds_spent(self.spec)
        seconds = max(0.0, share - spent - AROUND)
        repeats = self.worker.repeats.count
        ends = since + seconds
        budget = Budget(seconds, ends, self.seeds, self.workers, repeats, self.compares)
        return self.with_spec(budget=budget)

    def lines(self) -> Iterator[str]:
        """Yields lines about what the study will do."""
        trials = counted(self.spec.n_trials or 0, "trial")
        yield f"study {self.spec.name}: {trials}, in {shown(self.spec.folder)}"
        yield f"  {self.how()}"
        width = max((len(dimension.key) for dimension in self.dimensions), default=0)
        for dimension in self.dimensions:
            yield from fold(f"  {dimension.key:{width}}  {dimension}", " " * (width + 4))
        for warning in self.warnings:
            yield f"  {warning}"
        fixed = shlex.join(self.worker.composer.bases.overrides) or "nothing"
        yield from fold(f"  fixed: {fixed}", " " * 4)
        repeats = self.worker.repeats
        if repeats.count > 1:
            yield f"  each trial: {repeats.count} runs with {' '.join(repeats.overrides)}"
        for point in self.first[:FIRST_POINTS]:
            yield from fold(f"  first: {in_short(point) or 'what the sampler chooses'}", " " * 4)
        if len(self.first) > FIRST_POINTS:
            yield f"  first: and {len(self.first) - FIRST_POINTS} more"
        for sample in self.samples:
            yield from fold(f"  sample: {in_short(sample)}", " " * 4)
