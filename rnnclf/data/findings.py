"""What is to be said of labelled texts before somebody trains on them."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from statistics import median

from hydra_study_sweeper.printable import counted

from rnnclf.data.corpus import Texts
from rnnclf.files.words import first_of, shortened

SMALL_CLASS = 10  # texts
ENOUGH_TEXTS = 10  # to say something of their words
NEARLY_ALL = 0.8  # of the words
LARGE_PATH = 2**28  # bytes
NAMED, SHOWN = 5, 40  # classes that are named in a line, and characters of a text


def describe(texts: Texts) -> str:
    """Returns texts, classes with the largest and the smallest, and lengths, in a line."""
    counts = Counter(texts.labels).most_common()
    lengths = [len(text) for text in texts.texts]
    classes = counted(len(counts), "class", "classes")
    if counts:
        (largest, most), (smallest, fewest) = counts[0], counts[-1]
        classes += f" ({most} of {largest} … {fewest} of {smallest})"
    if not lengths:
        return "no texts"
    return (
        f"{counted(len(texts), 'text')} of {min(lengths)} to {max(lengths)} characters "
        f"(median {median(lengths):.0f}), {classes}"
    )


def findings(parts: Mapping[str, Texts]) -> Iterator[str]:
    """Yields what looks wrong with the texts of some parts, a line each.

    Args:
        parts: The texts of `training`, and of `validation` and `test` if there are any.
    """
    train = parts["training"]
    counts = Counter(train.labels)
    yield from _small_classes(counts)
    yield from _odd_labels(counts)
    yield from _many_classes(counts)
    for part in ("validation", "test"):
        if part in parts:
            yield from _shared(train, parts[part], part)
    yield from _conflicts(parts)


def rare_words(once: int, words: int, texts: int) -> Iterator[str]:
    """Complains if nearly all words of some texts occur once, as where no blanks separate words."""
    if texts >= ENOUGH_TEXTS and once >= NEARLY_ALL * words:
        yield (
            f"{once} of {words} words of the training texts occur once, so little can be learned "
            "from them; for texts without blanks set dataset.tokens=characters"
        )


def unmeasured(classes: Iterable[str], validation: Texts) -> Iterator[str]:
    """Complains of classes that no validation text has, since no validation figure covers them."""
    missing = sorted(set(classes) - set(validation.labels))
    if missing and validation.labels:
        yield (
            f"{counted(len(missing), 'class', 'classes')} without a validation text: "
            f"{first_of(missing, NAMED)}; validation figures leave them out; "
            "raise dataset.validation_fraction or add texts"
        )


def large_path(buckets: int, classes: int) -> Iterator[str]:
    """Complains of a wide path that many classes make large."""
    size = 4 * buckets * classes
    if size >= LARGE_PATH:
        yield (
            f"the linear path needs {size / 1e9:.1f} GB for {buckets} buckets and {classes} "
            "classes, in memory and in each file of the model; model.wide_buckets makes it smaller"
        )


def _shared(train: Texts, other: Texts, part: str) -> Iterator[str]:
    """Counts the texts of another part that training has as well."""
    known = set(train.texts)
    if count := sum(text in known for text in other.texts):
        yield (
            f"the training texts have {count} of {len(other)} {part} texts; "
            f"the {part} accuracy is higher than on new texts"
        )


def _small_classes(counts: Counter[str]) -> Iterator[str]:
    if small := [label for label, count in counts.items() if count < SMALL_CLASS]:
        classes = counted(len(small), "class", "classes")
        yield f"{classes} with fewer than {SMALL_CLASS} training texts: {first_of(small, NAMED)}"


def _odd_labels(counts: Counter[str]) -> Iterator[str]:
    alike = defaultdict(list)
    for label in counts:
        alike[label.casefold()].append(label)
    for labels in alike.values():
        if len(labels) > 1:
            yield f"labels that differ only in case are different classes: {', '.join(labels)}"
    if fractions := [label for label in counts if re.fullmatch(r"-?\d+\.0", label)]:
        yield (
            f"labels are whole numbers with a fraction: {first_of(fractions, NAMED)}; if "
            f"another file has {fractions[0].removesuffix('.0')}, that is another class"
        )


def _many_classes(counts: Counter[str]) -> Iterator[str]:
    number, texts = len(counts), counts.total()
    if number > max(50, texts / 3):
        yield f"{number} classes for {texts} training texts; is it the right label column?"


def _conflicts(parts: Mapping[str, Texts]) -> Iterator[str]:
    """Counts the texts that have more than one label."""
    first: dict[str, str] = {}
    conflicting: dict[str, str] = {}
    for texts in parts.values():
        for text, label in zip(texts.texts, texts.labels, strict=True):
            if first.setdefault(text, label) != label:
                conflicting.setdefault(text, label)
    if conflicting:
        text, label = next(iter(conflicting.items()))
        number, shown = counted(len(conflicting), "text"), shortened(text, SHOWN)
        yield f"{number} with more than one label, such as {shown!r}: {first[text]} and {label}"
