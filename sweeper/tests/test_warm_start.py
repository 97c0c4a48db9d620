"""What is known before a study begins: points that are tried first, and trials that count."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from foreign_study import EARLIER, FOREIGN_APP, IN_A_DATABASE, SIX, states_of, trials_of
from hydra import initialize_config_dir
from hydra_study_sweeper.options import StudySpec
from hydra_study_sweeper.paths import StudyPaths
from hydra_study_sweeper.plan import StudyPlan
from hydra_study_sweeper.planning import make_plans
from hydra_study_sweeper.records import read_study
from hydra_study_sweeper.reporting import CUT, TAKEN_FROM, is_own
from hydra_study_sweeper.space.fingerprint import beyond_the_space
from hydra_study_sweeper.storage.journal import open_journal
from hydra_study_sweeper.storage.trials import Trials
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from planning import composed

FROM_EARLIER = "hydra.sweeper.warm_start=[earlier]"
LOWER_HALF = "x=interval(0.0,0.5)"
CONTINUED = (LOWER_HALF, FROM_EARLIER, "hydra.sweeper.n_trials=2")
LOSSES = (
    *("hydra.sweep.dir=losses", "hydra.sweeper.direction=minimize", "hydra.sweeper.n_trials=4"),
    "hydra.sweeper.enqueue=[{x: 0.3}, {x: 0.6}, {x: 0.7}]",
)
OF_TWO_SIZES = ("group=choice(a)", "+hydra.sweeper.params.size='choice(1,2)'")


def taken(folder: Path) -> list[FrozenTrial]:
    return [trial for trial in trials_of(folder) if not is_own(trial)]


def add_trial(folder: Path, **trial: object) -> None:
    """Adds a trial to a study that has ended."""
    journal = open_journal(StudyPaths(folder), begun=True)
    (study,) = journal.get_all_studies()
    space = {"x": FloatDistribution(0, 1)}
    journal.create_new_trial(study._study_id, create_trial(distributions=space, **trial))


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., StudyPlan]:
    """Plans the sweep in this process."""

    def plan(*arguments: str) -> StudyPlan:
        monkeypatch.chdir(tmp_path)
        with initialize_config_dir(str(FOREIGN_APP.parent)):
            (plan,) = make_plans(*composed(*arguments), lambda config: 0.0)
        return plan

    return plan


def xs(trials: list[FrozenTrial]) -> list[float]:
    return [trial.params["x"] for trial in trials]


def test_what_is_good_elsewhere_comes_first_as_far_as_it_fits(swept, sweep, tmp_path):
    """Of studies that differ in more than their space, that is the winner alone."""
    swept(*EARLIER, "outcome=opposite")
    swept(*LOSSES)
    best = [read_study(tmp_path / name).best[0].params for name in ("earlier", "losses")]
    points = "hydra.sweeper.warm_start=[{x: 0.25, y: 1}, earlier, {x: 2}, losses, {x: 0.5}]"
    done = sweep(LOWER_HALF, points)
    assert done.returncode == 0, done.stdout
    params = [trial.params for trial in trials_of(tmp_path / "study")]
    assert params == [{"x": 0.5}, {"x": 0.25}, *best]
    assert done.stdout.count("a point of warm_start is left out: x=2 is not") == 1
    for name in ("earlier", "losses"):
        assert f"only the best trial of {name} is tried: " in done.stdout
    assert not taken(tmp_path / "study")


# A study with another search space learns from the trials of the earlier one


def test_the_sampler_learns_from_the_trials_within_a_narrower_space(swept, tmp_path):
    swept(*EARLIER)
    before = trials_of(tmp_path / "earlier")
    within = [trial for trial in before if trial.params["x"] <= 0.5]
    assert 0 < len(within) < len(before), "some are outside"
    output = swept(*CONTINUED)
    study = tmp_path / "study"
    assert f"the sampler is given {len(within)} of 6 trials in earlier, those within the" in output
    assert "study study: 2 complete\n" in output
    assert xs(taken(study)) == xs(within)
    assert [trial.values for trial in taken(study)] == [trial.values for trial in within]
    assert read_study(study).states == {"complete": 2}
    assert all(trial.distributions["x"].high == 0.5 for trial in trials_of(study))


def test_the_winner_is_a_trial_of_the_study_itself(swept, sweep, tmp_path):
    swept(*EARLIER)
    *_, within, best = sorted(xs(trials_of(tmp_path / "earlier")))
    done = sweep(
        *(f"x=interval(0.4,{(within + best) / 2})", FROM_EARLIER, "hydra.sweeper.n_trials=2"),
        *("hydra.sweeper.refit.seeds=2", "hydra.sweeper.refit.validation=['name=again-{seed}']"),
    )
    assert done.returncode == 0, done.stdout
    record = read_study(tmp_path / "study")
    (best,) = record.best
    assert best.params == {"x": within}, "the best within the space is run again"
    assert (tmp_path / "study" / best.folder / "trial.json").exists()
    assert record.refit.comparison.of_rival.values == [0.5, 0.5], "and so are the defaults"
    with (tmp_path / "study" / "trials.csv").open(newline="") as file:
        assert [float(row["x"]) for row in csv.DictReader(file)] == [0.5, within]


def test_the_same_command_continues_and_takes_nothing_over_twice(swept, sweep, tmp_path):
    swept(*EARLIER)
    swept(*CONTINUED)
    before = taken(tmp_path / "study")
    assert sweep(*EARLIER, "hydra.sweeper.n_trials=8").returncode == 0, "the earlier one goes on"
    assert sweep(*CONTINUED, "hydra.sweeper.n_trials=3").returncode == 0
    assert xs(taken(tmp_path / "study")) == xs(before)
    assert states_of(tmp_path / "study") == {"COMPLETE": 3}


def test_a_start_after_an_interrupted_one_takes_over_what_is_missing(tmp_path):
    space = {"x": FloatDistribution(0, 1)}
    earlier = [
        create_trial(
            params={"x": x}, distributions=space, value=x, user_attrs={TAKEN_FROM: ["e", n]}
        )
        for n, x in enumerate((0.1, 0.2, 0.3))
    ]
    trials = Trials(StudySpec("study", tmp_path, None, ("maximize",), 4, 5))
    trials.take_over(earlier[:2])
    trials.take_over(earlier)
    assert xs(trials.all()) == [0.1, 0.2, 0.3]
    assert (trials.remaining(), trials.ranked()) == (4, [])


def test_choices_and_options_of_a_group_may_be_added_and_taken_away(swept, sweep, tmp_path):
    swept(*EARLIER, *OF_TWO_SIZES)
    sizes = [trial.params["size"] for trial in trials_of(tmp_path / "earlier")]
    assert set(sizes) == {1, 2}
    size = "+hydra.sweeper.params.size="
    wider = (FROM_EARLIER, "group=choice(a,b)", f"{size}'choice(1,2,3)'")
    assert sweep(*wider, "hydra.sweeper.n_trials=1").returncode == 0
    assert [trial.params["size"] for trial in taken(tmp_path / "study")] == sizes
    other = (FROM_EARLIER, "group=choice(a)", f"{size}'choice(1,3)'", "hydra.sweep.dir=other")
    assert sweep(*other, "hydra.sweeper.n_trials=1").returncode == 0
    assert [t.params["size"] for t in taken(tmp_path / "other")] == [1] * sizes.count(1)


@pytest.mark.parametrize(
    ("old", "is_comparable"),
    [
        ({"lr": "1"}, True),  # with b, the new option, it is 2
        ({"lr": "1", "lr with g=b": "2", "lr with g=z": "3"}, True),  # z is an option of before
        ({"lr": "2", "lr with g=b": "2"}, False),  # another value
        ({"lr": "1", "size": "1"}, False),  # a key of its own
    ],
)
def test_only_an_option_that_the_other_study_lacks_may_bring_values(old, is_comparable):
    was = "a, z" if "lr with g=b" not in old else "a, b, z"
    new = {"search space": {"g": "a, b"}, "configuration": {"lr": "1", "lr with g=b": "2"}}
    before = {"search space": {"g": was}, "configuration": old}
    assert (beyond_the_space(before, new) is None) == is_comparable


def test_a_damaged_space_of_another_study_ends_nothing():
    new = {"search space": {"g": "a, b"}, "configuration": {"lr": "1", "lr with g=b": "2"}}
    assert beyond_the_space({"search space": {"g": 5}, "configuration": {"lr": "1"}}, new) is None
    assert beyond_the_space({"search space": {"g": 5}, "configuration": {"lr": 1}}, new)


def test_with_restart_a_study_learns_from_the_one_that_it_puts_aside(swept, sweep, tmp_path):
    swept(*SIX)
    own = "hydra.sweeper.warm_start=[study]"
    done = sweep(LOWER_HALF, own, "hydra.sweeper.restart=true", "hydra.sweeper.n_trials=2")
    assert done.returncode == 0, done.stdout
    before = len(taken(tmp_path / "study"))
    assert before > 0
    assert sweep(LOWER_HALF, own, "hydra.sweeper.n_trials=2").returncode == 0, "it continues"
    assert states_of(tmp_path / "study") == {"COMPLETE": 2}
    assert len(taken(tmp_path / "study")) == before


def test_a_trial_without_a_value_that_is_searched_now_is_left_out(swept, planned):
    size = "+hydra.sweeper.params.size='choice(1,2)'"
    steps = "+hydra.sweeper.params.steps={{when: {{size: {}}}, space: 'range(0,3)'}}"
    swept(*EARLIER, size, steps.format("[2]"))
    assert len(planned(size, steps.format("[2]"), FROM_EARLIER).known.trials) == 6
    assert not planned(size, steps.format("[1]"), FROM_EARLIER).known.trials


def test_pruned_trials_count_with_what_they_reported_and_are_not_the_best(swept, sweep, tmp_path):
    pruner = ("hydra/sweeper/pruner=median", "steps=3", "hydra.sweeper.pruner.n_warmup_steps=0")
    pruner += ("hydra.sweeper.pruner.n_startup_trials=1",)
    points = "hydra.sweeper.enqueue=[{x: 0.4}, {x: 0.1}]"
    swept(*EARLIER, *pruner, points, "hydra.sweeper.n_trials=3")
    steps = dict(enumerate((9.0, 9.0, 9.0)))
    better = {"value": 9.0, "intermediate_values": steps, "state": TrialState.PRUNED}
    add_trial(tmp_path / "earlier", params={"x": 0.3}, **better)
    assert sweep(LOWER_HALF, FROM_EARLIER, *pruner, "hydra.sweeper.n_trials=2").returncode == 0
    pruned = [t for t in taken(tmp_path / "study") if t.state is TrialState.PRUNED]
    assert xs(pruned) == [0.4, 0.1, 0.3]
    assert all(trial.intermediate_values for trial in pruned)
    assert 0.3 not in xs([t for t in trials_of(tmp_path / "study") if is_own(t)])


def test_a_trial_that_comes_by_two_ways_counts_once(swept, sweep, tmp_path):
    swept(*EARLIER)
    middle = ("hydra.sweep.dir=middle", "hydra.sweeper.n_trials=1")
    assert sweep(FROM_EARLIER, *middle).returncode == 0
    both = "hydra.sweeper.warm_start=[middle,earlier]"
    assert sweep(both, "hydra.sweeper.n_trials=1").returncode == 0
    assert len(taken(tmp_path / "study")) == 7


def test_the_numbers_of_other_trials_do_not_delete_files(swept, sweep, tmp_path):
    kept = ("hydra.sweep.subdir=${size}", "hydra.sweeper.weights=['*.json']")
    swept(*EARLIER, *OF_TWO_SIZES)
    done = sweep(FROM_EARLIER, *OF_TWO_SIZES, *kept, "hydra.sweeper.n_trials=1")
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "study" / "1" / "trial.json").exists()


def test_studies_in_a_database_learn_from_each_other(swept, sweep, tmp_path):
    swept(*EARLIER, *IN_A_DATABASE)
    done = sweep(LOWER_HALF, FROM_EARLIER, IN_A_DATABASE[0], "hydra.sweeper.n_trials=1")
    assert done.returncode == 0, done.stdout
    assert re.search("the sampler is given [1-5] of 6 trials in earlier", done.stdout)
    assert read_study(tmp_path / "study").states == {"complete": 1}


def test_without_its_journal_only_the_winner_of_a_study_is_tried_and_the_reason_is_said(
    swept, planned, tmp_path
):
    swept(*EARLIER)
    StudyPaths(tmp_path / "earlier").journal.unlink()
    plan = planned(FROM_EARLIER)
    (reason,) = plan.warnings
    assert "tried: its trials are neither in a study.journal nor in this storage" in reason
    assert plan.known.points == [read_study(tmp_path / "earlier").best[0].params]
    assert not plan.known.trials


def test_of_losses_the_lowest_is_the_best_and_a_trial_cut_short_has_none(swept, planned, tmp_path):
    swept(*LOSSES)
    add_trial(tmp_path / "losses", params={"x": 0.58}, value=0.0, user_attrs={CUT: True})
    from_losses = ("hydra.sweeper.warm_start=[losses]", "hydra.sweeper.direction=minimize")
    plan = planned(*from_losses, "x=interval(0.55,1.0)")
    assert xs(plan.known.trials) == [0.6, 0.7]
    assert {"x": 0.6} in plan.first


def test_values_that_are_no_numbers_are_refused(swept, sweep, tmp_path):
    swept(*EARLIER)
    journal = StudyPaths(tmp_path / "earlier").journal
    lines = journal.read_text()
    assert '"values":[0.5]' in lines
    journal.write_text(lines.replace('"values":[0.5]', '"values":["a"]'))
    done = sweep(LOWER_HALF, FROM_EARLIER)
    assert done.returncode == 1
    assert "hydra.sweeper.warm_start: a trial in earlier is damaged" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize("what", ["a trial in earlier", "the study earlier"])
def test_a_damaged_study_is_refused(swept, sweep, tmp_path, what):
    swept(*EARLIER)
    if what == "the study earlier":
        journal = open_journal(StudyPaths(tmp_path / "earlier"), begun=True)
        study = journal.get_study_id_from_name("earlier")
        journal.set_study_user_attr(study, "fingerprint", 5)
    else:
        add_trial(tmp_path / "earlier", params={"x": 0.1}, values=[1.0, 2.0])
    done = sweep(LOWER_HALF, FROM_EARLIER)
    assert done.returncode == 1
    assert what in done.stdout
    assert "damaged" in done.stdout
    assert "Traceback" not in done.stdout
    assert not (tmp_path / "study").exists()


def test_the_refusal_of_another_space_names_the_way(swept, sweep):
    swept(*SIX)
    done = sweep(LOWER_HALF)
    assert done.returncode == 1
    assert "search space: x was 0 to 1 and is 0 to 0.5" in done.stdout
    assert (
        "another hydra.sweep.dir; hydra.sweeper.warm_start=[study] lets the new one learn from it"
        in done.stdout
    )
