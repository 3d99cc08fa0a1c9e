"""Calls among OpenTelemetry spans, in both generations of the GenAI attribute names.

Only inference is a call. A span of an agent, a workflow or a tool repeats the tokens of the calls under it; counting it
would count them twice. So a span counts when its `gen_ai.operation.name` is one of inference or, from instrumentation
older than that attribute, when it names a model and its tokens or error and nothing says agent or tool. Server spans
are the other end of somebody's client span and do not count. LiteLLM's spans have a file of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from data_sources.usage.attempt import Attempt, BadEventError, check, first_token_ms
from data_sources.usage.normalise import otlp_litellm
from data_sources.usage.normalise.otlp_protobuf import spans_of_protobuf
from data_sources.usage.normalise.otlp_values import cost, count, flag, known_level, seconds_ms, text
from data_sources.usage.normalise.otlp_wire import (
    CLIENT,
    INTERNAL,
    UNSPECIFIED,
    Span,
    checked_ids,
    spans_of_json,
    whole_ns,
)
from data_sources.usage.pricing import BUNDLED, PriceBook

DEFAULT_SOURCE = "otlp"
_OPERATIONS = {
    "chat": "chat",
    "completion": "text_completion",
    "text_completion": "text_completion",
    "generate_content": "generate_content",
    "responses": "responses",
    "embedding": "embeddings",
    "embeddings": "embeddings",
}
_OPERATION = ("gen_ai.operation.name", "llm.request.type")
_PROVIDER = ("gen_ai.provider.name", "gen_ai.system")
_ERROR, _HTTP_STATUS = ("error.type",), ("http.response.status_code", "http.status_code")
_STREAM = ("gen_ai.request.stream", "llm.is_streaming")
_FIRST_TOKEN = ("gen_ai.response.time_to_first_chunk", "gen_ai.server.ttft", "gen_ai.server.time_to_first_token")
_TOKENS = {  # newest name first
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "cache_read_tokens": ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"),
    "cache_write_tokens": (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
    ),
    "reasoning_tokens": ("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens"),
    "input_audio_tokens": ("gen_ai.usage.audio.input_tokens",),
    "output_audio_tokens": ("gen_ai.usage.audio.output_tokens",),
}
_TEXTS = {
    "requested_model": ("gen_ai.request.model",),
    "session_id": ("gen_ai.conversation.id", "session.id"),
    "team_id": ("ops.team_id",),
    "organization_id": ("ops.organization_id",),
    "api_key_id": ("ops.api_key_id",),
    "service_tier": ("openai.response.service_tier", "gen_ai.openai.response.service_tier"),
    "region": ("ops.region",),
}
_END_USER, _USER = ("ops.end_user_id", "enduser.id"), ("ops.user_id", "user.id")
_COST = ("gen_ai.usage.cost.amount", "gen_ai.usage.cost", "gen_ai.usage.cost.currency", "gen_ai.usage.cost.source")
_MODEL = ("gen_ai.response.model", "gen_ai.request.model")
# What only agents, tools and workflows have; asked where no operation name decides.
_NOT_CALLS = ("gen_ai.agent.name", "gen_ai.tool.name", "traceloop.span.kind", "mcp.method.name")
_WANTED = frozenset(
    name
    for names in (_OPERATION, _PROVIDER, _ERROR, _HTTP_STATUS, _STREAM, _FIRST_TOKEN, _END_USER, _USER, _COST, _MODEL)
    for name in names
).union(
    *_TOKENS.values(), *_TEXTS.values(), _NOT_CALLS, ("ops.power_level", "service.name"), otlp_litellm.WANTED
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ParsedSpans:
    """An export's calls.

    Attributes:
        attempts: To store, checked and priced.
        rejected: How many calls were refused, by reason. Spans that are no calls are in neither.
    """

    attempts: list[Attempt]
    rejected: Counter[str]


def parse(body: bytes, *, as_json: bool, source: str | None, now_us: int, prices: PriceBook = BUNDLED) -> ParsedSpans:
    """Read an OTLP trace export.

    Args:
        body: The export, not compressed.
        as_json: It is JSON, else protobuf.
        source: Names the source; else it is `service.name`, and `litellm` for LiteLLM as through its other door.
        now_us: Now, microseconds since 1970 UTC.
        prices: What each call is priced with.

    Raises:
        BadExportError: The body is no such export.
    """
    spans = (spans_of_json if as_json else spans_of_protobuf)(body, _WANTED)
    attempts: list[Attempt] = []
    rejected: Counter[str] = Counter()
    for read, span in _calls(spans):
        try:
            attempt = read(span, source)
            check(attempt, now_us)
            attempts.append(prices.priced(attempt))
        except BadEventError as error:
            rejected[str(error)] += 1
    return ParsedSpans(attempts, rejected)


def _calls(spans: Iterator[Span]) -> Iterator[tuple[Any, Span]]:
    for span in spans:
        if otlp_litellm.is_litellm(span):
            if otlp_litellm.is_call(span):
                yield otlp_litellm.read, span
        elif _is_call(span):
            yield _read, span


def _is_call(span: Span) -> bool:
    given = span.attributes
    if span.kind not in (CLIENT, INTERNAL, UNSPECIFIED):
        return False
    operation = text(given, _OPERATION)
    if operation is not None:
        return operation in _OPERATIONS
    tokens = (*_TOKENS["input_tokens"], *_TOKENS["output_tokens"])
    return (
        text(given, _PROVIDER) is not None
        and text(given, _MODEL) is not None
        and (span.failed or any(name in given for name in (*tokens, *_ERROR)))
        and not any(name in given for name in _NOT_CALLS)
    )


def _read(span: Span, source: str | None) -> Attempt:
    given = span.attributes
    trace_id, span_id = checked_ids(span)
    start_ns, end_ns = whole_ns(span.start_ns, "startTimeUnixNano"), whole_ns(span.end_ns, "endTimeUnixNano")
    tokens: dict[str, Any] = {name: count(given, keys) for name, keys in _TOKENS.items()}
    texts: dict[str, Any] = {name: text(given, keys) for name, keys in _TEXTS.items()}
    stream, http_status = flag(given, _STREAM), count(given, _HTTP_STATUS)
    error_type = text(given, _ERROR)
    failed = span.failed or error_type is not None or (http_status is not None and http_status >= 400)
    end_user = text(given, _END_USER)
    operation = text(given, _OPERATION)
    provider = text(given, _PROVIDER)
    duration_ms = (end_ns - start_ns + 500_000) // 1_000_000 if end_ns >= start_ns else None
    return Attempt(
        event_id=f"{trace_id}:{span_id}",
        call_id=f"{trace_id}:{span_id}",  # a span covers a call with all the client's retries
        started_at_us=(start_ns + 500) // 1000,
        source=source or text(given, ("service.name",)) or DEFAULT_SOURCE,
        # the conventions leave the status unset where nothing went wrong
        status="failure" if failed else "success" if end_ns else "unknown",
        trace_id=trace_id,
        duration_ms=duration_ms,
        # sent for streams only, which few instrumentations name; of a whole answer it means nothing
        time_to_first_token_ms=(
            None if stream is False else first_token_ms(seconds_ms(given, _FIRST_TOKEN), duration_ms)
        ),
        provider=provider.lower() if provider else None,  # older instrumentation writes OpenAI for openai
        model=text(given, _MODEL),
        operation=_OPERATIONS[operation] if operation else None,
        power_level=known_level(text(given, ("ops.power_level",))),
        user_id=end_user or text(given, _USER),
        end_user_id=end_user,
        stream=stream,
        error_type=error_type if failed else None,
        http_status=http_status if failed else None,
        cost_reported_usd=_reported(given, tokens),
        **texts,
        **tokens,
    )


def _reported(given: dict[str, Any], tokens: dict[str, int | None]) -> Decimal | None:
    """The cost that the sender knows, in USD; another currency is not ours to convert."""
    currency = text(given, ("gen_ai.usage.cost.currency",))
    if currency is not None and currency.upper() != "USD":
        return None
    amount = cost(given, ("gen_ai.usage.cost.amount", "gen_ai.usage.cost"))
    said_by_provider = text(given, ("gen_ai.usage.cost.source",)) == "provider"
    # instrumentation that knows no price writes 0
    used = tokens["input_tokens"] or tokens["output_tokens"]
    return None if amount == 0 and used and not said_by_provider else amount
