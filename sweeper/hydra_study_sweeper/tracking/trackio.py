"""Trackio: runs of one group in the project TRACKIO_PROJECT, in a database on this machine."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hydra_study_sweeper.tracking.entry import Entry, Point


class Tracker:
    """Writes a run for each entry; those of a study or a run have its folder as their group.

    Not through `trackio.Run`: it prints, only warns of what it could not write, and keeps the
    parameters of a run as they were at its first point.
    """

    def __init__(self, folder: Path) -> None:
        from trackio.cas import stage_blob_into_project
        from trackio.sqlite_storage import SQLiteStorage

        self._store, self._stage = SQLiteStorage, stage_blob_into_project
        self._group, self._project = str(folder), os.environ.get("TRACKIO_PROJECT", "default")
        SQLiteStorage.validate_project_name(self._project)

    def begin(self, entry: Entry) -> bool:
        """Tells whether there are points with the key of an entry."""
        return self._store.get_max_step_for_run(self._project, run_id=entry.key) is not None

    def update(self, entry: Entry, points: dict[Point, float]) -> None:
        """Writes points, results, parameters, notes, the state and files."""
        rows: dict[int, dict[str, float]] = {}
        for (name, step), value in sorted(points.items(), key=lambda point: point[0][1]):
            rows.setdefault(step, {})[name] = value
        if entry.values or not rows:  # a run without a row is not shown
            results = {f"result/{name}": value for name, value in entry.values.items()}
            rows.setdefault(0, {}).update(results)
        config: dict[str, Any] = {**entry.params, **entry.notes, "state": entry.state}
        config |= {"_Group": self._group, "_Created": datetime.now(UTC).isoformat()}
        self._store.bulk_log(
            project=self._project,
            run=entry.name,
            run_id=entry.key,
            metrics_list=list(rows.values()),
            steps=list(rows),
            # Trackio leaves out a row whose id it has.
            log_ids=[f"{entry.key} {step} {row}" for step, row in rows.items()],
            config=config,
        )
        if entry.files:
            manifest: list[Any] = []
            for file in entry.files:
                digest, size = self._stage(file, self._project)
                manifest.append({"path": file.name, "digest": digest, "size": size})
            self._store.commit_artifact_version(
                project=self._project,
                name=entry.key,
                type="records",
                description=entry.name,
                manifest=manifest,
                metadata={},
                aliases=[],
                run_name=entry.name,
                run_id=entry.key,
            )

    def close(self) -> None:
        """Does nothing: the database has everything."""
