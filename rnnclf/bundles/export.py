"""A model as ONNX, checked against the original.

torch's older exporter records one batch. It leaves batch and length free as long as the network
takes sizes from `shape`; the newer one (`torch.export`) fixes the length of a recurrent layer.
"""

import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra_study_sweeper.files import replacing
from torch import Tensor, nn

from rnnclf.data.encoding import make_batch
from rnnclf.errors import ModelError, UserError
from rnnclf.model.classifier import Classifier

OPSET = 17
TEXTS, LONGEST = 100, 60  # random texts, and words in the longest
TOLERANCE = 1e-4  # of probabilities


class _Exported(nn.Module):
    """The model with texts in rows and with probabilities."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, words: Tensor, lengths: Tensor) -> Tensor:
        logits: Tensor = self.model(words.t(), lengths)
        return logits.softmax(1)


def export_onnx(classifier: Classifier, path: Path) -> float:
    """Writes a model as ONNX, if it answers random texts as the original does.

    The graph takes `words` (batch, length), word indices padded with 1 (int64), and `lengths`
    (batch), at least 1 (int64), and gives `probabilities` (batch, classes). Batch and length are
    free. Known words have the character n-grams in their vectors; out-of-vocabulary words, which
    the graph cannot see, are `<unk>`.

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
    model = _Exported(classifier.model).eval()
    with replacing(path) as temporary:
        # Without gradients a layer is torch's own, which the exporter knows.
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # the exporter warns about itself and about tracing
            torch.onnx.export(
                model,
                _random_texts(classifier, texts=3, seed=0),
                str(temporary),
                dynamo=False,
                opset_version=OPSET,
                input_names=["words", "lengths"],
                output_names=["probabilities"],
                dynamic_axes={
                    "words": {0: "batch", 1: "length"},
                    "lengths": {0: "batch"},
                    "probabilities": {0: "batch"},
                },
            )
        onnx.checker.check_model(str(temporary))
        onnxruntime.set_default_logger_severity(4)  # it raises the same
        session = onnxruntime.InferenceSession(
            temporary.read_bytes(), providers=["CPUExecutionProvider"]
        )
        try:
            return _check(classifier, model, session)
        except onnxruntime.capi.onnxruntime_pybind11_state.Fail as error:
            raise ModelError(
                "the exported model takes texts of one length only, because the cell has a loop "
                "in Python; nothing was written"
            ) from error


def _check(classifier: Classifier, model: nn.Module, session: Any) -> float:
    """Compares the answers for texts in one batch and for each text alone."""
    words, lengths = _random_texts(classifier, texts=TEXTS, seed=1)
    with torch.inference_mode():
        expected = model(words, lengths).numpy()
    feeds = {"words": words.numpy(), "lengths": lengths.numpy()}
    (together,) = session.run(None, feeds)
    alone = [
        session.run(
            None, {"words": words.numpy()[i : i + 1, :n], "lengths": lengths.numpy()[i : i + 1]}
        )
        for i, n in enumerate(lengths.tolist())
    ]
    answers = (together, np.concatenate([rows for (rows,) in alone]))
    largest = max(float(np.abs(answer - expected).max()) for answer in answers)
    same = all((answer.argmax(1) == expected.argmax(1)).all() for answer in answers)
    if not same or not largest <= TOLERANCE:
        raise ModelError(
            f"the exported model answers differently (up to {largest:.2g}); nothing was written"
        )
    return largest


def _random_texts(classifier: Classifier, *, texts: int, seed: int) -> tuple[Tensor, Tensor]:
    """Returns words (texts, length) and lengths of texts of random known words."""
    generator = random.Random(seed)
    known = classifier.vocabulary.words
    made = [
        " ".join(generator.choices(known, k=generator.randint(1, LONGEST))) for _ in range(texts)
    ]
    batch = make_batch(classifier.encode(made), np.arange(texts))
    return batch.words.t().contiguous(), batch.lengths
