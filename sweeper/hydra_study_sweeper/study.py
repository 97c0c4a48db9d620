"""One study from start to end: open it, join or own it, search, record, refit the winner."""

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

import filelock
import optuna
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig
from optuna.trial import FrozenTrial

from hydra_study_sweeper.errors import ConfigError, StudyError
from hydra_study_sweeper.files import RecordError, refuse_links
from hydra_study_sweeper.options import StudySpec
from hydra_study_sweeper.output.best import write_best
from hydra_study_sweeper.output.messages import (
    describe_outcome,
    duration,
    next_commands,
    outcome_in_short,
    problem,
)
from hydra_study_sweeper.output.outcome import (
    write_multirun,
    write_results,
    write_study,
    write_trials,
)
from hydra_study_sweeper.output.progress import StudyProgress
from hydra_study_sweeper.output.queue import Queue
from hydra_study_sweeper.paths import StudyPaths, shown
from hydra_study_sweeper.plan import StudyPlan
from hydra_study_sweeper.planning import make_plans
from hydra_study_sweeper.printable import counted
from hydra_study_sweeper.records import RefitRecord, StudyRecord, read_study
from hydra_study_sweeper.refit import refit_winner
from hydra_study_sweeper.reporting import KNOWN
from hydra_study_sweeper.space.fingerprint import (
    ATTRIBUTE,
    SPACE,
    Fingerprint,
    differences,
    fingerprint_of,
)
from hydra_study_sweeper.storage.existing import (
    INSTEAD,
    existing_study,
    has_other_files,
    has_records,
)
from hydra_study_sweeper.storage.locks import Lock, owner_lock
from hydra_study_sweeper.storage.opening import check_storage, open_storage
from hydra_study_sweeper.storage.trials import Trials
from hydra_study_sweeper.tracking.mirror import Mirror, tracker_class
from hydra_study_sweeper.tracking.studies import StudyEntries
from hydra_study_sweeper.workers.launch import run_trials, wait_for_others
from hydra_study_sweeper.workers.pool import Pool

log = logging.getLogger(__name__)


def run_studies(
    master: DictConfig, overrides: Sequence[str], context: HydraContext, task: TaskFunction
) -> list[StudyRecord]:
    """Runs or continues the studies that a command line asks for.

    Returns:
        The record of each; nothing for a dry run.

    Raises:
        ConfigError: If the sweep is wrong, or an old study in its place is another one.
        StudyError: If a study cannot continue, or has no result.
        KeyboardInterrupt: On Ctrl-C; every trial that has ended is kept.
    """
    since = began = time.time()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    plans = make_plans(master, overrides, context, task)
    if master.hydra.sweeper.dry_run:
        _log_lines(line for plan in plans for line in plan.lines())
        log.info("next: the same command without dry_run")
        return []
    if master.hydra.sweeper.tracking is not None:
        tracker_class(master.hydra.sweeper.tracking)  # a missing library is said before anything
    plans = [_continuing(plan) for plan in plans]
    queue = Queue([plan.queued for plan in plans])
    preload = dict.fromkeys(module for plan in plans for module in plan.options.preload)
    records = []
    with Pool(list(preload)) as pool:
        for plan in plans:
            record = run_study(plan.with_budget(since, len(plans)), pool, queue)
            since = time.time()
            queue.outcomes.append(outcome_in_short(record, plan.spec.names))
            records.append(record)
    if len(plans) > 1:
        _log_lines(queue.lines())
    if (minutes := master.hydra.sweeper.minutes) is not None:
        log.info("took %s of %g min", duration(time.time() - began), minutes)
    problems = [f"{record.name}: {reason}" for record in records if (reason := problem(record))]
    if problems:
        raise StudyError("; ".join(problems))
    _log_lines(next_commands(plans[0].options.next, plans[0].spec.folder, records))
    return records


