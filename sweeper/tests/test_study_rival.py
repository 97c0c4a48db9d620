"""The best known point stays unless the winner of a search is better, seed by seed.

The default of the foreign application, x=0.5, is the least of SPACE, so that trial 1 wins.
"""

import json
import re
import signal
from pathlib import Path

import pytest
import yaml
from foreign_study import trials_of
from hydra_study_sweeper.intervals import advantage, seed_values
from hydra_study_sweeper.records import Comparison, read_study
from planning import STUDY, make_plans_of
from processes import Program, wait_until

SPACE = "hydra.sweeper.params.x='interval(0.5,1.0)'"
FINAL = "hydra.sweeper.refit.final=['name=final-{seed}']"
BETTER = [SPACE, FINAL, "hydra.sweeper.refit.validation=['name=validate-{seed}']"]
# Every validation run has the value 1, so that the winner was only lucky.
LUCKY = [SPACE, FINAL, "hydra.sweeper.refit.validation=['name=validate-{seed}','outcome=one']"]
WORSE = "hydra.sweeper.refit.validation=['name=validate-{seed}','outcome=opposite']"
COMMAND = ("hydra.sweeper.n_trials=2", "hydra.sweeper.refit.seeds=2")
KEEP_WEIGHTS = "hydra.sweeper.weights=[app.log]"


def compared(winner: list[float], rival: list[float], direction: str = "maximize") -> Comparison:
    both = advantage(winner, rival, maximize=direction == "maximize")
    return Comparison(1, 0, "0", seed_values(winner), seed_values(rival), *both)


def study_of(folder: Path) -> dict:
    return json.loads((folder / "study" / "study.json").read_text())


def roles_of(folder: Path, trial: int) -> list[str]:
    return [run.user_attrs["role"] for run in trials_of(folder / "study" / f"refit-of-{trial}")]


def complete_roles_of(folder: Path, trial: int) -> list[str]:
    runs = trials_of(folder / "study" / f"refit-of-{trial}")
    return [run.user_attrs["role"] for run in runs if run.state.name == "COMPLETE"]


def interrupt_at(run: Path, process: Program) -> None:
    """Presses Ctrl-C when a run of the refit has begun."""
    wait_until(run.exists, process)
    process.send_signal(signal.SIGINT)
    assert process.wait().returncode != 0


def weights_of(folder: Path) -> list[str]:
    paths = (folder / "study").glob("refit-of-*/*/app.log")
    return [str(path.parent.relative_to(folder / "study")) for path in paths]


# The rule


@pytest.mark.parametrize(
    ("winner", "rival", "better_by", "error", "stays"),
    [
        ([0.8, 0.9, 1.0], [0.7, 0.8, 0.9], 0.1, 0, True),  # better by as much with every seed
        ([0.8, 0.9], [0.8, 0.9], 0, 0, False),  # equal
        ([0.7, 0.8, 0.9], [0.8, 0.9, 1.0], -0.1, 0, False),  # worse
        ([0.6, 0.9], [0.5, 0.5], 0.25, 0.15, True),  # two seeds: better with both
        ([0.5, 0.9], [0.5, 0.5], 0.2, 0.2, True),  # better with one of two
        ([0.9, 0.6, 0.4], [0.5, 0.5, 0.5], 0.4 / 3, (0.19 / 9) ** 0.5, True),
        ([0.6, 0.6, 0.1], [0.5, 0.5, 0.5], -0.2 / 3, 0.5 / 3, False),  # better with two of three
    ],
)
def test_the_winner_stays_if_it_is_better_in_the_mean_over_the_seeds(
    winner, rival, better_by, error, stays
):
    found = compared(winner, rival)
    assert (found.better_by, found.standard_error) == pytest.approx((better_by, error), abs=1e-12)
    assert found.winner_stays == stays
    losses = [[-value for value in values] for values in (winner, rival)]
    assert compared(*losses, "minimize").winner_stays == stays, "the lower is then the better"


