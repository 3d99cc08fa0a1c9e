"""Anthropic's `usage` of messages, carried by an event of our own JSON.

Its `input_tokens` leaves out what was read from and written to the cache; our input includes both.
"""

from __future__ import annotations

from typing import Any

import msgspec

from data_sources.usage.attempt import Attempt, BadEventError
from data_sources.usage.normalise import carried


class _Creation(msgspec.Struct):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class _Tools(msgspec.Struct):
    web_search_requests: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: _Creation | None = None
    server_tool_use: _Tools | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None


def recognises(peek: Any) -> bool:
    """Whether the event carries Anthropic's usage: input tokens, and nothing that only OpenAI has (asked before)."""
    usage = carried.usage_of(peek)
    return usage is not None and "input_tokens" in usage


def read(raw: msgspec.Raw, source: str | None) -> Attempt:
    """Turn one event into an attempt.

    Args:
        raw: The event's JSON text.
        source: What to name events that do not name their source.

    Raises:
        BadEventError: With the reason.
    """
    attempt, usage = carried.read_usage(raw, source, _Usage)
    created = usage.cache_creation or _Creation()
    written = _written(usage.cache_creation_input_tokens, created)
    tier = attempt.service_tier or usage.service_tier
    batch = tier == "batch"
    return msgspec.structs.replace(
        attempt,
        input_tokens=_whole(usage.input_tokens, usage.cache_read_input_tokens, written),
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_input_tokens,
        cache_write_tokens=written,
        cache_write_1h_tokens=created.ephemeral_1h_input_tokens,
        web_searches=usage.server_tool_use.web_search_requests if usage.server_tool_use else None,
        # fast answers have a price of their own; a tier that the table does not know is unpriced, not standard
        service_tier="fast" if usage.speed == "fast" else None if batch else tier,
        processing="batch" if batch else attempt.processing,
        region=attempt.region or usage.inference_geo or None,
    )


def _whole(fresh: int | None, *cached: int | None) -> int | None:
    """All input; not known where the part outside the cache is not."""
    return None if fresh is None else fresh + sum(part for part in cached if part is not None)


def _written(total: int | None, created: _Creation) -> int | None:
    parts = [
        part for part in (created.ephemeral_5m_input_tokens, created.ephemeral_1h_input_tokens) if part is not None
    ]
    if total is None:
        return sum(parts) if parts else None
    if sum(parts) > total:
        raise BadEventError(f"parts of cache_creation_input_tokens add up to {sum(parts)}, more than its {total}")
    return total
