"""How a text becomes words: torchtext's words, or characters for texts without blanks."""

from rnnclf.data.torchtext_adapter import tokenize
from rnnclf.data.vocabulary import Tokenizer

BLANK = "▁"  # stands for blanks between characters, as in SentencePiece


def characters(text: str) -> list[str]:
    """Returns the characters of a text in lower case; blanks between them become one `BLANK`."""
    return list(BLANK.join(text.lower().split()))


TOKENIZERS: dict[str, Tokenizer] = {"words": tokenize, "characters": characters}
