"""A GPU computes what the CPU does, and the same twice: `make test-gpu`."""

import copy

import numpy as np
import pytest
import torch
from project import composed, model_config, result_of, training_config

import rnnclf
from rnnclf.configuration.schema import OptimizerConfig
from rnnclf.data.encoding import EncodedTexts
from rnnclf.data.wide import bags_of
from rnnclf.files.predictions import read_predictions
from rnnclf.model.batches import make_batch
from rnnclf.model.layers import WideLayer
from rnnclf.model.network import RecurrentClassifier
from rnnclf.training.checkpoint import load_checkpoint, save_checkpoint
from rnnclf.training.reproducibility import prepare_torch
from rnnclf.training.run import train
from rnnclf.training.trainer import Trainer
from rnnclf.training.updates import make_updates
from rnnclf.training.wide import train_wide

CELLS = ("rnn", "lstm", "gru")
VOCABULARY, CLASSES, BUCKETS = 200, 3, 100
CPU, CUDA = torch.device("cpu"), torch.device("cuda")

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here"),
]


@pytest.fixture(autouse=True)
def as_in_a_run():
    prepare_torch(device=CUDA)
    yield
    torch.use_deterministic_algorithms(False)


def texts(count: int) -> EncodedTexts:
    """Texts of 1 to 80 random words; the class depends on the last."""
    generator = np.random.default_rng(0)
    lengths = generator.integers(1, 81, count)
    words = generator.integers(2, VOCABULARY, lengths.sum()).astype(np.int32)
    starts = np.cumsum(lengths) - lengths
    labels = words[starts + lengths - 1].astype(np.int64) % CLASSES
    read = [" ".join(f"w{word}" for word in part) for part in np.split(words, starts[1:])]
    return EncodedTexts(words, starts, lengths, labels, bags=bags_of(read, BUCKETS))


def network(cell: str, device: torch.device, **settings: object) -> RecurrentClassifier:
    torch.manual_seed(0)
    config = model_config(cell=cell, embedding_size=32, hidden_size=64, **settings)
    return RecurrentClassifier(config, VOCABULARY, CLASSES).to(device)


def make_trainer(
    cell: str = "gru",
    *,
    device: torch.device = CUDA,
    optimizer: str = "adam",
    precision: torch.dtype = torch.float32,
    epochs: int = 4,
    **settings: object,
) -> Trainer:
    chosen = OptimizerConfig(optimizer, 0.003, 0.0, 0.0)
    updates = make_updates(network(cell, device, **settings), chosen, precision)
    training = training_config(epochs=epochs, batch_size=16)
    order = np.random.default_rng(0)
    return Trainer(updates, texts(300), texts(60), training, order)


def losses(trainer: Trainer) -> list[float]:
    trainer.run()
    return [metrics.train_loss for metrics in trainer.epochs]


def check_same_weights(trainer: Trainer, other: Trainer) -> None:
    expected = other.model.state_dict()
    for name, value in trainer.model.state_dict().items():
        assert value.equal(expected[name]), name


@pytest.mark.parametrize("cell", CELLS)
def test_states_loss_and_gradients_are_those_of_the_cpu_in_float64(cell):
    on_gpu = network(cell, CUDA, bidirectional=True, num_layers=2, pooling="attention_max")
    on_cpu = copy.deepcopy(on_gpu).to(CPU).double()
    batch = make_batch(texts(32), np.arange(32))
    is_word = (torch.arange(len(batch.words)).unsqueeze(1) < batch.lengths).unsqueeze(-1)
    seen = []
    for model, inputs in ((on_cpu, batch), (on_gpu, batch.to(CUDA))):
        states, last = model.read(*inputs.inputs[:3])
        loss = torch.nn.functional.cross_entropy(model(*inputs.inputs), inputs.labels)
        loss.backward()
        gradients = [parameter.grad for parameter in model.parameters()]
        values = [states * is_word.to(states.device), last, loss, *gradients]
        seen.append([value.cpu().double() for value in values])
    for expected, value in zip(*seen, strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_training_goes_as_on_the_cpu(cell, optimizer):
    expected = losses(make_trainer(cell, device=CPU, optimizer=optimizer))
    assert losses(make_trainer(cell, optimizer=optimizer)) == pytest.approx(expected, rel=2e-3)


def test_a_wide_path_is_trained_as_on_the_cpu():
    weights = []
    for device in (CPU, CUDA):
        wide, order = WideLayer(BUCKETS, CLASSES).to(device), np.random.default_rng(0)
        train_wide(wide, texts(300), order)
        weights.append(wide.weight.cpu())
    torch.testing.assert_close(*weights, rtol=1e-3, atol=1e-4)
    assert weights[0].any()


@pytest.mark.parametrize("cell", CELLS)
def test_bfloat16_is_near(cell):
    full, rounded = losses(make_trainer(cell)), losses(make_trainer(cell, precision=torch.bfloat16))
    assert rounded != full
    assert rounded == pytest.approx(full, abs=0.05)


@pytest.mark.parametrize("cell", CELLS)
def test_the_same_seed_gives_the_same_digits(cell):
    first = make_trainer(cell, dropout=0.3)
    expected = losses(first)
    second = make_trainer(cell, dropout=0.3)
    assert losses(second) == expected
    check_same_weights(first, second)


def test_an_interrupted_training_continues_as_if_it_had_not_been(tmp_path):
    whole = make_trainer(dropout=0.3)
    expected = losses(whole)
    begun = make_trainer(dropout=0.3)

    def interrupt(*_: object) -> None:
        if len(begun.epochs) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begun.run(on_epoch=interrupt)
    save_checkpoint(begun.state_dict(), tmp_path / "checkpoint")
    continued = make_trainer(dropout=0.3)
    continued.load_state_dict(load_checkpoint(tmp_path / "checkpoint"))
    assert losses(continued) == expected
    check_same_weights(continued, whole)


EVERYTHING = (
    *("model.bidirectional=true", "model.pooling=attention", "model.ngram_buckets=1000"),
    *("training.pretrain_epochs=1", "training.ema_decay=0.9", "training.clip_norm=1"),
    *("model.word_dropout=0.1", "model.dropout=0.2"),
)


@pytest.mark.parametrize(
    "settings",
    [(), EVERYTHING, ("model.wide_buckets=500",)],
    ids=["plain", "everything", "with a wide path"],
)
def test_a_run_repeats_and_its_model_answers_alike_on_the_cpu(settings, tmp_path):
    config = composed("dataset=sample", "device=cuda", "epochs=3", "lr=0.01", *settings)
    results = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        train(config, tmp_path / name)
        results.append(result_of(tmp_path / name))
    assert results[0]["device"] == torch.cuda.get_device_name()
    for key in ("best_epoch", "val_loss", "val_accuracy", "test_loss", "test_accuracy"):
        assert results[0][key] == results[1][key], key
    predictions = read_predictions(tmp_path / "first" / "predictions.csv", "validation")
    answers = rnnclf.load(tmp_path / "first").predict([one.sentence for one in predictions])
    assert answers == [one.predicted for one in predictions]
