"""Trials that are several runs: their value is the mean, and each run has its own overrides."""

import optuna
import pytest
from foreign_study import trials_of
from hydra_study_sweeper.errors import ConfigError
from hydra_study_sweeper.options import PRUNERS
from hydra_study_sweeper.reporting import KNOWN
from hydra_study_sweeper.space.fingerprint import differences, fingerprint
from hydra_study_sweeper.space.repeats import Repeats, mean_of_repeats, repeats_of
from hydra_study_sweeper.workers.samplers import make_pruner
from omegaconf import OmegaConf
from optuna.trial import TrialState

THREE_SIZES = ("hydra.sweeper.repeats.count=3", "hydra.sweeper.repeats.overrides=['size={repeat}']")


def test_the_value_of_a_trial_is_the_mean_of_its_runs(sweep, tmp_path):
    done = sweep(*THREE_SIZES, "outcome=product", "steps=2", "hydra.sweeper.n_trials=2")
    assert done.returncode == 0, done.stdout
    for trial in trials_of(tmp_path / "study"):
        x = trial.params["x"]
        assert trial.intermediate_values == pytest.approx({0: 0, 1: x, 2: 2 * x}), "the runs' alone"
        assert trial.value == pytest.approx(x)
        folder = tmp_path / "study" / str(trial.number)
        sizes = [(folder / str(n) / ".hydra" / "overrides.yaml").read_text() for n in range(3)]
        assert [f"size={n}" in size for n, size in enumerate(sizes)] == [True] * 3


def test_of_two_objectives_each_has_its_mean():
    trial = optuna.create_study(directions=["maximize", "minimize"]).ask()
    assert mean_of_repeats(trial, 2, lambda repeat: [repeat, 4.0]) == [0.5, 4.0]


def test_a_trial_that_is_worse_in_one_run_after_the_other_is_pruned():
    pruner = make_pruner(OmegaConf.create(PRUNERS["wilcoxon"]))
    study = optuna.create_study(direction="maximize", pruner=pruner)
    accuracies = [0.80, 0.84, 0.78, 0.83, 0.81, 0.82]
    best = study.ask()
    study.tell(best, mean_of_repeats(best, 6, lambda repeat: [accuracies[repeat]]))
    lucky_once = study.ask()
    mean_of_repeats(lucky_once, 6, lambda repeat: [accuracies[repeat] + 0.01 * (-1) ** repeat])
    worse = study.ask()
    with pytest.raises(optuna.TrialPruned, match="after run 3"):
        mean_of_repeats(worse, 6, lambda repeat: [accuracies[repeat] - 0.01])
    # n differences of one sign have the probability 2**-n, which is below 0.1 from n = 4 on
    assert list(study.trials[worse.number].intermediate_values) == [0, 1, 2, 3]


def test_a_run_that_ended_is_not_repeated_when_the_worker_dies_in_the_next(sweep, tmp_path):
    done = sweep(*THREE_SIZES, "outcome=die_once_at_size_1", "hydra.sweeper.n_trials=1")
    assert done.returncode == 0, done.stdout
    lost, again = trials_of(tmp_path / "study")
    assert (lost.state, again.state) == (TrialState.FAIL, TrialState.COMPLETE)
    assert len(again.intermediate_values) == 3
    begun = [
        (tmp_path / "study" / str(again.number) / str(n) / ".hydra" / "config.yaml").stat().st_mtime
        for n in range(3)
    ]
    died = (tmp_path / "died").stat().st_mtime
    assert [time > died for time in begun] == [False, True, True]


@pytest.mark.parametrize(
    ("count", "overrides", "pruner", "message"),
    [
        (2, [], "none", "would be alike"),
        (2, ["seed=1"], "wilcoxon", "would be alike"),
        (2, ["seed={repeat}"], "asha", "goes with hydra/sweeper/pruner=wilcoxon"),
        (2, ["seed={repeat}"], "median", "goes with hydra/sweeper/pruner=wilcoxon"),
    ],
)
def test_repeats_that_make_no_sense_are_refused(count, overrides, pruner, message):
    repeats = {"count": count, "overrides": overrides}
    options = OmegaConf.create({"repeats": repeats, "pruner": PRUNERS[pruner]})
    with pytest.raises(ConfigError, match=message):
        repeats_of(options)


def test_overrides_that_cannot_be_composed_are_told_before_the_first_trial(sweep, tmp_path):
    done = sweep(
        "hydra.sweeper.repeats.count=2", "hydra.sweeper.repeats.overrides=['sise={repeat}']"
    )
    assert done.returncode == 1
    assert "sise" in done.stdout
    assert "Traceback" not in done.stdout
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize("size", ["size=5", "size=choice(5,6)"])
def test_what_the_runs_of_a_trial_would_replace_cannot_be_asked_for(size, sweep, tmp_path):
    done = sweep(*THREE_SIZES, size)
    assert done.returncode == 1
    assert "size is set or searched, but each run of a trial has its own" in done.stdout
    assert not (tmp_path / "study").exists()


def test_what_would_tell_the_runs_of_a_trial_apart_is_not_searched(sweep, tmp_path):
    done = sweep("hydra.sweeper.repeats.overrides=['size={repeat}']", "size=choice(5,6)")
    assert done.returncode == 1
    assert "size cannot be searched, since it tells the runs of a trial apart" in done.stdout
    assert "hydra.sweeper.repeats.count=5 hydra/sweeper/pruner=wilcoxon" in done.stdout
    assert not (tmp_path / "study").exists()


def test_a_study_with_more_or_fewer_runs_of_a_trial_is_another():
    three, one = (
        fingerprint([((), OmegaConf.create({}))], [], ["maximize"], [], {}, repeats)
        for repeats in (Repeats(3, ["size={repeat}"]), Repeats())
    )
    runs = "configuration: hydra.sweeper.repeats"
    assert list(map(str, differences(three, one))) == [
        f"{runs} was 3 with size={{repeat}} and is unset"
    ]
    assert list(map(str, differences(one, three))) == [
        f"{runs} was unset and is 3 with size={{repeat}}"
    ]


class Hopeless(optuna.pruners.BasePruner):
    """Ends every trial."""

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        return True


def test_the_runs_of_what_is_known_to_be_good_are_all_run():
    study = optuna.create_study(pruner=Hopeless())
    study.enqueue_trial({}, {KNOWN: True})
    assert mean_of_repeats(study.ask(), 3, lambda repeat: [float(repeat)]) == [1.0]
    with pytest.raises(optuna.TrialPruned):
        mean_of_repeats(study.ask(), 3, lambda repeat: [float(repeat)])
