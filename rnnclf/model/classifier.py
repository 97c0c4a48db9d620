"""A trained model with its words and labels."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rnnclf.configuration.schema import Config
from rnnclf.data.corpus import Texts, class_indices
from rnnclf.data.encoding import EncodedTexts, encode
from rnnclf.data.subwords import Subwords, subwords_of, subwords_of_vocabulary
from rnnclf.data.tokens import TOKENIZERS
from rnnclf.data.vocabulary import Vocabulary
from rnnclf.data.wide import bags_of
from rnnclf.model.batches import make_batch
from rnnclf.model.evaluate import BATCH_SIZE, predict_logits, score
from rnnclf.model.metrics import Scores
from rnnclf.model.network import EMBEDDING, Ensemble, RecurrentClassifier


@dataclass(frozen=True)
class Classifier:
    """Predicts the classes of texts.

    Attributes:
        config: The configuration of the run that trained the model.
        vocabulary: The words that it knows.
        classes: The class names in the order of the model's outputs.
        model: The network or the ensemble.
    """

    config: Config
    vocabulary: Vocabulary
    classes: list[str]
    model: RecurrentClassifier | Ensemble

    @property
    def networks(self) -> list[RecurrentClassifier]:
        """The networks of an ensemble, or the only one."""
        if isinstance(self.model, RecurrentClassifier):
            return [self.model]
        return cast("list[RecurrentClassifier]", list(self.model.members))

    def encode(self, texts: Sequence[str]) -> EncodedTexts:
        """Turns texts into word indices; their labels are not known and all 0."""
        unknown = np.zeros(len(texts), dtype=np.int64)
        dataset = self.config.dataset
        encoded = encode(texts, unknown, TOKENIZERS[dataset.tokens], self.vocabulary)
        if buckets := self.config.model.wide_buckets:
            encoded = replace(encoded, bags=bags_of(texts, buckets))
        return self.with_subwords(encoded.cut(dataset.max_length, dataset.truncation))

    def with_subwords(self, texts: EncodedTexts) -> EncodedTexts:
        """Adds subwords to texts, if the model reads those."""
        if self._subwords is None:
            return texts
        oov = subwords_of(texts.oov, self.config.model.ngram_buckets)
        return replace(texts, subwords=self._subwords + oov)

    @cached_property
    def _subwords(self) -> Subwords | None:
        buckets = self.config.model.ngram_buckets
        return subwords_of_vocabulary(self.vocabulary.words, buckets) if buckets else None

    def without_ngrams(self) -> "Classifier":
        """Returns the classifier with the n-grams of known words folded into their vectors.

        It gives the same answers, except that out-of-vocabulary words are `<unk>`.
        """
        if self._subwords is None:
            return self
        config = deepcopy(self.config)
        config.model.ngram_buckets = 0
        every_word = np.arange(len(self.vocabulary))
        words, ones = every_word.astype(np.int32), np.ones_like(every_word)
        texts = EncodedTexts(words, every_word, ones, every_word, (), self._subwords)
        batch = make_batch(texts, every_word)

        def convert(network: RecurrentClassifier) -> RecurrentClassifier:
            weights = network.state_dict()
            with torch.inference_mode():
                weights[EMBEDDING] = network.vectors_of(batch.words[0], batch.subwords).clone()
            converted = RecurrentClassifier(config.model, len(self.vocabulary), len(self.classes))
            converted.load_state_dict(weights)
            return converted

        networks = [convert(network) for network in self.networks]
        model = Ensemble(networks) if isinstance(self.model, Ensemble) else networks[0]
        return Classifier(config, self.vocabulary, self.classes, model.eval())

    def class_indices(self, labels: Sequence[str]) -> npt.NDArray[np.int64]:
        """Returns the positions of class names among the model's outputs."""
        return class_indices(labels, self.classes)

    def logits(self, texts: Sequence[str], batch_size: int = BATCH_SIZE) -> Tensor:
        """Returns the logits of texts (texts, classes)."""
        return predict_logits(self.model, self.encode(texts), batch_size)

    def score(self, texts: Texts) -> Scores:
        """Compares the answers to labelled texts with their labels."""
        return score(self.logits(texts.texts), self.class_indices(texts.labels))

    def predict_proba(
        self, texts: Sequence[str], batch_size: int = BATCH_SIZE
    ) -> npt.NDArray[np.float32]:
        """Returns the probability of each class for each text (texts, classes).

        Every string gets an answer; one without known words is a single `<unk>`.

        Raises:
            TypeError: If `texts` is one string, which would be taken for one-letter texts.
        """
        if isinstance(texts, str):
            raise TypeError("texts is a list of strings, not a string")
        if not texts:
            return np.empty((0, len(self.classes)), dtype=np.float32)
        probabilities: npt.NDArray[np.float32] = self.logits(texts, batch_size).softmax(1).numpy()
        return probabilities

    def predict(self, texts: Sequence[str], batch_size: int = BATCH_SIZE) -> list[str]:
        """Returns the most probable class of each text."""
        best = self.predict_proba(texts, batch_size).argmax(1)
        return [self.classes[index] for index in best]
