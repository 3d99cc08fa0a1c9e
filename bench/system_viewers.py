"""Five hundred viewers of the live page at once: one request each every 2 s, the server on one core.

Each viewer keeps its connection and its cursor, as a browser does. Viewers are spread over the two seconds. Beside it,
with the same viewers in the same run: the console's own `/healthz`, which reads nothing, and node_exporter (only its
network, `collect[]=netdev`) where it is installed. Nothing but this machine's loopback is asked, for ROUNDS rounds.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import psutil
import requests

from bench.console import free_port, pinned, run, served, table, wait_until_up
from tests.peers.prometheus import find

VIEWERS, PERIOD_S, ROUNDS = 500, 2.0, 10
SERIES = "net_in,net_out"
TARGET_MS = 100


@dataclass
class Load:
    """What the viewers saw."""

    waits_ms: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    failed: int = 0


def main() -> None:
    """Print the table."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, set(cores[1:]) or set(cores))
    rows = []
    with served(core=cores[0]) as (url, environment):
        signed = requests.Session()
        signed.get(run(environment, "link"), timeout=10)
        cookie = "; ".join(f"{name}={value}" for name, value in signed.cookies.items())
        whole = signed.get(f"{url}/api/v1/system/live", timeout=10).json()
        named = (whole["about"]["total_of"] or ["lo"])[0]
        port = urlsplit(url).port
        server = _server(port)
        one = f"/api/v1/system/live?series={SERIES}&interface={named}"
        rows.append(_measure("one interface's tick", url, server, lambda seq: f"{one}&since={seq}", cookie))
        rows.append(
            _measure("everything of the page", url, server, lambda seq: f"/api/v1/system/live?since={seq}", cookie)
        )
        rows.append(_measure("/healthz: nothing is read", url, server, lambda _: "/healthz", cookie))
    exporter = find("prometheus-node-exporter")
    if exporter is None:
        print("node_exporter is not installed here: not run beside it. `make test-peers` brings it.")
    else:
        rows.append(_node_exporter(str(exporter), cores[0]))
    table(rows)
    print(f"Load average of the machine over the last minute: {os.getloadavg()[0]:.1f} on {len(cores)} cores.")


def _server(port: int | None) -> psutil.Process:
    """The process that listens, which is the master: its children do the work."""
    for process in psutil.process_iter():
        try:
            if any(each.laddr.port == port and each.status == "LISTEN" for each in process.net_connections("tcp")):
                return process
        except psutil.Error:
            continue
    raise RuntimeError(f"nobody listens on {port}")


def _node_exporter(program: str, core: int) -> dict[str, object]:
    port = free_port()
    command = pinned([program, f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"], core)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_up(url)
        server = psutil.Process(process.pid)
        path = "/metrics?collect[]=netdev"
        return _measure("node_exporter, network only", url, server, lambda _: path, "")
    finally:
        process.terminate()
        process.wait(timeout=10)


def _measure(what: str, url: str, server: psutil.Process, path: Callable[[int], str], cookie: str) -> dict[str, object]:
    used = _cpu_s(server)
    started = time.perf_counter()
    seen = asyncio.run(_all(url, path, cookie))
    seconds = time.perf_counter() - started
    waits = sorted(seen.waits_ms)
    return {
        f"{VIEWERS} viewers, each every {PERIOD_S:g} s": what,
        "answers": f"{len(waits):,}",
        "failed": seen.failed,
        "ms, median": f"{statistics.median(waits):.1f}",
        "ms, p95": f"{waits[int(len(waits) * 0.95)]:.1f}",
        "ms, worst": f"{waits[-1]:.0f}",
        "bytes": f"{statistics.median(seen.sizes):.0f}",
        "core of the server": f"{100 * (_cpu_s(server) - used) / seconds:.0f}%",
        "asked late, p95 ms": f"{sorted(seen.late_ms)[int(len(seen.late_ms) * 0.95)]:.1f}",
        "target": f"p95 <= {TARGET_MS} ms" if what.startswith("one") else "",
    }


def _cpu_s(server: psutil.Process) -> float:
    return sum(sum(each.cpu_times()[:2]) for each in (server, *server.children(recursive=True)))


async def _all(url: str, path: Callable[[int], str], cookie: str) -> Load:
    seen, begin = Load(), time.perf_counter() + 2.0
    await asyncio.gather(
        *(_viewer(url, path, cookie, begin + PERIOD_S * number / VIEWERS, seen) for number in range(VIEWERS))
    )
    return seen


async def _viewer(url: str, path: Callable[[int], str], cookie: str, begin: float, seen: Load) -> None:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    seq = 0
    try:
        for number in range(-1, ROUNDS):  # the first gets the whole window, and is not counted
            slot = begin + (number + 1) * PERIOD_S
            await asyncio.sleep(max(0.0, slot - time.perf_counter()))
            asked = time.perf_counter()
            writer.write(f"GET {path(seq)} HTTP/1.1\r\nHost: {address.netloc}\r\nCookie: {cookie}\r\n\r\n".encode())
            status, body = await _answer(reader)
            if number >= 0:
                seen.waits_ms.append((time.perf_counter() - asked) * 1000)
                seen.late_ms.append((asked - slot) * 1000)
                seen.sizes.append(len(body))
                seen.failed += status != 200
            found = body.find(b'"seq":')
            if found >= 0:
                seq = int(body[found + 6 :].split(b",")[0].split(b"}")[0])
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = int(head.split()[1])
    if "content-length:" in head:
        size = int(head.split("content-length:")[1].split("\r\n")[0])
        return status, await reader.readexactly(size)
    parts = []  # in chunks
    while size := int(await reader.readline(), 16):
        parts.append(await reader.readexactly(size))
        await reader.readline()
    await reader.readline()
    return status, b"".join(parts)


if __name__ == "__main__":
    main()
