"""What is set in torch before a computation; each test in a process of its own."""

import os
import subprocess
import sys

from rnnclf.training.reproducibility import git_revision

BEGIN = "import torch; from rnnclf.training.reproducibility import prepare_torch; prepare_torch()\n"


def printed_by(code: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_products_of_matrices_keep_the_accuracy_of_float32():
    errors = printed_by("""
for rows, inner, columns in ((32, 128, 384), (7, 5, 9), (4000, 128, 384), (384, 4000, 128)):
    a, b = torch.randn(rows, inner), torch.randn(inner, columns)
    exact = a.double() @ b.double()
    print(float((a @ b - exact).abs().max() / exact.abs().max()))
""")
    assert all(float(error) < 1e-5 for error in errors.splitlines())
    assert len(errors.splitlines()) == 4


def test_numbers_below_the_normal_range_become_zero():
    assert printed_by("print(float(torch.tensor([2.0**-126]) / 2))") == "0.0"


def test_one_thread_is_used():
    assert printed_by("print(torch.get_num_threads())") == "1"


def test_the_revision_is_read_without_the_programs_of_a_configuration_of_git(tmp_path, monkeypatch):
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    script.chmod(0o755)
    known = git_revision()
    for name, value in {"COUNT": "1", "KEY_0": "core.fsmonitor", "VALUE_0": str(script)}.items():
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    assert git_revision() == known
    assert not (tmp_path / "ran").exists()