def test_pairs_of_seeds_tell_more_than_their_means():
    """Seeds that are easy or hard for both make the values vary, and not the differences."""
    winner, rival = [0.50, 0.70, 0.90], [0.49, 0.68, 0.88]
    assert compared(winner, rival).standard_error < 0.01
    assert compared(winner, rival[::-1]).standard_error > 0.2


# Studies


def test_a_winner_that_was_only_lucky_leaves_the_final_model_to_the_defaults(sweep, tmp_path):
    done = sweep(*COMMAND, *LUCKY, KEEP_WEIGHTS)
    assert done.returncode == 0, done.stdout
    study = study_of(tmp_path)
    assert study["best"][0]["number"] == 1, "the winner of the search is still said"
    refit = study["refit"]
    assert (refit["trial"], refit["validation"]["values"]) == (0, [1, 1])
    comparison = refit["comparison"]
    assert (comparison["winner"], comparison["rival"], comparison["folder"]) == (1, 0, "0")
    assert comparison["of_winner"]["values"] == comparison["of_rival"]["values"] == [1, 1]
    assert refit["final"]["values"] == [0.5, 0.5], "final runs have the defaults"
    assert roles_of(tmp_path, 1) == 2 * ["validation"]
    assert roles_of(tmp_path, 0) == 2 * ["validation"] + 2 * ["final"]
    assert weights_of(tmp_path) == [refit["model"]["folder"]]
    assert read_study(tmp_path / "study").chosen == "0"
    assert yaml.safe_load((tmp_path / "study" / "best.yaml").read_text())["x"] == 0.5
    said = " ".join(re.sub(r"^(\[.*?\])+ *", "", line) for line in done.stdout.splitlines())
    assert "then 2 validation runs each of the winner and its rival, and 2 final runs" in said
    assert "refit of trial 0, validation runs of the rival: 2 to go" in said
    assert (
        "value of its rival over seeds: 1.0000 ± 0.0000, 2 seeds "
        "trial 0, whose point was known before the search x=0.5 "
        "the winner is not better than its rival (+0.0000, standard error 0.0000), "
        "so the final model has the parameters of trial 0"
    ) in said
    assert f"trial 0's exact configuration: {Path('study', 'best.yaml')}" in said

    assert sweep(*COMMAND, *LUCKY, KEEP_WEIGHTS).returncode == 0
    assert study_of(tmp_path) == study, "the same command decides the same"
    assert [len(roles_of(tmp_path, trial)) for trial in (0, 1)] == [4, 2], "and runs nothing"


@pytest.mark.parametrize("option", ["enqueue", "warm_start"])
def test_the_rival_is_the_best_of_the_points_that_the_user_gave(option, sweep, tmp_path):
    points = f"hydra.sweeper.{option}=[{{x:0.55}},{{x:0.6}},{{x:0.52}}]"
    command = ("hydra.sweeper.n_trials=10", "hydra.sweeper.sampler.seed=1", *COMMAND[1:])
    done = sweep(*command, *LUCKY, points)
    assert done.returncode == 0, done.stdout
    study = read_study(tmp_path / "study")
    assert study.best[0].number > 3, "the sampler has found a better one"
    assert (study.refit.trial, study.chosen) == (2, "2")
    assert yaml.safe_load((tmp_path / "study" / "best.yaml").read_text())["x"] == 0.6
    said = " ".join(re.sub(r"^(\[.*?\])+ *", "", line) for line in done.stdout.splitlines())
    assert "so the final model has the parameters of trial 2" in said


def test_the_rival_in_a_grid_has_the_defaults(sweep, tmp_path):
    grid = ("hydra/sweeper/sampler=grid", "x=choice(0.5,0.6,0.7)", *COMMAND[1:])
    done = sweep(*grid, *LUCKY[1:])
    assert done.returncode == 0, done.stdout
    comparison = read_study(tmp_path / "study").refit.comparison
    assert (comparison.winner, comparison.rival) == (2, 0)


