"""Answers every question about usage from the embedded store.

One question is one snapshot: all its statements see the same commits. What the store cannot answer becomes `Failed`,
never an exception.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar, cast

import duckdb

from data_sources.result import Failed, Kind, Problem, Provenance, Ready, Result, utc_now, with_notes
from data_sources.usage import answers, intake_read, integrity, one_call
from data_sources.usage import recent as recent_rows
from data_sources.usage.ask import Ask, ExpiredError
from data_sources.usage.attempt import STATUSES
from data_sources.usage.memo import Memo
from data_sources.usage.pricing import BUNDLED, PriceBook
from data_sources.usage.provenance import damage_words, provenance
from data_sources.usage.query import BadQueryError
from data_sources.usage.store import StoreError, UsageStore
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
    Unpriced,
    UsageQuery,
    Version,
)

T = TypeVar("T")
_AT_ONCE = 8  # questions: more would share two cores and the memory limit, and none would be answered sooner
# What the machine does to a correct statement; anything else that DuckDB raises is a bug of ours.
_OUTSIDE = (duckdb.OutOfMemoryException, duckdb.IOException, duckdb.ConnectionException, duckdb.TransactionException)


def _check_statuses(query: UsageQuery) -> None:
    """Refuse a status that no call of this store can have: its zeros would look like an answer."""
    if not set(query.status) <= set(STATUSES):
        raise BadQueryError(f"status: use some of {', '.join(STATUSES)}.")


class EmbeddedUsage:
    """The `UsageSource` of the embedded store."""

    def __init__(
        self,
        store: UsageStore,
        *,
        now: Callable[[], datetime] = utc_now,
        remember: int = 64,
        prices: PriceBook = BUNDLED,
    ) -> None:
        """Read from a store.

        Args:
            store: The usage store; it opens itself at the first question.
            now: The clock, aware.
            remember: How many answers to keep while the data stay the same.
            prices: What usage is priced with: says why some has no price.
        """
        self._prices = prices
        self._store = store
        self._now = now
        self._memo = Memo(remember)
        self._turn = threading.BoundedSemaphore(_AT_ONCE)
        self._seen: tuple[int, bool] | None = None

    def _answer(
        self, query: UsageQuery, ask: Callable[[Ask], tuple[T, Provenance]], *, beside: bool = False
    ) -> Result[T]:
        """Answer one question; `beside` has damage told beside the figures, too, not only where they come from."""
        now = self._now()
        try:
            _check_statuses(query)
            self._store.open()
            version = self._store.data_version
            with self._turn, self._store.cursor() as cursor:
                cursor.begin()
                value, source = ask(Ask(cursor, query, now, self._memo, version))
                # how much is lost counts all organizations together, so nobody of one is told
                lost = damage_words(integrity.damage(cursor)) if query.organization_id is None else ()
        except StoreError as error:
            problem = error.problem
            detail = f"{problem.title}. {problem.detail}"
            return Failed(Problem(problem.kind, FAILED, detail, problem.code, problem.retry_after_s))
        except ExpiredError as error:
            return Failed(Problem(Kind.BAD_QUERY, "Not kept for so long", str(error), code="expired"))
        except BadQueryError as error:
            return Failed(Problem(Kind.BAD_QUERY, "The question is not right", str(error)))
        except _OUTSIDE as error:
            detail = "The usage store ran out of memory for this question. Choose a shorter window."
            if not isinstance(error, duckdb.OutOfMemoryException):
                detail = "The usage store broke off its answer."
            return Failed(Problem(Kind.STORE, FAILED, detail, type(error).__name__, retry_after_s=5))
        if lost:
            source = replace(with_notes(source, *lost), caveats=(*source.caveats, *(lost if beside else ())))
        return Ready(value, source)

    def summary(self, query: UsageQuery) -> Result[Summary]:
        """All figures of the window and of the period before."""
        return self._answer(query, answers.summary, beside=True)

    def breakdown(self, query: UsageQuery, dimension: Dimension, *, limit: int | None = None) -> Result[Breakdown]:
        """The window by the values of one dimension, most calls first."""
        return self._answer(query, lambda ask: answers.breakdown(ask, dimension, limit))

    def timeseries(
        self,
        query: UsageQuery,
        *,
        granularity: Granularity | None = None,
        group_by: Dimension | None = None,
        limit: int | None = None,
    ) -> Result[Timeseries]:
        """The window in buckets that tile it."""
        return self._answer(query, lambda ask: answers.timeseries(ask, granularity, group_by, limit))

    def unpriced(self, query: UsageQuery, *, limit: int | None = None) -> Result[Unpriced]:
        """The models with usage that has no price, most calls first."""
        return self._answer(query, lambda ask: answers.unpriced(ask, self._prices, limit))

    def recent(self, query: UsageQuery, *, limit: int = 50, cursor: str | None = None) -> Result[RequestPage]:
        """The newest calls of the window, each with its attempts."""

        def ask_for(ask: Ask) -> tuple[RequestPage, Provenance]:
            page = recent_rows.page(ask.cursor, query, ask.window, ask.kept_span(), limit, cursor)
            coverage = ask.collected().coverage(ask.span)
            page = answers.counted(ask, page, coverage)
            page = replace(page, hues=ask.hues("model", recent_rows.models(page)))
            source = provenance(ask, ask.newest(), coverage, None, calls=page.total_calls)
            return page, source if page.kept_since is None else with_notes(source, page.reason or "")

        return self._answer(query, ask_for)

    def call(self, key: CallKey, *, organization_id: str | None = None) -> Result[CallFacts]:
        """Everything that is kept of one call, whatever the window."""

        def ask_for(ask: Ask) -> tuple[CallFacts | None, Provenance]:
            found = one_call.read(ask.cursor, key, organization_id)
            newest = None if found is None else found.request.decided_by.started_at
            rows = None if found is None else len(found.facts)
            return found, Provenance("Usage store", f"call {key.call_id}", newest, self._now(), rows=rows)

        result = self._answer(UsageQuery(range="today"), ask_for)
        if isinstance(result, Ready) and result.value is None:
            return Failed(Problem(Kind.NOT_FOUND, NO_CALL, NO_CALL_WHY, code=NO_CALL_CODE))
        return cast(Result[CallFacts], result)

    def export(self, query: UsageQuery, *, grain: Grain = "calls") -> Result[Export]:
        """Every row of the window, read in one snapshot while it is sent."""

        def ask_for(ask: Ask) -> tuple[Export, Provenance]:
            ask.need_attempts(ask.span)
            rows = recent_rows.export(self._store, query, ask.window, ask.span, grain)
            return rows, provenance(ask, ask.newest(), ask.collected().coverage(ask.span), None)

        return self._answer(query, ask_for)

    def coverage(self, query: UsageQuery) -> Result[Coverage]:
        """For how much of the window we were listening."""

        def ask_for(ask: Ask) -> tuple[Coverage, Provenance]:
            found = ask.collected().coverage(ask.span)
            return found, provenance(ask, ask.newest(), found, None)

        return self._answer(query, ask_for)

    def intake(self, query: UsageQuery) -> Result[Intake]:
        """What became of everything that was received in the window, of all organizations."""

        def ask_for(ask: Ask) -> tuple[Intake, Provenance]:
            coverage = ask.collected().coverage(ask.span)
            found = intake_read.read(ask.cursor, query, ask.window, ask.span, coverage, ask.now)
            newest = max((one.last_received_at for one in found.sources), default=None)
            return found, provenance(ask, newest, coverage, None)

        return self._answer(query, ask_for)

    def version(self) -> Result[Version]:
        """Whether anything changed; one look into the store after each change, none in between."""

        def ask_for(ask: Ask) -> tuple[Version, Provenance]:
            version = self._store.data_version
            if self._seen is None or self._seen[0] != version:
                any_row = ask.cursor.execute("SELECT 1 FROM attempts LIMIT 1").fetchall()
                self._seen = (version, bool(any_row))
            found = Version(version + self._store.notices, self._store.last_event_at, self._seen[1])
            return found, Provenance("Usage store", "version", self._store.last_event_at, self._now())

        return self._answer(UsageQuery(range="today"), ask_for)
