"""The pages about extending the project: their edits, made in a copy of it, do what they say.

A block of a page is a file, a change of a file (diff), the beginning of one (text), or commands
(sh). The file is the last path in backticks before the block.
"""

import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from processes import run_program
from project import REPO, RNNCLF, composed, result_of

from rnnclf.bundles.submission.archive import read_group
from rnnclf.configuration.composed import register_schema
from rnnclf.configuration.overrides import as_hydra_reads_it
from rnnclf.data.own import read_own
from rnnclf.errors import DataError

BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"`((?:[\w.-]+/)+[\w-]+\.\w+)`")
SMALL = ("epochs=1", "hidden_size=8", "embedding_size=8")
ONE_AFTER_THE_OTHER = """
import ast, os, runpy, sys

for name in [name for name in sys.modules if name.partition(".")[0] == "rnnclf"]:
    del sys.modules[name]  # the copy's is another one
import rnnclf.training.run  # once for all

for sys.argv in ast.literal_eval(sys.argv[1]):
    child = os.fork()
    if not child:
        sys.path[0] = os.path.dirname(sys.argv[0])
        runpy.run_path(sys.argv[0], run_name="__main__")
        break
    if os.waitpid(child, 0)[1]:
        sys.exit(1)
"""


@dataclass(frozen=True)
class Project:
    """A copy of the project, as a page has changed it, and the page's commands."""

    folder: Path
    commands: list[list[str]]

    def python(self, *programs: list[str]) -> str:
        """Runs Python programs one after the other; returns what the last one printed."""
        script = self.folder / "one_after_the_other.py"
        script.write_text(ONE_AFTER_THE_OTHER, encoding="utf-8")
        done = run_program(script, repr(programs), cwd=self.folder)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def arguments(self, pattern: str) -> list[str]:
        """The arguments of the one command of the page that has this pattern."""
        (found,) = [words for words in self.commands if re.search(pattern, " ".join(words))]
        return [word for word in found[2:] if word != "-m"]

    def run_of(self, *patterns: str) -> list[str]:
        """One run of these commands, with a small model."""
        arguments = [word for pattern in patterns for word in self.arguments(pattern)]
        return ["run.py", *arguments, *SMALL, "hydra.run.dir=here"]

    def run(self, *patterns: str) -> dict:
        """Makes this run; returns its result."""
        self.python(self.run_of(*patterns))
        return result_of(self.folder / "here")

    def composed(self, pattern: str) -> DictConfig:
        """The configuration of this command, with what is Hydra's own."""
        register_schema()
        words = as_hydra_reads_it(self.arguments(pattern))
        single = [re.sub(r"=(\w+),.*", r"=\1", word) for word in words]
        with initialize_config_dir(str(self.folder / "conf")):
            return compose("config", single, return_hydra_config=True)


@pytest.fixture
def follow(tmp_path):
    """Makes a copy of the project and all edits of a page in it."""

    def make(page: str) -> Project:
        folder = tmp_path / "project"
        for name in ("conf", "rnnclf", "sweeps", "docs"):
            without = shutil.ignore_patterns("__pycache__", "_build")
            shutil.copytree(REPO / name, folder / name, symlinks=True, ignore=without)
        shutil.copy(REPO / "run.py", folder)
        commands = []
        for kind, path, content in blocks(REPO / "docs" / page):
            if kind == "sh":
                commands += [shlex.split(line) for line in content.splitlines()]
            elif kind == "diff":
                change(folder / path, content)
            elif kind == "text":
                assert (folder / path).read_text(encoding="utf-8").startswith(content)
            else:
                write_new(folder / path, content)
        return Project(folder, commands)

    return make


