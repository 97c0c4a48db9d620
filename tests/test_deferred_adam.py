"""The optimizer that defers moves of word vectors, against torch's own Adam and AdamW."""

import functools

import pytest
import torch
from torch import nn
from torch.optim import Adam, AdamW
from torch.optim.lr_scheduler import LambdaLR

from rnnclf.training.deferred_adam import DeferredAdam
from rnnclf.training.updates import schedule_factor

WORDS, WIDTH, STEPS = 60, 4, 400

Model = tuple[nn.Embedding, nn.Linear]


@functools.cache
def batches(seed: int = 0) -> list[torch.Tensor]:
    """Words of which most are rare: some are never read, some not for hundreds of steps."""
    generator = torch.Generator().manual_seed(seed)
    frequencies = torch.arange(1, WORDS - 4).double() ** -2
    return [
        torch.multinomial(frequencies, 6, replacement=True, generator=generator).view(3, 2)
        for _ in range(STEPS)
    ]


def untrained(dtype: torch.dtype) -> Model:
    torch.manual_seed(0)
    return nn.Embedding(WORDS, WIDTH, dtype=dtype), nn.Linear(WIDTH, 1, dtype=dtype)


def loss_of(linear: nn.Linear, vectors: torch.Tensor, scale: float) -> torch.Tensor:
    difference = linear(vectors.tanh()) - vectors.sin().sum(-1, keepdim=True)
    return difference.square().mean() * scale


def schedule(optimizer: torch.optim.Optimizer) -> LambdaLR:
    return LambdaLR(optimizer, schedule_factor("cosine", 0.1, STEPS + 1))


@functools.cache
def trained_densely(dtype: torch.dtype, weight_decay: float, scale: float = 1) -> Model:
    embedding, linear = untrained(dtype)
    kind = AdamW if weight_decay else Adam
    parameters = [*embedding.parameters(), *linear.parameters()]
    optimizer = kind(parameters, lr=0.01, weight_decay=weight_decay)
    scheduler = schedule(optimizer)
    for words in batches():
        optimizer.zero_grad()
        loss_of(linear, embedding(words), scale).backward()
        optimizer.step()
        scheduler.step()
    return embedding, linear


def trained_deferred(
    dtype: torch.dtype, weight_decay: float, scale: float = 1, flush_every: int = STEPS
) -> Model:
    embedding, linear = untrained(dtype)
    optimizer = DeferredAdam(
        embedding.weight, linear.parameters(), lr=0.01, weight_decay=weight_decay
    )
    scheduler = schedule(optimizer)
    for step, words in enumerate(batches(), start=1):
        optimizer.zero_grad()
        numbers, rows = optimizer.take_rows(words)
        loss_of(linear, nn.functional.embedding(numbers, rows), scale).backward()
        optimizer.step()
        scheduler.step()
        if step % flush_every == 0:
            optimizer.flush()
    return embedding, linear


@pytest.mark.parametrize("weight_decay", [0.0, 0.1], ids=["Adam", "AdamW"])
@pytest.mark.parametrize("flush_every", [STEPS, 50])
def test_it_gives_the_weights_that_torch_gives(weight_decay, flush_every):
    dense = trained_densely(torch.float64, weight_decay)
    deferred = trained_deferred(torch.float64, weight_decay, flush_every=flush_every)
    for expected, module in zip(dense, deferred, strict=True):
        torch.testing.assert_close(module.state_dict(), expected.state_dict(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1], ids=["Adam", "AdamW"])
@pytest.mark.parametrize("scale", [1e-4, 1e-6, 1e-8, 1e-10, 1e-14])
def test_gradients_may_be_as_small_as_epsilon(scale, weight_decay):
    before, _ = untrained(torch.float64)
    dense, _ = trained_densely(torch.float64, weight_decay, scale)
    deferred, _ = trained_deferred(torch.float64, weight_decay, scale)
    way = (dense.weight - before.weight).abs().max()
    assert (deferred.weight - dense.weight).abs().max() < 3e-4 * way


def test_in_single_precision_it_differs_by_rounding():
    dense, _ = trained_densely(torch.float32, 0.0)
    deferred, _ = trained_deferred(torch.float32, 0.0)
    torch.testing.assert_close(deferred.weight, dense.weight, rtol=1e-3, atol=1e-4)


def test_a_word_that_is_never_read_stays_as_it_was():
    before, _ = untrained(torch.float64)
    after, _ = trained_deferred(torch.float64, 0.0)
    assert torch.equal(after.weight[-4:], before.weight[-4:])


def test_rows_are_numbered_in_the_order_of_their_words():
    embedding, linear = untrained(torch.float32)
    optimizer = DeferredAdam(embedding.weight, linear.parameters(), lr=0.01)
    words = torch.tensor([[7, 1], [3, 7]])
    numbers, rows = optimizer.take_rows(words, always=2)
    assert numbers.tolist() == [[3, 1], [2, 3]]
    assert torch.equal(rows[numbers], embedding.weight[words])
    assert torch.equal(rows[:2], embedding.weight[:2])
