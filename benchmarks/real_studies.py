"""Real studies of the stock sweeper and of ours, in turns, as a check of the replays.

    python benchmarks/real_studies.py questions-default [--seeds 5] [--at-once 1] [--device D]

Both search the space of recorded curves with the same reduced texts, one worker each. The stock
sweeper runs 40 full trainings. Ours runs until it has taken as much CPU time, so other work on the
machine does not count, and has the points that are chosen from the other data sets. In a space
that is not shared by all data sets only ours searches, with 40 trials. The winners after a quarter,
half and all of that time, and the defaults, are trained anew with fresh seeds and validation parts,
and tested. What came of it goes to `benchmarks/studies/NAME.json`, from where `replay.py` has it.
An interrupted benchmark is continued by the same command, as long as its outputs are there. Needs
the raw files of the data set in $RNNCLF_DATA.
"""

import argparse
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import timed_run
from arms import OURS, STOCK
from csv_folder import REPO
from curves import train, trained_by
from hydra_study_sweeper.files import write_record
from hydra_study_sweeper.space.points import as_overrides
from omegaconf import OmegaConf
from portfolio import known_elsewhere
from recordings import SEARCHES, SHARED, composed, recorded_enough, space_of
from studies import SHARES, Judged, Studies, Study, path_of, read_studies

from rnnclf.configuration.composed import from_omegaconf
from rnnclf.files.paths import RunPaths
from rnnclf.runs.find import read_run

TRIALS = 40
MORE = 20  # trials, by which ours is continued until the time is over
JUDGES = range(100, 106)  # seeds


@dataclass(frozen=True)
class Trial:
    """A trial of either sweeper.

    Attributes:
        folder: Of its run.
        ended: The CPU seconds of the study when it ended.
        value: Its validation accuracy; None if it was pruned.
    """

    folder: Path
    ended: float
    value: float | None

    @property
    def overrides(self) -> list[str]:
        """What it sets, in alphabetical order and without the device."""
        lines = OmegaConf.to_object(OmegaConf.load(self.folder / ".hydra" / "overrides.yaml"))
        return sorted(line for line in lines if not line.startswith("device="))


def trials_of(study: Path) -> list[Trial]:
    """Reads the trials of a study with one worker, in their order, without interrupted ones."""
    trials, ended = [], 0.0
    times = study.glob(f"[0-9]*/{timed_run.FILE}")
    for time in sorted(times, key=lambda time: int(time.parent.name)):
        folder = time.parent
        ended += float(time.read_text())
        complete = RunPaths(folder).result.exists()
        value = read_run(folder).result.val_accuracy if complete else None
        trials.append(Trial(folder, ended, value))
    return trials


def winner(trials: Sequence[Trial], seconds: float) -> Trial:
    """Returns the best complete trial that ended within the time; the first one if none did."""
    within = [trial for trial in trials if trial.value is not None and trial.ended <= seconds]
    return max(within or trials[:1], key=lambda trial: trial.value or 0.0)


def run(*arguments: str) -> None:
    """Runs a sweep whose trials note their CPU seconds."""
    command = [sys.executable, timed_run.__file__, "-m", *arguments]
    subprocess.run(command, check=True, cwd=REPO, stdout=subprocess.DEVNULL)


