"""The entries of a study: itself, its trials, and the runs of its refits."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from hydra_study_sweeper.files import RecordError
from hydra_study_sweeper.options import StudySpec
from hydra_study_sweeper.output.figures import drawable, write_figures
from hydra_study_sweeper.paths import StudyPaths, trial_card
from hydra_study_sweeper.records import State, Value, as_values, read_study
from hydra_study_sweeper.reporting import is_own
from hydra_study_sweeper.storage.existing import existing_study, refit_spec
from hydra_study_sweeper.storage.trials import FOLDER, LOST, REASON, ROLE, SEED
from hydra_study_sweeper.tracking.entry import Entry

STATES: dict[TrialState, State] = {
    TrialState.RUNNING: "running",
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


class StudyEntries:
    """Reads the entries of a study from its storage, through a connection of its own."""

    def __init__(self, spec: StudySpec) -> None:
        self._spec = spec
        self._studies: dict[Path, optuna.Study] = {}

    def __call__(self, key: str, state: State) -> Iterator[Entry]:
        """Yields the study, whose state is given, and then its trials."""
        trials = self._trials(self._spec)
        yield self._study(key, state)
        for trial in filter(is_own, trials):  # others are entries of the study that ran them
            yield self._trial(trial, key, f"trial-{trial.number}", {}, self._spec.folder)
        for folder in StudyPaths(self._spec.folder).refits:
            params = trials[int(folder.name.rpartition("-")[2])].params if trials else {}
            for run in self._trials(refit_spec(self._spec, folder)):
                yield self._trial(run, key, f"{folder.name}-{run.number}", params, folder)

    def _study(self, key: str, state: State) -> Entry:
        paths, names = StudyPaths(self._spec.folder), self._spec.names
        values, notes = {}, {"folder": str(paths.folder)}
        with suppress(RecordError):
            record = read_study(paths.folder)
            notes |= {"overrides": " ".join(record.overrides), "states": str(record.states)}
            if len(record.best) == 1:
                values[f"best {names.value}"] = record.best[0].values[0]
            if record.refit:
                values[f"refit {names.final}"] = record.refit.final.mean
                notes["refit of trial"] = str(record.refit.trial)
            if record.stopped:
                state, notes["reason"] = "failed", record.stopped
        files: tuple[Path, ...] = ()
        if state != "running":
            self._draw()
            files = _present(paths.record, paths.best, paths.trials, paths.figures)
        return Entry(key, self._spec.name, None, state, {}, {}, values, notes, files)

    def _draw(self) -> None:
        study = self._studies.get(self._spec.folder)
        with suppress(Exception):  # without Plotly, or what else: the tracker gets the rest
            if study and drawable(study):
                write_figures(study, self._spec.folder)

    def _trial(
        self, trial: FrozenTrial, parent: str, name: str, params: dict[str, Value], study: Path
    ) -> Entry:
        place = trial.user_attrs.get(FOLDER, ())
        notes = {"folder": "/".join(place)}
        for attribute in (REASON, ROLE, SEED):
            if attribute in trial.user_attrs:
                notes[attribute] = str(trial.user_attrs[attribute])
        names = self._spec.names
        is_final = trial.user_attrs.get(ROLE) == "final"
        value = names.final if is_final else names.value
        values = trial.values or []
        return Entry(
            f"{parent}-{name}",
            name,
            parent,
            "interrupted" if LOST in trial.user_attrs else STATES[trial.state],
            as_values(params | trial.params),
            {value: dict(trial.intermediate_values)} if trial.intermediate_values else {},
            {value if len(values) == 1 else f"{value} {n}": v for n, v in enumerate(values)},
            notes,
            _present(
                *(trial_card(study / name) for name in place[1:] if trial.state.is_finished())
            ),
        )

    def _trials(self, spec: StudySpec) -> list[FrozenTrial]:
        if spec.folder not in self._studies:
            study = existing_study(spec, None)
            if study is None:
                return []
            self._studies[spec.folder] = study
        trials = self._studies[spec.folder].get_trials(deepcopy=False)
        return [trial for trial in trials if trial.state in STATES]


def _present(*paths: Path) -> tuple[Path, ...]:
    return tuple(path for path in paths if path.exists())
