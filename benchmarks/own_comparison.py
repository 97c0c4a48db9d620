"""Your own texts: rnnclf beside fastText and a linear SVM.

    python benchmarks/own_comparison.py data FOLDER
    taskset -c 0 python benchmarks/own_comparison.py measure FOLDER --arms ours svm
    taskset -c 1 python benchmarks/own_comparison.py measure FOLDER --arms fasttext
    python benchmarks/own_comparison.py table FOLDER

`data` makes two data sets of the published ones: `postings`, passages of newsgroup postings in
twelve groups, and `inbox`, passages of e-mail, sentences of reviews and questions in ten classes.
The largest class has 24 and 400 times the texts of the smallest. Texts are distinct, and those of a
posting or an e-mail are either all for training or all for the test.

`measure` trains on train.csv and answers test.csv, each on one core: rnnclf and fastText's autotune
for the budgets in --minutes (2 and 10), the SVM once with and once without class weights; it takes
the time it needs. What is in results.jsonl already is not measured again. --fasttext PYTHON names
an interpreter that has fastText. `table` prints the results.
"""

import argparse
import csv
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rnnclf.data.corpus import Texts
from rnnclf.data.sources import default_data_folder, load_corpus
from rnnclf.data.splits import stratified_split

REPO = Path(__file__).resolve().parents[1]
WORDS, FEWEST = 20, 5  # of a passage
GROUPS = [
    *("talk.politics.mideast", "soc.religion.christian", "sci.crypt", "talk.politics.guns"),
    *("sci.space", "rec.sport.hockey", "comp.windows.x", "sci.med", "rec.motorcycles"),
    *("comp.graphics", "sci.electronics", "misc.forsale"),
]
KEPT = 0.82  # a group has this share of the postings of the one before it
COLUMNS = {
    "postings": ("Posting", "Message Text", "Moderated", "Category"),
    "inbox": ("Ticket No.", "What they wrote", "Agent (initials)", "Sent to"),
}
C = (0.03, 0.1, 0.3, 1.0, 3.0)
HELD_OUT = 0.1  # for validation, in every arm

Rows = Iterator[tuple[str, str]]  # text and class


def passages(text: str) -> Iterator[str]:
    """Yields the parts of a text, without quoted lines."""
    own = [line for line in text.splitlines() if not re.match(r"\s*[>|:]|.*(writes|wrote):$", line)]
    words = " ".join(own).split()
    for start in range(0, len(words), WORDS):
        if len(part := words[start : start + WORDS]) >= FEWEST:
            yield " ".join(part)


def postings(split: str) -> Rows:
    """Yields passages of the groups, of fewer postings from group to group."""
    texts: Texts = getattr(load_corpus("newsgroups", default_data_folder()), split)
    for number, group in enumerate(GROUPS):
        of_group = [t for t, label in zip(texts.texts, texts.labels, strict=True) if label == group]
        for text in of_group[: round(KEPT**number * len(of_group))]:
            body = text.partition("\n\n")[2]
            yield from ((passage, group) for passage in passages(body))


def inbox(split: str) -> Rows:
    """Yields passages of e-mail, sentences of reviews and questions."""
    for name, prefix in (("spam", "mail"), ("sentiment", "review"), ("questions", "question")):
        labels = "coarse" if name == "questions" else None
        texts: Texts = getattr(load_corpus(name, default_data_folder(), labels=labels), split)
        for text, label in zip(texts.texts, texts.labels, strict=True):
            for part in passages(text) if name == "spam" else [text]:
                yield part, f"{prefix}: {label}"


