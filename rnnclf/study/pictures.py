"""Pictures of a search, as Optuna draws them."""

import warnings
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from rnnclf.atomic import replacing
from rnnclf.study.paths import StudyPaths

FEWEST_FOR_IMPORTANCES = 10  # a forest grown on fewer trials ranks parameters by chance


def drawable(study: optuna.Study) -> list[FrozenTrial]:
    """Returns the trials to draw: the complete ones; none if they do not differ in their value."""
    trials = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    return trials if len({trial.value for trial in trials}) > 1 else []


def varied_parameters(trials: Sequence[FrozenTrial]) -> list[str]:
    """Returns the names of the parameters in which trials differ."""
    names = sorted({name for trial in trials for name in trial.params})
    return [name for name in names if len({trial.params.get(name) for trial in trials}) > 1]


def draw(study: optuna.Study, paths: StudyPaths) -> None:
    """Draws history, importances and parallel coordinates, where there is enough to draw.

    Pictures drawn after the last trial ended stay. With several objectives there are none.
    """
    history = paths.picture("history")
    if len(study.directions) > 1 or _is_newer(history, study.get_trials(deepcopy=False)):
        return
    trials = drawable(study)
    if not trials:
        return
    import matplotlib as mpl

    mpl.use("Agg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls its own pictures experimental
        from optuna.visualization import matplotlib as pictures

        _save(pictures.plot_optimization_history(study), history)
        names = varied_parameters(trials)
        if names:
            parallel = pictures.plot_parallel_coordinate(study, params=names)
            _save(parallel, paths.picture("parallel_coordinates"))
        if names and len(trials) >= FEWEST_FOR_IMPORTANCES:
            importances = pictures.plot_param_importances(study, params=names)
            _save(importances, paths.picture("importances"))


def _is_newer(picture: Path, trials: Sequence[FrozenTrial]) -> bool:
    """Tells whether a picture was drawn after all trials had ended."""
    if not picture.exists():
        return False
    drawn = datetime.fromtimestamp(picture.stat().st_mtime)
    return all(
        trial.datetime_complete is None or trial.datetime_complete <= drawn for trial in trials
    )


def _save(axes: Any, path: Path) -> None:
    figure = axes.figure
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, bbox_inches="tight")
    import matplotlib.pyplot as plt

    plt.close(figure)
