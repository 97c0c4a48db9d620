"""docs/reference/ against the code from which it is written."""

import pytest
from make_reference import PAGES, pages
from project import REPO

PAGE_TEXTS = pages()


@pytest.mark.parametrize("name", PAGE_TEXTS)
def test_a_page_of_the_reference_is_current(name):
    written = (PAGES / name).read_text(encoding="utf-8")
    assert written == PAGE_TEXTS[name], "make reference writes it again"


def test_there_are_no_other_pages():
    assert {path.name for path in PAGES.iterdir()} == PAGE_TEXTS.keys()


def test_the_index_names_every_page():
    index = (REPO / "docs" / "index.md").read_text(encoding="utf-8").splitlines()
    for name in PAGE_TEXTS:
        assert f"reference/{name.removesuffix('.md')}" in index
