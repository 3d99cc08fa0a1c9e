"""A Prometheus that replays what a real one answered, question by question, and what VictoriaMetrics adds to it.

`tests/data/prometheus.json` is made by `python -m tests.peers.record_prometheus`: two targets, one of which never
answered, the other stopped for a few seconds. A question that was not recorded is a fault of the test, and answered so.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from tests.fakes.server import Asked, FakeServer, Reply

RECORDED = Path(__file__).parents[1] / "data" / "prometheus.json"


@functools.cache
def read_recorded() -> dict[str, Any]:
    """What was recorded, each answer also as the bytes that are sent."""
    recorded: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
    for one in recorded["answers"]:
        one["raw"] = json.dumps(one["body"]).encode()
    return recorded


class FakePrometheus(FakeServer):
    def __post_init__(self) -> None:
        recorded = read_recorded()
        self.recorded = recorded
        self.now_s: float = recorded["now_s"]
        self.instance: str = recorded["instance"]
        self.nobody: str = recorded["nobody"]
        self._answers = {(one["path"], one["query"]): one for one in recorded["answers"]}
        # The same may have been asked of several times; a test whose clock is another gets the last of them.
        self._timed = {(one["path"], one["query"], one["time"]): one for one in recorded["answers"]}
        # What a test changes: a function of the decoded body, and answers in place of the recorded ones.
        self.change: Any = None
        self.instead: dict[str, Reply] = {}
        super().__post_init__()

    def clock_s(self) -> float:
        return self.now_s

    def answer(self, asked: Asked) -> Reply:
        form = parse_qs(asked.body.decode()) if asked.method == "POST" else asked.query
        query = form["query"][0]
        for part, reply in self.instead.items():
            if part in query:
                return reply
        found = self._timed.get((asked.path, query, form.get("time", [None])[0]))
        found = found or self._answers.get((asked.path, query))
        if found is None:
            return 400, {"status": "error", "errorType": "bad_data", "error": f"not recorded: {query}"}
        body = found["raw"]
        if self.change is not None:
            body = json.loads(body)
            self.change(query, body)
        return found["status"], body, {"Content-Type": found["type"]}