def run_study(plan: StudyPlan, pool: Pool, queue: Queue) -> StudyRecord:
    """Runs or continues one study to its end.

    Args:
        plan: The study.
        pool: The worker processes of this command.
        queue: The studies of this command.

    Returns:
        Its record.
    """
    if plan.options.restart:
        _put_aside(plan.spec)
    trials = _open(plan)
    owner = owner_lock(plan.spec)
    is_alone = _take_if_free(owner)
    if not is_alone:
        _join(plan, trials, pool, queue)
        owner.acquire()
    try:
        wait_for_others(trials)
        if is_alone:
            trials.resume()
        told = _telling_how_far(trials, restarted=plan.options.restart)
        with told, _tracked(plan):
            record = _search_and_refit(plan, trials, pool, queue, joined=not is_alone)
    finally:
        owner.release()
    _log_lines(describe_outcome(trials, record))
    return record


def _tracked(plan: StudyPlan) -> contextlib.AbstractContextManager[object]:
    """Mirrors the study into its tracker while the block runs, if it has one."""
    name = plan.options.tracking
    if name is None:
        return contextlib.nullcontext()
    return Mirror(name, plan.spec.folder, StudyEntries(plan.spec))


def _open(plan: StudyPlan) -> Trials:
    """Opens a study, which is made as planned if it is new, and queues its first points."""
    if plan.spec.storage or not plan.continues:
        plan.spec.folder.mkdir(parents=True, exist_ok=True)
    trials = Trials(plan.spec, begun=plan.continues)
    _log_lines(plan.warnings)
    with trials.lock:
        old = fingerprint_of(trials.study)
        _refuse_differences(plan, old)
        if old is None:
            trials.take_over(plan.known.trials)
            # Before its points, which would be in the queue of whoever comes next.
            trials.study.set_user_attr(ATTRIBUTE, plan.fingerprint)
        if trials.remaining() > 0:
            for point in plan.first:
                if not trials.was_queued(point):
                    trials.enqueue(point, {KNOWN: True} if point in plan.known.points else None)
    write_multirun(trials.paths, plan.worker.composer.bases.master)
    return trials


def _join(plan: StudyPlan, trials: Trials, pool: Pool, queue: Queue) -> None:
    """Runs trials beside the process that owns the study."""
    log.info("another process runs study %s; this one runs trials of it too", queue.title)
    _search(plan, trials, pool, queue)
    log.info("waiting until the other process has ended the study")


def _search_and_refit(
    plan: StudyPlan, trials: Trials, pool: Pool, queue: Queue, *, joined: bool
) -> StudyRecord:
    refit = None
    try:
        _search(plan, trials, pool, queue)
        best = trials.ranked()
        if best and plan.seeds and not trials.stopped:
            if not trials.paths.record.exists():
                _record(plan, trials, None)  # a refit may take hours
            refit = refit_winner(plan, trials, best[0], pool, queue, joined=joined)
    finally:
        record = _record(plan, trials, refit)
    return record


def _search(plan: StudyPlan, trials: Trials, pool: Pool, queue: Queue) -> None:
    missing = trials.remaining()
    if missing <= 0:
        log.info("study %s has all its trials already", queue.title)
        return
    done = trials.total() - missing
    after = f" after {done}" if done else ""
    log.info(
        "study %s: %s to go%s, in %s",
        queue.title,
        counted(missing, "trial"),
        after,
        shown(trials.paths.folder),
    )
    log.info("%s", plan.how())
    progress = StudyProgress(trials, queue.title, plan.workers, queue, plan.queued.refit)
    run_trials(plan.worker, trials, plan.config, pool, progress)


def _record(plan: StudyPlan, trials: Trials, refit: RefitRecord | None) -> StudyRecord:
    """Writes the files with the results of a study.

    An earlier refit stays as long as the best trial is the one that won before: a study that is
    continued with more trials has a final model before they have ended.
    """
    composer, repeats = plan.worker.composer, plan.worker.repeats.count
    write_trials(trials)
    if best := trials.ranked():
        refit = refit or _earlier_refit(trials, best[0])
        chosen = next((t for t in best if refit and t.number == refit.trial), best[0])
        write_best(trials, chosen, composer.compose(chosen.number, chosen.params))
        write_results(trials)
    return write_study(trials, composer.dimensions, composer.bases.overrides, repeats, refit)


