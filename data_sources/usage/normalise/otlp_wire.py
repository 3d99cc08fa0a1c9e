"""OTLP/HTTP trace exports down to spans with the few attributes that are wanted; JSON here, protobuf in its own file.

What is not wanted, prompts and answers above all, is left behind here and never becomes an attribute.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from data_sources.usage.attempt import BadEventError
from data_sources.usage.normalise.json_text import mended

CLIENT, INTERNAL, UNSPECIFIED = 3, 1, 0
ERROR = 2  # the span status code


MAX_SPANS = 100_000
_MAX_MARKS = 4_000_000  # an export in JSON that has more commas is refused before its values are made


class BadExportError(Exception):
    """The body is no OTLP trace export. The text says why."""


class TooManySpansError(BadExportError):
    """The export holds more spans than are read at once."""

    def __init__(self) -> None:
        super().__init__(f"An export may hold {MAX_SPANS:,} spans of moderate size. Send smaller ones.")


class Span(NamedTuple):
    """A span, the same from both encodings.

    Attributes:
        trace_id: Hex as sent, as is `span_id`.
        start_ns: Nanoseconds since 1970 UTC, as is `end_ns`; as text where JSON sent text.
        failed: Its status says error.
        attributes: The wanted ones, of the resource too where the span has no own value: text, bool, int, Decimal.
    """

    trace_id: str
    span_id: str
    name: str
    kind: int
    start_ns: int | str
    end_ns: int | str
    failed: bool
    attributes: dict[str, Any]


class _Value(msgspec.Struct, rename="camel"):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: Decimal | None = None


class _Attribute(msgspec.Struct):
    key: str = ""
    value: _Value | None = None


class _Status(msgspec.Struct):
    code: int = 0


class _JsonSpan(msgspec.Struct, rename="camel"):
    trace_id: str = ""
    span_id: str = ""
    name: str = ""
    kind: int = 0
    start_time_unix_nano: int | str = 0
    end_time_unix_nano: int | str = 0
    status: _Status | None = None
    attributes: list[_Attribute] | None = None


class _Resource(msgspec.Struct):
    attributes: list[_Attribute] | None = None


class _ScopeSpans(msgspec.Struct):
    spans: list[_JsonSpan] | None = None


class _ResourceSpans(msgspec.Struct, rename="camel"):
    resource: _Resource | None = None
    scope_spans: list[_ScopeSpans] | None = None


class _Export(msgspec.Struct, rename="camel"):
    resource_spans: list[_ResourceSpans] | None = None


_JSON = msgspec.json.Decoder(_Export)


def spans_of_json(body: bytes, wanted: Collection[str]) -> Iterator[Span]:
    """Read an export in OTLP's JSON: ids in hex, enums as integers, names in camel case, unknown fields ignored.

    Args:
        body: The export, not compressed.
        wanted: Names of the attributes to keep.

    Raises:
        BadExportError: It is no such export, or holds too much; nothing was yielded then.
    """
    if body.count(b",") > _MAX_MARKS:
        raise TooManySpansError
    try:
        export = _JSON.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        again = mended(body)
        if again is not None:
            return spans_of_json(again, wanted)
        raise BadExportError(f"The body is no OTLP trace export in JSON: {error}") from None
    scopes = (scope for group in export.resource_spans or () for scope in group.scope_spans or ())
    if sum(len(scope.spans or ()) for scope in scopes) > MAX_SPANS:
        raise TooManySpansError
    return _of_json(export, wanted)


def _of_json(export: _Export, wanted: Collection[str]) -> Iterator[Span]:
    for group in export.resource_spans or ():
        shared = _json_attributes(group.resource.attributes if group.resource else None, wanted)
        for scope in group.scope_spans or ():
            for span in scope.spans or ():
                yield Span(
                    span.trace_id.lower(),
                    span.span_id.lower(),
                    span.name,
                    span.kind,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    span.status is not None and span.status.code == ERROR,
                    shared | _json_attributes(span.attributes, wanted),
                )


def _json_attributes(given: Iterable[_Attribute] | None, wanted: Collection[str]) -> dict[str, Any]:
    return {
        pair.key: value
        for pair in given or ()
        if pair.key in wanted and pair.value is not None and (value := _json_value(pair.value)) is not None
    }


def _json_value(value: _Value) -> Any:
    if value.string_value is not None:
        return value.string_value
    if value.bool_value is not None:
        return value.bool_value
    # 64-bit integers are text in JSON; one that is no number is judged with its span
    return value.double_value if value.int_value is None else value.int_value


def checked_ids(span: Span) -> tuple[str, str]:
    """The span's ids, which must be there to tell it from any other.

    Raises:
        BadEventError: They are not 32 and 16 hex digits, or all zero.
    """
    for name, text, length in (("traceId", span.trace_id, 32), ("spanId", span.span_id, 16)):
        if len(text) != length or not set(text) <= set("0123456789abcdef") or not text.strip("0"):
            raise BadEventError(f"{name} is not {length} hex digits")
    return span.trace_id, span.span_id


def whole_ns(value: int | str, name: str) -> int:
    """A time of a span, nanoseconds since 1970 UTC.

    Raises:
        BadEventError: It is no whole number of at most 20 digits.
    """
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise BadEventError(f"{name} is not a whole number of nanoseconds")
    return int(text)
