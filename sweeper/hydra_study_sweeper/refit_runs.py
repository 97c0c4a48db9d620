"""The runs of a refit: a study of its own, whose trials are resumed and retried as such."""

import logging
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from omegaconf import OmegaConf
from optuna.trial import FrozenTrial, TrialState

from hydra_study_sweeper.budget import Took
from hydra_study_sweeper.errors import StudyError
from hydra_study_sweeper.intervals import seed_values
from hydra_study_sweeper.options import BEST_STEP, PRUNERS, SAMPLERS
from hydra_study_sweeper.output.outcome import best_step
from hydra_study_sweeper.output.progress import StudyProgress
from hydra_study_sweeper.output.queue import Queue
from hydra_study_sweeper.output.retention import delete_files
from hydra_study_sweeper.paths import StudyPaths
from hydra_study_sweeper.plan import StudyPlan
from hydra_study_sweeper.records import Comparison, FinalModel, RefitRecord, Role
from hydra_study_sweeper.space.composing import TrialComposer
from hydra_study_sweeper.space.points import as_overrides
from hydra_study_sweeper.space.repeats import Repeats
from hydra_study_sweeper.storage.existing import existing_study, refit_spec
from hydra_study_sweeper.storage.trials import OVERRIDES, REASON, ROLE, SEED, Trials
from hydra_study_sweeper.workers.launch import run_trials, wait_for_others
from hydra_study_sweeper.workers.pool import Pool
from hydra_study_sweeper.workers.worker import Worker

log = logging.getLogger(__name__)

ROLES: tuple[Role, ...] = get_args(Role)
# Attributes of the study: the runs without their weights; the step to which final runs are trained.
DELETED, TRAIN_TO = "deleted", "train_to"


@dataclass(frozen=True)
class _Run:
    """A run of the refit.

    Attributes:
        role: What it is for.
        seed: Its seed.
        overrides: What it sets besides the trial's parameters.
    """

    role: Role
    seed: int
    overrides: list[str]

    def is_of(self, trial: FrozenTrial) -> bool:
        """Returns whether a trial is an attempt at this run."""
        return bool((trial.user_attrs[ROLE], trial.user_attrs[SEED]) == (self.role, self.seed))


