"""The configuration of the application, which is in no file."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING


class Policy(Enum):
    GREEDY = 1
    PATIENT = 2


@dataclass
class Battery:
    capacity: float = 1.0
    policy: Policy = Policy.GREEDY


@dataclass
class Large(Battery):
    capacity: float = 4.0


@dataclass
class Config:
    battery: Battery = MISSING
    hours: int = 48
    hydra: Any = field(
        default_factory=lambda: {
            "sweeper": {"params": {"battery": "small,large", "battery.policy": "GREEDY,PATIENT"}}
        }
    )
    defaults: list[Any] = field(
        default_factory=lambda: [
            "_self_",
            {"battery": "small"},
            {"override hydra/sweeper": "study"},
        ]
    )


def register():
    store = ConfigStore.instance()
    store.store(name="config", node=Config)
    store.store(group="battery", name="small", node=Battery)
    store.store(group="battery", name="large", node=Large)
