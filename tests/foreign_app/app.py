"""A Hydra application that is not ours, with the sweeper `study`."""

import os
import signal
import time

import hydra

from rnnclf.study import report


@hydra.main(config_path=".", config_name="config")
def main(cfg):
    for step in range(cfg.steps):
        time.sleep(cfg.seconds)
        report(cfg.x * (step + 1), step)
    return OUTCOMES[cfg.outcome](cfg.x)


def fail(x):
    raise RuntimeError(f"x is {x:.3f}")


def die_once(x):
    """Kills its process, as a lack of memory would, unless it did so before."""
    try:
        os.close(os.open("died", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return x
    return os.kill(os.getpid(), signal.SIGKILL)


OUTCOMES = {
    "x": lambda x: x,
    "two": lambda x: (x, 1 - x),
    "not_a_number": lambda x: float("nan"),
    "text": lambda x: "high",
    "fail": fail,
    "fail_above": lambda x: x if x <= 0.5 else fail(x),
    "die": lambda x: os.kill(os.getpid(), signal.SIGKILL),
    "die_once": die_once,
    "gpu": lambda x: int(os.environ["CUDA_VISIBLE_DEVICES"]),
    "hang": lambda x: time.sleep(60),
}

if __name__ == "__main__":
    main()
