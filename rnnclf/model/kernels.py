"""The RNN and the GRU on a CPU, with their gradients through time written out.

torch's own layers record a dozen operations for each step of a sequence and accumulate the gradient
of the weights step by step. Here a step writes into allocated memory, and everything that does not
depend on the previous step is one operation for many steps: the products with the inputs, the
derivatives of the gates, and the gradients of weights and inputs.

tanh(a) is computed as 2 sigmoid(2 a) - 1, because torch's sigmoid is several times faster on a CPU;
the factor 2 is folded into weights and biases, where it rounds nothing.

Under autocast the products over many steps are in bfloat16, forwards and backwards. Those of a step
stay in float32, as do states and gates: autocast leaves alone what writes into given memory.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp import custom_bwd, custom_fwd

ELEMENTS_AT_ONCE = 2**16  # of one operation over several steps: they fit into the cache


def states_of(layer: nn.Module, vectors: Tensor) -> Tensor:
    """Returns `layer(vectors)[0]` up to rounding.

    Args:
        layer: A single layer in one direction, with biases; an `nn.RNN` has the tanh.
        vectors: (sequence, batch, input_size).
    """
    function = _OURS.get(type(layer))
    on_cpu = vectors.device.type == "cpu"
    if function is None or not on_cpu or not torch.is_grad_enabled():
        states: Tensor = layer(vectors)[0]
        return states
    assert isinstance(layer, nn.RNNBase), "a key of _OURS is one"
    return function(vectors, *layer.all_weights[0])


class _RNN(torch.autograd.Function):
    """h_t = tanh(W x_t + U h_{t-1} + b): the hand-out's equation (1)."""

    @staticmethod
    @custom_fwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def forward(
        ctx: Any, vectors: Tensor, weight_ih: Tensor, weight_hh: Tensor, *biases: Tensor
    ) -> Tensor:
        inputs = _products(vectors, 2 * weight_ih, 2 * (biases[0] + biases[1]))
        weight = (2 * weight_hh).t().contiguous()
        states, minus_one = _empty_states(inputs, weight.shape[0])
        product = torch.empty_like(states[0])
        for before, state, given in _steps(states[:-1], states[1:], inputs):
            torch.mm(before, weight, out=product)
            torch.add(product, given, out=state)
            _tanh_of_half_(state, minus_one)
        ctx.save_for_backward(vectors, weight_ih, weight_hh, states)
        return states[1:]

    @staticmethod
    @custom_bwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradients: Tensor) -> tuple[Tensor | None, ...]:
        vectors, weight_ih, weight_hh, states = ctx.saved_tensors
        deltas = 1 - states[1:].square()
        carried = torch.zeros_like(states[0])
        for gradient, delta in _steps(gradients, deltas, backwards=True):
            carried.add_(gradient)
            delta.mul_(carried)
            torch.mm(delta, weight_hh, out=carried)
        flat = deltas.flatten(0, 1)
        bias = flat.sum(0)
        return (
            (flat @ weight_ih).view_as(vectors) if ctx.needs_input_grad[0] else None,
            flat.t() @ vectors.flatten(0, 1),
            flat.t() @ states[:-1].flatten(0, 1),
            bias,
            bias,
        )


