"""A script as its author writes it, who thinks of a single run; it writes down what it finds."""

import json
import multiprocessing
import os
import pickle
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import hydra
import numpy as np
import optuna
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

np.seterr(divide="raise")
LOCK = threading.Lock()
SOURCE = Path(__file__).open(encoding="utf-8")  # noqa: SIM115 -- until the script ends
SPAWNED = multiprocessing.get_context("spawn")
REGISTERED = {}


class Color(Enum):
    RED = 1
    BLUE = 2


@dataclass
class Schema:
    lr: float = 0.1
    color: Color = Color.RED
    label: str = ""


class Net:
    class Layer:
        size = 3

    def __init__(self):
        self.layers = [self.Layer()]


def register(function):
    REGISTERED[function.__name__] = function
    return function


@register
def square(x):
    return x * x


def squares():
    with multiprocessing.Pool(1) as pool, SPAWNED.Pool(1) as spawned, ProcessPoolExecutor(1) as ex:
        return [*pool.map(square, [1]), *spawned.map(square, [2]), ex.submit(square, 3).result()]


def shout(text):
    with LOCK:
        return f"{text}!"


class Watch(Callback):
    """Holds a lock, as loggers and clients do."""

    def __init__(self):
        self.lock = threading.Lock()
        self.seen = {}

    def on_job_start(self, config, *, task_function, **kwargs):
        self.seen["task"] = task_function is main.__wrapped__

    def on_job_end(self, config, job_return, **kwargs):
        self.seen["status"] = job_return.status.name
        self.seen["value"] = type(job_return._return_value).__name__
        write("seen.json", self.seen)


def write(name, content):
    folder = Path(HydraConfig.get().runtime.output_dir)
    (folder / name).write_text(json.dumps(content), encoding="utf-8")


OmegaConf.register_new_resolver("shout", shout)
ConfigStore.instance().store(name="schema", node=Schema)


@hydra.main(config_path=".", config_name="config", version_base="1.3")
def main(cfg: DictConfig):
    found = {
        "squares": squares(),
        "pickled": pickle.dumps([Net(), Color.RED, square]).hex(),
        "numpy": np.geterr()["divide"],
        "registered": list(REGISTERED),
        "script": sys.argv[0],
        "name": SOURCE.name,
        "input": sys.stdin.read(),
        "is_schema": isinstance(OmegaConf.to_object(cfg), Schema),
        "color": str(cfg.color),
        "label": cfg.label,
    }
    write("found.json", found)
    write("of_study.json", {"direction": os.environ.get("DIRECTION"), "args": sys.argv[1:]})
    if cfg.lr > 1:
        raise optuna.TrialPruned("not worth it")
    return cfg.lr


if __name__ == "__main__":
    main()
