"""Simulates a battery: python -m energy.simulate."""

import time

import hydra

from .configs import Battery, Policy, register

register()


@hydra.main(config_name="config", config_path=None, version_base="1.3")
def main(cfg):
    assert isinstance(cfg.battery.policy, Policy), "its schema is kept"
    battery = Battery(**cfg.battery)
    charge = cost = 0.0
    for hour in range(cfg.hours):
        time.sleep(0.002)
        price = 1 + hour % 24 / 24
        wanted = battery.policy is Policy.GREEDY or price < 1.5
        bought = min(0.5, battery.capacity - charge) if wanted else 0.0
        used = min(charge + bought, 0.3)
        charge += bought - used
        cost += price * bought + 2 * price * (0.3 - used)
    print("cost", cost)
    return cost


if __name__ == "__main__":
    main()
