"""OpenAI's `usage`, of chat completions, embeddings and responses, carried by an event of our own JSON.

Cached and reasoning tokens are parts of the totals already. A `total_tokens` above its parts means that some were
left out of them, as thinking is by some servers that speak this format: then the output, which they are priced as, is
not known.
"""

from __future__ import annotations

from typing import Any

import msgspec

from data_sources.usage.attempt import Attempt, BadEventError
from data_sources.usage.normalise import carried


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class _Usage(msgspec.Struct):
    """Chat says prompt and completion, responses say input and output."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None
    total_tokens: int | None = None


def recognises(peek: Any) -> bool:
    """Whether the event carries OpenAI's usage: only it has prompt tokens, a total, or details of the input."""
    usage = carried.usage_of(peek)
    return usage is not None and any(
        name in usage for name in ("prompt_tokens", "total_tokens", "input_tokens_details")
    )


def read(raw: msgspec.Raw, source: str | None) -> Attempt:
    """Turn one event into an attempt.

    Args:
        raw: The event's JSON text.
        source: What to name events that do not name their source.

    Raises:
        BadEventError: With the reason.
    """
    attempt, usage = carried.read_usage(raw, source, _Usage)
    whole_in = usage.prompt_tokens if usage.prompt_tokens is not None else usage.input_tokens
    whole_out = usage.completion_tokens if usage.completion_tokens is not None else usage.output_tokens
    whole_out = _known_output(usage.total_tokens, whole_in, whole_out)
    inside = usage.prompt_tokens_details or usage.input_tokens_details or _Details()
    out = usage.completion_tokens_details or usage.output_tokens_details or _Details()
    return msgspec.structs.replace(
        attempt,
        input_tokens=whole_in,
        output_tokens=whole_out,
        cache_read_tokens=inside.cached_tokens,
        cache_write_tokens=inside.cache_write_tokens,
        reasoning_tokens=out.reasoning_tokens,
        input_audio_tokens=inside.audio_tokens,
        output_audio_tokens=out.audio_tokens,
    )


def _known_output(total: int | None, whole_in: int | None, whole_out: int | None) -> int | None:
    known = sum(part for part in (whole_in, whole_out) if part is not None)
    if total is not None and known > total:
        raise BadEventError(f"parts of total_tokens add up to {known}, more than its {total}")
    left_out = total is not None and whole_in is not None and total > known
    return None if left_out else whole_out
