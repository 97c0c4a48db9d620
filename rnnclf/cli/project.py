"""The command that writes a project: the user's own configuration on top of the package's."""

import os
from pathlib import Path

import click

from rnnclf.cli.options import FOLDER
from rnnclf.cli.output import echo
from rnnclf.errors import SelectionError
from rnnclf.files.command import packaged_conf

_RUN_PY = '''\
"""Trains with conf/ and sweeps/ on top of the configuration of rnnclf: python run.py --help."""

import sys
from pathlib import Path

from rnnclf.cli.application import start

# Hydra's shell completion looks for "@hydra.main" in this file.
if __name__ == "__main__":
    start(sys.argv, Path(__file__).absolute().parent / "conf")
'''
_DATASET = """\
# yaml-language-server: $schema=../schema/dataset.json
# Your own texts: python run.py dataset=mine cell=gru
defaults:
  - csv # what suits texts of which nothing is known

name: mine
file: data/mine.csv # a relative path begins where the command is typed
text: null # the columns, where they are not found
label: null
"""
_SPACE = """\
# @package _global_
# yaml-language-server: $schema=../../conf/schema/global.json
# What is searched on them: python run.py -m sweeps=auto dataset=mine cell=gru
defaults:
  - csv # the package's space for texts of which nothing is known

search_space:
  model.hidden_size: choice(32, 64, 128)
"""
_EXPERIMENT = """\
# @package _global_
# yaml-language-server: $schema=../schema/global.json
# Settings that belong together: python run.py +experiment=mine
defaults:
  - override /dataset: mine
  - override /cell: gru

model:
  bidirectional: true
  pooling: attention
"""
_REQUIREMENTS = """\
# rnnclf is not on a package index yet. Its wheels, of `make release` in a clone, go to wheels/.
--find-links wheels
rnnclf=={version}
"""
FILES = {
    "run.py": _RUN_PY,
    "conf/dataset/mine.yaml": _DATASET,
    "conf/experiment/mine.yaml": _EXPERIMENT,
    "sweeps/space/mine.yaml": _SPACE,
    ".gitignore": "/data/\n/mlflow.db\n/mlruns/\n/models/\n/outputs/\n/wandb/\n__pycache__/\n",
}
LINK = Path("conf", "sweeps")  # to sweeps/, which Hydra finds below conf/ only


@click.command()
@click.argument("folder", type=FOLDER)
def init(folder: Path) -> None:
    """Writes a small project of your own into FOLDER.

    It has a run.py, and folders conf/ and sweeps/ for your own data sets, experiments and search
    spaces; everything else comes from the package. Existing files are never overwritten.
    """
    from rnnclf import __version__

    contents = FILES | {"requirements.txt": _REQUIREMENTS.format(version=__version__)}
    for schema in sorted(packaged_conf().glob("schema/*.json")):
        contents[f"conf/schema/{schema.name}"] = schema.read_text(encoding="utf-8")
    files = [folder / name for name in (*contents, str(LINK))]
    folders = {parent for path in files for parent in path.parents}
    there = [path for path in files if os.path.lexists(path)]
    there += [path for path in sorted(folders) if os.path.lexists(path) and not path.is_dir()]
    if there:
        raise SelectionError(f"{there[0]} exists already; name another folder")
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
    (folder / LINK).symlink_to(Path("..", "sweeps"))
    echo(f"{folder}: {', '.join(contents)}")
    echo("next: put texts and labels into data/mine.csv there, then: python run.py dataset=mine")
