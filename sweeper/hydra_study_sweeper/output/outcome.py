"""The files that a study writes at its end: `trials.csv`, `best.yaml` and `study.json`."""

import csv
from collections import Counter
from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf
from optuna.trial import FrozenTrial, TrialState

from hydra_study_sweeper.budget import Took
from hydra_study_sweeper.files import replacing, write_record, write_text
from hydra_study_sweeper.paths import StudyPaths
from hydra_study_sweeper.records import BestTrial, RefitRecord, StudyRecord, as_values
from hydra_study_sweeper.space.dimensions import Dimension
from hydra_study_sweeper.storage.trials import LOST, REASON, RETRY_OF, Trials


def write_study(
    trials: Trials,
    dimensions: Sequence[Dimension],
    overrides: Sequence[str],
    repeats: int,
    refit: RefitRecord | None,
) -> StudyRecord:
    """Writes `study.json`, and returns it."""
    own = trials.own()
    counted = [trial for trial in own if LOST not in trial.user_attrs]
    failed = (trial for trial in counted if trial.state is TrialState.FAIL)
    first_failure = next(
        (f"trial {trial.number}: {trial.user_attrs.get(REASON, '')}" for trial in failed), None
    )
    is_single = len(trials.spec.directions) == 1
    record = StudyRecord(
        name=trials.spec.name,
        directions=list(trials.spec.directions),
        n_trials=trials.total(),
        finished=trials.remaining() <= 0,
        stopped=trials.stopped,
        states=dict(Counter(trial.state.name.lower() for trial in counted)),
        lost=len(own) - len(counted),
        first_failure=first_failure,
        space={dimension.key: str(dimension) for dimension in dimensions},
        overrides=list(overrides),
        repeats=repeats,
        best=[
            BestTrial(
                number=trial.number,
                values=trial.values,
                params=as_values(trial.params),
                folder=below(trials, trial),
                best_step=best_step(trials, trial) if is_single and repeats == 1 else None,
            )
            for trial in trials.ranked()[: 1 if is_single else None]
        ],
        refit=refit,
    )
    write_record(trials.paths.record, record)
    return record


def below(trials: Trials, trial: FrozenTrial) -> str | None:
    """Returns the folder of a trial relative to that of the study; None if it ran elsewhere."""
    folder = trials.folder_of(trial)
    is_below = folder.is_relative_to(trials.paths.folder)
    return str(folder.relative_to(trials.paths.folder)) if is_below else None


def best_step(trials: Trials, trial: FrozenTrial) -> int | None:
    """Returns the step at which a trial reported its best value, the first of several."""
    values = trial.intermediate_values
    if not values:
        return None
    sign = 1 if trials.spec.directions[0] == "maximize" else -1
    return max(values, key=lambda step: (sign * values[step], -step))


def write_trials(trials: Trials) -> None:
    """Writes `trials.csv`, for people and spreadsheets: one line for each trial."""
    objectives = len(trials.spec.directions)
    names = list(dict.fromkeys(name for trial in trials.own() for name in trial.params))
    values = ["value"] if objectives == 1 else [f"value_{number}" for number in range(objectives)]
    header = ["number", "state", *values, "steps", "seconds", "folder", "reason", "retry_of"]
    with (
        replacing(trials.paths.trials) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*header, *names])
        for trial in trials.own():
            folder = trials.folder_of(trial)
            writer.writerow(
                [
                    trial.number,
                    trial.state.name,
                    *(trial.values or [""] * objectives),
                    len(trial.intermediate_values) or "",
                    "" if trial.duration is None else f"{Took.of(trial).seconds:.2f}",
                    (below(trials, trial) or folder) if folder.exists() else "",
                    trial.user_attrs.get(REASON, ""),
                    trial.user_attrs.get(RETRY_OF, ""),
                    *(trial.params.get(name, "") for name in names),
                ]
            )


def write_results(trials: Trials) -> None:
    """Writes `optimization_results.yaml`, which scripts for Hydra's Optuna sweeper read."""
    best = trials.ranked()
    results: dict[str, Any] = {"name": "optuna"}
    if len(trials.spec.directions) > 1:
        results["solutions"] = [{"params": t.params, "values": t.values} for t in best]
    else:
        results |= {"best_params": best[0].params, "best_value": best[0].value}
    write_text(trials.paths.results, OmegaConf.to_yaml(OmegaConf.create(results)))


def write_multirun(paths: StudyPaths, config: DictConfig) -> None:
    """Writes `multirun.yaml`: the configuration of the command."""
    write_text(paths.multirun, OmegaConf.to_yaml(config))
