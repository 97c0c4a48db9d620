"""The page that a group hands in with its models."""

import json
from collections.abc import Iterator, Sequence

from rnnclf.bundles.card import accuracy_interval
from rnnclf.bundles.pick import Pick
from rnnclf.files.markdown import in_markdown
from rnnclf.runs.find import read_run
from rnnclf.runs.results import Run

HYPERPARAMETERS = ("model.", "optimizer.", "training.", "dataset.max_length")
CHECK = """
## Check

```sh
make -C code setup
code/.venv/bin/python grade.py    # --data FOLDER, if the raw files are on this machine
```
"""


def report(title: str, picks: Sequence[Pick]) -> str:
    """Writes the report (Markdown): accuracies, where they come from, hyperparameters."""
    lines = [f"# {title}", "", *_accuracies(picks), ""]
    for pick in picks:
        lines += [_origin(pick), ""]
    return "\n".join([*lines, *_hyperparameters(picks), CHECK])


def _trained(pick: Pick) -> Run:
    """Returns the run that trained the model and read the test split."""
    return read_run(pick.run.model_folder)


def _accuracies(picks: Sequence[Pick]) -> Iterator[str]:
    yield "| data set | test accuracy | 95 % interval | test texts | model |"
    yield "| --- | --- | --- | --- | --- |"
    for pick in picks:
        result = _trained(pick).result
        assert result.test_accuracy is not None, "only tested models are chosen"
        low, high = accuracy_interval(result.test_accuracy, result.texts.test)
        yield (
            f"| {pick.run.task} | **{result.test_accuracy:.4f}** | {low:.4f} to "
            f"{high:.4f} | {result.texts.test} | `models/{pick.name}` |"
        )


def _origin(pick: Pick) -> str:
    run = pick.run
    best = f"**{run.task}**: the best by validation accuracy ({run.val_accuracy:.4f}) of"
    if run.study is None:
        return f"{best} our runs, tested once."
    record = run.study.record
    states = ", ".join(f"{count} {state}" for state, count in record.states.items())
    best += f" {record.n_trials} trials ({states}), which `search/{pick.name}` lists. "
    if run.refit is None:
        return best + "Its model was tested once."
    return best + (
        f"Trained again, it has {run.refit.validation} on the validation texts and, trained on "
        f"those too, {run.refit.final} on the test texts (mean ± standard deviation, number of "
        "seeds). The model is that of the seed with the median validation accuracy."
    )


def _hyperparameters(picks: Sequence[Pick]) -> Iterator[str]:
    runs = [_trained(pick) for pick in picks]
    yield "## Hyperparameters"
    yield ""
    yield f"| key | {' | '.join(pick.run.task for pick in picks)} |"
    yield f"| --- |{' --- |' * len(picks)}"
    for key in runs[0].config:
        if key.startswith(HYPERPARAMETERS):
            values = (_shown(pick, run, key) for pick, run in zip(picks, runs, strict=True))
            yield f"| `{key}` | {' | '.join(values)} |"
    if any(pick.run.study for pick in picks):
        yield ""
        yield "Searched values are bold."


def _shown(pick: Pick, run: Run, key: str) -> str:
    value = run.value(key)
    shown = (
        f"{value:.4g}" if isinstance(value, float) else in_markdown(json.dumps(value).strip('"'))
    )
    study = pick.run.study
    return f"**{shown}**" if study and key in study.record.space else shown
