"""Questions about runs: the value of a name, and whether a run fulfils a condition."""

import ast
import difflib
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rnnclf.errors import SelectionError
from rnnclf.runs.results import Run

# Without test accuracies: choosing by them makes the accuracy that is reported wrong.
FIELDS: Mapping[str, Callable[[Run], Any]] = {
    "task": lambda run: run.task,
    "dataset": lambda run: run.result.dataset,
    "cell": lambda run: run.cell,
    "val_accuracy": lambda run: run.val_accuracy,
    "val_macro_f1": lambda run: run.result.val_macro_f1,
    "val_loss": lambda run: run.result.val_loss,
    "best_epoch": lambda run: run.result.best_epoch,
    "parameters": lambda run: run.result.parameters,
    "vocabulary_size": lambda run: run.result.vocabulary_size,
    "seconds": lambda run: run.result.seconds.total,
    "started": lambda run: run.result.started,
    "study": lambda run: run.study.record.name if run.study else None,
    "folder": lambda run: str(run.folder),
}
COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
WORDS: Mapping[str, Any] = {"null": None, "true": True, "false": False}
SINGLE_EQUALS = re.compile(r"""('[^']*'|"[^"]*")|(?<![<>=!])=(?!=)""")  # a quoted text stays
EXAMPLE = "--filter 'cell=gru and lr<0.01'"

Condition = Callable[[Run], bool]
Value = Callable[[Run], Any]


@dataclass(frozen=True)
class Names:
    """The names of the values of some runs.

    A name is one of `FIELDS`, a full key of the configuration (`optimizer.lr`), or the end of just
    one key (`lr`).
    """

    keys: frozenset[str]

    @classmethod
    def of(cls, runs: Iterable[Run]) -> "Names":
        """Gathers the keys of some runs."""
        return cls(frozenset().union(*(run.config for run in runs)))

    def value(self, name: str) -> Value:
        """Returns the function that reads a name's value from a run; None if the run lacks it.

        Raises:
            SelectionError: If the name is unknown or ambiguous.
        """
        if name in FIELDS:
            return FIELDS[name]
        key = self._key(name)
        return lambda run: run.value(key)

    def short(self, key: str) -> str:
        """Returns the shortest name of a key."""
        end = key.rpartition(".")[2]
        return end if end not in FIELDS and len(self._ending_in(end)) == 1 else key

    def _key(self, name: str) -> str:
        if name in self.keys:
            return name
        found = self._ending_in(name)
        if len(found) == 1:
            return found[0]
        if found:
            raise SelectionError(f"{name} is ambiguous: {' or '.join(found)}")
        if name.endswith("test_accuracy"):
            raise SelectionError(f"{name}: no run is chosen by it; use val_accuracy")
        known = {*FIELDS, *self.keys, *(key.rpartition(".")[2] for key in self.keys)}
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}?" if close else "the keys are those of config.yaml"
        raise SelectionError(f"no run has {name}; {hint}")

    def _ending_in(self, name: str) -> list[str]:
        return sorted(key for key in self.keys if f".{key}".endswith(f".{name}"))


def parse_condition(text: str, names: Names) -> Condition:
    """Reads a condition such as `cell=gru and (lr<0.01 or not bidirectional=true)`.

    Comparisons are `=`, `!=`, `<`, `<=`, `>`, `>=`, also chained (`0.001 <= lr < 0.01`), joined by
    `and`, `or`, `not` and parentheses. A value is a number, `true`, `false`, `null`, a word, or
    anything in quotes. A run that lacks a value, or has null, is not below or above anything.

    Args:
        text: The condition.
        names: The names that it may use.

    Raises:
        SelectionError: If it cannot be read or has an unknown name.
    """
    python = SINGLE_EQUALS.sub(lambda found: found[1] or "==", text.strip())
    try:
        tree = ast.parse(python, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise SelectionError(
            f"cannot read the condition {text!r}; an example is {EXAMPLE}"
        ) from error
    return _Reader(text, names).condition(tree.body)


@dataclass(frozen=True)
class _Reader:
    text: str
    names: Names

    def condition(self, node: ast.expr) -> Condition:
        match node:
            case ast.BoolOp(op=op, values=nodes):
                parts = [self.condition(part) for part in nodes]
                joined = all if isinstance(op, ast.And) else any
                return lambda run: joined(part(run) for part in parts)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                negated = self.condition(operand)
                return lambda run: not negated(run)
            case ast.Compare() if all(type(op) in COMPARISONS for op in node.ops):
                operands = self._operands([node.left, *node.comparators])
                compared = [COMPARISONS[type(op)] for op in node.ops]
                checks = list(zip(operands, compared, operands[1:], strict=False))
                return lambda run: all(_holds(a(run), holds, b(run)) for a, holds, b in checks)
        raise self._unreadable(node)

    def _operands(self, nodes: list[ast.expr]) -> list[Value]:
        """Reads the sides of a comparison; the first one that can be a name is the name."""
        operands: list[Value] = []
        named = False
        for node in nodes:
            word = ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else None
            if word and word not in WORDS and not named:
                operands.append(self.names.value(word))
                named = True
            else:
                operands.append(_constant(WORDS.get(word, word) if word else self._literal(node)))
        if not named:
            raise self._unreadable(nodes[0])
        return operands

    def _literal(self, node: ast.expr) -> Any:
        try:
            value = ast.literal_eval(node)
        except (ValueError, TypeError) as error:
            raise self._unreadable(node) from error
        if not isinstance(value, int | float | str | bool | None):
            raise self._unreadable(node)
        return value

    def _unreadable(self, node: ast.expr) -> SelectionError:
        return SelectionError(
            f"cannot read {ast.unparse(node)!r} in the condition {self.text!r}; an example is "
            f"{EXAMPLE}, and a value that is neither a number nor a word needs quotes"
        )


def _constant(value: Any) -> Value:
    return lambda run: value


def _holds(left: Any, compared: Callable[[Any, Any], bool], right: Any) -> bool:
    if compared in (operator.eq, operator.ne):
        return compared(left, right)
    if left is None or right is None:
        return False
    try:
        return compared(left, right)
    except TypeError:
        raise SelectionError(f"{left!r} and {right!r} have no order") from None
