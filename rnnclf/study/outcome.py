"""What a study leaves in its folder: its trials, its winner, and the study in short."""

import csv
import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import optuna
from omegaconf import DictConfig, OmegaConf
from optuna.trial import FrozenTrial, TrialState

from rnnclf.atomic import replacing, write_text
from rnnclf.study.cleaning import ranked
from rnnclf.study.compose import compose_trial
from rnnclf.study.definition import is_below
from rnnclf.study.paths import StudyPaths
from rnnclf.study.pictures import draw
from rnnclf.study.plan import StudyPlan
from rnnclf.study.space import as_overrides
from rnnclf.study.trials import LOST, REASON, RETRY_OF, Trials

SUMMARY_FORMAT = 1
# What `best.yaml` takes over of Hydra's own configuration, so that it runs as the application does.
HYDRA_KEYS = (("run", "dir"), ("", "aliases"), ("job", "chdir"), ("job", "env_set"))
HYDRA_GROUPS = ("hydra/job_logging", "hydra/hydra_logging")


def write_outcome(plan: StudyPlan, trials: Trials, refit: dict[str, Any] | None) -> dict[str, Any]:
    """Writes all files of a study's outcome.

    Returns:
        What `study.json` says.
    """
    paths = StudyPaths(plan.spec.folder)
    best = ranked(trials.study)
    _write_trials(trials.all(), len(plan.spec.directions), paths)
    if best:
        write_text(paths.best, _best_config(plan, best[0]))
        draw(trials.study, paths)
    summary = _summary(plan, trials, best, paths) | {"refit": refit}
    write_text(paths.summary, json.dumps(summary, indent=2) + "\n")
    return summary


def best_step(study: optuna.Study, trial: FrozenTrial) -> int | None:
    """Returns the step at which a trial reported its best value, the first of several."""
    if not trial.intermediate_values:
        return None
    maximize = study.direction is optuna.study.StudyDirection.MAXIMIZE
    sign = 1 if maximize else -1
    return max(trial.intermediate_values, key=lambda s: (sign * trial.intermediate_values[s], -s))


def _write_trials(trials: Sequence[FrozenTrial], objectives: int, paths: StudyPaths) -> None:
    names = list(dict.fromkeys(name for trial in trials for name in trial.params))
    values = ["value"] if objectives == 1 else [f"value_{number}" for number in range(objectives)]
    header = ["number", "state", *values, "steps", "seconds", "folder", "reason", "retry_of"]
    with (
        replacing(paths.trials) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*header, *names])
        for trial in trials:
            folder = paths.trial(trial.number)
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


def _summary(
    plan: StudyPlan, trials: Trials, best: Sequence[FrozenTrial], paths: StudyPaths
) -> dict[str, Any]:
    counted = [trial for trial in trials.all() if LOST not in trial.user_attrs]
    states = Counter(trial.state.name.lower() for trial in counted)
    front = best if len(plan.spec.directions) > 1 else best[:1]
    has_steps = len(front) == 1 and plan.worker.repeats.count == 1
    return {
        "format": SUMMARY_FORMAT,
        "name": plan.spec.name,
        "directions": list(plan.spec.directions),
        "n_trials": plan.spec.n_trials,
        "finished": trials.remaining() <= 0,
        "stopped": trials.stopped,
        "states": dict(states),
        "lost": len(trials.all()) - len(counted),
        "first_failure": next(
            (
                f"trial {trial.number}: {trial.user_attrs.get(REASON, '')}"
                for trial in counted
                if trial.state is TrialState.FAIL
            ),
            None,
        ),
        "space": {dimension.key: str(dimension) for dimension in plan.worker.dimensions},
        "overrides": list(plan.worker.overrides),
        "repeats": plan.worker.repeats.count,
        "best": [
            {
                "number": trial.number,
                "values": trial.values,
                "params": trial.params,
                "folder": paths.trial(trial.number).name,
                "best_step": best_step(trials.study, trial) if has_steps else None,
            }
            for trial in front
        ],
    }


def _best_config(plan: StudyPlan, trial: FrozenTrial) -> str:
    """Writes the configuration of a trial so that it stands by itself."""
    worker = plan.worker
    overrides = [*worker.overrides, *as_overrides(trial.params)]
    config = compose_trial(
        worker.context, worker.config, overrides, folder=str(plan.spec.folder), number=trial.number
    )
    choices = config.hydra.runtime.choices
    content: dict[str, Any] = {
        "defaults": [
            "_self_",
            *({f"override {group}": choices[group]} for group in HYDRA_GROUPS),
        ]
    }
    space = re.fullmatch(r"\$\{([\w.]+)\}", str(_raw(config.hydra.sweeper, "params")))
    content |= _without(config, ["hydra", *([space[1]] if space else [])])
    content["hydra"] = _picked(config.hydra)
    number, value = trial.number, ", ".join(f"{v:.6g}" for v in trial.values)
    head = (
        f"# Trial {number} of the study {plan.spec.name}: {value}. To run it:\n"
        "#     --config-dir FOLDER --config-name best    (FOLDER: where this file is)\n"
    )
    return head + OmegaConf.to_yaml(OmegaConf.create(content))


def _without(config: DictConfig, left_out: Sequence[str]) -> dict[str, Any]:
    container = OmegaConf.to_container(config, enum_to_str=True)

    def kept(node: Any, prefix: str) -> Any:
        if not isinstance(node, dict):
            return node
        return {
            name: kept(value, f"{prefix}{name}.")
            for name, value in node.items()
            if not is_below(f"{prefix}{name}", left_out)
        }

    content: dict[str, Any] = kept(container, "")
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
    return container[name]
