import os
import subprocess
import sys
import threading

import pytest

from data_sources.state.folder_lock import NAME, FolderInUseError, Served, lock_folder, served_from

_HOLD = """
import os, sys
from pathlib import Path
from data_sources.state.folder_lock import Served, lock_folder
lock_folder(Path(sys.argv[1]), Served("http://127.0.0.1:1", "https://ops.example.com"))
child = os.fork()
if child:
    print(child, flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def server(tmp_path):
    """A process that took the folder and forked a child, both living until their input ends."""
    made = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    made.child = int(made.stdout.readline())
    yield made
    made.stdin.close()
    made.wait(timeout=10)
    made.stdout.close()


def test_a_folder_in_use_is_refused_at_once_naming_folder_and_process(tmp_path, server):
    with pytest.raises(FolderInUseError, match=f"process {server.pid}, serves from {tmp_path}"):
        lock_folder(tmp_path, wait_s=600)
    assert served_from(tmp_path) == Served("http://127.0.0.1:1", "https://ops.example.com")


def test_what_is_left_of_a_dead_server_still_has_the_folder_and_is_waited_for(tmp_path, server):
    server.kill()
    server.wait(timeout=10)
    with pytest.raises(FolderInUseError):
        lock_folder(tmp_path, wait_s=0)
    assert served_from(tmp_path) is None
    held = []
    waiting = threading.Thread(target=lambda: held.append(lock_folder(tmp_path, wait_s=20)))
    waiting.start()
    os.kill(server.child, 9)
    waiting.join(timeout=25)
    assert (tmp_path / NAME).read_text() == f"{os.getpid()}\n"
    os.close(held[0])


def test_a_folder_given_back_can_be_taken_again(tmp_path):
    assert served_from(tmp_path) is None
    os.close(lock_folder(tmp_path, Served("http://127.0.0.1:1", "http://127.0.0.1:1")))
    assert served_from(tmp_path) is None
    held = lock_folder(tmp_path, wait_s=0)
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    os.close(held)
