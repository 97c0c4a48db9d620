"""Text from elsewhere in messages and in pages of Markdown."""

import re
from collections.abc import Sequence

from hydra_study_sweeper.printable import one_line

_MARKUP = re.compile(r"[\\`*<>|&\[\]]")


def in_markdown(text: str) -> str:
    """Writes a text so that Markdown shows it as it is, on one line."""
    return _MARKUP.sub(r"\\\g<0>", one_line(text))


def shortened(text: str, longest: int) -> str:
    """Cuts a text to at most `longest` characters, and ends it with an ellipsis if it was cut."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def first_of(items: Sequence[str], most: int, between: str = ", ") -> str:
    """Lists the first `most` items, with an ellipsis if there are more."""
    return between.join([*items[:most], "…"] if len(items) > most else items)
