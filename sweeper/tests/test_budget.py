"""A study with `minutes` ends with them, refit included, over all starts of its command."""

import json
import time
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace

import optuna
import pytest
from foreign_study import trials_of
from hydra_study_sweeper import report, time_is_up
from hydra_study_sweeper.budget import FINAL_RUN, LATE, Budget, Took
from hydra_study_sweeper.options import NamesConf, StudySpec
from hydra_study_sweeper.output.progress import describe
from hydra_study_sweeper.reporting import CUT, STEPS, TAKEN_FROM, current
from hydra_study_sweeper.storage.existing import seconds_spent
from hydra_study_sweeper.storage.trials import REASON, Trials

REFIT = (
    "hydra.sweeper.refit.seeds=3",
    "hydra.sweeper.refit.validation=['name=validate-{seed}']",
    "hydra.sweeper.refit.final=['name=final-{seed}']",
)


def test_the_search_leaves_time_for_as_many_seeds_as_a_third_of_it_has_room_for():
    budget = Budget(seconds=600, ends=1600, seeds=5, workers=2, repeats=1)
    pair = 1 + FINAL_RUN  # a validation run and a final run
    for trial, refit in (
        (10, LATE * 3 * pair * 10),  # five seeds, two at a time
        (40, LATE * 2 * pair * 40),  # four seeds
        (80, LATE * 1 * pair * 80),  # two seeds
        (300, FINAL_RUN * 300),  # one final run
    ):
        assert budget.search_ends([Took(trial, trial)]) == pytest.approx(1600 - refit)
    usual = Took(10, 10)
    assert budget.search_ends([usual, usual, Took(999, 999)]) == budget.search_ends([usual])
    cut_off = Took(1, 1)
    assert budget.search_ends([usual, cut_off, cut_off]) == budget.search_ends([usual])
    long = Took(300, 300)
    assert budget.search_ends([long, cut_off, cut_off]) == budget.search_ends([long])
    # A final run is as long as the winner, which had no time for its last steps.
    assert budget.search_ends([Took(50, 900)]) == pytest.approx(1600 - FINAL_RUN * 50)


def test_the_defaults_are_measured_if_that_leaves_time_for_two_seeds():
    budget = Budget(seconds=600, ends=1600, seeds=5, workers=2, repeats=1, compares=True)
    pair = 1 + FINAL_RUN
    for trial, refit in (
        (10, LATE * 3 * (1 + pair) * 10),  # five seeds, two at a time, of winner and defaults
        (30, LATE * 2 * (1 + pair) * 30),  # four
        (60, LATE * 1 * (1 + pair) * 60),  # two
        (80, LATE * 1 * pair * 80),  # two, without the defaults
        (300, FINAL_RUN * 300),
    ):
        assert budget.search_ends([Took(trial, trial)]) == pytest.approx(1600 - refit)
    one_at_a_time = replace(budget, workers=1)
    one_seed = pytest.approx(1600 - LATE * pair * 60)
    assert one_at_a_time.search_ends([Took(60, 60)]) == one_seed


@pytest.mark.parametrize(("trial", "seeds"), [(10, 5), (30, 4), (60, 2)])
def test_a_search_that_ends_with_its_last_step_leaves_the_seeds_that_were_planned(
    trial, seeds, monkeypatch
):
    budget = Budget(seconds=600, ends=1600, seeds=5, workers=2, repeats=1, compares=True)
    usual = Took(trial, trial)
    ended = budget.search_ends([usual]) + 0.2 * trial
    monkeypatch.setattr(time, "time", lambda: ended)
    assert budget.fitting_seeds(usual, usual) == seeds


def test_the_refit_plans_for_the_longer_of_winner_and_rival():
    winner, rival = Took(10, 10), Took(20, 20)
    for left, seeds in ((1000, 5), (2 * (30 + 20 * FINAL_RUN) + 1, 4), (60, 2), (50, 0)):
        budget = Budget(600, time.time() + left, seeds=5, workers=2, repeats=1)
        assert budget.fitting_seeds(winner, rival) == seeds, left
    assert Budget(600, time.time() + 50, 5, workers=1, repeats=1).fitting_seeds(winner) == 2


def test_a_search_that_knows_no_trial_yet_leaves_more_than_half_for_the_final_run():
    budget = Budget(seconds=600, ends=1600, seeds=5, workers=2, repeats=1)
    assert budget.search_ends([]) == pytest.approx(1000 + 0.45 * 600)
    assert Budget(600, 1600, seeds=0, workers=2, repeats=1).search_ends([]) == 1600


def test_a_single_final_run_leaves_time_for_its_test():
    budget = Budget(seconds=600, ends=1600, seeds=5, workers=2, repeats=1)
    alone = budget.for_a_final_run(Took(100, 200))
    assert (alone.ends, alone.seeds) == (1600 - 0.15 * 100, 0)


def test_a_refit_has_as_many_seeds_as_are_left_time_for():
    for left, seeds in ((1000, 5), (100, 4), (50, 2), (20, 0), (-20, 0)):
        budget = Budget(600, time.time() + left, seeds=5, workers=2, repeats=1)
        assert budget.fitting_seeds(Took(9, 20)) == seeds, left