@dataclass(frozen=True)
class Bench:
    """The studies of a search space.

    Attributes:
        name: One of the `SEARCHES`.
        folder: Of the studies' outputs.
        device: What trains.
        space: The search space, as the stock sweeper has it.
        known: Points that are good on other data sets, as ours has them.
        recorded: What came of them so far.
        writing: Held by the thread that writes them.
    """

    name: str
    folder: Path
    device: str
    space: dict[str, str]
    known: str
    recorded: Studies
    writing: threading.Lock

    def of_seed(self, seed: int) -> None:
        """Runs those studies of a seed that are missing."""
        studies = {study.sweeper: study for study in self.recorded.studies if study.seed == seed}
        if self.name in SHARED and STOCK not in studies:
            studies[STOCK] = self.add(seed, STOCK, self.search_stock(seed), None)
        if OURS not in studies:
            seconds = studies[STOCK].seconds if STOCK in studies else None
            self.add(seed, OURS, self.search_ours(seed, seconds), seconds)

    def search_stock(self, seed: int) -> list[Trial]:
        """Runs Hydra's own Optuna sweeper with its defaults."""
        folder = self.folder / str(seed) / "stock"
        _, *fixed = SEARCHES[self.name]
        if len(list(folder.glob(f"[0-9]*/{timed_run.FILE}"))) < TRIALS:
            shutil.rmtree(folder, ignore_errors=True)  # it cannot be continued
            run(
                *("hydra/sweeper=optuna", "hydra.sweeper.n_jobs=1", *fixed),
                *(f"hydra.sweeper.n_trials={TRIALS}", "hydra.sweeper.direction=maximize"),
                *(f"hydra.sweeper.sampler.seed={seed}", f"hydra.sweep.dir={folder}"),
                f"device={self.device}",
                *(f"{key}={values}" for key, values in self.space.items()),
            )
        return trials_of(folder)

    def search_ours(self, seed: int, seconds: float | None) -> list[Trial]:
        """Runs a study.

        Args:
            seed: Of the sampler.
            seconds: CPU seconds that it must have taken; None for a study of 40 trials.
        """
        folder = self.folder / str(seed) / "ours"
        trials = trials_of(folder)
        while len(trials) < TRIALS or (seconds and trials[-1].ended < seconds):
            run(
                *(*SEARCHES[self.name], "workers=1", f"hydra.sweeper.sampler.seed={seed}"),
                *(f"n_trials={max(TRIALS, len(trials) + MORE)}", "hydra.sweeper.refit.seeds=0"),
                *(f"hydra.sweep.dir={folder}", f"hydra.sweeper.warm_start=[{self.known}]"),
                f"device={self.device}",
            )
            trials = trials_of(folder)
        return trials

    def add(self, seed: int, sweeper: str, trials: Sequence[Trial], seconds: float | None) -> Study:
        """Records a study as it was after some CPU seconds; None for all of it."""
        seconds = seconds or trials[-1].ended
        within = [trial for trial in trials if trial.ended <= seconds]
        values = [trial.value for trial in within if trial.value is not None]
        study = Study(
            seed,
            sweeper,
            trained_by(self.device),
            seconds,
            len(within),
            len(within) - len(values),
            max(values),
            [winner(trials, share * seconds).overrides for share in SHARES],
        )
        with self.writing:
            self.recorded.studies.append(study)
            write_record(path_of(self.name), self.recorded)
        print(f"seed {seed}, {sweeper}: {study.trials} trials, {study.best:.4f}", flush=True)
        return study

    def judge(self, judges: Executor) -> None:
        """Trains and tests the defaults and the winners, if that is not done yet.

        The last winners of the studies come first, because they count the most.
        """
        found = [self.recorded.defaults]
        for share in reversed(range(len(SHARES))):
            found += [study.winners[share] for study in self.recorded.studies]
        judged = [one.overrides for one in self.recorded.judged]
        missing = [one for n, one in enumerate(found) if one not in [*judged, *found[:n]]]
        trainings = [
            [judges.submit(judged_once, one, seed, self.device) for seed in JUDGES]
            for one in missing
        ]
        for overrides, of_one in zip(missing, trainings, strict=True):
            validation, test = zip(*(training.result() for training in of_one), strict=True)
            self.recorded.judged.append(Judged(overrides, [*validation], [*test]))
            write_record(path_of(self.name), self.recorded)
            print(f"judged {len(self.recorded.judged)}", flush=True)


def judged_once(overrides: Sequence[str], seed: int, device: str) -> tuple[float, float]:
    """Returns the highest validation accuracy of a training, and the test accuracy with it."""
    varied = [f"seed={seed}", f"dataset.validation_seed={seed}", f"device={device}"]
    curves = train(from_omegaconf(composed([*overrides, *varied])))
    best = int(np.argmax(curves["val_accuracy"]))
    return curves["val_accuracy"][best], curves["test_accuracy"][best]


def defaults_of(name: str) -> list[str]:
    """Returns the overrides of trial 0."""
    space = space_of(name)
    return sorted([*SEARCHES[name], *as_overrides(space.first[0], space.dimensions)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=recorded_enough())
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--at-once", type=int, default=1, help="how many seeds")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--folder", type=Path, default=Path("outputs/benchmarks/real-studies"))
    options = parser.parse_args()
    recorded = read_studies(options.name) or Studies(defaults_of(options.name), [], [])
    path_of(options.name).parent.mkdir(exist_ok=True)
    folder = options.folder.resolve() / options.name
    # Made here, because Hydra cannot compose in several threads at a time.
    space = dict(composed(SEARCHES[options.name]).search_space)
    points = [
        ",".join(f"{key}:{value}" for key, value in point.items())
        for point in known_elsewhere(options.name)
    ]
    known = ",".join(f"{{{point}}}" for point in points)
    bench = Bench(options.name, folder, options.device, space, known, recorded, threading.Lock())
    with ThreadPoolExecutor(options.at_once) as pool:
        list(pool.map(bench.of_seed, range(options.seeds)))  # raises what went wrong
    with ProcessPoolExecutor(options.at_once, get_context("spawn")) as judges:
        bench.judge(judges)


if __name__ == "__main__":
    main()
