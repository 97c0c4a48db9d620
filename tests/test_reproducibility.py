"""What is set in torch before a computation, seen in a process of its own."""

import json
import os
import subprocess
import sys

import pytest

CODE = """
import json, torch
from rnnclf.training.reproducibility import prepare_torch

prepare_torch()
errors = []
for rows, inner, columns in ((32, 128, 384), (7, 5, 9), (4000, 128, 384), (384, 4000, 128)):
    a, b = torch.randn(rows, inner), torch.randn(inner, columns)
    exact = a.double() @ b.double()
    errors.append(float((a @ b - exact).abs().max() / exact.abs().max()))
tiny = float(torch.tensor([2.0**-126]) / 2)
print(json.dumps({"errors": errors, "tiny": tiny, "threads": torch.get_num_threads()}))
"""


@pytest.fixture(scope="module")
def computed() -> dict:
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_products_of_matrices_keep_the_accuracy_of_float32(computed):
    assert len(computed["errors"]) == 4
    assert max(computed["errors"]) < 1e-5


def test_numbers_below_the_normal_range_become_zero(computed):
    assert computed["tiny"] == 0


def test_one_thread_is_used(computed):
    assert computed["threads"] == 1
