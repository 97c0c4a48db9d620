"""Table 1 of the hand-out, for the data sets on disk and the user's own in `conf/dataset/`."""

from pathlib import Path

import yaml
from hydra_study_sweeper.printable import one_line
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from rnnclf.data.own import PLACES, own_files, read_parts
from rnnclf.data.sources import SOURCES, load_corpus
from rnnclf.data.tables.columns import columns_of
from rnnclf.data.tables.table import Reading
from rnnclf.data.tokens import TOKENIZERS
from rnnclf.data.torchtext_adapter import count_words
from rnnclf.errors import DataError

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
    table = Table(title=Text(f"Data sets ({one_line(str(folder))})"))
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
    for path in sorted(Path("conf/dataset").glob("*.yaml")):
        if path.stem not in (*SOURCES, "sample", "csv"):
            table.add_row(path.stem, *_own_row(path))
    Console().print(table)


def _own_row(path: Path) -> list[str]:
    """Describes the user's own data set that a file of `conf/dataset/` names."""
    given = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    try:
        files = own_files(*(given.get(key) for key in PLACES))
        text, label, encoding = (given.get(key) for key in ("text", "label", "encoding"))
        reading = Reading(columns_of(text), label, encoding, may_be_link="folder" not in given)
        parts, *_ = read_parts(files, reading, skip=True)
    except DataError as error:
        return [f"[dim]{escape(str(error))}[/dim]"]
    train, test = parts["train"], parts.get("test")
    tokenize = TOKENIZERS[given.get("tokens", "words")]
    seen = set(train.texts)
    return [
        str(len(set(train.labels))),
        str(len(count_words(train.texts, tokenize=tokenize)) - SPECIAL_WORDS),
        "",
        str(len(train)),
        str(len(test)) if test else "from train",
        str(sum(text in seen for text in test.texts)) if test else "",
    ]
