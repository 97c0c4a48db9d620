"""Answers over HTTP and in Python: `python benchmarks/serve.py BUNDLE [REQUESTS]`.

Runs the server of docs/models.md (`pip install fastapi uvicorn`) and asks it one after the other,
with one connection: for a text a request, and for 100. Prints texts a second and the median and the
99th percentile of the time of a request, and the same of `predict_proba`.
"""

import http.client
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import rnnclf

PAGE = Path(__file__).resolve().parents[1] / "docs" / "models.md"


def show(name: str, ask: Callable[[Sequence[str]], object], size: int, requests: int) -> None:
    """Asks for texts of about ten words and prints a row of the table."""
    seconds = []
    for number in range(requests + 10):
        texts = [f"who was the number {number} in the list of {n} names ?" for n in range(size)]
        start = time.perf_counter()
        ask(texts)
        seconds.append(time.perf_counter() - start)
    times = np.array(seconds[10:])  # the first ones warm up
    median, late = 1000 * np.quantile(times, (0.5, 0.99))
    print(f"| {name} | {size} | {size / times.mean():.0f} | {median:.2f} ms | {late:.2f} ms |")


def main(bundle: Path, requests: int) -> None:
    """Prints the table."""
    classifier = rnnclf.load(bundle)
    recipe = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[-1]
    print("| | texts a request | texts/s | median | p99 |\n| --- | --- | --- | --- | --- |")
    for size in (1, 100):
        show("Python", classifier.predict_proba, size, requests)
    with tempfile.TemporaryDirectory() as folder:
        code = recipe.replace('"models/questions-gru"', repr(str(bundle.resolve())))
        Path(folder, "serve.py").write_text(code, encoding="utf-8")
        command = [sys.executable, "-m", "uvicorn", "serve:app", "--port", "0", "--no-access-log"]
        with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as server:
            assert server.stderr
            (port,) = next(
                found.groups()
                for line in server.stderr
                if (found := re.search(r"running on http://127\.0\.0\.1:(\d+)", line))
            )
            connection = http.client.HTTPConnection("127.0.0.1", int(port))

            def ask(texts: Sequence[str]) -> None:
                headers = {"Content-Type": "application/json"}
                connection.request("POST", "/predict", json.dumps(texts), headers)
                answer = connection.getresponse()
                assert len(json.load(answer)) == len(texts)

            for size in (1, 100):
                show("HTTP", ask, size, requests)
            server.terminate()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int((*sys.argv, "1000")[2]))
