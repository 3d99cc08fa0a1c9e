"""Our own JSON: an event has the names of `Attempt`, and `started_at` with its offset.

A field that we do not know is refused by name, because a misspelt one would silently make its figure unknown.
"""

from __future__ import annotations

import math
from decimal import Decimal
from operator import attrgetter
from typing import Any

import msgspec

from data_sources.usage.attempt import (
    MAX_COUNT,
    UNREADABLE,
    Attempt,
    BadEventError,
    Facts,
    first_token_ms,
    iso_us,
    not_readable,
)

NOTHING = msgspec.Raw()  # content that was not sent


class OwnEvent(Facts, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """The fields of an event as they are sent."""

    event_id: str
    call_id: str | None = None
    started_at: str | None = None
    started_at_s: Decimal | None = None
    started_at_ms: Decimal | None = None
    started_at_us: int | None = None
    # clocks give fractions, which are rounded; `Facts` has whole milliseconds
    duration_ms: int | float | None = None  # type: ignore[assignment]
    time_to_first_token_ms: int | float | None = None  # type: ignore[assignment]
    status: str | None = None
    source: str | None = None
    usage: dict[str, Any] | None = None  # a provider's, read by the files of the providers
    # Content is let in and dropped here: it is never kept.
    messages: msgspec.Raw = NOTHING
    prompt: msgspec.Raw = NOTHING
    response: msgspec.Raw = NOTHING
    completion: msgspec.Raw = NOTHING


DEFAULT_SOURCE = "api"
_NO_FACT = ("usage", "messages", "prompt", "response", "completion")
FIELDS = tuple(name for name in OwnEvent.__struct_fields__ if name not in _NO_FACT)
_DECODER, _ALL = msgspec.json.Decoder(OwnEvent), msgspec.json.Decoder(list[OwnEvent])
_facts = attrgetter(*Facts.__struct_fields__)


def recognises(peek: Any) -> bool:
    """Whether an event is of this format: it is the one that is left when no other recognises it."""
    return True


def decode_all(body: bytes) -> list[OwnEvent] | None:
    """An array of nothing but plain events of this format, decoded at once: what most bodies are.

    Args:
        body: The bytes as sent.

    Returns:
        The events; None where one is of another format or wrong, so that each must be read alone.
    """
    try:
        events = _ALL.decode(body)
    except UNREADABLE:
        return None
    carries = any(event.usage is not None or event.response is not NOTHING for event in events)
    return None if carries else events


def decode(raw: msgspec.Raw) -> OwnEvent:
    """The fields of one event.

    Args:
        raw: The event's JSON text.

    Raises:
        BadEventError: With the reason.
    """
    try:
        return _DECODER.decode(raw)
    except UNREADABLE as error:
        raise not_readable(error) from None


def read(raw: msgspec.Raw, source: str | None) -> Attempt:
    """Turn one event into an attempt.

    Args:
        raw: The event's JSON text.
        source: What to name events that do not name their source.

    Raises:
        BadEventError: With the reason.
    """
    event = decode(raw)
    if event.usage is not None:
        raise BadEventError("usage has the shape of neither OpenAI's nor Anthropic's")
    return attempt_of(event, source)


def attempt_of(event: OwnEvent, source: str | None) -> Attempt:
    """Turn a decoded event into an attempt.

    Args:
        event: The fields as sent.
        source: What to name events that do not name their source.

    Raises:
        BadEventError: With the reason.
    """
    facts = _facts(event)
    if "" in facts or event.tags == ():  # an empty text is no text
        facts = tuple(None if value in ("", ()) else value for value in facts)
    if type(event.duration_ms) is float or type(event.time_to_first_token_ms) is float:
        facts = tuple(whole_ms(value) if type(value) is float else value for value in facts)
    attempt = Attempt(
        *facts,
        event_id=event.event_id,
        call_id=event.call_id or event.event_id,
        started_at_us=_started_us(event),
        source=event.source or source or DEFAULT_SOURCE,
        status=event.status or _status(event),
    )
    if attempt.user_id is None and attempt.end_user_id is not None:
        attempt = msgspec.structs.replace(attempt, user_id=attempt.end_user_id)
    if attempt.time_to_first_token_ms is not None:
        if attempt.stream is False:  # of a whole answer it means nothing
            return msgspec.structs.replace(attempt, time_to_first_token_ms=None)
        first_ms = first_token_ms(attempt.time_to_first_token_ms, attempt.duration_ms)
        if first_ms is None:
            why = f"time_to_first_token_ms {attempt.time_to_first_token_ms} is more than its duration_ms"
            raise BadEventError(f"{why} {attempt.duration_ms}")
        if first_ms != attempt.time_to_first_token_ms:
            attempt = msgspec.structs.replace(attempt, time_to_first_token_ms=first_ms)
    return attempt


def whole_ms(value: float) -> int:
    """A span of time in whole milliseconds, halves rounded up; what is negative stays so, to be refused.

    Args:
        value: Milliseconds.

    Raises:
        BadEventError: It is not a number that can be a span of time.
    """
    if not abs(value) <= MAX_COUNT:
        raise BadEventError("a duration is not a number that can be a span of time")
    return math.floor(value + 0.5) if value >= 0 else math.floor(value)


def _status(event: OwnEvent) -> str:
    """An error says failure; silence says nothing: a bare trace is neither success nor failure."""
    return "failure" if event.error_type or (event.http_status is not None and event.http_status >= 400) else "unknown"


def _started_us(event: OwnEvent) -> int:
    given = (event.started_at, event.started_at_s, event.started_at_ms, event.started_at_us)
    if given.count(None) != 3:
        raise BadEventError(
            "started_at is required: ISO 8601 with an offset, or one of started_at_s, started_at_ms, started_at_us"
        )
    if event.started_at is not None:
        return iso_us(event.started_at)
    if event.started_at_us is not None:
        return event.started_at_us
    if event.started_at_s is not None:
        return whole_us(event.started_at_s, 1_000_000)
    assert event.started_at_ms is not None  # noqa: S101  (one of the four is given)
    return whole_us(event.started_at_ms, 1000)


def whole_us(value: Decimal, factor: int) -> int:
    """An epoch time in whole microseconds.

    Args:
        value: The time in its unit.
        factor: Microseconds in one unit.

    Raises:
        BadEventError: It is not a number that can be a time.
    """
    if not value.is_finite() or value.adjusted() > 20:  # abs() would round, and fail for very large ones
        raise BadEventError("the start time is not a number that can be a time")
    return round(value * factor)