def test_a_grid_says_that_it_tries_no_other_points(tmp_path):
    files = {"config": {"x": 1} | STUDY}
    grid = ("hydra/sweeper/sampler=grid", "x=choice(2,3)", "hydra.sweeper.enqueue=[{x:3}]")
    (plan,) = make_plans_of(tmp_path, files, *grid)
    assert plan.warnings == ["hydra.sweeper.enqueue is left out: a grid tries its own points"]


def test_a_better_winner_stays_also_when_the_least_is_the_best(sweep, tmp_path):
    space = "hydra.sweeper.params.x='interval(0.0,0.5)'"
    done = sweep(*COMMAND, *BETTER[1:], space, "hydra.sweeper.direction=minimize", KEEP_WEIGHTS)
    assert done.returncode == 0, done.stdout
    refit = study_of(tmp_path)["refit"]
    x = read_study(tmp_path / "study").best[0].params["x"]
    assert (refit["trial"], refit["comparison"]["winner"]) == (1, 1)
    assert refit["comparison"]["better_by"] == pytest.approx(0.5 - x)
    assert roles_of(tmp_path, 0) == 2 * ["validation"]
    assert weights_of(tmp_path) == [refit["model"]["folder"]]
    assert f"the winner is better than its rival ({0.5 - x:+.4f}, " in done.stdout


@pytest.mark.parametrize(
    "without",
    [
        ["hydra.sweeper.refit.keep_known=false"],
        ["hydra.sweeper.refit.seeds=1"],  # no standard error
        ["hydra.sweeper.params.x='interval(0.6,1.0)'"],  # the default is outside
        ["outcome=near", "hydra.sweeper.custom_search_space=app.near_x"],  # it suggests y as well
    ],
)
def test_without_another_seed_or_without_defaults_nothing_is_compared(without, sweep, tmp_path):
    done = sweep(*COMMAND, *LUCKY, *without)
    assert done.returncode == 0, done.stdout
    refit = study_of(tmp_path)["refit"]
    assert refit["comparison"] is None
    assert "rival" not in done.stdout
    assert len(list(tmp_path.glob("study/refit-of-*"))) == 1


def test_defaults_that_were_pruned_in_the_search_have_lost_already(sweep, tmp_path):
    pruner = "++hydra.sweeper.pruner={_target_:optuna.pruners.ThresholdPruner,lower:0.55}"
    done = sweep(*COMMAND, *LUCKY, pruner, "steps=1", "hydra.sweeper.enqueue=[{x:0.9}]")
    assert done.returncode == 0, done.stdout
    study = study_of(tmp_path)
    assert study["states"] == {"pruned": 1, "complete": 1}
    assert (study["refit"]["trial"], study["refit"]["comparison"]) == (1, None)
    assert "the winner has no rival: no other trial with a known point is complete" in done.stdout


def test_ctrl_c_while_the_defaults_are_measured_loses_nothing(start_sweep, tmp_path):
    command = (*COMMAND, *LUCKY, "steps=1", "seconds=0.5")
    interrupt_at(tmp_path / "study" / "refit-of-0" / "0", start_sweep(*command))
    assert study_of(tmp_path)["refit"] is None
    measured = len(trials_of(tmp_path / "study" / "refit-of-1"))
    assert start_sweep(*command).wait().returncode == 0
    refit = study_of(tmp_path)["refit"]
    assert (refit["trial"], refit["failed"]) == (0, 0)
    assert len(trials_of(tmp_path / "study" / "refit-of-1")) == measured == 2


def test_when_the_defaults_cannot_be_measured_the_winner_has_the_model_and_it_is_said(
    sweep, tmp_path
):
    """The folder of the first run cannot be made, since a file is there."""
    obstacle = tmp_path / "study" / "refit-of-0" / "0"
    assert sweep(*COMMAND, *LUCKY, "hydra.sweeper.refit.seeds=0").returncode == 0
    obstacle.parent.mkdir()
    obstacle.touch()
    done = sweep(*COMMAND, *LUCKY)
    assert done.returncode == 0, done.stdout
    refit = study_of(tmp_path)["refit"]
    assert (refit["trial"], refit["comparison"], refit["failed"]) == (1, None, 1)
    said = " ".join(done.stdout.split())
    assert "that takes two seeds with validation runs of both; there is one" in said
    assert "1 run of the refit failed; the same command tries again" in done.stdout
    assert sweep(*COMMAND, *LUCKY).returncode == 0
    refit = study_of(tmp_path)["refit"]
    assert (refit["trial"], refit["failed"]) == (0, 0)
    assert roles_of(tmp_path, 0) == 3 * ["validation"] + 2 * ["final"]


