"""Our own JSON: an event has the names of `Attempt`, and `started_at` with its offset.

A field that we do not know is refused by name, because a misspelt one would silently make its figure unknown.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from data_sources.usage.attempt import Attempt, BadEventError, iso_us, text_or_none


class OwnEvent(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The fields of an event as they are sent."""

    event_id: str
    call_id: str | None = None
    started_at: str | None = None
    started_at_s: Decimal | None = None
    started_at_ms: Decimal | None = None
    started_at_us: int | None = None
    status: str | None = None
    trace_id: str | None = None
    session_id: str | None = None
    duration_ms: int | None = None
    time_to_first_token_ms: int | None = None
    provider: str | None = None
    model: str | None = None
    requested_model: str | None = None
    operation: str | None = None
    power_level: str | None = None
    user_id: str | None = None
    end_user_id: str | None = None
    team_id: str | None = None
    organization_id: str | None = None
    api_key_id: str | None = None
    tags: tuple[str, ...] | None = None
    stream: bool | None = None
    error_type: str | None = None
    http_status: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None
    web_searches: int | None = None
    service_tier: str | None = None
    processing: str | None = None
    region: str | None = None
    cost_reported_usd: Decimal | None = None
    byok: bool | None = None
    source: str | None = None
    usage: dict[str, Any] | None = None  # a provider's, read by the files of the providers
    # Content is let in and dropped here: it is never kept.
    messages: msgspec.Raw = msgspec.Raw()
    prompt: msgspec.Raw = msgspec.Raw()
    response: msgspec.Raw = msgspec.Raw()
    completion: msgspec.Raw = msgspec.Raw()


DEFAULT_SOURCE = "api"
FIELDS = tuple(
    name for name in OwnEvent.__struct_fields__ if name not in ("usage", "messages", "prompt", "response", "completion")
)
_DECODER = msgspec.json.Decoder(OwnEvent)


def recognises(peek: Any) -> bool:
    """Whether an event is of this format: it is the one that is left when no other recognises it."""
    return True


def read(raw: msgspec.Raw, source: str | None) -> Attempt:
    """Turn one event into an attempt.

    Args:
        raw: The event's JSON text.
        source: What to name events that do not name their source.

    Raises:
        BadEventError: With the reason.
    """
    try:
        event = _DECODER.decode(raw)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise BadEventError(str(error)) from None
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
    return Attempt(
        event_id=event.event_id,
        call_id=event.call_id or event.event_id,
        started_at_us=_started_us(event),
        source=event.source or source or DEFAULT_SOURCE,
        status=event.status or _status(event),
        trace_id=text_or_none(event.trace_id),
        session_id=text_or_none(event.session_id),
        duration_ms=event.duration_ms,
        time_to_first_token_ms=event.time_to_first_token_ms,
        provider=text_or_none(event.provider),
        model=text_or_none(event.model),
        requested_model=text_or_none(event.requested_model),
        operation=text_or_none(event.operation),
        power_level=text_or_none(event.power_level),
        user_id=event.user_id or event.end_user_id or None,
        end_user_id=text_or_none(event.end_user_id),
        team_id=text_or_none(event.team_id),
        organization_id=text_or_none(event.organization_id),
        api_key_id=text_or_none(event.api_key_id),
        tags=event.tags or None,
        stream=event.stream,
        error_type=text_or_none(event.error_type),
        http_status=event.http_status,
        input_tokens=event.input_tokens,
        output_tokens=event.output_tokens,
        cache_read_tokens=event.cache_read_tokens,
        cache_write_tokens=event.cache_write_tokens,
        cache_write_1h_tokens=event.cache_write_1h_tokens,
        reasoning_tokens=event.reasoning_tokens,
        input_audio_tokens=event.input_audio_tokens,
        output_audio_tokens=event.output_audio_tokens,
        web_searches=event.web_searches,
        service_tier=text_or_none(event.service_tier),
        processing=text_or_none(event.processing),
        region=text_or_none(event.region),
        cost_reported_usd=event.cost_reported_usd,
        byok=event.byok,
    )


def _status(event: OwnEvent) -> str:
    """An error says failure; silence says nothing: a bare trace is neither success nor failure."""
    return "failure" if event.error_type or (event.http_status is not None and event.http_status >= 400) else "unknown"


def _started_us(event: OwnEvent) -> int:
    given = [
        value is not None for value in (event.started_at, event.started_at_s, event.started_at_ms, event.started_at_us)
    ]
    if sum(given) != 1:
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
    if not value.is_finite() or abs(value) > 10**20:
        raise BadEventError("the start time is not a number that can be a time")
    return round(value * factor)
