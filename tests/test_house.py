"""The structure: imports go one way, files and functions stay small, start-up stays light."""

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from project import REPO, RUN_PY

# Rooms from bottom to top; a module may import from rooms below its own and from its own.
RNNCLF = (
    {"errors"},
    {"files"},
    {"configuration"},
    {"data"},
    {"model"},
    {"training", "runs"},
    {"bundles"},
    {"report"},
    {"cli"},
    {"__main__"},
)
SWEEPER = (
    {
        "errors",
        "signals",
        "printable",
        "paths",
        "files",
        "reporting",
        "streams",
        "versions",
        "budget",
    },
    {"records", "options"},
    {"intervals", "space", "storage"},
    {"output", "tracking"},
    {"workers"},
    {"plan"},
    {"planning"},
    {"refit_runs"},
    {"refit"},
    {"study"},
    {"plugin"},
)
PACKAGES = {"rnnclf": REPO / "rnnclf", "hydra_study_sweeper": REPO / "sweeper/hydra_study_sweeper"}
ROOMS = {"rnnclf": RNNCLF, "hydra_study_sweeper": SWEEPER}
FOREIGN_TO_THE_SWEEPER = {"rnnclf", "torch", "torchtext", "sklearn", "scipy", "matplotlib"}
KNOW_HYDRA = {"configuration", "cli"}
OPENING_CALL = re.compile(
    r"(?<![\w.])open\(|\.(open|(read|write)_(text|bytes))\(|\b(load|save)_file\(|safe_open\("
    r"|shutil\.(copy|move)\w*\(|(np|numpy|OmegaConf|onnx)\.(load|save|fromfile|memmap|loadtxt)\("
    r"|(FileIO|GzipFile|InferenceSession|ParquetFile|TarFile|ZipFile)\(|read_(csv|parquet)\("
)
OPENING = {  # how often, and why not by the readers and writers of files.py
    "rnnclf/bundles/export.py": (3, "a file of the package"),
    "rnnclf/bundles/onnx_page.py": (2, "a script by itself, beside its graph"),
    "rnnclf/bundles/submission/archive.py": (4, "the project's own code"),
    "rnnclf/bundles/submission/unpack.py": (3, "members of a checked zip file"),
    "rnnclf/cli/project.py": (2, "files of the package, written where no file was"),
    "rnnclf/cli/train.py": (1, "a file of the package"),
    "rnnclf/data/archives.py": (1, "checked archives, member by member"),
    "rnnclf/data/cache.py": (3, "the user's own cache"),
    "rnnclf/data/download.py": (3, "raw files in the user's own folder"),
    "rnnclf/data/overview.py": (1, "the user's own conf/dataset/"),
    "rnnclf/data/sources.py": (1, "raw files in the user's own folder"),
    "rnnclf/data/tables/formats.py": (1, "bytes that were read before"),
    "rnnclf/data/tables/streams.py": (2, "a pipe that the user names"),
    "rnnclf/files/answers.py": (1, "written, in a folder of its own"),
    "rnnclf/files/epochs.py": (1, "written, never through a link"),
    "rnnclf/files/predictions.py": (1, "written, in a folder of its own"),
    "rnnclf/files/tensors.py": (1, "written, in a folder of its own"),
    "rnnclf/model/store.py": (1, "safetensors maps a file that was checked before"),
    "rnnclf/report/page.py": (1, "files of the package"),
    "rnnclf/training/checkpoint.py": (1, "safetensors maps a file that was checked before"),
    "rnnclf/training/progress.py": (1, "written, never through a link"),
    "sweeper/hydra_study_sweeper/files.py": (4, "the readers and writers for all others"),
    "sweeper/hydra_study_sweeper/output/outcome.py": (1, "written, in a folder of its own"),
    "sweeper/hydra_study_sweeper/storage/journal.py": (1, "the journal, checked before"),
    "sweeper/hydra_study_sweeper/storage/locks.py": (1, "a file without content"),
    "sweeper/hydra_study_sweeper/streams.py": (2, "the null device"),
    "sweeper/hydra_study_sweeper/tracking/tensorboard.py": (1, "files that the study just wrote"),
    "sweeper/hydra_study_sweeper/workers/main_module.py": (1, "the application's own script"),
    "sweeper/hydra_study_sweeper/workers/pool.py": (1, "the log of a worker, checked before"),
    "sweeper/hydra_study_sweeper/workers/process.py": (1, "the log of a worker"),
}
LONG, TOO_LONG = 300, 400  # lines of a file
LONGEST_FUNCTION = 60  # lines without the docstring

