"""What people type wrongly: one line that says what is wrong and what to type."""

import pytest
from omegaconf import OmegaConf
from project import RUN_PY, compose_sweep

from rnnclf.cli.commands import main
from rnnclf.configuration.complaints import usage_errors
from rnnclf.configuration.composed import from_omegaconf
from rnnclf.configuration.overrides import (
    as_hydra_reads_it,
    in_order,
    refuse_misunderstandings,
    run_in_place,
)
from rnnclf.errors import ConfigError


def complaint(command: str) -> str:
    """What `python run.py` says of a command line; words are separated by blanks."""
    arguments = as_hydra_reads_it([str(RUN_PY), *command.split(" ")])
    with pytest.raises(ConfigError) as caught, usage_errors():
        refuse_misunderstandings(arguments)
        run_in_place(arguments)
        overrides = [one for one in arguments[1:] if one != "-m"]
        sweep = compose_sweep(*overrides)
        from_omegaconf(OmegaConf.masked_copy(sweep, sorted(set(sweep) - {"hydra"})))
    return " ".join(str(caught.value).split())


@pytest.mark.parametrize(
    ("command", "message"),
    [
        # groups
        ("dataset=question", "sentiment, spam. Did you mean dataset=questions?"),
        ("dataset=", "There is no dataset=; there are csv, "),
        (
            "dataset=data/a.csv",
            "There is no dataset=data/a.csv. A file of your own: dataset=csv "
            "dataset.file=data/a.csv",
        ),
        ("cell=gruu", "there are gru, lstm, rnn. Did you mean cell=gru?"),
        ("-m +group=25", "there are 1, 2, 3, 4, "),
        ("experiment=spam-gruu", "Did you mean experiment=spam-gru?"),
        ("+dataset=spam", "dataset is chosen: leave out the +"),
        ("+cell=gru", "cell is chosen: leave out the +"),
        ("-m +sweeps=smoke", "sweeps is chosen: leave out the +"),
        ("model=lstm", "model=lstm: did you mean cell=lstm, or model.KEY=VALUE?"),
        ("training=3", "training=3: training is a section; set its keys, training.KEY=VALUE"),
        ("dataset=[sample,spam]", "for a run of each: -m dataset=sample,spam"),
        ("cell=0", "cell=0: the options of cell have names; python run.py --help lists them"),
        ("+experiment=7", "the options of +experiment have names"),
        ("optimizer=Null", "the options of optimizer have names"),
        ("-m sweeps=1e-3", "the options of sweeps have names"),
        ("hydra/launcher=3", "one of yours is a number, true, false or null"),
        ("~lr", "~optimizer.lr: a key cannot be deleted"),
        # keys
        ("lrr=0.1", "There is no key 'lrr'. Did you mean 'optimizer.lr'?"),
        ("learning_rate=0.1", "Did you mean 'lr'?"),
        ("model.hiden_size=3", "There is no key 'model.hiden_size'. Did you mean 'model.hidden_s"),
        ("dropout=0.5", "There is no key 'dropout'. Did you mean 'model.dropout'?"),
        ("max_length=9", "Did you mean 'dataset.max_length'?"),
        ("+colour=red", "There is no key 'colour'. All keys: python run.py --help"),
        ("+model.colour=red", "There is no key 'model.colour'."),
        ("+lr=0.1", "optimizer.lr exists already: leave out the +"),
        ("learning-rate=0.1", "There is no key 'learning-rate'. Did you mean 'lr'?"),
        ("groups=7", "There is no key 'groups'. Did you mean 'group'?"),
        ("-m sweeps=smoke trials=5", "Did you mean 'n_trials'?"),
        ("-m sweeps=smoke timeout=60", "Did you mean 'minutes'?"),
        ("-m sweeps=smoke seeds=3", "Did you mean 'hydra.sweeper.refit.seeds'?"),
        # values
        ("lr=fast", "optimizer.lr=fast: must be a number"),
        ("lr=null", "optimizer.lr=null: needs a value"),
        ("epochs=ten", "training.epochs=ten: must be a whole number"),
        ("epochs=2.0", "must be a whole number, such as 2, or int(interval(A, B)) to search"),
        ("model.bidirectional=maybe", "model.bidirectional=maybe: must be true or false"),
        ("model.pooling=avg", "model.pooling=avg: must be one of 'last', 'mean', 'max', "),
        ("model.dropout=1.5", "model.dropout must be below 1; it is 1.5"),
        ("threads=100000", "threads must be below 1025"),
        # the form of a command
        ("dataset", "'dataset' is not KEY=VALUE, such as "),
        ("dataset questions", "'dataset' is not KEY=VALUE, such as "),
        ("lr 0.1", "'lr' is not KEY=VALUE, such as lr=VALUE"),
        ("--dataset=spam", "--dataset=spam: no dashes: dataset=spam"),
        ("-lr=0.1", "-lr=0.1: no dashes: lr=0.1"),
        ("--epochs 3", "--epochs: no such option; a key is KEY=VALUE"),
        ("--cfg jobs", "--cfg jobs: it is --cfg job, --cfg hydra or --cfg all"),
        ("-m cell=rnn, gru", "cell=rnn, ends with a comma; several values have no blanks"),
        ("dataset.folder=a(b", "needs quotes of its own: 'KEY=\"VALUE\"'"),
        ("dataset.folder=it's", "'dataset.folder=it's' cannot be read; a value with blanks"),
        ("dataset.folder=a(b)", "there is no function a; a search space has choice, range,"),
        ("lr=0,001", "optimizer.lr=0,001: write optimizer.lr=0.001, with a point"),
        ("lr=0.1,0.2", "optimizer.lr=0.1,0.2: several values need -m: python run.py -m "),
        # studies
        ("sweep=questions", "a study is python run.py -m sweeps=questions"),
        ("-m n_trials=4", "which one? python run.py -m sweeps=auto n_trials=4"),
        ("lr=interval(0.1,1)", "a search needs a study: python run.py -m sweeps=auto"),
        ("-m sweeps=auto,smoke", "one at a time"),
        ("-m sweeps=smoke n_trials=x", "hydra.sweeper.n_trials=x: must be a whole number"),
        ("-m sweeps=smoke launcher=pbs", "there are joblib, local, ray, slurm."),
        ("-m tracking=mlflow,wandb", "one tracker at a time"),
        # the shell
        ("-sc query=bash", "query=bash is what a shell asks; to set it up: python run.py -sc"),
        # an interrupted run
        ("resume=nowhere", "resume=nowhere: there is no run in this folder"),
        ("resume=", "resume=: there is no run in this folder"),
        ("--cfg", "--cfg: it is --cfg job, --cfg hydra or --cfg all"),
        ("experiment=spam", "there are spam-gru, spam-gru-vectors, "),
    ],
)
def test_a_wrong_command_is_told_in_one_line_what_to_type(command, message):
    assert message in complaint(command)


