"""Exports in protobuf are read span by span: the same as whole, and never at the cost of the server's memory."""

import json
import subprocess
import sys

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from data_sources.usage.normalise import otlp_protobuf
from data_sources.usage.normalise.otlp_protobuf import spans_of_protobuf
from data_sources.usage.normalise.otlp_wire import BadExportError
from tests.data_sources.usage.ingest_rows import REPO
from tests.data_sources.usage.otlp_rows import protobuf, span, value

WANTED = frozenset({"a", "ä", "service.name"})
VALUES = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(-1e300, 1e300), st.text(max_size=5))
ATTRIBUTES = st.dictionaries(st.sampled_from(["a", "ä", "b", "service.name"]), VALUES, max_size=4)
EVENTS = st.lists(st.builds(lambda at: {"name": "e", "timeUnixNano": str(at)}, st.integers(0, 2**62)), max_size=2)
SPANS = st.builds(
    lambda number, attributes, events, status, kind: span(
        number, name="ä", attributes=attributes, events=events, status=status, kind=kind
    ),
    st.integers(1, 2**40),
    ATTRIBUTES,
    EVENTS,
    st.sampled_from([None, 0, 1, 2]),
    st.integers(0, 5),
)
GROUPS = st.builds(
    lambda shared, scopes: {
        "resource": {"attributes": [{"key": key, "value": value(plain)} for key, plain in shared.items()]},
        "scopeSpans": [{"scope": {"name": "s"}, "spans": spans} for spans in scopes],
    },
    ATTRIBUTES,
    st.lists(st.lists(SPANS, max_size=3), max_size=2),
)
EXPORTS = st.builds(lambda groups: {"resourceSpans": groups}, st.lists(GROUPS, max_size=3))
whole_or_by_field = pytest.mark.parametrize("whole_bytes", [500_000, 0])


def by_the_library(body):
    """The spans of an export that is decoded whole; None where it is no export."""
    try:
        export = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        return None
    found = []
    for group in export.resource_spans:
        shared = otlp_protobuf._attributes(group.resource.attributes, WANTED)
        for scope in group.scope_spans:
            for one in scope.spans:
                own = shared | otlp_protobuf._attributes(one.attributes, WANTED)
                times = one.start_time_unix_nano, one.end_time_unix_nano
                ids = one.trace_id.hex(), one.span_id.hex()
                found.append((*ids, one.name, one.kind, *times, one.status.code == 2, own))
    return found


@whole_or_by_field
def test_the_spans_of_an_export_are_those_that_it_has_when_it_is_decoded_whole(monkeypatch, whole_bytes):
    monkeypatch.setattr(otlp_protobuf, "_WHOLE_BYTES", whole_bytes)

    @settings(max_examples=40, database=None)
    @given(EXPORTS)
    def check(export):
        body = protobuf(export)
        assert list(spans_of_protobuf(body, WANTED)) == by_the_library(body)

    check()


@settings(max_examples=150, database=None)
@given(EXPORTS.map(protobuf), st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=3)), max_size=3))
def test_any_bytes_are_the_spans_of_the_protocol_or_no_export(body, changes):
    for at, instead in changes:
        body = body[:at] + instead + body[at + len(instead) :]
    wanted = by_the_library(body)
    try:
        found = list(spans_of_protobuf(body, WANTED))
    except BadExportError:
        # unreadable for the library as well, but for groups, which nobody sends since 2008
        assert wanted is None or changes
    else:
        assert wanted is None or found == wanted


def test_a_small_export_that_decodes_to_very_much_does_not_take_the_memory_for_it():
    done = subprocess.run(
        [sys.executable, "-m", "tests.fakes.otlp_bombs"],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    refused = "TooManySpansError"
    assert json.loads(done.stdout) == {
        "attributes": refused,
        "values": 1,
        "wanted": refused,
        "events": refused,
        "spans": refused,
        "scopes": refused,
        "groups": refused,
        "resource": refused,
        "prompts": 1,
    }
