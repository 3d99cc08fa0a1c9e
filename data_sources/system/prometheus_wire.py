"""Asking Prometheus (or VictoriaMetrics, which speaks its language): one question, its series, its warnings.

An answer without series is an answer: nothing is made of it here. Values that are no numbers ("NaN", which is also how
VictoriaMetrics hands out the mark of a series that ended, "+Inf") are left out, so that they become gaps.
"""

from __future__ import annotations

import base64
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlencode

import msgspec

from ..http import Answer, call_json, session
from ..result import Failed, Kind, Problem, Provenance, Ready, Result, utc_now

SOURCE = "Prometheus"
MISPLACED = "of times that were not asked for"
TIMEOUT_S = (2.0, 8.0)
_LONG_QUERY = 1500  # beyond this an address may be too long for a proxy: the question goes in the body
_MOST_SAID = 240
# Questions under way, and how many may wait their turn: a server that hangs must not hold every thread of ours.
_AT_ONCE, _WAITING, _WAIT_S = 8, 8, 4.0
_CLOCKS_S = 1.0  # times are rounded to milliseconds, and no more


class _Series(msgspec.Struct):
    metric: dict[str, str] = {}
    values: list[tuple[float, str]] = []
    value: tuple[float, str] | None = None


class _Data(msgspec.Struct):
    result: list[_Series]
    resultType: str = ""  # noqa: N815 - the wire's name


class _Body(msgspec.Struct):
    status: str
    data: _Data | None = None
    error: str = ""
    errorType: str = ""  # noqa: N815
    warnings: list[str] = []
    infos: list[str] = []
    isPartial: bool = False  # noqa: N815 - VictoriaMetrics' word


_decode = msgspec.json.Decoder(_Body).decode


@dataclass(frozen=True, slots=True)
class Series:
    """One series.

    Attributes:
        labels: Its labels, the metric's name as `__name__` where it has one.
        points: Epoch milliseconds and value, oldest first; only what is a number.
        misplaced: How many samples were left out, because their time is none that was asked for.
    """

    labels: Mapping[str, str]
    points: tuple[tuple[int, float], ...]
    misplaced: int = 0


@dataclass(frozen=True, slots=True)
class Answered:
    """What was answered.

    Attributes:
        series: May be empty: "no such series" is not a zero.
        notes: Its warnings, in its own words; empty when the answer is whole.
    """

    series: tuple[Series, ...]
    notes: tuple[str, ...] = ()


class Turn(Protocol):
    """A lock or a semaphore."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take it."""