def blocks(page: Path) -> Iterator[tuple[str, str, str]]:
    """The blocks of a page: kind, file, content."""
    text, path, end = page.read_text(encoding="utf-8"), "", 0
    for block in BLOCK.finditer(text):
        path = [path, *PATH.findall(text[end : block.start()])][-1]
        end = block.end()
        yield block[2], path, dedent(re.sub(rf"^{block[1]}", "", block[3], flags=re.MULTILINE))


def change(path: Path, diff: str) -> None:
    lines = diff.splitlines()
    old, new = (
        "".join(f"\n{line[1:]}" for line in lines if not line.startswith(other)) + "\n"
        for other in "+-"
    )
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path.name}: {old}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def write_new(path: Path, content: str) -> None:
    assert not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def test_own_data(follow):
    project = follow("own-data.md")
    result = project.run("cell=gru$")
    assert (result["dataset"], result["config"]["dataset"]["max_length"]) == ("tickets", 100)
    assert result["texts"] == {"train": 135, "validation": 15, "test": 50}
    assert result["config"]["model"]["wide_buckets"] == 65536

    for one in ("file=docs/tickets.csv$", "dataset.label=4", "validation_file", "dataset.folder"):
        assert project.composed(one).dataset.name.startswith("csv-")
    unnamed = project.composed("file=docs/tickets.csv$")
    assert (unnamed.model.wide_buckets, unnamed.model.wide_share) == (65536, 0.8)
    assert unnamed.hydra.run.dir.startswith("outputs/csv-tickets-gru/")
    timed = project.composed("minutes=10")
    assert timed.hydra.sweep.dir == "outputs/studies/csv-tickets-gru"
    assert (timed.hydra.sweeper.minutes, timed.model.wide_buckets) == (10, 1048576)
    study = project.composed("sweeps=auto dataset=tickets")
    assert study.hydra.sweep.dir == "outputs/studies/tickets-gru"
    assert study.search_space["model.hidden_size"] == "choice(32, 64, 128)"

    in_group = project.composed("group=25")
    assert (in_group.search_space.dataset, in_group.model.cell) == ("sample,tickets", "gru")
    group = read_group(int(project.arguments("submission")[-1]), project.folder / "conf")
    assert (group.datasets, group.cell) == (("sample", "tickets"), "gru")


def test_the_errors_of_own_data(follow, monkeypatch):
    project = follow("own-data.md")
    monkeypatch.chdir(project.folder)
    table = (REPO / "docs" / "own-data.md").read_text(encoding="utf-8").split("## Errors")[1]
    rows = re.findall(r"^\| (\d+) \| `(.*)` \| `(.*)` \|$", table, re.MULTILINE)
    assert len(rows) == table.count("\n| ") - 2
    path = Path("few.csv")
    right = Path("docs", "tickets.csv").read_text(encoding="utf-8").splitlines()[:17]
    for line, content, error in rows:
        lines = right.copy()
        lines[int(line) - 1] = content
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        with pytest.raises(DataError) as caught:
            read_own(composed("dataset=csv", f"dataset.file={path}").dataset)
        assert str(caught.value) == error


def test_own_cell_and_pooling(follow):
    project = follow("own-cell.md")
    result = project.run("cell=mgu", "pooling=min")
    assert (result["cell"], result["config"]["model"]["pooling"]) == ("mgu", "min")


def test_own_hyperparameter(follow, trained):
    project = follow("own-hyperparameter.md")
    reference = ["docs/make_reference.py", *project.arguments("docs/make_reference.py")]
    predict = [str(RNNCLF), "predict", str(trained), "Who was it?"]
    assert project.python(project.run_of("embedding_noise=0.1"), reference, predict)
    assert "embedding_noise" not in (trained / "config.yaml").read_text(encoding="utf-8")
    noisy = result_of(project.folder / "here")
    assert noisy["config"]["model"]["embedding_noise"] == 0.1
    keys = (project.folder / "docs" / "reference" / "keys.md").read_text(encoding="utf-8")
    assert "| `model.embedding_noise` | `0.0` | number, at least 0 |" in keys
