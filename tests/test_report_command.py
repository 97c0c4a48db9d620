"""The command `rnnclf report`: its errors, and the commands that it gives to repeat runs."""

from pathlib import Path

import pytest
import yaml

from rnnclf.report.content import _typed

OWN = {"main": "/project/conf"}


def hydra_folder(folder: Path, name: str, sources: dict[str, str]) -> Path:
    listed = [{"provider": provider, "path": path} for provider, path in sources.items()]
    hydra = {"job": {"config_name": name}, "runtime": {"config_sources": listed}}
    (folder / "hydra.yaml").write_text(yaml.safe_dump({"hydra": hydra}))
    (folder / "overrides.yaml").write_text("- training.epochs=1\n")
    return folder


def test_a_run_of_the_projects_configuration_is_repeated_as_typed(tmp_path):
    command = _typed(hydra_folder(tmp_path, "config", OWN))
    assert command == "python run.py training.epochs=1"


@pytest.mark.parametrize(
    ("name", "sources"),
    [
        ("best", OWN | {"command-line": "/studies/questions-gru"}),
        ("config", {"main": "/outputs/some-run"}),
        ("best", OWN),
    ],
)
def test_what_was_typed_for_another_configuration_would_train_something_else(
    name, sources, tmp_path
):
    assert _typed(hydra_folder(tmp_path, name, sources)) is None


@pytest.mark.parametrize("damage", ["", "5", "[", "hydra: {}"])
def test_a_damaged_record_is_no_command(damage, tmp_path):
    hydra_folder(tmp_path, "config", OWN)
    (tmp_path / "hydra.yaml").write_text(damage)
    assert _typed(tmp_path) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing",), "error: missing: no such folder\n"),
        (("empty",), "error: empty: no finished run is there to report on\n"),
    ],
)
def test_what_is_wrong_is_one_line_and_no_page(tmp_path, rnnclf, arguments, message):
    (tmp_path / "empty").mkdir()
    done = rnnclf("report", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, message)
    assert not (tmp_path / "report.html").exists()
