"""How a text becomes words: torchtext's words, or characters for texts without blanks."""

from rnnclf.data.vocabulary import Tokenizer

BLANK = "▁"  # stands for blanks between characters, as in SentencePiece


def words(text: str) -> list[str]:
    """Returns the words of a text as torchtext finds them."""
    from rnnclf.data.torchtext_adapter import tokenize  # here: it imports torch for a second

    found: list[str] = tokenize(text)
    return found


def characters(text: str) -> list[str]:
    """Returns the characters of a text in lower case; blanks between them become one `BLANK`."""
    return list(BLANK.join(text.lower().split()))


TOKENIZERS: dict[str, Tokenizer] = {"words": words, "characters": characters}