SOURCES = sorted(path for folder in PACKAGES.values() for path in folder.rglob("*.py"))
IN_RNNCLF = [path for path in SOURCES if PACKAGES["rnnclf"] in path.parents]
IN_SWEEPER = [path for path in SOURCES if PACKAGES["hydra_study_sweeper"] in path.parents]


@functools.cache
def trees() -> dict[Path, ast.Module]:
    files = [*SOURCES, REPO / "run.py"]
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in files}


def module(path: Path) -> list[str]:
    """The full name of a module, in parts."""
    (root,) = (folder for folder in PACKAGES.values() if folder in path.parents)
    parts = path.relative_to(root.parent).with_suffix("").parts
    return [part for part in parts if part != "__init__"]


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def floor(package: str, room: str) -> int:
    (number,) = [number for number, rooms in enumerate(ROOMS[package]) if room in rooms]
    return number


def test_imports_go_down_from_room_to_room():
    for path in SOURCES:
        package, *rest = module(path)
        if not rest:
            continue  # the face of a package hands on what is inside
        for name in imports(trees()[path]):
            if name.startswith(f"{package}."):
                of_import = floor(package, name.split(".")[1])
                assert of_import <= floor(package, rest[0]), f"{path} imports {name}"


def test_every_room_is_known_and_there_are_few():
    for package, rooms in ROOMS.items():
        names = {
            parts[1] for path in SOURCES if (parts := module(path))[0] == package and parts[1:]
        }
        assert names == set().union(*rooms)
    assert len(set().union(*RNNCLF) - {"__main__"}) <= 10


