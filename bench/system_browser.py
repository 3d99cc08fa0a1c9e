"""The live page left open: the browser's heap and nodes over 1,200 ticks, run at 100 ms a tick.

The same page and the same scripts; only the clocks run twenty times as fast, the sampler's and the browser's, so that a
tick is still one of 150 points in five minutes. The window has filled and the browser's lists (250 requests, 200 long
tasks) are full long before the first reading, and until then the page is looked at as often as afterwards: React keeps
what each chart drew the time before, so a chart holds what it ever will only after it was in sight several times with a
full window. Thus nothing is growing because it is still filling. Each reading is made while the page is paused
(`bench/held.py`) and at the same place between the labels of the axis of time. The verdict is of the line fitted
through all readings. Beside it, in the same run, stands the page that Dash's own guide makes.
"""

from __future__ import annotations

import itertools
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# The console is served in this process, and its address is loopback: no gunicorn is needed for one viewer.
from flask import request
from werkzeug.serving import make_server

from app import create_app
from bench.console import chromium, table
from bench.fast_clock import FastClock
from bench.held import HIGHEST, STEEPEST, Reading, evaluate, growth, highest, read, slope, verdict
from bench.interval_page import IntervalPage
from data_sources.state.links import make_link_token
from data_sources.system.host import PsutilHost
from data_sources.system.network import ProcNetDev
from data_sources.system.sampler import Sampler
from data_sources.system.source import SystemSource, interface_catalog
from settings import load

TICK_MS = int(os.environ.get("BENCH_TICK_MS", "100"))  # a busy machine draws no ten ticks a second
FASTER = 2000 // TICK_MS
TICKS, WARM, EVERY = int(os.environ.get("BENCH_TICKS", "1200")), 660, 120
AXIS_S = 120  # labels stand at whole minutes or two
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
LOOK_AT_ALL = """(async () => {
  const box = document.scrollingElement;
  for (let at = 0; at <= box.scrollHeight; at += innerHeight) {
    scrollTo(0, at);
    await new Promise(done => setTimeout(done, 300));
  }
  scrollTo(0, 0);
})()"""


