"""What differs between two runs."""

from dataclasses import asdict
from typing import Any

from rnnclf.files.result import flat
from rnnclf.runs.rank import Row
from rnnclf.runs.results import Run


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
    result = asdict(run.result)
    del result["config"]
    figures = {name: value for name, value in flat(result).items() if not name.startswith("test_")}
    return {**run.config, **figures}
