"""A study to which everything happens: its trials are exact, and its digits those of a calm one.

A fault comes when a trial has come to some moment, and never by the clock; and a trial ends when
the test lets it. So each fault meets a running study, however fast the machine is.
"""

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from foreign_study import FOREIGN_APP, check_promises, trials_of
from hydra_study_sweeper.storage.trials import counts
from processes import Program, start_server, stop_server

CHAOS_APP = FOREIGN_APP.with_name("chaos.py")
FAKETIME = "/usr/$LIB/faketime/libfaketime.so.1"
SEARCH, REFIT = 60, 40  # faults
N_TRIALS, SEEDS = 4 * SEARCH, 4 * REFIT // 3  # more runs than end before the last fault
OPTIONS = [
    *("hydra.sweeper.sampler.seed=1", "hydra.sweeper.max_failures=1000"),
    *("hydra.sweeper.weights=[checkpoint]", "hydra.sweeper.refit.final=['size=2{seed}']"),
    "hydra.sweeper.refit.validation=['size=1{seed}']",
    *(f"hydra.sweeper.n_trials={N_TRIALS}", f"hydra.sweeper.refit.seeds={SEEDS}"),
]
MOMENTS = ("began", "reported", "saved", "ending")
CLOCK = "clock"
MINUTES = 120.0  # seconds; a worker elsewhere that is silent for 80 is taken for lost
MEANWHILE = 3  # trials
PATIENCE = 120.0  # seconds; a fault of the study ends the test, and no slow machine does


class Command:
    """A command that runs the study.

    Attributes:
        program: Its process.
        worker: The process of its worker, as far as it is known.
        must_end: Whether it must end now.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.worker: int | None = None
        self.must_end = False

    def processes(self) -> list[psutil.Process]:
        """Those of its processes that run, its own first."""
        found = []
        for pid in (self.program.pid, self.worker):
            with contextlib.suppress(psutil.NoSuchProcess):
                found += [psutil.Process(pid)] if pid else []
        return found

    def end(self, number: int) -> None:
        """Sends it a signal that ends it."""
        processes = self.processes()
        self.program.send_signal(number)
        self.wait(processes)

    def wait(self, processes: list[psutil.Process]) -> str:
        """Waits for the end of its processes, which is not a success; returns what it said."""
        self.must_end = True
        done = self.program.wait(timeout=PATIENCE)
        assert done.returncode != 0, done
        assert not psutil.wait_procs(processes[1:], timeout=PATIENCE)[1], "no process stays"
        return done.stdout + done.stderr

    def wait_for_its_line(self) -> None:
        """Waits until it ends by itself, and with a line that says what to do."""
        said = self.wait(self.processes())
        assert "Traceback" not in said, said
        assert "the same command continues" in said


class Chaos(ExitStack):
    """A study, the commands that run it, and what happens to them."""

    def __init__(self, folder: Path, commands: int, seed: int) -> None:
        super().__init__()
        self.folder, self.chance = folder, random.Random(seed)
        self.part, self.gates = "search", {}
        for part in ("search", "refit"):
            gate = folder / f"end-of-{part}"
            os.mkfifo(gate)
            self.gates[part] = os.open(gate, os.O_RDWR | os.O_NONBLOCK)
            self.callback(os.close, self.gates[part])
        (folder / "moments").touch()
        self.moments = self.enter_context((folder / "moments").open())
        self.commands = [self.start() for _ in range(commands)]

    def start(self) -> Command:
        return Command(self.enter_context(Program(CHAOS_APP, "-m", *OPTIONS, cwd=self.folder)))

    def run(self, part: str, faults: int) -> None:
        """Injects a number of faults into the search or the refit, and runs it to its end.

        The first is a stop for minutes, which happens once because it takes them.
        With a single worker each meets a trial that has met none before.
        """
        self.part = part
        ways = [*FAULTS] * (faults // len(FAULTS) + 1)
        self.chance.shuffle(ways)
        for fault in [stop_for_minutes, *ways][:faults]:
            moment = self.chance.choice(MOMENTS)
            self.replace_ended()  # what it told last is of no use any more
            self.let_end()
            self.wait_for("ending")
            command = self.wait_for("began")
            if moment == "ending":
                self.let_end()
            if moment != "began":
                command = self.wait_for(moment)
            fault(self, command)
        self.let_end(10 * N_TRIALS)

    def let_end(self, trials: int = 1) -> None:
        os.write(self.gates[self.part], bytes(trials))

    def wait_for(self, moment: str) -> Command:
        """Waits until a trial has come to a moment; returns the command whose trial it is."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            part, come_to, worker, parent = (self.moments.readline() or "- - 0 0").split()
            for command in self.commands:
                if command.program.pid == int(parent):
                    command.worker = int(worker)
                    if (part, come_to) == (self.part, moment):
                        return command
            if part == "-":
                self.replace_ended()
                time.sleep(0.002)
        raise AssertionError(f"no trial came to {moment}")

    def replace_ended(self) -> None:
        for number, command in enumerate(self.commands):
            if command.program.poll() is not None:
                assert command.must_end, command.program.wait()
                self.commands[number] = self.start()

    def wait(self) -> None:
        """Waits for the end of the study; a run of the refit that was lost twice is tried again."""
        while self.commands:
            done = self.commands[0].program.wait(timeout=10 * PATIENCE)
            again = "the same command tries again" in done.stdout + done.stderr
            assert done.returncode == 0 or again or self.commands[0].must_end, done
            self.commands[:1] = [] if done.returncode == 0 else [self.start()]


def kill_worker(chaos: Chaos, command: Command) -> None:
    for process in command.processes()[1:]:
        process.kill()
        process.wait(PATIENCE)  # until then it might still read from a gate


