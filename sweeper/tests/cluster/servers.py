"""Real servers of the machine's packages, each in a folder of its own: PostgreSQL, Slurm, Ray."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

AS_ROOT = os.geteuid() == 0


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def wait_until(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain: {what}"
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
def postgres(folder: Path) -> Iterator[Postgres]:
    folder.mkdir()
    if AS_ROOT:
        shutil.chown(folder, "postgres")
        for parent in folder.parents[:-2]:
            parent.chmod(parent.stat().st_mode | 0o011)
    server = Postgres(folder, free_port())
    server.run([program("initdb"), "--auth=trust", "-D", folder / "data"])
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
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE PriorityTier=1 GraceTime=10
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

    def jobs(self, state: str = "all") -> list[str]:
        """Returns the numbers of the jobs that are in the queue."""
        return self.ask("squeue", "-h", "-r", "-t", state, "-o", "%i").split()


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
        for command in commands:
            stack.enter_context(_daemon(command, folder / f"{command[0]}.out", cluster.environment))
            if command is munged:
                wait_until(socket_path.exists, "munged")
        wait_until(lambda: "idle" in cluster.ask("sinfo", "-h", "-o", "%t"), "an idle node")
        yield cluster
        cluster.ask("scancel", "-u", getpass.getuser())
        wait_until(lambda: not cluster.jobs("pending,running,completing"), "an empty queue")


@contextlib.contextmanager
def _daemon(command: list[str], log: Path, environment: dict[str, str]) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


@dataclass(frozen=True)
class RayNode:
    """A node of a Ray cluster: a process with what it started."""

    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """Kills the node and all that runs on it, as a power cut does."""
        import psutil

        everything = [*psutil.Process(self.process.pid).children(recursive=True)]
        for process in everything:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def ray_node(folder: Path, *options: str) -> Iterator[RayNode]:
    ray = Path(sys.executable).with_name("ray")
    command = [ray, "start", "--block", "--disable-usage-stats", *options]
    with (folder / f"ray-{free_port()}.log").open("wb") as log:
        node = RayNode(subprocess.Popen(command, stdout=log, stderr=log, cwd=folder))
    try:
        yield node
    finally:
        if node.process.poll() is None:
            node.kill()
