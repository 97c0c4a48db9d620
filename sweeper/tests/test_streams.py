"""Standard streams that are closed, lose their reader, or lack a character."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import logging, os, sys
logging.basicConfig(stream=sys.stdout, format="%(message)s", level="INFO")
from hydra_study_sweeper.streams import open_streams, outlive_readers
open_streams()
outlive_readers()
with open("record", "w") as record:
    sys.stdin.read()
    for _ in range(2):
        print("Straße", flush=True)
        logging.info("of a log")
        os.system("echo of a child")
        print("an error", file=sys.stderr)
    record.write("whole")
"""


def run(folder: Path, redirections: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Runs the program, by a shell that closes or redirects its streams."""
    command = ["sh", "-c", f'exec "$@" {redirections}', "", sys.executable, "-c", PROGRAM]
    return subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, check=False, **options)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_no_file_takes_the_place_of_a_closed_stream(closed, tmp_path):
    done = run(tmp_path, closed, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "record").read_text() == "whole"
    assert done.stdout.count(b"of a child") == (2 if closed in ("<&-", "2>&-") else 0)
    assert done.stderr.count(b"an error") == (0 if "2>&-" in closed else 2)


def test_without_a_reader_the_display_ends_and_the_work_goes_on(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = run(tmp_path, "", stdout=writer, stderr=writer)
        assert (done.returncode, (tmp_path / "record").read_text()) == (0, "whole")
        done = run(tmp_path, "", stdout=writer, stderr=subprocess.PIPE)
        assert (done.returncode, done.stderr) == (0, b"an error\n" * 2), "and nothing of logging"
    finally:
        os.close(writer)


def test_a_full_disk_is_an_error(tmp_path):
    done = run(tmp_path, ">/dev/full", capture_output=True)
    assert done.returncode == 1
    assert b"No space left on device: 'standard output'" in done.stderr


def test_what_an_encoding_lacks_is_escaped(tmp_path):
    done = run(tmp_path, "", capture_output=True, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, rb"Stra\xdfe")
