"""A Hydra application that only sleeps, and writes down when."""

import random
import time
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig


@hydra.main(config_path=".", config_name="sleeping")
def main(config: DictConfig) -> float:
    number = int(HydraConfig.get().job.num)
    seconds = {
        "barrier": 4.0 if number % 4 == 3 else 0.5,
        "mixed": random.Random(number).uniform(0.05, 0.5),
        "second": 1.0,
        "half": 0.5,
        "none": 0.0,
    }[config.rule]
    start = time.time()
    time.sleep(seconds)
    with Path(config.times).open("a", encoding="utf-8") as file:
        file.write(f"{start} {time.time()}\n")
    return float(config.x)


if __name__ == "__main__":
    main()
