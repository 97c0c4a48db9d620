"""What a study says when it has ended."""

import re
import shlex
from collections.abc import Iterator, Sequence

from hydra_study_sweeper.options import NamesConf, StudySpec
from hydra_study_sweeper.paths import shown
from hydra_study_sweeper.records import BestTrial, SeedValues, StudyRecord
from hydra_study_sweeper.space.dimensions import Dimension
from hydra_study_sweeper.space.points import as_overrides


def describe_outcome(
    spec: StudySpec, dimensions: Sequence[Dimension], record: StudyRecord
) -> Iterator[str]:
    """Says in a few lines how a study ended."""
    folder, names = shown(spec.folder), spec.names
    states = ", ".join(f"{count} {state}" for state, count in record.states.items())
    lost = f", {record.lost} lost or interrupted, tried again" if record.lost else ""
    yield f"study {record.name}: {states or 'no trials'}{lost}"
    if not record.finished and not record.stopped:
        why = "its time is up" if spec.deadline else "it ended"
        yield f"{why} before it has {record.n_trials} trials; the same command continues"
    runs = f", mean of {record.repeats} runs" if record.repeats > 1 else ""
    for best in record.best:
        yield f"{names.value} of the best trial: {_values(best)}{runs}"
        yield f"  trial {best.number}, in {folder / best.folder}"
        yield f"  {shlex.join(as_overrides(best.params, dimensions))}"
    if record.best:
        yield f"its configuration: {folder / 'best.yaml'}"
    if refit := record.refit:
        yield f"{names.value} over seeds: {_spread(refit.validation)}"
        yield f"{names.final} of the final model: {_spread(refit.final)}"
        if refit.failed:
            yield f"{refit.failed} runs of the refit failed; the same command tries again"
        yield f"final model (of the median validation run): {folder / refit.model.folder}"


def next_commands(
    commands: Sequence[str], specs: Sequence[StudySpec], records: Sequence[StudyRecord]
) -> Iterator[str]:
    """Suggests what to type when the studies of a command have ended."""
    places = {}
    if len(records) == 1:
        folder = shown(specs[0].folder)
        places["{folder}"] = shlex.quote(str(folder))
        if refit := records[0].refit:
            places["{model}"] = shlex.quote(str(folder / refit.model.folder))
    for command in commands:
        if set(re.findall(r"{folder}|{model}", command)) <= set(places):
            filled = re.sub(r"{folder}|{model}", lambda place: places[place[0]], command)
            yield f"next: {filled}"


def outcome_in_short(record: StudyRecord, names: NamesConf) -> str:
    """Says in a few words what came of a study."""
    if reason := problem(record):
        return reason
    best = f"{names.value} of the best trial {' or '.join(map(_values, record.best))}"
    return f"{best}, {names.final} {_spread(record.refit.final)}" if record.refit else best


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
    """Writes mean, standard deviation, and 95 % interval of the mean, of a kind of run."""
    if seeds.sd is None:
        return f"{seeds.mean:.4f} (one seed)"
    spread = f"{seeds.mean:.4f} ± {seeds.sd:.4f}, {len(seeds.values)} seeds"
    if seeds.interval is None:
        return spread
    low, high = seeds.interval
    return f"{spread}, interval {low:.4f} to {high:.4f}"
