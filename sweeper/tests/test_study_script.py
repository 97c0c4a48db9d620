"""A trial is the application's own run: its main module, its children, its section of Hydra."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from foreign_study import APPLICATIONS, OUTPUT
from hydra_study_sweeper import read_study, read_trial
from omegaconf import OmegaConf
from processes import run_program, wait_until

SCRIPT = APPLICATIONS / "script" / "app.py"
GRID = ["-m", "hydra/sweeper/sampler=grid", "hydra.sweeper.workers=1"]


def read(path: Path) -> object:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("launcher", ["basic", "submitit_local", "joblib"])
def test_a_trial_finds_what_a_single_run_finds(launcher, made_once, tmp_path):
    made_once(SCRIPT, "hydra.run.dir=single")
    arguments = [*GRID, f"hydra/launcher={launcher}"]
    command = [sys.executable, "-W", "ignore", SCRIPT, *arguments]
    done = subprocess.run(command, cwd=tmp_path, check=False, stdin=subprocess.PIPE, **OUTPUT)
    assert done.returncode == 0, done.stdout
    complete, pruned = (tmp_path / "study" / f"lr={value}" for value in ("0.1", "2.0"))
    found = read(tmp_path / "single" / "found.json")
    assert found["squares"] == [1, 4, 9]
    assert read(complete / "found.json") == read(pruned / "found.json") == found
    assert read(complete / "seen.json") == read(tmp_path / "single" / "seen.json")
    assert read(pruned / "seen.json") == {"task": True, "status": "FAILED", "value": "TrialPruned"}
    of_study = read(complete / "of_study.json")
    assert of_study == {"direction": "maximize study", "args": arguments}


def test_the_section_of_hydra_is_whole_in_a_trial(sweep, tmp_path):
    subdir = "hydra.sweep.subdir=runs/${hydra.job.override_dirname}"
    done = sweep(subdir, "outcome=one", "x=choice(0.5,0.7)")
    assert done.returncode == 0, done.stdout
    study = tmp_path / "study"
    trials = sorted(path.parent for path in study.glob("runs/*/trial.json"))
    assert len(trials) == 4, "equal overrides do not share a folder"
    assert {read_trial(trial).number for trial in trials} == {0, 1, 2, 3}
    assert (study / read_study(study).best[0].folder) in trials
    assert all(trial.name in (study / "trials.csv").read_text() for trial in trials)
    hydra = OmegaConf.load(trials[0] / ".hydra" / "hydra.yaml").hydra
    assert (hydra.sweeper.direction, hydra.sweeper.study_name) == ("maximize", "study")
    assert hydra.sweeper.params.x == "interval(0.0, 1.0)"
    multirun = OmegaConf.load(study / "multirun.yaml")
    assert "x=choice(0.5,0.7)" in multirun.hydra.overrides.task


PACKAGE = {
    "pkg/__init__.py": "",
    "pkg/parts.py": """
import threading
from omegaconf import OmegaConf
LOCK = threading.Lock()
OmegaConf.register_new_resolver("locked", lambda: LOCK.locked())
""",
    "pkg/app.py": """
import hydra
from omegaconf import OmegaConf
from .parts import LOCK
COUNT = 0
OmegaConf.register_new_resolver("one", lambda: 1)

@hydra.main(config_path=None, version_base="1.3")
def main(cfg):
    global COUNT
    COUNT += 1
    with LOCK:
        return cfg.x + COUNT if cfg.locked else cfg.x + COUNT * cfg.one

if __name__ == "__main__":
    main()
