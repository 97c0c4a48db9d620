"""The package as users have it: installed from its wheel in an environment of its own."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from once import make_once, shared_folder
from processes import run_program
from project import REPO, result_of

from rnnclf.files import command
from rnnclf.files.command import as_typed_here

SMALL = ("epochs=1", "hidden_size=8", "embedding_size=8")
# What a folder from somebody else may have for whoever types `rnnclf train` in it.
STRANGERS = {
    "conf/config.yaml": "defaults: [override hydra/job_logging: none]\nseed: 666\n",
    "conf/cell/gru.yaml": "# @package model\ncell: lstm\n",
    "hydra_plugins/theirs.py": "open('theirs', 'w')\n",
    "run.py": "open('theirs', 'w')\n",
}


def run(*command: object, cwd: Path, **options: object) -> subprocess.CompletedProcess[str]:
    words, environment = list(map(str, command)), dict(os.environ)
    environment.pop("PYTHONPATH", None)
    return subprocess.run(
        words, cwd=cwd, env=environment, capture_output=True, text=True, check=False, **options
    )


@pytest.fixture(scope="session")
def installed(tmp_path_factory) -> Path:
    """The programs of an environment with both wheels; what they need is borrowed from this one."""
    return make_once(shared_folder(tmp_path_factory) / "installed", install) / "environment" / "bin"


def install(folder: Path) -> None:
    place, wheels = folder / "environment", folder / "wheels"
    for project in (REPO, REPO / "sweeper"):
        build = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", wheels)
        run(*build, cwd=project).check_returncode()
    run(sys.executable, "-m", "venv", "--without-pip", place, cwd=folder).check_returncode()
    (packages,) = place.glob("lib/*/site-packages")
    borrowed = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "borrowed.pth").write_text("\n".join(borrowed))
    pip = (sys.executable, "-m", "pip", "--python", place / "bin" / "python", "install")
    alone = ("--no-deps", "--no-index", "--no-compile")
    run(*pip, *alone, *wheels.glob("*.whl"), cwd=folder).check_returncode()


def test_it_trains_in_any_folder_and_reads_no_configuration_there(installed, rnnclf, tmp_path):
    for name, content in STRANGERS.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    done = run(installed / "rnnclf", "train", "dataset=sample", *SMALL, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = result_of(tmp_path / "outputs")
    assert (result["cell"], result["config"]["seed"]) == ("gru", 0)
    assert not (tmp_path / "theirs").exists()
    (folder,) = (tmp_path / "outputs/sample-gru").iterdir()
    again = rnnclf("train", f"from={folder}", "lr=1,2", cwd=tmp_path)
    assert again.returncode == 2
    assert "several values need -m: rnnclf sweep optimizer.lr=1,2" in again.stderr


def test_both_packages_are_typed(installed):
    (packages,) = installed.parent.glob("lib/*/site-packages")
    assert (packages / "rnnclf/py.typed").exists()
    assert (packages / "hydra_study_sweeper/py.typed").exists()


def test_a_project_has_a_configuration_of_its_own_on_top(rnnclf, tmp_path):
    assert rnnclf("init", "project", cwd=tmp_path).returncode == 0
    project = tmp_path / "project"
    (project / "data").mkdir()
    rows = [f"{word} {number},{word}" for number in range(40) for word in ("yes", "no")]
    (project / "data/mine.csv").write_text("\n".join(["text,label", *rows]))
    run_py = partial(run_program, project / "run.py", cwd=project)
    done = run_py("experiment=mine", "lr=0.01", *SMALL)
    assert done.returncode == 0, done.stderr
    assert result_of(project / "outputs")["config"]["model"]["pooling"] == "attention"
    study = ("-m", "sweeps=auto", "dataset=mine", *SMALL, "n_trials=1", "workers=1")
    done = run_py(*study, "hydra.sweeper.refit.seeds=1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test accuracy of the final model" in done.stdout
    done = rnnclf("init", "project", cwd=tmp_path)
    assert "project/run.py exists already; name another folder" in done.stderr
    (tmp_path / "other").mkdir()
    (tmp_path / "other/conf").touch()
    done = rnnclf("init", "other", cwd=tmp_path)
    assert "other/conf exists already; name another folder" in done.stderr
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["conf"]
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("dangling", "dangling/deep", "other/conf/deep"):
        done = rnnclf("init", name, cwd=tmp_path)
        there = name.removesuffix("/deep")
        assert done.stderr == f"error: {there} exists already; name another folder\n"


def test_it_searches(rnnclf, tmp_path):
    study = ("sweeps=smoke", "n_trials=1", "workers=1", "hydra.sweeper.refit.seeds=1", *SMALL)
    done = rnnclf("sweep", *study, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test accuracy of the final model" in done.stdout


@pytest.mark.parametrize(
    ("started", "here", "train", "sweep"),
    [
        ("run.py", "clone", "python run.py", "python run.py -m"),
        ("../clone/run.py", "elsewhere", "python ../clone/run.py", "python ../clone/run.py -m"),
        ("-x/run.py", "elsewhere", "python ./-x/run.py", "python ./-x/run.py -m"),
        ("/bin/rnnclf", "clone", "python run.py", "python run.py -m"),
        ("/bin/rnnclf", "elsewhere", "rnnclf train", "rnnclf sweep"),
        ("/bin/rnnclf", "theirs", "rnnclf train", "rnnclf sweep"),
    ],
)
def test_messages_name_the_command_that_works_there(
    started, here, train, sweep, tmp_path, monkeypatch
):
    for folder in ("clone", "elsewhere", "theirs"):
        (tmp_path / folder).mkdir()
    for folder in ("clone", "theirs"):
        (tmp_path / folder / "run.py").touch()
    monkeypatch.chdir(tmp_path / here)
    monkeypatch.setattr(sys, "argv", [started])
    monkeypatch.setattr(command, "PACKAGE", tmp_path / "clone" / "rnnclf")
    assert as_typed_here("next: python run.py lr=1") == f"next: {train} lr=1"
    assert as_typed_here("next: python run.py -m lr=1,2") == f"next: {sweep} lr=1,2"
