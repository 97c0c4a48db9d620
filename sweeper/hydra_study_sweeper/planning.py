"""The studies that a command line asks for, checked before the first trial."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from hydra.core.config_loader import ConfigLoader
from hydra.errors import HydraException
from hydra.types import HydraContext, TaskFunction
from hydra.utils import get_method
from omegaconf import DictConfig, OmegaConf, open_dict

from hydra_study_sweeper.errors import ConfigError, describe_error
from hydra_study_sweeper.options import (
    SAMPLERS,
    NamesConf,
    StudySpec,
    check_options,
    directions_of,
    refuse_nan,
    take_stock_options,
)
from hydra_study_sweeper.plan import StudyPlan
from hydra_study_sweeper.printable import one_line
from hydra_study_sweeper.records import Role
from hydra_study_sweeper.space.composing import Bases, TrialComposer, unresolved, with_mandatory
from hydra_study_sweeper.space.dimensions import Dimension, parse_space
from hydra_study_sweeper.space.distributions import first_value, parse_distribution
from hydra_study_sweeper.space.fingerprint import Fingerprint, fingerprint
from hydra_study_sweeper.space.overrides import (
    Definition,
    definitions_of,
    parse_override,
    plain,
    take_apart,
)
from hydra_study_sweeper.space.points import (
    Point,
    as_overrides,
    corners,
    decided,
    first_points,
    grid,
    groups_of,
    random_points,
)
from hydra_study_sweeper.space.repeats import refuse_replaced_keys, repeats_of
from hydra_study_sweeper.storage.opening import refuse_password
from hydra_study_sweeper.storage.warm_start import WarmStart, warm_start
from hydra_study_sweeper.workers.samplers import check_makeable
from hydra_study_sweeper.workers.worker import Worker

GRID = "optuna.samplers.GridSampler"
SAMPLES = 3
TIME_IN_FOLDER = (
    "hydra.sweep.dir has the time in it, so the next start will be another study; "
    "with hydra.sweep.dir=multirun/NAME the same command continues this one"
)


def make_plans(
    master: DictConfig, overrides: Sequence[str], context: HydraContext, task: TaskFunction
) -> list[StudyPlan]:
    """Makes a plan for each study that a command line asks for.

    Raises:
        ConfigError: If the options or the search space are wrong, or a sampled configuration
            cannot be composed or does not pass the application's check.
    """
    refuse_nan(master.hydra.sweeper)
    loader = context.config_loader
    separate = set(master.hydra.sweeper.separate)
    sweep = take_apart(overrides, _params(master), separate, loader)
    mandatory = _mandatory(master, _params(master) | sweep.dimensions, loader)
    plans = []
    for of_study in sweep.studies:
        config = loader.load_sweep_config(master, with_mandatory(of_study, mandatory))
        definitions = {k: v for k, v in _params(config).items() if k not in sweep.taken}
        folder = Path(config.hydra.sweep.dir).resolve()
        bases = Bases(loader, master, of_study, str(folder), mandatory, config)
        dimensions = parse_space(definitions | sweep.dimensions, bases, loader)
        if not dimensions and config.hydra.sweeper.custom_search_space is None:
            apart = ", ".join(master.hydra.sweeper.separate)
            besides = f" besides what makes a study of its own ({apart})" if apart else ""
            raise ConfigError(
                f"a study needs something to search{besides}; set hydra.sweeper.params, "
                "or choice(...) or interval(...) on the command line"
            )
        plans.append(_plan(config, dimensions, bases, context, task))
    if any(_has_time(plan) for plan in plans):
        plans[0].warnings.append(TIME_IN_FOLDER)
    folders = [plan.spec.folder for plan in plans]
    for folder in folders:
        if folders.count(folder) > 1:
            raise ConfigError(
                f"several studies would share the folder {folder}; "
                "let hydra.sweep.dir depend on what differs between them"
            )
    return plans


def _mandatory(
    master: DictConfig, definitions: Mapping[str, Definition], loader: ConfigLoader
) -> dict[str, str]:
    """Returns an override for each group that must be chosen and is searched in every trial."""
    choices = master.hydra.runtime.choices
    return {
        group: f"{group}={first_value(parse_distribution(group, definition.space, loader))}"
        for group, definition in definitions.items()
        if OmegaConf.is_missing(choices, group) and not definition.when
    }


def _plan(
    config: DictConfig,
    dimensions: list[Dimension],
    bases: Bases,
    context: HydraContext,
    task: TaskFunction,
) -> StudyPlan:
    options = _resolved(config.hydra.sweeper)
    take_stock_options(options)
    check_options(options)
    refuse_password(options.storage)
    first, warnings = first_points(bases, dimensions, options.enqueue)
    defaults = first[0]
    n_trials, sampler = options.n_trials, options.sampler
    is_grid = sampler["_target_"] == GRID
    if is_grid:
        # Its points are queued: Optuna's grid sampler does not know conditions, and two workers
        # may draw the same point.
        first = grid(dimensions)
        left_out = [f"hydra.sweeper.{name}" for name in ("enqueue", "warm_start") if options[name]]
        warnings = [f"{name} is left out: a grid tries its own points" for name in left_out]
        n_trials = min(n_trials, len(first))
        sampler = OmegaConf.create(SAMPLERS["random"])
    composer = TrialComposer(bases, dimensions, _function(options, "custom_search_space"))
    worker = Worker(
        spec=_spec(options, Path(bases.folder), n_trials),
        composer=composer,
        context=context,
        task_function=task,
        sampler=sampler,
        pruner=options.pruner,
        keep=options.keep,
        weights=list(options.weights),
        repeats=repeats_of(options),
        per_gpu=options.workers_per_gpu,
    )
    check_makeable(sampler, options.pruner)
    refuse_replaced_keys(worker.repeats, bases.overrides, dimensions)
    samples = _samples(composer)
    points = [*corners(dimensions), *samples]
    of_study = _fingerprint(worker, options, points)
    known = warm_start(options, worker.spec, of_study, bases, dimensions)
    if is_grid:
        known = WarmStart()
    first += [point for point in known.points if point not in first]
    warnings += known.notes
    rivals = decided(composer.suggest, [defaults] if is_grid else first)
    plan = StudyPlan(worker, config, options, of_study, first, known, warnings, samples, rivals)
    if plan.seeds:
        _check_refit(plan, points)
    return plan


def _fingerprint(worker: Worker, options: DictConfig, points: Sequence[Point]) -> Fingerprint:
    """Checks some points of a study and returns its fingerprint."""
    bases, dimensions = worker.composer.bases, worker.composer.dimensions
    facts = _check_points(worker, points, _function(options, "check"))
    choices = dict.fromkeys(tuple(groups_of(point, dimensions)) for point in points)
    return fingerprint(
        [(groups, bases(groups)) for groups in choices],
        dimensions,
        worker.spec.directions,
        options.ignore,
        facts,
        worker.repeats,
        options.custom_search_space,
    )


def _spec(options: DictConfig, folder: Path, n_trials: int) -> StudySpec:
    return StudySpec(
        name=options.study_name or folder.name,
        folder=folder,
        storage=options.storage,
        directions=directions_of(options),
        n_trials=n_trials,
        max_failures=options.max_failures,
        trial_timeout=options.trial_timeout,
        names=NamesConf(**options.names),
    )


def _has_time(plan: StudyPlan) -> bool:
    """Returns whether another start of the command would be another study."""
    is_named = plan.options.storage and plan.options.study_name
    return "${now:" in str(unresolved(plan.config.hydra.sweep, "dir")) and not is_named


def _samples(composer: TrialComposer) -> list[Point]:
    """Returns random points, so few that all of them can be checked."""
    try:
        samples = random_points(composer.suggest, SAMPLES)
    except Exception as error:  # of whatever kind: it comes from the application's function
        raise ConfigError(f"hydra.sweeper.custom_search_space: {describe_error(error)}") from error
    fixed = {plain(parse_override(line).get_key_element()) for line in composer.bases.overrides}
    for name in {plain(name) for sample in samples for name in sample} & fixed:
        raise ConfigError(f"{name} is set, but hydra.sweeper.custom_search_space suggests it")
    return samples


def _check_points(
    worker: Worker, points: Sequence[Point], check: Callable[..., Any] | None
) -> Mapping[str, str]:
    """Composes the configurations of points and has the application check them."""
    composer = worker.composer
    runs = [(point, 0) for point in points]
    runs += [(points[0], repeat) for repeat in range(1, worker.repeats.count)]
    try:
        configs = [composer.compose(0, p, worker.repeats.overrides_of(n)) for p, n in runs]
    except HydraException:
        # Hydra itself says better what is wrong with a key.
        composer.bases.in_full(as_overrides(points[0], composer.dimensions), 0)
        raise
    except ValueError as error:
        raise ConfigError(f"search space: {error}") from error
    for config in configs:
        with open_dict(config):
            del config["hydra"]  # as Hydra does before it hands a configuration to a task
    if check is None:
        return {}
    facts: Mapping[str, str] = check(configs)
    return facts


def _check_refit(plan: StudyPlan, points: Sequence[Point]) -> None:
    """Makes sure that runs of the refit can be composed, long before they are.

    One point is enough, because an override may be meant for some options of a config group.
    """
    for role in get_args(Role):
        further = plan.overrides_of(role, 0, 1)
        problems = (_why_not(plan.worker.composer, point, further) for point in points)
        first = next(problems)
        if first is not None and all(problems):
            raise ConfigError(f"hydra.sweeper.refit.{role}: {first}")


def _why_not(composer: TrialComposer, point: Point, further: Sequence[str]) -> str | None:
    """Says why a run with further overrides cannot be composed; None if it can."""
    try:
        composer.compose(0, point, further)
    except HydraException as error:
        return one_line(str(error))
    except ValueError:  # they set what was searched, as a refit may
        pass
    return None


def _function(options: DictConfig, name: str) -> Callable[..., Any] | None:
    """Returns the function whose dotted path an option has, if it has one.

    Raises:
        ConfigError: If there is no such function.
    """
    if options[name] is None:
        return None
    try:
        function: Callable[..., Any] = get_method(options[name])
    except Exception as error:  # of whatever kind: its module is imported
        raise ConfigError(f"hydra.sweeper.{name}: {describe_error(error)}") from error
    return function


def _params(config: DictConfig) -> dict[str, Definition]:
    params = config.hydra.sweeper.params
    if params is None:
        return {}
    if not OmegaConf.is_dict(params):
        raise ConfigError(f"hydra.sweeper.params is a mapping like {{KEY: SPACE}}; it is {params}")
    return definitions_of(OmegaConf.to_container(params, resolve=True))


def _resolved(node: DictConfig) -> DictConfig:
    copy = OmegaConf.create(OmegaConf.to_container(node, resolve=True))
    assert isinstance(copy, DictConfig), "made from a mapping"
    return copy