def fast_source(clock: FastClock, stop: threading.Event) -> SystemSource:
    """This machine, sampled every tick by a clock on which that is 2 s.

    A sample bears the time at which it was due. A busy machine is late by a whole step of so fast a clock now and then,
    and the hatches and words of such gaps would be what is measured here.
    """
    due_ns = [clock.begun_ns]
    sampler = Sampler(
        ProcNetDev(clock_ns=lambda: due_ns[0]),
        PsutilHost(),
        interface_catalog(),
        clock_ns=lambda: due_ns[0],
        now=lambda: clock.begun + timedelta(microseconds=(due_ns[0] - clock.begun_ns) // 1000),
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
            due_ns[0] += 2_000_000_000

    threading.Thread(target=run, daemon=True).start()
    return SystemSource(sampler, now=clock.now)


def main() -> None:
    """Print the tables and the verdict; end with 1 where it grows or too few ticks were drawn."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    for name in [name for name in os.environ if name.startswith("OPS_")]:
        del os.environ[name]
    ours = live_page()
    control = interval_page()
    table([row for name, found in (("this page", ours), ("plain Dash", control)) for row in rows(name, found)])
    print()
    table([fitted("this page", ours), fitted("plain Dash", control)])
    if verdict(ours, TICKS) != "flat":
        sys.exit(1)


@contextmanager
def serving(wsgi: Any) -> Iterator[str]:
    """Serve an app in this process; its address."""
    server = make_server("127.0.0.1", 0, wsgi, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def live_page() -> list[Reading]:
    """The readings of the system page."""
    with TemporaryDirectory(prefix="ops-center-bench-") as folder:
        app = create_app(load(data_dir=Path(folder)))
        sys.modules["pages.system"].TICK_MS = TICK_MS  # type: ignore[attr-defined]
        ops = app.server.extensions["ops"]
        clock, stop, count = FastClock(FASTER), threading.Event(), itertools.count()
        ops.system = fast_source(clock, stop)
        ops.start()
        ticks = [0]

        @app.server.after_request
        def heard(answer: Any) -> Any:
            if request.path == "/api/v1/system/live" and answer.status_code == 200:
                ticks[0] = next(count) + 1
            return answer

        def between_labels() -> bool:
            return AXIS_S / 4 <= clock.now().timestamp() % AXIS_S <= AXIS_S / 2 - 10

        driver = chromium()
        begun_ms = str(int(clock.begun.timestamp() * 1000))
        script = FAST_DATE.replace("BEGUN", begun_ms).replace("FASTER", str(FASTER))
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
        try:
            with serving(app.server) as url:
                token = make_link_token(ops.secret_key, "admin", organization_id=None, email=None)
                driver.get(f"{url}/login?token={token}&next=/admin/system/monitoring")
                return watch(driver, lambda: ticks[0], "system-pause", between_labels)
        finally:
            driver.quit()
            stop.set()
            ops.close()


def interval_page() -> list[Reading]:
    """The readings of the control."""
    page, driver = IntervalPage(TICK_MS), chromium()
    try:
        with serving(page.app.server) as url:
            driver.get(url)
            return watch(driver, lambda: page.ticks, "pause", lambda: True)
    finally:
        driver.quit()


def watch(driver: Any, ticks: Callable[[], int], pause: str, ready: Callable[[], bool]) -> list[Reading]:
    """Read after the warm-up and then every `EVERY` ticks.

    Args:
        driver: The browser, on the page.
        ticks: How many answers the page has had, counted by the server.
        pause: The id of the button that stops and starts the page.
        ready: Whether the moment is one for a reading.
    """
    readings, deadline = [], time.monotonic() + LIMIT_S
    press = f"document.getElementById({pause!r}).click()"
    for wanted in range(WARM % EVERY + EVERY, WARM + TICKS + 1, EVERY):
        if not _wait(lambda: True, ticks, wanted - EVERY // 2, deadline):
            break
        evaluate(driver, LOOK_AT_ALL)  # so that each chart was drawn with a whole window
        if wanted < WARM:
            continue
        # The first one may have had to wait for its moment; the others reach as far after it as was asked.
        late = readings[0].ticks - WARM if readings else 0
        if not _wait(ready, ticks, wanted + late, deadline):
            break
        evaluate(driver, press)
        readings.append(read(driver, ticks()))
        print(f"{readings[-1]}", file=sys.stderr, flush=True)
        evaluate(driver, press)
    return readings


def rows(name: str, readings: list[Reading]) -> list[dict[str, Any]]:
    """Each reading."""
    return [
        {
            "page": name,
            "ticks": f"{each.ticks:,}",
            "held by scripts, MB": f"{each.data / 1e6:.2f}",
            "times the first": f"{each.data / readings[0].data:.3f}",
            "compiled code, MB": f"{each.code / 1e6:.2f}",
            "nodes but for axis labels": f"{each.nodes:,}",
            "of axis labels": f"{each.label_nodes:,}",
            "listeners": f"{each.listeners:,}",
        }
        for each in readings
    ]


def fitted(name: str, readings: list[Reading]) -> dict[str, Any]:
    """The line through the readings, and what it says."""
    found = {"page": name, "verdict": verdict(readings, TICKS)}
    if len(readings) < 2:
        return found
    return {
        "page": name,
        "held by scripts, MB per 1,000 ticks": f"{slope([(each.ticks, each.data) for each in readings]) / 1e3:+.3f}",
        "held": f"{growth(readings, 'data'):+.1%}",
        "highest": f"{highest(readings, 'data'):.3f} times",
        "nodes": f"{growth(readings, 'nodes'):+.1%}",
        "highest node count": f"{highest(readings, 'nodes'):.3f} times",
        "target": f"<= {STEEPEST:+.0%}, <= {HIGHEST} times",
        "verdict": found["verdict"],
    }


def _wait(ready: Callable[[], bool], ticks: Callable[[], int], wanted: int, deadline: float) -> bool:
    """Wait for so many ticks and a fit moment; False where the time is over first."""
    while ticks() < wanted or not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


if __name__ == "__main__":
    main()
