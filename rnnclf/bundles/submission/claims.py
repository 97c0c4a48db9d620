"""What the report of a submission claims, held against the records of its models."""

import re
from dataclasses import dataclass
from pathlib import Path

from hydra_study_sweeper.files import read_bounded

from rnnclf.configuration.schema import Config
from rnnclf.errors import DataError
from rnnclf.files.result import ModelResult

REPORT = "REPORT.md"
LARGEST = 2**20  # bytes of a report
# | questions | **0.7782** | 0.7564 to 0.7986 | 1488 | `models/questions-gru` |
ROW = re.compile(
    r"^\| ([\w.-]+) \| \*\*(\d\.\d{4})\*\* \| [^|]+ \| (\d+) \| `(models/\w[\w.-]*)` \|$",
    re.MULTILINE,
)
SPLIT_OF_HANDOUT = {
    "train_fraction": 0.75,
    "split_seed": 0,
}  # of `dataset`, the same for all groups


@dataclass(frozen=True)
class Claim:
    """A row of the report.

    Attributes:
        dataset: The data set.
        accuracy: The test accuracy, as it is written.
        texts: The number of test texts, as it is written.
        model: The folder of the model in the submission.
    """

    dataset: str
    accuracy: str
    texts: str
    model: str


def read_claims(folder: Path) -> list[Claim]:
    """Reads the report in the folder of a submission, which may be anything.

    Raises:
        DataError: If there is none, or it is not text.
    """
    try:
        text = read_bounded(folder / REPORT, LARGEST).decode()
    except FileNotFoundError as error:
        raise DataError(f"it has no {REPORT}") from error
    except OSError as error:
        raise DataError(f"{REPORT} is {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{REPORT} is not in UTF-8") from error
    return [Claim(*row) for row in ROW.findall(text)]


def contradiction(claim: Claim, config: Config, result: ModelResult) -> str | None:
    """Compares a claim with the model's own record; returns in words what differs."""
    dataset, accuracy = config.dataset, result.test_accuracy
    if accuracy is None:
        return "its model was never tested"
    for what, claimed, recorded in (
        ("data set", claim.dataset, dataset.name + "-coarse" * (dataset.labels == "coarse")),
        ("accuracy", claim.accuracy, f"{accuracy:.4f}"),
        ("test texts", claim.texts, str(result.texts.test)),
    ):
        if claimed != recorded:
            return f"{what}: {claimed} in {REPORT}, {recorded} in {claim.model}"
    if any(getattr(dataset, key) != value for key, value in SPLIT_OF_HANDOUT.items()):
        return f"another split of the data in {claim.model}"
    return None
