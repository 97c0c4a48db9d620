"""What a study says when it has ended."""

import re
import shlex
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hydra_study_sweeper.options import NamesConf
from hydra_study_sweeper.paths import StudyPaths, shown
from hydra_study_sweeper.printable import counted, printable
from hydra_study_sweeper.records import Comparison, SeedValues, StudyRecord, Value
from hydra_study_sweeper.storage.trials import ENDED, Trials

WIDTH = 80
INDENT = "  "


def describe_outcome(trials: Trials, record: StudyRecord) -> Iterator[str]:
    """Yields a few lines about how a study ended."""
    spec, folder, names = trials.spec, shown(trials.spec.folder), trials.spec.names
    all_trials = trials.all()
    states = ", ".join(f"{count} {state}" for state, count in record.states.items())
    lost = f", {record.lost} lost or interrupted and run again" if record.lost else ""
    yield f"study {record.name}: {states or 'no trials'}{lost}"
    if not record.finished and not record.stopped:
        yield _unfinished(trials, record)
    runs = f", mean of {record.repeats} runs" if record.repeats > 1 else ""
    for best in record.best:
        yield f"{names.value} of the best trial: {decimals(best.values)}{runs}"
        yield f"{INDENT}trial {best.number}, in {shown(trials.folder_of(all_trials[best.number]))}"
        yield from fold(f"{INDENT}{in_short(best.params)}", INDENT)
    refit = record.refit
    if record.best:
        whose = f"trial {refit.trial}'s" if refit and refit.has_rival else "its"
        yield f"{whose} exact configuration: {StudyPaths(folder).best}"
    if refit:
        if refit.of_winner:
            whose = " of the winner" if refit.comparison else ""
            yield f"{names.value}{whose} over seeds: {_spread(refit.of_winner)}"
        if both := refit.comparison:
            yield f"{names.value} of its rival over seeds: {_spread(both.of_rival)}"
            rival = all_trials[both.rival]
            yield f"{INDENT}trial {both.rival}, whose point was known before the search"
            yield from fold(f"{INDENT}{in_short(rival.params)}", INDENT)
            yield from fold(_verdict(both), INDENT)
        yield f"{names.final} of the final model: {_spread(refit.final)}"
        if spec.budget and len(refit.final.values) < spec.budget.seeds:
            yield f"there was time for {len(refit.final.values)} of {spec.budget.seeds} seeds"
        if refit.failed:
            failed = counted(refit.failed, "run")
            yield f"{failed} of the refit failed; the same command tries again"
        model = refit.model.folder
        is_median = refit.validation and len(refit.final.values) > 1
        chosen = f" (of the seed with the median {names.value})" if is_median else ""
        yield f"final model{chosen}:"
        yield f"{INDENT}{folder / model if model else 'where the refit ran'}"


def next_commands(
    commands: Sequence[str], folder: Path, records: Sequence[StudyRecord]
) -> Iterator[str]:
    """Suggests what to type when the studies of a command have ended, the first in `folder`."""
    places = {}
    if len(records) == 1:
        folder = shown(folder)
        places["{folder}"] = shlex.quote(str(folder))
        if (refit := records[0].refit) and refit.model.folder:
            places["{model}"] = shlex.quote(str(folder / refit.model.folder))
    for command in commands:
        if set(re.findall(r"{folder}|{model}", command)) <= set(places):
            filled = re.sub(r"{folder}|{model}", lambda place: places[place[0]], command)
            yield f"next: {filled}"


def outcome_in_short(record: StudyRecord, names: NamesConf) -> str:
    """Returns the result of a study in a few words."""
    if reason := problem(record):
        return reason
    values = " or ".join(decimals(best.values) for best in record.best)
    best = f"{names.value} of the best trial {values}"
    if (refit := record.refit) is None:
        return best
    kept = f" of trial {refit.trial}" if refit.has_rival else ""
    return f"{best}, {names.final}{kept} {_spread(refit.final)}"


def problem(record: StudyRecord) -> str | None:
    """Says why a study has no result, and what to do; None for a study that has one."""
    if record.stopped:
        return f"stopped: {record.stopped}; the same command continues"
    if record.best:
        return None
    first = f"; the first failure: {record.first_failure}" if record.first_failure else ""
    anew = "hydra.sweeper.restart=true begins again"
    return (
        f"no trial is complete{first}; {anew if record.finished else 'the same command continues'}"
    )


def _unfinished(trials: Trials, record: StudyRecord) -> str:
    """Says why a study has not all of its trials, and what more time would give."""
    budget, asked = trials.spec.budget, counted(record.n_trials, "trial")
    if not budget:
        return f"stopped before it had {asked}; the same command continues"
    seconds = trials.mean_seconds(*ENDED)
    more = 600 * budget.workers / seconds if seconds else 0
    return (
        f"the time was up before it had {asked}; the same command with 10 more "
        f"minutes has about {min(more, trials.remaining()):.0f} more"
    )


def fold(line: str, indent: str, width: int = WIDTH) -> list[str]:
    """Breaks a line between words; all parts but the first begin with `indent`."""
    return textwrap.wrap(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def duration(seconds: float) -> str:
    """Writes seconds with the units in which people count."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes} min"
        if hours
        else f"{minutes} min {rest} s"
        if minutes
        else f"{rest} s"
    )


def in_short(params: Mapping[str, Value]) -> str:
    """Writes parameters for the screen: short keys where they differ, rounded numbers."""
    ends = [key.rpartition(".")[2] for key in params]
    return " ".join(
        f"{end if ends.count(end) == 1 else key}="
        f"{f'{v:.4g}' if isinstance(v, float) else printable(str(v))}"
        for end, (key, v) in zip(ends, params.items(), strict=True)
    )


def _verdict(comparison: Comparison) -> str:
    by = f"{comparison.better_by:+.4f}, standard error {comparison.standard_error:.4f}"
    if comparison.winner_stays:
        return f"the winner is better than its rival ({by})"
    return (
        f"the winner is not better than its rival ({by}), "
        f"so the final model has the parameters of trial {comparison.rival}"
    )


def decimals(values: Sequence[float]) -> str:
    """Writes the values of a trial, one for each objective."""
    return " ".join(f"{value:.4f}" for value in values)


def _spread(seeds: SeedValues) -> str:
    """Writes the mean over seeds, its standard deviation and its 95 % interval."""
    if seeds.sd is None:
        return f"{seeds.mean:.4f} (one seed)"
    spread = f"{seeds.mean:.4f} ± {seeds.sd:.4f}, {len(seeds.values)} seeds"
    if seeds.interval is None:
        return spread
    low, high = seeds.interval
    return f"{spread}, interval {low:.4f} to {high:.4f}"
