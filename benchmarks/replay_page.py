"""The generated part of docs/search.md, and its pictures."""

import itertools
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from arms import OURS, STOCK
from comparisons import Replays, interval, p_values
from csv_folder import REPO
from playwright.sync_api import sync_playwright
from plotly.colors import qualitative
from recordings import SHARED
from studies import SHARES, Studies

PAGE = REPO / "docs" / "search.md"
MARK = "<!-- Below: written by benchmarks/replay.py. -->\n"
SHOWN = 2  # workers, where a table has one number of them
# Shares of the time and numbers of workers.
COLUMNS = ((0.25, SHOWN), (0.5, SHOWN), (1.0, SHOWN), (1.0, 1), (1.0, 4), (0.25, 16), (1.0, 16))
SIZE = {"width": 860, "height": 420}


def write_page(
    replays: Sequence[Replays],
    real: Mapping[str, Studies],
    known: Mapping[str, Sequence[Sequence[str]]],
) -> None:
    """Writes the part of the page below its mark, and the pictures beside it.

    Args:
        replays: Of each search space.
        real: Real studies, by the name of their search space.
        known: What the points set that are good on other data sets, by the same name.
    """
    text, mark, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
    of_real = (real_lines(name, studies, known[name]) for name, studies in real.items())
    generated = [*lines(replays), *itertools.chain(*of_real)]
    PAGE.write_text(text + mark + "\n".join(generated) + "\n", encoding="utf-8")
    figures = {one.name: regret(one) for one in replays}
    draw({PAGE.with_name(f"search-{name}.png"): figure for name, figure in figures.items()})


def lines(replays: Sequence[Replays]) -> Iterator[str]:
    """Yields the lines of the generated part."""
    yield from ["", "### What is recorded", ""]
    yield from table(
        [
            "",
            "configurations",
            "trainings on a CPU (mean of their highest test accuracies)",
            "on a GPU",
            "test accuracy of trial 0",
            "best",
            "repetitions",
        ],
        [
            [
                one.name,
                str(one.configurations),
                *(
                    f"{len(tests)} ({np.mean(tests):.4f})" if tests else "none"
                    for tests in (one.on_cpu, one.on_gpu)
                ),
                f"{one.default:.4f}",
                f"{one.best:.4f}",
                " and ".join(str(n) for n in sorted({q.shape[1] for q in one.quality.values()})),
            ]
            for one in replays
        ],
    )
    yield from ["", "### How far the world is wrong about configurations that it has not seen", ""]
    yield from table(
        ["", "between them", "test accuracy", "logarithm of the seconds"],
        [
            [one.name, name, f"{accuracy:.4f}", f"{seconds:.3f}" if one.on_cpu else "not recorded"]
            for one in replays
            for name, (accuracy, seconds) in one.errors.items()
        ],
    )
    yield from ["", "### Searches by one worker, as real studies can be compared with them", ""]
    yield from table(
        ["", "search", "best validation accuracy (quartiles)", "trials", "pruned"],
        [
            [
                one.name,
                arm,
                "{1:.4f} ({0:.4f} to {2:.4f})".format(*np.percentile(checks[:, 0], [25, 50, 75])),
                *(f"{column.mean():.0f}" for column in checks.T[1:]),
            ]
            for one in replays
            for arm, checks in one.checks.items()
        ],
    )
    shared = [one for one in replays if one.name in SHARED]
    if shared:
        yield from ["", "### The mean over the space that all data sets share", ""]
        yield from accuracies(shared)
    corrected = p_values(replays, OURS, SHOWN)
    for one in replays:
        yield from ["", f"### {one.name}", ""]
        yield f"![Points of test accuracy lost over the time](search-{one.name}.png)"
        yield ""
        yield from accuracies([one])
        yield ""
        yield from certainty(one, corrected)


