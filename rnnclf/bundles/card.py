"""The page about a model that lies beside it."""

import shlex
from collections.abc import Iterator, Sequence

from rnnclf.configuration.schema import Config, DatasetConfig
from rnnclf.files.bundle import BundleRecord
from rnnclf.files.markdown import in_markdown
from rnnclf.files.result import ModelResult

CONFIDENCE = 0.95


def accuracy_interval(accuracy: float, texts: int) -> tuple[float, float]:
    """Returns Wilson's 95 % interval (1927) of the accuracy on all texts of the kind."""
    from scipy.stats import binomtest  # here: it takes half a second to import

    interval = binomtest(round(accuracy * texts), texts).proportion_ci(CONFIDENCE, "wilson")
    return float(interval.low), float(interval.high)


def model_card(name: str, config: Config, classes: Sequence[str], record: BundleRecord) -> str:
    """Writes the model card (Markdown) of a bundle."""
    sections = {
        f"# {name}": _summary(config, classes, record),
        "## Accuracy": _accuracy(record),
        "## Use": _use(name, config.dataset),
        "## Data": _data(config, record.result),
        "## Limits": _limits(config, record.result),
    }
    return "\n".join("\n".join([title, "", *lines, ""]) for title, lines in sections.items())


def _summary(config: Config, classes: Sequence[str], record: BundleRecord) -> Iterator[str]:
    result = record.result
    yield (
        f"A recurrent text classifier ({config.model.cell}, {result.parameters:,} parameters, "
        f"{result.vocabulary_size:,} words), trained on `{config.dataset.name}` with rnnclf at "
        f"revision {result.git_revision}. `config.yaml` has all hyperparameters."
    )
    if members := record.members:
        yield (
            f"It averages the probabilities of {len(members)} networks that were trained alike "
            f"with the seeds {', '.join(str(member.seed) for member in members)}."
        )
    yield ""
    yield f"It knows {len(classes)} classes; `labels.txt` lists them."


def _accuracy(record: BundleRecord) -> Iterator[str]:
    result, refit = record.result, record.refit
    rows = (
        ("validation", result.texts.validation, result.val_accuracy, result.val_macro_f1),
        ("test", result.texts.test, result.test_accuracy, result.test_macro_f1),
    )
    yield "| texts | number | accuracy | 95 % interval | macro-F1 |"
    yield "| --- | --- | --- | --- | --- |"
    for title, texts, accuracy, macro_f1 in rows:
        if accuracy is not None:
            low, high = accuracy_interval(accuracy, texts)
            yield (
                f"| {title} | {texts} | {accuracy:.4f} | {low:.4f} to {high:.4f} | {macro_f1:.4f} |"
            )
    yield ""
    yield "The interval (Wilson's) is for other texts of the same kind."
    if result.val_accuracy is not None:
        yield "The validation accuracy is too optimistic, because the model was chosen by it."
    if result.test_accuracy is None:
        yield "The model was never tested."
    if refit:
        yield (
            f"The study {in_markdown(str(record.study))} found the hyperparameters, and its winner "
            f"was trained again: {refit.validation} on the validation texts and, trained on those "
            f"too, {refit.final} on the test texts (mean ± standard deviation, number of seeds). "
            f"This is the model of seed {refit.model.seed}, the median by validation accuracy."
        )


def _use(name: str, dataset: DatasetConfig) -> Iterator[str]:
    folder = shlex.quote(name)
    data = " --data FOLDER" if dataset.folder else ""
    yield "```sh"
    yield f'rnnclf predict {folder} "A text"'
    yield f"rnnclf evaluate {folder}{data}    # computes these accuracies again"
    yield "```"
    yield ""
    yield "```python"
    yield "import rnnclf"
    yield ""
    yield f'classifier = rnnclf.load("{name}")'
    yield 'classifier.predict(["A text"])'
    yield 'classifier.predict_proba(["A text"])  # (texts, classes), in the order of labels.txt'
    yield "```"


def _data(config: Config, result: ModelResult) -> Iterator[str]:
    dataset, texts = config.dataset, result.texts
    yield (
        f"{texts.train} texts for training, {texts.validation} for validation, {texts.test} for "
        "the test."
    )
    if not dataset.folder:
        yield (
            f"The split was drawn with seed {dataset.split_seed}, {dataset.train_fraction:.0%} of "
            "the texts for training and validation."
        )


def _limits(config: Config, result: ModelResult) -> Iterator[str]:
    yield "- It gives every text one of its classes, even a text that belongs to none."
    yield (
        f"- It was trained on the texts of `{config.dataset.name}` only; expect less on texts of "
        "another kind, time or language."
    )
    yield "- Its probabilities are those of a softmax and were not calibrated."
    unknown = "by their letters only" if config.model.ngram_buckets else "not at all"
    yield (
        f"- It knows the {result.vocabulary_size:,} words of its training texts, and other words "
        f"{unknown}."
    )
    if limit := config.dataset.max_length:
        where = "first" if config.dataset.truncation == "head" else "first and the last"
        count = limit if config.dataset.truncation == "head" else f"{limit // 2:,}"
        yield f"- It reads the {where} {count} words of a text."
    yield "- The training texts have their publishers' terms; rnnclf's licence does not cover them."
