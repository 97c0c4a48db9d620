"""The documentation against the code: commands, documents, links."""

import re
import shlex
import subprocess

import pytest
from make_reference import PAGES
from project import REPO

README = (REPO / "README.md").read_text(encoding="utf-8")
TUTORIAL = (REPO / "docs" / "tutorial.md").read_text(encoding="utf-8")
COMMANDS = [
    line.split("   #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README + TUTORIAL, re.DOTALL)
    for line in block.splitlines()
]

RUN_PY = [  # test_run.py and test_sweeps.py run those with these options
    command
    for command in COMMANDS
    if command.startswith("python run.py") and not re.search("--help|--config-dir", command)
]
OF_STUDIES = [command for command in RUN_PY if re.search(r" (sweeps|\+group)=", command)]
STUDIES = dict.fromkeys(command.removesuffix(" dry_run=true") for command in OF_STUDIES)
RUNS = [command for command in RUN_PY if command not in OF_STUDIES]


def test_the_readme_is_short():
    assert len(README.encode()) <= 8192


@pytest.mark.parametrize("command", STUDIES)
def test_a_dry_run_tells_of_every_study_of_the_pages(command, run_py):
    arguments = shlex.split(command)[2:]
    done = run_py(*arguments, "hydra.sweeper.dry_run=true", "hydra.sweeper.check=null")
    assert done.returncode == 0, done.stderr
    assert "study" in done.stdout


@pytest.mark.parametrize("command", RUNS)
def test_the_runs_of_the_pages_compose(command, run_py):
    arguments = shlex.split(command)[2:]
    searched = re.compile(r"interval\(|choice\(")
    several = re.compile(r"=(\w[^,()]*),.*")  # values of a grid, of which one will do here
    single = [several.sub(r"=\1", one) for one in arguments if not searched.search(one)]
    done = run_py("--cfg", "job", *(one for one in single if one != "-m"))
    assert done.returncode == 0, done.stderr


def test_make_has_the_targets_of_the_pages():
    targets = [command.split()[1] for command in COMMANDS if re.match("make [a-z]", command)]
    assert targets
    for target in targets:
        done = subprocess.run(
            ["make", "--dry-run", target], cwd=REPO, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_the_command_rnnclf_has_the_verbs_of_the_pages(rnnclf):
    verbs = [shlex.split(command)[1:] for command in COMMANDS if command.startswith("rnnclf ")]
    assert verbs
    for words in verbs:
        subcommand = words[: 2 if words[0] == "data" else 1]
        done = rnnclf(*subcommand, "--help")
        assert done.returncode == 0, done.stderr
        options = {word for word in words if word.startswith("--")}
        assert all(option in done.stdout for option in options), words


def test_the_documents_of_the_project_are_there():
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "docs/decisions.md"):
        assert (REPO / name).read_text(encoding="utf-8").strip()


def test_links_of_the_documents_lead_somewhere():
    for document in [*REPO.glob("*.md"), *REPO.glob("docs/*.md"), *PAGES.iterdir()]:
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (document.parent / target).exists(), f"{document.name}: {target}"
