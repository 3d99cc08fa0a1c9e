"""An event of our own JSON that carries a provider's `usage` as it came, alone or inside the provider's `response`.

The counts are read by the files of the providers. A response without them, as a stream may end, still says its model.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from data_sources.usage.attempt import UNREADABLE, USED, Attempt, BadEventError, not_readable
from data_sources.usage.normalise import own

Usage = TypeVar("Usage", bound=msgspec.Struct)


class Response(msgspec.Struct):
    """What is read of a provider's response; the answer itself is skipped by the decoder."""

    usage: dict[str, Any] | None = None
    model: str | None = None
    service_tier: str | None = None
    status: str | None = None
    error: Any = None


_ANSWERED = (None, "completed", "incomplete")  # chat completions and messages have no status
_RESPONSE = msgspec.json.Decoder(Response)


def usage_of(peek: Any) -> dict[str, Any] | None:
    """The carried usage, None where there is none to read.

    Args:
        peek: The event's `usage` and `response`, `response` as JSON text.
    """
    if peek.usage is None and peek.response is own.NOTHING:
        return None
    if isinstance(peek.usage, dict):
        return peek.usage
    response = _response(peek.response)
    return response.usage if response else None


def _response(raw: msgspec.Raw) -> Response | None:
    if bytes(raw)[:1] != b"{":
        return None
    try:
        return _RESPONSE.decode(raw)
    except UNREADABLE:
        return None  # not a provider's response: content of our own JSON, which is dropped


def recognises(peek: Any) -> bool:
    """Whether the event carries a provider's response; asked last, so that it has no usage that is read."""
    response = None if peek.usage is not None else _response(peek.response)
    return response is not None and (bool(response.model) or isinstance(response.error, dict))


def read(raw: msgspec.Raw, source: str | None) -> Attempt:
    """Turn one event into an attempt that knows what its response says of itself, and no usage.

    Args:
        raw: The event's JSON text.
        source: What to name events that do not name their source.

    Raises:
        BadEventError: With the reason.
    """
    event = own.decode(raw)
    attempt, response = own.attempt_of(event, source), _response(event.response)
    return attempt if response is None else _answered(attempt, response)


def read_usage(raw: msgspec.Raw, source: str | None, shape: type[Usage]) -> tuple[Attempt, Usage]:
    """The attempt without the carried counts, and the carried usage.

    Args:
        raw: The event's JSON text.
        source: What to name events that do not name their source.
        shape: The provider's usage.

    Raises:
        BadEventError: With the reason, also where a count is given both by us and by the provider.
    """
    event = own.decode(raw)
    response = _response(event.response)
    carried = event.usage if event.usage is not None else response.usage if response else None
    try:
        usage = msgspec.convert(carried, shape)
    except UNREADABLE as error:
        raise not_readable(error) from None
    twice = next((name for name in USED if getattr(event, name) is not None), None)
    if twice:
        raise BadEventError(f"{twice} is given beside usage; give one of them")
    attempt = own.attempt_of(event, source)
    if response is not None:
        attempt = _answered(attempt, response)
    return attempt, usage


def _answered(attempt: Attempt, response: Response) -> Attempt:
    """A response says its model and that the provider answered; what the event itself says wins."""
    failed = response.status == "failed" or response.error is not None
    # one that is still made, or was broken off on request, was not answered
    answered = response.status in _ANSWERED
    told = "failure" if failed else "success" if answered else "unknown"
    return msgspec.structs.replace(
        attempt,
        model=attempt.model or response.model or None,
        service_tier=attempt.service_tier or response.service_tier or None,
        status=attempt.status if attempt.status != "unknown" else told,
    )
