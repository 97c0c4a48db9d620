"""A model as ONNX, checked against the original.

torch's older exporter records one batch. It leaves batch and length free as long as the network
takes sizes from `shape`; the newer one (`torch.export`) fixes the length of a recurrent layer.
"""

import json
import random
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from hydra_study_sweeper.files import read_bounded, replacing, write_text
from torch import Tensor, nn

from rnnclf.data.encoding import LONGEST as LONGEST_TEXT
from rnnclf.data.wide import BAGS
from rnnclf.errors import ModelError, UserError
from rnnclf.model.classifier import Classifier
from rnnclf.model.layers import TINY, WideLayer

OPSET = 17
TEXTS, LONGEST = 100, 60  # made-up texts, and words in the longest, at least
LARGEST_PROGRAM = 2**20  # bytes
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
    """Writes a model as ONNX, and a program of the same name that prepares texts for it.

    The graph takes `words` (batch, length), word indices padded with 1 (int64), and `lengths`
    (batch), at least 1 (int64), and gives `probabilities` (batch, classes). Batch and length are
    free. Its metadata has the words, the classes and how texts are cut. Known words have the
    character n-grams in their vectors; out-of-vocabulary words, which the graph cannot see, are
    `<unk>`. For a wide path it also takes `buckets` (batch, 2, features; int64) and `counts`
    (float32), which the program finds.

    Nothing is written unless made-up texts have the model's answers.

    Args:
        classifier: The model.
        path: The graph, `NAME.onnx`; the program is `NAME.py` (see `onnx_page.py`).

    Returns:
        The largest difference of a probability from torch's.

    Raises:
        UserError: If the packages of the extra `export` are missing.
        ModelError: If the exported model answers differently, or something else has that name.
    """
    program = path.with_suffix(".py")
    page = files("rnnclf.bundles").joinpath("onnx_page.py").read_text(encoding="utf-8")
    if path.suffix != ".onnx":
        raise UserError(f"{path}: the name of the file must end in .onnx")
    with suppress(FileNotFoundError):
        if read_bounded(program, LARGEST_PROGRAM) != page.encode():
            raise ModelError(f"{program} exists and is not what rnnclf export writes; move it away")
    if path.stem in sys.stdlib_module_names | {"numpy", "onnxruntime"}:
        raise UserError(f"{program} would take the place of the module {path.stem}; rename it")
    try:
        import onnx

        from rnnclf.bundles import onnx_page  # first: it ends onnxruntime's reports to its maker
        import onnxruntime  # isort: skip
    except ImportError as error:
        raise UserError(f"{error.name} is not installed: pip install 'rnnclf[export]'") from error
    classifier = classifier.without_ngrams()
    with replacing(path) as temporary:
        _write_graph(classifier, temporary)
        graph = onnx.load(str(temporary))
        onnx.helper.set_model_props(graph, {"texts": json.dumps(_about_texts(classifier))})
        onnx.checker.check_model(graph)
        onnx.save(graph, str(temporary))
        onnxruntime.set_default_logger_severity(4)  # it raises the same
        model = onnx_page.Model(temporary)
        try:
            difference = _check(classifier, model.predict_proba)
        except onnxruntime.capi.onnxruntime_pybind11_state.Fail as error:
            raise ModelError(
                "the cell has a loop in Python, so the exported model would take texts of one "
                "length only; nothing was written"
            ) from error
    write_text(program, page)
    return difference


def _about_texts(classifier: Classifier) -> dict[str, Any]:
    """Returns what the program must know besides the graph."""
    dataset = classifier.config.dataset
    return {
        "words": classifier.vocabulary.words,
        "classes": classifier.classes,
        "tokens": dataset.tokens,
        "max_length": LONGEST_TEXT if dataset.max_length is None else dataset.max_length,
        "truncation": dataset.truncation,
        "wide_buckets": classifier.config.model.wide_buckets,
    }


def _write_graph(classifier: Classifier, path: Path) -> None:
    """Records a batch of three texts of different lengths."""
    inputs = {"words": torch.ones(3, 4, dtype=torch.int64), "lengths": torch.tensor([4, 2, 1])}
    if classifier.config.model.wide_buckets:
        shape = (3, BAGS, 5)
        inputs |= {"buckets": torch.zeros(shape, dtype=torch.int64), "counts": torch.ones(shape)}
    # Without gradients a layer is torch's own, which the exporter knows.
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter warns about itself and about tracing
        torch.onnx.export(
            _Exported(classifier).eval(),
            tuple(inputs.values()),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=["probabilities"],
            dynamic_axes={
                name: axes for name, axes in FREE.items() if name in (*inputs, "probabilities")
            },
        )


def _check(classifier: Classifier, answer: Callable[[list[str]], npt.NDArray[np.float32]]) -> float:
    """Compares the answers to texts in batches and to each text alone."""
    texts = made_up_texts(classifier)
    expected = classifier.predict_proba(texts)
    together = answer(texts)
    alone = np.concatenate([answer([text]) for text in texts])
    largest = max(float(np.abs(found - expected).max()) for found in (together, alone))
    same = all((found.argmax(1) == expected.argmax(1)).all() for found in (together, alone))
    if not same or not largest <= TOLERANCE:
        raise ModelError(
            f"the exported model answers differently (up to {largest:.2g}); nothing was written"
        )
    return largest


def made_up_texts(classifier: Classifier) -> list[str]:
    """Returns `TEXTS` texts of known and unknown words, with signs and capitals.

    They have none to `LONGEST` words, or twice the model's longest text.
    """
    generator = random.Random(0)
    longest = max(LONGEST, 2 * (classifier.config.dataset.max_length or 0))
    known = classifier.vocabulary.words
    return [
        "".join(
            generator.choice((word, word, word.upper(), f"un{word}heard", f"({word}), \"it's!"))
            + generator.choice((" ", " ", "  ", "\n", "<br />", "; "))
            for word in generator.choices(known, k=longest * number // (TEXTS - 1))
        )
        for number in range(TEXTS)
    ]
