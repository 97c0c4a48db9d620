"""`rnnclf compare`: finding runs, ranking, asking, and what is left out."""

import csv
import gc
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from hydra_study_sweeper.intervals import seed_values

from rnnclf.cli.commands import commands
from rnnclf.runs.find import find_runs
from rnnclf.runs.query import Names, parse_condition
from rnnclf.runs.tables import render


@pytest.fixture
def four_runs(write_run) -> None:
    lr, hidden = "optimizer.lr", "model.hidden_size"
    write_run("a", {lr: 0.001, hidden: 64}, val_accuracy=0.5, val_loss=1.0)
    write_run("b/c", {lr: 0.01, hidden: 64}, val_accuracy=0.7, val_loss=1.0)
    write_run("b/d", {lr: 0.1, "model.cell": "rnn"}, val_accuracy=0.7, val_loss=0.9)
    write_run("e", {"dataset.name": "spam", lr: 0.001}, val_accuracy=0.9, val_loss=0.5)


def folders(rows: list[dict]) -> list[str]:
    return [row["folder"] for row in rows]


# Ranking


def test_runs_are_ranked_by_validation_accuracy_within_their_task(four_runs, compare):
    rows = compare(".")
    assert [(r["task"], r["rank"], r["folder"]) for r in rows] == [
        ("sample", 1, "b/d"),  # as accurate as b/c, with less loss
        ("sample", 2, "b/c"),
        ("sample", 3, "a"),
        ("spam", 1, "e"),
    ]


def test_runs_for_macro_f1_are_ranked_by_it(write_run, compare, rnnclf, tmp_path):
    metric = {"training.metric": "macro_f1"}
    write_run("a", metric, val_accuracy=0.9, val_macro_f1=0.1)
    write_run("b", metric, val_accuracy=0.8, val_macro_f1=0.7)
    first, _ = compare(".")
    assert (first["folder"], first["val_macro_f1"], first["val_accuracy"]) == ("b", 0.7, 0.8)
    assert list(first)[:3] == ["task", "rank", "val_macro_f1"]
    write_run("c", val_accuracy=0.85, val_macro_f1=0.2)
    assert folders(compare(".")) == ["a", "c", "b"], "of different metrics the accuracy counts"
    assert "--filter one kind by training.metric" in rnnclf("compare", ".", cwd=tmp_path).stderr
    assert folders(compare(".", "--filter", "metric=macro_f1")) == ["b", "a"]


def test_data_sets_of_one_name_are_told_apart_by_their_texts(write_run, compare, rnnclf, tmp_path):
    config = {"dataset.name": "csv-tickets", "dataset.folder": "x/tickets"}
    write_run("a", config, data="aaaaaaaaaaaa")
    write_run("b", config, data="bbbbbbbbbbbb")
    rows = compare(".")
    assert [(row["task"], row["rank"]) for row in rows] == [
        ("csv-tickets-aaaaaaaaaaaa", 1),
        ("csv-tickets-bbbbbbbbbbbb", 1),
    ]
    write_run("c", config, data="aaaaaaaaaaaa", splits="cccccccccccc")
    assert "its files changed" in rnnclf("compare", ".", cwd=tmp_path).stderr


def test_only_keys_in_which_the_listed_runs_differ_have_a_column(four_runs, compare):
    (first, *_) = compare(".")
    assert list(first) == [
        *("task", "rank", "val_accuracy", "refit_val", "refit_test", "cell"),
        *("hidden_size", "lr", "parameters", "seconds", "folder"),
    ]
    (best, second) = compare(".", "--filter", "cell=gru and dataset=sample")
    assert (best["lr"], second["lr"]) == (0.01, 0.001)
    assert "hidden_size" not in best


def test_where_a_run_was_made_is_no_difference(write_run, compare):
    write_run("a", {"paths.data": "/elsewhere", "threads": 4})
    write_run("b", {"evaluate_test": True})
    (first, _) = compare(".")
    assert not {"data", "paths.data", "threads", "evaluate_test"} & first.keys()


def test_a_single_runs_test_accuracy_is_nowhere(write_run, rnnclf, tmp_path):
    write_run("a", test_accuracy=0.123456)
    for kind in ("table", "md", "csv", "json"):
        assert "0.123" not in rnnclf("compare", str(tmp_path), "--format", kind).stdout
    write_run("b", test_accuracy=0.654321)
    done = rnnclf("compare", "--diff", str(tmp_path / "a"), str(tmp_path / "b"))
    assert "0.123" not in done.stdout


def test_a_run_without_validation_has_no_rank_and_comes_last(write_run, compare):
    write_run("a", val_accuracy=None, val_loss=None, val_macro_f1=None)
    write_run("b", val_accuracy=0.1)
    assert [(r["rank"], r["folder"]) for r in compare(".")] == [(1, "b"), (None, "a")]


