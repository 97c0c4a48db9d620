"""From a sweep's configuration to the studies it asks for, checked before the first trial."""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from hydra.core.config_loader import ConfigLoader
from hydra.types import HydraContext, TaskFunction
from hydra.utils import get_method
from omegaconf import DictConfig, OmegaConf, open_dict

from rnnclf.errors import ConfigError
from rnnclf.study.arguments import parse_override, take_apart
from rnnclf.study.compose import TrialComposer, check_that_chosen_arrived
from rnnclf.study.definition import Definition, define
from rnnclf.study.options import check_options, directions_of, repeats_of, weights_of
from rnnclf.study.space import (
    Dimension,
    Value,
    all_points,
    every_choice,
    parse_space,
    settle_conditions,
    suggest,
)
from rnnclf.study.trials import StudySpec
from rnnclf.study.worker import Worker, make_pruner, make_sampler

GRID = "optuna.samplers.GridSampler"
NUMBER_OF_SAMPLES = 3


@dataclass(frozen=True)
class StudyPlan:
    """A study that is to be run.

    Attributes:
        worker: What its worker processes run; has the specification of the study.
        config: The composed configuration with the defaults of all dimensions.
        options: `hydra.sweeper`, resolved.
        definition: What must be the same on resuming.
        queue: Points to try first.
        warnings: What the user should know before it starts.
        samples: Some points of the space.
    """

    worker: Worker
    config: DictConfig
    options: DictConfig
    definition: Definition
    queue: list[dict[str, Value]]
    warnings: list[str]
    samples: list[dict[str, Value]]

    @property
    def spec(self) -> StudySpec:
        """The specification of the study."""
        return self.worker.spec


def make_plans(
    master: DictConfig, arguments: Sequence[str], context: HydraContext, task: TaskFunction
) -> list[StudyPlan]:
    """Makes a plan for each study that a command line asks for.

    Raises:
        ConfigError: If the options or the search space are wrong, or a sampled configuration
            cannot be composed or does not pass the application's check.
    """
    loader = context.config_loader
    params = _params(master)
    sweep = take_apart(arguments, params, lambda key: _is_group(loader, key))
    plans = []
    for overrides in sweep.studies:
        config = loader.load_sweep_config(master, list(overrides))
        space = {
            key: definition
            for key, definition in _params(config).items()
            if key not in sweep.fixed and not _is_group(loader, key)
        }
        dimensions = parse_space(settle_conditions(space | sweep.dimensions, config))
        if not dimensions:
            raise ConfigError(
                "a study needs something to search: hydra.sweeper.params, "
                "or choice(...) or interval(...) on the command line"
            )
        plans.append(_plan(master, config, overrides, dimensions, context, task))
    folders = [plan.spec.folder for plan in plans]
    for folder in folders:
        if folders.count(folder) > 1:
            raise ConfigError(
                f"several studies would share the folder {folder}; "
                "let hydra.sweep.dir depend on what differs between them"
            )
    return plans


def _plan(
    master: DictConfig,
    config: DictConfig,
    overrides: Sequence[str],
    dimensions: list[Dimension],
    context: HydraContext,
    task: TaskFunction,
) -> StudyPlan:
    options = _resolved(config.hydra.sweeper)
    check_options(options)
    folder = Path(config.hydra.sweep.dir).resolve()
    queue, warnings = _queue(config, dimensions, options.enqueue)
    n_trials, sampler = options.n_trials, options.sampler
    if sampler["_target_"] == GRID:
        queue = all_points(dimensions)
        n_trials = min(n_trials, len(queue))
        sampler = OmegaConf.create({"_target_": "optuna.samplers.RandomSampler"})
    spec = StudySpec(
        name=options.study_name or folder.name,
        folder=folder,
        storage=options.storage,
        directions=directions_of(options),
        n_trials=n_trials,
        max_failures=options.max_failures,
        trial_timeout=options.trial_timeout,
    )
    worker = Worker(
        spec=spec,
        dimensions=dimensions,
        config=master,
        overrides=overrides,
        context=context,
        task_function=task,
        sampler=sampler,
        pruner=options.pruner,
        keep=options.keep,
        weights=weights_of(options),
        repeats=repeats_of(options),
    )
    _check_makeable(worker)
    _check_repeats(worker)
    samples = _samples(dimensions)
    facts = _check_samples(worker, [*every_choice(dimensions), *samples], options.check)
    definition = define(config, dimensions, spec.directions, options.ignore, facts, worker.repeats)
    return StudyPlan(worker, config, options, definition, queue, warnings, samples)


def with_deadline(plan: StudyPlan) -> StudyPlan:
    """Returns the plan with its `timeout` counted from now."""
    timeout = plan.options.timeout
    if timeout is None:
        return plan
    spec = replace(plan.spec, deadline=time.time() + timeout)
    return replace(plan, worker=replace(plan.worker, spec=spec))


