"""An application that uses the public faces of both packages; mypy checks it strictly."""

from pathlib import Path

from hydra_study_sweeper import announce, in_refit, read_study, report, time_is_up

import rnnclf


def ask(folder: str, text: str) -> str:
    (label,) = rnnclf.load(folder).predict([text])
    return label


def count(name: str) -> int:
    train, _ = rnnclf.load_dataset(name, 32)
    words = 0
    for step, batch in enumerate(train):
        words += batch.sentence.numel()
        announce(str(words))
        report(words, step)
        if time_is_up():
            break
    return words if in_refit() else 0


print(read_study(Path("study")).best, rnnclf.__version__)
