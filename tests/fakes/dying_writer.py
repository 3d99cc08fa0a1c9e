"""A store and its writer that are killed again and again: `python -m tests.fakes.dying_writer FOLDER DEATHS`.

Each life is a fork that opens the store anew, sends again what was sent last, goes on sending small batches, and kills
itself at a random moment, wherever it is. Receipts go to a file that outlives it.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
from pathlib import Path

from data_sources.usage import writer as writer_module
from data_sources.usage.writer import Writer
from tests.data_sources.usage.ingest_rows import NOON_US, attempts, open_store

SENDERS = 3
writer_module._CHECKPOINT_EVERY = 4  # so that many a death falls into one


def batch(sender, number):
    """Five attempts of four calls, the last a second try of a call of the batch before."""
    first = number * 5
    return [
        {
            "event_id": f"{sender}-{first + step}",
            "call_id": f"{sender}-{first + step if step < 4 else first - 1}",
            "started_at_us": NOON_US - 86_400_000_000 + (first + step) * 1000,
            "status": "success" if step % 2 else "failure",
            "provider": f"p{step}",
            "input_tokens": step,
        }
        for step in range(5)
    ]


def last_receipts(path):
    """The next number of each sender: all before it have a receipt."""
    text = path.read_text(encoding="ascii") if path.exists() else ""
    numbers = dict.fromkeys(range(SENDERS), 0)
    for line in text.splitlines():
        sender, number = map(int, line.split())
        numbers[sender] = max(numbers[sender], number + 1)
    return numbers


def live(folder, lasts_s, *, opened):
    """Live until `lasts_s` after the first receipt, or, when not `opened`, after the very beginning."""
    receipts = folder / "receipts"
    begin = last_receipts(receipts)
    acknowledged = threading.Event()

    def die():
        if opened:
            acknowledged.wait()
        threading.Event().wait(lasts_s)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=die).start()
    store = open_store(folder)
    writer = Writer(store, heartbeat_s=0.05)
    writer.start()
    noted = os.open(receipts, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def send(sender):
        number = max(0, begin[sender] - 1)  # what was sent before the death, and may be there or not
        while True:
            writer.submit(attempts(*batch(sender, number)), batch_id=f"{os.getpid()}-{sender}-{number}")
            os.write(noted, f"{sender} {number}\n".encode("ascii"))
            acknowledged.set()
            number += 1

    for sender in range(SENDERS):
        threading.Thread(target=send, args=(sender,)).start()
    signal.pause()


def main():
    folder, deaths = Path(sys.argv[1]), int(sys.argv[2])
    for death in range(deaths):
        lasts_s = random.random() * 0.15
        child = os.fork()
        if not child:
            live(folder, lasts_s, opened=death % 5 > 0)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL


if __name__ == "__main__":
    main()
