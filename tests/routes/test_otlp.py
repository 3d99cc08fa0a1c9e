import gzip
import json
import zlib

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from tests.data_sources.usage.ingest_rows import differences, figures, litellm_events
from tests.data_sources.usage.otlp_rows import CAPTURED, chat, export, litellm_span, protobuf

TRACES = "/v1/traces"
PROTOBUF, JSON = "application/x-protobuf", "application/json"
BAD = {"gen_ai.usage.cache_read.input_tokens": 2007}


@pytest.fixture
def send(app, ops):
    return sender(app, ops)


def sender(app, ops):
    client = app.server.test_client()

    def send(body, kind=JSON, path=TRACES, **headers):
        if isinstance(body, dict):
            body = json.dumps(body).encode() if kind == JSON else protobuf(body)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers = {"Authorization": f"Bearer {ops.ingest_token}"} | headers
        return client.post(path, data=body, content_type=kind, headers=headers)

    return send


def partial(answer):
    """What was refused, in whichever encoding; None where nothing was."""
    if answer.mimetype == JSON:
        told = answer.get_json().get("partialSuccess")
        return told and (int(told["rejectedSpans"]), told["errorMessage"])
    told = ExportTraceServiceResponse.FromString(answer.data)
    if not told.HasField("partial_success"):
        return None
    return told.partial_success.rejected_spans, told.partial_success.error_message


def refused(answer):
    if answer.mimetype == JSON:
        return answer.get_json()["code"], answer.get_json()["message"]
    status = Status.FromString(answer.data)
    return status.code, status.message


kinds = pytest.mark.parametrize("kind", [PROTOBUF, JSON])


@kinds
def test_a_captured_export_is_two_calls_however_often_it_comes(send, ops, kind):
    for _ in range(3):
        answer = send(CAPTURED, kind)
        assert (answer.status_code, answer.mimetype, partial(answer)) == (200, kind, None)
        assert answer.data == (b"{}" if kind == JSON else b"")
    assert len(figures(ops.usage_store)[0]) == 2
    assert differences(ops.usage_store) == []


def test_protobuf_and_json_of_one_export_count_once(send, ops):
    send(CAPTURED, PROTOBUF)
    once = figures(ops.usage_store)
    send(CAPTURED, JSON)
    assert figures(ops.usage_store) == once


@pytest.mark.parametrize("first", ["events", "traces"])
def test_litellm_through_both_doors_counts_once_whichever_comes_first(app, send, ops, first):
    payloads = litellm_events()
    spans = export(*(litellm_span(payload) for payload in payloads), service="litellm")

    def pushed():
        headers = {"Authorization": f"Bearer {ops.ingest_token}"}
        return app.server.test_client().post("/api/v1/llm/usage/events", headers=headers, json=payloads)

    doors = [pushed, lambda: send(spans, PROTOBUF)]
    for door in doors if first == "events" else doors[::-1]:
        assert door().status_code == 200
    rows, totals = figures(ops.usage_store)
    assert (len(rows), sum(row[8] for row in totals)) == (10, 9)
    assert differences(ops.usage_store) == []


@kinds
def test_a_refused_call_is_told_and_the_others_are_taken(send, ops, kind):
    answer = send(export(chat(1), chat(2, BAD), chat(3, BAD)), kind)
    assert answer.status_code == 200
    assert partial(answer) == (2, "parts of input_tokens add up to 2007, more than its 2006 (2)")
    assert len(figures(ops.usage_store)[0]) == 1


@kinds
def test_a_gzip_body_is_read(send, ops, kind):
    body = gzip.compress(protobuf(CAPTURED) if kind == PROTOBUF else json.dumps(CAPTURED).encode())
    assert send(body, kind, Content_Encoding="gzip").status_code == 200
    assert len(figures(ops.usage_store)[0]) == 2


@kinds
@pytest.mark.parametrize(("encoding", "body"), [("identity", b"\xff{"), ("gzip", b"not gzip"), ("br", b"{}")])
def test_a_body_that_is_no_export_is_400_with_a_status_and_nothing_stored(send, ops, kind, encoding, body):
    answer = send(body, kind, Content_Encoding=encoding)
    assert (answer.status_code, answer.mimetype) == (400, kind)
    code, message = refused(answer)
    assert code == 3
    assert message
    assert figures(ops.usage_store)[0] == []


def test_another_content_type_is_415(send):
    assert send(b"x", "text/plain").status_code == 415


@kinds
def test_an_unknown_parameter_is_refused_and_source_is_taken(send, ops, kind):
    assert send(CAPTURED, kind, path=f"{TRACES}?sauce=x").status_code == 400
    assert send(CAPTURED, kind, path=f"{TRACES}?source=mine").status_code == 200
    assert {row[0] for row in figures(ops.usage_store)[0]} == {"mine"}


def test_a_body_beyond_the_limit_is_413_also_when_it_only_unpacks_to_it(make_app):
    app = make_app(max_ingest_mb=1)
    send = sender(app, app.server.extensions["ops"])
    assert send(b" " * (10**6 + 1)).status_code == 413
    bomb = zlib.compressobj(wbits=31)
    answer = send(bomb.compress(b" " * 50_000_000) + bomb.flush(), PROTOBUF, Content_Encoding="gzip")
    assert answer.status_code == 413
    assert "1 MB" in refused(answer)[1]


@kinds
def test_a_store_that_cannot_take_it_answers_503_with_a_time_to_come_back(make_app, kind):
    app = make_app(min_free="900000TB")
    answer = sender(app, app.server.extensions["ops"])(CAPTURED, kind)
    assert (answer.status_code, answer.mimetype) == (503, kind)
    assert int(answer.headers["Retry-After"]) >= 1
    assert refused(answer)[0] == 14


def test_an_export_without_a_call_leaves_no_batch_behind(send, ops):
    assert send(export(chat(1, {"gen_ai.operation.name": "execute_tool"}))).status_code == 200
    assert ops.writer.batches() == []


def test_without_the_key_nothing_is_taken(app, send, ops):
    assert send(CAPTURED, Authorization="Bearer wrong").status_code == 401
    assert app.server.test_client().post(TRACES, json=CAPTURED).status_code == 401
    assert figures(ops.usage_store)[0] == []


@kinds
def test_a_wrong_key_and_a_mistake_of_the_console_are_told_as_a_status_too(send, ops, monkeypatch, kind):
    answer = send(CAPTURED, kind, Authorization="Bearer wrong")
    assert (answer.status_code, answer.mimetype, refused(answer)[0]) == (401, kind, 16)
    assert "bearer key" in refused(answer)[1]
    assert answer.headers["WWW-Authenticate"]
    monkeypatch.setattr(ops.writer, "submit", None)
    answer = send(CAPTURED, kind)
    assert (answer.status_code, answer.mimetype, refused(answer)[0]) == (500, kind, 13)
    assert answer.headers["X-Request-Id"]


@kinds
def test_an_export_of_too_many_spans_is_413_and_the_next_one_is_taken(send, kind):
    many = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{}] * 100_001}]}]})
    if kind == PROTOBUF:
        scope = ScopeSpans(spans=[Span()] * 100_001)
        many = ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[scope])]).SerializeToString()
    answer = send(many, kind)
    assert answer.status_code == 413
    assert "100,000 spans" in refused(answer)[1]
    assert send(CAPTURED, kind).status_code == 200
