"""The Hydra application behind `python run.py`, `rnnclf train` and `rnnclf sweep`."""

import gc
import logging
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import hydra
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import RunMode
from hydra_study_sweeper import in_refit
from hydra_study_sweeper.options import TRUSTED
from hydra_study_sweeper.paths import shown
from hydra_study_sweeper.signals import raise_on_sigterm
from hydra_study_sweeper.streams import open_streams, outlive_readers
from omegaconf import DictConfig, OmegaConf

from rnnclf.configuration.checks import check, settle_test
from rnnclf.configuration.complaints import usage_errors
from rnnclf.configuration.composed import from_omegaconf, load, register_schema
from rnnclf.configuration.given import take_over
from rnnclf.configuration.overrides import (
    as_hydra_reads_it,
    refuse_links_in_place,
    refuse_misunderstandings,
    run_in_place,
)
from rnnclf.errors import UserError, errors_in_one_line
from rnnclf.files.command import as_typed_here, packaged_conf
from rnnclf.files.paths import RunPaths
from rnnclf.files.result import METRICS

# What a configuration may name for Hydra to call, besides Optuna's samplers and pruners.
OURS = (
    "rnnclf.training.progress.ConsoleHandler",
    "rnnclf.training.progress.LogFile",
    "rnnclf.training.precheck.check_trials",
)

OF_MACHINE = ("device", "threads")  # may be others when a run is resumed

log = logging.getLogger(__name__)
of_grid: list[tuple[float, str, Path]] = []  # value, what it is, and folder of each run in a grid
register_schema()


class _PackagedConf(SearchPathPlugin):
    """Has Hydra look into the package's configuration for what a project's own does not have."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Adds the package's folder after the project's."""
        search_path.append(provider="rnnclf", path=f"file://{packaged_conf()}")


def start(arguments: Sequence[str], conf: Path | None = None) -> None:
    """Runs a command line: one training, a grid or a study.

    Args:
        arguments: The program, and what comes after it.
        conf: The configuration of the user's own project, which goes before that of the package.
            None: only the package's. A `conf/` in the current folder, which may be somebody
            else's, is never looked for.

    Raises:
        SystemExit: In place of every exception, with an `ExitCode`.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # makes Hydra pass exceptions on instead of printing them
    sys.argv = as_hydra_reads_it(list(arguments))
    open_streams()
    with errors_in_one_line(), usage_errors():
        outlive_readers()
        raise_on_sigterm()
        refuse_misunderstandings(sys.argv)
        sys.argv = take_over(run_in_place(sys.argv))
        refuse_links_in_place(sys.argv)
        if conf is not None and conf.resolve() != packaged_conf():
            Plugins.instance().register(_PackagedConf)
        place = str(conf or packaged_conf())
        hydra.main(place, "config", execution_whitelist=(*TRUSTED, *OURS))(run)()
        tell_winners()


def run(node: DictConfig) -> float:
    """Runs one training and returns its validation metric, the objective of sweeps."""
    job = HydraConfig.get()
    in_sweep = job.mode is RunMode.MULTIRUN
    folder = Path(job.runtime.output_dir)
    # A single run ends with its error; a sweep gets it, names the job and continues.
    with nullcontext() if in_sweep else errors_in_one_line(), _no_empty(folder), usage_errors():
        resumed = OmegaConf.select(node, "resume")
        config = load(RunPaths(Path(resumed)).config) if resumed else from_omegaconf(node)
        if resumed:
            typed = {override.lstrip("+").partition("=")[0] for override in job.overrides.task}
            for key in typed.intersection(OF_MACHINE):
                setattr(config, key, node[key])
            check(config)
        settle_test(config, in_sweep=in_sweep, is_winner=in_refit())
        from rnnclf.bundles.bundle import write_run_card
        from rnnclf.training.run import train  # here: --help and mistakes need not wait for torch

        gc.freeze()  # what is loaded by now stays; going through it again and again takes 0.2 s
        # A study tells its tracker of its trials itself.
        is_trial = in_sweep and "tracking" in job.sweeper
        card = write_run_card if node.tracking and (not is_trial or in_refit()) else None
        value = train(config, folder, None if is_trial else node.tracking, card)
        if in_sweep:
            metric = METRICS[config.training.metric]
            of_grid.append((value, f"{config.dataset.name}: best validation {metric}", folder))
        else:
            log.info('next: rnnclf predict %s "TEXT"', shlex.quote(str(shown(folder))))
            log.info("next: rnnclf compare")
        return value


def tell_winners() -> None:
    """Says which run of a grid won on each data set; trials of studies run in other processes."""
    winners = [
        max(run for run in of_grid if run[1] == what)
        for what in dict.fromkeys(what for _, what, _ in of_grid)
    ]
    for value, what, folder in winners:
        print(f"{what} {value:.4f}, in {shown(folder)}")
    for _, _, folder in winners:
        place = shlex.quote(str(shown(folder)))
        print(as_typed_here(f"next: python run.py from={place}   # again, with the test split"))
    if of_grid:
        print(f"next: rnnclf compare {shlex.quote(str(shown(of_grid[0][2].parent)))}")


@contextmanager
def _no_empty(folder: Path) -> Iterator[None]:
    """Removes the folder of a run that ends with an error before it has written anything."""
    try:
        yield
    except UserError:
        if {path.name for path in folder.iterdir()} <= {".hydra", "run.log"}:
            shutil.rmtree(folder)
            with suppress(OSError):  # other runs are in it
                if folder.parent != Path.cwd():
                    folder.parent.rmdir()
        raise
