"""LiteLLM's StandardLoggingPayload, as its `generic_api` callback posts it (seen with 1.106.2).

What the payload says is not always what it means:
- `response_time` of a stream is the time to its first token; the duration is endTime - startTime.
- tokens and a cost of 0 are unknown, not none, of a failure and of a success whose usage did not come.
- a cost of 0.0 without a cache hit is a model without a price.
- `litellm_call_id` is shared by the attempts of one call (fallbacks), so it alone identifies no event.
- `total_tokens` of an embedding contradicts its parts; only the parts are read.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from data_sources.usage.attempt import (
    UNREADABLE,
    Attempt,
    BadEventError,
    first_token_ms,
    iso_us,
    not_readable,
    text_or_none,
)
from data_sources.usage.normalise.own import whole_us

DEFAULT_SOURCE = "litellm"
_LEVELS = ("eco", "balanced", "precision")
_OPERATIONS = {
    "completion": "chat",
    "text_completion": "text_completion",
    "embedding": "embeddings",
    "generate_content": "generate_content",
}


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_creation_tokens: int | None = None
    cache_creation_token_details: dict[str, Any] | None = None
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class _UsageObject(msgspec.Struct):
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    server_tool_use: dict[str, Any] | None = None
    service_tier: str | None = None
    inference_geo: str | None = None


class _Requester(msgspec.Struct):
    power_level: Any = None
    session_id: Any = None
    headers: dict[str, Any] | None = None


class _Metadata(msgspec.Struct):
    user_api_key_hash: str | None = None
    user_api_key_team_id: str | None = None
    user_api_key_user_id: str | None = None
    user_api_key_org_id: str | None = None
    user_api_key_end_user_id: str | None = None
    requester_metadata: _Requester | None = None
    requester_custom_headers: dict[str, Any] | None = None
    power_level: Any = None
    usage_object: _UsageObject | None = None


class _Error(msgspec.Struct):
    error_code: Any = None
    error_class: str | None = None


class _Breakdown(msgspec.Struct):
    service_tier: str | None = None
    data_residency: str | None = None
    vertex_location: str | None = None


class _Parameters(msgspec.Struct):
    stream: Any = None


class Payload(msgspec.Struct, kw_only=True):
    """What is read of a payload. Messages and responses are skipped by the decoder and never become objects."""

    id: str | None = None
    litellm_call_id: str | None = None
    trace_id: str | None = None
    session_id: str | None = None
    call_type: str | None = None
    cache_hit: Any = None
    stream: bool | None = None
    status: str | None = None
    custom_llm_provider: str | None = None
    startTime: Any = None  # noqa: N815  (LiteLLM's name)
    endTime: Any = None  # noqa: N815
    completionStartTime: Any = None  # noqa: N815
    model: str | None = None
    model_group: str | None = None
    response_cost: Decimal | None = None
    cost_breakdown: _Breakdown | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    request_tags: list[str] | None = None
    end_user: str | None = None
    metadata: _Metadata | None = None
    model_parameters: _Parameters | None = None
    error_information: _Error | None = None


_DECODER = msgspec.json.Decoder(Payload, float_hook=Decimal)
_ALL = msgspec.json.Decoder(list[Payload], float_hook=Decimal)


def recognises(peek: Any) -> bool:
    """Whether an event is LiteLLM's: nothing else has `startTime` and `call_type`."""
    return peek.startTime is not msgspec.UNSET and peek.call_type is not msgspec.UNSET


def decode_all(body: bytes) -> list[Payload] | None:
    """An array of nothing but LiteLLM's payloads, decoded at once.

    Args:
        body: The bytes as sent.

    Returns:
        The payloads; None where one is of another format or wrong, so that each must be read alone.
    """
    try:
        events = _ALL.decode(body)
    except UNREADABLE:
        return None
    return events if all(event.startTime is not None and event.call_type is not None for event in events) else None


def event_id(call_id: str, response_id: str | None, status: str) -> str:
    """One id for one event, whichever door it comes through; with `started_at` it also tells two failures apart.

    Args:
        call_id: LiteLLM's call id.
        response_id: The provider's id of the answer; failures have none and name their call again.
        status: success or failure.
    """
    return ":".join((call_id, response_id or call_id, status))


def read(raw: msgspec.Raw, source: str | None) -> Attempt:
    """Turn one payload into an attempt.

    Args:
        raw: The payload's JSON text.
        source: What to name the source; LiteLLM's payloads do not name theirs.

    Raises:
        BadEventError: With the reason.
    """
    try:
        event = _DECODER.decode(raw)
    except UNREADABLE as error:
        raise not_readable(error) from None
    return attempt_of(event, source)


