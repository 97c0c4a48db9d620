"""Real servers of the machine's packages, each in a folder of its own: PostgreSQL, Slurm, Ray."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

AS_ROOT = os.geteuid() == 0
PATIENCE = 900.0  # seconds; for what takes some on a machine that has nothing else to do


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@dataclass(frozen=True)
class Helper:
    """A process that a test needs, and the file that it prints to."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait(self) -> str:
        """Waits for its end; returns what it printed."""
        self.process.wait(timeout=PATIENCE)
        return self.output

    def kill(self) -> None:
        """Kills it and all that it started, as a power cut does."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def started(command: Sequence[str | Path], log: Path, **options: Any) -> Iterator[Helper]:
    """Starts a process; what still runs of it after the block is killed."""
    with log.open("wb") as file:
        helper = Helper(subprocess.Popen(command, stdout=file, stderr=file, **options), log)
    try:
        yield helper
    finally:
        helper.kill()


def wait_until(condition: Callable[[], object], what: str, *needed: Helper) -> None:
    """Waits for a condition, as long as the processes run that it needs."""
    deadline = time.monotonic() + PATIENCE
    while True:
        ended = [helper for helper in needed if helper.process.poll() is not None]
        if condition():
            return
        for helper in ended:
            pytest.fail(f"{helper.process.args} ended before {what}:\n{helper.output}")
        assert time.monotonic() < deadline, f"waited {PATIENCE:g} s in vain: {what}"
        time.sleep(0.1)


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server; as root it runs as the user `postgres`, since it refuses root."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        user = "postgres" if AS_ROOT else getpass.getuser()
        return f"postgresql+psycopg://{user}@127.0.0.1:{self.port}/postgres"

    def control(self, action: str, *options: str) -> None:
        data = self.folder / "data"
        listen = f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off -k {self.folder}"
        command = [program("pg_ctl"), action, "-w", "-D", data, "-l", self.folder / "log"]
        start = ["-o", listen] if action in ("start", "restart") else []
        self.run([*command, *start, *options])

    def run(self, command: list[str | Path]) -> None:
        prefix = ["runuser", "-u", "postgres", "--"] if AS_ROOT else []
        subprocess.run([*prefix, *command], check=True, stdout=subprocess.DEVNULL, cwd=self.folder)


def program(name: str) -> Path:
    """Finds a program of PostgreSQL, which Debian keeps off the path."""
    found = shutil.which(name)
    if found is not None:
        return Path(found)
    return next(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    # Not below pytest's folder: another pytest of root closes that to the user `postgres`.
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        if AS_ROOT:
            shutil.chown(folder, "postgres")
        server = Postgres(Path(folder), free_port())
        server.run([program("initdb"), "--auth=trust", "-D", server.folder / "data"])
        server.control("start")
        try:
            yield server
        finally:
            server.control("stop", "-m", "immediate")


SLURM_CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
KillWait=5
MinJobAge=300
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=16000
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE PriorityTier=1 GraceTime=30
PartitionName=urgent Nodes={host} MaxTime=INFINITE PriorityTier=2
"""


@dataclass(frozen=True)
class Slurm:
    """A Slurm of one node, on this machine."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def ask(self, *command: str) -> str:
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    def jobs(self, state: str = "pending,running,completing") -> list[str]:
        """Returns the numbers of the jobs that are in the queue."""
        return self.ask("squeue", "-h", "-r", "-t", state, "-o", "%i").split()

    def was_requeued(self, job: str) -> bool:
        return "Restarts=0" not in self.ask("scontrol", "show", "job", job)

    def empty(self) -> None:
        """Cancels all jobs, so that they take nothing from those of the next test."""
        self.ask("scancel", "-u", getpass.getuser())
        wait_until(lambda: not self.jobs(), "the queue is empty")


@contextlib.contextmanager
def slurm(folder: Path) -> Iterator[Slurm]:
    folder.mkdir()
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    host, ports = socket.gethostname().split(".")[0], (free_port(), free_port())
    configuration = SLURM_CONF.format(folder=folder, host=host, ports=ports, user=getpass.getuser())
    (folder / "slurm.conf").write_text(configuration)
    key, socket_path = folder / "munge.key", folder / "munge.socket"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    cluster = Slurm(folder)
    munged = ["munged", "-F", "--force", f"--key-file={key}", f"--socket={socket_path}"]
    munged += [f"--{name}-file={folder}/munge.{name}" for name in ("pid", "log", "seed")]
    commands = [munged, ["slurmctld", "-D"], ["slurmd", "-D", "-N", host]]
    with contextlib.ExitStack() as stack:
        daemons = []
        for command in commands:
            log = folder / f"{command[0]}.out"
            daemons.append(stack.enter_context(started(command, log, env=cluster.environment)))
            if command is munged:
                wait_until(socket_path.exists, "munged listens", *daemons)
        wait_until(
            lambda: "idle" in cluster.ask("sinfo", "-h", "-o", "%t"), "an idle node", *daemons
        )
        yield cluster


@contextlib.contextmanager
def ray_node(log: Path, *options: str, env: dict[str, str]) -> Iterator[Helper]:
    ray = Path(sys.executable).with_name("ray")
    command = [ray, "start", "--block", "--disable-usage-stats", *options]
    with started(command, log, cwd=log.parent, env=env) as node:
        yield node
