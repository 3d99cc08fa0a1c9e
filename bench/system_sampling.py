"""What sampling this machine costs with everything that is read and kept, beside others that are asked as often.

Those are Glances, node_exporter (where it is installed, or was brought by `make test-peers`) and Netdata (where it is
installed; it reads every second by itself).

On some machines (virtual ones, whose memory grows cold while they sleep) a program that wakes every two seconds pays
for each page of memory that it touches then: the same tick costs tens of times as much as the next one right behind it.
So two more rows stand here. The floor is a bare Python thread that reads four of the kernel's files every 2 s and makes
nothing of them: no Python program on this machine costs less. And all threads run once at twenty times their pace, so
that their memory stays warm: that is what the work itself costs, here as on a machine that does not sleep so deeply.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import requests

from bench.console import free_port, table, wait_until_up
from bench.fast_clock import FastClock
from bench.glances import Glances, command
from data_sources.system.cgroup import ControlGroup
from data_sources.system.host import host_reader
from data_sources.system.levels import SlowReadings
from data_sources.system.mounts import MountWatch
from data_sources.system.network import ProcNetDev
from data_sources.system.sampler import Sampler
from data_sources.system.source import HISTORY_FILE, SystemSource, interface_catalog
from tests.peers.prometheus import find

PERIOD_S = 2.0
TICKS = 300
WATCHED_S = 60
FASTER = 20
TARGET = 0.1
FLOOR = """
import sys, threading, time
FILES = [open("/proc/" + name, "rb", buffering=0) for name in ("net/dev", "stat", "meminfo", "diskstats")]
def run():
    while True:
        for each in FILES:
            each.seek(0); each.read()
        time.sleep(float(sys.argv[1]))
threading.Thread(target=run, daemon=True).start()
time.sleep(float(sys.argv[1]))
begun, cpu_s = time.monotonic(), time.process_time()
time.sleep(float(sys.argv[2]))
print(time.process_time() - cpu_s, time.monotonic() - begun)
"""


def main() -> None:
    """Print the table."""
    with TemporaryDirectory(prefix="ops-center-bench-") as folder:
        rows = [
            _by_hand(Path(folder, "by-hand")),
            _for_real(Path(folder, "for-real")),
            _floor(),
            _warm(Path(folder, "warm")),
        ]
    exporter, netdata, port = find("prometheus-node-exporter"), shutil.which("netdata"), free_port()
    rows += [
        _glances(),
        _other(
            "node_exporter", exporter, [f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"], port, "/metrics"
        ),
        _other("Netdata", netdata, ["-D", "-i", "127.0.0.1", "-p", str(port)], port, "/api/v1/allmetrics?format=json"),
    ]
    table(rows)


def _by_hand(folder: Path) -> dict[str, str]:
    """One tick after another: the sampler's own work."""
    folder.mkdir()
    source = SystemSource.of_this_machine(folder)
    sampler = source.sampler
    sampler.tick()
    walls, started_cpu = [], time.process_time()
    for _ in range(TICKS):
        started = time.perf_counter()
        sampler.tick()
        walls.append((time.perf_counter() - started) * 1000)
    cpu_ms = (time.process_time() - started_cpu) * 1000 / TICKS
    series = len(sampler.infos)
    source.close()
    return {
        "what": f"a tick: {series} interfaces, CPU, memory, load, disks, pressure; its place in the history",
        "CPU ms a tick": f"{cpu_ms:.3f}",
        "wall ms, median": f"{statistics.median(walls):.3f}",
        "share of a core at 2 s": f"{cpu_ms / PERIOD_S / 10:.3f} %",
        "target": f"<= {TARGET} %",
    }


def _for_real(folder: Path) -> dict[str, str]:
    """The threads as the console runs them: sampler, file systems, sensors, and the one that writes the history."""
    folder.mkdir()
    cpu_s, seconds = _watched(SystemSource.of_this_machine(folder), PERIOD_S, WATCHED_S)
    return {
        "what": f"all threads over {seconds:.0f} s, history on disk ({_written(folder) / 1000:.0f} kB)",
        **_share(cpu_s, seconds),
        "target": f"<= {TARGET} %",
    }


