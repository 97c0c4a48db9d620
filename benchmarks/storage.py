"""What the storage of a study takes, by the number of workers and of trials.

    python benchmarks/storage.py journal [--workers 1 4 16] [--before 0 2000] [--trials 400]
    python benchmarks/storage.py postgresql+psycopg://USER@HOST/DATABASE
    python benchmarks/storage.py postgresql+psycopg://USER@HOST/DATABASE --proxy

Each worker takes trials, reports ten steps, and tells: what a study asks of its storage, without
training. `--before` trials are there already. Beside the study's journal the first command measures
Optuna's own, in turns. With `--proxy` the workers speak to Optuna's gRPC proxy of the database
(grpcio is needed). Optuna's own and the proxy know no lock of the study, and go without.

Prints the medians of `--rounds`: trials and reports a second over all workers with the least and
most reports, and the milliseconds and those of CPU time that a worker spends on a trial.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from hydra_study_sweeper.options import StudySpec
from hydra_study_sweeper.storage.opening import open_storage
from hydra_study_sweeper.storage.trials import Trials
from optuna.storages import BaseStorage
from optuna.storages.journal import JournalFileBackend

STEPS = 10
PORT = 13999
OURS, OPTUNAS, PROXY = "the study's", "Optuna's own", "the proxy"


@dataclass(frozen=True)
class Measured:
    """Of all workers a second, and of one worker for a trial."""

    reports: float
    seconds: float
    cpu: float


def optunas_storage(kind: str, spec: StudySpec) -> BaseStorage:
    """Opens the storage that knows nothing of this project."""
    if kind == PROXY:
        return optuna.storages.GrpcStorageProxy(host="localhost", port=PORT)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    return optuna.storages.JournalStorage(JournalFileBackend(str(spec.folder / "optuna.log")))


def work(spec: StudySpec, kind: str, count: int, barrier: Any, times: Any) -> None:
    """Runs `count` trials that do nothing."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    trials = Trials(spec) if kind == OURS else None
    study = (
        trials.study
        if trials
        else optuna.load_study(
            study_name=spec.name,
            storage=optunas_storage(kind, spec),
            pruner=optuna.pruners.NopPruner(),
        )
    )
    study.sampler = optuna.samplers.RandomSampler()
    barrier.wait()
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        trial = trials.claim() if trials else study.ask()
        assert trial is not None, "there are more"
        x = trial.suggest_float("x", 0, 1)
        for step in range(STEPS):
            trial.report(x, step)
            trial.should_prune()
        trials.complete(trial, [x]) if trials else study.tell(trial, x)
    times.put((time.perf_counter() - start, time.process_time() - cpu))


@contextmanager
def made(url: str | None, kind: str, before: int) -> Iterator[StudySpec]:
    """Makes a study with trials in it, and deletes it afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        name = f"measured-{time.time_ns()}"
        spec = StudySpec(name, Path(folder), url, ("maximize",), 10**9, 10**9)
        storage = optunas_storage(kind, spec) if kind == OPTUNAS else open_storage(spec)
        study = optuna.create_study(study_name=name, storage=storage, direction="maximize")
        finished = optuna.trial.create_trial(
            params={"x": 0.5},
            distributions={"x": optuna.distributions.FloatDistribution(0, 1)},
            intermediate_values=dict.fromkeys(range(STEPS), 0.5),
            value=0.5,
        )
        if url is not None:
            study.add_trials([finished] * before)
        elif before:  # 10 000 writes to disk would take a minute
            study.add_trial(finished)
            (journal,) = spec.folder.glob("*.log" if kind == OPTUNAS else "*.journal")
            line = journal.read_bytes().splitlines(keepends=True)[-1]
            with journal.open("ab") as file:
                file.write(line * (before - 1))
        yield spec
        optuna.delete_study(study_name=name, storage=storage)


def measure(url: str | None, kind: str, workers: int, before: int, trials: int) -> Measured:
    """Lets the workers run their shares of the trials."""
    count = trials // workers
    with made(url, kind, before) as spec:
        context = multiprocessing.get_context("spawn")
        barrier, times = context.Barrier(workers), context.Queue()
        arguments = (spec, kind, count, barrier, times)
        processes = [context.Process(target=work, args=arguments) for _ in range(workers)]
        for process in processes:
            process.start()
        taken = [times.get() for _ in processes]
        for process in processes:
            process.join()
    wall, cpu = zip(*taken, strict=True)
    reports = STEPS * workers * count / max(wall)
    return Measured(reports, statistics.fmean(wall) / count, statistics.fmean(cpu) / count)


def serve(url: str) -> None:
    """Runs Optuna's gRPC proxy of a database."""
    optuna.storages.run_grpc_proxy_server(
        optuna.storages.RDBStorage(url), host="localhost", port=PORT
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("storage")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--before", type=int, nargs="+", default=[0, 2000])
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--proxy", action="store_true")
    options = parser.parse_args()
    url = None if options.storage == "journal" else options.storage
    kinds = [PROXY] if options.proxy else [OURS] if url else [OURS, OPTUNAS]
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    proxy = multiprocessing.Process(target=serve, args=(url,), daemon=True)
    if options.proxy:
        proxy.start()
        time.sleep(5)
    for before in options.before:
        for workers in options.workers:
            sizes = (workers, before, options.trials)
            rounds = [[measure(url, kind, *sizes) for kind in kinds] for _ in range(options.rounds)]
            for kind, measured in zip(kinds, zip(*rounds, strict=True), strict=True):
                reports = [one.reports for one in measured]
                median = statistics.median(reports)
                print(
                    f"{before:5} trials before, {workers:3} workers, {kind:12}: "
                    f"{median / STEPS:5.0f} trials/s, {median:6.0f} reports/s "
                    f"({min(reports):.0f} to {max(reports):.0f}), "
                    f"{1000 * statistics.median(one.seconds for one in measured):6.1f} ms a trial, "
                    f"{1000 * statistics.median(one.cpu for one in measured):5.1f} ms of CPU",
                    flush=True,
                )
    if options.proxy:
        proxy.terminate()


if __name__ == "__main__":
    main()