""",
    "pkg/__main__.py": "from .app import main\nmain()\n",
    "console": "from pkg.app import main\nif __name__ == '__main__':\n    main()\n",
    "plain.py": "from pkg.app import main\nmain()\nopen('after', 'a').write('once')\n",
}
STUDY = ["-m", "hydra/sweeper=study", "hydra.sweep.dir=study", "hydra.sweeper.workers=1"]
STUDY += ["hydra.sweeper.n_trials=2", "+x=interval(0,1)"]
RESOLVED = ["+one=${one:}", "+locked=${locked:}"]


@pytest.mark.parametrize(
    ("way", "options"),
    [
        (["-m", "pkg.app"], ["hydra.sweeper.preload=[pkg.parts]"]),
        (["-m", "pkg"], ["hydra/launcher=joblib"]),
        (["-m", "pkg"], ["hydra/launcher=joblib", "hydra.launcher.n_jobs=1"]),  # in the command
        (["console"], []),
        (["plain.py"], []),
    ],
    ids=" ".join,
)
def test_a_package_has_its_main_module_however_it_is_run(way, options, tmp_path):
    for name, content in PACKAGE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    command = [sys.executable, "-W", "ignore", *way, *STUDY, *RESOLVED, *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert read_study(tmp_path / "study").states == {"complete": 2}
    values = [read_trial(tmp_path / "study" / str(number)).values[0] for number in (0, 1)]
    assert 1 <= values[0] < 2 <= values[1], "one worker counted"
    after = tmp_path / "after"
    assert not after.exists() or after.read_text() == "once", "not in a worker"


SLOW = """
import pathlib
import time
pathlib.Path("loading").touch()
time.sleep(1)
"""


def test_ctrl_c_while_the_workers_load_their_libraries_stops_the_command_alone(
    tmp_path, monkeypatch
):
    (tmp_path / "slow.py").write_text(SLOW)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    command = [sys.executable, "-W", "ignore", SCRIPT, *GRID, "hydra.sweeper.preload=[slow]"]
    study = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, **OUTPUT)
    wait_until((tmp_path / "loading").exists, study)
    os.killpg(study.pid, signal.SIGINT)
    output, _ = study.communicate(timeout=60)
    assert study.returncode == -signal.SIGINT
    assert output.count("Traceback") == 1, "that of the application, which lets it pass"
    assert "KeyboardInterrupt: interrupted after 0 of 2 trials of study" in output


CHECKED = """
import multiprocessing
import os
import hydra

def check(configs):
    os.environ["CHECKED"] = "1"
    with multiprocessing.get_context("forkserver").Pool(1) as pool:
        assert pool.apply(abs, (-1,)) == 1
    return {}

@hydra.main(config_path=None, version_base="1.3")
def main(cfg):
    return cfg.x if os.environ["CHECKED"] == "1" else None

if __name__ == "__main__":
    main()
"""


def test_a_check_may_have_processes_and_set_variables_for_the_trials(tmp_path):
    (tmp_path / "app.py").write_text(CHECKED)
    command = [sys.executable, "-W", "ignore", "app.py", *STUDY, "hydra.sweeper.check=app.check"]
    done = subprocess.run(command, cwd=tmp_path, check=False, timeout=60, **OUTPUT)
    assert done.returncode == 0, done.stdout
    assert read_study(tmp_path / "study").states == {"complete": 2}


CLOSURE = """
import threading
import hydra
LOCK = threading.Lock()

def make(lock):
    def task(cfg):
        return cfg.x if lock is None else lock.locked()
    return hydra.main(config_path=None, version_base="1.3")(task)

if __name__ == "__main__":
    make({lock})()
"""


UNGUARDED = """
import hydra
@hydra.main(config_path=None, version_base="1.3")
def main(cfg):
    return cfg.x
main()
"""


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (CLOSURE.replace("{lock}", "None"), None),
        (CLOSURE.replace("{lock}", "LOCK"), "define it at the top level of a module"),
        (CLOSURE.replace("if __name__ == ", "if '__main__' == "), None),
        ("import inner.app", 'if __name__ == "__main__":'),
        ("import os\nos.environ.setdefault('A', 'a')\n" + CLOSURE + "elif x: pass", "NameError"),
    ],
    ids=["a closure", "a closure over a lock", "no guard", "a module without one", "an error"],
)
def test_what_a_worker_cannot_import_is_said_in_a_line(script, problem, tmp_path):
    app = tmp_path / "app.py"
    app.write_text(script.replace("{lock}", "None"))
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "__init__.py").touch()
    (tmp_path / "inner" / "app.py").write_text(UNGUARDED)
    done = run_program(app, *STUDY, cwd=tmp_path)
    if problem is None:
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode != 0
    assert problem in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
