"""A model as ONNX, checked against the original.

torch's older exporter records one batch. It leaves batch and length free as long as the network
takes sizes from `shape`; the newer one (`torch.export`) fixes the length of a recurrent layer.
"""

import random
import warnings
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra_study_sweeper.files import replacing
from torch import Tensor, nn

from rnnclf.data.encoding import EncodedTexts, make_batch
from rnnclf.data.wide import BAGS, Bags
from rnnclf.errors import ModelError, UserError
from rnnclf.model.classifier import Classifier
from rnnclf.model.evaluate import predict_logits
from rnnclf.model.layers import TINY, WideLayer

OPSET = 17
TEXTS, LONGEST = 100, 60  # random texts, and words in the longest
TOLERANCE = 1e-4  # of probabilities
FREE = {
    "words": {0: "batch", 1: "length"},
    "lengths": {0: "batch"},
    "buckets": {0: "batch", 2: "features"},
    "counts": {0: "batch", 2: "features"},
    "probabilities": {0: "batch"},
}


class _Exported(nn.Module):
    """The model with texts in rows and with probabilities."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.model = deepcopy(classifier.model)
        for network in replace(classifier, model=self.model).networks:
            network.wide = network.wide and _PaddedWide(network.wide)  # type: ignore[assignment]

    def forward(self, words: Tensor, lengths: Tensor, *features: Tensor) -> Tensor:
        logits: Tensor = self.model(words.t(), lengths, None, features)
        return logits.softmax(1)


class _PaddedWide(nn.Module):
    """A wide path that reads padded bags; ONNX has no `embedding_bag`."""

    def __init__(self, wide: WideLayer) -> None:
        super().__init__()
        self.wide = wide

    def forward(self, features: tuple[Tensor, Tensor]) -> Tensor:
        """Returns the logits for buckets and counts (batch, bags, features)."""
        buckets, counts = features
        values = counts * self.wide.idf[buckets]
        squares = values.square().sum(-1, keepdim=True)
        values = values / squares.clamp(min=TINY).sqrt()
        return (values.unsqueeze(-1) * self.wide.weight[buckets]).sum((1, 2))


def export_onnx(classifier: Classifier, path: Path) -> float:
    """Writes a model as ONNX, if it answers random texts as the original does.

    The graph takes `words` (batch, length), word indices padded with 1 (int64), and `lengths`
    (batch), at least 1 (int64), and gives `probabilities` (batch, classes). Batch and length are
    free. Known words have the character n-grams in their vectors; out-of-vocabulary words, which
    the graph cannot see, are `<unk>`. For a wide path it also takes `buckets` (batch, 2, features;
    int64) and `counts` (float32) as `rnnclf.data.wide` finds them, padded with 0.

    Returns:
        The largest difference of a probability from torch's.

    Raises:
        UserError: If the packages of the extra `export` are missing.
        ModelError: If the exported model answers differently.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise UserError(f"{error.name} is not installed: pip install 'rnnclf[export]'") from error
    classifier = classifier.without_ngrams()
    model = _Exported(classifier).eval()
    inputs = inputs_of(_random_texts(classifier, texts=3, seed=0))
    with replacing(path) as temporary:
        # Without gradients a layer is torch's own, which the exporter knows.
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # the exporter warns about itself and about tracing
            torch.onnx.export(
                model,
                tuple(inputs.values()),
                str(temporary),
                dynamo=False,
                opset_version=OPSET,
                input_names=list(inputs),
                output_names=["probabilities"],
                dynamic_axes={
                    name: axes for name, axes in FREE.items() if name in (*inputs, "probabilities")
                },
            )
        onnx.checker.check_model(str(temporary))
        onnxruntime.set_default_logger_severity(4)  # it raises the same
        session = onnxruntime.InferenceSession(
            temporary.read_bytes(), providers=["CPUExecutionProvider"]
        )
        try:
            return _check(classifier, session)
        except onnxruntime.capi.onnxruntime_pybind11_state.Fail as error:
            raise ModelError(
                "the exported model takes texts of one length only, because the cell has a loop "
                "in Python; nothing was written"
            ) from error


def inputs_of(texts: EncodedTexts) -> dict[str, Tensor]:
    """Returns the inputs of a graph for texts."""
    batch = make_batch(texts, np.arange(len(texts)))
    inputs = {"words": batch.words.t().contiguous(), "lengths": batch.lengths}
    return inputs if texts.bags is None else inputs | _padded(texts.bags)


def _check(classifier: Classifier, session: Any) -> float:
    """Compares the answers for texts in one batch and for each text alone."""
    texts = _random_texts(classifier, texts=TEXTS, seed=1)
    expected = predict_logits(classifier.model, texts).softmax(1).numpy()
    feeds = {name: values.numpy() for name, values in inputs_of(texts).items()}
    (together,) = session.run(None, feeds)
    alone = []
    for i, length in enumerate(feeds["lengths"]):
        feed = {name: values[i : i + 1] for name, values in feeds.items()}
        alone += session.run(None, feed | {"words": feed["words"][:, :length]})
    answers = (together, np.concatenate(alone))
    largest = max(float(np.abs(answer - expected).max()) for answer in answers)
    same = all((answer.argmax(1) == expected.argmax(1)).all() for answer in answers)
    if not same or not largest <= TOLERANCE:
        raise ModelError(
            f"the exported model answers differently (up to {largest:.2g}); nothing was written"
        )
    return largest


def _random_texts(classifier: Classifier, *, texts: int, seed: int) -> EncodedTexts:
    """Returns texts of random known words."""
    generator = random.Random(seed)
    known = classifier.vocabulary.words
    made = [
        " ".join(generator.choices(known, k=generator.randint(1, LONGEST))) for _ in range(texts)
    ]
    return classifier.encode(made)


def _padded(bags: Bags) -> dict[str, Tensor]:
    """Returns the bags of texts side by side (texts, bags, features)."""
    sizes = np.diff(bags.ends, prepend=0)
    places = np.arange(sizes.max()) < sizes[:, None]
    padded = {}
    for name, values, kind in (
        ("buckets", bags.buckets, np.int64),
        ("counts", bags.counts, np.float32),
    ):
        rows = np.zeros(places.shape, dtype=kind)
        rows[places] = values
        padded[name] = torch.from_numpy(rows.reshape(-1, BAGS, places.shape[1]))
    return padded
