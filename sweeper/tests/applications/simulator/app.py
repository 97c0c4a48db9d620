"""A script that runs a simulator, and may leave some of its processes running."""

import subprocess
import sys
import time
from pathlib import Path

import hydra
import optuna
import psutil


def alive():
    """The simulators of former trials that still run."""
    file = Path("started")
    pids = file.read_text().split() if file.exists() else []
    running = [int(pid) for pid in pids if psutil.pid_exists(int(pid))]
    return [pid for pid in running if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


@hydra.main(config_path=".", config_name="config", version_base="1.3")
def main(cfg):
    if cfg.leaves:
        with Path("alive").open("a") as file:
            print(len(alive()), file=file)
    for detached in (False, cfg.detached)[: cfg.leaves]:
        child = subprocess.Popen(["sleep", "300"], start_new_session=detached)
        with Path("started").open("a") as file:
            print(child.pid, file=file)
    if cfg.end == "fail":
        raise RuntimeError("no convergence")
    if cfg.end == "prune":
        raise optuna.TrialPruned
    if cfg.end == "exit":
        sys.exit(3)
    if cfg.end == "wait":
        time.sleep(60)
    command = ["sh", "-c", f"sleep 0.1; awk 'BEGIN {{ print ({cfg.x} - 0.3) ^ 2 }}'"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    error = float(done.stdout)
    print("error", error)
    return error


if __name__ == "__main__":
    main()
