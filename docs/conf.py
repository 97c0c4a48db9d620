"""Sphinx builds a site from these pages: `make docs`."""

import re

from sphinx.application import Sphinx

project = "rnnclf"
extensions = ["myst_parser", "sphinxcontrib.mermaid"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = project
html_show_copyright = False

myst_heading_anchors = 3  # links such as studies.md#the-refit, with GitHub's anchors
myst_fence_as_directive = ["mermaid"]
suppress_warnings = ["misc.highlighting_failure"]  # GitHub knows more languages than Pygments


def setup(app: Sphinx) -> None:
    """Makes plain text of links out of docs/, such as to ../CONTRIBUTING.md."""

    def without_links_out(_: Sphinx, page: str, source: list[str]) -> None:
        if "/" not in page:
            source[0] = re.sub(r"\[([^]]+)\]\(\.\./[^)]+\)", r"\1", source[0])

    app.connect("source-read", without_links_out)
