"""One result type for everything the console shows.

An adapter never raises for what the outside world does: it returns one of four. A panel shows each of them with its
own look, an API route answers each with its own status. Bugs still raise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")
U = TypeVar("U")


def utc_now() -> datetime:
    """The time now, aware, UTC."""
    return datetime.now(UTC)


class Kind(StrEnum):
    """What went wrong, in the few ways that a reader or a client can act on differently."""

    BAD_QUERY = "bad-query"  # the question was wrong: 400
    FORBIDDEN = "forbidden"  # this reader may not: 403
    NOT_FOUND = "not-found"  # 404
    CONFLICT = "conflict"  # the world changed since the reader looked: 409
    UPSTREAM = "upstream-failed"  # a source answered wrongly or not at all: 502
    TIMEOUT = "upstream-timeout"  # a source took too long: 504
    BUSY = "busy"  # too many ask at once: 503, try again
    STORE = "store-unavailable"  # our own store: 503, try again
    INTERNAL = "internal"  # a bug of ours, logged with the request id: 500


STATUS = {
    Kind.BAD_QUERY: 400,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.UPSTREAM: 502,
    Kind.TIMEOUT: 504,
    Kind.BUSY: 503,
    Kind.STORE: 503,
    Kind.INTERNAL: 500,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no figure.

    Attributes:
        kind: What sort of failure, decides the HTTP status.
        title: What failed, in words: "Costs could not be read".
        detail: The cause, one or two sentences, no stack, no vendor internals, never a secret.
        code: The other side's own code or ours, such as `plan_not_found` or `HTTP 500`.
        retry_after_s: When another try makes sense, in seconds.
        at: When it happened, UTC.
    """

    kind: Kind
    title: str
    detail: str
    code: str | None = None
    retry_after_s: float | None = None
    at: datetime = field(default_factory=utc_now)

    @property
    def status(self) -> int:
        """The HTTP status our own API answers with."""
        return STATUS[self.kind]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a figure comes from.

    Attributes:
        source: "Usage store", "Lago", "/proc/net/dev".
        query: What was asked, fit to show an admin; never a secret.
        as_of: Newest data included, UTC; None when there is none, or when the source does not tell.
        fetched_at: When it was asked, UTC.
        window: The window in words with its zone, when there is one.
        rows: How many rows it was computed from, None when it does not apply.
        notes: Short sentences such as "5,054 of 100,000 calls unpriced".
        caveats: Those of the notes that stand beside the figures themselves: "Window not confirmed: …".
        tells_as_of: Whether the source tells of which data its answer is made.
        unconfirmed: What of the question the source did not say that it answered: "window", "filters".
    """

    source: str
    query: str
    as_of: datetime | None
    fetched_at: datetime = field(default_factory=utc_now)
    window: str | None = None
    rows: int | None = None
    notes: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    tells_as_of: bool = True
    unconfirmed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ready(Generic[T]):
    """There is an answer. With `stale` it is the last good one and the problem tells why it is not newer."""

    value: T
    provenance: Provenance
    stale: Problem | None = None


@dataclass(frozen=True, slots=True)
class Empty:
    """We listened and nothing came: a true zero, said in words."""

    title: str
    detail: str
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Failed:
    """There is no answer, and why."""

    problem: Problem
    provenance: Provenance | None = None


@dataclass(frozen=True, slots=True)
class NotConfigured:
    """Nothing was asked because a setting is missing.

    Attributes:
        title: "Lago is not connected".
        detail: What it would give, one sentence.
        settings: The `OPS_*` names to set.
    """

    title: str
    detail: str
    settings: tuple[str, ...]


Result: TypeAlias = Ready[T] | Empty | Failed | NotConfigured


def map_ready(result: Result[T], change: Callable[[T], U]) -> Result[U]:
    """Apply `change` to the value of a Ready; pass every other result on as it is."""
    if isinstance(result, Ready):
        return Ready(change(result.value), result.provenance, result.stale)
    return result


def with_notes(provenance: Provenance, *notes: str) -> Provenance:
    """The same provenance with more notes."""
    return replace(provenance, notes=(*provenance.notes, *notes))
