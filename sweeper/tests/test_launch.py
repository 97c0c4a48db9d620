"""Workers as the jobs of a launcher: signals of a cluster, and jobs that are not waited for."""

import signal
import time
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hydra._internal.callbacks import Callbacks
from hydra.types import HydraContext
from hydra_study_sweeper.budget import Budget
from hydra_study_sweeper.errors import StudyError
from hydra_study_sweeper.options import StudySpec
from hydra_study_sweeper.paths import StudyPaths
from hydra_study_sweeper.signals import Terminated
from hydra_study_sweeper.storage.heartbeat import living, presence
from hydra_study_sweeper.storage.trials import Trials
from hydra_study_sweeper.workers import launch, preemption
from hydra_study_sweeper.workers.launch import _watched
from omegaconf import OmegaConf


def study_with(tmp_path, n_trials: int) -> Trials:
    return Trials(StudySpec("study", tmp_path, None, ("maximize",), n_trials, 5))


def test_jobs_with_nothing_to_do_are_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "UNTIL_LEFT", 0.1)
    trials = study_with(tmp_path, 1)
    trials.complete(trials.claim(), [1.0])
    before, start = signal.getsignal(signal.SIGALRM), time.monotonic()
    with _watched(trials, lambda: None):
        time.sleep(60)
    assert 0.1 < time.monotonic() - start < 10
    assert signal.getsignal(signal.SIGALRM) is before


def test_jobs_are_waited_for_while_a_trial_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "UNTIL_LEFT", 0.0)
    monkeypatch.setattr(launch, "WATCH_SECONDS", 0.05)
    trials = study_with(tmp_path, 1)
    trial = trials.claim()
    ended = False
    with _watched(trials, lambda: None):
        time.sleep(1)
        ended = True
        trials.complete(trial, [1.0])
    assert ended


@pytest.mark.parametrize("seconds", [0.2, 60])
def test_jobs_that_wait_in_a_queue_until_the_time_is_up_are_no_error(
    seconds, tmp_path, monkeypatch
):
    trials = study_with(tmp_path, 2)
    trials.complete(trials.claim(), [1.0])
    budget = Budget(seconds, time.time() + seconds, seeds=0, workers=1, repeats=1)
    trials.spec = replace(trials.spec, budget=budget)
    launcher = SimpleNamespace(launch=lambda jobs, initial_job_idx: time.sleep(0.3) or [])
    plugins = SimpleNamespace(instantiate_launcher=lambda **options: launcher)
    monkeypatch.setattr(launch.Plugins, "instance", lambda: plugins)
    monkeypatch.setattr(launch, "pack", lambda worker: None)
    monkeypatch.setattr(launch, "_jobs", lambda worker, count: [[]])
    worker = SimpleNamespace(context=HydraContext(config_loader=None, callbacks=Callbacks()))
    progress = SimpleNamespace(workers=1, update=lambda: None)
    is_error = pytest.raises(StudyError, match="end without a trial")
    with nullcontext() if seconds < 1 else is_error:
        launch._run_jobs(worker, trials, OmegaConf.create(), progress)


@pytest.mark.parametrize(
    ("workers", "per_gpu", "launcher", "expected"),
    [
        ("auto", 1, "hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher", 8),
        ("auto", 1, "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher", 3),
        ("auto", 4, "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher", 12),
        (5, 1, "hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher", 5),
        (5, 4, "hydra._internal.core_plugins.basic_launcher.BasicLauncher", 5),
    ],
)
def test_auto_is_this_machines_number_here_and_eight_elsewhere(
    workers, per_gpu, launcher, expected, monkeypatch
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    config = OmegaConf.create({"hydra": {"launcher": {"_target_": launcher}}})
    assert launch.number_of_workers(workers, per_gpu, config) == expected


class NotRequeuedError(Exception):
    """What submitit raises in its handler when a job was ended too often."""


@pytest.mark.parametrize("error", [SystemExit(-1), NotRequeuedError("too often")])
def test_what_a_launcher_raises_at_a_warning_is_no_failure_of_the_trial(error):
    def handler(number, frame):
        raise error

    passed = []
    signal.signal(signal.SIGUSR2, handler)
    try:
        with pytest.raises(type(error)) as raised, preemption.heard():
            try:
                signal.raise_signal(signal.SIGUSR2)
            except (Exception, SystemExit) as caught:  # as a trial's own
                pytest.fail(f"the trial saw {caught!r}")
            except BaseException as caught:
                passed.append(caught)
                raise
        assert raised.value is error
        assert isinstance(passed[0], preemption.Preempted)
        assert signal.getsignal(signal.SIGUSR2) is handler
    finally:
        signal.signal(signal.SIGUSR2, signal.SIG_DFL)


def test_what_comes_after_a_warning_does_not_disturb_the_trials_return():
    def handler(number, frame):
        raise SystemExit(-1)

    signal.signal(signal.SIGUSR2, handler)
    try:
        with pytest.raises(SystemExit), preemption.heard():
            try:
                signal.raise_signal(signal.SIGUSR2)
            finally:
                signal.raise_signal(signal.SIGTERM)  # Slurm's, when the job is requeued
    finally:
        signal.signal(signal.SIGUSR2, signal.SIG_DFL)


def test_a_problem_of_the_watcher_ends_the_wait(tmp_path):
    trials = study_with(tmp_path, 1)

    def update():
        raise StudyError("the database is away")

    with pytest.raises(StudyError, match="away"), _watched(trials, update):
        time.sleep(60)


def test_living_workers_are_counted(tmp_path):
    paths = StudyPaths(tmp_path)
    assert living(paths) == 0
    with presence(paths):
        assert living(paths) == 1
    assert living(paths) == 0


def test_sigterm_ends_a_job_though_its_launcher_ignores_it():
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    try:
        with pytest.raises(Terminated), preemption.heard():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("job", "at_a_warning", "waits"),
    [
        ("1", lambda number, frame: None, True),
        ("1", signal.SIG_DFL, False),
        (None, lambda number, frame: None, False),
    ],
    ids=["submitit's job in Slurm", "a study within a job", "submitit's job elsewhere"],
)
def test_a_job_of_slurm_that_gets_sigterm_waits_for_its_end(monkeypatch, job, at_a_warning, waits):
    """Slurm queues a preempted job again only if it has not ended by itself."""
    monkeypatch.setattr(preemption, "UNTIL_SLURM_KILLS", 0.5)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    if job:
        monkeypatch.setenv("SLURM_JOB_ID", job)
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGUSR2, at_a_warning)
    start = time.monotonic()
    try:
        with pytest.raises(Terminated), preemption.heard():
            signal.raise_signal(signal.SIGTERM)
        assert (time.monotonic() - start > 0.4) is waits
        assert signal.getsignal(signal.SIGTERM) == before
    finally:
        signal.signal(signal.SIGUSR2, signal.SIG_DFL)
