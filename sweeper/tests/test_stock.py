"""What applications bring along that used Hydra's own Optuna sweeper."""

import hydra
import pytest
from foreign_study import trials_of
from hydra.errors import HydraException
from omegaconf import OmegaConf
from planning import STUDY, make_plans_of

APP = {"config": STUDY | {"x": 0.5, "z": 0.5, "most": 0.1}}


def near(config, trial):
    """Bounds that depend on a value of the configuration and on one of the trial."""
    x = trial.params["x"]
    trial.suggest_float("z", x - config.most, x + config.most)
    trial.suggest_categorical("+layers", ["[1,2]", "[3]"])


def fail(config, trial):
    raise KeyError("y")


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["n_jobs=3", "max_failure_rate=0.0"], (3, 1)),
        (["max_failure_rate=1.0"], (1, 20)),
    ],
)
def test_options_that_mean_the_same_are_understood(options, found, tmp_path):
    given = [f"hydra.sweeper.{option}" for option in options]
    (plan,) = make_plans_of(tmp_path, APP, "x=interval(0,1)", *given)
    assert (plan.workers, plan.spec.max_failures) == found


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hydra.sweeper.max_failure_rate=0.5"], "hydra.sweeper.max_failures=N"),
        (["hydra.sweeper.search_space={x: {type: float}}"], "is hydra.sweeper.params here"),
        (["hydra.sweeper.n_jobs=-1"], "workers must be at least 1; it is -1"),
        pytest.param(
            ["hydra.sweeper._target_=a.OptunaSweeper"],
            "hydra.sweeper._target_",
            marks=pytest.mark.skipif(hydra.__version__ < "1.4", reason="Hydra 1.3 sets it itself"),
        ),
        (["hydra.sweeper.custom_search_space=test_stock.fail"], "custom_search_space: KeyError"),
        (["hydra.sweeper.custom_search_space=no.such"], "custom_search_space: ImportError"),
        (["hydra.sweeper.custom_search_space=test_stock.near", "z=1"], "z is set, but hydra.sw"),
    ],
)
def test_others_are_refused_with_what_takes_their_place(arguments, message, tmp_path):
    with pytest.raises(HydraException) as caught:
        make_plans_of(tmp_path, APP, "x=interval(0,1)", *arguments)
    assert message in f"{caught.value} {caught.value.__cause__}"


def test_a_function_of_configuration_and_trial_defines_further_values(tmp_path):
    custom = "hydra.sweeper.custom_search_space=test_stock.near"
    (plan,) = make_plans_of(tmp_path, APP, "x=interval(0.0,1.0)", "most=0.01", custom)
    for sample in plan.samples:
        assert abs(sample["z"] - sample["x"]) <= 0.01
        assert sample["+layers"] in ("[1,2]", "[3]")
    (without,) = make_plans_of(tmp_path, APP, "x=interval(0.0,1.0)", "most=0.01")
    assert plan.fingerprint != without.fingerprint


def test_trials_have_its_values_and_scripts_find_the_best(sweep, tmp_path):
    custom = "hydra.sweeper.custom_search_space=app.near_x"
    assert sweep(custom, "outcome=near", "hydra.sweeper.n_trials=2").returncode == 0
    best = max(trials_of(tmp_path / "study"), key=lambda trial: trial.value)
    assert best.value == best.params["x"] + best.params["+y"]
    results = OmegaConf.load(tmp_path / "study" / "optimization_results.yaml")
    assert results == {"name": "optuna", "best_params": best.params, "best_value": best.value}


@pytest.mark.parametrize(
    ("arguments", "is_told"),
    [
        ([], True),
        (["hydra.sweep.dir=study"], False),
        (["hydra.sweeper.storage=sqlite:///s.db", "hydra.sweeper.study_name=s"], False),
    ],
)
def test_a_folder_with_the_time_in_it_is_told_of(arguments, is_told, tmp_path):
    app = {"config": {"defaults": STUDY["defaults"], "x": 0.5}}
    (plan,) = make_plans_of(tmp_path, app, "x=interval(0.0,1.0)", *arguments)
    assert any("the next start will be another study" in w for w in plan.warnings) == is_told
