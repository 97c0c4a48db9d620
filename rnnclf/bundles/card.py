"""The model card of a bundle (`card.md`) and its intervals."""

import shlex
from collections.abc import Sequence
from typing import Any

from rnnclf.configuration.schema import Config
from rnnclf.files.bundle import BundleRecord
from rnnclf.files.class_table import telling
from rnnclf.files.result import METRICS
from rnnclf.files.words import in_markdown

CONFIDENCE = 0.95
MOST_CLASSES = 30  # in the table of a card


def accuracy_interval(accuracy: float, texts: int) -> tuple[float, float]:
    """Returns Wilson's 95 % interval (1927) of the accuracy on all texts of the kind."""
    from scipy.stats import binomtest  # here: it takes half a second to import

    interval = binomtest(round(accuracy * texts), texts).proportion_ci(CONFIDENCE, "wilson")
    return float(interval.low), float(interval.high)


def model_card(name: str, config: Config, classes: Sequence[str], record: BundleRecord) -> str:
    """Writes the model card (Markdown) of a bundle."""
    result = record.result
    measured = (
        ("validation", result.texts.validation, result.val_accuracy, result.val_macro_f1),
        ("test", result.texts.test, result.test_accuracy, result.test_macro_f1),
    )
    rows = [
        (part, texts, accuracy, accuracy_interval(accuracy, texts), macro_f1)
        for part, texts, accuracy, macro_f1 in measured
        if accuracy is not None
    ]
    by_part = (("test", result.test_classes), ("validation", result.val_classes))
    described = {
        "config": config,
        "classes": classes,
        "record": record,
        "rows": rows,
        "metric": METRICS[config.training.metric],
        "of_classes": next(((part, telling(of, MOST_CLASSES)) for part, of in by_part if of), None),
    }
    return render("card.md", name=name, folder=shlex.quote(name), **described)


def render(template: str, **values: Any) -> str:
    """Fills in a template of this folder, which is Markdown and needs no escaping of HTML."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(  # noqa: S701
        loader=PackageLoader("rnnclf.bundles", "."),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    environment.filters["in_markdown"] = in_markdown
    return environment.get_template(template).render(values)
