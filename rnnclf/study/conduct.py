"""One study after the other: reopened or made, searched, recorded, and its winner trained again."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

import filelock
import optuna
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from rnnclf.errors import ConfigError, StudyError
from rnnclf.study.agenda import Agenda
from rnnclf.study.cleaning import ranked
from rnnclf.study.definition import Definition, differences
from rnnclf.study.launch import launch_workers, wait_for_others
from rnnclf.study.messages import best_values, describe_outcome, describe_plan, spread_of
from rnnclf.study.outcome import write_outcome
from rnnclf.study.paths import StudyPaths
from rnnclf.study.plan import StudyPlan, make_plans, with_deadline
from rnnclf.study.refit import VALIDATE, refit_winner
from rnnclf.study.storage import check_storage, open_storage, owner_lock
from rnnclf.study.trials import StudySpec, Trials

log = logging.getLogger(__name__)
DEFINITION = "definition"  # the attribute of a study that holds it


def conduct(
    master: DictConfig, arguments: Sequence[str], context: HydraContext, task: TaskFunction
) -> list[dict[str, Any]]:
    """Runs or continues each study that a command line asks for.

    Returns:
        What each `study.json` says; nothing for a dry run.

    Raises:
        ConfigError: If the sweep is wrong, or an old study in its place is another one.
        StudyError: If a study cannot go on.
        KeyboardInterrupt: On Ctrl-C; everything that ended is kept.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    plans = make_plans(master, arguments, context, task)
    if master.hydra.sweeper.dry_run:
        for plan in plans:
            for line in describe_plan(plan):
                log.info("%s", line)
        return []
    for plan in plans:
        check_storage(plan.spec.storage)
        _check_journal(plan)
    agenda = Agenda([(plan.spec.name, plan.spec.n_trials) for plan in plans])
    summaries = []
    for plan in plans:
        summary = _conduct_one(with_deadline(plan), agenda)
        agenda.outcomes.append(_outcome(summary))
        summaries.append(summary)
    if len(plans) > 1:
        for line in agenda.lines():
            log.info("%s", line)
    problems = [problem for summary in summaries if (problem := _problem(summary))]
    if problems:
        raise StudyError("; ".join(problems))
    return summaries


def _problem(summary: Mapping[str, Any]) -> str | None:
    """Says why a study came to nothing, if it did, and what to do."""
    if summary["stopped"]:
        return f"{summary['name']} stopped: {summary['stopped']}; the same command continues"
    if summary["best"]:
        return None
    first = f"; the first failure: {summary['first_failure']}" if summary["first_failure"] else ""
    anew = "hydra.sweeper.restart=true begins anew"
    on = anew if summary["finished"] else "the same command continues"
    return f"{summary['name']}: no trial ended well{first}; {on}"


def _outcome(summary: Mapping[str, Any]) -> str:
    """Says in a few words what came of a study."""
    if problem := _problem(summary):
        return problem.removeprefix(f"{summary['name']} ").removeprefix(f"{summary['name']}: ")
    best = " or ".join(best_values(best) for best in summary["best"])
    refit = summary["refit"]
    return f"best {best}" + (f", trained again {spread_of(refit[VALIDATE])}" if refit else "")


def _conduct_one(plan: StudyPlan, agenda: Agenda) -> dict[str, Any]:
    paths = StudyPaths(plan.spec.folder)
    if plan.options.restart:
        _put_aside(plan.spec)
    paths.folder.mkdir(parents=True, exist_ok=True)
    for warning in plan.warnings:
        log.info("%s", warning)
    with _owning(plan.spec, partial(_search_beside, plan, agenda)) as is_alone:
        trials = Trials(plan.spec)
        wait_for_others(trials)
        _agree(trials, plan)
        if is_alone:
            trials.resume()
        refit = None
        try:
            _search(plan, trials, agenda)
            best = ranked(trials.study)
            if best and plan.options.refit.seeds and not trials.stopped and _single(plan):
                refit = refit_winner(plan, trials.study, best[0], agenda)
        except KeyboardInterrupt as error:
            ended = plan.spec.n_trials - trials.remaining()
            raise type(error)(
                f"{str(error) or 'interrupted'} after {ended} of {plan.spec.n_trials} trials "
                f"of {plan.spec.name}; the same command continues"
            ) from error
        finally:
            summary = write_outcome(plan, trials, refit)
    for line in describe_outcome(plan, summary):
        log.info("%s", line)
    return summary