def test_no_module_imports_itself_by_way_of_others():
    modules = {".".join(module(path)): path for path in SOURCES}
    graph = {name: set(imports(trees()[path])) & modules.keys() for name, path in modules.items()}
    faces = set(PACKAGES)
    graph = {name: names - faces for name, names in graph.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(modules)


def test_the_sweeper_knows_nothing_of_classifiers():
    for path in IN_SWEEPER:
        known = {name.split(".")[0] for name in imports(trees()[path])}
        assert not known & FOREIGN_TO_THE_SWEEPER, path


def test_only_the_adapter_knows_torchtext():
    users = {
        path.stem
        for path in SOURCES
        if any(n.split(".")[0] == "torchtext" for n in imports(trees()[path]))
    }
    assert users == {"torchtext_adapter"}


def test_only_the_edge_of_the_classifier_knows_hydra():
    users = {
        module(path)[1]
        for path in IN_RNNCLF
        if any(name.split(".")[0] == "hydra" for name in imports(trees()[path]))
    }
    assert users <= KNOW_HYDRA


def test_nothing_is_unpickled_but_what_a_process_or_its_parent_has_pickled():
    for path, tree in trees().items():
        known = {"pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal"} & set(
            imports(tree)
        )
        assert not known or path.name in {"parcel.py", "composing.py"}, path
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "torch.load":
                pytest.fail(f"{path}: torch.load")


PRIVATE = {  # names of Hydra and Optuna that are not public, and why there is no other way
    "database.py": {"_get_stale_trial_ids"},  # fail_stale_trials fails them itself, at first sight
    # OmegaConf lists no resolvers and gives none back; Hydra has no hook where a run begins.
    "versions.py": {"_resolvers", "_run_hydra"},
}


def test_no_other_private_name_of_hydra_or_optuna_is_used():
    ours = {name for tree in trees().values() for name in defined(tree)}
    for path in IN_SWEEPER:
        used = {
            node.attr
            for node in ast.walk(trees()[path])
            if isinstance(node, ast.Attribute) and node.attr.startswith("_")
            if not node.attr.startswith("__")
        }
        modules = [name for name in imports(trees()[path]) if "._" in name]
        assert modules == [], path
        foreign = used - ours - {"_exit"}  # of os
        assert foreign == PRIVATE.get(path.name, set()), path


def defined(tree: ast.AST) -> Iterator[str]:
    """Names that a module gives to functions, classes and attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if ast.unparse(node.value) == "self":
                yield node.attr
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def test_the_private_names_are_still_there():
    import hydra  # noqa: F401 -- its module `main`
    from omegaconf.basecontainer import BaseContainer
    from optuna.storages import RDBStorage

    assert callable(RDBStorage._get_stale_trial_ids), "stale workers of a database are found by it"
    assert isinstance(BaseContainer._resolvers, dict)
    assert callable(sys.modules["hydra.main"]._run_hydra)


def test_no_value_of_a_configuration_has_a_second_default():
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                called_on = ast.unparse(node.func.value)
                is_checked = path.name == "result.py"  # somebody else's, whose types are checked
                assert is_checked or not (node.func.attr == "get" and "config" in called_on), path


def test_files_and_functions_are_small():
    for path, tree in trees().items():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= TOO_LONG, path
        if lines > LONG:
            print(f"{path} has {lines} lines")  # shown with -s: a reason to look, not to cut
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                docstring = (ast.get_docstring(node, clean=False) or "").count("\n")
                length = node.end_lineno - node.lineno - docstring
                assert length < LONGEST_FUNCTION, f"{path}: {node.name}"


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import rnnclf, rnnclf.cli.commands, rnnclf.configuration.composed", {"torch"}),
        ("import run", {"torch", "click"}),
        ("import rnnclf.report.page", {"torch"}),
        (
            "import rnnclf.cli.commands",
            {"plotly", "jinja2", "optuna", "hydra", "numpy", "http.server"},
        ),
        ("from hydra_study_sweeper import report", {"hydra", "omegaconf", "optuna", "numpy"}),
    ],
)
def test_start_up_waits_for_nothing_that_is_not_needed(statement, heavy):
    code = f"{statement}; import sys; sys.exit(' '.join({heavy!r} & sys.modules.keys()) or 0)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


COMMANDS = """
import ast, runpy, sys
for sys.argv in ast.literal_eval(sys.argv[1]):
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as ended:
        assert not ended.code
print(*sys.modules)
"""
MAIN = PACKAGES["rnnclf"] / "__main__.py"
ON_DEMAND = {"alembic", "jinja2", "matplotlib", "onnx", "optuna", "pandas", "plotly", "scipy"}
ON_DEMAND |= {"sklearn", "sqlalchemy", "sympy", "torch._dynamo", "torch._inductor"}


@pytest.mark.parametrize(
    ("commands", "needed", "heavy"),
    [
        ([[MAIN, "compare", "{trained}"]], {"rich"}, {*ON_DEMAND, "hydra", "numpy", "torch"}),
        (
            [[RUN_PY, "-m", "sweeps=smoke", "dry_run=true"]],
            {"optuna"},
            {"requests", "torch", "torchtext"},
        ),
        (
            [
                [RUN_PY, "epochs=1", "hidden_size=8", "embedding_size=8"],
                [MAIN, "predict", "{trained}", "Who was it?"],
            ],
            {"torch"},
            ON_DEMAND,
        ),
    ],
    ids=["compare", "check of a study", "train and predict"],
)
def test_no_command_waits_for_what_it_does_not_need(commands, needed, heavy, trained, tmp_path):
    """Torch's compiler alone takes a second, half of what a short run takes."""
    lines = [[str(word).format(trained=trained) for word in command] for command in commands]
    command = [sys.executable, "-c", COMMANDS, repr(lines)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    imported = set(done.stdout.splitlines()[-1].split())
    assert imported >= needed
    assert not imported & heavy


def test_files_are_opened_in_known_places():
    """Files of others are read by `hydra_study_sweeper.files`; every exception has its reason."""
    calls = {
        str(path.relative_to(REPO)): len(OPENING_CALL.findall(path.read_text())) for path in SOURCES
    }
    known = {path: count for path, (count, _) in OPENING.items()}
    assert {path: count for path, count in calls.items() if count} == known
