"""A terminal that is closed, or at which one presses Ctrl-Z."""

import contextlib
import os
import pty
import select
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from foreign_study import SWEEP, states_of, trials_of

SWEEP_OF_4 = [*SWEEP, "steps=4", "seconds=0.1", "hydra.sweeper.n_trials=4"]


class Terminal:
    """A terminal in which a command runs."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._master, slave = pty.openpty()
        tty = os.ttyname(slave)  # the first that a session opens is its own
        redirected = ["sh", "-c", f'exec "$@" <{tty} >{tty} 2>&1', "", *command]
        self.process = subprocess.Popen(redirected, cwd=folder, start_new_session=True)
        self._slave = slave
        self._closed = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while not self._closed.is_set():
                if select.select([self._master], [], [], 0.05)[0]:
                    os.read(self._master, 4096)

    def press(self, key: bytes) -> None:
        os.write(self._master, key)

    def close(self) -> None:
        """Closes the window."""
        if not self._closed.is_set():
            self._closed.set()
            self._reader.join()
            os.close(self._slave)
            os.close(self._master)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[object]:
    """Starts a command in a terminal, and waits until its study has a trial."""
    terminals = []

    def start(*command: str) -> Terminal:
        terminals.append(Terminal([*command], tmp_path))
        while not list(tmp_path.glob("study/*/.hydra")):
            assert terminals[0].process.poll() is None
            time.sleep(0.02)
        return terminals[0]

    yield start
    for terminal in terminals:
        terminal.close()
        terminal.process.kill()
        terminal.process.wait()


def test_a_closed_terminal_ends_a_study_in_order(start, tmp_path):
    terminal = start(*SWEEP_OF_4, "seconds=30")  # no trial ends by itself
    workers = psutil.Process(terminal.process.pid).children(recursive=True)
    terminal.close()
    assert terminal.process.wait(timeout=60) != 0
    assert not psutil.wait_procs(workers, timeout=60)[1]
    ended = [trial for trial in trials_of(tmp_path / "study") if trial.state.is_finished()]
    assert ended
    assert all(trial.user_attrs["reason"].startswith("Interrupted") for trial in ended)


def test_under_nohup_a_study_goes_on_when_its_terminal_is_closed(start, tmp_path):
    terminal = start("nohup", *SWEEP_OF_4)
    terminal.close()
    assert terminal.process.wait(timeout=60) == 0
    assert states_of(tmp_path / "study") == {"COMPLETE": 4}


def test_ctrl_z_stops_the_display_and_fg_goes_on(start, tmp_path):
    terminal = start("bash", "-mc", '"$@"; echo "$?" > stopped; read _; fg', "", *SWEEP_OF_4)
    terminal.press(b"\x1a")
    while not (tmp_path / "stopped").exists():
        time.sleep(0.02)
    assert (tmp_path / "stopped").read_text() == "148\n", "by SIGTSTP"
    while states_of(tmp_path / "study")["COMPLETE"] < 2:
        time.sleep(0.02)
    terminal.press(b"\n")
    assert terminal.process.wait(timeout=60) == 0
    assert states_of(tmp_path / "study") == {"COMPLETE": 4}
