"""LiteLLM's `otel` callback (1.106.2): its spans say what its payload says, in other words, and are read as one.

Of the eleven spans of a call the one with `litellm.call_id` is the call. It is named `litellm_request`, or as the user
or the newer conventions want; without USE_OTEL_LITELLM_REQUEST_SPAN it is the proxy's own request span. Dictionaries
arrive as Python's text for them, cached tokens only in there.
"""

from __future__ import annotations

import ast
from decimal import Decimal
from typing import Any

import msgspec

from data_sources.usage.attempt import UNREADABLE, Attempt, BadEventError
from data_sources.usage.normalise import litellm
from data_sources.usage.normalise.otlp_values import cost, count, first, flag, text
from data_sources.usage.normalise.otlp_wire import Span, checked_ids, whole_ns

_MAX_REPR = 16_384  # bounds the work and the depth of what a sender makes us parse
_TOOLS = frozenset({"execute_tool", "call_mcp_tool", "list_mcp_tools"})
_OPERATION = ("llm.request.type", "litellm.call_type", "gen_ai.operation.name")
_PROVIDER = ("gen_ai.system", "gen_ai.provider.name")
_MODEL = ("litellm.provider.model", "gen_ai.request.model")
_GROUP = ("litellm.model_group", "gen_ai.request.model")
_STREAM = ("llm.is_streaming", "litellm.request.streaming", "gen_ai.request.stream")
_COST = ("gen_ai.cost.total_cost", "litellm.cost.total")
_INPUT = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
_OUTPUT = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
_CACHE = {
    "cache_read_input_tokens": ("gen_ai.usage.cache_read.input_tokens",),
    "cache_creation_input_tokens": (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
    ),
}
_CODE = ("error.code", "http.response.status_code")
_TIER = ("gen_ai.openai.response.service_tier",)
_FIRST_TOKEN = ("gen_ai.response.time_to_first_chunk",)
_METADATA = {  # payload's name: attribute names
    "user_api_key_hash": ("metadata.user_api_key_hash", "litellm.api_key.hash"),
    "user_api_key_team_id": ("metadata.user_api_key_team_id", "litellm.team.id"),
    "user_api_key_user_id": ("metadata.user_api_key_user_id", "litellm.metadata.user_api_key_user_id"),
    "user_api_key_org_id": ("metadata.user_api_key_org_id", "litellm.metadata.user_api_key_org_id"),
    "user_api_key_end_user_id": (
        "metadata.user_api_key_end_user_id",
        "litellm.end_user.id",
        "litellm.metadata.user_api_key_end_user_id",
    ),
    "power_level": ("ops.power_level", "metadata.power_level"),
}
_REPRS = ("requester_metadata", "requester_custom_headers", "usage_object")
_HIDDEN = ("hidden_params",)
WANTED = frozenset(
    ("litellm.call_id", "gen_ai.response.id", "error.type", "mcp.method.name", *(f"metadata.{key}" for key in _REPRS))
).union(
    _OPERATION, _PROVIDER, _MODEL, _GROUP, _STREAM, _COST, _INPUT, _OUTPUT, _CODE, _TIER, _FIRST_TOKEN, _HIDDEN,
    *_CACHE.values(), *_METADATA.values(),
)  # fmt: skip


class _Hidden(msgspec.Struct):
    cache_key: str | None = None


_READ_HIDDEN = msgspec.json.Decoder(_Hidden)


def is_litellm(span: Span) -> bool:
    """Whether LiteLLM's proxy or library wrote this span about a call, its raw request included."""
    return "litellm.call_id" in span.attributes or span.name in ("litellm_request", "raw_gen_ai_request")


def is_call(span: Span) -> bool:
    """Whether it is the call itself, and no tool's."""
    given = span.attributes
    operations = {text(given, (name,)) for name in _OPERATION}
    named = "litellm.call_id" in given or span.name == "litellm_request"
    return named and "mcp.method.name" not in given and not operations & _TOOLS


def read(span: Span, source: str | None) -> Attempt:
    """Turn LiteLLM's span into an attempt, the same as its payload would make.

    Args:
        span: One for which `is_call` holds.
        source: What to name the source.

    Raises:
        BadEventError: With the reason.
    """
    try:
        payload = msgspec.convert(_payload(span), litellm.Payload)
    except msgspec.ValidationError as error:
        raise BadEventError(str(error)) from None
    return litellm.attempt_of(payload, source)


def _payload(span: Span) -> dict[str, Any]:
    given = span.attributes
    start, end = _seconds(span.start_ns, "startTimeUnixNano"), _seconds(span.end_ns, "endTimeUnixNano")
    wait = cost(given, _FIRST_TOKEN)
    provider = text(given, _PROVIDER)
    parsed = {key: literal(text(given, (f"metadata.{key}",))) for key in _REPRS}
    usage = parsed["usage_object"] or {
        key: value for key, names in _CACHE.items() if (value := count(given, names)) is not None
    }
    tags = (parsed["requester_metadata"] or {}).get("tags")
    code, from_cache = first(given, _CODE), _is_from_cache(text(given, _HIDDEN))
    return {
        "id": text(given, ("gen_ai.response.id",)),
        "litellm_call_id": text(given, ("litellm.call_id",)),
        "trace_id": checked_ids(span)[0],
        "call_type": text(given, _OPERATION),
        "stream": flag(given, _STREAM),
        "status": "failure" if span.failed or text(given, ("error.type",)) else "success",
        "custom_llm_provider": None if provider == "Unknown" else provider,
        "startTime": start,
        "endTime": end or None,
        "completionStartTime": None if wait is None else start + wait,
        "model": text(given, _MODEL),
        "model_group": text(given, _GROUP),
        "cache_hit": True if from_cache else None,
        "response_cost": Decimal(0) if from_cache else cost(given, _COST),  # as its payload says of such an answer
        "cost_breakdown": {"service_tier": text(given, _TIER)},
        "prompt_tokens": count(given, _INPUT),
        "completion_tokens": count(given, _OUTPUT),
        "request_tags": [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else None,
        "metadata": {key: text(given, names) for key, names in _METADATA.items()}
        | parsed
        | {"usage_object": usage or None},
        "error_information": {
            "error_code": None if code is None else str(code[1]),
            "error_class": text(given, ("error.type",)),
        },
    }


def _is_from_cache(hidden: str | None) -> bool:
    """Whether LiteLLM answered from its own cache: only then its hidden parameters, JSON, name the key there."""
    if hidden is None:
        return False
    try:
        return bool(_READ_HIDDEN.decode(hidden).cache_key)
    except UNREADABLE:
        return False


def _seconds(value: int | str, name: str) -> Decimal:
    """Exact; LiteLLM's own float of it is rounded to the same microsecond."""
    return Decimal(whole_ns(value, name)).scaleb(-9)


def literal(written: str | None) -> dict[str, Any] | None:
    """A dictionary from Python's text for it; None for what is too long, is no plain dictionary, or is not there.

    Nothing is evaluated: only literals pass, and what the parser cannot take within its bounds is not known.
    """
    if written is None or len(written) > _MAX_REPR:
        return None
    try:
        value = ast.literal_eval(written)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, dict) and all(isinstance(key, str) for key in value) else None
