"""The page about a model that lies beside it."""

import shlex
from collections.abc import Iterator, Sequence

from rnnclf.bundles.record import BundleRecord
from rnnclf.configuration.schema import Config, DatasetConfig
from rnnclf.files.result import ModelResult
from rnnclf.runs.spread import Spread

CONFIDENCE = 0.95


def accuracy_interval(accuracy: float, texts: int) -> tuple[float, float]:
    """Returns Wilson's 95 % interval of an accuracy: what other texts of the kind would give.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    from scipy.stats import binomtest  # here: it takes half a second to import

    interval = binomtest(round(accuracy * texts), texts).proportion_ci(CONFIDENCE, "wilson")
    return float(interval.low), float(interval.high)


def model_card(name: str, config: Config, classes: Sequence[str], record: BundleRecord) -> str:
    """Writes the model card (Markdown) of a bundle.

    Args:
        name: Of the bundle.
        config: The configuration with which the model was trained.
        classes: The class names.
        record: What is known of the model.
    """
    sections = {
        f"# {name}": _summary(config, classes, record),
        "## Accuracy": _accuracy(record),
        "## Use": _use(name, config.dataset),
        "## Data": _data(config, record.result),
        "## Limits": _limits(config, record.result),
    }
    parts = ["\n".join([title, "", *lines, ""]) for title, lines in sections.items()]
    return "\n".join(parts)


def _summary(config: Config, classes: Sequence[str], record: BundleRecord) -> Iterator[str]:
    result = record.result
    yield (
        f"A recurrent text classifier ({config.model.cell}, {result.parameters:,} parameters, "
        f"{result.vocabulary_size:,} words), trained on `{config.dataset.name}` with rnnclf at "
        f"revision {result.git_revision}. `config.yaml` has all hyperparameters."
    )
    if members := record.members:
        yield (
            f"Its answer is the mean of the probabilities of {len(members)} networks, trained "
            f"alike with the seeds {', '.join(str(member.seed) for member in members)}."
        )
    yield ""
    yield f"It tells {len(classes)} classes apart; `labels.txt` lists them."


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
    yield "The interval (Wilson's) is about other texts of the same kind."
    if result.val_accuracy is not None:
        yield "The validation accuracy is too good: the model was chosen by it."
    if result.test_accuracy is None:
        yield "The model was never tested."
    if refit:
        yield (
            f"The hyperparameters were found by the study {record.study}, and its winner was "
            f"trained again: {Spread.of(refit.validation.values)} on the validation texts and, "
            f"trained on them too, {Spread.of(refit.final.values)} on the test texts, as mean and "
            f"standard deviation over that many seeds. This is the model of seed "
            f"{refit.model.seed}, the median by validation."
        )


def _use(name: str, dataset: DatasetConfig) -> Iterator[str]:
    folder = shlex.quote(name)
    data = " --data FOLDER" if dataset.folder else ""
    yield "```sh"
    yield f'rnnclf predict {folder} "A text"'
    yield f"rnnclf evaluate {folder}{data}    # computes the accuracies above anew from the data"
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
        f"{texts.train} texts for training, {texts.validation} for validation, "
        f"{texts.test} for the test"
        + (
            "."
            if dataset.folder
            else f", drawn with seed {dataset.split_seed}, {dataset.train_fraction:.0%} of them "
            "for training and validation."
        )
    )


def _limits(config: Config, result: ModelResult) -> Iterator[str]:
    yield "- It answers any text with one of its classes, also a text that belongs to none."
    yield (
        f"- It saw nothing but the training texts of `{config.dataset.name}`; expect less of it on "
        "texts of another kind, time or language."
    )
    yield "- Probabilities are those of a softmax and were not calibrated."
    yield (
        f"- It knows the {result.vocabulary_size:,} words of its training texts; every other "
        + ("one only by its letters." if config.model.ngram_buckets else "word is the same to it.")
    )
    if limit := config.dataset.max_length:
        where = "first" if config.dataset.truncation == "head" else "first and the last"
        count = limit if config.dataset.truncation == "head" else f"{limit // 2:,}"
        yield f"- It reads the {where} {count} words of a text."
    yield "- The terms of its training texts are their publishers'; rnnclf's licence is not theirs."
