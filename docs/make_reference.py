"""Writes docs/reference/ and conf/schema/ from the code: `make reference`."""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import click
import yaml
from hydra import compose, initialize_config_dir
from hydra_study_sweeper import options
from hydra_study_sweeper.paths import StudyPaths, trial_record
from hydra_study_sweeper.records import StudyRecord, TrialRecord
from in_markdown import NAMES, attributes, kind, shown, summary, table, types
from make_schemas import FOLDER as SCHEMAS
from make_schemas import schemas
from omegaconf import DictConfig

from rnnclf.cli.commands import commands
from rnnclf.configuration import checks
from rnnclf.configuration.composed import ComposedConfig, register_schema
from rnnclf.configuration.schema import Config
from rnnclf.data.sources import SOURCES
from rnnclf.errors import ExitCode
from rnnclf.files.bundle import BundleRecord
from rnnclf.files.epochs import EpochMetrics
from rnnclf.files.paths import BundlePaths, RunPaths
from rnnclf.files.predictions import Prediction
from rnnclf.files.result import RunResult
from rnnclf.runs import baselines

REPO = Path(__file__).resolve().parents[1]
PAGES = REPO / "docs" / "reference"
NOTE = "<!-- Written by `make reference` from the code. Do not edit. -->"
GROUPS = {
    "dataset=": "The data set, see [Data sets](data-sets.md).",
    "cell=": "The recurrent cell.",
    "optimizer=": "The optimizer with its learning rate.",
    "launcher=": "Where the workers of a study run.",
    "-m sweeps=": "The search space and the options of a [study](../studies.md).",
    "+experiment=": "The best hyperparameters that were found, see [Results](../results.md).",
    "-m +group=": "The studies of one group of the hand-out's Table 3.",
}


def limits(key: str) -> str:
    """Returns the range of a key."""
    low = checks.AT_LEAST | options.AT_LEAST
    said = f", at least {low[key]}" if key in low else ""
    above = checks.ABOVE | options.ABOVE
    if key in above:
        said = f", above {above[key]}"
    for words, high in (("below", checks.BELOW), ("at most", checks.AT_MOST)):
        said += f", {words} {high[key]}" if key in high else ""
    return said


def keys_table(schema: type, values: Any, prefix: str = "") -> str:
    """Returns the keys of a dataclass, without its sections."""
    meanings, rows = attributes(schema), []
    for name, hint in types(schema).items():
        if name in meanings and not is_dataclass(hint):
            key, value = f"{prefix}{name}", shown(values[name])
            rows.append([f"`{key}`", value, kind(hint) + limits(key), meanings[name]])
    return table("key|default|type|meaning", rows)


def sections_of(schema: type) -> Iterator[tuple[str, type]]:
    """The sections of a schema: names and dataclasses."""
    for name, hint in get_type_hints(schema).items():
        if isinstance(hint, type) and is_dataclass(hint):
            yield name, hint


def composed() -> DictConfig:
    """Returns what `python run.py` composes, with Hydra's own part."""
    register_schema()
    with initialize_config_dir(str(REPO / "conf")):
        return compose("config", ["paths.data=data"], return_hydra_config=True)


def group_options(group: str) -> dict[str, tuple[str, str]]:
    """Returns the first comment and the values in the file of each option of a group."""
    found = {}
    paths = (REPO / "conf" / group).glob("*.yaml")
    for path in sorted(paths, key=lambda path: path.stem.zfill(2)):
        text = path.read_text(encoding="utf-8")
        comments = [line[2:] for line in text.splitlines() if re.match("# (?!@|yaml-l)", line)]
        values = yaml.safe_load(text)
        found[path.stem] = ("".join(comments[:1]), listed({**values, "name": None}))
    return found


def listed(settings: dict[str, Any]) -> str:
    """Returns the settings that are single values."""
    single = {k: v for k, v in settings.items() if isinstance(v, str | int | float)}
    return ", ".join(f"`{key}: {value}`" for key, value in single.items())


def keys_page() -> Iterator[str]:
    """The keys of a run."""
    config = composed()
    yield "# Keys of a run"
    yield (
        "`python run.py KEY=VALUE` sets a key. The defaults are in `conf/config.yaml`. An option "
        "of a [group](commands.md#groups) may set other values."
    )
    for name, section in sections_of(Config):
        yield f"## {name}"
        yield summary(section)
        yield keys_table(section, config[name], f"{name}.")
    yield "## Keys without a section"
    yield keys_table(ComposedConfig, config)


def data_sets_page() -> Iterator[str]:
    """The data sets and their files."""
    yield "# Data sets"
    yield "`dataset=NAME` chooses a data set. The raw files are downloaded and checked."
    rows = []
    for name, (meaning, values) in group_options("dataset").items():
        raw_files = SOURCES[name].raw_files if name in SOURCES else ()
        links = ", ".join(f"[{raw_file.name}]({raw_file.urls[0]})" for raw_file in raw_files)
        rows.append([f"`{name}`", meaning, values, links])
    yield table("name|texts|sets|raw files", rows)


