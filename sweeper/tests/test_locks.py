"""The lock on a file of a study."""

import subprocess
import sys
import threading
from pathlib import Path

import filelock
import pytest
from hydra_study_sweeper.storage.locks import FolderLock

HOLDER = """
import sys, time
from pathlib import Path
from hydra_study_sweeper.storage.locks import FolderLock
with FolderLock(Path(sys.argv[1])):
    print(flush=True)
    time.sleep(60)
"""


def is_free(path: Path) -> bool:
    lock = FolderLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return False
    lock.release()
    return True


def test_a_lock_is_free_when_its_holder_was_killed(tmp_path):
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert not is_free(path)
        threading.Timer(0.1, holder.kill).start()
        with FolderLock(path):  # waits for the end of the holder
            assert not is_free(path)
    assert is_free(path)


def test_threads_that_share_a_lock_wait_for_each_other(tmp_path):
    lock, taken = FolderLock(tmp_path / "lock"), threading.Event()

    def take() -> None:
        with lock:
            taken.set()

    thread = threading.Thread(target=take)
    with lock:
        thread.start()
        assert not taken.wait(0.1)
    thread.join()
    assert taken.is_set()


def test_the_folder_of_a_lock_is_not_made(tmp_path):
    with pytest.raises(FileNotFoundError), FolderLock(tmp_path / "moved" / "lock"):
        pass
    assert not (tmp_path / "moved").exists()