def _floor() -> dict[str, str]:
    """What this machine takes for a thread that wakes every 2 s and does next to nothing."""
    done = subprocess.run(
        [sys.executable, "-c", FLOOR, str(PERIOD_S), str(WATCHED_S)], capture_output=True, text=True, check=True
    )
    cpu_s, seconds = (float(text) for text in done.stdout.split())
    what = f"the floor here: a bare Python thread that reads four of the kernel's files every 2 s over {seconds:.0f} s"
    return {"what": what, **_share(cpu_s, seconds)}


def _warm(folder: Path) -> dict[str, str]:
    """The same threads at twenty times the pace: for them as much time has passed as goes by in 20 minutes."""
    folder.mkdir()
    clock, group = FastClock(FASTER), ControlGroup()
    with _waits_shortened(FASTER):
        source = SystemSource(
            Sampler(
                ProcNetDev(clock_ns=clock.clock_ns),
                host_reader(group),
                interface_catalog(),
                clock_ns=clock.clock_ns,
                now=clock.now,
            ),
            SlowReadings.of_this_machine((MountWatch("/", "root"), MountWatch(str(folder), "data folder"))),
            cpu_limit=group.cpu,
            history_file=folder / HISTORY_FILE,
            now=clock.now,
        )
        cpu_s, seconds = _watched(source, PERIOD_S / FASTER, WATCHED_S)
    return {
        "what": f"all threads at {FASTER} times the pace over {seconds:.0f} s: their memory stays warm",
        **_share(cpu_s, seconds * FASTER),
        "target": f"<= {TARGET} %",
    }


@contextmanager
def _waits_shortened(faster: int) -> Iterator[None]:
    """Let every thread that waits for its next turn wait so many times shorter."""
    wait = threading.Event.wait

    def shorter(event: threading.Event, timeout: float | None = None) -> bool:
        return wait(event, None if timeout is None else timeout / faster)

    threading.Event.wait = shorter  # type: ignore[method-assign]
    try:
        yield
    finally:
        threading.Event.wait = wait  # type: ignore[method-assign]


def _watched(source: SystemSource, first_s: float, seconds: float) -> tuple[float, float]:
    """Seconds of CPU of this process while its threads measure, after their first readings, and the time that took."""
    source.open()
    time.sleep(first_s)
    started_cpu, started = time.process_time(), time.monotonic()
    time.sleep(seconds)
    found = time.process_time() - started_cpu, time.monotonic() - started
    source.close()
    return found


def _written(folder: Path) -> int:
    return sum(os.path.getsize(each) for each in folder.iterdir())


def _share(cpu_s: float, seconds: float) -> dict[str, str]:
    """What so much CPU is for each step of 2 s, and as a share of a core."""
    return {
        "CPU ms a tick": f"{cpu_s * 1000 / (seconds / PERIOD_S):.3f}",
        "share of a core at 2 s": f"{100 * cpu_s / seconds:.3f} %",
    }


def _glances() -> dict[str, str]:
    if command() is None:
        return {"what": "Glances: not installed here, not run"}
    glances = Glances()
    try:
        glances.ask("all")
        started_cpu, started = glances.cpu_s(), time.monotonic()
        while time.monotonic() - started < WATCHED_S:
            glances.ask("all")
            time.sleep(PERIOD_S)
        cpu_s, seconds = glances.cpu_s() - started_cpu, time.monotonic() - started
    finally:
        glances.stop()
    return {
        "what": f"Glances, asked for everything every 2 s over {seconds:.0f} s",
        **_share(cpu_s, seconds),
    }


def _other(name: str, program: object, options: list[str], port: int, path: str) -> dict[str, str]:
    """Another program that serves what it reads, asked for everything."""
    if program is None:
        return {"what": f"{name}: not installed here, not run"}
    process = subprocess.Popen([str(program), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_up(url)
        requests.get(url + path, timeout=10)
        started_cpu, started = _cpu_s(process.pid), time.monotonic()
        while time.monotonic() - started < WATCHED_S:
            requests.get(url + path, timeout=10)
            time.sleep(PERIOD_S)
        cpu_s, seconds = _cpu_s(process.pid) - started_cpu, time.monotonic() - started
    finally:
        process.terminate()
        process.wait(timeout=30)
    return {
        "what": f"{name}, asked for everything every 2 s over {seconds:.0f} s",
        **_share(cpu_s, seconds),
    }


def _cpu_s(pid: int) -> float:
    own = psutil.Process(pid)
    return sum(sum(each.cpu_times()[:2]) for each in (own, *own.children(recursive=True)))


if __name__ == "__main__":
    main()