def real_lines(name: str, real: Studies, known: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yields the lines about real studies of a search space."""
    rows: list[list[str]] = []
    of_sweepers = {}
    for sweeper in (STOCK, OURS):
        if not (studies := real.of(sweeper)):
            continue
        tests = [[*map(real.test, study.winners)] for study in studies]
        for of_study, study in zip(tests, studies, strict=True):  # the stock sweeper has no refit
            is_ours = sweeper == OURS
            of_study.append(real.test_if_rival_stays(study, known) if is_ours else of_study[-1])
        for study, accuracies in zip(studies, tests, strict=True):
            counts = [str(study.trials), str(study.pruned), f"{study.best:.4f}"]
            rows.append([sweeper, str(study.seed), *counts, *map(_accuracy, accuracies)])
        of_sweepers[sweeper] = np.array(tests)
        means = [np.mean([study.best for study in studies]), *np.mean(tests, axis=0)]
        rows.append([f"{sweeper}, mean", "", "", "", *map(_accuracy, means)])
    if len(of_sweepers) == 2:
        better = of_sweepers[OURS] - of_sweepers[STOCK]
        errors = better.std(0, ddof=1) / np.sqrt(len(better))
        cells = [
            "" if np.isnan(mean) else f"{mean:+.4f} ± {error:.4f}"
            for mean, error in zip(better.mean(0), errors, strict=True)
        ]
        rows.append(["ours minus stock, ± standard error", "", "", "", "", *cells])
    shares = [f"test, {share:.0%}" for share in SHARES]
    head = ["sweeper", "seed", "trials", "pruned", "best validation accuracy", *shares]
    yield from ["", f"### Real studies: {name}", ""]
    yield from table([*head, "after the refit"], rows)
    by = "; ".join(sorted({study.by for study in real.studies}))
    yield from ["", f"The defaults have {_accuracy(real.test(real.defaults))}. Searched by: {by}."]


def _accuracy(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.4f}"


def accuracies(replays: Sequence[Replays]) -> Iterator[str]:
    """Yields the table of the winners' expected test accuracies, as means over the curves."""
    head = [f"{share:.0%}, {workers} worker{'s' * (workers > 1)}" for share, workers in COLUMNS]
    rows = [
        [arm, *(f"{np.mean([one.mean(arm, *at) for one in replays]):.4f}" for at in COLUMNS)]
        for arm in replays[0].arms
    ]
    return table(["search", *head], rows)


def certainty(one: Replays, corrected: Mapping[tuple[str, str], float]) -> Iterator[str]:
    """Yields the table of how surely, of ranks and of how soon."""
    ranks = one.ranks(SHOWN)
    rows = []
    for arm in one.arms:
        low, high = interval(one.of(arm, SHOWN)[:, -1])
        share, time = one.reached(arm, SHOWN)
        p = corrected.get((one.name, arm))
        rows.append(
            [
                arm,
                f"{low:.4f} to {high:.4f}",
                f"{ranks[arm]:.2f}",
                f"{share:.0%}",
                f"{time:.0%}" if np.isfinite(time) else "never",
                f"{one.worse_than_default(arm, SHOWN):.0%}",
                "" if p is None else f"{p:.2g}",
            ]
        )
    head = [
        "search",
        "95 % interval",
        "mean rank",
        "within half a point of the best",
        "median time for it",
        "worse than trial 0",
    ]
    return table([*head, f"p against `{OURS}`"], rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yields the lines of a Markdown table."""
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(row)} |"


def regret(one: Replays) -> go.Figure:
    """Draws what the winner so far lacks to the best, in points, with its 95 % band."""
    figure = go.Figure(layout={"template": "plotly_white", "font": {"size": 13}} | SIZE)
    steps = one.quality[SHOWN].shape[-1]
    times = 100 * np.arange(1, steps + 1) / steps
    for arm, color in zip(one.arms, qualitative.Dark24, strict=False):
        lost = 100 * (one.best - one.of(arm, SHOWN))
        low, high = interval(lost)
        figure.add_scatter(x=times, y=lost.mean(0), name=arm, line={"color": color})
        figure.add_scatter(
            x=[*times, *times[::-1]],
            y=[*high, *low[::-1]],
            fill="toself",
            fillcolor=color,
            opacity=0.12,
            line={"width": 0},
            showlegend=False,
        )
    figure.update_xaxes(title=f"% of the time of 40 full trainings, {SHOWN} workers")
    figure.update_yaxes(title="points of test accuracy below the best", rangemode="tozero")
    return figure


def draw(figures: dict[Path, go.Figure]) -> None:
    """Writes figures as PNG files."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport=SIZE)
        for path, figure in figures.items():
            html = Path(folder) / "figure.html"
            figure.write_html(html, config={"staticPlot": True})
            page.goto(html.as_uri())
            page.locator(".main-svg").first.wait_for()
            page.screenshot(path=path)
        browser.close()