def test_a_study_without_time_left_decides_as_before(sweep, tmp_path):
    command = (*COMMAND, *LUCKY, "steps=1", "seconds=0.2")
    assert sweep(*command, "hydra.sweeper.minutes=1").returncode == 0
    before = study_of(tmp_path)
    assert before["refit"]["trial"] == 0
    assert sweep(*command, "hydra.sweeper.minutes=0.06").returncode == 0
    assert study_of(tmp_path) == before
    assert [len(roles_of(tmp_path, trial)) for trial in (0, 1)] == [4, 2]


def test_runs_that_an_interruption_left_queued_are_not_run_without_time(start_sweep, tmp_path):
    """They would be cut short, and so be worse than those of the winner."""
    command = (*COMMAND, *BETTER, "steps=1", "seconds=0.5", "hydra.sweeper.workers=1")
    interrupt_at(tmp_path / "study" / "refit-of-0" / "0", start_sweep(*command))
    assert start_sweep(*command, "hydra.sweeper.minutes=0.06").wait().returncode == 0
    assert study_of(tmp_path)["refit"]["comparison"] is None
    assert not complete_roles_of(tmp_path, 0)
    assert complete_roles_of(tmp_path, 1) == [*2 * ["validation"], "final"]
    assert start_sweep(*command).wait().returncode == 0
    assert study_of(tmp_path)["refit"]["comparison"]["of_rival"]["values"] == [0.5, 0.5]


def test_final_runs_that_an_interruption_left_queued_are_not_run_if_the_other_stays(
    start_sweep, tmp_path
):
    """With other validation runs, another trial has the final model."""
    search = (*COMMAND, "steps=1", "seconds=0.5", "hydra.sweeper.workers=1")
    interrupt_at(tmp_path / "study" / "refit-of-0" / "2", start_sweep(*search, *LUCKY))
    more = (SPACE, FINAL, "hydra.sweeper.refit.validation=[]", "hydra.sweeper.refit.seeds=5")
    assert start_sweep(*search, *more).wait().returncode == 0
    assert study_of(tmp_path)["refit"]["trial"] == 1
    assert complete_roles_of(tmp_path, 0) == 5 * ["validation"]


def test_an_interrupted_final_run_of_the_rival_is_continued(start_sweep, tmp_path):
    """The trial that retries it has its folder, where an application may have saved its state."""
    command = (*COMMAND, *LUCKY, "steps=1", "seconds=0.5", "hydra.sweeper.workers=1")
    interrupt_at(tmp_path / "study" / "refit-of-0" / "2", start_sweep(*command))
    assert start_sweep(*command).wait().returncode == 0
    runs = trials_of(tmp_path / "study" / "refit-of-0")
    assert [run.user_attrs.get("retry_of") for run in runs] == [None, None, None, None, 2]
    assert [run.state.name for run in runs] == [*2 * ["COMPLETE"], "FAIL", *2 * ["COMPLETE"]]


def test_a_rival_that_stayed_keeps_the_model_when_a_single_seed_is_asked_for(sweep, tmp_path):
    assert sweep(*COMMAND, *LUCKY).returncode == 0
    before = study_of(tmp_path)
    done = sweep(*COMMAND, *LUCKY, "hydra.sweeper.refit.seeds=1")
    assert done.returncode == 0, done.stdout
    assert study_of(tmp_path) == before
    assert [len(roles_of(tmp_path, trial)) for trial in (0, 1)] == [4, 2], "nothing is run"