def _earlier_refit(trials: Trials, winner: FrozenTrial) -> RefitRecord | None:
    try:
        refit = read_study(trials.paths.folder).refit
    except RecordError:  # there is none yet; a damaged one is written again
        return None
    return refit if refit and refit.winner == winner.number else None


def _continuing(plan: StudyPlan) -> StudyPlan:
    """Returns the plan with the name of the study that it continues, if it continues one.

    Raises:
        ConfigError: If there is a study in its place that is another one, or a link in its folder
            leads elsewhere.
    """
    check_storage(plan.spec)
    try:
        refuse_links(plan.spec.folder)
    except OSError as error:
        raise ConfigError(f"{error.filename} is {error.strerror}; delete it first") from error
    if plan.options.restart:
        return plan
    has_others = has_other_files(plan.spec)  # first: another command may just begin the study
    study = existing_study(plan.spec, plan.options.study_name)
    if study is None:
        if has_others:
            what = "is a file" if plan.spec.folder.is_file() else "has files but no study"
            raise ConfigError(f"{shown(plan.spec.folder)} {what}; choose another hydra.sweep.dir")
        return plan
    _refuse_differences(plan, fingerprint_of(study))
    return replace(plan.with_spec(name=study.study_name), continues=True)


def _refuse_differences(plan: StudyPlan, old: Fingerprint | None) -> None:
    found = differences(old, plan.fingerprint, plan.options.ignore) if old else []
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        keys = [one.ignorable for one in found]
        ignore = ""
        if all(keys):
            listed = ", ".join(dict.fromkeys(map(str, keys)))
            ignore = f"add {listed} to hydra.sweeper.ignore if results stay the same, "
        folder = shown(plan.spec.folder)
        learning = ""
        if all(one.part == SPACE for one in found):
            learning = f"; hydra.sweeper.warm_start=[{folder}] lets the new one learn from it"
        raise ConfigError(
            f"{folder} holds a study that differs: {found[0]}{more}; "
            f"continue it as it was, {ignore}{INSTEAD}{learning}"
        )


def _put_aside(spec: StudySpec) -> None:
    """Moves an old study away, and in a database renames it."""
    now = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    paths = StudyPaths(spec.folder)
    storage = open_storage(spec) if spec.storage else None
    is_stored = storage is not None and spec.name in optuna.get_all_study_names(storage)
    if spec.folder.exists():
        if not (paths.journal.exists() or has_records(paths) or is_stored):
            raise ConfigError(
                f"{shown(spec.folder)} holds no study that hydra.sweeper.restart=true could put "
                "aside"
            )
        owner = owner_lock(spec)
        if not _take_if_free(owner):
            raise StudyError(f"another process is running the study in {paths.folder}")
        try:
            aside = spec.folder.with_name(f"{spec.folder.name}.{now}")
            spec.folder.rename(aside)
        finally:
            owner.release()
        log.info("the old study is now in %s", shown(aside))
    if storage is not None and is_stored:
        optuna.copy_study(
            from_study_name=spec.name,
            from_storage=storage,
            to_storage=storage,
            to_study_name=f"{spec.name}.{now}",
        )
        optuna.delete_study(study_name=spec.name, storage=storage)


def _take_if_free(lock: Lock) -> bool:
    """Takes a lock if nobody else holds it, and tells whether it did."""
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return False
    return True


@contextlib.contextmanager
def _telling_how_far(trials: Trials, *, restarted: bool) -> Iterator[None]:
    """Adds the number of ended trials to the message of an interruption."""
    without = " without restart" if restarted else ""
    try:
        yield
    except KeyboardInterrupt as error:
        ended = trials.total() - trials.remaining()
        raise type(error)(
            f"{str(error) or 'interrupted'} after {ended} of {trials.total()} trials "
            f"of {trials.spec.name}; the same command{without} continues"
        ) from None  # the frames of the sweeper's own waiting tell nothing


def _log_lines(lines: Iterator[str] | Sequence[str]) -> None:
    for line in lines:
        log.info("%s", line)
