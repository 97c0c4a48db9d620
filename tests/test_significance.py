"""Which differences chance explains: the tests against others, and their marks in compare."""

import csv
from itertools import combinations
from statistics import fmean

import pytest
from hydra_study_sweeper.intervals import seed_values
from hydra_study_sweeper.records import FinalModel, RefitRecord
from scipy import stats

from rnnclf.runs.results import Run, Study
from rnnclf.runs.significance import mcnemar_test, p_of_test, permutation_test


@pytest.mark.parametrize(
    ("only_first", "only_second"), [(0, 0), (1, 0), (3, 12), (40, 40), (9, 31)]
)
def test_mcnemar_is_a_binomial_test_of_the_texts_that_differ(only_first, only_second):
    n = only_first + only_second
    expected = stats.binomtest(only_first, n, 0.5).pvalue if n else 1
    assert mcnemar_test(only_first, only_second) == pytest.approx(expected)


def test_seeds_are_permuted():
    first, second = [0.81, 0.82, 0.80, 0.83, 0.82], [0.79, 0.81, 0.80, 0.79, 0.78]
    values, splits = [*first, *second], list(combinations(range(10), 5))
    parted = [
        abs(fmean(values[i] for i in one) - fmean(values[i] for i in {*range(10)} - {*one}))
        for one in splits
    ]
    expected = sum(distance >= parted[0] - 1e-12 for distance in parted) / len(splits)
    assert permutation_test(first, second) == pytest.approx(expected)
    assert permutation_test(first, first) == 1
    apart = permutation_test([1, 2, 3, 4, 5], [6, 7, 8, 9, 10])
    assert apart == pytest.approx(2 / 252)


def test_compare_marks_what_chance_explains(write_run, rnnclf, tmp_path):
    right = {"best": 100, "as good": 97, "worse": 60}
    for name, count in right.items():
        folder = write_run(name, val_accuracy=count / 100)
        with (folder / "predictions.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["part", "line", "sentence", "label", "predicted", "probability"])
            writer.writerows(
                ["validation", "", f"text {i}", "a", "a" if i < count else "b", 1]
                for i in range(100)
            )
    table = rnnclf("compare", str(tmp_path), "--format", "md").stdout
    header, _, *rows = [line.split(" | ") for line in table.splitlines() if line.startswith("|")]
    column = header.index("p_val")
    shown = {row[-1].rstrip(" |").rpartition("/")[2]: row[column] for row in rows}
    assert shown == {"best": "-", "as good": "≈ 0.25", "worse": "1.8e-12"}
    assert "p_test" not in header


def test_runs_on_other_texts_are_not_compared(write_run, rnnclf, tmp_path):
    for name in ("a", "b"):
        folder = write_run(name)
        (folder / "predictions.csv").write_text(
            f"part,line,sentence,label,predicted,probability\nvalidation,,{name},x,x,1\n"
        )
    assert "p_val" not in rnnclf("compare", str(tmp_path)).stdout


def test_refits_differ_only_if_both_texts_and_seeds_say_so(tmp_path):
    def refit(name: str, right: int, values: list[float]) -> Run:
        study = Study(tmp_path / name, record=None)
        folder = study.folder / "model"
        folder.mkdir(parents=True)
        rows = [f"test,,text {i},a,{'a' if i < right else 'b'},1" for i in range(100)]
        text = "\n".join(["part,line,sentence,label,predicted,probability", *rows])
        (folder / "predictions.csv").write_text(text)
        seeds = seed_values(values)
        record = RefitRecord(0, seeds, seeds, FinalModel(0, 0.9, "model"), None, 0)
        return Run(study.folder / "0", None, study, record)

    high, low = [0.91, 0.92, 0.93, 0.94, 0.95], [0.81, 0.82, 0.83, 0.84, 0.85]
    best = refit("best", 95, high)
    assert p_of_test(best, refit("worse", 60, low)) == pytest.approx(2 / 252)
    assert p_of_test(best, refit("worse on few texts", 94, low)) == 1
    assert p_of_test(best, refit("by a lucky seed", 60, high)) == 1
    alone = refit("of one seed, as there was no time for more", 60, low[:1])
    assert p_of_test(best, alone) is p_of_test(alone, best) is None
