"""Fixtures: a real `run.py` process in an empty folder, real data where it is, tiny models."""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import processes
import pytest
from once import make_once, shared_folder
from processes import Program, run_program
from project import CHROMIUM, REAL_DATA, RNNCLF, RUN_PY, STUDY_COMMAND

# The tests' own torch has a thread; more threads than cores wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

processes.preload(
    *(
        "rnnclf.cli.commands",
        "rnnclf.training.run",
        "rnnclf.data.torchtext_adapter",
        "rnnclf.training.precheck",
        "rnnclf.report.page",
    ),
    *("rnnclf.bundles.verify", "rnnclf.bundles.export", "rnnclf.bundles.submission.archive"),
    *("sklearn.svm", "sklearn.feature_extraction.text", "optuna.importance"),
    *("onnx", "onnxruntime"),
    *("rnnclf.configuration.complaints", "rich._emoji_codes", "warm_classifier"),
    folder=Path(__file__).parent,
)

RunCommand = Callable[..., subprocess.CompletedProcess[str]]


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores, since studies wait a part of their time."""
    return len(os.sched_getaffinity(0)) + 1


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
    cache = str(shared_folder(tmp_path_factory) / "cache")
    os.environ["RNNCLF_CACHE"] = os.environ["XDG_CACHE_HOME"] = cache


@pytest.fixture(autouse=True)
def denormals() -> Iterator[None]:
    """A run in the tests' own process turns them off, and Hypothesis needs them."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


@pytest.fixture
def run_py(tmp_path: Path) -> RunCommand:
    """Runs `python run.py ARGUMENTS` in an empty folder, where its outputs go."""

    def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        return run_program(RUN_PY, *arguments, cwd=tmp_path, **options)

    return run


@pytest.fixture
def start_run_py(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Starts `python run.py ARGUMENTS` there; what still runs after the test is killed."""
    with ExitStack() as running:

        def start(*arguments: str) -> Program:
            return running.enter_context(Program(RUN_PY, *arguments, cwd=tmp_path))

        yield start


@pytest.fixture
def rnnclf() -> RunCommand:
    """Runs the command `rnnclf ARGUMENTS`."""

    def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        return run_program(RNNCLF, *arguments, **options)

    return run


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Runs `run.py` in a folder that all test processes share; copy it before changing it."""

    def made(name: str, *commands: list[str]) -> Path:
        def run(folder: Path) -> None:
            for arguments in commands:
                ended = run_program(RUN_PY, *arguments, cwd=folder)
                assert (ended.returncode, ended.stderr) == (0, "")

        return make_once(shared_folder(tmp_path_factory) / name, run)

    return made


@pytest.fixture(scope="session")
def trained(made_once: Callable[..., Path]) -> Path:
    """The folder of a short run on the built-in data set."""
    settings = ["epochs=2", "lr=0.01", "hidden_size=16", "embedding_size=16"]
    return made_once("trained", [*settings, "hydra.run.dir=run"]) / "run"


@pytest.fixture(scope="session")
def outputs(made_once: Callable[..., Path]) -> Path:
    """The outputs of a study of the built-in data set with its refit, and of a single run."""
    single = ["cell=rnn", "epochs=1", "lr=0.01", "hidden_size=16", "embedding_size=16"]
    return made_once("project", STUDY_COMMAND, single) / "outputs"


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
