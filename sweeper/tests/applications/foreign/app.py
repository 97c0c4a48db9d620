"""A Hydra application that is not ours, with the sweeper `study`."""

import os
import signal
import time
from pathlib import Path

import hydra
from hydra_study_sweeper import report
from hydra_study_sweeper.signals import raise_on_sigterm


@hydra.main(config_path=".", config_name="config")
def main(cfg):
    try:
        for step in range(cfg.steps):
            time.sleep(cfg.seconds)
            report(cfg.x * (step + 1), step)
    except KeyboardInterrupt:
        time.sleep(cfg.seconds_to_save)
        raise
    return OUTCOMES[cfg.outcome](cfg)


def fail(cfg):
    raise RuntimeError(f"x is {cfg.x:.3f}")


def is_first(name):
    """Tells whether no trial of the study did this before."""
    try:
        os.close(os.open(name, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def die_once(cfg):
    """Kills its process, as a lack of memory would, unless it did so before."""
    return os.kill(os.getpid(), signal.SIGKILL) if is_first("died") else cfg.x


def wait_once(cfg):
    """Waits to be interrupted, unless it did so before."""
    return time.sleep(3600) if is_first("waited") else cfg.x


def move_once(cfg):
    """Moves the study away and fails, unless it did so before."""
    if is_first("moved-once"):
        Path("study").rename("moved")
        fail(cfg)
    return cfg.x


class UnreadableError(Exception):
    def __str__(self):
        raise AttributeError("message")


def unreadable(cfg):
    raise UnreadableError


def surrogate(cfg):
    raise RuntimeError("\ud800")


def near_x(cfg, trial):
    """Suggests a value whose bounds depend on another."""
    trial.suggest_float("+y", trial.params["x"], trial.params["x"] + cfg.size)


OUTCOMES = {
    "x": lambda cfg: cfg.x,
    "near": lambda cfg: cfg.x + cfg.y,
    "one": lambda cfg: 1,
    "opposite": lambda cfg: 1 - cfg.x,
    "surrogate": surrogate,
    "unreadable": unreadable,
    "product": lambda cfg: cfg.x * cfg.size,
    "two": lambda cfg: (cfg.x, 1 - cfg.x),
    "not_a_number": lambda cfg: float("nan"),
    "text": lambda cfg: "high",
    "fail": fail,
    "fail_above": lambda cfg: cfg.x if cfg.x <= 0.5 else fail(cfg),
    "die": lambda cfg: os.kill(os.getpid(), signal.SIGKILL),
    "die_once": die_once,
    "die_once_at_size_1": lambda cfg: die_once(cfg) if cfg.size == 1 else cfg.x,
    "wait_once": wait_once,
    "move_once": move_once,
    "gpu": lambda cfg: int(os.environ["CUDA_VISIBLE_DEVICES"]),
    "hang": lambda cfg: time.sleep(60),
}

if __name__ == "__main__":
    raise_on_sigterm()
    main()
