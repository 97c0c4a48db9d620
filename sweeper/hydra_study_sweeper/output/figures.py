"""Figures of a search, most of them Optuna's: `python -m hydra_study_sweeper.output.figures STUDY`.

The command writes `figures.html` into the folder of the study.
"""

import sys
import warnings
from collections.abc import Callable
from functools import partial
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
from optuna.trial import TrialState

from hydra_study_sweeper.errors import SweeperError
from hydra_study_sweeper.files import write_text
from hydra_study_sweeper.output.tuning_curve import plot_tuning_curve
from hydra_study_sweeper.paths import StudyPaths
from hydra_study_sweeper.printable import told
from hydra_study_sweeper.reporting import is_own
from hydra_study_sweeper.storage.journal import read_journal

if TYPE_CHECKING:
    import plotly.graph_objects as go

NO_FIGURES = "figures need one objective, and finite values that differ between trials"
FEWEST_FOR_IMPORTANCES = 10  # fewer trials rank parameters by chance


def drawable(study: optuna.Study) -> dict[str, list[str]]:
    """Returns the figures for which there is enough, each with the parameters in it.

    There is none of a study with several objectives, or whose trials have one finite value, since
    others are not drawn. Parameters that only some trials have are left out of importances: trials
    without them would not count.
    """
    if len(study.directions) > 1:
        return {}
    complete = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    own = (trial for trial in complete if is_own(trial))
    trials = [trial for trial in own if trial.value is not None and isfinite(trial.value)]
    if len({trial.value for trial in trials}) < 2:
        return {}
    names = sorted({name for trial in trials for name in trial.params})
    varied = [name for name in names if len({trial.params.get(name) for trial in trials}) > 1]
    common = [name for name in varied if all(name in trial.params for trial in trials)]
    figures: dict[str, list[str]] = {"history": [], "tuning_curve": []}
    if common and len(trials) >= FEWEST_FOR_IMPORTANCES:
        figures["importances"] = common
    if varied:
        figures["parallel_coordinates"] = varied
    return figures


def draw(study: optuna.Study, objective: str = "objective value") -> "dict[str, go.Figure]":
    """Draws the figures for which there is enough.

    Args:
        study: The study.
        objective: What its values are.
    """
    from optuna import visualization  # here: Plotly takes its time, and is an extra

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        draws: dict[str, Callable[..., go.Figure]] = {
            "history": visualization.plot_optimization_history,
            "tuning_curve": plot_tuning_curve,
            "importances": partial(
                visualization.plot_param_importances,
                # The default of Optuna 5; that of Optuna 4 needs scikit-learn.
                evaluator=optuna.importance.PedAnovaImportanceEvaluator(),
            ),
            "parallel_coordinates": visualization.plot_parallel_coordinate,
        }
        return {
            name: draws[name](
                study, **({"params": params} if params else {}), target_name=objective
            )
            for name, params in drawable(study).items()
        }


def write_figures(study: optuna.Study, folder: Path) -> Path:
    """Writes the figures of a study into its folder, as one page that needs no network.

    Raises:
        ImportError: If Plotly is not installed.
    """
    figures = draw(study).values()
    page = StudyPaths(folder).figures
    parts = [
        # With a name for each, the same study gives the same bytes, which a tracker keeps once.
        figure.to_html(full_html=False, include_plotlyjs=number == 0, div_id=f"figure-{number}")
        for number, figure in enumerate(figures)
    ]
    body = "".join(parts) or NO_FIGURES
    write_text(page, f"<!doctype html><meta charset=utf-8>{body}\n")
    return page


if __name__ == "__main__":
    try:
        print(write_figures(read_journal(Path(sys.argv[1])), Path(sys.argv[1])))
    except OSError as error:
        sys.exit(f"error: {told(error)}")
    except (IndexError, ImportError, SweeperError) as error:
        sys.exit(f"error: {error}; usage: python -m {__spec__.name} STUDY (needs plotly)")
