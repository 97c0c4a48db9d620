"""The structure: imports go one way, files and functions stay small, start-up stays light."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from conftest import REPO

# From bottom to top; a module may import from layers below its own and from its own.
LAYERS = (
    {"errors", "schema", "atomic", "paths", "metrics", "reproducibility"},
    {"config", "study", "checkpoint"},
    {"data"},
    {"recurrence", "recurrent", "model", "deferred_adam", "optimizers", "command_line"},
    {"evaluate", "trainer", "pretrain"},
    {"classifier", "figures", "progress", "card"},
    {"model_folder", "record"},
    {"train", "precheck", "baseline", "bundle", "ensemble", "export", "verify"},
    {"select"},
    {"submission"},
    {"report"},
    {"cli"},
    {"__main__"},
)
KNOW_HYDRA = {"config", "command_line", "cli", "study"}
LONGEST_FILE = 300
LONGEST_FUNCTION = 60  # lines without the docstring

SOURCES = sorted((REPO / "rnnclf").rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in [*SOURCES, REPO / "run.py"]}


def unit(path: Path) -> str:
    """The name in LAYERS: a module, or a package as a whole."""
    return path.relative_to(REPO / "rnnclf").parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def layer_of(name: str) -> int:
    (number,) = [number for number, units in enumerate(LAYERS) if name in units]
    return number


def test_every_module_has_a_layer():
    units = {unit(path) for path in SOURCES} - {"__init__"}
    assert units == set().union(*LAYERS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPO)))
def test_imports_go_down(path):
    if unit(path) == "__init__":
        return  # the package's face hands on load and load_dataset
    for name in imports(TREES[path]):
        if name.startswith("rnnclf."):
            assert layer_of(name.split(".")[1]) <= layer_of(unit(path)), name


def test_no_module_imports_itself_by_way_of_others():
    modules = {".".join(path.relative_to(REPO).with_suffix("").parts): path for path in SOURCES}
    graph = {name: set(imports(TREES[path])) & modules.keys() for name, path in modules.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(modules)


def test_only_the_adapter_knows_torchtext():
    users = {
        path.stem
        for path in SOURCES
        if any(n.split(".")[0] == "torchtext" for n in imports(TREES[path]))
    }
    assert users == {"torchtext_adapter"}


def test_only_the_edge_knows_hydra():
    users = {
        unit(path)
        for path in SOURCES
        if any(name.split(".")[0] == "hydra" for name in imports(TREES[path]))
    }
    assert users <= KNOW_HYDRA


def test_nothing_is_unpickled():
    for path, tree in TREES.items():
        assert not {"pickle", "joblib", "dill", "shelve", "marshal"} & set(imports(tree)), path
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "torch.load":
                pytest.fail(f"{path}: torch.load")


def test_no_value_of_a_configuration_has_a_second_default():
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                called_on = ast.unparse(node.func.value)
                assert not (node.func.attr == "get" and "config" in called_on), path


@pytest.mark.parametrize("path", TREES, ids=lambda path: str(path.relative_to(REPO)))
def test_files_and_functions_are_small(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.FunctionDef):
            docstring = (ast.get_docstring(node, clean=False) or "").count("\n")
            assert node.end_lineno - node.lineno - docstring < LONGEST_FUNCTION, node.name


@pytest.mark.parametrize(
    "statement",
    [
        *("import rnnclf", "import rnnclf.cli", "import rnnclf.configuration.config", "import run"),
        "import rnnclf.report.page",
    ],
)
def test_start_up_does_not_import_torch(statement):
    code = f"{statement}; import sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPO, check=False).returncode == 0


def test_the_command_line_starts_without_what_only_reports_need():
    code = "import rnnclf.cli, sys; sys.exit(bool({'plotly', 'jinja2', 'optuna'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "command",
    [
        [REPO / "run.py", "epochs=1", "hidden_size=8", "embedding_size=8"],
        ["-m", "rnnclf", "predict", "{trained}", "Who was it?"],
    ],
    ids=["train", "predict"],
)
def test_no_command_waits_for_torchs_compiler(command, trained, tmp_path):
    """Its import takes a second, half of what a short run takes."""
    command = [str(argument).format(trained=trained) for argument in command]
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "torch" in imported
    assert "torch._dynamo" not in imported
