"""How true a rate is: a paced transfer over a veth pair between two networks, under eight busy threads, and its end.

Needs root and iproute2 for the networks; says so where it may not. Truth is what the sender handed to the kernel
between the two moments of a sample, frame by frame.
"""

from __future__ import annotations

import array
import bisect
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.console import table
from bench.glances import command
from bench.veth import ADDRESS, FRAME, NAME

SECONDS, BUSY, WARM_S = 64, 8, 3
GONE_S = 8
TARGET_MEAN, TARGET_MAX = 0.05, 1.0
A, B = "ops-bench-a", "ops-bench-b"


def main() -> None:
    """Print both tables."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        print("not run: network namespaces need root and iproute2")
        return
    try:
        _make_networks()
    except subprocess.CalledProcessError as error:
        print(f"not run: {error.stderr.decode().strip() or error}")
        _remove_networks()
        return
    try:
        with TemporaryDirectory(prefix="ops-center-bench-") as folder:
            for busy in (0, BUSY):
                _accuracy(Path(folder), busy)
            _vanishing(Path(folder))
    finally:
        _remove_networks()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _make_networks() -> None:
    for name in (A, B):
        _ip("netns", "add", name)
        _ip("-n", name, "link", "set", "lo", "up")
        # no word of IPv6 on the wire: only the sender's frames count
        _ip("netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
    _make_pair()


def _make_pair() -> None:
    _ip("-n", A, "link", "add", "ops-a", "address", "02:00:00:00:00:0a", "type", "veth", "peer", "name", NAME)
    _ip("-n", A, "link", "set", NAME, "netns", B)
    _ip("-n", B, "link", "set", NAME, "address", "02:00:00:00:00:0b")
    _ip("-n", A, "addr", "add", "10.203.7.1/24", "dev", "ops-a")
    _ip("-n", B, "addr", "add", f"{ADDRESS}/24", "dev", NAME)
    _ip("-n", A, "link", "set", "ops-a", "up")
    _ip("-n", B, "link", "set", NAME, "up")
    _ip("-n", A, "neigh", "replace", ADDRESS, "lladdr", "02:00:00:00:00:0b", "dev", "ops-a", "nud", "permanent")


def _remove_networks() -> None:
    for name in (A, B):
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def _start(network: str, *words: str) -> subprocess.Popen[bytes]:
    run = ["ip", "netns", "exec", network, sys.executable, "-m", "bench.veth", *words]
    return subprocess.Popen(run)


def _accuracy(folder: Path, busy: int) -> None:
    sent, sampled, asked = folder / "sent", folder / "sampled", folder / "asked"
    running = [_start(A, "send", str(sent), str(SECONDS + 2 * WARM_S))]
    running.append(_start(B, "sample", str(sampled), str(SECONDS), str(busy)))
    if command() is not None:
        running.append(_start(B, "ask", str(asked), str(SECONDS - WARM_S)))
    for process in running:
        process.wait()
    stamps = array.array("q", sent.read_bytes())
    rows = json.loads(sampled.read_text(encoding="utf-8"))
    theirs = json.loads(asked.read_text(encoding="utf-8")) if asked.exists() else []
    among = f"{busy} busy threads in the same process" if busy else "an idle process"
    what = "10 MB/s over veth, 2 s steps"
    table(
        [
            {what: f"ours, stamped before the read; {among}", **_shown(_ours(rows, stamps), judged=True)},
            {what: f"psutil, stamped after the read; {among}", **_shown(_plain(rows, stamps), judged=False)},
            {what: f"Glances in a process of its own{_not_here()}", **_shown(_theirs(theirs, stamps), judged=False)},
        ]
    )


def _not_here() -> str:
    return "" if command() else ": not installed here, not run"


def _vanishing(folder: Path) -> None:
    """Take the interface away under traffic, and look whether anybody still shows a rate of it."""
    sent, sampled, asked = folder / "sent", folder / "sampled", folder / "asked"
    asked.unlink(missing_ok=True)
    seconds = 2 * WARM_S + GONE_S + 4
    running = [_start(B, "sample", str(sampled), str(seconds), str(BUSY))]
    if command() is not None:
        running.append(_start(B, "ask", str(asked), str(seconds - WARM_S)))
    sender = _start(A, "send", str(sent), str(seconds))
    time.sleep(2 * WARM_S)
    _ip("-n", B, "link", "del", NAME)
    gone_ns = time.monotonic_ns()
    time.sleep(GONE_S)
    back_ns = time.monotonic_ns()
    for process in (*running, sender):
        process.wait()
    rows = json.loads(sampled.read_text(encoding="utf-8"))
    theirs = json.loads(asked.read_text(encoding="utf-8")) if asked.exists() else []
    what = f"{GONE_S} s without the interface"
    ours = [row for row in rows if gone_ns < row["at_ns"] < back_ns]
    others = [row for row in theirs if gone_ns < row["at_ns"] < back_ns]
    table(
        [
            {
                what: "ours",
                "answers": str(len(ours)),
                "with a rate": str(sum(row["in"] is not None for row in ours)),
                "first answer after": f"{(ours[0]['at_ns'] - gone_ns) / 1e9:.1f} s: {ours[0]['reason']}",
                "target": "0 with a rate",
            },
            {
                what: f"Glances{_not_here()}",
                "answers": str(len(others)),
                "with a rate": str(sum(row["row"] is not None for row in others)),
            },
        ]
    )


def _frames(stamps: array.array[int], at_ns: int) -> int:
    return bisect.bisect_right(stamps, at_ns)


def _error(rate: float, stamps: array.array[int], start_ns: int, end_ns: int) -> float | None:
    """Per cent off the truth; None where the sender did not send all the while."""
    if start_ns < stamps[0] or end_ns > stamps[-1]:
        return None
    truth = (_frames(stamps, end_ns) - _frames(stamps, start_ns)) * FRAME / ((end_ns - start_ns) / 1e9)
    return abs(rate - truth) / truth * 100


def _ours(rows: list[dict[str, Any]], stamps: array.array[int]) -> list[float]:
    found = [
        _error(row["in"], stamps, row["at_ns"] - round(row["interval_s"] * 1e9), row["at_ns"])
        for row in rows
        if row["in"] is not None
    ]
    return [error for error in found if error is not None]


def _plain(rows: list[dict[str, Any]], stamps: array.array[int]) -> list[float]:
    found = []
    for old, new in itertools.pairwise(rows):
        if old["plain_bytes"] is None or new["plain_bytes"] is None:
            continue
        step_ns = new["plain_ns"] - old["plain_ns"]
        rate = (new["plain_bytes"] - old["plain_bytes"]) / (step_ns / 1e9)
        found.append(_error(rate, stamps, old["plain_ns"], new["plain_ns"]))
    return [error for error in found if error is not None]


def _theirs(rows: list[dict[str, Any]], stamps: array.array[int]) -> list[float]:
    found = []
    for each in rows[1:]:  # the first answer has no step behind it
        row, at_ns = each["row"], each["at_ns"]
        if row is not None and row["bytes_recv"] is not None:
            since_s = row["time_since_update"]
            found.append(_error(row["bytes_recv"] / since_s, stamps, at_ns - round(since_s * 1e9), at_ns))
    return [error for error in found if error is not None]


def _shown(errors: list[float], *, judged: bool) -> dict[str, str]:
    if not errors:
        return {"samples": "0"}
    return {
        "samples": str(len(errors)),
        "mean error": f"{statistics.mean(errors):.3f} %",
        "p95": f"{sorted(errors)[int(0.95 * (len(errors) - 1))]:.3f} %",
        "max": f"{max(errors):.3f} %",
        "target": f"mean <= {TARGET_MEAN} %, max <= {TARGET_MAX:g} %" if judged else "",
    }


if __name__ == "__main__":
    main()