class PrometheusClient:
    """Asks one Prometheus.

    Args:
        url: Its address, with the path prefix where it has one.
        token: A bearer key, or `user:password`.
        timeout_s: Connect and read time-out, in seconds.
    """

    def __init__(self, url: str, token: str | None = None, *, timeout_s: tuple[float, float] = TIMEOUT_S) -> None:
        self.url = url.rstrip("/")
        self._headers = {} if token is None else {"Authorization": _authorization(token)}
        self._timeout_s = timeout_s
        self._session = session(retries=1)
        self.seen: Result[None] | None = None  # how the last question ended, whoever asked it; None before the first
        self._room = threading.BoundedSemaphore(_AT_ONCE)
        self._waiting = threading.BoundedSemaphore(_WAITING)

    def close(self) -> None:
        """Close its connections."""
        self._session.close()

    def wait_for(self, turn: Turn, wait_s: float) -> bool:
        """Take what another thread's question holds, at once or after a while; only few may wait.

        Args:
            turn: What is held while Prometheus is asked; the caller releases it.
            wait_s: How long, in seconds.

        Returns:
            Whether it was taken.
        """
        if turn.acquire(blocking=False):
            return True
        if wait_s <= 0 or not self._waiting.acquire(blocking=False):
            return False
        try:
            return turn.acquire(timeout=wait_s)
        finally:
            self._waiting.release()

    def instant(self, query: str, at_s: float, *, what: str) -> Answered | Problem:
        """One evaluation.

        Args:
            query: PromQL.
            at_s: At which time, in epoch seconds.
            what: What failed if it fails, for the reader.
        """
        return self._ask("query", {"query": query, "time": f"{at_s:.3f}"}, what)

    def raw(self, selector: str, at_s: float, back_s: int, *, what: str) -> Answered | Problem:
        """Raw samples, with the times they were scraped at.

        Args:
            selector: PromQL, which series.
            at_s: Up to which time, in epoch seconds.
            back_s: How far back from there, in seconds.
            what: What failed if it fails, for the reader.

        Returns:
            The samples of that time: one of any other is none that was asked for. Where there are only such, a problem.
        """
        answer = self.instant(f"{selector}[{back_s}s]", at_s, what=what)
        if isinstance(answer, Problem):
            return answer
        least_ms, most_ms = (at_s - back_s - _CLOCKS_S) * 1000, (at_s + _CLOCKS_S) * 1000
        placed = tuple(_placed(series, least_ms, most_ms) for series in answer.series)
        misplaced = sum(series.misplaced for series in placed)
        if not misplaced:
            return answer
        if not any(series.points for series in placed):
            return Problem(Kind.UPSTREAM, what, f"{SOURCE} sent {misplaced:,} samples, {MISPLACED}.")
        return Answered(placed, (*answer.notes, f"{misplaced:,} samples were left out, {MISPLACED}."))

    def ranged(self, query: str, start_s: float, end_s: float, step_s: float, *, what: str) -> Answered | Problem:
        """One evaluation a step, at `start_s`, `start_s + step_s`, … up to `end_s`.

        Args:
            query: PromQL.
            start_s: First evaluation, in epoch seconds.
            end_s: Last evaluation, in epoch seconds.
            step_s: Distance, in seconds.
            what: What failed if it fails, for the reader.
        """
        asked = {"query": query, "start": f"{start_s:.3f}", "end": f"{end_s:.3f}", "step": f"{step_s:.3f}"}
        # VictoriaMetrics moves start and end to multiples of the step, and keeps answers, unless told not to.
        return self._ask("query_range", {**asked, "nocache": "1"}, what)

    def _ask(self, path: str, asked: dict[str, str], what: str) -> Answered | Problem:
        if not self.wait_for(self._room, _WAIT_S):
            return Problem(Kind.BUSY, what, f"Too many questions wait for {SOURCE}.", retry_after_s=5)
        try:
            found = self._send(path, asked, what)
        finally:
            self._room.release()
        told = Provenance(SOURCE, "the last question", as_of=utc_now())
        self.seen = Failed(found, told) if isinstance(found, Problem) else Ready(None, told)
        return found

    def _send(self, path: str, asked: dict[str, str], what: str) -> Answered | Problem:
        url, form = f"{self.url}/api/v1/{path}", urlencode(asked)
        long = len(form) > _LONG_QUERY
        headers = {**self._headers, **({"Content-Type": "application/x-www-form-urlencoded"} if long else {})}
        answer = call_json(
            self._session,
            "POST" if long else "GET",
            url,
            source=SOURCE,
            what=what,
            params=None if long else asked,
            data=form.encode() if long else None,
            headers=headers,
            timeout_s=self._timeout_s,
            accept_errors=True,
            undecoded=True,
        )
        return answer if isinstance(answer, Problem) else _read(answer, what)


def _authorization(token: str) -> str:
    if ":" in token:  # no bearer key may hold a colon
        return "Basic " + base64.b64encode(token.encode()).decode()
    return f"Bearer {token}"


def _read(answer: Answer, what: str) -> Answered | Problem:
    try:
        body = _decode(answer.body)
    except (msgspec.DecodeError, RecursionError):
        code = f"HTTP {answer.status}"
        if answer.status in (401, 403):
            return Problem(Kind.UPSTREAM, what, f"{SOURCE} refused our key.", code=code)
        return Problem(Kind.UPSTREAM, what, f"{SOURCE} answered something that is none of its answers.", code=code)
    if body.status != "success" or body.data is None:
        said = " ".join(body.error.split())[:_MOST_SAID] or "no reason given"
        kind = Kind.TIMEOUT if body.errorType in ("timeout", "canceled") or answer.status == 503 else Kind.UPSTREAM
        return Problem(kind, what, f"{SOURCE} says: {said}", code=f"HTTP {answer.status}")
    notes = [*body.warnings, *body.infos]
    if body.isPartial:
        notes.append("The answer is partial: a storage node did not answer.")
    try:
        return Answered(tuple(_series(each) for each in body.data.result), tuple(notes))
    except ValueError as error:
        return Problem(Kind.UPSTREAM, what, f"{SOURCE} sent a value that is no number.", code=str(error)[:60])


def _series(found: _Series) -> Series:
    given = found.values if found.value is None else [found.value]
    timed = [(round(at_s * 1000), float(text)) for at_s, text in given if math.isfinite(at_s)]
    points = tuple(point for point in timed if math.isfinite(point[1]))
    return Series(found.metric, points, misplaced=len(given) - len(timed))


def _placed(series: Series, least_ms: float, most_ms: float) -> Series:
    points = tuple(point for point in series.points if least_ms <= point[0] <= most_ms)
    return Series(series.labels, points, series.misplaced + len(series.points) - len(points))


def quoted(text: str) -> str:
    """A PromQL string literal."""
    inner = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{inner}"'


def any_of(texts: list[str] | tuple[str, ...]) -> str:
    """A PromQL string literal of a pattern that matches exactly these."""
    special = frozenset("\\.+*?()|[]{}^$")
    return quoted("|".join("".join("\\" + each if each in special else each for each in text) for text in texts))