class _GRU(torch.autograd.Function):
    """The GRU of torch (r before the product's result, z with the old state).

    r, z = sigmoid(W x_t + U h_{t-1} + b), n = tanh(W x_t + b + r (U h_{t-1} + c)),
    h_t = (1 - z) n + z h_{t-1}
    """

    @staticmethod
    @custom_fwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def forward(
        ctx: Any,
        vectors: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor,
        bias_hh: Tensor,
    ) -> Tensor:
        size = weight_hh.shape[1]
        double = _double_last_third(weight_hh)
        bias = bias_ih.clone()
        bias[: 2 * size] += bias_hh[: 2 * size]
        inputs = _products(vectors, weight_ih * double.unsqueeze(1), bias * double)
        weight = (weight_hh * double.unsqueeze(1)).t().contiguous()
        bias_new = 2 * bias_hh[2 * size :]
        states, minus_one = _empty_states(inputs, size)
        gates, news = inputs[..., : 2 * size], inputs[..., 2 * size :]
        recurrent = torch.empty_like(states[1:])  # U h + c of the last third
        product = inputs.new_empty(inputs.shape[1], 3 * size)
        product_gates, product_new = product[:, : 2 * size], product[:, 2 * size :]
        r, z = gates.chunk(2, -1)
        along_time = (states[:-1], states[1:], gates, r, z, news, recurrent)
        for before, state, gates_t, r_t, z_t, new_t, recurrent_t in _steps(*along_time):
            torch.mm(before, weight, out=product)
            gates_t.add_(product_gates).sigmoid_()
            torch.add(product_new, bias_new, out=recurrent_t)
            new_t.addcmul_(r_t, recurrent_t)
            _tanh_of_half_(new_t, minus_one)
            torch.lerp(new_t, before, z_t, out=state)
        ctx.save_for_backward(vectors, weight_ih, weight_hh, states, inputs, recurrent)
        return states[1:]

    @staticmethod
    @custom_bwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradients: Tensor) -> tuple[Tensor | None, ...]:
        vectors, weight_ih, weight_hh, states, activations, recurrent = ctx.saved_tensors
        size = weight_hh.shape[1]
        double = _double_last_third(weight_hh)
        weight = (weight_hh * double.unsqueeze(1)).roll(size, 0)  # in the order n, r, z
        # Of each step: what goes back through U h + c for n, r, z, and through W x for r, z, n.
        deltas = gradients.new_empty(*gradients.shape[:2], 4, size)
        flat = deltas.flatten(2)
        carried = torch.zeros_like(states[0])
        for part in _parts(gradients):
            z = activations[part][..., size : 2 * size]
            _derivatives(activations[part], recurrent[part], states[:-1][part], deltas[part])
            along_time = (gradients[part], deltas[part], flat[part][..., : 3 * size], z)
            for gradient, delta, back, z_t in _steps(*along_time, backwards=True):
                carried.add_(gradient)
                delta.mul_(carried.unsqueeze(1))
                carried.mul_(z_t).addmm_(back, weight)
        rows = flat.flatten(0, 1)
        through_states, through_inputs = rows[:, : 3 * size], rows[:, size:]
        bias_ih = through_inputs.sum(0) * double
        bias_hh = torch.cat([bias_ih[: 2 * size], 2 * through_states[:, :size].sum(0)])
        weight_hh_gradient = (through_states.t() @ states[:-1].flatten(0, 1)).roll(-size, 0)
        scaled = weight_ih * double.unsqueeze(1)
        return (
            (through_inputs @ scaled).view_as(vectors) if ctx.needs_input_grad[0] else None,
            (through_inputs.t() @ vectors.flatten(0, 1)) * double.unsqueeze(1),
            weight_hh_gradient * double.unsqueeze(1),
            bias_ih,
            bias_hh,
        )


def _derivatives(activations: Tensor, recurrent: Tensor, before: Tensor, out: Tensor) -> None:
    """Writes the derivatives of a GRU's states by the gates' arguments (steps, batch, 4, size).

    With n = 2 sigmoid(a) - 1: by U h + c in a, by r's and z's arguments, and by W x + b in a.
    """
    r, z, new = activations.chunk(3, -1)
    by_u, by_r, by_z, by_a = out.unbind(2)
    keep = 1 - z
    torch.mul(new, new, out=by_a).neg_().add_(1).mul_(keep).mul_(0.5)
    torch.mul(by_a, r, out=by_u)
    torch.mul(by_u, (1 - r).mul_(recurrent), out=by_r)
    torch.mul((before - new).mul_(z), keep, out=by_z)


def _steps(*along_time: Tensor, backwards: bool = False) -> Iterator[tuple[Tensor, ...]]:
    """Iterates over tensors along their first axis."""
    lists = (tensor.unbind(0) for tensor in along_time)
    return zip(*(reversed(one) if backwards else one for one in lists), strict=True)


def _parts(gradients: Tensor) -> Iterator[slice]:
    """Yields slices of steps that fit into the cache, from the last to the first."""
    steps = max(1, ELEMENTS_AT_ONCE // gradients[0].numel())
    for end in range(len(gradients), 0, -steps):
        yield slice(max(0, end - steps), end)


def _products(vectors: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Returns W x + b of all steps, in the precision of the weights."""
    products = torch.addmm(bias, vectors.flatten(0, 1), weight.t()).to(weight.dtype)
    return products.view(*vectors.shape[:2], -1)


def _empty_states(inputs: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Returns memory for the states, the first zero, and a tensor of -1 as large as a state."""
    length, batch_size, _ = inputs.shape
    states = inputs.new_empty(length + 1, batch_size, size)
    states[0] = 0
    return states, inputs.new_full((batch_size, size), -1)


def _tanh_of_half_(argument: Tensor, minus_one: Tensor) -> None:
    """Replaces a by tanh(a / 2)."""
    argument.sigmoid_()
    torch.add(minus_one, argument, alpha=2, out=argument)


def _double_last_third(weight: Tensor) -> Tensor:
    """Returns 1 for the rows of both gates and 2 for those of n."""
    double = weight.new_ones(len(weight))
    double[-weight.shape[1] :] = 2
    return double


_OURS: dict[type[nn.Module], Callable[..., Tensor]] = {nn.RNN: _RNN.apply, nn.GRU: _GRU.apply}
