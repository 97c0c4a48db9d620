"""The recurrent layers against torch's own on packed sequences, and against the equations."""

import itertools

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rnnclf.model.layers import CELLS, RecurrentLayers, reverse

OF_TORCH = ("rnn", "lstm", "gru")

LENGTHS = torch.tensor([5, 1, 7, 3])


def stock_layer(layers: RecurrentLayers, cell: str, num_layers: int, bidirectional: bool):
    """torch's own stack with the weights of ours."""
    stock = CELLS[cell](3, 4, num_layers=num_layers, bidirectional=bidirectional)
    for depth in range(num_layers):
        directions = [("", layers.forwards[depth])]
        if bidirectional:
            directions.append(("_reverse", layers.backwards[depth]))
        for suffix, layer in directions:
            for name, value in layer.named_parameters():
                getattr(stock, f"{name[:-1]}{depth}{suffix}").data.copy_(value)
    return stock


@pytest.mark.parametrize(
    ("cell", "num_layers", "bidirectional"),
    [*itertools.product(OF_TORCH, (1, 2), (False, True))],
)
def test_states_and_gradients_are_those_of_torch_on_packed_sequences(
    cell, num_layers, bidirectional
):
    torch.manual_seed(0)
    ours = RecurrentLayers(cell, 3, 4, num_layers=num_layers, bidirectional=bidirectional)
    stock = stock_layer(ours, cell, num_layers, bidirectional)
    vectors = torch.randn(7, 4, 3, requires_grad=True)
    states, last = ours(vectors, LENGTHS)
    (states_gradient,) = torch.autograd.grad(last.square().sum(), vectors)

    packed = pack_padded_sequence(vectors, LENGTHS, enforce_sorted=False)
    packed_outputs, final = stock(packed)
    expected, _ = pad_packed_sequence(packed_outputs)
    final_state = final[0] if cell == "lstm" else final
    last_layer = final_state[-2:] if bidirectional else final_state[-1:]
    expected_last = torch.cat(list(last_layer), dim=-1)
    (expected_gradient,) = torch.autograd.grad(expected_last.square().sum(), vectors)

    is_word = (torch.arange(7).unsqueeze(1) < LENGTHS).unsqueeze(-1)
    torch.testing.assert_close(states * is_word, expected)
    torch.testing.assert_close(last, expected_last)
    torch.testing.assert_close(states_gradient, expected_gradient)


def gates(cell: str, sizes: tuple[int, int], length: int):
    """A layer, random vectors, and W x + b, U h + b of each gate as functions of x and of h."""
    layer = RecurrentLayers(cell, *sizes).double()
    weights = dict(layer.forwards[0].named_parameters())
    count = len(weights["bias_ih_l0"]) // sizes[1]

    def of(side: str):
        matrices = weights[f"weight_{side}_l0"].chunk(count)
        biases = weights[f"bias_{side}_l0"].chunk(count)
        return lambda x: [x @ w.T + b for w, b in zip(matrices, biases, strict=True)]

    return layer, torch.randn(length, 1, sizes[0], dtype=torch.float64), of("ih"), of("hh")


def test_rnn_follows_equation_1_of_the_handout():
    layer, vectors, of_input, of_state = gates("rnn", (3, 4), 5)
    state = torch.zeros(1, 4, dtype=torch.float64)
    for vector in vectors:
        state = (of_input(vector)[0] + of_state(state)[0]).tanh()
    torch.testing.assert_close(layer(vectors, torch.tensor([5]))[1], state)


def test_lstm_follows_its_equations():
    """i, f, g, o = sigma, sigma, tanh, sigma of W x + U h + b; c = f c + i g; h = o tanh(c)."""
    layer, vectors, of_input, of_state = gates("lstm", (3, 4), 5)
    state = memory = torch.zeros(1, 4, dtype=torch.float64)
    for vector in vectors:
        i, f, g, o = (x + h for x, h in zip(of_input(vector), of_state(state), strict=True))
        memory = f.sigmoid() * memory + i.sigmoid() * g.tanh()
        state = o.sigmoid() * memory.tanh()
    torch.testing.assert_close(layer(vectors, torch.tensor([5]))[1], state)


def gru_of_torch(vectors, of_input, of_state):
    """h' = z h + (1 - z) tanh(W x + r (U h)): r after the product, z keeps the old state."""
    state = torch.zeros(1, 4, dtype=torch.float64)
    for vector in vectors:
        (xr, xz, xn), (hr, hz, hn) = of_input(vector), of_state(state)
        r, z = (xr + hr).sigmoid(), (xz + hz).sigmoid()
        state = z * state + (1 - z) * (xn + r * hn).tanh()
    return state


def gru_of_the_handout(vectors, of_input, of_state):
    """h' = (1 - z) h + z tanh(W x + U (r h)): r before the product, z takes the new state."""
    state = torch.zeros(1, 4, dtype=torch.float64)
    for vector in vectors:
        (xr, xz, xn), (hr, hz, _) = of_input(vector), of_state(state)
        r, z = (xr + hr).sigmoid(), (xz + hz).sigmoid()
        state = (1 - z) * state + z * (xn + of_state(r * state)[2]).tanh()
    return state


def test_gru_is_the_form_that_torch_has_and_not_that_of_the_handout():
    layer, *rest = gates("gru", (3, 4), 5)
    last = layer(rest[0], torch.tensor([5]))[1]
    torch.testing.assert_close(last, gru_of_torch(*rest))
    assert (last - gru_of_the_handout(*rest)).abs().max() > 0.01


def test_reverse_turns_each_text_around_within_its_length():
    vectors = torch.tensor([[1.0, 1, 1], [2, 2, 0], [3, 0, 0]]).unsqueeze(-1)
    turned = reverse(vectors, torch.tensor([3, 2, 1])).squeeze(-1)
    assert turned.tolist() == [[3, 2, 1], [2, 1, 0], [1, 0, 0]]


def test_initial_states_are_zero():
    layer = RecurrentLayers("gru", 3, 4)
    vectors = torch.randn(2, 1, 3)
    stock: nn.GRU = layer.forwards[0]
    expected = stock(vectors, torch.zeros(1, 1, 4))[0]
    torch.testing.assert_close(layer(vectors, torch.tensor([2]))[0], expected)
