"""Precision, recall and F1 of classes as a short table for people."""

from collections.abc import Iterator, Sequence

from hydra_study_sweeper.printable import one_line

from rnnclf.files.result import ClassResult
from rnnclf.files.words import shortened

MOST = 10  # classes in a table
WIDEST = 30  # characters of a class


def telling(classes: Sequence[ClassResult], most: int = MOST) -> list[ClassResult]:
    """Returns the classes that a short table shows, in their order.

    Of more than `most` classes they are the largest half and, of the others with texts, the worst.
    """
    if len(classes) <= most:
        return list(classes)
    by_size = sorted(classes, key=lambda one: -one.support)
    shown = by_size[: most // 2]
    others = [one for one in by_size[most // 2 :] if one.support]
    shown += sorted(others, key=lambda one: (one.f1, -one.support))[: most - len(shown)]
    labels = {one.label for one in shown}
    return [one for one in classes if one.label in labels]


def class_table(classes: Sequence[ClassResult], part: str) -> Iterator[str]:
    """Yields the lines of a short table about the classes of a part."""
    shown = telling(classes)
    of = "" if len(shown) == len(classes) else f" (largest and worst of {len(classes)})"
    names = [shortened(one_line(one.label), WIDEST) for one in shown]
    head = f"{part} classes{of}"
    width = max(len(name) for name in (head, *names))
    yield f"{head:{width}}  precision  recall      F1   texts"
    for name, one in zip(names, shown, strict=True):
        yield (
            f"{name:{width}}  {one.precision:9.4f}  {one.recall:6.4f}  {one.f1:6.4f}  "
            f"{one.support:6}"
        )
