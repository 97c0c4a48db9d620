"""The page that a group hands in with its models."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rnnclf.bundles.card import accuracy_interval
from rnnclf.bundles.pick import Pick
from rnnclf.bundles.submission.groups import Group
from rnnclf.runs.results import Run
from rnnclf.runs.spread import Spread

HYPERPARAMETERS = ("model.", "optimizer.", "training.", "dataset.max_length")


@dataclass(frozen=True)
class Entry:
    """A model that is handed in.

    Attributes:
        pick: Why it was chosen.
        model: The run that trained it and read the test split.
    """

    pick: Pick
    model: Run


def report(group: Group, entries: Sequence[Entry]) -> str:
    """Writes the report (Markdown): accuracies, where they come from, hyperparameters."""
    return "\n".join(
        [
            f"# Group {group.number}: {' and '.join(group.datasets)} with {group.cell.upper()}",
            "",
            *_accuracies(entries),
            "",
            *(line for entry in entries for line in (_origin(entry), "")),
            *_hyperparameters(entries),
            "",
            "## Check",
            "",
            "```sh",
            "make -C code setup",
            "code/.venv/bin/python grade.py    # --data FOLDER: the raw files, where they are here",
            "```",
            "",
        ]
    )


def _accuracies(entries: Sequence[Entry]) -> Iterator[str]:
    yield "| data set | test accuracy | 95 % interval | test texts | model |"
    yield "| --- | --- | --- | --- | --- |"
    for entry in entries:
        accuracy, texts = entry.model.result.test_accuracy, entry.model.result.texts.test
        assert accuracy is not None, "only tested models are chosen"
        low, high = accuracy_interval(accuracy, texts)
        yield (
            f"| {entry.pick.run.task} | **{accuracy:.4f}** | {low:.4f} to "
            f"{high:.4f} | {texts} | `models/{entry.pick.name}` |"
        )


def _origin(entry: Entry) -> str:
    run = entry.pick.run
    chosen = f"**{run.task}**: "
    if run.study is None:
        return chosen + (
            f"the best of our runs by validation accuracy ({run.val_accuracy:.4f}), tested once."
        )
    record = run.study.record
    states = ", ".join(f"{count} {state}" for state, count in record.states.items())
    chosen += (
        f"the best by validation accuracy ({run.val_accuracy:.4f}) of {record.n_trials} trials "
        f"({states}); `search/{entry.pick.name}` has all of them. "
    )
    if run.refit is None:
        return chosen + "Its model was tested once."
    return chosen + (
        "Trained again it has "
        f"{Spread.of(run.refit.validation.values)} on the validation texts and, trained on them "
        f"too, {Spread.of(run.refit.final.values)} on the test texts (mean ± standard deviation "
        "over the seeds). The model is the one of the seed with the median validation accuracy."
    )


def _hyperparameters(entries: Sequence[Entry]) -> Iterator[str]:
    names = [entry.pick.run.task for entry in entries]
    yield "## Hyperparameters"
    yield ""
    yield f"| key | {' | '.join(names)} |"
    yield f"| --- |{' --- |' * len(names)}"
    for key in entries[0].model.config:
        if key.startswith(HYPERPARAMETERS):
            values = (_shown(entry, key) for entry in entries)
            yield f"| `{key}` | {' | '.join(values)} |"
    if any(entry.pick.run.study for entry in entries):
        yield ""
        yield "Searched values are bold."


def _shown(entry: Entry, key: str) -> str:
    value = entry.model.value(key)
    shown = f"{value:.4g}" if isinstance(value, float) else json.dumps(value).strip('"')
    study = entry.pick.run.study
    return f"**{shown}**" if study and key in study.record.space else shown
