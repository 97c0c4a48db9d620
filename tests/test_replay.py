"""The simulator of searches and the recorder of curves, in `benchmarks/`."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from arms import RayPruner
from hydra_study_sweeper.space.dimensions import Dimension
from optuna.distributions import FloatDistribution
from optuna.pruners import SuccessiveHalvingPruner
from optuna.samplers import RandomSampler, TPESampler
from optuna.trial import TrialState
from project import composed
from recordings import Run, Space, missing, read_runs, space_of, write_runs
from simulator import Arm, Curves, Ended, World, search, spread, summarize
from smoothers import gaussian_process, nearest, targets_of
from winners import raced

DIMENSIONS = [Dimension("x", FloatDistribution(0.0, 1.0))]


def random(seed: int) -> RandomSampler:
    return RandomSampler(seed=seed)


def flat(point: dict) -> Curves:
    """A training of two epochs, whose accuracy is x and whose seconds are 10 times x."""
    x = point["x"]
    return Curves(np.array([x, x]), np.array([x, x]), np.array([5 * x, 10 * x]))


def trying(*values: float, **settings: object) -> Arm:
    return Arm(random, first=[{"x": value} for value in values], **settings)


def ends(arm: Arm, workers: int, seconds: float) -> list[tuple[float, float]]:
    """The x of each trial and when it ended."""
    ended = search(arm, DIMENSIONS, flat, workers, seconds, 0)
    return [(trial.point["x"], trial.seconds) for trial in ended]


def test_a_worker_begins_the_next_trial_when_one_ends():
    arm = trying(0.8, 0.2, 0.3, 0.4)
    assert ends(arm, 2, 9.0) == [(0.2, 2), (0.3, 5), (0.8, 8), (0.4, 9)]
    assert ends(arm, 1, 14.0) == [(0.8, 8), (0.2, 10), (0.3, 13)]
    assert ends(arm, 1, 12.5) == [(0.8, 8), (0.2, 10)], "0.3 is too late"


def test_in_batches_workers_wait_for_the_slowest():
    arm = trying(0.8, 0.2, 0.3, 0.4, in_batches=True)
    assert ends(arm, 2, 12.0) == [(0.2, 2), (0.8, 8), (0.3, 11), (0.4, 12)]


def test_a_pruned_trial_frees_its_worker_and_cannot_win():
    arm = trying(0.8, 0.2, 0.4, pruner=lambda: SuccessiveHalvingPruner(1, reduction_factor=2))
    ended = search(arm, DIMENSIONS, flat, 1, 11.0, 0)
    assert [(one.point["x"], one.seconds) for one in ended] == [(0.8, 8), (0.2, 9), (0.4, 11)]
    assert [one.value for one in ended] == [0.8, None, None]
    kept = search(replace(arm, keeps_pruned=True), DIMENSIONS, flat, 1, 11.0, 0)
    assert [one.value for one in kept] == [0.8, 0.2, 0.4]


def test_what_is_known_to_be_good_is_not_pruned():
    points = [{"x": value} for value in (0.2, 0.4)]
    arm = trying(0.8, known=points, pruner=lambda: SuccessiveHalvingPruner(1, reduction_factor=2))
    assert ends(arm, 1, 14.0) == [(0.8, 8), (0.2, 10), (0.4, 14)]


def test_with_a_second_chance_a_trial_goes_on_from_its_rung_when_it_is_promising():
    arm = trying(0.8, 0.2, 0.4, 0.9, rungs=(1, 2))
    # 0.8 goes on when it is the better of two, and 0.9 at once: it is in the better half of four.
    waits = [(0.8, 4, None), (0.2, 5, None), (0.4, 11, None), (0.9, 15.5, None)]
    completes = [(0.8, 9, 0.8), (0.9, 20, 0.9)]
    ended = search(arm, DIMENSIONS, flat, 1, 20.0, 0)
    found = [(one.point["x"], one.seconds, one.value) for one in ended]
    assert found == sorted(waits + completes, key=lambda one: one[1])


class Remembering(RandomSampler):
    """Keeps what complete trials have reported, by their x."""

    def __init__(self) -> None:
        super().__init__(seed=1)
        self.reports: dict[float, dict[int, float]] = {}

    def after_trial(self, study, trial, state, values) -> None:
        if state is TrialState.COMPLETE:
            self.reports[trial.params["x"]] = trial.intermediate_values


def test_a_promoted_trial_equals_one_that_was_never_interrupted():
    random = np.random.default_rng(0)
    trained: dict[float, Curves] = {}

    def train(point: dict) -> Curves:
        assert point["x"] not in trained, "each is trained once, and goes on from its checkpoint"
        value = point["x"] + random.normal(0, 0.1, 4)
        trained[point["x"]] = Curves(value, value, np.cumsum(random.uniform(1, 2, 4)))
        return trained[point["x"]]

    sampler = Remembering()
    ended = search(Arm(lambda seed: sampler, rungs=(1, 2)), DIMENSIONS, train, 1, 150.0, 0)
    complete = [one for one in ended if one.value is not None]
    assert len(complete) > 5
    for one in complete:
        curve = trained[one.point["x"]].value
        assert one.value == curve.max()
        assert sampler.reports[one.point["x"]] == dict(enumerate(curve, 1))
    times = Counter(one.point["x"] for one in ended)  # that it ended: after 1, 2 and 4 epochs
    took = [trained[x].seconds[(1, 2, 4)[count - 1] - 1] for x, count in times.items()]
    assert ended[-1].seconds == pytest.approx(sum(took)), "no epoch is trained twice"


def test_at_a_rung_the_best_epoch_so_far_counts():
    curves = {0.1: np.array([0.9, 0.1, 0.1]), 0.2: np.array([0.5, 0.5, 0.5])}

    def train(point: dict) -> Curves:
        curve = curves.get(point["x"], np.zeros(3))
        return Curves(curve, curve, np.array([1.0, 2.0, 3.0]))

    ended = search(trying(0.1, 0.2, rungs=(2, 2)), DIMENSIONS, train, 1, 5.0, 0)
    assert [(one.point["x"], one.value) for one in ended] == [(0.1, None), (0.2, None), (0.1, 0.9)]


def test_finalists_are_trained_anew_in_the_time_that_the_search_leaves_them():
    """0.6 was lucky once; it takes 2 trainings of 6 s, and 0.5 takes 2 of 5 s."""
    ended = [Ended(10.0, {"x": 0.6}, 0.9), Ended(20.0, {"x": 0.5}, 0.85), Ended(99.0, {}, 1.0)]
    fair = {0.6: 0.6, 0.5: 0.8}

    def train(point: dict) -> Curves:
        return replace(flat(point), value=np.array([fair[point["x"]]]))

    arm = trying(finalists=2)
    assert raced(arm, ended, train, 1, 42.0) == {"x": 0.5}
    assert raced(arm, ended, train, 1, 41.0) == {"x": 0.6}, "there is no time for both"
    assert raced(arm, ended, train, 2, 31.0) == {"x": 0.5}


def test_the_same_seed_gives_the_same_search():
    arm = Arm(lambda seed: TPESampler(seed=seed, n_startup_trials=3))
    first, again, other = (search(arm, DIMENSIONS, flat, 2, 40.0, seed) for seed in (1, 1, 2))
    assert first == again != other


def test_rays_rule_keeps_the_best_quarter_of_those_before():
    study = optuna.create_study(direction="maximize", pruner=RayPruner(epochs=15))
    ended = {1: [], 4: []}
    for value in (0.5, 0.4, 0.6, 0.55, 0.59):
        trial = study.ask()
        for epoch in (1, 2, 4):
            trial.report(value, epoch)
            if trial.should_prune():
                ended[epoch].append(value)
                break
    # The best quarter of 0.5, 0.4, 0.6 and 0.55 begins at 0.5625; that of 0.5, 0.6 at 0.575.
    assert ended == {1: [0.4], 4: [0.55]}


def recorded(number: int, x: float, accuracies: list[float], repeat: int = 0) -> Run:
    seconds = [10.0 + number, 20.0 + number]
    return Run(
        number, repeat, {"x": x}, accuracies, [1.0, 1.0], [a - 0.1 for a in accuracies], seconds, ""
    )


RUNS = [
    recorded(0, 0.0, [0.2, 0.5]),
    recorded(1, 0.5, [0.6, 0.7]),
    recorded(1, 0.5, [0.4, 0.8], repeat=1),
    recorded(2, 0.8, [0.5, 0.6]),
    recorded(2, 0.8, [0.5, 0.6], repeat=1),
    recorded(3, 1.0, [0.6, 0.4]),
]


def test_a_recorded_configuration_is_answered_without_the_effect_of_its_repeats():
    recorded = summarize(RUNS)
    smooth = nearest(recorded.points, DIMENSIONS)
    world = World(replace(recorded, noise=np.zeros_like(recorded.noise)), smooth, smooth)
    answer = world.train({"x": 0.5}, np.random.default_rng(0))
    assert answer.value == pytest.approx([0.5, 0.75])
    assert answer.test == pytest.approx([0.4, 0.65])
    assert answer.seconds == pytest.approx([11, 21])
    # The first repeats are 0.05 better than the second ones, and then 0.025 worse.
    assert world.expected([{"x": 0.0}]).value[0] == pytest.approx([0.2 - 0.05, 0.5 + 0.025])
    assert world.quality([{"x": 0.1}, {"x": 0.6}]) == pytest.approx([0.425, 0.65])
    assert world.quality([{"x": 1.0}]) == pytest.approx([0.45]), "of its first epoch, the best one"


def test_a_repeat_has_its_own_effect_if_others_are_not_recorded_yet():
    found = summarize([*RUNS, recorded(4, 0.9, [0.3, 0.4], repeat=1)])
    assert found.value[-1] == pytest.approx([0.3 + 0.05, 0.4 - 0.025])


def test_a_training_on_a_gpu_tells_accuracies_and_no_seconds():
    found = summarize([*RUNS, replace(recorded(4, 0.9, [0.3, 0.4]), seconds=[])])
    assert (found.points[-1], found.timed[-1]) == ({"x": 0.9}, {"x": 1.0})
    world = World(found, nearest(found.points, DIMENSIONS), nearest(found.timed, DIMENSIONS))
    answer = world.expected([{"x": 0.86}])
    assert answer.value[0] == pytest.approx([0.3 - 0.05, 0.4 + 0.025])
    assert answer.seconds[0] == pytest.approx([12, 22]), "of the nearest that is timed, at 0.8"


def test_without_seconds_each_epoch_is_a_second():
    found = summarize([replace(run, seconds=[]) for run in RUNS])
    assert found.timed == found.points
    assert found.seconds.tolist() == [[1.0, 2.0]] * 4
    process = gaussian_process(found.timed, DIMENSIONS, targets_of(found)[1])
    answer = World(found, process, process).expected([{"x": n / 50} for n in range(51)])
    assert answer.seconds.tolist() == [[1.0, 2.0]] * 51, "exactly, so that trials end in time"


def test_the_noise_is_what_neither_configuration_nor_repeat_explains():
    rng = np.random.default_rng(0)
    of_repeats = rng.normal(0.0, 0.1, 4)  # easy and hard validation parts
    runs = [
        replace(recorded(number, 0.0, [0.5 + rng.normal(of_repeat, 0.02)], repeat), seconds=[1.0])
        for number in range(200)
        for repeat, of_repeat in enumerate(of_repeats)
    ]
    found = summarize(runs)
    assert found.effects[:, 0, 0] == pytest.approx(of_repeats - of_repeats.mean(), abs=0.005)
    smooth = nearest(found.points, DIMENSIONS)
    world = World(found, smooth, smooth)
    drawn = [float(world.train({"x": 0.0}, rng).value[0]) for _ in range(1000)]
    assert np.std(drawn) == pytest.approx(0.02, rel=0.1)


def test_a_model_that_is_nearly_right_has_little_noise():
    assert spread(np.array([0.5, 0.9])) == pytest.approx([0.5, 0.3])


def test_a_gaussian_process_finds_what_lies_between():
    xs = np.linspace(0, 1, 12)
    runs = [recorded(n, x, [0.0, 0.6 + 0.2 * np.sin(3 * x)]) for n, x in enumerate(xs)]
    runs += [replace(run, repeat=1) for run in runs[:2]]
    found = summarize(runs)
    at = [{"x": 0.23}, {"x": 0.77}]
    weights = gaussian_process(found.points, DIMENSIONS, targets_of(found)[0])(at)
    truth = [0.6 + 0.2 * np.sin(3 * point["x"]) for point in at]
    assert weights @ found.value[:, 1] == pytest.approx(truth, abs=0.01)


def test_the_design_begins_with_the_defaults_and_is_continued(tmp_path: Path):
    space = space_of("questions")
    jobs = [job for job, _ in zip(space.jobs(), range(40), strict=False)]
    assert jobs[0][2]["model.pooling"] == "attention"
    assert [repeat for number, repeat, _ in jobs if number in (0, 1, 8)] == [
        0,
        1,
        2,
        3,
        0,
        0,
        1,
        2,
        3,
    ]
    for _, _, point in jobs:
        applying = [one for one in space.dimensions if one.applies(point)]
        assert list(point) == [one.key for one in applying]
        assert all(
            one.distribution._contains(one.distribution.to_internal_repr(point[one.key]))
            for one in applying
        )
    runs = [
        Run(number, repeat, point, [0.5], [1.0], [0.25], [2.0], "by a test")
        for number, repeat, point in jobs[:7]
    ]
    write_runs(tmp_path / "runs.parquet", runs[::-1])
    assert read_runs(tmp_path / "runs.parquet") == runs
    assert next(missing(space, runs, configurations=500)) == jobs[7]
    assert list(missing(space, runs[:3], configurations=1)) == jobs[3:4]
    changed = Space(space.dimensions, [space.first[1]], space.epochs)
    with pytest.raises(ValueError, match="configuration 0 is recorded with other values"):
        next(missing(changed, runs, configurations=500))


@pytest.fixture
def denormals():
    yield


@pytest.mark.usefixtures("denormals")
def test_the_recorded_curve_is_that_of_a_run(tmp_path: Path):
    from curves import train as record

    from rnnclf.training.run import train as run

    config = composed(
        "dataset=sample",
        "cell=gru",
        "epochs=3",
        "training.pretrain_epochs=1",
        "model.ngram_buckets=50",
        "model.wide_buckets=64",
        "evaluate_test=true",
        "seed=3",
    )
    curves = record(config)
    run(config, tmp_path)
    epochs = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert curves["val_accuracy"] == [epoch["val_accuracy"] for epoch in epochs]
    result = json.loads((tmp_path / "result.json").read_text())
    assert curves["test_accuracy"][result["best_epoch"] - 1] == result["test_accuracy"]
    assert curves["seconds"] == sorted(curves["seconds"])
