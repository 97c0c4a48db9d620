"""The files of a study's outcome: its trials, its winner, and the study in short."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf
from optuna.trial import FrozenTrial, TrialState

from hydra_study_sweeper.files import replacing, write_record, write_text
from hydra_study_sweeper.records import BestTrial, RefitRecord, StudyRecord, as_values
from hydra_study_sweeper.space.dimensions import Dimension
from hydra_study_sweeper.space.fingerprint import is_below
from hydra_study_sweeper.storage.trials import LOST, REASON, RETRY_OF, Trials

# What `best.yaml` takes over of Hydra's own configuration, so that it runs as the application does.
HYDRA_KEYS = (("run", "dir"), ("", "aliases"), ("job", "chdir"), ("job", "env_set"))
HYDRA_GROUPS = ("hydra/job_logging", "hydra/hydra_logging")


def write_study(
    trials: Trials,
    dimensions: Sequence[Dimension],
    overrides: Sequence[str],
    repeats: int,
    refit: RefitRecord | None,
) -> StudyRecord:
    """Writes `study.json`, and returns it."""
    counted = [trial for trial in trials.all() if LOST not in trial.user_attrs]
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
        lost=len(trials.all()) - len(counted),
        first_failure=first_failure,
        space={dimension.key: str(dimension) for dimension in dimensions},
        overrides=list(overrides),
        repeats=repeats,
        best=[
            BestTrial(
                number=trial.number,
                values=trial.values,
                params=as_values(trial.params),
                folder=trials.paths.trial(trial.number).name,
                best_step=best_step(trials, trial) if is_single and repeats == 1 else None,
            )
            for trial in trials.ranked()[: 1 if is_single else None]
        ],
        refit=refit,
    )
    write_record(trials.paths.record, record)
    return record


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
    names = list(dict.fromkeys(name for trial in trials.all() for name in trial.params))
    values = ["value"] if objectives == 1 else [f"value_{number}" for number in range(objectives)]
    header = ["number", "state", *values, "steps", "seconds", "folder", "reason", "retry_of"]
    with (
        replacing(trials.paths.trials) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*header, *names])
        for trial in trials.all():
            folder = trials.paths.trial(trial.number)
            writer.writerow(
                [
                    trial.number,
                    trial.state.name,
                    *(trial.values or [""] * objectives),
                    len(trial.intermediate_values) or "",
                    "" if trial.duration is None else f"{trial.duration.total_seconds():.2f}",
                    folder.name if folder.exists() else "",
                    trial.user_attrs.get(REASON, ""),
                    trial.user_attrs.get(RETRY_OF, ""),
                    *(trial.params.get(name, "") for name in names),
                ]
            )


def write_best(trials: Trials, config: DictConfig) -> None:
    """Writes `best.yaml`: the configuration of the best trial, which stands by itself.

    Args:
        trials: Of the study.
        config: The composed configuration of its best trial.
    """
    choices = config.hydra.runtime.choices
    content: dict[str, Any] = {
        "defaults": [
            "_self_",
            *({f"override {group}": choices[group]} for group in HYDRA_GROUPS),
        ]
    }
    # Where params: ${search_space}, the search space is a part of the configuration.
    space = re.fullmatch(r"\$\{([\w.]+)\}", str(_raw(config.hydra.sweeper, "params")))
    content |= _without(config, ["hydra", *([space[1]] if space else [])])
    content["hydra"] = _picked(config.hydra)
    best = trials.ranked()[0]
    values = ", ".join(f"{value:.6g}" for value in best.values)
    head = f"# Trial {best.number} of the study {trials.spec.name}: {values}.\n"
    write_text(trials.paths.best, head + OmegaConf.to_yaml(OmegaConf.create(content)))


def _without(config: DictConfig, left_out: Sequence[str]) -> dict[str, Any]:
    def kept(node: Any, prefix: str) -> Any:
        if not isinstance(node, dict):
            return node
        return {
            name: kept(value, f"{prefix}{name}.")
            for name, value in node.items()
            if not is_below(f"{prefix}{name}", left_out)
        }

    content: dict[str, Any] = kept(OmegaConf.to_container(config, enum_to_str=True), "")
    return content


def _picked(hydra: DictConfig) -> dict[str, Any]:
    picked: dict[str, Any] = {}
    for section, name in HYDRA_KEYS:
        raw = _raw(hydra[section] if section else hydra, name)
        if raw not in (None, {}):
            (picked.setdefault(section, {}) if section else picked)[name] = raw
    return picked


def _raw(node: DictConfig, name: str) -> Any:
    """Returns a value without resolving what it refers to."""
    container = OmegaConf.to_container(node)
    assert isinstance(container, dict), "it is a mapping"
    return container.get(name)
