"""`launcher=...`: where the workers of a study run."""

import importlib.util

import pytest
from hydra.errors import HydraException
from project import compose_sweep

from rnnclf.configuration.complaints import usage_errors
from rnnclf.errors import ConfigError

HAS_RAY = importlib.util.find_spec("ray") is not None


@pytest.mark.parametrize(
    ("launcher", "target"),
    [
        ("local", "BasicLauncher"),
        ("joblib", "JoblibLauncher"),
        ("slurm", "SlurmLauncher"),
        pytest.param("ray", "RayLauncher", marks=[] if HAS_RAY else pytest.mark.cluster),
    ],
)
def test_every_launcher_composes_and_the_command_line_has_the_last_word(launcher, target):
    config = compose_sweep("sweeps=smoke", f"launcher={launcher}", "hydra.sweeper.workers=3")
    assert config.hydra.launcher["_target_"].endswith(f".{target}")
    assert config.hydra.sweeper.workers == 3


@pytest.mark.parametrize("launcher", ["joblib", "slurm"])
def test_a_launcher_is_for_grids_and_single_runs_too(launcher):
    assert compose_sweep(f"launcher={launcher}").hydra.sweeper["_target_"].endswith("BasicSweeper")


def test_hydras_own_spelling_of_a_launcher_has_precedence():
    config = compose_sweep("sweeps=smoke", "hydra/launcher=submitit_local")
    assert config.hydra.launcher["_target_"].endswith(".LocalLauncher")


def test_a_launcher_that_is_not_installed_says_how_it_is_got():
    with pytest.raises(ConfigError, match=r"pip install 'rnnclf\[ray\]'"), usage_errors():
        raise HydraException(
            "In 'hydra/config': Could not find 'hydra/launcher/ray'\n\n"
            "Available options in 'hydra/launcher':\n\tbasic\nConfig search path:\n"
        )
