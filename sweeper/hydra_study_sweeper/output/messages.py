"""What a study says when it has ended."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from hydra_study_sweeper.options import StudySpec
from hydra_study_sweeper.records import BestTrial, SeedValues, StudyRecord
from hydra_study_sweeper.space.points import as_overrides


def describe_outcome(spec: StudySpec, record: StudyRecord) -> Iterator[str]:
    """Says in a few lines how a study ended."""
    folder = _shown(spec.folder)
    states = ", ".join(f"{count} {state}" for state, count in record.states.items())
    lost = f", {record.lost} lost or interrupted, tried again" if record.lost else ""
    yield f"study {record.name}: {states or 'no trials'}{lost}"
    if not record.finished and not record.stopped:
        why = "its time is up" if spec.deadline else "it ended"
        yield f"{why} before it has {record.n_trials} trials; the same command continues"
    for best in record.best:
        chosen = shlex.join(as_overrides(best.params))
        runs = f", mean of {record.repeats} runs" if record.repeats > 1 else ""
        place = f"trial {best.number}{runs}, in {folder / best.folder}"
        yield f"best: {_values(best)}, {place}: {chosen}"
    if record.best:
        yield f"its configuration: --config-dir {folder} --config-name best"
    if refit := record.refit:
        yield f"refit, validation runs: {_spread(refit.validation)}"
        yield f"refit, final runs:      {_spread(refit.final)}"
        if refit.failed:
            yield f"{refit.failed} runs of the refit failed; the same command tries again"
        yield f"final model (of the median validation run): {folder / refit.model.folder}"


def outcome_in_short(record: StudyRecord) -> str:
    """Says in a few words what came of a study."""
    if reason := problem(record):
        return reason
    best = " or ".join(map(_values, record.best))
    return f"best {best}" + (f", refit {_spread(record.refit.validation)}" if record.refit else "")


def problem(record: StudyRecord) -> str | None:
    """Says why a study came to nothing, if it did, and what to do."""
    if record.stopped:
        return f"stopped: {record.stopped}; the same command continues"
    if record.best:
        return None
    first = f"; the first failure: {record.first_failure}" if record.first_failure else ""
    anew = "hydra.sweeper.restart=true begins anew"
    return (
        f"no trial ended well{first}; {anew if record.finished else 'the same command continues'}"
    )


def _values(best: BestTrial) -> str:
    return " ".join(f"{value:.4f}" for value in best.values)


def _spread(seeds: SeedValues) -> str:
    """Writes mean, deviation and interval of a kind of run."""
    if seeds.sd is None:
        return f"{seeds.mean:.4f} (one seed)"
    shown = f"{seeds.mean:.4f} +- {seeds.sd:.4f} over {len(seeds.values)} seeds"
    if seeds.interval is None:
        return shown
    low, high = seeds.interval
    return f"{shown} (95 % interval of the mean {low:.4f} to {high:.4f})"


def _shown(folder: Path) -> Path:
    """Returns a path as short as it can be written from here."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
