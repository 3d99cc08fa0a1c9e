"""The ends of the accuracy bench, each run in a network of its own: a paced sender, our sampler among threads, Glances.

`python -m bench.veth send FILE SECONDS`, `… ask FILE SECONDS` and `… sample FILE SECONDS BUSY`.
"""

from __future__ import annotations

import array
import json
import socket
import sys
import threading
import time
from pathlib import Path

import psutil

from bench.glances import Glances
from data_sources.system.cgroup import ControlGroup
from data_sources.system.host import host_reader
from data_sources.system.interfaces import LinuxInterfaces
from data_sources.system.network import ProcNetDev
from data_sources.system.sampler import Sampler
from data_sources.system.types import Sample

NAME, ADDRESS, PORT = "ops-b", "10.203.7.2", 9
PAYLOAD = 1400
FRAME = PAYLOAD + 8 + 20 + 14  # UDP, IPv4 and Ethernet headers: what the kernel counts
RATE = 10_000_000


def send(file: Path, seconds: float) -> None:
    """Send at 10 MB/s and keep when each frame was handed to the kernel, on the monotonic clock of all processes."""
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    payload, stamps = b"x" * PAYLOAD, array.array("q")
    started = time.monotonic_ns()
    end = started + int(seconds * 1e9)
    while (now := time.monotonic_ns()) < end:
        due = (now - started) * RATE // FRAME // 10**9
        while len(stamps) < due:
            try:
                out.sendto(payload, (ADDRESS, PORT))
            except OSError:  # the other end is gone: the bench took it away
                file.write_bytes(stamps.tobytes())
                return
            stamps.append(time.monotonic_ns())
        time.sleep(0.0003)
    file.write_bytes(stamps.tobytes())


def sample(file: Path, seconds: float, busy: int) -> None:
    """Sample as the console does while `busy` threads compute; beside it the plain way, stamped after the read."""
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind((ADDRESS, PORT))
    stop = threading.Event()
    for _ in range(busy):
        threading.Thread(target=_compute, args=(stop,), daemon=True).start()
    rows: list[dict[str, object]] = []

    def keep(tick: Sample) -> None:
        row = psutil.net_io_counters(pernic=True, nowrap=False).get(NAME)
        plain_ns = time.monotonic_ns()
        rate = tick.rates.get(NAME)
        rows.append(
            {
                "at_ns": tick.at_ns,
                "interval_s": tick.interval_s,
                "in": None if rate is None else rate.first,
                "reason": "not listed" if rate is None else rate.reason,
                "plain_ns": plain_ns,
                "plain_bytes": None if row is None else row.bytes_recv,
            }
        )

    sampler = Sampler(ProcNetDev(), host_reader(ControlGroup()), LinuxInterfaces())
    sampler.on_sample = keep
    sampler.start()
    time.sleep(seconds)
    sampler.stop()
    stop.set()
    file.write_text(json.dumps(rows), encoding="utf-8")


def ask(file: Path, seconds: float) -> None:
    """Ask Glances about the interface every 2 s, and keep each answer with the moment it came."""
    glances, rows = Glances(), []
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            listed = {row["interface_name"]: row for row in glances.ask("network")}
            rows.append({"at_ns": time.monotonic_ns(), "row": listed.get(NAME)})
            time.sleep(2)
    finally:
        glances.stop()
    file.write_text(json.dumps(rows), encoding="utf-8")


def _compute(stop: threading.Event) -> None:
    while not stop.is_set():
        sum(number * number for number in range(2000))


if __name__ == "__main__":
    verb, target, length = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    if verb == "send":
        send(target, length)
    elif verb == "ask":
        ask(target, length)
    else:
        sample(target, length, int(sys.argv[4]))