def test_a_study_without_time_for_the_comparison_says_so(sweep, tmp_path):
    search = ("hydra.sweeper.n_trials=2", *LUCKY, "steps=1", "seconds=0.5")
    assert sweep(*search).returncode == 0
    done = sweep(*search, "hydra.sweeper.refit.seeds=2", "hydra.sweeper.minutes=0.1")
    assert done.returncode == 0, done.stdout
    assert "there is no time to compare the winner with trial 0" in done.stdout
    assert study_of(tmp_path)["refit"]["comparison"] is None


def test_a_continued_study_with_another_rival_measures_no_trial_twice(sweep, tmp_path):
    command = (*COMMAND, *BETTER[:2], WORSE, KEEP_WEIGHTS)
    for points in ("{x:0.7}", "{x:0.7},{x:0.9}"):
        more = (
            f"hydra.sweeper.enqueue=[{points}]",
            f"hydra.sweeper.n_trials={1 + points.count('x')}",
        )
        done = sweep(*command, *more)
        assert done.returncode == 0, done.stdout
    refit = study_of(tmp_path)["refit"]
    assert (refit["trial"], refit["comparison"]["winner"]) == (1, 2)
    assert "the winner is not better than its rival (-0.2000, " in done.stdout
    assert roles_of(tmp_path, 0) == 2 * ["validation"] + 2 * ["final"], "as the rival of before"
    assert roles_of(tmp_path, 1) == 2 * ["validation"] + 2 * ["final"]
    assert roles_of(tmp_path, 2) == 2 * ["validation"]
    assert refit["model"]["folder"] in weights_of(tmp_path)


def test_a_study_from_before_the_comparison_is_continued_and_keeps_its_model(sweep, tmp_path):
    before = (*COMMAND, *LUCKY, KEEP_WEIGHTS, "hydra.sweeper.refit.keep_known=false")
    assert sweep(*before).returncode == 0
    study = study_of(tmp_path)
    model = study["refit"]["model"]["folder"]
    del study["refit"]["comparison"]
    (tmp_path / "study" / "study.json").write_text(json.dumps(study))
    done = sweep(*before[:-1])
    assert done.returncode == 0, done.stdout
    refit = study_of(tmp_path)["refit"]
    assert (refit["trial"], refit["comparison"]["winner"]) == (0, 1)
    assert sorted(weights_of(tmp_path)) == sorted([refit["model"]["folder"], model])
    assert roles_of(tmp_path, 1) == 2 * ["validation", "final"], "nothing of it is run again"


# Plans


@pytest.mark.parametrize(
    ("space", "enqueue", "rivals"),
    [
        ("x=interval(0,1)", ["{x:0.5}"], [{"x": 0.25}, {"x": 0.5}]),
        ("x=interval(0.5,1)", ["{x:0.6}"], [{"x": 0.6}]),  # the default is outside
        (
            "+hydra.sweeper.params.y={when:{x:1},space:'choice(2,3)'} x=choice(0.25,1)",
            ["{x:0.25,y:3}", "{x:1,y:3}"],  # the first y does not apply
            [{"x": 0.25}, {"x": 0.25}, {"x": 1, "y": 3}],
        ),
    ],
)
def test_known_points_decide_all_of_a_trial(space, enqueue, rivals, tmp_path):
    files = {"config": {"x": 0.25, "y": 2} | STUDY}
    points = f"hydra.sweeper.enqueue=[{','.join(enqueue)}]"
    (plan,) = make_plans_of(tmp_path, files, *space.split(" "), points)
    assert plan.rivals == rivals


def test_a_plan_tells_and_counts_the_runs_of_the_rival(tmp_path):
    refit = ("hydra.sweeper.refit.seeds=5", "x=choice(1,2)")
    files = {"config": {"x": 1} | STUDY}
    (plan,) = make_plans_of(tmp_path, files, *refit)
    assert plan.rivals == [{"x": 1}]
    assert "then 5 validation runs each of the winner and its rival, and 5 final" in plan.how()
    assert plan.queued.refit == 15
    (plan,) = make_plans_of(tmp_path, files, *refit, "hydra.sweeper.refit.keep_known=false")
    assert "then 5 validation runs and 5 final runs" in plan.how()
    assert plan.queued.refit == 10