def write_data(folder: Path) -> None:
    """Writes train.csv and test.csv of both data sets, without a text that was there before.

    The rows are shuffled, because fastText takes them as they come.
    """
    for name, rows in (("postings", postings), ("inbox", inbox)):
        seen: set[str] = set()
        (folder / name).mkdir(parents=True)
        for split in ("train", "test"):
            distinct = {text: label for text, label in rows(split) if text not in seen}
            seen |= distinct.keys()
            shuffled = random.Random(0).sample(list(distinct.items()), len(distinct))
            with (folder / name / f"{split}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, delimiter=";")
                writer.writerow(COLUMNS[name])
                for number, (text, label) in enumerate(shuffled):
                    writer.writerow([number, text, "AB"[number % 2], label])


def read(path: Path) -> Texts:
    """Reads one of these files."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter=";"))[1:]
    return Texts([row[1] for row in rows], [row[3] for row in rows])


def ours(data: Path, minutes: int, work: Path) -> tuple[float, list[str]]:
    """A study with a budget, as the page about your own data has it."""
    command = [
        *("run.py", "-m", "sweeps=auto", "dataset=csv", f"dataset.file={data / 'train.csv'}"),
        *(f"dataset.test_file={data / 'test.csv'}", "metric=macro_f1", f"minutes={minutes}"),
        *(f"dataset.text={COLUMNS[data.name][1]}", f"dataset.label={COLUMNS[data.name][3]}"),
        f"hydra.sweep.dir={work / 'study'}",
    ]
    start = time.perf_counter()
    call(sys.executable, *command, RNNCLF_CACHE=str(work / "cache"))
    seconds = time.perf_counter() - start
    call(sys.executable, "-m", "rnnclf", "pick", str(work / "study"), "--to", str(work / "models"))
    (model,) = (work / "models").iterdir()
    asked = ["--file", str(data / "test.csv"), "-o", str(work / "answers.csv")]
    asked += ["--column", COLUMNS[data.name][1]]
    call(sys.executable, "-m", "rnnclf", "predict", str(model), *asked)
    with (work / "answers.csv").open(encoding="utf-8", newline="") as file:
        return seconds, [row["label"] for row in csv.DictReader(file)]


FASTTEXT = """
import fasttext, sys, time
seconds, folder = int(sys.argv[1]), sys.argv[2]
start = time.perf_counter()
model = fasttext.train_supervised(
    f"{folder}/train", autotuneValidationFile=f"{folder}/valid", autotuneDuration=seconds,
    thread=1, verbose=0,
)
print(time.perf_counter() - start)
for line in open(f"{folder}/test", encoding="utf-8"):
    print(model.predict(line.rstrip("\\n"))[0][0])
"""


def fasttext(data: Path, minutes: int, work: Path, python: str) -> tuple[float, list[str]]:
    """Autotune, on words as fastText's tutorial splits them."""
    training, valid = stratified_split(read(data / "train.csv"), HELD_OUT, 0, data.name)
    classes = sorted(set(training.labels))
    for name, texts in {
        "train": training,
        "valid": valid,
        "test": read(data / "test.csv"),
    }.items():
        with (work / name).open("w", encoding="utf-8") as file:
            for text, label in zip(texts.texts, texts.labels, strict=True):
                words = re.sub(r"([.!?,'/()])", r" \1 ", text.lower())
                mark = "" if name == "test" else f"__label__{classes.index(label)} "
                file.write(f"{mark}{' '.join(words.split())}\n")
    said = call(python, "-c", FASTTEXT, str(60 * minutes), str(work)).splitlines()
    start = next(i for i, line in enumerate(said) if re.fullmatch(r"\d+\.\d+", line))
    return float(said[start]), [
        classes[int(line[len("__label__") :])] for line in said[start + 1 :]
    ]


def svm(data: Path, weights: str | None) -> tuple[float, list[str]]:
    """TF-IDF of words 1-2 and characters 2-5; C is chosen on a validation part."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics import f1_score
    from sklearn.pipeline import make_union
    from sklearn.svm import LinearSVC

    train, test = read(data / "train.csv"), read(data / "test.csv")
    start = time.perf_counter()
    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
    )
    training, valid = stratified_split(train, HELD_OUT, 0, data.name)
    of_training, of_valid = features.fit_transform(training.texts), features.transform(valid.texts)

    def value(c: float) -> float:
        machine = LinearSVC(C=c, class_weight=weights).fit(of_training, training.labels)
        return float(f1_score(valid.labels, machine.predict(of_valid), average="macro"))

    values = [value(c) for c in C]
    best = C[values.index(max(values))]
    machine = LinearSVC(C=best, class_weight=weights)
    machine.fit(features.fit_transform(train.texts), train.labels)
    seconds = time.perf_counter() - start
    print(f"  C = {best}, of {[round(value, 4) for value in values]}")
    return seconds, machine.predict(features.transform(test.texts)).tolist()


def call(*command: str, **environment: str) -> str:
    """Runs a program in the repository; returns what it printed."""
    done = subprocess.run(
        command,
        check=True,
        cwd=REPO,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout


def measure(folder: Path, arms: list[str], budgets: list[int], python: str) -> None:
    """Measures what is missing, one after the other."""
    from sklearn.metrics import accuracy_score, f1_score

    record = folder / "results.jsonl"
    known = (
        [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
    )
    variants = [
        *((arm, minutes) for minutes in budgets for arm in arms if arm != "svm"),
        *(("svm", weights) for weights in (None, "balanced") if "svm" in arms),
    ]
    for name in COLUMNS:
        for arm, variant in variants:
            row = {"data": name, "arm": arm, "variant": variant}
            if any(row.items() <= one.items() for one in known):
                continue
            work = folder / "work" / f"{name}-{arm}-{variant}-{time.strftime('%H%M%S')}"
            work.mkdir(parents=True)
            print(f"{name}, {arm}, {variant}", flush=True)
            data = (folder / name).resolve()
            if arm == "ours":
                seconds, answers = ours(data, variant, work.resolve())
            elif arm == "fasttext":
                seconds, answers = fasttext(data, variant, work.resolve(), python)
            else:
                seconds, answers = svm(data, variant)
            labels = read(data / "test.csv").labels
            row["seconds"] = round(seconds, 1)
            row["accuracy"] = round(float(accuracy_score(labels, answers)), 4)
            row["macro_f1"] = round(float(f1_score(labels, answers, average="macro")), 4)
            with record.open("a") as file:
                file.write(f"{json.dumps(row)}\n")


def table(folder: Path) -> None:
    """Prints the results."""
    print("| data | | seconds | accuracy | macro-F1 |\n| --- | --- | --- | --- | --- |")
    for row in map(json.loads, (folder / "results.jsonl").read_text().splitlines()):
        arm = f"{row['arm']}, {row['variant'] or 'not weighted'}"
        numbers = f"{row['seconds']:.0f} | {row['accuracy']:.4f} | {row['macro_f1']:.4f}"
        print(f"| {row['data']} | {arm} | {numbers} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["data", "measure", "table"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--arms", nargs="+", default=["ours", "fasttext", "svm"])
    parser.add_argument("--minutes", nargs="+", type=int, default=[2, 10])
    parser.add_argument("--fasttext", default=sys.executable, metavar="PYTHON")
    arguments = parser.parse_args()
    if arguments.what == "data":
        write_data(arguments.folder)
    elif arguments.what == "measure":
        measure(arguments.folder, arguments.arms, arguments.minutes, arguments.fasttext)
    else:
        table(arguments.folder)


if __name__ == "__main__":
    main()
