"""Fixtures: a real `run.py` process in an empty folder, real data where it is, tiny models."""

import copy
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from processes import run_program

from rnnclf.configuration.composed import from_omegaconf, register_schema
from rnnclf.configuration.schema import Config, TrainingConfig
from rnnclf.data.sources import SOURCES

# The tests' own torch has a thread; more threads than cores wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

REPO = Path(__file__).resolve().parents[1]
RUN_PY = REPO / "run.py"
FOREIGN_APP = REPO / "tests" / "foreign_app" / "app.py"
RNNCLF = Path(sys.executable).with_name("rnnclf")

RunCommand = Callable[..., subprocess.CompletedProcess[str]]


def real_data_folder() -> Path | None:
    """The folder of the raw files, if all of them are there."""
    folder = os.environ.get("RNNCLF_DATA")
    names = [raw_file.name for source in SOURCES.values() for raw_file in source.raw_files]
    if folder and all((Path(folder).resolve() / name).exists() for name in names):
        return Path(folder).resolve()
    return None


REAL_DATA = real_data_folder()
CHROMIUM = shutil.which("chromium")


def pytest_report_header() -> str:
    if REAL_DATA is None:
        return "real data: NOT THERE, its tests are skipped (set RNNCLF_DATA to the raw files)"
    return f"real data: {REAL_DATA}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if REAL_DATA is None:
        _skip(items, "real_data", "RNNCLF_DATA has no raw files")
    if CHROMIUM is None:
        _skip(items, "browser", "there is no chromium here (apt-get install chromium)")
    # Together, so that one process makes what they share and no other waits for it.
    items.sort(key=lambda item: "outputs" not in getattr(item, "fixturenames", ()))


def _skip(items: list[pytest.Item], marker: str, reason: str) -> None:
    for item in items:
        if item.get_closest_marker(marker):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Prepared data and locks are in a folder of the tests, which all their processes share."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    os.environ["RNNCLF_CACHE"] = str(shared / "cache")


@pytest.fixture
def run_py(tmp_path: Path) -> RunCommand:
    """Runs `python run.py ARGUMENTS` in an empty folder, where its outputs go."""

    def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        return run_program(RUN_PY, *arguments, cwd=tmp_path, **options)

    return run


@pytest.fixture
def rnnclf() -> RunCommand:
    """Runs the command `rnnclf ARGUMENTS`."""

    def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        return run_program(RNNCLF, *arguments, **options)

    return run


@pytest.fixture
def sweep(tmp_path: Path) -> RunCommand:
    """Runs the foreign application's sweep in an empty folder."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        done = run_program(FOREIGN_APP, "-m", *arguments, cwd=tmp_path)
        done.stdout += done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Callable[..., Path]:
    """Runs `run.py` in a folder that all test processes share; copy it before changing it."""
    shared = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        shared = shared.parent

    def make(name: str, *commands: list[str]) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        with FileLock(shared / f"{name}.lock"):
            if not done.exists():
                folder.mkdir()
                for arguments in commands:
                    run_program(RUN_PY, *arguments, cwd=folder).check_returncode()
                done.touch()
        return folder

    return make


@pytest.fixture(scope="session")
def trained(made_once: Callable[..., Path]) -> Path:
    """The folder of a short run on the embedded data set."""
    settings = ["epochs=2", "lr=0.01", "hidden_size=16", "embedding_size=16"]
    return made_once("trained", [*settings, "hydra.run.dir=run"]) / "run"


@pytest.fixture(scope="session")
def outputs(made_once: Callable[..., Path]) -> Path:
    """The outputs of a study of the embedded data set with its refit, and of a single run."""
    sizes = ["hidden_size=32", "embedding_size=32"]
    study = ["-m", "sweeps=smoke", "cell=gru", "n_trials=3", "pruner=none", "workers=1", *sizes]
    single = ["cell=rnn", "epochs=1", "lr=0.01", "hidden_size=16", "embedding_size=16"]
    return made_once("project", study, single) / "outputs"


@pytest.fixture(scope="module")
def real_result(trained) -> dict:
    """The result.json of a real run."""
    return json.loads((trained / "result.json").read_text())


@pytest.fixture
def write_run(real_result, tmp_path):
    """Writes a folder like that of the real run, with other values."""

    def write(name: str, config: dict | None = None, **changes: object) -> Path:
        result = copy.deepcopy(real_result) | changes
        for key, value in (config or {}).items():
            *parents, last = key.split(".")
            node = result["config"]
            for parent in parents:
                node = node[parent]
            node[last] = value
        result["dataset"] = result["config"]["dataset"]["name"]
        result["cell"] = result["config"]["model"]["cell"]
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(json.dumps(result))
        return folder

    return write


@pytest.fixture
def compare(rnnclf, tmp_path):
    """Runs `rnnclf compare` and returns the rows of its JSON."""

    def run(*arguments: str) -> list[dict]:
        done = rnnclf("compare", "--format", "json", *arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def compose_sweep(*overrides: str) -> DictConfig:
    """Composes the configuration of a sweep, with what is Hydra's own."""
    register_schema()
    with initialize_config_dir(str(REPO / "conf")):
        return compose("config", list(overrides), return_hydra_config=True)


def composed(*overrides: str) -> Config:
    """The configuration that run.py gets for these overrides."""
    register_schema()
    with initialize_config_dir(str(REPO / "conf")):
        return from_omegaconf(compose("config", list(overrides)))


def training_config(**settings: object) -> TrainingConfig:
    """The section `training` of the configuration, with other values."""
    return replace(composed().training, **settings)


def result_of(folder: Path) -> dict:
    """The one result.json somewhere below a folder."""
    (path,) = folder.rglob("result.json")
    return json.loads(path.read_text())
