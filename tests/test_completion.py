"""Shell completion in a real bash, as the documentation sets it up."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from project import REPO

from rnnclf.cli.commands import commands

OFFERED = [  # a line, the words that bash cuts it into, what it offers at its end
    ("rnnclf com", "rnnclf com", {"compare"}),
    ("rnnclf train dataset=qu", "rnnclf train dataset = qu", {"questions"}),
    ("rnnclf sweep lr=1 cell=", "rnnclf sweep lr = 1 cell =", {"gru", "lstm", "rnn"}),
    ("rnnclf train model.hid", "rnnclf train model.hid", {"model.hidden_size="}),
    ("rnnclf train cell=l", "rnnclf train cell=l", {"cell=lstm"}),  # as other shells cut it
    ("python run.py dataset=qu", "python run.py dataset=qu", {"dataset=questions"}),
    ("python run.py model.hid", "python run.py model.hid", {"model.hidden_size="}),
]
SHELL = """
eval "$(_RNNCLF_COMPLETE=bash_source rnnclf)"
eval "$(python run.py -sc install=bash)"
while [ $# -gt 0 ]; do
    line=$1; words=$2; COMP_WORDS=($words) COMPREPLY=(); shift 2
    [ "${words: -1}" = " " ] && COMP_WORDS+=("")
    COMP_LINE=$line COMP_POINT=${#line} COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    function=$(complete -p "${COMP_WORDS[0]}" | sed 's/.*-F \\(\\w*\\).*/\\1/')
    $function "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}"; echo "${COMPREPLY[@]}"
done
"""


def test_bash_completes():
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    lines = [text for line, words, _ in OFFERED for text in (line, words)]
    done = subprocess.run(
        ["bash", "-c", SHELL, "bash", *lines],
        cwd=REPO,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    offered = [set(line.split()) for line in done.stdout.splitlines()]
    assert offered == [expected for _, _, expected in OFFERED]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("rnnclf train epo", {"epochs="}),
        ("rnnclf train precision =", {"float32", "bf16"}),
        ("rnnclf train tracking =", {"tensorboard", "mlflow", "wandb", "trackio"}),
        ("rnnclf sweep sampler = q", {"qmc"}),
        ("rnnclf sweep +gr", {"+group="}),
        ("rnnclf sweep hydra.sweeper.refit.s", {"hydra.sweeper.refit.seeds="}),
    ],
)
def test_what_bash_asks_for_is_offered(words, offered):
    asked = {"_RNNCLF_COMPLETE": "bash_complete", "COMP_WORDS": words}
    asked["COMP_CWORD"] = str(len(words.split()) - 1)
    done = CliRunner().invoke(commands, env=asked, prog_name="rnnclf")
    assert set(done.stdout.splitlines()) == {f"plain,{word}" for word in offered}
