"""A store whose disk goes wrong, in a process of its own: `python -m tests.fakes.store_faults FAULT FOLDER`.

Prints what happened as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
from functools import partial
from pathlib import Path

from data_sources.usage.store import StoreError
from data_sources.usage.writer import Writer
from tests.data_sources.usage.ingest_rows import ask, attempts, differences, event, open_store

_BATCH = 200


def _batch(number):
    return attempts(*(event(number * _BATCH + step, user_id=f"{number}-{step}" * 9) for step in range(_BATCH)))


def _refusal(work):
    try:
        work()
    except StoreError as error:
        return error.problem.code
    return None


def full_disk(folder):
    """No file may grow beyond a few hundred kilobytes for a while: what a full disk does to a write."""
    store = open_store(folder)
    writer = Writer(store, heartbeat_s=0.05)
    writer.start()
    receipts, refusals, limit = 0, [], resource.getrlimit(resource.RLIMIT_FSIZE)
    writer.submit(_batch(receipts), batch_id="first")
    receipts += 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, limit[1]))
    while len(refusals) < 5:
        refused = _refusal(partial(writer.submit, _batch(receipts), batch_id=f"b{receipts}"))
        receipts += refused is None
        refusals += [] if refused is None else [refused]
    read_meanwhile = ask(store, "SELECT count(*) FROM attempts")[0][0]
    resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    for number in range(receipts + 1):  # senders send again, first of all what was refused
        writer.submit(_batch(receipts - number), batch_id=f"again{number}")
    rows = ask(store, "SELECT count(*), count(DISTINCT event_id) FROM attempts")
    told = {
        "stored": receipts * _BATCH,
        "read_meanwhile": read_meanwhile,
        "refusals": refusals,
        "rows": rows[0],
        "wrong": len(differences(store)),
    }
    writer.close()
    store.close()
    return told


def died(folder):
    """Three commits that only the write-ahead log holds."""
    store = open_store(folder)
    writer = Writer(store, heartbeat_s=60)
    writer.start()
    for number in range(3):
        writer.submit(_batch(number), batch_id=f"b{number}")
    sys.stdout.write(json.dumps({"stored": 3 * _BATCH}))
    sys.stdout.flush()
    os._exit(0)


def read_only(_folder):
    """The folder and the file may be read by this user, but not written."""
    with tempfile.TemporaryDirectory() as made:  # every user can reach it
        root = os.geteuid() == 0  # who may write anywhere, so somebody else asks
        told = _asked_of(Path(made), 65534 if root else os.geteuid())
        os.seteuid(os.getuid())
        Path(made).chmod(0o755)
    return told


def _asked_of(folder, user):
    store = open_store(folder)
    writer = Writer(store)
    writer.start()
    writer.submit(_batch(0), batch_id="first")
    writer.close()
    store.close()
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)
    os.seteuid(user)
    store = open_store(folder)
    writer = Writer(store)
    writer.start()
    told = {
        "read": _refusal(lambda: ask(store, "SELECT 1")),
        "write": _refusal(lambda: writer.submit(_batch(1), batch_id="second")),
    }
    writer.close()
    store.close()
    return told


if __name__ == "__main__":
    made = {"full_disk": full_disk, "died": died, "read_only": read_only}[sys.argv[1]](Path(sys.argv[2]))
    sys.stdout.write(json.dumps(made))
