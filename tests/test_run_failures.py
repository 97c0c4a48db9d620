"""What can go wrong in a run: one line that says it, an exit code, nothing half-written."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import run_program
from project import REAL_DATA, RUN_PY
from test_run import TINY

import rnnclf as package


def test_asking_for_the_test_split_in_a_grid_is_refused(run_py, tmp_path):
    done = run_py("-m", *TINY, "evaluate_test=true", "cell=rnn,gru")
    assert done.returncode == 2
    assert "evaluate_test=true in a sweep" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("result.json"))


@pytest.mark.parametrize("argument", ["hydra.run.dir=theirs", "hydra.sweep.dir=theirs"])
def test_nothing_is_written_through_a_link_in_a_folder_that_is_named(argument, run_py, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "theirs" / "0").mkdir(parents=True)
    (tmp_path / "theirs" / "0" / ".hydra").symlink_to(tmp_path / "precious")
    (tmp_path / "theirs" / ".hydra").symlink_to(tmp_path / "precious")
    mode = ["-m", "seed=0,1"] if "sweep" in argument else []
    done = run_py(*mode, *TINY, argument)
    assert done.returncode == 2
    assert done.stderr.endswith(" is a symbolic link that leads elsewhere; delete it first\n")
    assert not list((tmp_path / "precious").iterdir())


def test_a_command_that_was_refused_leaves_no_folder(run_py, tmp_path):
    done = run_py("device=cuda:7")
    assert done.returncode == 2
    assert not list(tmp_path.glob("outputs/*"))


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("cell=gruu", "there are gru, lstm, rnn. Did you mean cell=gru?"),
        ("lr=-1", "optimizer.lr must be a number above 0; it is -1"),
        ("device=tpu", "device must be auto, cpu, cuda or cuda:N; it is tpu"),
    ],
)
def test_a_usage_error_is_one_line_and_exit_code_2(run_py, tmp_path, argument, message):
    done = run_py(argument)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr
    assert not list(tmp_path.rglob("result.json"))


def test_to_run_a_study_and_to_see_its_configuration_are_two_commands(run_py):
    done = run_py("-m", "sweeps=smoke", "--cfg", "hydra")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "to see a configuration, leave out -m" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dataset=csv", "dataset.folder=nowhere"), "nowhere/train.csv: no such file"),
        (("model.vectors=gone.txt",), "gone.txt: no such file"),
        (("lr=1000", "optimizer=sgd", "optimizer.weight_decay=1000"), "try a lower lr"),
    ],
)
def test_a_failure_is_one_line_and_exit_code_1(run_py, tmp_path, arguments, message):
    done = run_py(*TINY, *arguments)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr
    assert not list(tmp_path.rglob("result.json"))


def test_a_data_folder_without_permission_is_one_line(run_py, tmp_path):
    if os.geteuid() == 0:
        (tmp_path / "data").write_text("a file where a folder should be: root may write anywhere")
    else:
        (tmp_path / "data").mkdir(mode=0o500)
    environment = {k: v for k, v in os.environ.items() if k != "RNNCLF_DATA"}
    done = run_py("dataset=questions", env=environment)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "data" in done.stderr


def test_a_finished_run_is_never_overwritten(run_py, tmp_path):
    assert run_py(*TINY, "hydra.run.dir=here").returncode == 0
    before = {path: path.read_bytes() for path in (tmp_path / "here").glob("*.*s*")}
    done = run_py(*TINY, "hydra.run.dir=here", "seed=1")
    assert done.returncode == 2
    assert "holds a finished run" in done.stderr
    assert {path: path.read_bytes() for path in before} == before


def test_a_disk_that_is_full_leaves_no_half_written_file(tmp_path):
    (tmp_path / "small_files_only.py").write_text(
        "import resource, runpy, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))\n"
        f"runpy.run_path({str(RUN_PY)!r}, run_name='__main__')"
    )
    done = run_program(tmp_path / "small_files_only.py", *TINY, cwd=tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "model.safetensors" in done.stderr
    (folder,) = (tmp_path / "outputs" / "sample-gru").iterdir()
    names = {path.name for path in folder.iterdir()}
    assert names == {".hydra", "config.yaml", "labels.txt", "metrics.jsonl", "run.log"} | {
        "vocabulary.txt"
    }


def test_ctrl_c_keeps_what_was_finished(start_run_py, tmp_path):
    process = start_run_py("epochs=10000", "hydra.run.dir=here")
    metrics = tmp_path / "here" / "metrics.jsonl"
    while not (metrics.exists() and len(metrics.read_text().splitlines()) >= 2):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    done = process.wait(timeout=30)
    assert done.returncode == 130
    assert len(done.stderr.splitlines()) == 1
    assert "interrupted after" in done.stderr
    assert "here" in done.stderr
    assert package.load(tmp_path / "here").predict(["Who was it?"])
    assert not (tmp_path / "here" / "result.json").exists()


@pytest.mark.real_data
def test_an_altered_archive_is_refused(run_py, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    content = (Path(str(REAL_DATA)) / "rt-polaritydata.tar.gz").read_bytes()
    (data / "rt-polaritydata.tar.gz").write_bytes(content[:-100] + bytes(100))
    done = run_py("dataset=sentiment", "paths.data=data")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "rt-polaritydata.tar.gz" in done.stderr


def test_a_validation_loss_that_is_not_finite_is_no_result(run_py, tmp_path):
    """The weights become infinite in the last step, after its loss."""
    done = run_py(
        *("optimizer=sgd", "lr=1000", "optimizer.weight_decay=1000", "batch_size=58"),
        *("epochs=1", "hidden_size=8", "embedding_size=8", "hydra.run.dir=run"),
    )
    assert done.returncode == 1
    assert "loss" in done.stderr
    assert "try a lower lr" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run" / "result.json").exists()


def test_libraries_that_do_not_fit_in_memory_are_one_line(tmp_path):
    limited = ["sh", "-c", 'ulimit -v 300000; exec "$@"', "", sys.executable, str(RUN_PY)]
    env = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(limited, cwd=tmp_path, env=env, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: there is not enough memory")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("size", ["model.hidden_size=1000000000", "embedding_size=1000000000"])
def test_a_model_that_does_not_fit_in_memory_is_one_line(run_py, size):
    done = run_py(size)
    assert done.returncode == 1
    assert done.stderr == (
        "error: there is not enough memory; try a smaller model, batch_size or max_length\n"
    )
