"""Hydra's own suites for launchers, run by the sweeper that `SWEEPER` in the environment names.

Adapted, for both sweepers alike:
- `returns` are made from the folders of the jobs, sorted by their overrides, since neither sweeper
  returns the jobs as Hydra's basic one does;
- the grid sampler is used, so that each combination is tried once;
- the applications of the integration suite return a number, not None;
- batches are cut from the jobs in their order: `study` has none.

Adapted for `study` alone:
- the integration suite, which searches nothing, gets a key with one choice, which it leaves out of
  the names of folders; its sweeps begin anew where it uses a folder twice.
"""

import os
from pathlib import Path

import pytest
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.test_utils import test_utils
from hydra.test_utils.launcher_common_tests import (
    BatchedSweeperTestSuite,
    IntegrationTestSuite,
    LauncherTestSuite,
)
from hydra.test_utils.test_utils import SweepTaskFunction
from omegaconf import OmegaConf

SWEEPER = os.environ["SWEEPER"]
ONE_AT_A_TIME = {"study": "hydra.sweeper.workers=1", "optuna": "hydra.sweeper.n_jobs=1"}[SWEEPER]
ONE_JOB = [f"hydra/sweeper={SWEEPER}", "hydra.sweeper.n_trials=1", ONE_AT_A_TIME]
GRID = [
    *(f"hydra/sweeper={SWEEPER}", "hydra/sweeper/sampler=grid"),
    *("hydra.sweeper.n_trials=100", ONE_AT_A_TIME),
]
SEARCHED = "+searched=choice(1)"
LEFT_OUT = "hydra.job.config.override_dirname.exclude_keys=[seed,searched,+searched]"
QUIET = ["hydra/launcher=basic", "hydra/hydra_logging=disabled", "hydra/job_logging=disabled"]
FILES = ("overrides", "config", "hydra")

Plugins.instance()  # registers them before the suites save and restore what is registered


class Sweep(SweepTaskFunction):
    """A sweep whose jobs are read from their folders."""

    def __enter__(self) -> "Sweep":
        super().__enter__()
        folders = [path.parent for path in Path(self.temp_dir).glob("*/.hydra")]
        jobs = sorted(map(job_of, folders), key=lambda job: job.overrides)
        size = 2 if self.is_batched else len(jobs)
        self.returns = [jobs[first : first + size] for first in range(0, len(jobs), size or 1)]
        return self


def job_of(folder: Path) -> JobReturn:
    """What Hydra would have returned for the job of a folder, except for its value."""
    read = {name: OmegaConf.load(folder / ".hydra" / f"{name}.yaml") for name in FILES}
    job = JobReturn(
        overrides=list(read["overrides"]),
        cfg=read["config"],
        hydra_cfg=read["hydra"],
        working_dir=str(folder),
        task_name=read["hydra"].hydra.job.name,
        status=JobStatus.COMPLETED,
    )
    job.return_value = None
    return job


@pytest.fixture
def hydra_sweep_runner(request):
    def run(*, overrides, temp_dir=None, **options):
        sweep = Sweep()
        sweep.is_batched = issubclass(request.cls, BatchedSweeperTestSuite)
        sweep.overrides, sweep.temp_dir = overrides, str(temp_dir)
        for name, value in options.items():
            setattr(sweep, name, value)
        return sweep

    return run


@pytest.mark.parametrize(("launcher_name", "overrides"), [("basic", GRID)])
class TestLauncher(LauncherTestSuite):
    @pytest.fixture(autouse=True)
    def own_list(self, overrides):
        """The suite extends the list that it is given."""
        before = list(overrides)
        yield
        overrides[:] = before


@pytest.mark.parametrize(("launcher_name", "overrides"), [("basic", GRID)])
class TestBatches(BatchedSweeperTestSuite):
    pass


FOR_STUDY = [SEARCHED, LEFT_OUT, "hydra.sweeper.restart=true"] if SWEEPER == "study" else []
FLAGS = ["-m", *ONE_JOB, *QUIET, *FOR_STUDY]


@pytest.mark.parametrize(("task_launcher_cfg", "extra_flags"), [({}, FLAGS)])
class TestIntegration(IntegrationTestSuite):
    @pytest.fixture(autouse=True)
    def returns_a_number(self, monkeypatch):
        original = test_utils._get_statements

        def with_value(indent, statements):
            return original(indent, statements) + (f"{indent}return 0.0\n" if indent else "")

        monkeypatch.setattr(test_utils, "_get_statements", with_value)
