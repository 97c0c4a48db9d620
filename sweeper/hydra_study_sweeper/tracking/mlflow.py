"""MLflow: nested runs, wherever MLFLOW_TRACKING_URI and MLFLOW_EXPERIMENT_NAME say."""

import logging
import os
import re
import time
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path

from filelock import FileLock

from hydra_study_sweeper.paths import host_lock
from hydra_study_sweeper.records import State
from hydra_study_sweeper.tracking.entry import Entry, Point

KEY = "hydra_study_sweeper.key"
BATCH = 500  # metrics in a request, of which MLflow takes 1,000
STATUS: dict[State, str] = {
    "running": "RUNNING",
    "complete": "FINISHED",
    "pruned": "KILLED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}


class Tracker:
    """Writes a run for each entry; the runs of trials are below that of their study."""

    def __init__(self, folder: Path) -> None:
        import mlflow
        from mlflow import entities

        for chatty in ("mlflow", "alembic"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        logging.getLogger("urllib3").setLevel(logging.ERROR)  # it warns of each retry
        is_server = mlflow.get_tracking_uri().startswith("http")
        # MLflow makes a database without a lock, and of two commands at once one would fail.
        self._lock = nullcontext() if is_server else FileLock(host_lock("mlflow"))
        with self._lock:
            self._client, self._entities = mlflow.MlflowClient(), entities
        self._runs: dict[str, str] = {}

    @cached_property
    def _experiment(self) -> str:
        """The number of the experiment; not before `begin`, since a server may not answer."""
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "Default")
        with self._lock:
            found = self._client.get_experiment_by_name(name)
            return str(found.experiment_id if found else self._client.create_experiment(name))

    def begin(self, entry: Entry) -> bool:
        """Finds the run with the key of an entry, or makes it."""
        runs = self._client.search_runs([self._experiment], f"tags.`{KEY}` = '{entry.key}'")
        if runs:
            run = runs[0]
        else:
            above = {"mlflow.parentRunId": self._runs[entry.parent]} if entry.parent else {}
            tags = {KEY: entry.key, **above}
            run = self._client.create_run(self._experiment, run_name=entry.name, tags=tags)
        self._runs[entry.key] = run.info.run_id
        return True

    def update(self, entry: Entry, points: dict[Point, float]) -> None:
        """Writes points, parameters, results, notes, files and the state."""
        run, now = self._runs[entry.key], int(time.time() * 1000)
        make = self._entities
        metrics = [make.Metric(_name(n), v, now, step) for (n, step), v in points.items()]
        metrics += [make.Metric(f"result/{_name(n)}", v, now, 0) for n, v in entry.values.items()]
        params = [make.Param(_name(n), str(value)) for n, value in entry.params.items()]
        tags = [make.RunTag(k, v) for k, v in {"state": entry.state, **entry.notes}.items()]
        self._client.log_batch(run, metrics[:BATCH], params, tags)
        for start in range(BATCH, len(metrics), BATCH):
            self._client.log_batch(run, metrics[start : start + BATCH])
        for file in entry.files:
            self._client.log_artifact(run, str(file))
        if entry.state == "running":
            self._client.update_run(run, status=STATUS[entry.state])
        else:
            self._client.set_terminated(run, STATUS[entry.state])

    def close(self) -> None:
        """Does nothing: MLflow has everything."""


def _name(name: str) -> str:
    """Returns a name as MLflow takes it: Hydra's `db@first` is `db_first`."""
    return re.sub(r"[^\w./: -]", "_", name, flags=re.ASCII)
