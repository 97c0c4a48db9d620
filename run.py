"""Trains a recurrent text classifier: `python run.py dataset=questions cell=gru`."""

import gc
import os
import sys
from contextlib import nullcontext
from pathlib import Path

try:
    import hydra
except ModuleNotFoundError:
    sys.exit("error: Hydra is not installed here; first type: . .venv/bin/activate")
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from hydra_study_sweeper import in_refit
from hydra_study_sweeper.options import TRUSTED
from hydra_study_sweeper.signals import raise_on_sigterm
from omegaconf import DictConfig, OmegaConf

from rnnclf.configuration.checks import settle_test
from rnnclf.configuration.complaints import usage_errors
from rnnclf.configuration.composed import from_omegaconf, load, register_schema
from rnnclf.configuration.overrides import (
    as_hydra_reads_it,
    refuse_misunderstandings,
    run_in_place,
)
from rnnclf.errors import errors_in_one_line
from rnnclf.files.paths import RunPaths

# What a configuration may name for Hydra to call, besides Optuna's samplers and pruners.
OURS = ("rnnclf.training.progress.ConsoleHandler", "rnnclf.training.precheck.check_trials")

register_schema()


@hydra.main(config_path="conf", config_name="config", execution_whitelist=(*TRUSTED, *OURS))
def main(node: DictConfig) -> float:
    """Runs one training and returns its validation accuracy, the objective of sweeps."""
    job = HydraConfig.get()
    in_sweep = job.mode is RunMode.MULTIRUN
    # A single run ends with its error; a sweep hears of it, names the job and goes on.
    with nullcontext() if in_sweep else errors_in_one_line(), usage_errors():
        resumed = OmegaConf.select(node, "resume")
        config = load(RunPaths(Path(resumed)).config) if resumed else from_omegaconf(node)
        settle_test(config, in_sweep=in_sweep, is_winner=in_refit())
        from rnnclf.training.run import train  # here: --help and mistakes need not wait for torch

        gc.freeze()  # what is loaded by now stays; going through it again and again takes 0.2 s
        return train(config, Path(job.runtime.output_dir))


if __name__ == "__main__":
    os.environ["HYDRA_FULL_ERROR"] = "1"  # makes Hydra pass exceptions on instead of printing them
    sys.argv = as_hydra_reads_it(sys.argv)
    with errors_in_one_line(), usage_errors():
        raise_on_sigterm()
        refuse_misunderstandings(sys.argv)
        sys.argv = run_in_place(sys.argv)
        main()
