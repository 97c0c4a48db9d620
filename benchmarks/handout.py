"""The hand-out's way: its network and loop as a reader of its sections 3.1 and 3.2 writes them.

torchtext's `BucketIterator`, the stock layer over padded batches from a state of zeros, the output
at the last position, Adam over all parameters, torch's default threads. It uses nothing of rnnclf;
`speed.py` starts it.
"""

import itertools
import json
import time
from pathlib import Path

import hydra
import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torchtext.data import BucketIterator, Field, TabularDataset
from torchtext.data.utils import get_tokenizer

LAYERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
WARM_UP_STEPS = 5


class Network(nn.Module):
    """Embedding, one recurrent layer, a linear layer on the output at the last position."""

    def __init__(self, config: DictConfig, num_words: int, num_classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_words, config.embedding_size)
        self.recurrent = LAYERS[config.cell](config.embedding_size, config.hidden_size)
        self.linear = nn.Linear(config.hidden_size, num_classes)

    def forward(self, sentence: Tensor) -> Tensor:
        outputs, _ = self.recurrent(self.embedding(sentence))
        return self.linear(outputs[-1])


def load_dataset(folder: Path, batch_size: int) -> tuple[BucketIterator, BucketIterator]:
    sentence = Field(tokenize=get_tokenizer("basic_english"))
    label = Field(sequential=False, unk_token=None)
    train, validation = TabularDataset.splits(
        path=str(folder),
        train="train.csv",
        validation="validation.csv",
        format="csv",
        skip_header=True,
        fields=[("sentence", sentence), ("label", label)],
    )
    sentence.build_vocab(train)
    label.build_vocab(train)
    return BucketIterator.splits(
        (train, validation), batch_size=batch_size, sort_key=lambda example: len(example.sentence)
    )


def accuracy(network: Network, iterator: BucketIterator, max_length: int) -> float:
    network.eval()
    right = 0
    with torch.no_grad():
        for batch in iterator:
            logits = network(batch.sentence[:max_length])
            right += int((logits.argmax(1) == batch.label).sum())
    return right / len(iterator.dataset)


@hydra.main(config_path=".", config_name="handout")
def main(config: DictConfig) -> float:
    torch.manual_seed(0)
    train_iterator, validation_iterator = load_dataset(Path(config.folder), config.batch_size)
    fields = train_iterator.dataset.fields
    words, padding = fields["sentence"].vocab, fields["sentence"].vocab.stoi["<pad>"]
    network = Network(config, len(words), len(fields["label"].vocab))
    optimizer = torch.optim.Adam(network.parameters(), lr=config.lr)
    criterion = nn.CrossEntropyLoss()
    best, num_words, seconds, steps = 0.0, 0, 0.0, itertools.count()
    for _ in range(config.epochs):
        network.train()
        for batch in train_iterator:
            start = time.perf_counter()
            sentence = batch.sentence[: config.max_length]
            optimizer.zero_grad()
            loss = criterion(network(sentence), batch.label)
            loss.backward()
            optimizer.step()
            if next(steps) >= WARM_UP_STEPS:
                seconds += time.perf_counter() - start
                num_words += int((sentence != padding).sum())
            if config.seconds and seconds > config.seconds:
                break
        value = accuracy(network, validation_iterator, config.max_length)
        best = max(best, value)
        line = {"time": time.time(), "words_per_second": num_words / seconds, "val_accuracy": value}
        with Path(config.log).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if config.seconds and seconds > config.seconds:
            break
    return best


if __name__ == "__main__":
    main()
