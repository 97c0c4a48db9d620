"""docs/reference/ and conf/schema/ against the code from which they are written."""

import pytest
from click.testing import CliRunner
from make_reference import PAGES, SCHEMAS, pages, schemas
from project import REPO

from rnnclf.cli.commands import commands


@pytest.fixture(scope="module")
def expected() -> dict[str, str]:
    return pages()


def test_a_terminal_of_80_columns_shows_each_command_with_its_whole_description(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    page = CliRunner().invoke(commands, ["--help"]).output
    assert "..." not in page.partition("Commands:")[2], page


def test_the_reference_is_current(expected):
    written = {path.name: path.read_text(encoding="utf-8") for path in PAGES.iterdir()}
    assert written == expected, "make reference writes it again"


def test_the_schemas_are_current():
    written = {path.name: path.read_text(encoding="utf-8") for path in SCHEMAS.iterdir()}
    assert written == schemas(), "make reference writes them again"


def test_the_index_names_every_page(expected):
    index = (REPO / "docs" / "index.md").read_text(encoding="utf-8").splitlines()
    for name in expected:
        assert f"reference/{name.removesuffix('.md')}" in index
