"""Adam that updates only the word vectors of the batch, with the result of updating all.

Most words of a vocabulary are not in a batch. Their gradient is zero, but Adam still moves them by
their earlier gradients. These moves have a closed form, so they can wait until the word is read
again. For a vector whose last gradient came in step s, with the moments m and v after that step,
Adam (Kingma and Ba 2015, algorithm 1) with decoupled weight decay w (Loshchilov and Hutter 2019)
has in step t

    p_t = D(s, t) p_s - A(s, t) m / (sqrt(v) + epsilon A(s, t) / B(s, t))
    D(s, t) = product of 1 - lr_u w over s < u <= t
    A(s, t) = sum of D(u, t) lr_u sqrt(1 - b2^u) / (1 - b1^u) (b1 / sqrt(b2))^(u - s) over the same
    B(s, t) = sum of D(u, t) lr_u / (1 - b1^u) b1^(u - s) over the same

D, A and B depend on the step s, not on the vector. Adam's moves are summed as one fraction,
which is exact if epsilon is zero or large beside the gradients, and close otherwise: within 2e-4 of
the distance that the weights travel (tests/test_deferred_adam.py).
"""

import inspect
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.adam import adam

NEGLIGIBLE = 1e-20  # moves that are a smaller part of the first one are left out
ROWS_AT_ONCE = 2**16


class _Moments(NamedTuple):
    """Weights with Adam's moments."""

    weights: Tensor
    means: Tensor
    squares: Tensor

    @classmethod
    def of(cls, weights: Tensor) -> "_Moments":
        return cls(weights, torch.zeros_like(weights), torch.zeros_like(weights))


class DeferredAdam(Optimizer):
    """Adam (AdamW with a `weight_decay`) for a model with an embedding, on a CPU.

    For each batch the model is called with the rows of `take_rows` in place of the embedding's
    weight, which is current only after `flush`.

    Args:
        embedding: The weight of the embedding (vocabulary, width).
        others: All other parameters of the model.
        lr: Learning rate.
        weight_decay: Decoupled weight decay.
    """

    # The first call of these methods would import torch's compiler, which takes a second.
    add_param_group = inspect.unwrap(Optimizer.add_param_group)
    zero_grad = inspect.unwrap(Optimizer.zero_grad)

    def __init__(
        self,
        embedding: nn.Parameter,
        others: Iterable[nn.Parameter],
        *,
        lr: float,
        weight_decay: float = 0.0,
    ) -> None:
        betas = (0.9, 0.999)
        settings = {"lr": lr, "weight_decay": weight_decay, "betas": betas, "eps": 1e-8}
        super().__init__(others, settings)
        self._others = [_Moments.of(weights) for weights in self.param_groups[0]["params"]]
        self._table = _Moments.of(embedding.detach())
        self._last = torch.zeros(len(embedding), dtype=torch.int64)  # the last step of each row
        self._moves = _DeferredMoves(*betas)
        self._taken: tuple[Tensor, _Moments] | None = None

    def take_rows(self, words: Tensor, always: int = 0) -> tuple[Tensor, Tensor]:
        """Brings the rows of a batch's words up to date and hands them out.

        Args:
            words: Word indices of any shape.
            always: The number of first rows of the embedding that come first in any case.

        Returns:
            For each word the number of its row; and the rows, a leaf that takes the gradient.
        """
        wanted = torch.cat([torch.arange(always), words.flatten()])
        indices, numbers = torch.unique(wanted, return_inverse=True)
        rows = self._up_to_date(indices)
        rows.weights.requires_grad_()
        self._taken = (indices, rows)
        return numbers[always:].view_as(words), rows.weights

    @property
    def parameters(self) -> list[Tensor]:
        """The other parameters and the rows that are handed out."""
        rows = [self._taken[1].weights] if self._taken else []
        return [*self.param_groups[0]["params"], *rows]

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Updates the other parameters and the rows that are handed out, and takes those back."""
        assert self._taken is not None, "take_rows comes first"
        (indices, rows), self._taken = self._taken, None
        group = self.param_groups[0]
        beta1, beta2 = group["betas"]
        lr, decay = float(group["lr"]), group["weight_decay"]
        before = float(self._moves.steps)
        self._moves.count(lr, decay)
        changed = [x for x in (*self._others, rows) if x.weights.grad is not None]
        adam(
            [x.weights for x in changed],
            [x.weights.grad for x in changed if x.weights.grad is not None],
            [x.means for x in changed],
            [x.squares for x in changed],
            [],
            [torch.tensor(before) for _ in changed],
            fused=True,
            decoupled_weight_decay=True,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=lr,
            weight_decay=decay,
            eps=group["eps"],
            maximize=False,
        )
        self._put_back(indices, rows)

    @torch.no_grad()
    def flush(self) -> None:
        """Brings all rows up to date."""
        for indices in torch.split(torch.arange(len(self._last)), ROWS_AT_ONCE):
            self._put_back(indices, self._up_to_date(indices))

    def state_dict(self) -> dict[str, Any]:
        """Returns what the next steps depend on, besides the weights."""
        return {
            "moments": [moments[1:] for moments in (self._table, *self._others)],
            "last": self._last,
            "moves": self._moves.state_dict(),
            "lr": self.param_groups[0]["lr"],
        }

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes a `state_dict`; the weights must be those of the same step."""
        for moments, (means, squares) in zip(
            (self._table, *self._others), state["moments"], strict=True
        ):
            moments.means.copy_(means)
            moments.squares.copy_(squares)
        self._last.copy_(state["last"])
        self._moves.load_state_dict(state["moves"])
        self.param_groups[0]["lr"] = state["lr"]

    @torch.no_grad()
    def _up_to_date(self, indices: Tensor) -> _Moments:
        rows = _Moments(*(table.index_select(0, indices) for table in self._table))
        due = self._moves.since(self._last[indices], self.param_groups[0]["eps"])
        kept, moved, epsilon, mean_left, square_left = (
            column.to(rows.weights.dtype).unsqueeze(1) for column in due
        )
        rows.weights.mul_(kept)
        rows.weights.addcdiv_(rows.means * moved, rows.squares.sqrt().add_(epsilon), value=-1)
        rows.means.mul_(mean_left)
        rows.squares.mul_(square_left)
        return rows

    def _put_back(self, indices: Tensor, rows: _Moments) -> None:
        for table, values in zip(self._table, rows, strict=True):
            table.index_copy_(0, indices, values)
        self._last[indices] = self._moves.steps


