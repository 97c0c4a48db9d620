"""The hand-out's own interface: `load_dataset` and a student's plain loop over it."""

import random

import pytest
import torch
from project import REAL_DATA
from torch import nn

from rnnclf import load_dataset
from rnnclf.data.sources import load_corpus
from rnnclf.errors import DataError


class StudentModel(nn.Module):
    """Section 3.2 of the hand-out, the way that a student writes it."""

    def __init__(self, vocabulary_size: int, num_classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, 32)
        self.gru = nn.GRU(32, 32)
        self.output = nn.Linear(32, num_classes)

    def forward(self, sentence):
        hidden = torch.zeros(1, sentence.shape[1], 32)
        _, hidden = self.gru(self.embedding(sentence), hidden)
        return self.output(hidden[0])


def test_a_students_loop_runs_unchanged_and_learns():
    torch.manual_seed(0)
    random.seed(0)
    train_iterator, test_iterator = load_dataset("sample", 16)
    vocabulary_size = len(train_iterator.dataset.fields["sentence"].vocab)
    model = StudentModel(vocabulary_size, 6)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    loss_function = nn.CrossEntropyLoss()
    losses = []
    for _ in range(4):
        total = 0.0
        for batch in train_iterator:
            sentence = batch.sentence
            label = batch.label
            optimizer.zero_grad()
            loss = loss_function(model(sentence), label)
            loss.backward()
            optimizer.step()
            total += loss.item()
        losses.append(total)
    assert losses[-1] < 0.7 * losses[0]
    assert len(list(test_iterator)) == 10


def test_batches_have_indices_of_sentences_and_labels():
    train_iterator, test_iterator = load_dataset("sample", 16)
    seen = 0
    for batch in test_iterator:
        assert batch.sentence.dtype == batch.label.dtype == torch.int64
        assert batch.sentence.shape[1] == len(batch.label) <= 16
        assert batch.label.min() >= 0
        assert batch.label.max() < len(train_iterator.dataset.classes)
        seen += len(batch.label)
    assert seen == 150


def test_the_splits_and_labels_are_those_of_the_corpus(tmp_path):
    corpus = load_corpus("sample", tmp_path)
    train_iterator, test_iterator = load_dataset("sample", 16)
    for iterator, texts in ((train_iterator, corpus.train), (test_iterator, corpus.test)):
        labels = [corpus.classes[example.label] for example in iterator.dataset]
        assert labels == texts.labels


def test_the_vocabulary_has_no_word_of_the_test_split_alone():
    train_iterator, test_iterator = load_dataset("sample", 16)
    words = set(train_iterator.dataset.fields["sentence"].vocab.stoi)
    train = {word for example in train_iterator.dataset for word in example.sentence}
    test = {word for example in test_iterator.dataset for word in example.sentence}
    assert words - {"<unk>", "<pad>"} == train
    assert test - words


def test_an_unknown_data_set_is_refused():
    with pytest.raises(DataError, match="no data set 'imdb'; there are sample, sentiment"):
        load_dataset("imdb", 32)


@pytest.mark.real_data
def test_the_real_questions_have_the_sizes_of_table_1():
    train_iterator, test_iterator = load_dataset("questions", 32, REAL_DATA)
    assert (len(train_iterator.dataset), len(test_iterator.dataset)) == (4464, 1488)
    labels = {label for batch in train_iterator for label in batch.label.tolist()}
    assert labels == set(range(50))
