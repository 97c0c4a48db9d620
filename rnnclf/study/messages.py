"""What a study says before it begins and when it has ended."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rnnclf.study.plan import StudyPlan
from rnnclf.study.refit import FINAL, VALIDATE
from rnnclf.study.space import as_overrides

FIRST_POINTS = 10  # that are shown


def describe_plan(plan: StudyPlan) -> Iterator[str]:
    """Says in a few lines what a study will do."""
    spec = plan.spec
    yield f"study {spec.name}: {spec.n_trials} trials, in {spec.folder}"
    width = max(len(dimension.key) for dimension in plan.worker.dimensions)
    for dimension in plan.worker.dimensions:
        yield f"  {dimension.key:{width}}  {dimension}"
    for warning in plan.warnings:
        yield f"  {warning}"
    yield f"  fixed: {shlex.join(plan.worker.overrides) or 'nothing'}"
    repeats = plan.worker.repeats
    if repeats.count > 1:
        yield f"  each trial: {repeats.count} runs with {' '.join(repeats.overrides)}"
    for point in plan.queue[:FIRST_POINTS]:
        yield f"  first: {shlex.join(as_overrides(point)) or 'what the sampler chooses'}"
    if len(plan.queue) > FIRST_POINTS:
        yield f"  first: and {len(plan.queue) - FIRST_POINTS} more"
    for sample in plan.samples:
        yield f"  sample: {shlex.join(as_overrides(sample))}"


def describe_outcome(plan: StudyPlan, summary: dict[str, Any]) -> Iterator[str]:
    """Says in a few lines how a study ended."""
    folder = _shown(plan.spec.folder)
    states = ", ".join(f"{count} {state}" for state, count in summary["states"].items())
    lost = f", {summary['lost']} lost or interrupted, tried again" if summary["lost"] else ""
    yield f"study {plan.spec.name}: {states or 'no trials'}{lost}"
    if not summary["finished"] and not summary["stopped"]:
        why = "its time is up" if plan.spec.deadline else "it ended"
        yield f"{why} before it has {plan.spec.n_trials} trials; the same command continues"
    for best in summary["best"]:
        chosen = shlex.join(as_overrides(best["params"]))
        runs = f", mean of {summary['repeats']} runs" if summary["repeats"] > 1 else ""
        place = f"trial {best['number']}{runs}, in {folder / best['folder']}"
        yield f"best: {best_values(best)}, {place}: {chosen}"
    if summary["best"]:
        yield f"its configuration: --config-dir {folder} --config-name best"
    refit = summary["refit"]
    if refit:
        yield f"trained again, as in the search: {spread_of(refit[VALIDATE])}"
        yield f"trained again, for use:          {spread_of(refit[FINAL])}"
        if refit["failed"]:
            yield f"{refit['failed']} of these runs failed; the same command tries them again"
        yield f"final model (median of the first line): {folder / refit['model']['folder']}"


def best_values(best: Mapping[str, Any]) -> str:
    """Writes the objective values of one of the best trials."""
    return " ".join(f"{value:.4f}" for value in best["values"])


def spread_of(described: Mapping[str, Any]) -> str:
    """Writes mean, deviation and interval of a kind of the winner's runs."""
    if described["sd"] is None:
        return f"{described['mean']:.4f} (one seed)"
    spread = f"{described['mean']:.4f} +- {described['sd']:.4f}"
    shown = f"{spread} over {len(described['values'])} seeds"
    if described["interval"] is None:
        return shown
    low, high = described["interval"]
    return f"{shown} (95 % interval of the mean {low:.4f} to {high:.4f})"


def _shown(folder: Path) -> Path:
    """Returns a path as short as it can be written from here."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