class RefitRuns:
    """The runs of one trial's refit, opened.

    Args:
        plan: Of the search.
        trial: Of the search.
        seeds: For how many there is time; 0 if only for one final run.
        pool: The worker processes of this command.
        queue: The studies of this command.

    Attributes:
        trial: The trial that is trained again.
    """

    def __init__(
        self, plan: StudyPlan, trial: FrozenTrial, seeds: int, pool: Pool, queue: Queue
    ) -> None:
        self.trial = trial
        self._plan, self._seeds, self._pool, self._queue = plan, seeds, pool, queue
        self._worker = _worker(plan, trial)
        if (budget := plan.spec.budget) and not seeds:
            spec = replace(self._worker.spec, budget=budget.for_a_final_run(Took.of(trial)))
            self._worker = replace(self._worker, spec=spec)
        begun = was_begun(plan, trial)
        self._worker.spec.folder.mkdir(exist_ok=True)
        self._trials = Trials(self._worker.spec, begun=begun)
        wait_for_others(self._trials)
        self._trials.resume()

    def missing(self, roles: Sequence[Role], step: int | None = None) -> list[_Run]:
        """Returns the runs of some roles of which no attempt ended well."""
        if not self._seeds:
            roles = [role for role in roles if role == "final"]
        planned = [
            _Run(role, seed, self._plan.overrides_of(role, seed, step))
            for seed in range(max(1, self._seeds))
            for role in roles
        ]
        complete = self._trials.in_state(TrialState.COMPLETE)
        return [run for run in planned if not any(map(run.is_of, complete))]

    def run(self, kind: str, roles: Sequence[Role], step: int | None = None, then: int = 0) -> None:
        """Runs the runs of some roles that are missing; `then` is how many others follow."""
        self._run(kind, self.missing(roles, step), then)

    def repeat(self, trial: FrozenTrial) -> None:
        """Runs a final run once more, whose model was deleted."""
        attributes = trial.user_attrs
        run = _Run(attributes[ROLE], attributes[SEED], attributes[OVERRIDES])
        self._run("final run", [run])

    def _run(self, kind: str, runs: Sequence[_Run], then: int = 0) -> None:
        """Runs some runs, and no others that an interruption left in the queue.

        Those may have lost their purpose or their time.
        """
        if not runs:
            return
        self._trials.drop_queued(lambda trial: not any(run.is_of(trial) for run in runs))
        queued = self._trials.in_state(TrialState.WAITING)
        for run in runs:
            if not any(map(run.is_of, queued)):
                attributes = {ROLE: run.role, SEED: run.seed, OVERRIDES: run.overrides}
                self._trials.enqueue({}, attributes)
        title = f"{self._plan.spec.name}: refit of trial {self.trial.number}, {kind}"
        log.info("%s: %d to go", title, len(runs))
        self._worker.composer.bases()  # composed here once, and not by each worker
        progress = StudyProgress(self._trials, title, self._plan.workers, self._queue, then)
        run_trials(self._worker, self._trials, self._plan.config, self._pool, progress)

    def step_to_train_to(self) -> int:
        """Returns the median best step of the validation runs, when it was first asked for.

        It is kept, so that the final runs are alike even if seeds are added.
        """
        study = self._trials.study
        if TRAIN_TO not in study.user_attrs:
            measured = self.required("validation").values() or [self.trial]
            study.set_user_attr(TRAIN_TO, median_best_step(self._trials, measured))
        step: int = study.user_attrs[TRAIN_TO]
        return step

    def choose(self) -> FrozenTrial:
        """Returns the final run of the seed with the median validation value (the lower of two)."""
        validated, final = self.required("validation"), self.required("final")
        usable = [trial for seed, trial in validated.items() if seed in final]
        if not usable:
            return next(iter(final.values()))
        usable.sort(key=lambda trial: (trial.value, trial.user_attrs[SEED]))
        return final[usable[(len(usable) - 1) // 2].user_attrs[SEED]]

    def lacks_model(self, run: FrozenTrial, joined: bool) -> bool:
        """Returns whether the weights of a run were deleted, or must be here and are not."""
        deleted = run.number in self._trials.study.user_attrs.get(DELETED, ())
        return deleted or not (joined or self._is_here(run))

    def _is_here(self, run: FrozenTrial) -> bool:
        folder = self._trials.folder_of(run)
        return folder.exists() and folder.is_relative_to(self._trials.paths.folder)

    def delete_other_weights(self, chosen: FrozenTrial) -> None:
        """Deletes the weights of all runs but one."""
        others = [trial.number for trial in self._trials.all() if trial.number != chosen.number]
        self._trials.study.set_user_attr(DELETED, others)
        delete_files(self._trials, others, self._plan.options.weights)

    def delete_weights_of_validation(self) -> None:
        """Deletes the weights of the validation runs; a final model of before stays."""
        measured = [run.number for run in self._trials.all() if run.user_attrs[ROLE] != "final"]
        delete_files(self._trials, measured, self._plan.options.weights)

    def record(
        self, chosen: FrozenTrial, step: int | None, failed: int, comparison: Comparison | None
    ) -> RefitRecord:
        """Returns what came of it."""
        values = {role: [trial.value for trial in self.required(role).values()] for role in ROLES}
        folder = None
        if self._is_here(chosen):
            folder = str(self._trials.folder_of(chosen).relative_to(self._plan.spec.folder))
        assert chosen.value is not None, "it is complete"
        return RefitRecord(
            trial=self.trial.number,
            validation=seed_values(values["validation"]) if values["validation"] else None,
            final=seed_values(values["final"]),
            model=FinalModel(chosen.user_attrs[SEED], chosen.value, folder),
            best_step=step,
            failed=failed,
            comparison=comparison,
        )

    def complete(self, role: Role) -> dict[int, FrozenTrial]:
        """Returns the last complete run of each seed, in the order of the seeds."""
        complete = self._trials.in_state(TrialState.COMPLETE)
        runs = {run.user_attrs[SEED]: run for run in complete if run.user_attrs[ROLE] == role}
        return dict(sorted(runs.items()))

    def required(self, role: Role) -> dict[int, FrozenTrial]:
        """Returns the complete runs, of which there must be one.

        Raises:
            StudyError: If there is none, and not for want of time.
        """
        complete = self.complete(role)
        if complete or (role == "validation" and not self._seeds):
            return complete
        of_role = [trial for trial in self._trials.all() if trial.user_attrs[ROLE] == role]
        reasons = [trial.user_attrs[REASON] for trial in of_role if REASON in trial.user_attrs]
        raise StudyError(
            f"the refit of trial {self.trial.number} has no {role} run: "
            f"{reasons[-1] if reasons else 'none ended'}; the folder is {self._trials.paths.folder}"
            "; the same command tries again"
        )


def was_begun(plan: StudyPlan, trial: FrozenTrial) -> bool:
    """Returns whether there is a refit of a trial already."""
    spec = refit_spec(plan.spec, StudyPaths(plan.spec.folder).refit(trial.number))
    return existing_study(spec, None) is not None


def _worker(plan: StudyPlan, trial: FrozenTrial) -> Worker:
    folder = StudyPaths(plan.spec.folder).refit(trial.number)
    spec = refit_spec(plan.spec, folder)
    composer = plan.worker.composer
    params = as_overrides(trial.params, composer.dimensions)
    return replace(
        plan.worker,
        spec=spec,
        composer=TrialComposer(composer.bases.with_fixed(params, folder), ()),
        sampler=OmegaConf.create(SAMPLERS["random"]),
        pruner=OmegaConf.create(PRUNERS["none"]),
        weights=(),  # they are deleted when the model is chosen
        repeats=Repeats(),
        is_refit=True,
    )


def median_best_step(trials: Trials, runs: Iterable[FrozenTrial]) -> int:
    """Returns the median (the lower of two) of the steps with the best values."""
    steps = [step for run in runs if (step := best_step(trials, run)) is not None]
    if not steps:
        raise StudyError(f"refit asks for {BEST_STEP}, but the trials report no steps")
    return statistics.median_low(steps)
