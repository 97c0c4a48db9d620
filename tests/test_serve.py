"""The recipe of a server in docs/models.md, over HTTP."""

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from project import REPO

import rnnclf as package

# Only this recipe needs them; an environment from before it has none.
pytestmark = pytest.mark.skipif(
    not all(map(find_spec, ("fastapi", "uvicorn"))), reason="there is no fastapi or uvicorn here"
)


@pytest.fixture
def address(trained, tmp_path) -> Iterator[str]:
    page = (REPO / "docs" / "models.md").read_text(encoding="utf-8")
    (recipe,) = [code for code in re.findall(r"```python\n(.*?)```", page, re.S) if "app =" in code]
    (tmp_path / "serve.py").write_text(recipe.replace('"models/questions-gru"', repr(str(trained))))
    command = [sys.executable, "-m", "uvicorn", "serve:app", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as server:
        try:
            for line in server.stderr:
                if running := re.search(r"running on (http://127\.0\.0\.1:\d+)", line):
                    yield running[1]
                    break
        finally:
            server.terminate()


def asked(address: str, path: str, body: object = None) -> tuple[int, object]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        address + path, data, headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_recipe_serves_a_model(address, trained):
    texts = ["Who was it?", "", "🙂 -1"]
    classifier = package.load(trained)
    status, answers = asked(address, "/predict", texts)
    assert status == 200
    assert [answer["label"] for answer in answers] == classifier.predict(texts)
    shares = classifier.predict_proba(texts).max(1)
    assert [answer["probability"] for answer in answers] == pytest.approx(shares, rel=1e-5)
    assert asked(address, "/health") == (200, "ok")
    assert "/predict" in asked(address, "/openapi.json")[1]["paths"]
    for wrong in ([], ["a" * 10_001], ["a"] * 257, {"texts": 1}, "text"):
        assert asked(address, "/predict", wrong)[0] == 422
