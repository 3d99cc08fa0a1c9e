"""What rides on a tick of the live page: a window of the history and the list of processes, so that one request is all.

What goes wrong with one of them is told in its own place, as `problem`; the live figures do not depend on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import parse_qs

from werkzeug.exceptions import BadRequest

from data_sources.result import Failed, Ready, Result
from data_sources.system.prometheus_follow import RemoteHost
from data_sources.system.source import SystemSource
from routes.gate import principal
from routes.system_history import encode_window, parse_query, whole
from routes.system_host import encode_processes

T = TypeVar("T")
PARAMETERS = ("past", "processes")
_OF_PAST = ("window_s", "start", "end", "points")


def beside(given: dict[str, list[str]], asked: SystemSource | RemoteHost) -> dict[str, Any]:
    """What is asked for beside the live points.

    Args:
        given: The query string: `past` holds one of its own, of a window of the history; `processes` how many.
        asked: The machine that is shown.

    Returns:
        JSON-ready data by parameter; empty when neither is given.

    Raises:
        BadRequest: One of them is wrong; the text names it and what it may be.
    """
    found: dict[str, Any] = {}
    if "past" in given:
        try:
            fields = parse_qs(given["past"][-1], strict_parsing=True)
        except ValueError:
            raise BadRequest("past must be a query string of its own, such as window_s=3600.") from None
        wanted = {name: values[-1] for name, values in fields.items()}
        unknown = sorted(set(wanted) - set(_OF_PAST))
        if unknown:
            raise BadRequest(f"Unknown parameter {unknown[0]!r} in past. Known here: {', '.join(sorted(_OF_PAST))}.")
        if "interface" in given:
            wanted["interface"] = given["interface"][-1]
        found["past"] = _told(asked.history(parse_query(wanted)), encode_window)
    if "processes" in given:
        limit = whole({"processes": given["processes"][-1]}, "processes", 50, 1, 500)
        found["processes"] = _processes(asked, limit)
    return found


def _processes(asked: SystemSource | RemoteHost, limit: int) -> dict[str, Any]:
    if not principal().may("admin"):
        return {"problem": {"title": "Processes are for admins", "detail": ""}}
    if isinstance(asked, RemoteHost):
        return {"problem": {"title": "Prometheus tells of no processes", "detail": ""}}
    return _told(asked.processes(wait=False), lambda found: encode_processes(found, "cpu", limit))


def _told(result: Result[T], encode: Callable[[T], dict[str, Any]]) -> dict[str, Any]:
    if isinstance(result, Ready):
        return encode(result.value)
    if isinstance(result, Failed):
        return {"problem": {"title": result.problem.title, "detail": result.problem.detail}}
    return {"problem": {"title": result.title, "detail": result.detail}}
