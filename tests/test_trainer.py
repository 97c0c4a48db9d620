"""The training loop: it learns, keeps the best epoch, stops early, and notices a broken loss."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from project import model_config, training_config
from torch import nn
from torch.optim import SGD, Adam, Optimizer

from rnnclf.configuration.schema import OptimizerConfig
from rnnclf.data.encoding import EncodedTexts, encode
from rnnclf.data.torchtext_adapter import tokenize
from rnnclf.data.vocabulary import Vocabulary
from rnnclf.errors import TrainingError
from rnnclf.files.epochs import EpochMetrics
from rnnclf.model.batches import Batch, ordered_batches
from rnnclf.model.evaluate import predict_logits, score
from rnnclf.model.network import RecurrentClassifier
from rnnclf.training.checkpoint import load_checkpoint, save_checkpoint
from rnnclf.training.deferred_adam import DeferredAdam
from rnnclf.training.trainer import Trainer
from rnnclf.training.updates import Updates, make_updates, schedule_factor

VOCABULARY = Vocabulary(["<unk>", "<pad>", "yes", "no", "so", "and"])


def texts(count: int, seed: int) -> EncodedTexts:
    """Texts of up to ten words; the class is whether the last is yes."""
    generator = np.random.default_rng(seed)
    rows = [
        [*generator.choice(["yes", "no", "so", "and"], generator.integers(0, 9)), last]
        for last in generator.choice(["yes", "no"], count)
    ]
    labels = np.array([row[-1] == "yes" for row in rows], dtype=np.int64)
    return encode([" ".join(row) for row in rows], labels, tokenize, VOCABULARY)


def network(**settings: object) -> RecurrentClassifier:
    config = model_config(embedding_size=8, hidden_size=8, **settings)
    return RecurrentClassifier(config, len(VOCABULARY), 2)


def make_trainer(
    lr: float = 0.05,
    optimizer: str = "adam",
    weight_decay: float = 0.0,
    precision: torch.dtype = torch.float32,
    **settings,
) -> Trainer:
    torch.manual_seed(0)
    return Trainer(
        make_updates(
            network(dropout=0.1), OptimizerConfig(optimizer, lr, weight_decay, 0.0), precision
        ),
        texts(200, 0),
        texts(50, 1),
        training_config(**{"epochs": 3, "batch_size": 16} | settings),
        order=np.random.default_rng(0),
    )


def make_batches(some: EncodedTexts) -> list[Batch]:
    return [batch for _, batch in ordered_batches(some, len(some))]


def run(**options) -> tuple[nn.Module, list, EpochMetrics]:
    trainer = make_trainer(**options)
    seen: list[tuple[EpochMetrics, bool, dict]] = []

    def on_epoch(metrics: EpochMetrics, is_best: bool) -> None:
        weights = {name: value.clone() for name, value in trainer.model.state_dict().items()}
        seen.append((metrics, is_best, weights))

    best = trainer.run(on_epoch=on_epoch)
    return trainer.model, seen, best


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_it_learns_to_look_at_the_last_word(precision):
    model, _, best = run(epochs=8, precision=precision)
    unseen = texts(200, 2)
    scores = score(predict_logits(model, unseen, 7), unseen.labels)
    assert scores.accuracy > 0.97
    assert best.val_accuracy > 0.97


def test_bfloat16_is_what_the_network_computes_in_and_not_the_weights():
    (model, (full, *_), _), (_, (rounded, *_), _) = run(), run(precision=torch.bfloat16)
    assert full[0].train_loss != rounded[0].train_loss
    assert full[0].train_loss == pytest.approx(rounded[0].train_loss, abs=0.02)
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}


def test_the_model_ends_with_the_weights_of_the_best_epoch():
    model, seen, best = run(epochs=6, lr=1.0)
    marked = [metrics for metrics, is_best, _ in seen if is_best]
    assert marked[-1] == best
    assert best.val_accuracy == max(metrics.val_accuracy for metrics, _, _ in seen)
    assert best.epoch < 6, "this test wants a best epoch before the last"
    for name, value in seen[best.epoch - 1][2].items():
        assert torch.equal(model.state_dict()[name], value)
    assert not torch.equal(model.linear.weight, seen[-1][2]["linear.weight"])


@pytest.mark.parametrize(("limit", "epochs"), [(1, 1), (7, 1), (13, 1), (14, 2), (26, 2)])
def test_training_ends_with_the_step_in_which_the_time_is_up(limit, epochs):
    """An epoch has 13 steps; one that is cut short is validated as the others are."""
    trainer, steps = make_trainer(epochs=3), []
    best = trainer.run(on_step=steps.append, is_time_up=lambda: len(steps) >= limit)
    assert (len(steps), len(trainer.epochs)) == (limit, epochs)
    assert 0 < trainer.epochs[-1].train_loss < 2, "the mean over the texts that were seen"
    assert best.val_accuracy == max(metrics.val_accuracy for metrics in trainer.epochs)


def test_patience_counts_the_epochs_after_the_best():
    _, seen, best = run(epochs=50, lr=0.3, patience=2)
    assert seen[-1][0].epoch == best.epoch + 2 < 50


def test_of_equal_accuracies_the_lower_loss_is_better():
    def metrics(accuracy: float, loss: float) -> EpochMetrics:
        return EpochMetrics(1, 0, 0, loss, accuracy, 0, 0, 0, 0)

    assert metrics(0.5, 1).better_than(None)
    assert metrics(0.6, 9).better_than(metrics(0.5, 1))
    assert metrics(0.5, 0.9).better_than(metrics(0.5, 1))
    assert not metrics(0.5, 1).better_than(metrics(0.5, 1))


def test_the_metric_decides_the_best_epoch():
    accurate = EpochMetrics(1, 0, 0, 1, 0.9, 0.1, 0, 0, 0)
    fair = EpochMetrics(2, 0, 0, 1, 0.8, 0.5, 0, 0, 0)
    assert not fair.better_than(accurate)
    assert fair.better_than(accurate, "macro_f1")
    _, seen, best = run(epochs=6, lr=1.0, metric="macro_f1")
    assert best.val_macro_f1 == max(metrics.val_macro_f1 for metrics, _, _ in seen)


def test_weights_of_classes_are_in_the_training_loss():
    weights = torch.tensor([1.0, 3.0])
    (whole,) = make_batches(texts(16, 0))
    torch.manual_seed(0)
    model = network()
    expected = nn.functional.cross_entropy(model(*whole.inputs), whole.labels, weights)
    trainer = Trainer(
        Updates(model, SGD(model.parameters(), lr=0.1)),
        texts(16, 0),
        None,
        training_config(epochs=1, batch_size=16),
        np.random.default_rng(0),
        weights,
    )
    assert trainer.run().train_loss == pytest.approx(expected.item())


@pytest.mark.parametrize(
    ("accuracies", "best_epoch"),
    [([0.5, 0.8, 0.83, 0.82], 4), ([0.5, 0.96, 0.95, 0.92, 0.8], 3), ([0.96, 0.8, 0.95], 3)],
    ids=["chance", "came apart", "came together again"],
)
def test_without_validation_the_last_epoch_that_had_not_come_apart_is_best(accuracies, best_epoch):
    best = None
    for epoch, accuracy in enumerate(accuracies, start=1):
        new = EpochMetrics(epoch, 0.5, accuracy, None, None, None, 0.1, 1.0, 1.0)
        if new.better_than(best):
            best = new
    assert best.epoch == best_epoch


def test_a_loss_that_is_not_finite_names_the_step_and_a_remedy():
    with pytest.raises(TrainingError, match=r"became (nan|inf) in step \d of epoch 1; try a low"):
        run(optimizer="sgd", lr=1e20, weight_decay=1.0)


def test_the_schedule_sets_the_rate_of_each_step():
    _, seen, _ = run(epochs=2, lr=0.1, schedule="linear")
    assert seen[-1][0].lr == pytest.approx(0.1 / 26)


def test_the_running_mean_of_the_weights_is_what_is_evaluated_and_kept():
    """Each tenth step: m = d^10 m + (1 - d^10) w, from the first weights on."""
    decay, means = 0.9, []
    trainer = make_trainer(ema_decay=decay, epochs=2, lr=0.02)

    def follow(step: int) -> None:
        if (len(trainer.epochs) * 13 + step) % 10 == 0:
            weights = {name: value.clone() for name, value in trainer.model.state_dict().items()}
            last = means[-1] if means else weights
            means.append({n: last[n] * decay**10 + v * (1 - decay**10) for n, v in weights.items()})

    best = trainer.run(on_step=follow)
    assert best.epoch == 2, "this test wants the mean after all steps"
    torch.testing.assert_close(trainer.model.state_dict(), means[-1])
    scores = score(predict_logits(trainer.model, texts(50, 1), 7), texts(50, 1).labels)
    assert (best.val_accuracy, best.val_loss) == pytest.approx((scores.accuracy, scores.loss))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_a_trainer_goes_on_from_a_state_as_if_it_had_never_stopped(optimizer, ema_decay, tmp_path):
    settings = {"optimizer": optimizer, "ema_decay": ema_decay, "epochs": 5, "schedule": "cosine"}
    whole = make_trainer(**settings)
    expected = whole.run()
    broken = make_trainer(**settings)

    def stop(metrics: EpochMetrics, is_best: bool) -> None:
        if metrics.epoch == 3:
            save_checkpoint(broken.state_dict(), tmp_path / "it.safetensors")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken.run(on_epoch=stop)
    resumed = make_trainer(**settings)
    resumed.load_state_dict(load_checkpoint(tmp_path / "it.safetensors"))
    assert [metrics.epoch for metrics in resumed.epochs] == [1, 2, 3]
    best = resumed.run()
    assert without_times(best) == without_times(expected)
    assert list(map(without_times, resumed.epochs)) == list(map(without_times, whole.epochs))
    for name, value in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], value), name


def without_times(metrics: EpochMetrics) -> EpochMetrics:
    return replace(metrics, seconds=0, tokens_per_second=0)


@pytest.mark.parametrize("name", ["none", "linear", "cosine"])
def test_a_warm_up_rises_and_then_the_schedule_begins_at_its_peak(name):
    factor = schedule_factor(name, 0.2, 10)
    assert [factor(0), factor(1), factor(2)] == pytest.approx([1 / 3, 2 / 3, 1])
    ends = {"none": 1, "linear": 1 / 8, "cosine": (1 + math.cos(math.pi * 7 / 8)) / 2}
    assert factor(9) == pytest.approx(ends[name])


def test_clipping_bounds_the_gradient_of_a_step():
    norms = []

    class Watching(torch.optim.SGD):
        def step(self, closure=None):
            parameters = [p for group in self.param_groups for p in group["params"]]
            norms.append(nn.utils.get_total_norm([p.grad for p in parameters]).item())

    model = network()
    for clip_norm in (None, 1e-3):
        optimizer = Watching(model.parameters(), lr=0.1)
        Trainer(
            Updates(model, optimizer, clip_norm=clip_norm),
            texts(32, 0),
            None,
            training_config(epochs=1, batch_size=16),
            order=np.random.default_rng(0),
        ).run()
    free, clipped = norms[:2], norms[2:]
    assert min(free) > 1e-2
    assert max(clipped) <= 1e-3 * 1.001


@pytest.mark.parametrize(
    ("name", "weight_decay", "kind"),
    [
        ("adam", 0.0, DeferredAdam),
        ("adam", 0.2, Adam),
        ("adamw", 0.2, DeferredAdam),
        ("sgd", 0.2, SGD),
    ],
)
def test_optimizers_by_name(name, weight_decay, kind):
    model = network()
    optimizer = make_updates(model, OptimizerConfig(name, 0.1, weight_decay, 0.3)).optimizer
    group = optimizer.param_groups[0]
    assert type(optimizer) is kind
    assert (group["lr"], group["weight_decay"]) == (0.1, weight_decay)
    assert group.get("momentum", 0.3) == 0.3


@pytest.mark.parametrize("clip_norm", [None, 0.01])
def test_training_with_deferred_moves_is_training_with_torchs_adam(clip_norm):
    def trained(kind: type[Optimizer] | None) -> nn.Module:
        torch.manual_seed(0)
        model = network(word_dropout=0.2).double()
        if kind:
            updates = Updates(model, kind(model.parameters(), lr=0.01), clip_norm=clip_norm)
        else:
            adam = OptimizerConfig("adam", 0.01, 0.0, 0.0)
            updates = make_updates(model, adam, clip_norm=clip_norm)
        settings = training_config(epochs=3, batch_size=4)
        Trainer(updates, texts(100, 0), None, settings, order=np.random.default_rng(0)).run()
        return model

    stock, ours = trained(Adam), trained(None)
    torch.testing.assert_close(ours.state_dict(), stock.state_dict(), rtol=1e-5, atol=1e-6)


def test_logits_come_in_the_order_of_the_texts_whatever_the_batch_size():
    model, _, _ = run(epochs=1)
    some = texts(23, 3)
    alone = predict_logits(model, some, 1)
    torch.testing.assert_close(predict_logits(model, some, 10), alone)