def _search_beside(plan: StudyPlan, agenda: Agenda) -> None:
    """Runs trials beside the process that runs the study."""
    log.info("another process runs study %s; its trials are shared", agenda.title)
    trials = Trials(plan.spec)
    _agree(trials, plan)
    _search(plan, trials, agenda)
    log.info("waiting for that process to end the study")


def _search(plan: StudyPlan, trials: Trials, agenda: Agenda) -> None:
    missing = trials.remaining()
    if missing <= 0:
        log.info("study %s is finished: it has its trials", agenda.title)
        return
    done = plan.spec.n_trials - missing
    log.info(
        "study %s: %d trials to go%s, in %s",
        *(agenda.title, missing, f" after {done}" if done else "", plan.spec.folder),
    )
    launch_workers(plan.worker, plan.config, plan.options.workers, agenda.title, agenda)


def _single(plan: StudyPlan) -> bool:
    return len(plan.spec.directions) == 1


def _agree(trials: Trials, plan: StudyPlan) -> None:
    """Makes a new study what the plan says, or makes sure that an old one is that.

    Raises:
        ConfigError: If the old study is another one.
    """
    with trials.lock:
        old: Definition | None = trials.study.user_attrs.get(DEFINITION)
        _refuse_differences(plan, old)
        if trials.remaining() > 0:
            for point in plan.queue:
                trials.study.enqueue_trial(point, skip_if_exists=True)
        if old is None:
            trials.study.set_user_attr(DEFINITION, plan.definition)


def _check_journal(plan: StudyPlan) -> None:
    """Makes sure, before any study begins, that an old one in the place of this one can go on.

    Raises:
        ConfigError: If it cannot.
    """
    if StudyPaths(plan.spec.folder).journal.exists() and not plan.options.restart:
        _refuse_differences(plan, Trials(plan.spec).study.user_attrs.get(DEFINITION))


def _refuse_differences(plan: StudyPlan, old: Definition | None) -> None:
    if old is None:
        return
    found = differences(old, plan.definition)
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise ConfigError(
            f"{plan.spec.folder} holds a study that differs: {found[0]}{more}; continue it as it "
            "was, put it aside with hydra.sweeper.restart=true, or choose another hydra.sweep.dir"
        )


@contextmanager
def _owning(spec: StudySpec, otherwise: Callable[[], None]) -> Iterator[bool]:
    """Makes this process the one that ends the study.

    Args:
        spec: The study.
        otherwise: Is called if another process is that; this one then waits for its end.

    Yields:
        Whether there was no other.
    """
    lock = owner_lock(spec.storage, spec.name, StudyPaths(spec.folder))
    is_alone = True
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        is_alone = False
        otherwise()
        lock.acquire()
    try:
        yield is_alone
    finally:
        lock.release()


def _put_aside(spec: StudySpec) -> None:
    """Moves an old study away, and in a database renames it."""
    now = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    paths = StudyPaths(spec.folder)
    if spec.folder.exists():
        if not (paths.journal.exists() or paths.summary.exists() or spec.storage):
            raise ConfigError(
                f"{spec.folder} holds no study that hydra.sweeper.restart=true could put aside"
            )

        def refuse() -> None:
            raise StudyError(f"another process is running the study in {paths.folder}")

        with _owning(spec, refuse):
            aside = spec.folder.with_name(f"{spec.folder.name}.{now}")
            spec.folder.rename(aside)
        log.info("the old study is in %s now", aside)
    if spec.storage is None:
        return
    storage = open_storage(spec.storage, paths)
    if spec.name in optuna.get_all_study_names(storage):
        optuna.copy_study(
            from_study_name=spec.name,
            from_storage=storage,
            to_storage=storage,
            to_study_name=f"{spec.name}.{now}",
        )
        optuna.delete_study(study_name=spec.name, storage=storage)
