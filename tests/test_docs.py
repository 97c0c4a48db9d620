"""The documentation against the code: commands, keys, tree."""

import re
import shlex
import subprocess
from dataclasses import MISSING, Field, fields

import pytest
from hydra_study_sweeper.options import PRUNERS, RefitConf, RepeatsConf, StudySweeperConf
from project import REPO, composed

from rnnclf.configuration.schema import Config, keys, value_of

README = (REPO / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.split("   #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]


def section(title: str) -> str:
    return README.split(f"\n### {title}\n")[1].split("\n#")[0]


def rows(table: str) -> list[list[str]]:
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_there_are_commands():
    assert len(COMMANDS) >= 10


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("python run.py")])
def test_run_py_accepts_the_readmes_commands(command, run_py):
    """Composes the configuration, of a study all that it would run."""
    arguments = shlex.split(command)[2:]
    if "--help" in arguments or "--config-dir" in arguments:
        return  # test_run.py and test_sweeps.py run these
    if any(argument.startswith(("sweeps=", "+group=")) for argument in arguments):
        done = run_py(*arguments, "hydra.sweeper.dry_run=true", "hydra.sweeper.check=null")
        assert done.returncode == 0, done.stderr
        assert "study" in done.stdout
        return
    if "-m" in arguments:
        arguments.remove("-m")
        arguments = [re.sub(r"=(\w[^,()]*),.*", r"=\1", argument) for argument in arguments]
        arguments = [a for a in arguments if "interval(" not in a and "choice(" not in a]
    done = run_py("--cfg", "job", *arguments)
    assert done.returncode == 0, done.stderr


def test_make_has_the_readmes_targets():
    targets = [command.split()[1] for command in COMMANDS if command.startswith("make ")]
    assert targets
    for target in targets:
        done = subprocess.run(
            ["make", "--dry-run", target], cwd=REPO, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_the_command_rnnclf_has_the_readmes_verbs(rnnclf):
    verbs = [shlex.split(command)[1:] for command in COMMANDS if command.startswith("rnnclf ")]
    assert verbs
    for words in verbs:
        subcommand = words[: 2 if words[0] == "data" else 1]
        done = rnnclf(*subcommand, "--help")
        assert done.returncode == 0, done.stderr
        options = {word for word in words if word.startswith("--")}
        assert all(option in done.stdout for option in options), words


def test_the_table_of_keys_is_the_schema_with_the_defaults():
    config = composed("paths.data=data")
    expected = {}
    for key in keys(Config):
        value = value_of(config, key)
        expected[f"`{key}`"] = as_yaml(value)
    table = {key: default.strip("`") for key, default, _ in rows(section("Keys"))}
    assert table == expected


def test_the_table_of_the_sweepers_options_is_the_code():
    expected, parts = {}, {"repeats": RepeatsConf, "refit": RefitConf}
    for option in fields(StudySweeperConf):
        if option.name in ("_target_", "defaults", "sampler", "pruner"):
            continue
        if option.name in parts:
            of = fields(parts[option.name])
            expected |= {f"`{option.name}.{f.name}`": default_of(f) for f in of}
        else:
            expected[f"`{option.name}`"] = default_of(option)
    studies = (REPO / "docs" / "studies.md").read_text(encoding="utf-8")
    table = studies.split("## Options")[1].split("\n## ")[0]
    assert {key: default.strip("`") for key, default, _ in rows(table)} == expected
    for pruner in PRUNERS:
        assert f"`{pruner}`" in table


def default_of(option: Field) -> str:
    value = option.default if option.default is not MISSING else option.default_factory()
    return as_yaml(value)


def as_yaml(value: object) -> str:
    return "null" if value is None else str(value).lower() if type(value) is bool else str(value)


def test_the_tree_is_what_is_on_disk():
    listed, folder = set(), [""]
    for line in section("Files").split("```text\n")[1].split("```")[0].splitlines():
        indent, name = re.match(r"( *)(\S+)", line).groups()
        depth = len(indent) // 2
        folder = [*folder[: depth + 1], name]
        listed.add("".join(folder))
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=REPO, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    modules = {path for path in tracked if re.match(r"rnnclf/.*\.(py|csv)$", path)}
    assert {module for module in modules if not module.endswith("__init__.py")} <= listed
    for name in listed:
        assert (REPO / name).exists(), name


def test_the_documents_of_the_project_are_there():
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "docs/decisions.md"):
        assert (REPO / name).read_text(encoding="utf-8").strip()


def test_links_of_the_documents_lead_somewhere():
    for document in [*REPO.glob("*.md"), *REPO.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (document.parent / target).exists(), f"{document.name}: {target}"
