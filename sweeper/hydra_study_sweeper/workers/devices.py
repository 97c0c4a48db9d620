"""GPUs and cores of this machine, shared out among workers."""

import contextlib
import functools
import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator

from filelock import FileLock, Timeout

from hydra_study_sweeper.paths import host_lock

VISIBLE = "CUDA_VISIBLE_DEVICES"


def default_workers(per_gpu: int = 1) -> int:
    """Returns how many workers this machine has room for: `per_gpu`, or without GPUs its cores."""
    return per_gpu * len(visible_gpus()) or _cores()


def thread_share(workers: int) -> dict[str, str]:
    """Returns the environment variables that leave each of some workers its share of the cores."""
    if visible_gpus() or "OMP_NUM_THREADS" in os.environ:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, _cores() // workers))}


def _cores() -> int:
    # Of those of the machine, the ones that this process may use.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """Names the GPUs that this process may use."""
    visible = os.environ.get(VISIBLE)
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]
    return _all_gpus()


@functools.cache  # nvidia-smi may take a second
def _all_gpus() -> list[str]:
    command = shutil.which("nvidia-smi")
    if command is None:
        return []
    listed = subprocess.run([command, "-L"], capture_output=True, text=True, check=False)
    lines = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return [str(number) for number in range(len(lines))]


@contextlib.contextmanager
def one_gpu(worker: int, per_gpu: int = 1) -> Iterator[None]:
    """Leaves this process one GPU of several, a place of which no other of the user's workers has.

    More workers than places share them in turns.

    Args:
        worker: The number of this worker.
        per_gpu: The number of places on each GPU. All GPUs get a worker before one gets a second.
    """
    gpus = visible_gpus()
    if len(gpus) < 2:
        yield
        return
    gpu, lock = _take_one(gpus, per_gpu) or (gpus[worker % len(gpus)], None)
    before = os.environ.get(VISIBLE)
    os.environ[VISIBLE] = gpu
    try:
        yield
    finally:
        if before is None:
            del os.environ[VISIBLE]
        else:
            os.environ[VISIBLE] = before
        if lock:
            lock.release()


def _take_one(gpus: list[str], per_gpu: int) -> tuple[str, FileLock] | None:
    for place, gpu in itertools.product(range(per_gpu), gpus):
        with contextlib.suppress(Timeout, OSError):  # taken; or locks cannot be made
            lock = FileLock(host_lock(f"gpu-{gpu}-{place}"))
            lock.acquire(timeout=0)
            return gpu, lock
    return None
