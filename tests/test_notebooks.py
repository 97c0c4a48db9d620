"""The notebooks run from their first cell to their last, in a kernel of their own."""

import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from project import REPO

NOTEBOOKS = REPO / "docs" / "notebooks"


def run(name: str, folder: Path) -> nbformat.NotebookNode:
    book = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    nbformat.validate(book)
    resources = {"metadata": {"path": str(folder)}}
    return NotebookClient(book, timeout=60, resources=resources).execute()


def outputs_of(book: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in book.cells for output in cell.get("outputs", ())]


def pictures(book: nbformat.NotebookNode) -> int:
    kind = "application/vnd.plotly.v1+json"
    return sum(kind in output.get("data", {}) for output in outputs_of(book))


def test_a_first_model_is_trained_searched_and_chosen(tmp_path):
    book = run("first-model", tmp_path)
    printed = "".join(output.get("text", "") for output in outputs_of(book))
    assert "test accuracy:" in printed
    assert "error:" not in printed
    assert pictures(book) == 2


def test_a_study_is_read(outputs, tmp_path):
    shutil.copytree(outputs, tmp_path / "outputs")
    assert pictures(run("reading-a-study", tmp_path)) == 4


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_no_output_is_kept(path):
    book = nbformat.read(path, as_version=4)
    assert not outputs_of(book)
