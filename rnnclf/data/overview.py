"""Table 1 of the hand-out, for the data sets on disk and the user's own in `conf/dataset/`."""

from pathlib import Path

import yaml
from hydra_study_sweeper.printable import one_line
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from rnnclf.data.corpus import Texts
from rnnclf.data.own import PLACES, own_files, read_parts
from rnnclf.data.sources import SOURCES, load_corpus
from rnnclf.data.tables.columns import columns_of
from rnnclf.data.tables.table import Reading
from rnnclf.data.tokens import TOKENIZERS
from rnnclf.data.torchtext_adapter import count_words
from rnnclf.data.vocabulary import NUM_SPECIAL_WORDS, Tokenizer
from rnnclf.errors import DataError

HANDOUT_VOCABULARY_SIZES = {
    "sentiment": 18298,
    "spam": 28049,
    "questions": 7694,
    "newsgroups": 160792,
}


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
        handouts = str(HANDOUT_VOCABULARY_SIZES.get(name, ""))
        table.add_row(name, *_row(corpus.train, corpus.test, handouts=handouts))
    for path in sorted(Path("conf/dataset").glob("*.yaml")):
        if path.stem not in (*SOURCES, "sample", "csv"):
            table.add_row(path.stem, *_own_row(path))
    Console().print(table)


def _own_row(path: Path) -> list[str]:
    """Describes the user's own data set that a file of `conf/dataset/` names."""
    try:
        given = _settings(path)
        files = own_files(*(given.get(key) for key in PLACES))
        text, label, encoding = (given.get(key) for key in ("text", "label", "encoding"))
        may_be_link = not given.get("folder")
        reading = Reading(columns_of(text), label, encoding, may_be_link=may_be_link)
        parts, *_ = read_parts(files, reading, skip=True)
    except (DataError, yaml.YAMLError, OSError, ValueError) as error:
        return [f"[dim]{escape(one_line(str(error)))}[/dim]"]
    return _row(parts["train"], parts.get("test"), TOKENIZERS[given["tokens"]])


def _settings(path: Path) -> dict[str, str]:
    """Returns what a file of `conf/dataset/` sets, and the default for `tokens`.

    Raises:
        DataError: If it is no mapping, names no file or has an unknown value for `tokens`.
    """
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(given, dict):
        raise DataError("not a mapping")
    if not any(map(given.get, PLACES)):
        raise DataError("sets neither file nor folder")
    settings = {"tokens": "words"} | {k: str(v) for k, v in given.items() if v is not None}
    if settings["tokens"] not in TOKENIZERS:
        raise DataError(f"tokens: {settings['tokens']} is not one of {', '.join(TOKENIZERS)}")
    return settings


def _row(
    train: Texts,
    test: Texts | None,
    tokenize: Tokenizer = TOKENIZERS["words"],
    handouts: str = "",
) -> list[str]:
    seen = set(train.texts)
    return [
        str(len(set(train.labels))),
        str(len(count_words(train.texts, tokenize=tokenize)) - NUM_SPECIAL_WORDS),
        handouts,
        str(len(train)),
        str(len(test)) if test else "from train",
        str(sum(text in seen for text in test.texts)) if test else "",
    ]
