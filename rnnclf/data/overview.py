"""Table 1 of the hand-out, for the data sets on disk."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from rnnclf.data.sources import SOURCES, load_corpus
from rnnclf.data.torchtext_adapter import count_words

HANDOUT_VOCABULARY_SIZES = {
    "sentiment": 18298,
    "spam": 28049,
    "questions": 7694,
    "newsgroups": 160792,
}
SPECIAL_WORDS = 2


def print_overview(folder: Path) -> None:
    """Prints classes, vocabulary sizes, text counts, and test texts that are also in train.

    The vocabulary has every word of the training split, as in the hand-out, which does not name
    its tokenizer.
    """
    table = Table(title=f"Data sets ({folder})")
    for heading in ("data set", "classes", "vocabulary", "hand-out's", "train", "test", "in both"):
        table.add_column(heading, justify="left" if heading == "data set" else "right")
    for name in ("sample", *SOURCES):
        files = SOURCES[name].raw_files if name in SOURCES else ()
        missing = [raw_file.name for raw_file in files if not (folder / raw_file.name).exists()]
        if missing:
            table.add_row(name, f"[dim]not here: {', '.join(missing)}[/dim]")
            continue
        corpus = load_corpus(name, folder)
        seen = set(corpus.train.texts)
        table.add_row(
            name,
            str(len(corpus.classes)),
            str(len(count_words(corpus.train.texts)) - SPECIAL_WORDS),
            str(HANDOUT_VOCABULARY_SIZES.get(name, "")),
            str(len(corpus.train)),
            str(len(corpus.test)),
            str(sum(text in seen for text in corpus.test.texts)),
        )
    Console().print(table)
