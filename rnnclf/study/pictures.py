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


def drawable(study: optuna.Study) -> dict[str, list[str]]:
    """Returns what there is enough to draw, with the parameters in each picture.

    There is no picture of a study with several objectives, or whose trials have one value. Of
    importances there is none for a parameter that only some trials have: trials without it would
    not be counted.
    """
    if len(study.directions) > 1:
        return {}
    trials = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    if len({trial.value for trial in trials}) < 2:
        return {}
    names = sorted({name for trial in trials for name in trial.params})
    varied = [name for name in names if len({trial.params.get(name) for trial in trials}) > 1]
    common = [name for name in varied if all(name in trial.params for trial in trials)]
    pictures: dict[str, list[str]] = {"history": []}
    if varied:
        pictures["parallel_coordinates"] = varied
    if common and len(trials) >= FEWEST_FOR_IMPORTANCES:
        pictures["importances"] = common
    return pictures


def draw(study: optuna.Study, paths: StudyPaths) -> None:
    """Draws the pictures for which there is enough, unless they are newer than the last trial."""
    history = paths.picture("history")
    parameters = drawable(study)
    if not parameters or _is_newer(history, study.get_trials(deepcopy=False)):
        return
    import matplotlib as mpl

    mpl.use("Agg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls its own pictures experimental
        from optuna.visualization import matplotlib as optuna_pictures

        if names := parameters.get("parallel_coordinates"):
            parallel = optuna_pictures.plot_parallel_coordinate(study, params=names)
            _save(parallel, paths.picture("parallel_coordinates"))
        if names := parameters.get("importances"):
            importances = optuna_pictures.plot_param_importances(study, params=names)
            _save(importances, paths.picture("importances"))
        # The last, since its age is that of all.
        _save(optuna_pictures.plot_optimization_history(study), history)


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
