"""Questions a second that a loaded bundle answers on one core.

    python benchmarks/predict.py BUNDLE... [--rounds 5]

The test questions of $RNNCLF_DATA, all at once and one by one; what Python's start and loading take
is not in it. Prints the median over the rounds, and where the time goes.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

import rnnclf
from rnnclf.data.sources import default_data_folder, load_corpus


def median_seconds(call: Callable[[], object], rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundles", nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    questions = load_corpus("questions", default_data_folder()).test.texts
    for bundle in options.bundles:
        classifier = rnnclf.load(bundle)
        model = classifier.config.model
        classifier.predict(questions)
        whole = median_seconds(lambda c=classifier: c.predict(questions), options.rounds)
        encoding = median_seconds(lambda c=classifier: c.encode(questions), options.rounds)
        single = median_seconds(
            lambda c=classifier: [c.predict([question]) for question in questions[:200]],
            options.rounds,
        )
        kind = "both directions" if model.bidirectional else "one direction"
        print(
            f"{bundle}: {model.cell}, {model.hidden_size}, {kind}, {model.ngram_buckets} buckets: "
            f"{len(questions) / whole:.0f} questions/s, {encoding / whole:.0%} of it words and "
            f"indices; one by one {200 / single:.0f}/s"
        )


if __name__ == "__main__":
    main()
