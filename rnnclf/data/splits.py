"""Splits: a seeded shuffle into training and test, and a stratified validation part."""

import random
from collections import defaultdict
from fractions import Fraction

from rnnclf.configuration.schema import DatasetConfig
from rnnclf.data.corpus import Corpus, Texts
from rnnclf.errors import DataError


def shuffled_split(texts: Texts, train_fraction: float, seed: int) -> tuple[Texts, Texts]:
    """Shuffles texts and splits them into training and test, the first rounded down."""
    order = list(range(len(texts)))
    random.Random(seed).shuffle(order)
    cut = int(len(texts) * train_fraction)
    return texts.take(order[:cut]), texts.take(order[cut:])


def hold_out(corpus: Corpus, config: DatasetConfig) -> tuple[Texts, Texts]:
    """Returns the texts for training and for validation.

    The latter come from the user's own validation file, or are a part of the training split.

    Raises:
        DataError: If there are too few texts for the validation part to have any.
    """
    if corpus.validation is not None:
        return corpus.train, corpus.validation
    seed = config.split_seed if config.validation_seed is None else config.validation_seed
    name = config.folder or config.file or config.name
    return stratified_split(corpus.train, config.validation_fraction, seed, name)


def stratified_split(
    texts: Texts,
    fraction: float,
    seed: int,
    name: str,
    purpose: str = "validation; raise dataset.validation_fraction",
) -> tuple[Texts, Texts]:
    """Draws a part with the classes in the same proportions; returns the rest and the part.

    Every class gives its share rounded down; the remaining places go to the largest remainders
    (Hamilton's method). A class never gives all its texts. Both keep the order of the texts.
    `name` is that of the data set, or of its file, in the error.

    Raises:
        DataError: If the part would be empty, unless `fraction` is 0.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for index, label in enumerate(texts.labels):
        members[label].append(index)
    exact = {label: Fraction(str(fraction)) * len(members[label]) for label in sorted(members)}
    counts = {label: min(int(share), len(members[label]) - 1) for label, share in exact.items()}
    left = round(sum(exact.values())) - sum(counts.values())
    by_remainder = sorted(exact, key=lambda label: counts[label] - exact[label])
    for label in by_remainder:
        if left > 0 and counts[label] < len(members[label]) - 1:
            counts[label] += 1
            left -= 1
    generator = random.Random(seed)
    taken = {index for label in counts for index in generator.sample(members[label], counts[label])}
    if not taken and fraction:
        raise DataError(
            f"{name}: {len(texts)} training texts are too few to hold out {100 * fraction:g}% "
            f"for {purpose} or add texts"
        )
    rest = [index for index in range(len(texts)) if index not in taken]
    return texts.take(rest), texts.take(sorted(taken))
