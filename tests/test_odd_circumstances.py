"""Odd data, odd folders, odd environments: the same run, or one clear line."""

import csv
import multiprocessing
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from project import RUN_PY

TINY = ["epochs=1", "embedding_size=4", "hidden_size=4", "dataset.validation_fraction=0"]


def write_data(folder: Path, records: list[tuple[str, str]]) -> None:
    folder.mkdir(parents=True)
    for name in ("train", "test"):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("sentence", "label"), *records])


def test_texts_of_one_and_of_160_545_letters_and_a_class_with_one_example(run_py, tmp_path):
    """And labels with a comma, a blank and an accent, in a batch larger than the data."""
    long = ("word " * 32_109)[:160_545]
    write_data(tmp_path / "mine", [("a", "one, two"), (long, "été chaud"), ("b", "one, two")])
    done = run_py("dataset=csv", "dataset.folder=mine", "batch_size=1000", *TINY)
    assert done.returncode == 0, done.stderr
    assert "test accuracy" in done.stdout


def test_a_vocabulary_of_one_word(run_py, tmp_path):
    write_data(tmp_path / "mine", [("a", "x"), ("a a", "y")])
    done = run_py("dataset=csv", "dataset.folder=mine", *TINY)
    assert done.returncode == 0, done.stderr


def test_a_folder_with_blanks_and_accents(run_py, tmp_path):
    write_data(tmp_path / "mes données à moi", [("a", "x"), ("b", "y")])
    folder = "dataset.folder='mes données à moi'"
    done = run_py("dataset=csv", folder, "hydra.run.dir='là bas'", *TINY)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "là bas" / "result.json").exists()


def test_a_bare_environment_with_warnings_as_errors(tmp_path):
    """No terminal, no home that can be written, the C locale, and nobody who reads."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/proc/none", "LANG": "C", "LC_ALL": "C"}
    environment["RNNCLF_CACHE"] = str(tmp_path / "cache")
    reader, writer = os.pipe()
    os.close(reader)  # as `| head` does
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "", sys.executable, "-W", "error", str(RUN_PY), *TINY],
        cwd=tmp_path,
        env=environment,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.rglob("result.json"))


@pytest.mark.parametrize(
    "command", [["compare", "."], ["predict", ".", "text"], ["data", "info", "--data", "."]]
)
def test_a_command_without_a_reader_ends_without_a_word(trained, rnnclf, command):
    reader, writer = multiprocessing.Pipe(duplex=False)
    reader.close()
    done = rnnclf(*command, cwd=trained, stdout=writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(
    "command",
    [
        "train epochs=1 paths.outputs=file/x",
        "sweep sweeps=smoke n_trials=1 workers=1 paths.outputs=file/x",
        # Before anything is read or computed: there is no such model, and that is not told.
        "baseline file/x",
        "ensemble gone gone --to file/x",
        "export gone -o file/x.onnx",
        "pick gone --to file/x",
        "report gone -o file/x.html",
        "predict TRAINED --file in.csv -o file/x.csv",
    ],
)
def test_a_place_where_nothing_can_be_written_is_one_line(command, trained, rnnclf, tmp_path):
    for name in ("file", "in.csv"):  # in the place of a folder, which stops root as well
        (tmp_path / name).write_text("text\nWho was it?\n")
    done = rnnclf(*command.replace("TRAINED", str(trained)).split(), cwd=tmp_path)
    why = "(Not a directory|File exists); change its rights, or choose another place"
    told = rf"error: \S*file(/x\S*)?: {why}.*\n"
    assert (done.returncode, bool(re.fullmatch(told, done.stderr))) == (1, True), done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "in.csv"]


def test_a_terminal_of_no_columns(rnnclf):
    done = rnnclf(
        "data",
        "info",
        "--data",
        "[/]\x1b[2J",
        env=os.environ | {"COLUMNS": "0", "LINES": "9" * 5000},
    )
    assert "\x1b" not in done.stdout
    assert (done.returncode, done.stderr) == (0, "")
    assert "sentiment" in done.stdout
