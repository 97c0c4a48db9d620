"""An application whose trials tell what they are doing, and end when they may."""

import multiprocessing
import os
import select
import time
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra_study_sweeper import in_refit, report
from hydra_study_sweeper.signals import raise_on_sigterm

# libfaketime, which sets the clock, breaks the absolute times for which Python sleeps.
time.sleep = lambda seconds: select.select([], [], [], seconds)


def tell(moment):
    """Tells that this process, a worker of its parent, has come to a moment."""
    part = "refit" if in_refit() else "search"
    with Path("moments").open("a") as file:
        file.write(f"{part} {moment} {os.getpid()} {multiprocessing.parent_process().pid}\n")


@hydra.main(config_path=".", config_name="config")
def main(cfg):
    tell("began")
    report(cfg.x, 0)
    tell("reported")
    Path(HydraConfig.get().runtime.output_dir, "checkpoint").write_text(str(cfg.x))
    tell("saved")
    with Path("end-of-refit" if in_refit() else "end-of-search").open("rb", buffering=0) as gate:
        gate.read(1)
    tell("ending")
    return cfg.x * cfg.size


if __name__ == "__main__":
    raise_on_sigterm()
    main()
