"""The report as one HTML page that needs no other file."""

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from hydra_study_sweeper.files import check_place, write_text
from hydra_study_sweeper.printable import counted
from jinja2 import Environment, PackageLoader
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from rnnclf import __version__
from rnnclf.files.result import METRICS
from rnnclf.report.content import MOST_CLASSES, MOST_ROWS, describe_tasks
from rnnclf.runs.find import Found, find_runs
from rnnclf.runs.results import plain

LONGEST_EXCERPT = 300
LONGEST_TEXT = 5000


def write_report(folders: Sequence[Path], output: Path) -> Found:
    """Writes a page about all runs and studies at and below folders, and returns those.

    Raises:
        SelectionError: If a folder does not exist or no run below them has finished.
    """
    check_place(output)
    found = find_runs(folders)
    found.require_runs(folders)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_text(output, render(found, folders))
    return found


def render(found: Found, folders: Sequence[Path]) -> str:
    """Returns the page (HTML)."""
    environment = Environment(
        loader=PackageLoader("rnnclf.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"share": _share, "plain": plain, "counted": counted}
    environment.filters["figure_json"] = _figure_json
    scripts = [get_plotlyjs(), _asset("report.js")]
    return environment.get_template("report.html").render(
        tasks=list(describe_tasks(found)),
        found=found,
        folders=folders,
        made=datetime.now().astimezone(),
        version=__version__,
        style=Markup(_asset("report.css")),  # noqa: S704
        scripts=[Markup(script) for script in scripts],  # noqa: S704
        script_hashes=[_content_hash(script) for script in scripts],
        most_rows=MOST_ROWS,
        metrics=METRICS,
        most_classes=MOST_CLASSES,
        longest_excerpt=LONGEST_EXCERPT,
        longest_text=LONGEST_TEXT,
    )


def _asset(name: str) -> str:
    return files("rnnclf.report").joinpath(name).read_text(encoding="utf-8")


def _content_hash(script: str) -> str:
    """Returns the hash by which a Content-Security-Policy admits a script."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _figure_json(figure: go.Figure) -> Any:
    return json.loads(figure.to_json())


def _share(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else "none"
