"""Folders of strangers: whatever is in them costs its own row, and nothing else."""

import io
import json
import os
import re
import shutil
import signal
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
from hydra_study_sweeper.files import RecordError

from rnnclf.cli.commands import main
from rnnclf.data.cache import file_digest
from rnnclf.data.tables.table import Reading, read_table
from rnnclf.errors import DataError, ModelError
from rnnclf.files.epochs import read_epochs, write_epochs
from rnnclf.model.store import load
from rnnclf.training.checkpoint import load_checkpoint
from rnnclf.training.progress import LogFile
from tests.hostile.corpus import FILES, NAMES, SECRET, copies

LONGEST = 20  # seconds for a command; a pipe or /dev/zero would take for ever
ALLOWED = {"\n", "\t"}


@dataclass
class Ended:
    """How a command ended, and what it printed."""

    code: int
    output: str
    errors: str


@contextmanager
def alarm(seconds):
    def ring(*_):
        raise AssertionError(f"still running after {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def rnnclf_here(monkeypatch, tmp_path):
    """Runs `rnnclf` in this process, and checks what every command promises."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["rnnclf", *map(str, arguments)])
        streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace") for _ in "12"]
        code = 0
        with redirect_stdout(streams[0]), redirect_stderr(streams[1]), alarm(LONGEST):
            try:
                main()
            except SystemExit as ended:
                code = ended.code or 0
        for stream in streams:
            stream.flush()
        done = Ended(code, *(stream.buffer.getvalue().decode() for stream in streams))
        assert code in {0, 1, 2}, done
        assert "Traceback" not in done.errors, done.errors
        both = done.output + done.errors
        assert not {c for c in both if not c.isprintable()} - ALLOWED, ascii(both)
        assert SECRET not in both
        return done

    yield run


@pytest.fixture
def victim(tmp_path):
    path = tmp_path / "victim"
    path.write_text(SECRET)
    yield path
    assert path.read_text() == SECRET


@pytest.fixture
def strangers(tmp_path, trained, victim):
    """A sound run, and a copy of it for each of its files and each kind of hostile file."""
    folder = tmp_path / "runs"
    folder.mkdir()
    made = copies(trained, folder, victim)
    assert len(made) >= 8 * len(FILES)
    shutil.copytree(trained, folder / "sound")
    return folder


# Files


@pytest.mark.parametrize(
    "command",
    [
        ("compare", "runs", "--top", "1000"),
        ("report", "runs", "-o", "report.html"),
        ("pick", "runs"),
    ],
)
def test_a_hostile_file_costs_its_own_row(command, rnnclf_here, strangers):
    done = rnnclf_here(*command)
    assert done.code == 0, done.errors
    told = done.errors if command[0] != "report" else Path("report.html").read_text()
    for kind in FILES:
        assert f"result.json {kind}" in told
    if command[0] == "compare":
        assert "runs/sound" in done.output
        rows = sum("runs/" in line for line in done.output.splitlines())
        assert rows == sum(1 for _ in strangers.iterdir()) - len(FILES)


def test_a_model_with_a_hostile_file_is_refused_with_its_name(strangers):
    for folder in sorted(strangers.iterdir()):
        name, _, kind = folder.name.partition(" ")
        if name not in {"config.yaml", "labels.txt", "vocabulary.txt", "model.safetensors"}:
            continue
        with alarm(LONGEST), pytest.raises(ModelError, match=name):
            load(folder)
            raise AssertionError(f"{kind} in place of {name} was loaded")


@pytest.mark.parametrize("kind", ["pipe", "endless", "link", "loop", "folder"])
def test_a_run_neither_reads_nor_writes_through_a_hostile_file(kind, tmp_path, victim):
    path = tmp_path / "file"
    FILES[kind](path, victim)
    for use in (load_checkpoint, lambda path: write_epochs(path, []), LogFile):
        with alarm(LONGEST), pytest.raises(OSError):
            use(path)


def test_epochs_that_are_nested_without_end_are_damaged(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"not of ours": ' + "[" * 100_000)
    with pytest.raises(RecordError, match=r"metrics.jsonl is damaged"):
        read_epochs(path)


@pytest.mark.parametrize("kind", ["pipe", "endless", "link", "loop", "folder", "huge"])
def test_a_csv_file_in_a_folder_is_regular_and_has_an_end(kind, tmp_path, victim):
    path = tmp_path / "train.csv"
    FILES[kind](path, victim)
    with alarm(LONGEST), pytest.raises(DataError, match=re.escape(str(path))):
        read_table(path, Reading(may_be_link=False))
    if kind == "huge":
        os.truncate(path, 2**40)
    with alarm(LONGEST):
        assert kind == "link" or file_digest(path) is None


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_a_log_that_is_no_file_ends_a_run_in_one_line(kind, tmp_path, victim, run_py):
    (tmp_path / "run").mkdir()
    FILES[kind](tmp_path / "run" / "run.log", victim)
    done = run_py("hydra.run.dir=run")
    assert done.returncode == (2 if kind == "link" else 1)
    assert re.fullmatch(r"error: .*run\.log(:| is a symbolic link) .*\n", done.stderr)


def test_a_link_is_not_handed_in_as_a_study(tmp_path, victim, rnnclf_here, outputs):
    (study,) = (outputs / "studies").iterdir()
    copy = tmp_path / "outputs" / "study"
    shutil.copytree(study, copy)
    for name in ("study.json", "trials.csv", "best.yaml", "study.journal"):
        (copy / name).unlink()
        (copy / name).symlink_to(victim)
    done = rnnclf_here("compare")
    assert "study.json" in done.errors
    assert rnnclf_here("report", "outputs", "-o", "report.html").code == 0
    assert SECRET not in (tmp_path / "report.html").read_text()


def test_folders_in_folders_have_no_end(tmp_path, rnnclf_here, trained):
    shutil.copytree(trained, tmp_path / "runs" / "sound")
    folder = tmp_path / "runs"
    for _ in range(300):
        folder /= "d"
        folder.mkdir()
    done = rnnclf_here("compare", "runs")
    assert "runs/sound" in done.output
    assert "nested too deeply" in done.errors


# Names


@pytest.fixture
def named(tmp_path, trained):
    """A run for each hostile name, which it has wherever a record has a free text."""
    for kind, name in NAMES.items():
        folder = tmp_path / "runs" / f"{kind} {name.replace('/', '_')}"
        shutil.copytree(trained, folder)
        result = json.loads((trained / "result.json").read_text())
        result["device"] = name[:100]
        result["config"]["dataset"] |= {"name": "csv", "folder": name}
        result["config"]["model"]["vectors"] = name
        result["dataset"] = "csv"
        (folder / "result.json").write_text(json.dumps(result))
        labels = (folder / "labels.txt").read_text().splitlines()
        lines = [name.replace("\n", " "), *labels[1:]]
        (folder / "labels.txt").write_text("".join(f"{line}\n" for line in lines))
    return tmp_path / "runs"


@pytest.mark.parametrize("kind", ["table", "md", "csv", "json"])
def test_names_in_a_comparison_are_text(kind, rnnclf_here, named):
    done = rnnclf_here("compare", "runs", "--format", kind)
    assert done.code == 0, done.errors
    if kind == "json":
        assert {row["vectors"] for row in json.loads(done.output)} == set(NAMES.values())
    if kind == "md":
        rows = [line.replace(r"\|", "") for line in done.output.splitlines() if "|" in line]
        assert len({row.count("|") for row in rows}) == 1
        assert "<img" not in done.output.replace(r"\<", "")


def test_names_reach_no_page_and_no_model_card_as_markup(rnnclf_here, named, tmp_path):
    assert rnnclf_here("report", "runs", "-o", "report.html").code == 0
    page = (tmp_path / "report.html").read_text()
    assert "<script>document.title" not in page
    assert "<img src=http" not in page
    for folder in sorted(named.iterdir()):
        assert rnnclf_here("pick", folder, "--to", "models").code == 0
        card = (tmp_path / "models" / "csv-gru" / "README.md").read_text()
        assert "evil" not in card
        assert "owned" not in card
        shutil.rmtree(tmp_path / "models")


def test_labels_and_texts_rule_no_terminal(rnnclf_here, named):
    for folder in sorted(named.iterdir()):
        for kind in ("text", "json"):
            options = ("--format", kind, "--top", 6)
            done = rnnclf_here("predict", folder, *options, "--", *NAMES.values())
            assert (done.code, done.output.count("\n")) == (0, len(NAMES)), done


def test_names_that_people_type_or_that_a_shell_fills_in_are_printed_safely(rnnclf_here, tmp_path):
    for name in NAMES.values():
        for command in (["compare"], ["predict"], ["pick"], ["report", "-o", "page.html"]):
            assert rnnclf_here(*command, "--", name).code in {1, 2}


IMPOSSIBLE = [
    *({"dataset": name} for name in NAMES.values() if name != "x" * 200),
    *({"cell": name} for name in ("../gru", "gru/..", "")),
    *({"git_revision": name} for name in (NAMES["html"], NAMES["terminal"])),
    *({"val_accuracy": value} for value in (99, -1, True, "0.9", 10**400, [0.9])),
    *({"val_loss": value} for value in (-1, True, 10**400)),
    *({"parameters": value} for value in (-1, 1.5, 10**400)),
    *({"temperature": value} for value in (0, -1, 10**400)),
    *({"data": name} for name in (NAMES["html"], "../../../etc", "0123456789AB")),
    {"val_classes": [{"label": "a", "precision": 2, "recall": 0, "f1": 0, "support": 0}]},
    {"thresholds": [{"probability": 0.5, "coverage": 9, "accuracy": None}]},
    {"versions": {NAMES["terminal"]: "1"}},
    {"seconds": {"load": -1, "fit": 0, "evaluate": 0, "total": 0}},
    {"config": {"dataset": {"labels": None, "folder": None, "split_seed": [1]}}},
    {"config": {"dataset": {"labels": None, "folder": None, "split_seed": 10**400}}},
    {"config": {"dataset": {"labels": ["a"], "folder": None}}},
    {"config": {NAMES["terminal"]: 1, "dataset": {"labels": None, "folder": None}}},
]


def test_a_record_with_an_impossible_value_costs_its_row(rnnclf_here, write_run, trained):
    for number, change in enumerate(IMPOSSIBLE):
        folder = write_run(f"runs/odd-{number}")
        record = json.loads((folder / "result.json").read_text())
        (folder / "result.json").write_text(json.dumps(record | change))
    shutil.copytree(trained, folder.parent / "sound")
    done = rnnclf_here("compare", "runs", "--format", "json")
    assert done.code == 0
    assert [row["folder"] for row in json.loads(done.output)] == ["runs/sound"]
    counts = re.findall(r"^left out: (\d+) in runs \(unreadable: ", done.errors, re.MULTILINE)
    assert sum(map(int, counts)) == len(IMPOSSIBLE)
    done = rnnclf_here("pick", "runs", "--to", "models")
    assert [path.name for path in Path("models").iterdir()] == ["sample-gru"]


def test_not_a_number_is_no_json(rnnclf_here, write_run):
    path = write_run("runs/odd") / "result.json"
    path.write_text(path.read_text().replace('"val_loss": ', '"val_loss": NaN, "was": '))
    done = rnnclf_here("compare", "runs")
    assert done.code == 1
    assert "odd" in done.errors
