"""A trained model with its words and labels: saved to a folder, loaded from it, asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from rnnclf.atomic import replacing, write_text
from rnnclf.config import load as load_config
from rnnclf.config import to_yaml
from rnnclf.data.encoding import EncodedTexts, encode
from rnnclf.data.torchtext_adapter import tokenize
from rnnclf.data.vocabulary import Vocabulary
from rnnclf.errors import ConfigError, ModelError
from rnnclf.evaluate import predict_logits
from rnnclf.model import RecurrentClassifier
from rnnclf.paths import ModelPaths
from rnnclf.schema import Config, ModelConfig


def build_model(config: ModelConfig, vocabulary_size: int, num_classes: int) -> RecurrentClassifier:
    """Makes an untrained model as the configuration describes it."""
    return RecurrentClassifier(
        vocabulary_size,
        num_classes,
        cell=config.cell,
        embedding_size=config.embedding_size,
        hidden_size=config.hidden_size,
        num_layers=config.num_layers,
        bidirectional=config.bidirectional,
        pooling=config.pooling,
        word_dropout=config.word_dropout,
        embedding_dropout=config.embedding_dropout,
        layer_dropout=config.layer_dropout,
        dropout=config.dropout,
    )


@dataclass(frozen=True)
class Classifier:
    """Predicts the classes of texts.

    Attributes:
        config: The configuration of the run that trained the model.
        vocabulary: The words that it knows.
        classes: The class names in the order of the model's outputs.
        model: The network, on the CPU.
    """

    config: Config
    vocabulary: Vocabulary
    classes: list[str]
    model: RecurrentClassifier

    def encode(self, texts: Sequence[str], labels: Sequence[str] | None = None) -> EncodedTexts:
        """Turns texts (and their class names, if they are known) into indices."""
        indices = self.class_indices(labels) if labels else np.zeros(len(texts), dtype=np.int64)
        max_length = self.config.dataset.max_length
        return encode(texts, indices, tokenize, self.vocabulary, max_length)

    def class_indices(self, labels: Sequence[str]) -> npt.NDArray[np.int64]:
        """Returns the positions of class names among the model's outputs."""
        index = {name: position for position, name in enumerate(self.classes)}
        return np.array([index[name] for name in labels], dtype=np.int64)

    def predict_proba(self, texts: Sequence[str], batch_size: int = 256) -> npt.NDArray[np.float32]:
        """Returns the probability of each class for each text (texts, classes).

        Any string is answered; one without a known word like a single unknown word.
        """
        if not texts:
            return np.empty((0, len(self.classes)), dtype=np.float32)
        encoded = self.encode(texts)
        logits = predict_logits(self.model, encoded, batch_size, torch.device("cpu"))
        probabilities: npt.NDArray[np.float32] = logits.softmax(1).numpy()
        return probabilities

    def predict(self, texts: Sequence[str], batch_size: int = 256) -> list[str]:
        """Returns the most probable class of each text."""
        best = self.predict_proba(texts, batch_size).argmax(1)
        return [self.classes[index] for index in best]


def save_description(
    config: Config, vocabulary: Vocabulary, classes: list[str], paths: ModelPaths
) -> None:
    """Writes what `load` needs beside the weights: configuration, words, labels."""
    write_text(paths.config, to_yaml(config))
    write_text(paths.vocabulary, "".join(f"{word}\n" for word in vocabulary.words))
    write_text(paths.labels, "".join(f"{name}\n" for name in classes))


def save_weights(model: RecurrentClassifier, path: Path) -> None:
    """Writes the weights as safetensors, atomically."""
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    with replacing(path) as temporary:
        try:
            save_file(weights, temporary)
        except SafetensorError as error:
            raise OSError(f"{path}: cannot be written: {error}") from error


def load(folder: str | Path) -> Classifier:
    """Loads the model that a run left in its folder. Nothing in the folder is executed.

    Raises:
        ModelError: If a file is missing, damaged, or does not fit the others.
    """
    paths = ModelPaths(Path(folder))
    try:
        config = load_config(paths.config)
        vocabulary = Vocabulary(_read_lines(paths.vocabulary))
        classes = _read_lines(paths.labels)
        weights = load_file(paths.weights)
    except FileNotFoundError as error:
        missing = Path(str(error.filename or paths.weights)).name
        raise ModelError(f"{folder}: no model here ({missing} is missing)") from error
    except ConfigError as error:
        raise ModelError(f"{paths.config}: {error}") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{folder}: vocabulary or labels are not UTF-8") from error
    except SafetensorError as error:
        raise ModelError(f"{paths.weights}: not a whole safetensors file ({error})") from error
    with torch.device("meta"):
        model = build_model(config.model, len(vocabulary), len(classes))
    try:
        model.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise ModelError(f"{paths.weights}: does not fit {paths.config.name}: {error}") from error
    return Classifier(config, vocabulary, classes, model.eval())


def _read_lines(path: Path) -> list[str]:
    # Not splitlines(): a word may contain what str takes for a line end, such as U+2028.
    return path.read_bytes().decode("utf-8").removesuffix("\n").split("\n")
