"""The classifier: padding changes nothing, each option does what it says."""

import itertools

import pytest
import torch
from project import model_config
from torch import nn

from rnnclf.data.vocabulary import PADDING_INDEX, UNKNOWN_INDEX
from rnnclf.model.layers import CELLS
from rnnclf.model.network import RecurrentClassifier, count_parameters
from rnnclf.model.pooling import POOLINGS, States


def make(**options) -> RecurrentClassifier:
    settings = {"embedding_size": 5, "hidden_size": 4} | options
    return RecurrentClassifier(model_config(**settings), 20, 3)


@pytest.mark.parametrize(
    ("cell", "pooling", "bidirectional"), [*itertools.product(CELLS, POOLINGS, (False, True))]
)
def test_a_text_gets_the_same_logits_alone_and_beside_longer_ones(cell, pooling, bidirectional):
    torch.manual_seed(0)
    model = make(cell=cell, pooling=pooling, bidirectional=bidirectional).eval()
    lengths = torch.tensor([1, 4, 9])
    words = torch.randint(2, 20, (9, 3))
    words[torch.arange(9).unsqueeze(1) >= lengths] = PADDING_INDEX
    together = model(words, lengths)
    for column, length in enumerate(lengths.tolist()):
        alone = model(words[:length, column : column + 1], lengths[column : column + 1])
        torch.testing.assert_close(together[column : column + 1], alone)


def test_the_default_is_the_network_of_the_handout():
    model = make(cell="lstm").eval()
    words = torch.randint(2, 20, (6, 2))
    stock: nn.LSTM = model.recurrent.forwards[0]
    _, (last, _) = stock(model.embedding(words))
    expected = last[0] @ model.linear.weight.T + model.linear.bias
    torch.testing.assert_close(model(words, torch.tensor([6, 6])), expected)


def test_poolings_are_what_their_names_say():
    states = torch.tensor([[[1.0, -3.0]], [[2.0, -5.0]], [[9.0, 9.0]]])
    read = States(states, states[1], torch.tensor([2]), scores=states[..., :1])
    pooled = {name: [pool(read) for pool in pools] for name, pools in POOLINGS.items()}
    assert [pooled[name][0].tolist() for name in ("last", "mean", "max")] == [
        [[2.0, -5.0]],
        [[1.5, -4.0]],
        [[2.0, -3.0]],
    ]
    weight = torch.sigmoid(torch.tensor(1.0))
    expected = (1 - weight) * states[0] + weight * states[1]
    torch.testing.assert_close(pooled["attention"][0], expected)
    torch.testing.assert_close(pooled["attention_max"], [expected, *pooled["max"]])


def test_word_dropout_replaces_words_by_unknown_in_training_only():
    torch.manual_seed(0)
    model = make(word_dropout=0.5)
    seen: list[torch.Tensor] = []
    model.embedding.register_forward_hook(lambda layer, inputs, output: seen.append(inputs[0]))
    words = torch.full((1000, 1), 7)
    words[900:] = PADDING_INDEX
    model(words, torch.tensor([900]))
    model.eval()(words, torch.tensor([900]))
    in_training, in_evaluation = seen
    assert in_training[:900].unique().tolist() == [UNKNOWN_INDEX, 7]
    assert 0.4 < (in_training[:900] == UNKNOWN_INDEX).float().mean() < 0.6
    assert (in_training[900:] == PADDING_INDEX).all()
    assert torch.equal(in_evaluation, words)


def test_options_reach_the_layers():
    model = make(embedding_dropout=0.1, layer_dropout=0.2, dropout=0.3, num_layers=2)
    assert (model.embedding_dropout.p, model.recurrent.dropout.p, model.dropout.p) == (
        0.1,
        0.2,
        0.3,
    )
    assert len(model.recurrent.forwards) == 2


def test_parameters_are_counted():
    embedding, gru, linear = 20 * 5, 3 * 4 * (5 + 4 + 2), 3 * (4 + 1)
    assert count_parameters(make()) == embedding + gru + linear
