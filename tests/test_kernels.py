"""The hand-written RNN and GRU against autograd and torch's layers."""

import pytest
import torch
from torch import nn

from rnnclf.model import kernels
from rnnclf.model.kernels import states_of

LAYERS = [nn.RNN, nn.GRU]


def layer_and_vectors(layer, length, batch_size, input_size, hidden_size, dtype=torch.float64):
    torch.manual_seed(0)
    made = layer(input_size, hidden_size).to(dtype)
    vectors = torch.randn(length, batch_size, input_size, dtype=dtype, requires_grad=True)
    return made, vectors


def gradients(states, layer, vectors):
    weights = torch.randn(states.shape, generator=torch.Generator().manual_seed(1))
    return torch.autograd.grad(
        (states * weights.to(states.dtype)).sum(), [vectors, *layer.parameters()]
    )


@pytest.mark.parametrize("layer", LAYERS)
def test_the_gradients_are_those_of_finite_differences(layer):
    made, vectors = layer_and_vectors(layer, 4, 2, 3, 2)
    function = kernels._OURS[layer]
    weights = [weight.detach().requires_grad_() for weight in made.all_weights[0]]
    assert torch.autograd.gradcheck(function, (vectors, *weights))


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    "sizes", [(1, 1, 1, 1), (1, 5, 3, 4), (7, 1, 3, 4), (40, 6, 5, 300), (300, 32, 8, 16)], ids=str
)
def test_states_and_gradients_are_those_of_torchs_layer(layer, sizes):
    """The sizes have one step at once, several, and a rest."""
    made, vectors = layer_and_vectors(layer, *sizes)
    ours, torchs = states_of(made, vectors), made(vectors)[0]
    torch.testing.assert_close(ours, torchs)
    for one, other in zip(
        gradients(ours, made, vectors), gradients(torchs, made, vectors), strict=True
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("layer", LAYERS)
def test_in_float32_they_differ_by_rounding(layer):
    made, vectors = layer_and_vectors(layer, 200, 32, 64, 64, torch.float32)
    states, exact = states_of(made, vectors), layer(64, 64).double()
    exact.load_state_dict(made.state_dict())
    doubled = vectors.detach().double().requires_grad_()
    expected = exact(doubled)[0]
    assert (states - expected).abs().max() < 2e-6
    for one, other in zip(
        gradients(states, made, vectors), gradients(expected, exact, doubled), strict=True
    ):
        assert (one - other).abs().max() < 1e-5 * other.abs().max()


def test_a_gradient_that_is_the_same_for_all_is_no_obstacle():
    """A sum's gradient is one number, expanded, which nothing may be written into."""
    for layer in LAYERS:
        made, vectors = layer_and_vectors(layer, 5, 3, 2, 4)
        (ours,) = torch.autograd.grad(states_of(made, vectors).sum(), vectors)
        (torchs,) = torch.autograd.grad(made(vectors)[0].sum(), vectors)
        torch.testing.assert_close(ours, torchs)


def test_vectors_that_need_no_gradient_get_none():
    for layer in LAYERS:
        made, vectors = layer_and_vectors(layer, 5, 3, 2, 4)
        states_of(made, vectors.detach()).sum().backward()
        assert all(weight.grad is not None for weight in made.parameters())


@pytest.mark.parametrize("layer", LAYERS)
def test_under_autocast_products_over_many_steps_are_rounded_and_states_are_not(layer):
    made, vectors = layer_and_vectors(layer, 50, 8, 16, 32, torch.float32)
    exact = states_of(made, vectors)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = states_of(made, vectors)
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).abs().max() < 0.02
    for one, other in zip(
        gradients(rounded, made, vectors), gradients(exact, made, vectors), strict=True
    ):
        assert one.dtype == torch.float32
        assert (one - other).norm() < 0.01 * other.norm()
        if one.dim() > 1:  # of a product over all steps, and so a bfloat16
            assert torch.equal(one, one.bfloat16().float())


def test_without_gradients_the_layer_is_torchs(monkeypatch):
    def never(*_):
        raise AssertionError("torch's own layer runs here")

    monkeypatch.setattr(kernels, "_OURS", {nn.GRU: never})
    made, vectors = layer_and_vectors(nn.GRU, 5, 3, 2, 4, torch.float32)
    with torch.no_grad():
        states_of(made, vectors)
    with pytest.raises(AssertionError, match="torch's own"):
        states_of(made, vectors)
