"""Language modelling before training: the loss as written out, and what it is good for."""

import numpy as np
import pytest
import torch
from project import model_config, training_config
from torch.nn.functional import cross_entropy

from rnnclf.configuration.schema import OptimizerConfig
from rnnclf.data.encoding import encode
from rnnclf.data.vocabulary import Vocabulary
from rnnclf.model.batches import make_batch
from rnnclf.model.network import RecurrentClassifier
from rnnclf.training.pretrain import NextWords, pretrain
from rnnclf.training.updates import make_updates

WORDS = ["<unk>", "<pad>", *"abcdefgh"]
TEXTS = ["a b c d", "c", "b a", "e f g h a b c d"]


def make(**options) -> RecurrentClassifier:
    torch.manual_seed(0)
    sizes = {"embedding_size": 6, "hidden_size": 5}
    return RecurrentClassifier(model_config(**sizes | options), len(WORDS), 2)


def encoded(texts: list[str] = TEXTS):
    return encode(texts, np.zeros(len(texts), np.int64), str.split, Vocabulary(WORDS))


@pytest.mark.parametrize("bidirectional", [False, True])
def test_each_direction_predicts_the_word_that_it_reads_next(bidirectional):
    model = make(bidirectional=bidirectional)
    predictor = NextWords(model)
    batch = make_batch(encoded(), np.arange(len(TEXTS)))
    known = batch.words.unique()
    losses = []
    for column, length in enumerate(batch.lengths.tolist()):
        words = batch.words[:length, column]
        states, _ = model.recurrent(model.embedding(words).unsqueeze(1), torch.tensor([length]))
        for t in range(length):
            pairs = [(0, t + 1, slice(0, 5))] if t + 1 < length else []
            if bidirectional and t:
                pairs.append((1, t - 1, slice(5, 10)))
            for direction, neighbour, half in pairs:
                output = predictor.outputs[direction](states[t, 0, half])
                logits = model.embedding(known) @ output
                target = (known == words[neighbour]).nonzero()[0, 0]
                losses.append(cross_entropy(logits, target))
    torch.testing.assert_close(predictor(*batch.inputs), torch.stack(losses).mean())


def test_texts_of_one_word_have_nothing_to_predict():
    batch = make_batch(encoded(["a", "b"]), np.arange(2))
    assert NextWords(make())(*batch.inputs).item() == 0


def test_the_loss_falls_and_the_classifier_keeps_what_was_learnt():
    model = make(bidirectional=True, hidden_size=32, embedding_size=32)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    losses = []
    pretrain(
        model,
        encoded(["a b c d e f g h", "h g f e d c b a"] * 8),
        lambda module: make_updates(module, OptimizerConfig("adam", 0.01, 0, 0), clip_norm=1.0),
        training_config(pretrain_epochs=20, batch_size=4),
        np.random.default_rng(0),
        on_epoch=lambda epoch, loss: losses.append(loss),
    )
    assert len(losses) == 20
    assert losses[-1] < 0.3 * losses[0]
    changed = {n for n, value in model.state_dict().items() if not torch.equal(value, before[n])}
    unused = {"linear.weight", "linear.bias"}
    assert changed == before.keys() - unused


def test_a_run_pretrains_first(run_py, tmp_path):
    settings = ["epochs=1", "hidden_size=8", "embedding_size=8", "model.ngram_buckets=100"]
    done = run_py(*settings, "training.pretrain_epochs=2", "hydra.run.dir=here")
    assert done.returncode == 0, done.stderr
    lines = [line.split("  ")[0] for line in done.stdout.splitlines()[2:5]]
    assert lines == ["pretraining epoch 1/2", "pretraining epoch 2/2", "epoch 1/1"]