def test_different_splits_are_warned_of(write_run, rnnclf, tmp_path):
    write_run("a", {"dataset.split_seed": 0})
    write_run("b", {"dataset.split_seed": 1})
    warning = "warning: sample: 2 different splits"
    assert warning in rnnclf("compare", str(tmp_path)).stderr
    assert warning not in rnnclf("compare", str(tmp_path), "--filter", "split_seed=1").stderr
    assert warning in rnnclf("pick", str(tmp_path)).stderr


def test_the_seed_of_the_split_and_the_same_for_validation_are_one_split(
    write_run, rnnclf, tmp_path
):
    write_run("a", {"dataset.split_seed": 0, "dataset.validation_seed": None})
    write_run("b", {"dataset.split_seed": 0, "dataset.validation_seed": 0})
    assert "different splits" not in rnnclf("compare", str(tmp_path)).stderr
    write_run("c", {"dataset.split_seed": 0, "dataset.validation_seed": 1})
    assert "--filter one by dataset.validation_seed" in rnnclf("compare", str(tmp_path)).stderr


def test_a_run_without_validation_texts_makes_no_second_split(write_run, rnnclf, tmp_path):
    write_run("a", {"dataset.validation_fraction": 0.1})
    alone = {"val_accuracy": None, "val_loss": None, "val_macro_f1": None}
    write_run("b", {"dataset.validation_fraction": 0.0}, **alone)
    assert "different splits" not in rnnclf("compare", str(tmp_path)).stderr


def test_folders_of_the_same_name_are_warned_of(write_run, rnnclf, tmp_path):
    for name in "ab":
        write_run(name, {"dataset.name": "csv-letters", "dataset.folder": f"/data/{name}/letters"})
    done = rnnclf("compare", str(tmp_path))
    assert "csv-letters: 2 different splits" in done.stderr
    assert "--filter one by dataset.folder" in done.stderr


def test_labels_and_folders_make_tasks(write_run, compare):
    write_run("a", {"dataset.name": "questions", "dataset.labels": "coarse"})
    write_run("b", {"dataset.name": "questions", "dataset.labels": "fine"})
    write_run("c", {"dataset.name": "csv-letters", "dataset.folder": "/data/letters"})
    assert {row["task"] for row in compare(".")} == {"questions-coarse", "questions", "csv-letters"}


# Asking


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("cell=rnn", {"b/d"}),
        ("cell == rnn or dataset = spam", {"b/d", "e"}),
        ("lr<0.01", {"a", "e"}),
        ("0.001 < optimizer.lr <= 0.01", {"b/c"}),
        ("not cell=rnn and dataset=sample", {"a", "b/c"}),
        ("(cell=rnn or lr=0.01) and val_accuracy>=0.7", {"b/c", "b/d"}),
        ("max_length=null and bidirectional=false", {"a", "b/c", "b/d", "e"}),
        ("max_length<100", set()),
        ("folder='b/c'", {"b/c"}),
        ("folder='a=b'", set()),
        ("study=null", {"a", "b/c", "b/d", "e"}),
    ],
)
def test_a_condition_selects_runs(condition, expected, four_runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = find_runs([Path()]).runs
    fulfils = parse_condition(condition, Names.of(runs))
    assert {str(run.folder) for run in runs if fulfils(run)} == expected


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("cel=gru", "no run has cel; did you mean cell?"),
        ("name=adam", "name is ambiguous: dataset.name or optimizer.name"),
        ("lr<", "cannot read the condition 'lr<'"),
        ("cell in (gru)", "cannot read"),
        ("cell=__import__('os')", "cannot read"),
        ("test_accuracy>0.5", "test_accuracy: no run is chosen by it; use val_accuracy"),
        ("1<2", "cannot read"),
        ("started<2026", "have no order"),
        ("(" * 1000, "cannot read"),
        ("cell=gru and optimizer.lr>1", "none of 4 runs fulfils 'cell=gru and optimizer.lr>1'"),
    ],
)
def test_a_wrong_condition_is_one_line(condition, message, four_runs, rnnclf, tmp_path):
    done = rnnclf("compare", str(tmp_path), "--filter", condition)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_sorting_keeps_the_ranks(four_runs, compare):
    rows = compare(".", "--filter", "dataset=sample", "--sort", "-lr")
    assert [(r["folder"], r["rank"]) for r in rows] == [("b/d", 1), ("b/c", 2), ("a", 3)]
    assert folders(compare(".", "--filter", "dataset=sample", "--sort", "lr")) == [
        "a",
        "b/c",
        "b/d",
    ]


def test_top_lists_so_many_of_each_task(four_runs, compare):
    assert folders(compare(".", "--top", "1")) == ["b/d", "e"]


