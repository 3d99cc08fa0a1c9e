"""Usage APIs behind real ports: one like the original console's backend, and our own read API over a store."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Flask
from werkzeug.serving import make_server

from data_sources.state.store import State
from data_sources.usage.embedded import EmbeddedUsage
from data_sources.usage.store import UsageStore
from routes import errors, usage_api
from routes.gate import Gate
from tests.fakes.server import Asked, FakeServer, Reply

KEY = "a-read-key-for-tests"

# What a backend of the original console answers: three addresses, no echo of what was asked, no reasons.
ORIGINAL = {
    "/api/v1/llm/usage/summary": {
        "total_calls": 1200,
        "total_cost": 34.56,
        "avg_cost_per_call": 0.0288,
        "growth": {"calls": 12.5, "cost": -3.25, "avg_cost": None},
    },
    "/api/v1/llm/usage/by-provider": {
        "providers": [
            {"name": "openai", "calls": 900, "cost": 30.06, "tokens": 812345, "percentage": 75.0},
            {"name": "anthropic", "calls": 300, "cost": 4.5, "tokens": 99001, "percentage": 25.0},
        ]
    },
    "/api/v1/llm/usage/by-power-level": {
        "levels": [
            {"level": "balanced", "calls": 700, "cost": 20, "tokens": 1, "percentage": 58.3},
            {"level": "eco", "calls": 500, "cost": 14.56, "tokens": 2, "percentage": 41.7},
        ]
    },
}


class OriginalUsageApi(FakeServer):
    """A backend that has only what the original console asked for; `bodies` may be changed by a test."""

    def __init__(self) -> None:
        self.bodies: dict[str, Any] = dict(ORIGINAL)
        super().__init__()

    def answer(self, asked: Asked) -> Reply:
        if asked.headers.get("Authorization") != f"Bearer {KEY}":
            return 401, {"error": "Unauthorized"}
        if asked.path not in self.bodies:
            return 404, {"error": "Not Found"}
        body = self.bodies[asked.path]
        return body if isinstance(body, tuple) else (200, body)


class LiveUsageApi:
    """Our read API over a store, behind its own port."""

    def __init__(self, store: UsageStore, now: Callable[[], datetime]) -> None:
        server = Flask(__name__)
        server.config["SECRET_KEY"] = "s" * 32
        server.config["SESSION_COOKIE_SECURE"] = False
        Gate("s" * 32, "an-ingest-key-for-tests", KEY, dict, State("sqlite://")).install(server)
        errors.install(server)
        source = EmbeddedUsage(store, now=now)
        server.register_blueprint(usage_api.blueprint(lambda: source, default_tz="UTC", now=now))
        self._http = make_server("127.0.0.1", 0, server, threaded=True)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(timeout=5)
