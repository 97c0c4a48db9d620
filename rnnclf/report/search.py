"""What a study's journal tells of the search."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import optuna
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from rnnclf.errors import StudyError
from rnnclf.report.figures import MARGIN
from rnnclf.study.journals import open_journals
from rnnclf.study.paths import StudyPaths
from rnnclf.study.pictures import FEWEST_FOR_IMPORTANCES, drawable
from rnnclf.study.trials import counts

OBJECTIVE = "validation accuracy"
WORST_TO_BEST = ["#9aa5b1", "#d0652c"]


@dataclass(frozen=True)
class Search:
    """What was searched, and how it went.

    Attributes:
        states: How many trials ended (or run) in which state.
        figures: Optuna's figures by what they show.
        problem: Why there are none, or fewer.
    """

    states: dict[str, int] = field(default_factory=dict)
    figures: dict[str, go.Figure] = field(default_factory=dict)
    problem: str | None = None


def read_search(folder: Path) -> Search:
    """Reads the journal in the folder of a study; one that cannot be read is a `problem`."""
    journal = StudyPaths(folder).journal
    if not journal.exists():
        return Search(problem=f"There is no {journal.name} in the folder of the study.")
    try:
        storage = open_journals([journal])
    except StudyError as error:
        return Search(problem=f"{error}.")
    names = optuna.get_all_study_names(storage)
    if len(names) != 1:
        return Search(problem=f"{journal} has {len(names)} studies in it instead of one.")
    study = optuna.load_study(study_name=names[0], storage=storage)
    trials = [trial for trial in study.get_trials(deepcopy=False) if counts(trial)]
    states = Counter(trial.state.name.lower() for trial in trials)
    if len(study.directions) > 1:
        return Search(states, problem="With several objectives there are no figures yet.")
    parameters = drawable(study)
    if not parameters:
        return Search(states, problem="There is too little to draw: the trials have one value.")
    problem = None
    if "parallel_coordinates" in parameters and "importances" not in parameters:
        problem = (
            "How much a hyperparameter mattered is drawn "
            f"where at least {FEWEST_FOR_IMPORTANCES} complete trials, and all of them, have it."
        )
    return Search(states, _draw(study, parameters), problem)


def _draw(study: optuna.Study, parameters: Mapping[str, list[str]]) -> dict[str, go.Figure]:
    from optuna import visualization

    history = visualization.plot_optimization_history(study, target_name=OBJECTIVE)
    figures = {"history": _plain(history)}
    if names := parameters.get("importances"):
        figures["importances"] = _plain(
            visualization.plot_param_importances(study, params=names, target_name=OBJECTIVE)
        )
    if names := parameters.get("parallel_coordinates"):
        parallel = visualization.plot_parallel_coordinate(
            study, params=names, target_name=OBJECTIVE
        )
        figures["parallel_coordinates"] = _recoloured(_plain(parallel))
    return figures


def _plain(figure: go.Figure) -> go.Figure:
    """Takes away what the page has: title and colours."""
    return figure.update_layout(template=None, title=None, plot_bgcolor=None, margin=MARGIN)


def _recoloured(parallel: go.Figure) -> go.Figure:
    """Gives the lines colours that can be seen on a light and on a dark page.

    The first axis is the objective from 0 to 1; the last trace is only a colour bar for it.
    """
    parallel.data = parallel.data[:-1]
    for trace in parallel.data:
        trace.line = {"color": sample_colorscale(WORST_TO_BEST, trace.y[0])[0], "width": 1.8}
        trace.opacity = 0.7
    parallel.update_annotations(font={"color": None, "size": 10})
    return parallel.update_layout(margin_r=120)  # the last label is slanted