def test_groups_have_the_best_and_the_mean(four_runs, compare):
    (gru, rnn) = sorted(
        compare(".", "--filter", "dataset=sample", "--group-by", "cell"), key=lambda r: r["cell"]
    )
    assert gru["runs"] == 2
    assert gru["best"] == 0.7
    assert gru["best_folder"] == "b/c"
    assert gru["mean"] == {
        "values": [0.7, 0.5],
        "mean": pytest.approx(0.6),
        "sd": pytest.approx(0.02**0.5),
        "interval": None,
    }
    assert rnn["mean"] == {"values": [0.7], "mean": 0.7, "sd": None, "interval": None}


def test_two_runs_differ_in_keys_and_figures(four_runs, rnnclf, tmp_path):
    done = rnnclf("compare", "--diff", "a", "b/c", "--format", "json", cwd=tmp_path)
    assert [(row["what"], row["a"], row["b/c"]) for row in json.loads(done.stdout)] == [
        ("optimizer.lr", 0.001, 0.01),
        ("val_accuracy", 0.5, 0.7),
    ]
    done = rnnclf("compare", "--diff", "a", "a", cwd=tmp_path)
    assert (done.stdout, done.returncode) == ("no difference\n", 0)
    done = rnnclf("compare", "--diff", "a", "a", "--format", "json", cwd=tmp_path)
    assert json.loads(done.stdout) == []
    for option in (["--filter", "lr<1"], ["--sort", "lr"], ["--top", "1"], ["--wide"]):
        done = rnnclf("compare", "--diff", "a", "b/c", *option, cwd=tmp_path)
        assert done.returncode == 2
        assert "--diff goes with --format only" in done.stderr


# Formats


def test_the_formats_for_people_round_and_those_for_programs_do_not(write_run, rnnclf, tmp_path):
    write_run("a|b", val_accuracy=0.123456)
    printed = {
        kind: rnnclf("compare", ".", "--format", kind, cwd=tmp_path).stdout
        for kind in ("table", "md", "csv", "json")
    }
    assert "0.1235" in printed["table"]
    assert "0.1235" in printed["md"]
    assert r"a\|b" in printed["md"]
    (row,) = csv.DictReader(io.StringIO(printed["csv"]))
    assert (row["val_accuracy"], row["refit_test_mean"], row["folder"]) == ("0.123456", "", "a|b")
    (row,) = json.loads(printed["json"])
    assert row["val_accuracy"] == 0.123456


def test_markdown_rows_have_as_many_cells_as_the_heading(four_runs, tmp_path):
    rows = {"t": [{"a": 1, "b": "x|y"}, {"a": None, "b": "z"}]}
    lines = render(rows, "md").splitlines()[2:]
    assert lines == ["| a | b |", "| --- | --- |", r"| 1 | x\|y |", "| - | z |"]


def test_a_narrow_table_has_whole_lines_and_says_what_is_missing():
    seeds = seed_values([0.8145, 0.8253, 0.82])
    row = {"rank": 1, "val_accuracy": 0.5, "refit_test": seeds, "cell": "gru", "lr": 0.1}
    rows = [row | {"folder": "outputs/studies/questions-gru/12"}]
    assert "outputs/studies/questions-gru/12" in render({"t": rows}, "table", width=100)
    rows += [row | {"folder": "outputs/questions-gru/2026-11-26_11-20-25-513051"}]
    title, _, *lines = render({"t": rows}, "table", width=80).splitlines()
    assert title == "t, folders below outputs/  (3 more columns with --wide)"
    assert max(map(len, lines)) <= 80
    assert "0.8199 ± 0.0054 (3)   questions-gru/2026-11-26_11-20-25-513051" in lines[-2]


# Speed


def test_ten_thousand_runs_take_seconds_and_no_longer_each_than_a_thousand(trained, tmp_path):
    taken = {}
    for count in (1_000, 10_000):
        many = tmp_path / str(count) / "many"
        for number in range(count):
            (many / str(number)).mkdir(parents=True)
            os.link(trained / "result.json", many / str(number) / "result.json")
        gc.freeze()  # the objects of other tests are not the command's
        before = time.process_time()
        command = ["compare", str(many), "--filter", "lr<1", "--sort", "lr"]
        done = CliRunner().invoke(commands, command)
        taken[count] = time.process_time() - before
        gc.unfreeze()
        assert done.stdout.count("many/") == 20
        assert f"sample: {count - 20} more" in done.stderr
    assert taken[10_000] < min(
        20 * taken[1_000], 15
    )  # twice the time of each is noise; 4 s quietly


def test_it_starts_without_the_heavy_libraries(write_run, tmp_path):
    write_run("a")
    code = (
        "import sys\nfrom rnnclf.cli.commands import commands\n"
        f"commands(['compare', {str(tmp_path)!r}], standalone_mode=False)\n"
        "sys.exit(bool({'torch', 'numpy', 'omegaconf', 'hydra', 'optuna'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
