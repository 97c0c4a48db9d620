"""The page that a group hands in with its models (`report.md`)."""

from collections.abc import Sequence

from rnnclf.bundles.card import accuracy_interval, render
from rnnclf.bundles.pick import Pick
from rnnclf.files.words import in_markdown
from rnnclf.runs.find import read_run
from rnnclf.runs.results import Run, plain

HYPERPARAMETERS = ("model.", "optimizer.", "training.", "dataset.max_length")


def report(title: str, picks: Sequence[Pick]) -> str:
    """Writes the report (Markdown): accuracies, where they come from, hyperparameters."""
    trained = [(pick, read_run(pick.run.model_folder)) for pick in picks]
    entries = []
    for pick, run in trained:
        accuracy = run.result.test_accuracy
        assert accuracy is not None, "only tested models are chosen"
        entries.append((pick, run, accuracy_interval(accuracy, run.result.texts.test)))
    hyperparameters = {
        key: [_shown(pick, run, key) for pick, run in trained]
        for key in trained[0][1].config
        if key.startswith(HYPERPARAMETERS)
    }
    return render(
        "submission/report.md", title=title, entries=entries, hyperparameters=hyperparameters
    )


def _shown(pick: Pick, run: Run, key: str) -> str:
    """Writes a value, in bold if it was searched."""
    shown, study = in_markdown(plain(run.value(key))), pick.run.study
    return f"**{shown}**" if study and key in study.record.space else shown