def attempt_of(event: Payload, source: str | None) -> Attempt:
    """Turn what is known of one LiteLLM event, through whichever door it came, into an attempt.

    Args:
        event: The payload's fields; those that the door does not tell are None.
        source: What to name the source.

    Raises:
        BadEventError: With the reason.
    """
    call_id = event.litellm_call_id or event.id
    if not call_id:
        raise BadEventError("litellm_call_id and id are both missing")
    meta = event.metadata or _Metadata()
    usage = meta.usage_object or _UsageObject()
    failed = event.status == "failure"
    status = event.status if event.status in ("success", "failure") else "unknown"
    started_us, ended_us = _time_us(event.startTime, "startTime"), _later_us(event.endTime)
    stream = event.stream if event.stream is not None else _stream(event)
    end_user = event.end_user or meta.user_api_key_end_user_id or None
    tags = [tag for tag in event.request_tags or () if not tag.startswith("User-Agent:")]
    known = bool(event.prompt_tokens or event.completion_tokens)  # no call has none at all: zeros are placeholders
    duration_ms = _ms_between(started_us, ended_us)
    first_us = _later_us(event.completionStartTime) if stream and not failed else None
    return Attempt(
        event_id=event_id(call_id, event.id, status),
        call_id=call_id,
        started_at_us=started_us,
        source=source or DEFAULT_SOURCE,
        status=status,
        trace_id=text_or_none(event.trace_id),
        session_id=event.session_id or _text((meta.requester_metadata or _Requester()).session_id),
        duration_ms=duration_ms,
        time_to_first_token_ms=first_token_ms(_ms_between(started_us, first_us), duration_ms),
        provider=text_or_none(event.custom_llm_provider),
        model=_bare_model(event.model, event.custom_llm_provider),
        requested_model=text_or_none(event.model_group),
        operation=_operation(event.call_type),
        power_level=_power_level(tags, meta),
        user_id=end_user or text_or_none(meta.user_api_key_user_id),
        end_user_id=end_user,
        team_id=meta.user_api_key_team_id or _tagged(tags, "team:"),
        organization_id=text_or_none(meta.user_api_key_org_id),
        api_key_id=text_or_none(meta.user_api_key_hash),
        tags=tuple(tags) or None,
        stream=stream,
        error_type=text_or_none(event.error_information.error_class) if failed and event.error_information else None,
        http_status=_http_status(event.error_information) if failed else None,
        input_tokens=event.prompt_tokens if known else None,
        output_tokens=event.completion_tokens if known else None,
        cost_reported_usd=_reported(event),
        # no provider was asked, so no list price is what such an answer should have cost
        processing="gateway_cache" if _from_cache(event) else None,
        service_tier=usage.service_tier or (event.cost_breakdown.service_tier if event.cost_breakdown else None),
        region=_region(event.cost_breakdown, usage),
        **(_token_parts(usage) if known else {}),
    )


def _from_cache(event: Payload) -> bool:
    return event.status == "success" and (event.cache_hit is True or str(event.cache_hit).lower() == "true")


def _reported(event: Payload) -> Decimal | None:
    # 0.0 is free only where LiteLLM answered from its own cache; else it is a model or a usage that it does not know
    return event.response_cost if event.response_cost or _from_cache(event) else None


def _token_parts(usage: _UsageObject) -> dict[str, Any]:
    prompt, completion = usage.prompt_tokens_details or _Details(), usage.completion_tokens_details or _Details()
    return {
        "cache_read_tokens": _first(usage.cache_read_input_tokens, prompt.cached_tokens),
        "cache_write_tokens": _first(
            usage.cache_creation_input_tokens, prompt.cache_creation_tokens, prompt.cache_write_tokens
        ),
        "cache_write_1h_tokens": _count(prompt.cache_creation_token_details, "ephemeral_1h_input_tokens"),
        "reasoning_tokens": completion.reasoning_tokens,
        "input_audio_tokens": prompt.audio_tokens,
        "output_audio_tokens": completion.audio_tokens,
        "web_searches": _count(usage.server_tool_use, "web_search_requests"),
    }


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


def _count(holder: dict[str, Any] | None, key: str) -> int | None:
    value = holder.get(key) if holder else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _time_us(value: Any, name: str) -> int:
    if isinstance(value, str):
        return iso_us(value)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return whole_us(Decimal(value), 1_000_000)
    raise BadEventError(f"{name} is missing or is no time")


def _later_us(value: Any) -> int | None:
    return None if value is None or value == "" else _time_us(value, "endTime")


def _ms_between(start_us: int, end_us: int | None) -> int | None:
    """Whole milliseconds, rounded; None when the end is not known or lies before the start."""
    return None if end_us is None or end_us < start_us else (end_us - start_us + 500) // 1000


def _stream(event: Payload) -> bool | None:
    value = event.model_parameters.stream if event.model_parameters else None
    return value if isinstance(value, bool) else None


def _bare_model(model: str | None, provider: str | None) -> str | None:
    return (model.removeprefix(f"{provider}/") if model and provider else model) or None


def _operation(call_type: str | None) -> str | None:
    if not call_type:
        return None
    return _OPERATIONS.get(call_type) or _OPERATIONS.get(call_type.removeprefix("a")) or call_type


def _tagged(tags: list[str], prefix: str) -> str | None:
    return next((tag[len(prefix) :].strip() or None for tag in tags if tag.startswith(prefix)), None)


def _power_level(tags: list[str], meta: _Metadata) -> str | None:
    requester = meta.requester_metadata or _Requester()
    headers = {str(k).lower(): v for h in (requester.headers, meta.requester_custom_headers) if h for k, v in h.items()}
    word = (
        _tagged(tags, "power:")
        or _text(meta.power_level)
        or _text(requester.power_level)
        or _text(headers.get("x-power-level"))
    )
    return word.lower() if word and word.lower() in _LEVELS else word


def _http_status(error: _Error | None) -> int | None:
    code = "" if error is None else str(error.error_code)
    return int(code) if code.isascii() and code.isdigit() and 100 <= int(code) <= 599 else None


def _region(breakdown: _Breakdown | None, usage: _UsageObject) -> str | None:
    named = (breakdown.data_residency or breakdown.vertex_location) if breakdown else None
    return named or usage.inference_geo or None
