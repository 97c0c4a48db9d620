"""Training that continues from a trained model, with other texts."""

from collections.abc import Iterator
from dataclasses import asdict, replace

import torch

from rnnclf.configuration.schema import Config, DatasetConfig
from rnnclf.data.encoding import EncodedTexts
from rnnclf.data.own import files_of, is_own
from rnnclf.data.prepared import PreparedTexts
from rnnclf.data.vocabulary import Vocabulary
from rnnclf.errors import ConfigError
from rnnclf.model.classifier import Classifier
from rnnclf.model.network import EMBEDDING, WIDE

OUTPUTS, IDF = ("linear.weight", "linear.bias"), "wide.idf"
# Ends of keys of the section `model`.
MAY_DIFFER = ("dropout", "vectors", "init_from", "wide_share")


def check_same_network(given: Classifier, config: Config) -> None:
    """Makes sure that the weights of a model are those of the network of a configuration.

    Raises:
        ConfigError: If they are of another network, or of several.
    """
    where = f"model.init_from={config.model.init_from}"
    if len(given.networks) > 1:
        raise ConfigError(f"{where} is an ensemble; name one of its members")
    theirs, ours = asdict(given.config.model), asdict(config.model)
    if given.config.dataset.tokens != config.dataset.tokens:
        raise ConfigError(f"{where} reads {given.config.dataset.tokens}; set dataset.tokens")
    for key, value in theirs.items():
        if not key.endswith(MAY_DIFFER) and ours[key] != value:
            raise ConfigError(
                f"{where} has model.{key}={value}, this run {ours[key]}; "
                "from=FOLDER takes over all values of a model"
            )


def drawn_anew(dataset: DatasetConfig) -> Iterator[str]:
    """Warns of a test part in which the texts of the first training may be."""
    if is_own(dataset) and "test" not in (files := files_of(dataset)):
        yield (
            f"the test texts are drawn from {files['train']}; if it has grown, the model may have "
            "been trained on some of them; a test file of its own has texts that it has not seen"
        )


def with_words_and_classes(data: PreparedTexts, given: Classifier) -> PreparedTexts:
    """Returns prepared texts with the words and classes of a model after their own."""
    known = set(data.vocabulary.words)
    words = [word for word in given.vocabulary.words if word not in known]
    vocabulary = Vocabulary([*data.vocabulary.words, *words])
    return replace(
        data,
        classes=[*data.classes, *(name for name in given.classes if name not in data.classes)],
        vocabulary=vocabulary,
        training=_looked_up(data.training, vocabulary),
        validation=_looked_up(data.validation, vocabulary),
    )


def _looked_up(texts: EncodedTexts, vocabulary: Vocabulary) -> EncodedTexts:
    """Gives the out-of-vocabulary words that a larger vocabulary has their indices."""
    oov: dict[str, int] = {}
    indices = vocabulary.encode(texts.oov, oov)
    words = texts.words.copy()
    words[words < 0] = indices[-1 - words[words < 0]]
    return replace(texts, words=words, oov=list(oov))


def take_weights(given: Classifier, classifier: Classifier) -> None:
    """Copies the weights of a model; words and classes that it does not have keep their own."""
    position = {word: index for index, word in enumerate(classifier.vocabulary.words)}
    of_words = [position[word] for word in given.vocabulary.words]
    of_classes = classifier.class_indices(given.classes)
    old, new = given.model.state_dict(), classifier.model.state_dict()
    with torch.no_grad():
        for name, weights in new.items():
            if name == EMBEDDING:  # the vectors of n-grams come after those of words
                weights[of_words] = old[name][: len(of_words)]
                weights[len(position) :] = old[name][len(of_words) :]
            elif name in OUTPUTS:
                weights[of_classes] = old[name]
            elif name == WIDE:  # (features, classes)
                weights[:, of_classes] = old[name]
            elif name == IDF:  # 0 for features that the new texts lack
                weights.copy_(torch.where(weights == 0, old[name], weights))
            else:
                weights.copy_(old[name])
