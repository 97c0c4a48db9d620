"""What differs between two runs."""

from typing import Any

from rnnclf.select.leaderboard import Row
from rnnclf.select.runs import Run

NESTED = ("texts", "seconds", "versions")


def difference(first: Run, second: Run) -> list[Row]:
    """Returns the keys of the configuration and the figures in which two runs differ.

    Test accuracies are left out: a choice between runs is made on the validation texts.
    """
    one, other = _everything(first), _everything(second)
    return [
        {"what": what, str(first.folder): one.get(what), str(second.folder): other.get(what)}
        for what in dict.fromkeys([*one, *other])
        if one.get(what) != other.get(what)
    ]


def _everything(run: Run) -> dict[str, Any]:
    figures = {
        name: value
        for name, value in run.result.items()
        if not isinstance(value, dict) and not name.startswith("test_")
    }
    nested = {
        f"{name}.{part}": value for name in NESTED for part, value in run.result[name].items()
    }
    return {**run.config, **figures, **nested}
