"""Seeds, settings of torch, and versions: everything that makes a run repeatable."""

import contextlib
import ctypes
import os
import platform
import random
import subprocess
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from rnnclf.errors import ConfigError

FLOAT32_ACCURACY = 1e-5  # relative; rounding to bfloat16 gives errors of 1e-3
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
LARGEST_KEPT = 2**26  # bytes
RECORDED_PACKAGES = ("rnnclf", "torch", "torchtext", "numpy", "hydra-core", "omegaconf", "optuna")


def seed_everything(seed: int) -> np.random.Generator:
    """Seeds the global generators, and returns one of its own for the order of the batches."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


def prepare_torch(threads: int = 1, device: torch.device | None = None) -> None:
    """Sets up torch, before any computation, to be fast and repeatable.

    Denormal numbers become zero: over long texts gradients vanish into them, and a matrix product
    is many times slower with them. Matrix products are oneDNN's where it keeps float32's accuracy,
    and freed memory is kept (docs/performance.md). On a GPU, recurrent layers keep that accuracy as
    well. Nondeterministic operations are replaced, or torch warns of them.

    Args:
        threads: CPU threads of an operation.
        device: The device; default: the CPU.
    """
    torch.set_flush_denormal(True)
    torch.set_num_threads(threads)
    _choose_products()
    _keep_freed_memory()
    # By default cuDNN rounds the factors of its products to TF32: to 11 bits from 24.
    torch.backends.cudnn.rnn.fp32_precision = "ieee"  # type: ignore[attr-defined]
    if threads > 1 or (device and device.type == "cuda"):
        # One thread leaves nothing to chance, and the call imports torch's compiler for 1.5 s.
        torch.use_deterministic_algorithms(True, warn_only=True)
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS needs for it


def _choose_products() -> None:
    """Lets oneDNN multiply float32 matrices on a CPU, unless it rounds them to bfloat16.

    By default torch takes MKL, which uses half of the vector width of AMD's processors. The setting
    that enables oneDNN also permits the rounding, which oneDNN does on processors with AMX; some
    of its versions round large products only, so the one that is tried here is large.
    """
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"  # type: ignore[attr-defined]
    fractions = torch.arange(1.0, 2.0, 2.0**-16).view(256, 256)
    product, exact = fractions @ fractions, fractions.double() @ fractions.double()
    if (product / exact - 1).abs().max() > FLOAT32_ACCURACY:
        torch.backends.mkldnn.matmul.fp32_precision = "ieee"  # type: ignore[attr-defined]


def _keep_freed_memory() -> None:
    """Makes glibc, if it is the C library, keep freed memory for the next batch.

    Otherwise it returns large blocks, and gets them again zeroed page by page: hundreds of
    megabytes for a batch of long texts.
    """
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
        mallopt(M_TRIM_THRESHOLD, LARGEST_KEPT)


def choose_device(name: str) -> torch.device:
    """Returns the device that `auto`, `cpu`, `cuda` or `cuda:N` names.

    Raises:
        ConfigError: If there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device, count = torch.device(name), torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        raise ConfigError(f"device={name}, but torch sees {count} CUDA devices; use device=cpu")
    return device


def describe(device: torch.device) -> str:
    """Returns the name of the GPU, or `cpu`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def package_versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages on which a result depends."""
    versions = {name: version(name) for name in RECORDED_PACKAGES}
    return {"python": platform.python_version(), **versions}


def git_revision() -> str | None:
    """Returns the commit of this file's checkout, with `-dirty` if files changed; None without."""
    checkout = Path(__file__).parents[2]
    if not (checkout / ".git").exists():
        return None  # git would look in the folders above, which may be of another project
    command = ["git", "-c", "core.fsmonitor=false", "describe", "--always", "--dirty"]
    # A configuration of Git can name programs to run. Nothing of the user's is needed here.
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    own |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    try:
        done = subprocess.run(
            [*command, "--abbrev=40"],
            cwd=checkout,
            env=own,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
