"""The search of a study, from its journal."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import plotly.graph_objects as go
from hydra_study_sweeper.errors import StudyError
from hydra_study_sweeper.output.figures import FEWEST_FOR_IMPORTANCES, draw
from hydra_study_sweeper.storage.journal import read_journal
from hydra_study_sweeper.storage.trials import counts
from plotly.colors import sample_colorscale

from rnnclf.report.figures import MARGIN

WORST_TO_BEST = ["#9aa5b1", "#d0652c"]


@dataclass(frozen=True)
class Search:
    """A search.

    Attributes:
        states: The number of trials in each state.
        figures: Optuna's figures by name.
        problem: Why figures are missing.
    """

    states: dict[str, int] = field(default_factory=dict)
    figures: dict[str, go.Figure] = field(default_factory=dict)
    problem: str | None = None


def read_search(folder: Path, objective: str) -> Search:
    """Reads the journal in the folder of a study; one that cannot be read is a `problem`.

    `objective` is the name of the values in the figures.
    """
    try:
        study = read_journal(folder)
    except StudyError as error:
        return Search(problem=f"{error}.")
    trials = [trial for trial in study.get_trials(deepcopy=False) if counts(trial)]
    states = Counter(trial.state.name.lower() for trial in trials)
    if len(study.directions) > 1:
        return Search(states, problem="With several objectives there are no figures yet.")
    figures = draw(study, objective)
    if not figures:
        return Search(states, problem="No two complete trials have different values.")
    for figure in figures.values():  # the page has titles and colours of its own
        figure.update_layout(template=None, title=None, plot_bgcolor=None, margin=MARGIN)
    problem = None
    if "parallel_coordinates" in figures:
        figures["parallel_coordinates"] = _recoloured(figures["parallel_coordinates"])
        if "importances" not in figures:
            problem = (
                "The importance of a hyperparameter is drawn if at least "
                f"{FEWEST_FOR_IMPORTANCES} trials are complete and all of them have it."
            )
    return Search(states, figures, problem)


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
