"""Plain SGD for the weight of the wide path, at the cost of the features of a batch."""

import inspect
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer


class SparseSGD(Optimizer):
    """Subtracts the learning rate times the gradient, which may be sparse, from one weight.

    That is `torch.optim.SGD` without momentum and decay, which would move every weight.

    Args:
        weight: The weight.
        lr: Learning rate.
    """

    # The first call of torch's methods would import its compiler, which takes a second.
    add_param_group = inspect.unwrap(Optimizer.add_param_group)
    zero_grad = inspect.unwrap(Optimizer.zero_grad)

    def __init__(self, weight: nn.Parameter, *, lr: float) -> None:
        super().__init__([weight], {"lr": lr})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Takes a step, if the weight has a gradient."""
        (group,) = self.param_groups
        (weight,) = group["params"]
        if weight.grad is not None:
            weight.add_(weight.grad, alpha=-group["lr"])

    def state_dict(self) -> dict[str, Any]:
        """Returns what the next step depends on, besides the weight."""
        return {"lr": self.param_groups[0]["lr"]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes a `state_dict`."""
        self.param_groups[0]["lr"] = state["lr"]
