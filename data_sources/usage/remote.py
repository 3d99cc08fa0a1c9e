"""Answers every question about usage from a usage API over HTTP: another Ops Center, or an original-style backend.

What the API does not offer, does not send or does not confirm is said; nothing is made up for it.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar, cast
from urllib.parse import urlencode, urlsplit

import requests

from data_sources.doorway import Doorway
from data_sources.http import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, Answer, call_json, open_stream, session
from data_sources.result import Failed, Kind, Problem, Provenance, Ready, Result, utc_now, with_notes
from data_sources.shared import Shared
from data_sources.usage import remote_decode, remote_export, remote_intake, remote_lists
from data_sources.usage.costs import CostBasis
from data_sources.usage.provenance import notes, window_words
from data_sources.usage.query import BadQueryError, call_parameters, to_parameters
from data_sources.usage.remote_confirm import (
    NotConfirmedError,
    Said,
    confirmed,
    confirmed_organization,
    notes_of,
    stale_of,
)
from data_sources.usage.remote_read import Node, WrongFieldError
from data_sources.usage.remote_refuse import NOT_OFFERED, SOURCE, bad_query, problem_of, refusal, unreadable
from data_sources.usage.types import (
    FAILED,
    NO_CALL,
    NO_CALL_CODE,
    NO_CALL_WHY,
    Breakdown,
    CallFacts,
    CallKey,
    Coverage,
    Dimension,
    Export,
    Grain,
    Granularity,
    Intake,
    RequestPage,
    Summary,
    Timeseries,
    Totals,
    Unpriced,
    UsageQuery,
    Version,
    Window,
)
from data_sources.usage.windows import windows

T = TypeVar("T")
ROOT = "/api/v1/llm/usage"
_HUES, _MOST_NAMES = 16, 10_000
_STALE_FOR_S = 900.0
_REMEMBERED = 64
_TELLS_NOTHING = (Kind.BAD_QUERY, Kind.NOT_FOUND, Kind.FORBIDDEN, Kind.BUSY)
# Of the threads that answer requests (64), at most half are ever held by a usage API. Exports have places of their own:
# a few long ones never keep a page from being answered.
AT_ONCE, WAITING, PATIENCE_S = 12, 32, 2.0
EXPORTS_AT_ONCE = 4
_BUSY = "Many questions are waiting for the usage API. Try again in a moment."
_EXPORTS_BUSY = f"{EXPORTS_AT_ONCE} exports from the usage API are under way. Try again when one of them is done."


class _Bearer(requests.auth.AuthBase):
    """The key on every request; set like this, a key in a netrc file never takes its place."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Hues:
    """Colour slots of values that came without one, by order of first arrival here."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[Dimension, dict[str, int]] = {}

    def __call__(self, dimension: Dimension, name: str) -> int | None:
        with self._lock:
            known = self._seen.setdefault(dimension, {})
            if name not in known and len(known) >= _MOST_NAMES:
                return None
            return known.setdefault(name, len(known) % _HUES)


class RemoteUsage:
    """The `UsageSource` of a usage API.

    Args:
        url: Where it is: the folder that holds `summary`; without a path, `/api/v1/llm/usage` is added.
        token: Its bearer key, None for none.
        now: The clock, aware.
        timeout_s: Connect and read time-out of one question, in seconds; `http.total_s` of them bounds all of it.
        retries: How often a GET is tried again on a failed connection and on 502, 503, 504.
        refresh_s: How often, in seconds, it is asked at most whether anything changed.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        now: Callable[[], datetime] = utc_now,
        timeout_s: tuple[float, float] = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
        retries: int = 2,
        refresh_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url.rstrip("/") if urlsplit(url).path.strip("/") else url.rstrip("/") + ROOT
        self._now, self._clock = now, clock
        self._timeout_s = timeout_s
        self._refresh_s = refresh_s
        self._session = session(retries=retries, pool=AT_ONCE + EXPORTS_AT_ONCE)
        self._doorway = Doorway(_BUSY, at_once=AT_ONCE, waiting=WAITING, patience_s=PATIENCE_S)
        self._exports = Doorway(_EXPORTS_BUSY, at_once=EXPORTS_AT_ONCE, waiting=0, patience_s=0)
        self._session.auth = _Bearer(token)
        self._shared: Shared[Answer | Problem] = Shared()
        self._hue_of = _Hues()
        self._good: OrderedDict[str, tuple[float, Ready[Any]]] = OrderedDict()
        self._good_lock, self._version_lock = threading.Lock(), threading.Lock()
        self._version: tuple[float, Result[Version]] | None = None
        self._seen: Result[Any] | None = None

    @property
    def seen(self) -> Result[Any] | None:
        """How the newest question went, without asking; None before the first."""
        return self._seen

    def close(self) -> None:
        """Give back every connection."""
        self._session.close()

    def summary(self, query: UsageQuery) -> Result[Summary]:
        """All figures of the window and of the period before."""
        return self._ask(
            "summary",
            query,
            (),
            remote_decode.summary,
            offers="a summary. Check OPS_USAGE_API_URL",
            about=lambda found: (found.coverage, _totals_of(found), found.data_as_of),
        )

    def breakdown(self, query: UsageQuery, dimension: Dimension, *, limit: int | None = None) -> Result[Breakdown]:
        """The window by the values of one dimension, most calls first."""
        return self._ask(
            f"by-{dimension.replace('_', '-')}",
            query,
            [] if limit is None else [("limit", str(limit))],
            lambda root, window, _: remote_decode.breakdown(root, dimension, window, self._hue_of),
            offers=f"usage by {dimension.replace('_', ' ')}",
            about=lambda found: (found.coverage, found.total, found.data_as_of),
        )

    def timeseries(
        self,
        query: UsageQuery,
        *,
        granularity: Granularity | None = None,
        group_by: Dimension | None = None,
        limit: int | None = None,
    ) -> Result[Timeseries]:
        """The window in buckets that tile it."""
        named = {"granularity": granularity, "group_by": group_by, "limit": None if limit is None else str(limit)}
        return self._ask(
            "timeseries",
            query,
            [(name, value) for name, value in named.items() if value is not None],
            lambda root, window, _: remote_lists.timeseries(root, window, granularity, group_by, self._hue_of),
            offers="usage over time",
            about=lambda found: (found.coverage, found.total, found.data_as_of),
        )

    def unpriced(self, query: UsageQuery, *, limit: int | None = None) -> Result[Unpriced]:
        """The models with usage that has no price, most calls first."""
        return self._ask(
            "unpriced",
            query,
            [] if limit is None else [("limit", str(limit))],
            lambda root, window, _: remote_decode.unpriced(root, window),
            offers="usage without a price",
            about=lambda found: (found.coverage, found.total, found.data_as_of),
        )

    def recent(self, query: UsageQuery, *, limit: int = 50, cursor: str | None = None) -> Result[RequestPage]:
        """The newest calls of the window, each with its attempts."""
        return self._ask(
            "recent",
            query,
            [("limit", str(limit)), *([] if cursor is None else [("cursor", cursor)])],
            lambda root, window, _: remote_lists.requests(root, window, self._hue_of),
            offers="single calls",
        )

    def call(self, key: CallKey, *, organization_id: str | None = None) -> Result[CallFacts]:
        """Everything that is kept of one call, whatever the window."""
        pairs = call_parameters(key) + ([] if organization_id is None else [("organization", organization_id)])
        answer = self._get("call", pairs)
        if isinstance(answer, Problem):
            return self._noted(Failed(answer))
        if answer.status >= 300:
            if isinstance(answer.body, dict) and answer.body.get("code") == NO_CALL_CODE:
                return Failed(Problem(Kind.NOT_FOUND, NO_CALL, NO_CALL_WHY, code=NO_CALL_CODE))
            return self._noted(refusal(answer.status, answer.body, problem_of(answer), "single calls by their id"))
        try:
            root = Node.root(answer.body)
            confirmed_organization(root, organization_id)
            found = remote_lists.call(root)
        except (WrongFieldError, NotConfirmedError) as error:
            return self._noted(unreadable(error))
        asked = f"GET {self._url}/call?{urlencode(pairs)}"
        newest = found.request.decided_by.started_at
        return self._noted(Ready(found, Provenance(SOURCE, asked, newest, self._now(), rows=len(found.facts))))

    def coverage(self, query: UsageQuery) -> Result[Coverage]:
        """For how much of the window the other side was listening."""
        return self._ask(
            "coverage",
            query,
            (),
            lambda root, _window, _previous: remote_decode.whole_coverage(root),
            offers="times of collection",
            about=lambda found: (found, None, None),
        )

    def intake(self, query: UsageQuery) -> Result[Intake]:
        """What became of everything that the other side received in the window."""
        found = self._ask(
            "coverage",
            query,
            (),
            lambda root, window, _: remote_intake.intake(root, window),
            offers="times of collection",
            about=lambda found: (found.coverage, None, None) if found else (None, None, None),
        )
        if isinstance(found, Ready) and found.value is None:
            detail = "This usage API does not tell what became of what it received."
            return Failed(Problem(Kind.NOT_FOUND, "Not offered by this usage API", detail, code="no-intake"))
        return cast(Result[Intake], found)

    def export(self, query: UsageQuery, *, grain: Grain = "calls") -> Result[Export]:
        """Every row of the window, read while it is sent."""
        try:
            asked, _ = windows(query, self._now())
        except BadQueryError as error:
            return bad_query(str(error))
        pairs = [*_pairs(query), ("format", "json"), ("grain", grain)]
        with ExitStack() as held:
            busy = held.enter_context(self._exports.place(FAILED))
            answer = busy or open_stream(
                self._session,
                f"{self._url}/export",
                source=SOURCE,
                what=FAILED,
                params=pairs,
                timeout_s=self._timeout_s,
            )
            if isinstance(answer, Problem):
                return Failed(answer)
            if isinstance(answer, Answer):
                return refusal(answer.status, answer.body, problem_of(answer), "an export of calls")
            held.callback(answer.close)
            try:
                head, lines = remote_export.head_of(answer, self._timeout_s)
                window, said = confirmed(head, query, asked)
                rows = remote_export.export(held, head, lines, window, grain)
            except remote_export.SlowExportError as error:
                return Failed(Problem(Kind.TIMEOUT, FAILED, str(error), code="timeout", retry_after_s=5))
            except (WrongFieldError, NotConfirmedError, remote_export.BrokenExportError) as error:
                return unreadable(error)
        return Ready(rows, with_notes(self._provenance("export", pairs, window, said), *notes_of(head)))

    def version(self) -> Result[Version]:
        """Whether anything changed; the API is asked once every `refresh_s`, and never by two at a time."""
        with self._good_lock:
            kept = self._version
        if kept is not None and self._clock() < kept[0] + self._refresh_s:
            return kept[1]
        # Without a first answer everybody waits for it a little, and no longer: each holds a thread.
        if not self._version_lock.acquire(timeout=PATIENCE_S if kept is None else 0):
            return Failed(Problem(Kind.BUSY, FAILED, _BUSY, code="busy", retry_after_s=5)) if kept is None else kept[1]
        try:
            with self._good_lock:
                kept = self._version
            if kept is None or self._clock() >= kept[0] + self._refresh_s:
                kept = (self._clock(), self._noted(self._ask_version()))
                with self._good_lock:
                    self._version = kept
            return kept[1]
        finally:
            self._version_lock.release()

    def _ask_version(self) -> Result[Version]:
        now = self._now()
        answer = self._get("version", ())
        if isinstance(answer, Problem):
            return Failed(answer)
        source = Provenance(SOURCE, f"GET {self._url}/version", None, now)
        if answer.status in NOT_OFFERED:
            # Without an address for it everything may have changed: pages ask again at this pace.
            changed = Version(int(now.timestamp() // self._refresh_s), None, None)
            return Ready(changed, with_notes(source, "This usage API does not say when its data change."))
        if answer.status >= 300:
            return refusal(answer.status, answer.body, problem_of(answer), "a version")
        try:
            found = remote_decode.version(Node.root(answer.body))
        except WrongFieldError as error:
            return unreadable(error)
        return Ready(found, Provenance(SOURCE, f"GET {self._url}/version", found.last_event_at, now))

    def _get(self, name: str, pairs: Sequence[tuple[str, str]]) -> Answer | Problem:
        address = f"{self._url}/{name}"

        def question() -> Answer | Problem:
            return call_json(
                self._session,
                "GET",
                address,
                source=SOURCE,
                what=FAILED,
                params=pairs,
                timeout_s=self._timeout_s,
                accept_errors=True,
            )

        with self._doorway.place(FAILED) as busy:  # who waits for another's answer holds a thread as well
            return busy or self._shared.ask(f"{address}?{urlencode(pairs)}", question)

    def _ask(
        self,
        name: str,
        query: UsageQuery,
        more: Sequence[tuple[str, str]],
        decode: Callable[[Node, Window, Window], T],
        *,
        offers: str,
        about: Callable[[T], tuple[Coverage | None, Totals | None, datetime | None]] | None = None,
    ) -> Result[T]:
        """Ask one question.

        Args:
            name: The address below ours.
            query: Window and filters, always sent.
            more: Further parameters.
            decode: Makes the value from the answer, its window and the window before.
            offers: What an API without this address does not offer.
            about: Coverage, sums and newest data of a value, for its provenance; None for lists.
        """
        try:
            asked, previous = windows(query, self._now())
        except BadQueryError as error:
            return bad_query(str(error))
        pairs = [*_pairs(query), *more]
        key = f"{name}?{urlencode(pairs)}"
        answer = self._get(name, pairs)
        if isinstance(answer, Problem):
            return self._stale(key, Failed(answer))
        if answer.status >= 300:
            return self._stale(key, refusal(answer.status, answer.body, problem_of(answer), offers))
        try:
            root = Node.root(answer.body)
            window, said = confirmed(root, query, asked)
            value = decode(root, window, previous)
        except (WrongFieldError, NotConfirmedError) as error:
            return self._stale(key, unreadable(error))
        told = (*about(value), getattr(value, "basis", None)) if about else None
        provenance = self._provenance(name, pairs, window, said, told)
        provenance = replace(provenance, tells_as_of=root.has("data_as_of"))
        own = [note for note in notes_of(root) if note not in provenance.notes]
        found = Ready(value, with_notes(provenance, *own))
        old = stale_of(root)
        if old is not None:
            found = Ready(value, replace(found.provenance, fetched_at=old[1]), stale=old[0])
        self._remember(key, found)
        self._noted(found)
        return found

    def _provenance(
        self,
        name: str,
        pairs: Sequence[tuple[str, str]],
        window: Window,
        said: Said,
        about: tuple[Coverage | None, Totals | None, datetime | None, CostBasis | None] | None = None,
    ) -> Provenance:
        found, sums, newest, basis = about or (None, None, None, None)
        told = notes(window, found, sums, basis, came=newest is not None) if about else ()
        return Provenance(
            source=SOURCE,
            query=f"GET {self._url}/{name}?{urlencode(pairs)}",
            as_of=newest,
            fetched_at=self._now(),
            window=window_words(window),
            rows=None if sums is None else sums.attempts,
            notes=(*said.caveats, *said.notes, *told),
            caveats=said.caveats,
            unconfirmed=said.unconfirmed,
        )

    def _noted(self, result: Result[T]) -> Result[T]:
        """Keep how the source is. What it was not asked, or does not offer, says nothing about that."""
        if not (isinstance(result, Failed) and result.problem.kind in _TELLS_NOTHING):
            self._seen = result
        return result

    def _remember(self, key: str, found: Ready[Any]) -> None:
        with self._good_lock:
            self._good[key] = (self._clock(), found)
            self._good.move_to_end(key)
            while len(self._good) > _REMEMBERED:
                self._good.popitem(last=False)

    def _stale(self, key: str, failed: Failed) -> Result[Any]:
        """The last good answer to the same question, with the problem beside it; the failure where there is none."""
        self._noted(failed)
        problem = failed.problem
        refused_key = problem.code in ("HTTP 401", "HTTP 403")
        if problem.kind not in (Kind.UPSTREAM, Kind.TIMEOUT, Kind.BUSY) or refused_key:
            return failed
        with self._good_lock:
            kept = self._good.get(key)
        if kept is None or self._clock() > kept[0] + _STALE_FOR_S:
            return failed
        return Ready(kept[1].value, kept[1].provenance, stale=problem)


def _pairs(query: UsageQuery) -> list[tuple[str, str]]:
    pairs = to_parameters(query)
    return pairs if query.organization_id is None else [*pairs, ("organization", query.organization_id)]


def _totals_of(found: Summary) -> Totals:
    """The sums that a summary tells, for its provenance."""
    figures = found.figures
    return Totals(
        attempts=figures.total_attempts,
        calls=figures.total_calls,
        failed_calls=figures.failed_calls,
        unknown_calls=figures.unknown_calls,
        priced_calls=figures.priced_calls,
        unpriced_calls=figures.unpriced_calls,
        unmetered_calls=figures.unmetered_calls,
        priced_attempts=None,
        unpriced_attempts=figures.unpriced_attempts,
        cost=figures.total_cost,
        tokens=figures.tokens,
        reports=figures.reports,
    )
