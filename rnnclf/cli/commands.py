"""The command `rnnclf`, for data sets, models, and the folders of runs."""

import click
from hydra_study_sweeper.streams import open_streams

from rnnclf import __version__
from rnnclf.cli.data import baseline, data
from rnnclf.cli.grade import grade
from rnnclf.cli.models import ensemble, evaluate, export
from rnnclf.cli.predict import predict
from rnnclf.cli.project import init
from rnnclf.cli.report import dashboard, report
from rnnclf.cli.runs import compare, pick, submission
from rnnclf.cli.train import sweep, train
from rnnclf.errors import ConfigError, errors_in_one_line

ON_MODELS = (ensemble, evaluate, export, predict)
ON_RUNS = (baseline, compare, dashboard, data, grade, pick, report, submission)
TRAINING = (init, sweep, train)


@click.group(
    commands=ON_MODELS + ON_RUNS + TRAINING,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="rnnclf")
def commands() -> None:
    """Trains recurrent text classifiers, and manages data sets, models and runs."""


def main() -> None:
    """Runs the command line; errors end in one line and an exit code."""
    open_streams()
    with errors_in_one_line():
        try:
            commands(prog_name="rnnclf", standalone_mode=False)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            raise SystemExit(error.exit_code) from None
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else "rnnclf"
            message = error.format_message().rstrip(".")
            see = " See" if message.endswith("?") else "; see"
            raise ConfigError(f"{message}{see} {command} --help") from error
        except click.Abort as error:  # which is what click makes of Ctrl-C
            raise KeyboardInterrupt from error