def test_a_study_is_not_resumed_as_a_run(tmp_path):
    (tmp_path / "study.json").touch()
    assert "this is a study, which its own command continues" in complaint(f"resume={tmp_path}")


def test_what_hydra_says_of_one_of_several_studies_is_told_as_of_a_run(run_py):
    done = run_py("-m", "sweeps=auto", "cell=gru", "dataset=sampel,spam", "dry_run=true")
    assert done.returncode == 2
    assert done.stderr.startswith("error: There is no dataset=sampel; there are csv, ")
    assert "Did you mean dataset=sample?" in done.stderr


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("fly", "No such command 'fly'; see rnnclf --help"),
        ("predit", "Did you mean 'predict'? See rnnclf --help"),
        ("predict", "Missing argument 'MODEL'; see rnnclf predict --help"),
        ("predict nowhere --top 0", "0 is not in the range x>=1; see rnnclf predict --help"),
        ("predict nowhere -5", "A text that begins with - comes after --"),
        ("compare --format xlsx", "'xlsx' is not one of 'table', 'md', 'csv', 'json'; see"),
        ("submission", "Missing option '--group'; see rnnclf submission --help"),
    ],
)
def test_a_wrong_command_of_rnnclf_is_one_line(command, message, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["rnnclf", *command.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert (said.startswith("error: "), len(said.splitlines())) == (True, 1)
    assert message in said


def test_numbers_are_listed_in_their_order():
    assert in_order(["10", "b", "2", "a"]) == ["2", "10", "a", "b"]
