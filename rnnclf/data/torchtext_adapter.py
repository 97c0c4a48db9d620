"""The only module that imports torchtext.

It provides the tokenizer, the order of the words, and the hand-out's iterators.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from torchtext.data import BucketIterator, Dataset, Example, Field
from torchtext.data.utils import get_tokenizer
from torchtext.vocab import Vocab

from rnnclf.data.corpus import Texts, class_indices
from rnnclf.data.sources import SOURCES, default_data_folder, load_corpus
from rnnclf.data.vocabulary import SPECIAL_WORDS, Tokenizer
from rnnclf.errors import DataError

tokenize = get_tokenizer("basic_english")


def count_words(
    texts: Iterable[str], min_frequency: int = 1, tokenize: Tokenizer = tokenize
) -> list[str]:
    """Returns `<unk>`, `<pad>`, and the words of the texts, sorted by frequency and alphabet.

    Words that occur less than `min_frequency` times are left out.
    """
    counter = Counter(word for text in texts for word in tokenize(text))
    vocab = Vocab(counter, min_freq=min_frequency, specials=SPECIAL_WORDS)
    words: list[str] = vocab.itos
    return words


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
