"""The console about itself: for programs as JSON, and for Prometheus at `/metrics`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from flask import Blueprint, Response

from data_sources.console.exposition import CONTENT_TYPE, metrics, text
from data_sources.console.types import ConsoleNow
from data_sources.result import Ready, utc_now
from routes.console_state import console_now
from routes.gate import needs
from routes.sources import Sources
from routes.wire import answer, query_params


def blueprint(sources: Sources) -> Blueprint:
    """The routes `/api/v1/system/console` and `/metrics`."""
    made = Blueprint("metrics", __name__)

    @made.get("/api/v1/system/console")
    @needs("system:read")
    def console() -> Response:
        """Everything the console can tell about itself; unknown is null with its reason."""
        query_params(())
        return answer(console_now(sources), encode_console)

    @made.get("/metrics")
    @needs("system:read")
    def exposition() -> Response:
        """The same for Prometheus, with the reader's bearer key; what is not known is absent."""
        query_params(())
        result = console_now(sources)
        if not isinstance(result, Ready):
            return answer(result, encode_console)
        body = Response(text(metrics(result.value)), content_type=CONTENT_TYPE)
        body.headers["Cache-Control"] = "no-store"
        return body

    return made


def encode_console(now: ConsoleNow) -> dict[str, Any]:
    """The answer of `/api/v1/system/console`."""
    told: dict[str, Any] = _plain(asdict(now))
    told["told_at"] = _plain(utc_now())
    return told


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
