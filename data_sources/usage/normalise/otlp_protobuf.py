"""OTLP trace exports in protobuf, one span at a time.

Two bytes of an export can become an object of two hundred, so an export is never decoded whole: its outer messages are
walked, each span is decoded alone, and of a large one only what is wanted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from decimal import Decimal
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

from data_sources.usage.normalise.otlp_wire import ERROR, MAX_SPANS, BadExportError, Span, TooManySpansError

_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5  # wire types, the lowest three bits of a tag
_RESOURCE_SPANS, _RESOURCE, _SCOPE_SPANS, _SPANS = 1 << 3 | _BYTES, 1 << 3 | _BYTES, 2 << 3 | _BYTES, 2 << 3 | _BYTES
_OF_RESOURCE, _OF_SPAN, _KEY = 1 << 3 | _BYTES, 9 << 3 | _BYTES, 1 << 3 | _BYTES  # the attributes, and their names
_PLAIN = frozenset((1, 2, 5, 6, 7, 8, 15))  # of a span: ids, name, kind, times, status
_WHOLE_BYTES = 500_000  # a span or resource of up to so much is decoded as it is
_KEPT_BYTES = 500_000  # of a larger one
_MAX_FIELDS = 500_000  # that are walked in an export


def spans_of_protobuf(body: bytes, wanted: Collection[str]) -> Iterator[Span]:
    """Read an export in protobuf.

    Args:
        body: The export, not compressed; an empty one is an export without spans.
        wanted: Names of the attributes to keep.

    Raises:
        BadExportError: It is no such export, or holds too much. Spans may have been yielded before: keep none of them.
    """
    try:
        yield from _Export(body, wanted).spans()
    except DecodeError:
        raise BadExportError("The body is no OTLP trace export in protobuf.") from None


class _Export:
    """An export that is being walked.

    Args:
        body: Its bytes.
        wanted: Names of the attributes to keep.
    """

    def __init__(self, body: bytes, wanted: Collection[str]) -> None:
        self._body = body
        self._wanted = wanted
        self._names = frozenset(name.encode() for name in wanted)
        self._walked = self._spans = 0

    def spans(self) -> Iterator[Span]:
        """All spans, in the order of the export."""
        for start, end in self._parts(0, len(self._body), _RESOURCE_SPANS):
            shared: dict[str, Any] = {}
            for resource in self._parts(start, end, _RESOURCE):
                made = Resource.FromString(self._moderate(*resource, _OF_RESOURCE))
                shared |= _attributes(made.attributes, self._wanted)
            for scope in self._parts(start, end, _SCOPE_SPANS):
                for place in self._parts(*scope, _SPANS):
                    self._spans += 1
                    if self._spans > MAX_SPANS:
                        raise TooManySpansError
                    yield self._span(WireSpan.FromString(self._moderate(*place, _OF_SPAN)), shared)

    def _span(self, span: WireSpan, shared: dict[str, Any]) -> Span:
        return Span(
            span.trace_id.hex(),
            span.span_id.hex(),
            span.name,
            span.kind,
            span.start_time_unix_nano,
            span.end_time_unix_nano,
            span.status.code == ERROR,
            shared | _attributes(span.attributes, self._wanted),
        )

    def _moderate(self, start: int, end: int, attributes: int) -> bytes:
        """The bytes of a span or resource; of a large one only its plain fields and the attributes that are wanted."""
        if end - start <= _WHOLE_BYTES:
            return self._body[start:end]
        kept, size = [], 0
        for tag, field, low, high in self._walk(start, end):
            if self._name(low, high) in self._names if tag == attributes else tag >> 3 in _PLAIN:
                kept.append(self._body[field:high])
                size += high - field
                if size > _KEPT_BYTES:
                    raise TooManySpansError
        return b"".join(kept)

    def _name(self, start: int, end: int) -> bytes | None:
        """The name of an attribute; every sender writes it first."""
        if start == end or self._body[start] != _KEY:
            return None
        length, at = self._varint(start + 1)
        return self._body[at : min(at + length, end)]

    def _parts(self, start: int, end: int, wanted: int) -> Iterator[tuple[int, int]]:
        """Where the messages with one tag begin and end inside a message."""
        return ((low, high) for tag, _, low, high in self._walk(start, end) if tag == wanted)

    def _walk(self, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """The fields of a message: tag, where the field begins, where its value begins and ends."""
        at = start
        while at < end:
            self._walked += 1
            if self._walked > _MAX_FIELDS:
                raise TooManySpansError
            tag, low = self._varint(at)
            kind = tag & 7
            if kind == _BYTES:
                length, low = self._varint(low)
                high = low + length
            elif kind == _VARINT:
                high = self._varint(low)[1]
            elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
                high = low + (8 if kind == _EIGHT_BYTES else 4)
            else:
                raise DecodeError
            if high > end:
                raise DecodeError
            yield tag, at, low, high
            at = high

    def _varint(self, at: int) -> tuple[int, int]:
        """A number of variable length, and where it ends."""
        value = shift = 0
        for byte in self._body[at : at + 10]:
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at
            shift += 7
        raise DecodeError


def _attributes(given: Iterable[Any], wanted: Collection[str]) -> dict[str, Any]:
    found = {}
    for pair in given:
        key = pair.key
        if key in wanted:
            kind = pair.value.WhichOneof("value")
            if kind in ("string_value", "bool_value", "int_value"):
                found[key] = getattr(pair.value, kind)
            elif kind == "double_value":
                found[key] = Decimal(repr(pair.value.double_value))  # the shortest digits, as JSON would have them
    return found
