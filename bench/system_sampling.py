"""What sampling this machine costs with everything that is read and kept, beside others that are asked as often.

Those are Glances, node_exporter (where it is installed, or was brought by `make test-peers`) and Netdata (where it is
installed; it reads every second by itself).
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import requests

from bench.console import free_port, table, wait_until_up
from bench.glances import Glances, command
from data_sources.system.source import SystemSource
from tests.peers.prometheus import find

PERIOD_S = 2.0
TICKS = 300
WATCHED_S = 60
TARGET = 0.1


def main() -> None:
    """Print the table."""
    with TemporaryDirectory(prefix="ops-center-bench-") as folder:
        rows = [_by_hand(Path(folder, "by-hand")), _for_real(Path(folder, "for-real"))]
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
    source = SystemSource.of_this_machine(folder)
    source.open()
    time.sleep(PERIOD_S)
    started_cpu, started = time.process_time(), time.monotonic()
    time.sleep(WATCHED_S)
    cpu_s, seconds = time.process_time() - started_cpu, time.monotonic() - started
    source.close()
    written = sum(os.path.getsize(each) for each in folder.iterdir())
    return {
        "what": f"all threads over {seconds:.0f} s, history on disk ({written / 1000:.0f} kB)",
        "CPU ms a tick": f"{cpu_s * 1000 / (seconds / PERIOD_S):.3f}",
        "share of a core at 2 s": f"{100 * cpu_s / seconds:.3f} %",
        "target": f"<= {TARGET} %",
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
        "CPU ms a tick": f"{cpu_s * 1000 / (seconds / PERIOD_S):.3f}",
        "share of a core at 2 s": f"{100 * cpu_s / seconds:.3f} %",
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
        "CPU ms a tick": f"{cpu_s * 1000 / (seconds / PERIOD_S):.3f}",
        "share of a core at 2 s": f"{100 * cpu_s / seconds:.3f} %",
    }


def _cpu_s(pid: int) -> float:
    own = psutil.Process(pid)
    return sum(sum(each.cpu_times()[:2]) for each in (own, *own.children(recursive=True)))


if __name__ == "__main__":
    main()
