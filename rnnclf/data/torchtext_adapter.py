"""The only module that imports torchtext.

It provides the tokenizer, the order of the words, pretrained vectors, and the hand-out's iterators.
"""

import contextlib
import io
import logging
import ssl
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor
from torchtext.data import BucketIterator, Dataset, Example, Field
from torchtext.data.utils import get_tokenizer
from torchtext.vocab import Vectors, Vocab

from rnnclf.data.corpus import Texts, class_indices
from rnnclf.data.sources import SOURCES, default_data_folder, load_corpus
from rnnclf.data.vocabulary import Tokenizer
from rnnclf.errors import DataError

UNKNOWN, PADDING = "<unk>", "<pad>"

tokenize = get_tokenizer("basic_english")


def count_words(
    texts: Iterable[str], min_frequency: int = 1, tokenize: Tokenizer = tokenize
) -> list[str]:
    """Returns `<unk>`, `<pad>`, and the words of the texts, sorted by frequency and alphabet.

    Words that occur less than `min_frequency` times are left out.
    """
    counter = Counter(word for text in texts for word in tokenize(text))
    vocab = Vocab(counter, min_freq=min_frequency, specials=(UNKNOWN, PADDING))
    words: list[str] = vocab.itos
    return words


def find_vectors(path: Path, words: list[str]) -> tuple[list[int], Tensor]:
    """Looks words up in a text file of pretrained vectors (GloVe, word2vec).

    Returns:
        The positions in `words` of the words found, and their vectors (found, width).

    Raises:
        DataError: If the file is malformed.
    """
    try:
        vectors = _load_vectors(path)
    except TypeError as error:  # torchtext could not tell how wide they are
        raise DataError(f"{path}: no word vectors of width 3 or more in it") from error
    except (ValueError, RuntimeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a text file of word vectors ({error})") from error
    positions = [position for position, word in enumerate(words) if word in vectors.stoi]
    return positions, vectors.vectors[[vectors.stoi[words[position]] for position in positions]]


def _load_vectors(path: Path) -> Vectors:
    """Reads a file with `torchtext.vocab.Vectors`, without its side effects.

    It caches the file and reads that copy even after the file has changed, turns off the
    verification of certificates in the whole process, draws a bar, and logs.
    """
    logging.getLogger(Vectors.__module__).setLevel(logging.WARNING)
    context = ssl._create_default_https_context
    try:
        with tempfile.TemporaryDirectory() as cache, contextlib.redirect_stderr(io.StringIO()):
            return Vectors(str(path), cache=cache)
    finally:
        ssl._create_default_https_context = context


def load_dataset(
    name: str, batch_size: int, data_folder: str | Path | None = None
) -> tuple[BucketIterator, BucketIterator]:
    """Loads a data set the way the hand-out's `dataset.py` does.

    Args:
        name: `sample`, `sentiment`, `spam`, `questions` or `newsgroups`.
        batch_size: Texts in a batch.
        data_folder: The folder of the raw files; default: `$RNNCLF_DATA`, or `data`.

    Returns:
        The iterators over the training and the test split. A batch has `.sentence`, word indices
        (sequence, batch), and `.label`, class indices (batch), both int64. The vocabulary is
        `train_iterator.dataset.fields["sentence"].vocab`, the class names are
        `train_iterator.dataset.classes`.

    Raises:
        DataError: If the data set is unknown, missing or damaged, or a batch has no texts.
    """
    if batch_size < 1:
        raise DataError(f"batch_size must be at least 1; it is {batch_size}")
    if name not in (*SOURCES, "sample"):
        raise DataError(f"no data set {name!r}; there are sample, {', '.join(SOURCES)}")
    corpus = load_corpus(name, Path(data_folder or default_data_folder()))
    sentence = Field(tokenize=tokenize)
    label = Field(sequential=False, use_vocab=False)
    fields = [("sentence", sentence), ("label", label)]

    def dataset(split: Texts) -> Dataset:
        labels = class_indices(split.labels, corpus.classes).tolist()
        examples = [
            Example.fromlist([text, label], fields)
            for text, label in zip(split.texts, labels, strict=True)
        ]
        built = Dataset(examples, fields)
        built.classes = corpus.classes
        return built

    train, test = dataset(corpus.train), dataset(corpus.test)
    sentence.build_vocab(train)
    iterators: tuple[BucketIterator, BucketIterator] = BucketIterator.splits(
        (train, test),
        batch_size=batch_size,
        sort_key=lambda example: len(example.sentence),
        sort_within_batch=True,
        repeat=False,
    )
    return iterators
