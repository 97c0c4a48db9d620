"""Reading one's own file: how time and memory grow, and how other libraries do.

    python benchmarks/own_data.py growth [ROWS CLASSES]
    python benchmarks/own_data.py libraries [ROWS]    # needs pandas, polars, duckdb, pyarrow

Each measurement is a process of its own: CPU seconds, which other work on the machine changes
little, and peak memory. Texts have 12 words, a fifth of them a quote and a comma, one in twenty a
line break inside quotes. `prepare` is what a run does before its first batch: reading, splitting,
counting and encoding, without the cache.
"""

import csv
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GROWTH = [(10**4, 100), (10**5, 100), (10**6, 10), (10**6, 100), (10**6, 1000)]
READERS = ("rnnclf", "pandas", "polars", "duckdb", "pyarrow")
EXTRA = 17  # further columns of a wide file


def write_file(path: Path, rows: int, classes: int, *, wide: bool = False) -> None:
    generator = random.Random(0)
    words = [f"word{number}" for number in range(20_000)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        extra = [f"column{number}" for number in range(EXTRA if wide else 0)]
        writer.writerow(["text", *extra, "label"])
        for _ in range(rows):
            text = " ".join(generator.choices(words, k=12))
            chance = generator.random()
            text = f"{text[:30]}\n{text[30:]}" if chance < 0.05 else text
            text += ', "so"' if chance > 0.8 else ""
            values = [f"value {generator.randrange(1000)}" for _ in extra]
            writer.writerow([text, *values, f"class{generator.randrange(classes)}"])


def read(reader: str, path: Path) -> tuple[float, float, int]:
    """Reads texts and labels into lists; returns CPU seconds of both, and rows."""
    start = time.process_time()
    if reader == "rnnclf":
        from rnnclf.data.tables.table import Reading
        from rnnclf.data.tables.table import read_table as load
    elif reader == "pandas":
        from pandas import read_csv as load
    elif reader == "polars":
        from polars import read_csv as load
    elif reader == "duckdb":
        from duckdb import connect as load
    else:
        import pyarrow.csv as load
    imported = time.process_time()
    if reader == "rnnclf":
        table = load(path, Reading(text=["text"], label="label"))
        texts, labels = table.texts, table.labels
    elif reader == "pandas":
        table = load(path, usecols=["text", "label"], dtype=str, keep_default_na=False)
        texts, labels = table.text.tolist(), table.label.tolist()
    elif reader == "polars":
        table = load(path, columns=["text", "label"], infer_schema=False)
        texts, labels = table["text"].to_list(), table["label"].to_list()
    elif reader == "duckdb":
        query = "select text, label from read_csv(?, all_varchar=true, store_rejects=true)"
        rows = load().execute(query, [str(path)]).fetchall()
        texts, labels = [row[0] for row in rows], [row[1] for row in rows]
    else:
        table = load.read_csv(path, parse_options=load.ParseOptions(newlines_in_values=True))
        texts, labels = table["text"].to_pylist(), table["label"].to_pylist()
    assert len(texts) == len(labels)
    return imported - start, time.process_time() - imported, len(texts)


def prepare_file(path: Path) -> float:
    from hydra import compose, initialize_config_dir

    from rnnclf.configuration.composed import from_omegaconf, register_schema
    from rnnclf.data.prepared import prepare

    register_schema()
    with initialize_config_dir(str(Path(__file__).resolve().parents[1] / "conf")):
        config = from_omegaconf(compose("config", ["dataset=csv", f"dataset.file={path}"]))
    start = time.process_time()
    prepare(config.dataset, path.parent)
    return time.process_time() - start


def measure(what: str, path: Path) -> str:
    """Measures in a process of its own."""
    command = [sys.executable, __file__, "--one", what, str(path)]
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "RNNCLF_CACHE": cache, "POLARS_MAX_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return done.stdout.strip()


def one(what: str, path: Path) -> None:
    if what == "prepare":
        print(f"prepare {prepare_file(path):.1f} s", end="")
    else:
        imported, seconds, rows = read(what, path)
        print(f"import {imported:.2f} s, read {rows} rows in {seconds:.1f} s", end="")
    print(f", peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


def main() -> None:
    what = sys.argv[1]
    if what == "--one":
        one(sys.argv[2], Path(sys.argv[3]))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.csv"
        if what == "growth":
            given = tuple(map(int, sys.argv[2:]))
            for rows, classes in [given] if given else GROWTH:
                write_file(path, rows, classes)
                size = path.stat().st_size / 1e6
                for measured in ("rnnclf", "prepare"):
                    line = measure(measured, path)
                    print(f"{rows:8} rows {classes:5} classes {size:4.0f} MB: {line}", flush=True)
        else:
            rows = int(sys.argv[2]) if len(sys.argv) > 2 else 10**6
            for wide in (False, True):
                write_file(path, rows, 100, wide=wide)
                for reader in READERS:
                    kind = "wide" if wide else "narrow"
                    print(f"{kind:6} {reader:7}: {measure(reader, path)}", flush=True)


if __name__ == "__main__":
    main()