def kill_parent(chaos: Chaos, command: Command) -> None:
    command.end(signal.SIGKILL)


def kill_everything(chaos: Chaos, command: Command) -> None:
    for one in chaos.commands:
        processes = one.processes()
        for process in reversed(processes):
            process.kill()
        one.wait(processes)
    # Also for workers of which nothing was heard yet: they would write on in a torn journal.
    assert not psutil.wait_procs(chaos.commands[0].program.workers(), timeout=PATIENCE)[1]


def press_ctrl_c(chaos: Chaos, command: Command) -> None:
    command.end(signal.SIGINT)


def terminate(chaos: Chaos, command: Command) -> None:
    command.end(signal.SIGTERM)


def stop_worker(chaos: Chaos, command: Command) -> None:
    stop(chaos, command.processes()[-1])


def stop_parent(chaos: Chaos, command: Command) -> None:
    stop(chaos, command.processes()[0])


def stop_for_minutes(chaos: Chaos, command: Command) -> None:
    stop(chaos, chaos.chance.choice(command.processes()), MINUTES)


def stop(chaos: Chaos, process: psutil.Process, seconds: float = 0.3) -> None:
    """Stops a process; others may end trials meanwhile, and must not take its own."""
    process.suspend()
    chaos.let_end(MEANWHILE)
    time.sleep(seconds)
    process.resume()
    for _ in range(MEANWHILE):
        chaos.wait_for("ending")


def set_clock(chaos: Chaos, command: Command) -> None:
    (chaos.folder / CLOCK).write_text(f"{chaos.chance.randint(-100_000, 100_000):+}")


def fill_disk(chaos: Chaos, command: Command) -> None:
    """Lets the command write a few bytes more, and so the half of a line."""
    place = "study" if chaos.part == "search" else "study/refit-of-*"
    journals = chaos.folder.glob(f"{place}/study.journal")
    journal = max(journals, key=lambda path: path.stat().st_mtime)  # of the refit that runs
    limit = journal.stat().st_size + chaos.chance.randint(0, 60)
    for process in command.processes():
        process.rlimit(psutil.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    while len(command.processes()) > 1:  # another worker may be faster and end its trial instead
        chaos.let_end()
        time.sleep(0.2)
    command.wait_for_its_line()
    with contextlib.suppress(BlockingIOError):
        os.read(chaos.gates[chaos.part], N_TRIALS)


def tear_line(chaos: Chaos, command: Command) -> None:
    kill_everything(chaos, command)
    for journal in chaos.folder.glob("study/**/study.journal"):
        last = journal.read_bytes().splitlines()[-1]
        with journal.open("ab") as file:
            file.write(last[: chaos.chance.randint(1, len(last))])


def move_folder(chaos: Chaos, command: Command) -> None:
    study, moved = chaos.folder / "study", chaos.folder / "moved"
    for one in chaos.commands:
        if one.worker is None:  # it may not have opened the study yet, and would begin another
            one.end(signal.SIGKILL)
    study.rename(moved)
    for one in chaos.commands:
        if not one.must_end:
            one.wait_for_its_line()
    assert not (study / "study.journal").exists(), "no study is begun in its place"
    if study.exists():
        study.rename(chaos.folder / f"left-{time.monotonic_ns()}")
    moved.rename(study)


FAULTS = (
    *(kill_worker, kill_parent, kill_everything, press_ctrl_c, terminate, stop_worker),
    *(stop_parent, set_clock, fill_disk, tear_line, move_folder),
)


@pytest.fixture
def chaos(tmp_path: Path, commands: int) -> Iterator[Chaos]:
    with settable_clock(tmp_path / CLOCK), Chaos(tmp_path, commands, seed=commands) as chaos:
        yield chaos


@contextlib.contextmanager
def settable_clock(file: Path) -> Iterator[None]:
    """Programs that start in the block have a clock that a file sets."""
    if shutil.which("faketime") is None:
        pytest.skip("a clock that can be set needs libfaketime, Debian's package faketime")
    file.write_text("+0")
    stop_server()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_PRELOAD", FAKETIME)
        patch.setenv("FAKETIME_TIMESTAMP_FILE", str(file))
        patch.setenv("FAKETIME_NO_CACHE", "1")
        patch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        start_server()
    try:
        yield
    finally:
        stop_server()


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("commands", [1, 2])
def test_chaos_costs_no_trial_and_changes_no_digit(chaos, commands, tmp_path):
    chaos.run("search", SEARCH)
    chaos.run("refit", REFIT)
    chaos.wait()
    check_promises(tmp_path, N_TRIALS)
    refit = json.loads((tmp_path / "study" / "study.json").read_text())["refit"]
    assert [len(refit[role]["values"]) for role in ("validation", "final")] == [SEEDS, SEEDS]
    assert refit["failed"] == 0
    if commands == 1:
        assert digits_of(tmp_path) == digits_of_a_calm_study(tmp_path / "calm")


def digits_of(folder: Path) -> tuple[list[object], dict[str, object]]:
    """What a study found: the points and values of its trials in their order, and the refit."""
    trials = [trial for trial in trials_of(folder / "study") if counts(trial)]
    refit = json.loads((folder / "study" / "study.json").read_text())["refit"]
    comparison = refit["comparison"]  # without the numbers of trials, which lost ones change
    return [(trial.state, trial.params, trial.values) for trial in trials], {
        **{role: refit[role] for role in ("validation", "final")},
        **{who: comparison[who] for who in ("of_winner", "of_rival")},
    }


def digits_of_a_calm_study(folder: Path) -> tuple[list[object], dict[str, object]]:
    folder.mkdir()
    with Chaos(folder, commands=1, seed=0) as calm:
        calm.run("search", faults=0)
        calm.run("refit", faults=0)
        calm.wait()
    return digits_of(folder)
