"""What is made of replayed searches and of real studies, in `benchmarks/`."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import portfolio
import pytest
import real_studies
from comparisons import Replays, holm, interval
from optuna.samplers import RandomSampler
from simulator import Arm, Curves, Ended
from studies import Judged, Studies, Study
from winners import is_better, rival, winner


def test_the_winner_is_the_best_complete_trial_in_time():
    ended = [Ended(1.0, {"x": 0.1}, 0.5), Ended(2.0, {"x": 0.2}, None), Ended(3.0, {"x": 0.3}, 0.6)]
    assert [winner(ended, seconds) for seconds in (0.5, 2.5, 3.0)] == [None, {"x": 0.1}, {"x": 0.3}]


def test_of_real_trials_a_pruned_or_a_late_one_cannot_win():
    ends = [(1.0, 0.4), (2.0, None), (3.0, 0.6), (4.0, 0.5)]
    trials = [real_studies.Trial(Path(str(ended)), ended, value) for ended, value in ends]
    won = [real_studies.winner(trials, seconds).ended for seconds in (0.5, 2.5, 3.0, 9.0)]
    assert won == [1.0, 1.0, 3.0, 3.0]


def test_the_rival_is_the_best_known_point_besides_the_winner():
    known = [{"x": 0.2}, {"x": 0.3}]
    arm = Arm(RandomSampler, first=[{"x": 0.1}], known=known)
    ended = [
        Ended(seconds, {"x": x}, value)
        for seconds, (x, value) in enumerate([(0.1, 0.5), (0.3, 0.7), (0.9, 0.8), (0.2, 0.6)], 1)
    ]
    assert rival(ended, 4.0, arm, {"x": 0.9}) == {"x": 0.3}
    assert rival(ended, 4.0, arm, {"x": 0.3}) == {"x": 0.2}
    assert rival(ended, 3.0, arm, {"x": 0.3}) == {"x": 0.1}, "0.2 is not complete by then"
    assert rival(ended[:1], 4.0, arm, {"x": 0.1}) is None


def test_a_winner_must_be_better_than_its_rival_in_new_trainings():
    equal = Curves(np.array([0.5]), np.array([0.5]), np.array([1.0]))
    assert not is_better({"x": 0.6}, {"x": 0.5}, lambda point: equal)
    random = np.random.default_rng(0)

    def noisy(point: dict) -> Curves:
        value = np.array([0.0, point["x"] + random.normal(0, 0.1)])
        return Curves(value, value, np.array([1.0, 2.0]))

    def stays(x: float) -> float:
        return np.mean([is_better({"x": x}, {"x": 0.5}, noisy) for _ in range(400)])

    assert stays(0.5) == pytest.approx(0.5, abs=0.08)
    assert stays(0.8) > 0.99
    assert stays(0.2) < 0.01


def test_of_real_winners_no_training_decides_about_itself():
    winner = Judged(["lr=2"], [0.9, 0.1, 0.2, 0.3], [0.1, 0.9, 0.9, 0.9])
    default = Judged(["lr=1"], [0.2, 0.2, 0.3, 0.4], [0.5, 0.5, 0.5, 0.5])
    known = Judged(["lr=3"], [0.1, 0.0, 0.1, 0.2], [0.4, 0.4, 0.4, 0.4])
    real = Studies(["lr=1"], [], [winner, default, known])
    # The winner is better by 0.7, then worse by 0.1. So only the first training would decide that
    # the winner stays, and it does so for the others.
    study = Study(0, "ours", "", 1.0, 1, 0, 0.9, [["lr=3"], ["lr=2"], ["lr=2"]])
    assert real.test_if_rival_stays(study, []) == pytest.approx((0.5 + 3 * 0.9) / 4)
    # It is always better than the known point that led after a quarter.
    assert real.test_if_rival_stays(study, [["lr=3"]]) == pytest.approx((0.1 + 3 * 0.9) / 4)


def test_known_points_are_chosen_from_the_other_data_sets(monkeypatch):
    monkeypatch.setattr(portfolio, "portfolio", lambda names, size: names)
    others = ["sentiment-default", "spam-default", "newsgroups-default"]
    assert portfolio.known_elsewhere("questions-default") == others
    assert portfolio.known_elsewhere("questions") == []


def test_holms_correction():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx(
        {"a": 0.03, "c": 0.06, "b": 0.06}
    )


def test_how_soon_and_how_surely():
    quality = np.array([[[0.70, 0.70], [0.70, 0.796], [0.798, 0.80]]])
    one = Replays("x", ["ours"], {2: quality}, 0.80, 0.75, 0, [], [], {}, {})
    assert one.reached("ours", 2) == (pytest.approx(2 / 3), 1.0)
    assert one.worse_than_default("ours", 2) == pytest.approx(1 / 3)


def test_the_means_and_ranks_of_searches():
    quality = np.array([[[0.1, 0.2], [0.3, 0.6]], [[0.0, 0.4], [0.0, 0.5]]])
    one = Replays("x", ["ours", "other"], {2: quality}, 1.0, 0.0, 0, [], [], {}, {})
    assert one.mean("ours", 0.5, 2) == pytest.approx(0.2)
    assert one.mean("ours", 1.0, 2) == pytest.approx(0.4)
    assert one.ranks(2) == {"ours": 1.5, "other": 1.5}
    last_alone = replace(one, quality={2: quality[:, :1]})
    assert last_alone.ranks(2) == {"ours": 2.0, "other": 1.0}, "the higher quality is the first"


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution():
    values = np.random.default_rng(0).normal(5.0, 1.0, 400)
    low, high = interval(values)
    assert (low + high) / 2 == pytest.approx(values.mean(), abs=0.01)
    assert high - low == pytest.approx(2 * 1.96 / 20, rel=0.1)
