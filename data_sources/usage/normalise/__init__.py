"""From a request's body to attempts. The format of each event is recognised, not configured.

A wire format is one file with `recognises(peek)` and `read(raw, source)`; adding one adds a line to `_FORMATS`. The two
that come in numbers also have `decode_all(body)`, which reads an array of nothing but their own events at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from data_sources.usage.attempt import MAX_TEXT, UNREADABLE, Attempt, BadEventError, check, not_readable
from data_sources.usage.normalise import anthropic, carried, litellm, openai, own
from data_sources.usage.normalise.json_text import mended, unmarked
from data_sources.usage.pricing import BUNDLED, PriceBook

_FORMATS = (litellm, openai, anthropic, carried, own)  # the first that recognises an event reads it
_READ_WHOLE: dict[type, Callable[[Any, str | None], Attempt]] = {
    own.OwnEvent: own.attempt_of,
    litellm.Payload: litellm.attempt_of,
}


class _Peek(msgspec.Struct):
    startTime: Any = msgspec.UNSET  # noqa: N815  (LiteLLM's name)
    call_type: Any = msgspec.UNSET
    usage: Any = None
    response: msgspec.Raw = own.NOTHING


_PEEK = msgspec.json.Decoder(_Peek)
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_ANY = msgspec.json.Decoder(msgspec.Raw)
_FIELDS, _TEXT = msgspec.json.Decoder(dict[str, msgspec.Raw]), msgspec.json.Decoder(str)


MAX_EVENTS = 100_000
# An event has dozens of these; a body that has more than so many is refused before its values are made.
_MAX_MARKS = 4_000_000


class BadBodyError(Exception):
    """The whole body is not JSON that holds events. The text says why."""


class TooManyEventsError(BadBodyError):
    """The body holds more events than are read at once."""

    def __init__(self) -> None:
        super().__init__(f"A body may hold {MAX_EVENTS:,} events. Send smaller parts.")


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event that was not taken.

    Attributes:
        index: Its place in the body, from 0.
        reason: Why.
        source: Who sent it, as far as it says.
        fields: The names of what it has.
    """

    index: int
    reason: str
    source: str = own.DEFAULT_SOURCE
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parsed:
    """A body's events: those to store, priced, and those refused."""

    attempts: list[Attempt]
    rejected: list[Rejected]


def parse(body: bytes, *, source: str | None, now_us: int, prices: PriceBook = BUNDLED) -> Parsed:
    """Read a body: a JSON array of events, one event, or one event a line.

    Args:
        body: The bytes as sent, not compressed.
        source: Names the source of events that do not name their own.
        now_us: Now, microseconds since 1970 UTC.
        prices: What each event is priced with.

    Raises:
        BadBodyError: Nothing in it is an event.
        TooManyEventsError: It holds more than `MAX_EVENTS`.
    """
    body = unmarked(body)
    _check_count(body)
    attempts, rejected = [], []
    for index, event in enumerate(own.decode_all(body) or litellm.decode_all(body) or _events(body)):
        try:
            attempt = _READ_WHOLE.get(type(event), _read)(event, source)
            check(attempt, now_us)
            attempts.append(prices.priced(attempt))
        except BadEventError as error:
            rejected.append(Rejected(index, str(error), *_about(event, source)))
    return Parsed(attempts, rejected)


def _check_count(body: bytes) -> None:
    """Refuse what holds so much that to read it would keep everybody waiting, as cheaply as that can be told."""
    is_array = body.lstrip()[:1] == b"["
    commas = body.count(b",") if len(body) > MAX_EVENTS else 0
    if commas > _MAX_MARKS or (not is_array and body.count(b"\n") > _MAX_MARKS):
        raise TooManyEventsError
    if is_array and commas >= MAX_EVENTS and body.count(b"{") > MAX_EVENTS:
        try:
            if len(_ARRAY.decode(body)) > MAX_EVENTS:
                raise TooManyEventsError
        except UNREADABLE:
            return  # what is wrong with it is told where it is read


def _about(event: Any, source: str | None) -> tuple[str, tuple[str, ...]]:
    """The source of an event that was not taken, and the names of what it has; no value of it."""
    if not isinstance(event, msgspec.Raw):  # it was read with all others of its body
        named = event.source if isinstance(event, own.OwnEvent) else None
        default = own.DEFAULT_SOURCE if isinstance(event, own.OwnEvent) else litellm.DEFAULT_SOURCE
        given = (name for name in event.__struct_fields__ if getattr(event, name) not in (None, own.NOTHING))
        return named or source or default, tuple(given)
    try:
        fields = _FIELDS.decode(event)
    except UNREADABLE:
        return source or own.DEFAULT_SOURCE, ()
    if "call_type" in fields and "startTime" in fields:
        return source or litellm.DEFAULT_SOURCE, tuple(fields)
    try:
        named = _TEXT.decode(fields["source"])[:MAX_TEXT] if "source" in fields else None
    except UNREADABLE:
        named = None
    return named or source or own.DEFAULT_SOURCE, tuple(fields)


def _read(raw: msgspec.Raw, source: str | None) -> Attempt:
    try:
        peek = _PEEK.decode(raw)
    except msgspec.ValidationError:
        raise BadEventError("an event must be a JSON object") from None
    except UNREADABLE as error:
        raise BadEventError(f"not JSON: {not_readable(error)}") from None
    attempt: Attempt = next(form for form in _FORMATS if form.recognises(peek)).read(raw, source)
    return attempt


def _events(body: bytes) -> Iterator[msgspec.Raw]:
    stripped = body.strip()
    if not stripped:
        raise BadBodyError("The body is empty.")
    try:
        if stripped[:1] == b"[":
            events = _ARRAY.decode(stripped)
            if len(events) > MAX_EVENTS:
                raise TooManyEventsError
            yield from events
            return
        yield _ANY.decode(stripped)
        return
    except UNREADABLE as error:
        again = mended(stripped)
        if again is not None:
            yield from _events(again)
            return
        if stripped[:1] == b"[" or b"\n" not in stripped:
            raise BadBodyError(f"The body is not JSON: {not_readable(error)}") from None
    lines = [line for line in stripped.splitlines() if line.strip()]
    if len(lines) > MAX_EVENTS:
        raise TooManyEventsError
    if not any(_is_json(line) for line in lines):
        raise BadBodyError("The body is neither JSON nor one JSON object a line.")
    for line in lines:
        yield msgspec.Raw(line)


def _is_json(line: bytes) -> bool:
    try:
        _ANY.decode(line)
    except UNREADABLE:
        return False
    return True