def options_page() -> Iterator[str]:
    """The options of the sweeper."""
    values = vars(options.StudySweeperConf())
    for default in values["defaults"]:
        values.update(default)
    yield "# Options of a study"
    yield (
        "The options are keys of `hydra.sweeper`. [Studies](../studies.md) explains them. "
        "`run.py` has [short names](commands.md#short-names) for some, and other defaults in "
        "`conf/sweeps/study.yaml`."
    )
    yield keys_table(options.StudySweeperConf, values)
    for name, part in sections_of(options.StudySweeperConf):
        yield f"## {name}"
        yield summary(part)
        yield keys_table(part, vars(values[name]), f"{name}.")
    for name, nodes in (("sampler", options.SAMPLERS), ("pruner", options.PRUNERS)):
        yield f"## {name}s"
        yield f"`hydra/sweeper/{name}=NAME` chooses one of Optuna's {name}s."
        rows = []
        for option, node in nodes.items():
            settings = {**node, "seed": None}  # the study's own affair
            target = settings.pop("_target_").split(".")[-1]
            rows.append([f"`{option}`", target, listed(settings)])
        yield table(f"{name}|class|settings", rows)


def commands_page() -> Iterator[str]:
    """The commands `run.py` and `rnnclf`."""
    hydra = composed().hydra
    yield "# Commands"
    yield "## python run.py"
    header = yaml.safe_load((REPO / "conf/config.yaml").read_text())["hydra"]["help"]["header"]
    examples = re.sub(r"\$\{typed:'(.*?)'\}", r"\1", inspect.cleandoc(header))
    yield f"```text\n{examples.split(chr(10), 2)[2]}\n```"
    yield ast.get_docstring(ast.parse((REPO / "run.py").read_text(encoding="utf-8"))) or ""
    yield "### Groups"
    chosen, rows = hydra.runtime.choices, []
    for override, meaning in GROUPS.items():
        group = override.strip("-m +=")
        names = ", ".join(f"`{name}`" for name in group_options(group))
        rows.append([f"`{override}`", shown(chosen.get(group)), names, meaning])
    yield table("group|default|options|meaning", rows)
    for group in ("optimizer", "launcher", "sweeps"):
        yield f"### {group}"
        described = group_options(group).items()
        yield table("option|meaning|sets", ([f"`{name}`", *texts] for name, texts in described))
    yield "### Short names"
    yield table("short|full", ([f"`{short}`", f"`{key}`"] for short, key in hydra.aliases.items()))
    yield from command_sections(commands, click.Context(commands, info_name="rnnclf"))


def command_sections(command: click.Command, context: click.Context) -> Iterator[str]:
    """The help of a command and of those below it."""
    yield f"## {context.command_path}"
    yield inspect.cleandoc(command.help or "")
    usage = [context.command_path, *command.collect_usage_pieces(context)]
    yield f"```text\n{' '.join(usage)}\n```"
    records = [option.get_help_record(context) for option in command.params]
    rows = [[f"`{names}`", meaning] for names, meaning in filter(None, records) if names[0] == "-"]
    if rows:
        yield table("option|meaning", rows)
    if isinstance(command, click.Group):
        for name, inner in sorted(command.commands.items()):
            yield from command_sections(inner, click.Context(inner, context, name))


def files_page() -> Iterator[str]:
    """The files of runs, trials, studies and bundles."""
    yield "# Files"
    records: list[type] = [RunResult, EpochMetrics, Prediction, BundleRecord]
    records += [TrialRecord, StudyRecord, baselines.Baseline]
    records = list(dict.fromkeys(inner for record in records for inner in records_in(record)))
    links = {f"`{record.__name__}`": kind(record) for record in records}

    def linked(text: str) -> str:
        return re.sub(r"`\w+`", lambda found: links.get(found[0], found[0]), text)

    for title, paths in (("run", RunPaths), ("bundle", BundlePaths), ("study", StudyPaths)):
        yield f"## The folder of a {title}"
        yield summary(paths)
        yield linked(table("file|content", ([f"`{f}`", text] for f, text in files_of(paths))))
    yield "## The folder of a trial"
    yield f"It has the files of its run, and `{trial_record(Path())}`:"
    yield linked(summary(trial_record))
    yield "## The folder of a baseline"
    yield summary(baselines)
    yield "## The records"
    for record in records:
        yield f"### {record.__name__}"
        yield summary(record)
        meanings = attributes(record)
        hints = get_type_hints(record).items()
        yield table("field|type|meaning", ([f"`{n}`", kind(t), meanings[n]] for n, t in hints))


def records_in(hint: Any) -> Iterator[type]:
    """The record types of a type hint, with those of their fields."""
    is_record = isinstance(hint, type) and is_dataclass(hint) and hint not in NAMES
    if is_record:
        yield hint
    for inner in get_type_hints(hint).values() if is_record else get_args(hint):
        yield from records_in(inner)


def files_of(paths: type) -> Iterator[tuple[str, str]]:
    """The files that a class of paths names, with N for a number."""
    here = paths(Path())
    for name, meaning in attributes(paths).items():
        if isinstance(file := getattr(here, name), Path) and file != Path():
            yield str(file), meaning
    for name, method in inspect.getmembers(paths, inspect.isfunction):
        if not name.startswith("_"):
            yield str(method(here, "N")), summary(method)


def exit_codes_page() -> Iterator[str]:
    """The exit codes of both commands."""
    meanings = attributes(ExitCode)
    yield "# Exit codes"
    yield summary(ExitCode)
    yield table("code|meaning", ([f"`{code.value}`", meanings[code.name]] for code in ExitCode))


def pages() -> dict[str, str]:
    """Returns the text of each page by its name."""
    made = (keys_page, data_sets_page, options_page, commands_page, files_page, exit_codes_page)
    return {
        page.__name__.removesuffix("_page").replace("_", "-") + ".md": "\n\n".join([NOTE, *page()])
        + "\n"
        for page in made
    }


if __name__ == "__main__":
    for name, text in pages().items():
        (PAGES / name).write_text(text, encoding="utf-8")
    for name, text in schemas().items():
        (SCHEMAS / name).write_text(text, encoding="utf-8")
