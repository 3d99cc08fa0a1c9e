"""The live page left open: the browser's heap and nodes over 1,200 ticks, run at 100 ms a tick.

The same page and the same scripts; only the clocks run twenty times as fast, the sampler's and the browser's, so that a
tick is still one of 150 points in five minutes. The window slides before the first reading, so nothing is growing
because it is still filling. A reading is the least of a few, each made after a collection of garbage: what is left is
held on to.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# The console is served in this process, and its address is loopback: no gunicorn is needed for one viewer.
from werkzeug.serving import make_server

from app import create_app
from bench.console import chromium, table
from bench.fast_clock import FastClock
from data_sources.state.links import make_link_token
from data_sources.system.host import PsutilHost
from data_sources.system.network import ProcNetDev
from data_sources.system.sampler import Sampler
from data_sources.system.source import SystemSource, interface_catalog
from settings import load

TICK_MS = int(os.environ.get("BENCH_TICK_MS", "100"))  # a busy machine draws no ten ticks a second
FASTER = 2000 // TICK_MS
TICKS, WARM = int(os.environ.get("BENCH_TICKS", "1200")), 200
LOOKS = 8
TARGET = 1.05
# For all of it: a machine that draws too slowly shows how far it came.
LIMIT_S = float(os.environ.get("BENCH_LIMIT_S", "600"))

FAST_DATE = """
(() => {
  const Real = Date, begun = BEGUN, now = () => begun + (Real.now() - begun) * FASTER;
  window.Date = class extends Real {
    constructor(...given) { if (given.length) super(...given); else super(now()); }
    static now() { return now(); }
  };
  const real = performance.now.bind(performance);
  performance.now = () => real() * FASTER;
})();
"""


def fast_source(clock: FastClock, stop: threading.Event) -> SystemSource:
    """This machine, sampled every tick by a clock on which that is 2 s."""
    sampler = Sampler(
        ProcNetDev(clock_ns=clock.clock_ns),
        PsutilHost(),
        interface_catalog(),
        clock_ns=clock.clock_ns,
        now=clock.now,
    )
    sampler.start = lambda: None  # type: ignore[method-assign]

    def run() -> None:
        due = time.monotonic()
        while not stop.is_set():
            sampler.tick()
            if sampler.on_tick is not None:
                sampler.on_tick()
            due += TICK_MS / 1000
            stop.wait(max(0.0, due - time.monotonic()))

    threading.Thread(target=run, daemon=True).start()
    return SystemSource(sampler, now=clock.now)


def main() -> None:
    """Print the table."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    for name in [name for name in os.environ if name.startswith("OPS_")]:
        del os.environ[name]
    with TemporaryDirectory(prefix="ops-center-bench-") as folder:
        app = create_app(load(data_dir=Path(folder)))
        sys.modules["pages.system"].TICK_MS = TICK_MS  # type: ignore[attr-defined]
        ops = app.server.extensions["ops"]
        clock, stop = FastClock(FASTER), threading.Event()
        ops.system = fast_source(clock, stop)
        ops.start()
        server = make_server("127.0.0.1", 0, app.server, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        driver = chromium()
        driver.set_script_timeout(120)
        begun_ms = str(int(clock.begun.timestamp() * 1000))
        script = FAST_DATE.replace("BEGUN", begun_ms).replace("FASTER", str(FASTER))
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
        try:
            token = make_link_token(ops.secret_key, "admin", organization_id=None, email=None)
            driver.get(f"http://127.0.0.1:{server.server_port}/login?token={token}&next=/admin/system/monitoring")
            rows = watch(driver)
            if rows:
                table(rows)
        finally:
            driver.quit()
            stop.set()
            server.shutdown()
            ops.close()


def watch(driver: Any) -> list[dict[str, Any]]:
    """Read heap and nodes after the warm-up, and every 200 ticks."""
    driver.execute_cdp_cmd("Performance.enable", {})
    readings, deadline = [], time.monotonic() + LIMIT_S
    for wanted in range(WARM, WARM + TICKS + 1, 200):
        if not _wait_for_ticks(driver, wanted, deadline):
            print(f"Only {_ticks(driver):,} of {WARM + TICKS:,} ticks were drawn within {LIMIT_S:.0f} s here.")
            break
        readings.append((_ticks(driver), _held(driver)))
    first = readings[0][1] if readings else {}
    return [
        {
            "ticks drawn": f"{ticks:,}",
            "heap, MB": f"{found['JSHeapUsedSize'] / 1e6:.1f}",
            "times the first": f"{found['JSHeapUsedSize'] / first['JSHeapUsedSize']:.3f}",
            "nodes": f"{found['Nodes']:,.0f}",
            "listeners": f"{found['JSEventListeners']:,.0f}",
            "target": f"<= {TARGET}" if ticks >= WARM + TICKS else "",
        }
        for ticks, found in readings
    ]


def _held(driver: Any) -> dict[str, float]:
    """What is held on to: the least of a few readings, each after a collection, so that no drawing under way counts."""
    least: dict[str, float] = {}
    for _ in range(LOOKS):
        driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
        for each in driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]:
            least[each["name"]] = min(least.get(each["name"], each["value"]), each["value"])
    return least


def _ticks(driver: Any) -> int:
    """How many live answers the page has had: counted by the browser itself."""
    count = driver.execute_script(
        "if (!window.benchTicks) { window.benchTicks = {n: 0};"
        " new PerformanceObserver(list => { benchTicks.n += list.getEntries()"
        ".filter(e => e.name.includes('/api/v1/system/live')).length; performance.clearResourceTimings(); })"
        ".observe({type: 'resource'}); } return window.benchTicks.n"
    )
    return int(count)


def _wait_for_ticks(driver: Any, wanted: int, deadline: float) -> bool:
    while _ticks(driver) < wanted:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


if __name__ == "__main__":
    main()
