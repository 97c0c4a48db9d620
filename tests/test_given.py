"""`from=FOLDER`: what somebody else configured is data, and nothing else configures Hydra."""

import json

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from rnnclf.configuration.composed import from_omegaconf, load, register_schema, to_yaml
from rnnclf.configuration.given import take_over
from rnnclf.configuration.identity import identity
from rnnclf.configuration.overrides import refuse_misunderstandings
from rnnclf.errors import ConfigError
from tests import project


@pytest.fixture
def given(tmp_path):
    theirs = project.composed("cell=lstm", "lr=0.01", "seed=3")
    (tmp_path / "config.yaml").write_text(to_yaml(theirs))
    return tmp_path


def composed(*arguments):
    register_schema()
    with initialize_config_dir(str(project.REPO / "conf")):
        return from_omegaconf(compose("config", take_over(["run.py", *arguments])[1:]))


def test_a_run_is_configured_as_another_one_was(given):
    assert identity(composed(f"from={given}")) == identity(load(given / "config.yaml"))


def test_what_is_typed_beside_it_wins(given):
    assert composed("seed=7", f"from={given}", "lr=0.5").seed == 7
    assert composed("seed=7", f"from={given}", "lr=0.5").optimizer.lr == 0.5


@pytest.mark.parametrize(
    ("name", "beside", "expected"),
    [
        ("csv-old", (), "csv-old"),
        ("csv-old", ("dataset.file=data/new.csv",), "csv-new"),
        ("csv-old", ("dataset.folder=new",), "csv-new"),
        ("tickets", ("dataset.file=data/new.csv",), "tickets"),
    ],
)
def test_texts_beside_it_name_the_data_set_where_a_file_had_named_it(
    name, beside, expected, tmp_path
):
    theirs = project.composed("dataset=csv", "dataset.file=data/old.csv", f"dataset.name={name}")
    (tmp_path / "config.yaml").write_text(to_yaml(theirs))
    assert composed(f"from={tmp_path}", *beside).dataset.name == expected


def test_folders_and_devices_are_those_of_this_machine(given):
    path = given / "config.yaml"
    theirs = OmegaConf.load(path)
    theirs.paths.outputs, theirs.threads = "/home/victim/.ssh", 64
    path.write_text(OmegaConf.to_yaml(theirs))
    mine = composed(f"from={given}")
    assert (mine.paths.outputs, mine.threads) == ("outputs", 1)


def test_a_study_stands_for_the_first_run_of_its_best_trial(given, tmp_path):
    study = tmp_path / "study"
    (study / "4").mkdir(parents=True)
    (given / "config.yaml").rename(study / "4" / "config.yaml")
    best = {"number": 4, "values": [0.5], "params": {}, "folder": "4", "best_step": None}
    record = dict.fromkeys(("stopped", "first_failure", "refit"))
    record |= {"name": "s", "directions": ["maximize"], "n_trials": 1, "finished": True}
    record |= {"states": {}, "lost": 0, "space": {}, "overrides": [], "repeats": 1, "best": [best]}
    (study / "study.json").write_text(json.dumps(record))
    assert identity(composed(f"from={study}")) == identity(load(study / "4" / "config.yaml"))


@pytest.mark.parametrize(
    ("addition", "reason"),
    [
        ("hydra: {job: {env_set: {PATH: /tmp}}}\n", "hydra"),
        ("defaults: [override hydra/job_logging: colorlog]\n", "defaults"),
        ("device: ${oc.env:SECRET}\n", "interpolation"),
        ("a: &a [1]\nb: *a\n", "alias"),
        ("a: " + "[" * 100_000 + "\n", "nested too deeply"),
        ("a: " + "{b: " * 1000 + "\n", "nested too deeply"),
        ("a: " + "x" * 300_000 + "\n", "larger than"),
        ("a: \xff\n", "decode"),
        ("- a\n", "expected <block end>"),
    ],
)
def test_a_configuration_that_is_no_data_is_refused_with_the_reason(given, addition, reason):
    path = given / "config.yaml"
    path.write_bytes(path.read_bytes() + addition.encode("latin-1"))
    with pytest.raises(ConfigError, match=reason):
        composed(f"from={given}")


@pytest.mark.parametrize("beside", ["cell=lstm", "+experiment=spam-gru", "dataset=csv", "+group=1"])
def test_a_file_of_conf_beside_it_would_have_no_effect_and_is_refused(given, beside):
    with pytest.raises(ConfigError, match="has these values already"):
        take_over(["run.py", f"from={given}", beside])


def test_a_folder_without_a_configuration_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"from=.*: there is no config\.yaml in it"):
        take_over(["run.py", f"from={tmp_path}"])
    with pytest.raises(ConfigError, match=r"from=.*: no such folder"):
        take_over(["run.py", f"from={tmp_path / 'none'}"])


@pytest.mark.parametrize(
    "option",
    [
        "--config-dir=/tmp/evil",
        "--config-dir",
        "--config-d",
        "-cd",
        "--config-path",
        "-cp=/tmp/evil",
        "--config-name=../evil",
        "-cn",
        "--config-dir=a\nb",
        "--experimental-rerun",
        "--exp=config.pickle",
        "hydra.searchpath=[/tmp/evil]",
        "++hydra.searchpath=[/tmp/evil]",
    ],
)
def test_hydra_reads_no_configuration_outside_of_the_projects_own(option):
    with pytest.raises(ConfigError, match="could run any program"):
        refuse_misunderstandings(["run.py", option])
