"""What keeps the project going: pinned versions, the CI workflow, hooks, the citation."""

import re
import subprocess
import tomllib
from collections.abc import Iterator

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from project import REPO

import rnnclf

PINNED = {
    canonicalize_name(name): version
    for line in (REPO / "constraints.txt").read_text().splitlines()
    if not line.startswith("#")
    for name, version in [line.split("==")]
}
OURS = {"rnnclf", "hydra-study-sweeper"}
WORKFLOW = yaml.safe_load((REPO / ".github/workflows/ci.yml").read_text())


def requirements() -> Iterator[Requirement]:
    for project in (REPO, REPO / "sweeper"):
        settings = tomllib.loads((project / "pyproject.toml").read_text())
        extras = settings["project"]["optional-dependencies"].values()
        listed = [*settings["project"]["dependencies"], *(one for extra in extras for one in extra)]
        yield from map(Requirement, [*settings["build-system"]["requires"], *listed])


@pytest.mark.parametrize("requirement", sorted(set(map(str, requirements()))))
def test_the_pinned_versions_satisfy_the_ranges(requirement):
    wanted = Requirement(requirement)
    if wanted.name not in OURS:
        version = PINNED.get(canonicalize_name(wanted.name))
        assert version, f"{wanted.name} is not in constraints.txt; make lock writes it again"
        assert wanted.specifier.contains(version, prereleases=True), "make lock"


def test_the_workflow_runs_targets_that_exist():
    steps = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
    targets = [step["run"].removeprefix("make ") for step in steps if "run" in step]
    assert {"check", "test", "test-sweeper-versions", "release"} <= set(targets)
    done = subprocess.run(
        ["make", "--dry-run", *targets], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_workflow_begins_with_the_oldest_python():
    settings = tomllib.loads((REPO / "pyproject.toml").read_text())
    oldest = settings["project"]["requires-python"].removeprefix(">=")
    assert WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["python"][0] == oldest


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((REPO / "CITATION.cff").read_text())
    assert citation["version"] == rnnclf.__version__


def test_the_hooks_run_programs_of_the_environment():
    hooks = yaml.safe_load((REPO / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    check = re.findall(r"\$\(BIN\)/(\w+)", (REPO / "Makefile").read_text().split("\ncheck:")[1])
    programs = {hook["entry"].split()[0].removeprefix(".venv/bin/") for hook in hooks}
    assert programs >= set(check[:3])
