"""docs/reference/ against the code from which it is written."""

import pytest
from make_reference import PAGES, pages
from project import REPO


@pytest.fixture(scope="module")
def expected() -> dict[str, str]:
    return pages()


def test_the_reference_is_current(expected):
    written = {path.name: path.read_text(encoding="utf-8") for path in PAGES.iterdir()}
    assert written == expected, "make reference writes it again"


def test_the_index_names_every_page(expected):
    index = (REPO / "docs" / "index.md").read_text(encoding="utf-8").splitlines()
    for name in expected:
        assert f"reference/{name.removesuffix('.md')}" in index
