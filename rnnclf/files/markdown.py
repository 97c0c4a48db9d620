"""Text from elsewhere in a page of Markdown."""

import re

from hydra_study_sweeper.printable import one_line

_MARKUP = re.compile(r"[\\`*<>|&\[\]]")


def in_markdown(text: str) -> str:
    """Writes a text so that Markdown shows it as it is, on one line."""
    return _MARKUP.sub(r"\\\g<0>", one_line(text))
