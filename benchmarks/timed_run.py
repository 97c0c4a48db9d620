"""`run.py`, which also writes the CPU seconds of each run into its folder, however it ends."""

import time
from pathlib import Path

import hydra
from csv_folder import REPO
from hydra.core.hydra_config import HydraConfig
from hydra_study_sweeper.options import TRUSTED
from omegaconf import DictConfig

from rnnclf.cli.application import OURS, run

FILE = "cpu_seconds"


@hydra.main(str(REPO / "conf"), "config", execution_whitelist=(*TRUSTED, *OURS))
def timed_run(node: DictConfig) -> float:
    """Runs one training and returns its validation metric."""
    began = time.process_time()
    try:
        return run(node)
    finally:
        folder = Path(HydraConfig.get().runtime.output_dir)
        (folder / FILE).write_text(f"{time.process_time() - began:.2f}\n")


if __name__ == "__main__":
    timed_run()
