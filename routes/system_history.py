"""Windows of the machine's history for programs, for the page's charts, and as CSV.

Unknown is null (an empty cell in CSV). A step's `max` is the greatest single sample in it, whatever the step.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
from flask import Blueprint, Response
from werkzeug.exceptions import BadRequest

from data_sources.result import Failed, NotConfigured, Ready
from data_sources.system.history_reader import HistoryQuery
from data_sources.system.prometheus_follow import RemoteHost
from data_sources.system.series import is_series, unit
from data_sources.system.slots import Floats
from data_sources.system.source import SystemSource
from data_sources.system.windows import GapSpan, Grid, HistoryWindow, SeriesWindow
from routes.gate import needs
from routes.wire import answer, query_params

MIN_WINDOW_S, MAX_WINDOW_S = 300, 90 * 86_400
MAX_POINTS = 1000
PARAMETERS = ("window_s", "start", "end", "interface", "points", "host", "series", "format")


def blueprint(
    system: Callable[[], SystemSource], other: Callable[[str], RemoteHost | Failed | NotConfigured]
) -> Blueprint:
    """The route `/api/v1/system/history`.

    Args:
        system: This machine.
        other: Another host by its id.
    """
    made = Blueprint("system_history", __name__)

    @made.get("/api/v1/system/history")
    @needs("system:read")
    def history() -> Response:
        """One window: by its length up to now, or by start and end."""
        given = {name: values[-1] for name, values in query_params(PARAMETERS).items()}
        wanted = given.get("format", "json")
        if wanted not in ("json", "csv"):
            raise BadRequest("format must be json or csv.")
        query = parse_query(given)
        asked = other(given["host"]) if "host" in given else system()
        result = asked if isinstance(asked, Failed | NotConfigured) else asked.history(query)
        if not isinstance(result, Ready):
            return answer(result, encode_window)
        if wanted == "csv":
            return _csv(result.value)
        body = Response(msgspec.json.encode(encode_window(result.value)), mimetype="application/json")
        body.headers["Cache-Control"] = "no-store"
        return body

    return made


def parse_query(given: dict[str, str]) -> HistoryQuery:
    """The question in a query string.

    Raises:
        BadRequest: A value is wrong; the text names it and what it may be.
    """
    points = whole(given, "points", 600, 10, MAX_POINTS)
    names = series_names(given["series"]) if "series" in given else None
    start_s, end_s, window_s = _span(given)
    return HistoryQuery(start_s, end_s, window_s, given.get("interface"), points, names)


def series_names(text: str) -> tuple[str, ...]:
    """The series that a query string names, parted by commas.

    Raises:
        BadRequest: One of them is none.
    """
    names = tuple(dict.fromkeys(text.split(",")))
    for name in names:
        if not is_series(name):
            raise BadRequest(f"Unknown series {name!r}.")
    return names


def _span(given: dict[str, str]) -> tuple[float | None, float | None, int]:
    window_s = whole(given, "window_s", MIN_WINDOW_S, MIN_WINDOW_S, MAX_WINDOW_S)
    if "start" not in given and "end" not in given:
        return None, None, window_s
    if "window_s" in given or "start" not in given:
        raise BadRequest("Give window_s, or start and end.")
    start_s, end_s = _moment(given, "start"), _moment(given, "end") if "end" in given else time.time()
    if not 0 < end_s - start_s <= MAX_WINDOW_S or start_s > time.time():
        raise BadRequest("start must lie before end and before now, and at most 90 days apart.")
    return start_s, end_s, window_s


def _moment(given: dict[str, str], name: str) -> float:
    try:
        moment = datetime.fromisoformat(given[name])
    except ValueError:
        raise BadRequest(f"{name} must be a time such as 2026-11-25T13:00:00Z.") from None
    if moment.tzinfo is None:
        raise BadRequest(f"{name} must carry its offset, such as Z or +01:00.")
    return moment.timestamp()


def whole(given: dict[str, str], name: str, default: int, least: int, most: int) -> int:
    """A whole number of a query string.

    Raises:
        BadRequest: It is none, or out of its bounds.
    """
    text = given.get(name, str(default))
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise BadRequest(f"{name} must be a whole number from {least} to {most}.")
    return int(text)


def encode_window(window: HistoryWindow) -> dict[str, Any]:
    """The answer as JSON-ready data; msgspec writes NaN, which stands for unknown, as null."""
    cut = window.grid
    return {
        "window": {"start": iso(cut.t0_s), "end": iso(cut.end_s)},
        "tier_s": cut.tier_s,
        "step_s": cut.step_s,
        "t0_s": round(cut.t0_s, 3),
        "n": cut.count,
        "series": {name: _series(series) for name, series in window.series.items()},
        "summary": {name: _summary(series) for name, series in window.series.items()},
        "gaps": [_gap(span) for span in window.gaps],
        "sampled_at": None if window.sampled_at is None else iso(window.sampled_at.timestamp()),
        "reason": window.reason,
    }


def _series(series: SeriesWindow) -> dict[str, list[float]]:
    return {
        "mean": _numbers(series.mean),
        "min": _numbers(series.least),
        "max": _numbers(series.most),
        "gap": np.round(series.gap, 3).tolist(),
    }


def _summary(series: SeriesWindow) -> dict[str, Any]:
    found = series.summary
    return {
        "mean": _number(found.mean),
        "min": _number(found.least),
        "max": _number(found.most),
        "max_at": None if found.most_at is None else iso(found.most_at.timestamp()),
        "p95": _number(found.p95),
        "of": found.of,
        "max_of": found.most_of,
        "known": round(found.known_share, 4),
    }


def _gap(span: GapSpan) -> dict[str, Any]:
    return {"start": iso(span.start_s), "end": iso(span.end_s), "reason": span.reason, "of": span.of}


def iso(at_s: float) -> str:
    """A moment as text, UTC."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _numbers(values: Floats) -> list[float]:
    rounded: list[float] = np.round(values, 2).tolist()
    return rounded


def _number(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _csv(window: HistoryWindow) -> Response:
    """A row a step; a step of which something is missing tells why in the last cell."""
    cut, text = window.grid, io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    header = [f"{name}_{part} [{unit(name)}]" for name in window.series for part in ("mean", "min", "max")]
    writer.writerow(["time", "step [s]", *header, "reason"])
    columns = [_numbers(row) for each in window.series.values() for row in (each.mean, each.least, each.most)]
    for index in range(cut.count):
        start_s = cut.t0_s + index * cut.step_s
        cells = ["" if column[index] != column[index] else column[index] for column in columns]
        writer.writerow([iso(start_s), cut.step_s, *cells, _why(window, cut, start_s)])
    made = Response(text.getvalue(), mimetype="text/csv")
    made.headers["Content-Disposition"] = "attachment; filename=system-history.csv"
    made.headers["Cache-Control"] = "no-store"
    return made


def _why(window: HistoryWindow, cut: Grid, start_s: float) -> str:
    found = [span for span in window.gaps if span.start_s < start_s + cut.step_s and span.end_s > start_s]
    said = dict.fromkeys(span.reason if span.of is None else f"{span.of}: {span.reason}" for span in found)
    return "; ".join(said)