class _DeferredMoves:
    """The moves that are due to rows last updated in step s, for each s."""

    def __init__(self, beta1: float, beta2: float) -> None:
        self.steps = 0
        self._betas = beta1, beta2
        self._fading = [_powers(beta1 / math.sqrt(beta2)), _powers(beta1)]
        self._sums = [_column(), _column()]  # A(s, now), B(s, now)
        self._log_kept = _column()  # log D(0, s)

    def count(self, lr: float, decay: float) -> None:
        """Counts a step."""
        beta1, beta2 = self._betas
        step = self.steps = self.steps + 1
        if step == len(self._log_kept):
            self._double()
        move = lr / (1 - beta1**step)
        moves = (move * math.sqrt(1 - beta2**step), move)
        for sums, fading, new in zip(self._sums, self._fading, moves, strict=True):
            if decay:
                sums[:step] *= 1 - lr * decay
            recent = sums[max(0, step - len(fading)) : step]
            recent.add_(fading[-len(recent) :], alpha=new)
        self._log_kept[step] = self._log_kept[step - 1] + math.log1p(-lr * decay)

    def since(self, steps: Tensor, epsilon: float) -> tuple[Tensor, ...]:
        """Returns D, A, epsilon A / B, and the decay of both moments, for each of the steps."""
        beta1, beta2 = self._betas
        passed = (self.steps - steps).double()
        scaled, plain = (sums[steps] for sums in self._sums)
        return (
            (self._log_kept[self.steps] - self._log_kept[steps]).exp(),
            scaled,
            (scaled / plain).nan_to_num_(1).mul_(epsilon),  # where nothing is due
            torch.pow(beta1, passed),
            torch.pow(beta2, passed),
        )

    def state_dict(self) -> dict[str, Any]:
        """Returns the steps so far and their sums."""
        return {"steps": self.steps, "sums": self._sums, "log_kept": self._log_kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes a `state_dict`."""
        self.steps, self._sums = state["steps"], list(state["sums"])
        self._log_kept = state["log_kept"]

    def _double(self) -> None:
        self._sums = [torch.cat([sums, torch.zeros_like(sums)]) for sums in self._sums]
        self._log_kept = torch.cat([self._log_kept, torch.zeros_like(self._log_kept)])


def _column() -> Tensor:
    return torch.zeros(1, dtype=torch.float64)


def _powers(base: float) -> Tensor:
    """Returns base^n, ..., base^2, base, from the first that counts."""
    longest = math.ceil(math.log(NEGLIGIBLE) / math.log(base))
    return torch.pow(base, torch.arange(longest, 0, -1, dtype=torch.float64))
