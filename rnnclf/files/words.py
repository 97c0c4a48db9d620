"""Text from elsewhere in messages and in pages of Markdown."""

import re
from collections.abc import Sequence

from hydra_study_sweeper.printable import one_line

_MARKUP = re.compile(r"[\\`*<>|&\[\]]")


def in_markdown(text: str) -> str:
    """Writes a text so that Markdown shows it as it is, on one line."""
    return _MARKUP.sub(r"\\\g<0>", one_line(text))


def shortened(text: str, longest: int) -> str:
    """Returns a text of at most so many characters; a longer one ends with an ellipsis."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def first_of(items: Sequence[str], most: int, between: str = ", ") -> str:
    """Lists the first of some items, and says if there are more."""
    return between.join([*items[:most], "…"] if len(items) > most else items)
