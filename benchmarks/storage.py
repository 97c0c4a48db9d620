"""What the storage of a study takes, by the number of workers and of trials.

    python benchmarks/storage.py journal [--workers 1 4 16] [--before 0 2000] [--trials 400]
    python benchmarks/storage.py postgresql+psycopg://USER@HOST/DATABASE
    python benchmarks/storage.py postgresql+psycopg://USER@HOST/DATABASE --proxy

Each worker takes trials, reports ten steps, and tells: what a study asks of its storage, without
training. `--before` trials are there already. With `--proxy` the workers speak to Optuna's gRPC
proxy of the database (grpcio is needed), without the study's own lock, since it knows none.
Prints trials a second over all workers, and the milliseconds that a worker spends on one.
"""

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import Any

import optuna
from hydra_study_sweeper.options import StudySpec
from hydra_study_sweeper.storage.opening import open_storage
from hydra_study_sweeper.storage.trials import Trials

STEPS = 10
PORT = 13999


def work(spec: StudySpec, proxy: bool, count: int, barrier: Any, times: Any) -> None:
    """Runs `count` trials that do nothing."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.RandomSampler()
    if proxy:
        storage = optuna.storages.GrpcStorageProxy(host="localhost", port=PORT)
        study = optuna.load_study(study_name=spec.name, storage=storage, sampler=sampler)
        barrier.wait()
    else:
        trials = Trials(spec)
        trials.study.sampler = sampler
        study = trials.study
        barrier.wait()
    start = time.perf_counter()
    for _ in range(count):
        trial = study.ask() if proxy else trials.claim()
        x = trial.suggest_float("x", 0, 1)
        for step in range(STEPS):
            trial.report(x, step)
            trial.should_prune()
        study.tell(trial, x) if proxy else trials.complete(trial, [x])
    times.put(time.perf_counter() - start)


def measure(
    url: str | None, proxy: bool, workers: int, before: int, trials: int
) -> tuple[float, float]:
    """Returns trials a second over all workers, and seconds of a worker for one."""
    count = trials // workers
    with tempfile.TemporaryDirectory() as folder:
        name = f"measured-{time.time_ns()}"
        spec = StudySpec(name, Path(folder), url, ("maximize",), 10**9, 10**9)
        study = Trials(spec).study
        finished = optuna.trial.create_trial(
            params={"x": 0.5},
            distributions={"x": optuna.distributions.FloatDistribution(0, 1)},
            intermediate_values=dict.fromkeys(range(STEPS), 0.5),
            value=0.5,
        )
        study.add_trials([finished] * before)
        context = multiprocessing.get_context("spawn")
        barrier, times = context.Barrier(workers), context.Queue()
        arguments = (spec, proxy, count, barrier, times)
        processes = [context.Process(target=work, args=arguments) for _ in range(workers)]
        for process in processes:
            process.start()
        taken = [times.get() for _ in processes]
        for process in processes:
            process.join()
        optuna.delete_study(study_name=name, storage=open_storage(spec))
    return workers * count / max(taken), sum(taken) / len(taken) / count


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
    parser.add_argument("--proxy", action="store_true")
    options = parser.parse_args()
    url = None if options.storage == "journal" else options.storage
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    proxy = multiprocessing.Process(target=serve, args=(url,), daemon=True)
    if options.proxy:
        proxy.start()
        time.sleep(5)
    for before in options.before:
        for workers in options.workers:
            rate, seconds = measure(url, options.proxy, workers, before, options.trials)
            print(
                f"{before:5} trials before, {workers:3} workers: "
                f"{rate:6.0f} trials/s, {1000 * seconds:6.1f} ms a trial",
                flush=True,
            )
    if options.proxy:
        proxy.terminate()


if __name__ == "__main__":
    main()
