"""A tick of the live page, beside an empty route behind the same gate."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flask import Blueprint, Response, jsonify
from werkzeug.test import EnvironBuilder

from app import create_app
from bench.console import table
from data_sources.system.source import SystemSource
from routes.gate import needs
from settings import load

KEY = "bench-reader-key-0123456789"
ROUNDS, CALLS = 30, 100  # rounds alternate between the routes, so that a busy moment falls on both
TARGETS = {
    "a tick (shared: encoded when sampled)": "<= 1.3 times",
    "a tick of one interface (shared)": "<= 1.3 times, <= 300 bytes",
}


def main() -> None:
    """Print the table."""
    with TemporaryDirectory(prefix="ops-center-bench-") as folder:
        answers(Path(folder))


def answers(folder: Path) -> None:
    """In-process time of one request through the whole WSGI stack, and its bytes."""
    app = create_app(load(data_dir=folder, read_token=KEY))
    reference = Blueprint("bench", __name__)

    @reference.get("/api/v1/bench/empty")
    @needs("system:read")
    def empty() -> Response:
        return jsonify({})

    app.server.register_blueprint(reference)
    ops = app.server.extensions["ops"]
    source: SystemSource = ops.system
    source.sampler.stop()  # the bench ticks by hand: no thread takes the interpreter meanwhile
    for _ in range(1800):
        source.sampler.tick()
    seq = source.sampler.seq
    source.sampler.age_s = lambda: 1.0  # type: ignore[method-assign]  # it stands still, and must not look stale for that
    ask = {
        "empty route": _asker(app.server, "/api/v1/bench/empty"),
        "a tick (shared: encoded when sampled)": _asker(app.server, f"/api/v1/system/live?since={seq - 1}&window=300"),
        "a tick of one interface (shared)": _asker(
            app.server, f"/api/v1/system/live?since={seq - 1}&series=net_in,net_out&interface=%s" % _busiest(source)
        ),
        # each viewer of another interface: nothing that is encoded already can be used again
        "a tick (not encoded yet)": _asker(app.server, f"/api/v1/system/live?since={seq - 1}&interface=n%d"),
        "nothing new": _asker(app.server, f"/api/v1/system/live?since={seq}&window=300"),
        "whole window of 5 min": _asker(app.server, "/api/v1/system/live?window=300"),
        "whole hour": _asker(app.server, "/api/v1/system/live?window=3600"),
    }
    try:
        source.sampler.start = lambda: None  # type: ignore[method-assign]
        times = _alternate(ask)
        sizes = {name: len(one()) for name, one in ask.items()}
    finally:
        ops.close()
    base = statistics.median(times["empty route"])
    table(
        [
            {
                "request": name,
                "ms, median": f"{statistics.median(found):.3f}",
                "times the empty route": f"{statistics.median(found) / base:.2f}",
                "bytes": f"{sizes[name]:,}",
                "target": TARGETS.get(name, ""),
            }
            for name, found in times.items()
        ]
    )


def _busiest(source: SystemSource) -> str:
    """The interface of the total."""
    sample = source.sampler.newest()
    return sample.choice.names[0] if sample and sample.choice.names else "lo"


def _asker(server: Any, path: str) -> Callable[[], bytes]:
    """One GET through the WSGI stack with the reader's key; `%d` in the path is another number each time."""
    builder = EnvironBuilder(path=path.split("?")[0])
    builder.headers["Authorization"] = f"Bearer {KEY}"
    environ = builder.get_environ()
    query, numbers = path.partition("?")[2], itertools.count()

    def ask() -> bytes:
        said: list[str] = []
        asked = {**environ, "QUERY_STRING": query % next(numbers) if "%d" in query else query}
        body = b"".join(server.wsgi_app(asked, lambda status, headers: said.append(status)))
        if not said[0].startswith("200"):
            raise RuntimeError(f"{path} answered {said[0]}")
        return body

    return ask


def _alternate(ask: dict[str, Callable[[], bytes]]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in ask}
    for one in ask.values():
        one()
    for _ in range(ROUNDS):
        for name, one in ask.items():
            calls = CALLS if not name.startswith("whole") else 5
            started = time.perf_counter()
            for _ in range(calls):
                one()
            times[name].append((time.perf_counter() - started) * 1000 / calls)
    return times


if __name__ == "__main__":
    main()