def _params(config: DictConfig) -> dict[str, Any]:
    params = config.hydra.sweeper.params
    return {} if params is None else _flat_params(_resolved(params))


def _resolved(node: DictConfig) -> DictConfig:
    copy = OmegaConf.create(OmegaConf.to_container(node, resolve=True))
    assert isinstance(copy, DictConfig), "made from a mapping"
    return copy


def _flat_params(node: DictConfig, prefix: str = "") -> dict[str, Any]:
    """Reads `a.b: ...` as well as nested mappings, which keys on the command line make."""
    flat: dict[str, Any] = {}
    container = OmegaConf.to_container(node)
    assert isinstance(container, dict), "it is a mapping"
    for name, value in container.items():
        assert isinstance(name, str), "keys of configurations are names"
        if isinstance(value, Mapping) and not {"when", "space"} & set(value):
            flat |= _flat_params(OmegaConf.create(dict(value)), f"{prefix}{name}.")
        elif value is not None:
            flat[f"{prefix}{name}"] = value
    return flat


def _is_group(loader: ConfigLoader, key: str) -> bool:
    return bool(loader.get_group_options(key.lstrip("+").split("@")[0]))


def _check_makeable(worker: Worker) -> None:
    try:
        make_sampler(worker.sampler, 0, 0)
        make_pruner(worker.pruner)
    except Exception as error:  # of whatever kind: it comes from what the user chose
        cause = error.__cause__ or error
        raise ConfigError(f"the sampler or the pruner cannot be made: {cause}") from error


def _check_repeats(worker: Worker) -> None:
    """Makes sure that the runs of a trial leave what was typed or is searched as it is."""
    asked = {parse_override(line).key_or_group for line in worker.overrides}
    asked |= {dimension.key.lstrip("+") for dimension in worker.dimensions}
    for override in worker.repeats.overrides_of(0):
        key = parse_override(override).key_or_group
        if key in asked:
            raise ConfigError(
                f"{key} is set or searched, but each run of a trial has its own "
                "(hydra.sweeper.repeats.overrides); leave it out, or change those"
            )


def _queue(
    config: DictConfig, dimensions: Sequence[Dimension], enqueue: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Value]], list[str]]:
    """Returns the points to try first, the defaults before all, and warnings."""
    defaults = _completed({}, config, dimensions)
    warnings = [
        f"trial 0 has the defaults, but {dimension.key}={_default(config, dimension)} is outside "
        f"of {dimension}; the sampler chooses it"
        for dimension in dimensions
        if dimension.applies(defaults) and dimension.key not in defaults
    ]
    queue = [defaults]
    by_key = {dimension.key: dimension for dimension in dimensions}
    for point in enqueue:
        if not isinstance(point, Mapping):
            raise ConfigError(
                f"hydra.sweeper.enqueue is a list of points like {{KEY: VALUE}}; one is {point}"
            )
        for key in point:
            if key not in by_key:
                raise ConfigError(f"hydra.sweeper.enqueue: {key} is not a dimension of the search")
        try:
            given = {key: by_key[key].member(value) for key, value in point.items()}
        except ValueError as error:
            raise ConfigError(f"hydra.sweeper.enqueue: {error}") from error
        queue.append(_completed(given, config, dimensions))
    return queue, warnings


def _completed(
    given: Mapping[str, Value], config: DictConfig, dimensions: Sequence[Dimension]
) -> dict[str, Value]:
    """Adds what a point does not say: the defaults, where they are within their dimensions."""
    point: dict[str, Value] = {}
    for dimension in dimensions:
        if dimension.key in given:
            point[dimension.key] = given[dimension.key]
        elif dimension.applies(point):
            with contextlib.suppress(ValueError):
                point[dimension.key] = dimension.member(_default(config, dimension))
    return point


def _default(config: DictConfig, dimension: Dimension) -> Any:
    return OmegaConf.select(config, dimension.key.lstrip("+"))


def _samples(dimensions: Sequence[Dimension]) -> list[dict[str, Value]]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return [suggest(study.ask(), dimensions) for _ in range(NUMBER_OF_SAMPLES)]


def _check_samples(
    worker: Worker, points: Sequence[dict[str, Value]], check: str | None
) -> Mapping[str, str]:
    composer = TrialComposer(
        worker.context, worker.config, worker.overrides, str(worker.spec.folder)
    )
    runs = [(point, 0) for point in points]
    runs += [(points[0], repeat) for repeat in range(1, worker.repeats.count)]
    configs = []
    for point, repeat in runs:
        config = composer.compose(0, point, worker.repeats.overrides_of(repeat))
        try:
            check_that_chosen_arrived(config, worker.dimensions, point)
        except ValueError as error:
            raise ConfigError(f"search space: {error}") from error
        with open_dict(config):
            del config["hydra"]  # as Hydra does before it hands a configuration to a task
        configs.append(config)
    if check is None:
        return {}
    function: Callable[[Sequence[DictConfig]], Mapping[str, str]] = get_method(check)
    return function(configs)