def test_time_counts_once_for_trials_that_ran_at_once_and_not_for_lost_workers(tmp_path):
    spec = StudySpec("study", tmp_path, None, ("maximize",), 9, 9)
    start = datetime(2026, 1, 1, 12)

    def ran(begin: float, end: float, reason: str = "") -> optuna.trial.FrozenTrial:
        trial = optuna.trial.create_trial(value=1.0, user_attrs={REASON: reason})
        trial.datetime_start = start + timedelta(seconds=begin)
        trial.datetime_complete = start + timedelta(seconds=end)
        return trial

    trials = [ran(0, 10), ran(5, 15), ran(6, 8), ran(100, 110), ran(120, 9999, "WorkerLost: x")]
    trials += [ran(200, 190)]  # the clock was set back
    Trials(spec).study.add_trials(trials)
    assert seconds_spent(spec) == 25
    assert [Took.of(trial).seconds for trial in trials[::5]] == [10, 0]


def test_a_trial_that_was_cut_short_takes_the_time_of_all_its_steps_in_full():
    start = datetime(2026, 1, 1, 12)
    for attributes, in_full in (({CUT: True, STEPS: 8}, 40), ({STEPS: 8}, 10), ({CUT: True}, 10)):
        trial = optuna.trial.create_trial(
            value=1.0, intermediate_values={0: 0.5, 1: 1.0}, user_attrs=attributes
        )
        trial.datetime_start, trial.datetime_complete = start, start + timedelta(seconds=10)
        assert Took.of(trial) == Took(10, in_full)


def test_the_search_leaves_the_winner_its_time_whenever_it_came(tmp_path):
    budget = Budget(600, time.time() + 600, seeds=1, workers=1, repeats=1)
    spec = StudySpec("study", tmp_path, None, ("maximize",), 9, 9, budget=budget)
    start = datetime(2026, 1, 1, 12)
    trials = [optuna.trial.create_trial(value=value) for value in (0.1, 0.9, 0.1)]
    for trial, seconds in zip(trials, (1, 20, 1), strict=True):
        trial.datetime_start, trial.datetime_complete = start, start + timedelta(seconds=seconds)
    Trials(spec).study.add_trials(trials)
    assert Trials(spec).end_of_trials() == budget.search_ends([Took(20, 20)])


def test_the_screen_marks_a_trial_that_was_cut_short():
    for attributes, said in (({CUT: True}, "0.5000, cut short "), ({}, "0.5000 ")):
        trial = optuna.trial.create_trial(value=0.5, user_attrs=attributes)
        assert said in describe(trial, [], NamesConf())


OWN, EARLIER = SimpleNamespace(user_attrs={}), SimpleNamespace(user_attrs={TAKEN_FROM: ["e", 0]})


@pytest.mark.parametrize(
    ("asks", "complete"),
    [(False, [OWN]), (False, []), (False, [EARLIER]), (True, [OWN])],
)
def test_a_trial_is_pruned_when_the_time_is_up_unless_it_ends_itself_or_is_the_first(
    asks, complete
):
    trial = SimpleNamespace(
        study=SimpleNamespace(
            directions=["maximize"], get_trials=lambda deepcopy, states: complete
        ),
        report=lambda value, step: None,
        should_prune=lambda: False,
        user_attrs={},
        set_user_attr=lambda key, value: None,
    )
    settings = {"is_refit": False, "reports": True, "step_name": "epoch"}
    with current(trial, ends=time.time() + 60, **settings):
        report(0.5, 1)
        assert not time_is_up()
    with current(trial, ends=time.time() - 1, **settings):
        assert not asks or time_is_up()
        is_pruned = pytest.raises(optuna.TrialPruned, match="at epoch 1, since the time is up")
        with is_pruned if OWN in complete and not asks else nullcontext():
            report(0.5, 1)


def test_a_study_keeps_to_its_minutes_with_the_refit_and_goes_on_with_more(sweep, tmp_path):
    command = ("hydra.sweeper.n_trials=1000", "steps=2", "seconds=0.1", *REFIT)
    sweep("hydra.sweeper.dry_run=true")  # the first sweep waits for the server to import everything
    started = time.monotonic()
    done = sweep(*command, "hydra.sweeper.minutes=0.1")
    took = time.monotonic() - started
    assert done.returncode == 0, done.stdout
    assert "the time was up before it had 1000 trials" in done.stdout
    refit = json.loads((tmp_path / "study" / "study.json").read_text())["refit"]
    assert refit["final"]["values"], "the winner is trained again within the time"
    assert 3 < took < 12, "6 s are asked for, and this machine may be busy"

    before = len(trials_of(tmp_path / "study"))
    started = time.monotonic()
    done = sweep(*command, "hydra.sweeper.minutes=0.15")
    took = time.monotonic() - started
    assert done.returncode == 0, done.stdout
    assert before < len(trials_of(tmp_path / "study"))
    assert took < 9, "it has the 3 s more, and not 9 s again"
