"""What the wide path knows alone: accuracy, seconds and memory of a linear classifier.

    python benchmarks/wide.py +experiment=questions-gru-wide dataset.validation_fraction=0.3

It is trained like the wide path of a run with these settings, without the recurrent layers. With
`evaluate_test=true` the test split is read as well.
"""

import resource
import sys
import time
from itertools import pairwise
from pathlib import Path

import torch
from csv_folder import REPO
from hydra import compose, initialize_config_dir
from torch import Tensor, nn

from rnnclf.configuration.composed import from_omegaconf, register_schema
from rnnclf.data.prepared import load_test, prepare
from rnnclf.data.wide import BatchBags
from rnnclf.model.classifier import Classifier
from rnnclf.model.layers import WideLayer
from rnnclf.training.reproducibility import prepare_torch, seed_everything
from rnnclf.training.sparse_sgd import SparseSGD
from rnnclf.training.trainer import Trainer
from rnnclf.training.updates import Updates


class Alone(nn.Module):
    """A wide path that is called like a network."""

    def __init__(self, num_buckets: int, num_classes: int) -> None:
        super().__init__()
        self.wide = WideLayer(num_buckets, num_classes)

    def forward(self, words: Tensor, lengths: Tensor, subwords: None, bags: BatchBags) -> Tensor:
        logits: Tensor = self.wide(bags)
        return logits


def main() -> None:
    register_schema()
    with initialize_config_dir(str(REPO / "conf")):
        config = from_omegaconf(compose("config", sys.argv[1:]))
    config.model.ngram_buckets = 0
    prepare_torch(config.threads)
    order = seed_everything(config.seed)
    clock = [time.perf_counter()]
    data = prepare(config.dataset, Path(config.paths.data), config.model.wide_buckets)
    clock.append(time.perf_counter())
    model = Alone(config.model.wide_buckets, len(data.classes))
    model.wide.idf = torch.from_numpy(data.training.bags.idf(config.model.wide_buckets))
    updates = Updates(model, SparseSGD(model.wide.weight, lr=config.optimizer.wide_lr))
    validation = data.validation if len(data.validation) else None
    best = Trainer(updates, data.training, validation, config.training, order).run()
    clock.append(time.perf_counter())
    prepared, trained = (end - start for start, end in pairwise(clock))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    features = len(data.training.bags.buckets) / len(data.training)
    print(
        f"{features:.0f} features a text; prepared in {prepared:.1f} s, trained in {trained:.1f} s"
    )
    print(f"{memory:.0f} MiB at most")
    if best.val_accuracy is not None:
        print(f"validation accuracy {best.val_accuracy:.4f}, epoch {best.epoch}")
    if config.evaluate_test:
        classifier = Classifier(config, data.vocabulary, data.classes, model)
        test = load_test(config.dataset, Path(config.paths.data))
        print(f"test accuracy {classifier.score(test).accuracy:.4f}")


if __name__ == "__main__":
    main()
