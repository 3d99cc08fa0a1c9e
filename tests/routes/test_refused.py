"""Every request of a sender that is refused whole is counted with its reason, whoever refused it."""

from __future__ import annotations

import json

import pytest

from tests.data_sources.usage.ingest_rows import NOON_US, event
from tests.data_sources.usage.otlp_rows import chat, export

EVENTS, TRACES = "/api/v1/llm/usage/events", "/v1/traces"
OTLP = {"Content-Type": "application/json"}


@pytest.fixture
def app(make_app):
    return make_app(reporting_tz="UTC", max_ingest_mb=1)


@pytest.fixture
def send(app):
    client, ops = app.server.test_client(), app.server.extensions["ops"]

    def made(path=EVENTS, body=b"[]", key=None, **headers):
        headers = {"Authorization": f"Bearer {key or ops.ingest_token}"} | headers
        return client.post(path, data=body, headers=headers).status_code

    return made


def told(app, reader):
    """What coverage tells, once the writer has stored it: with an event."""
    ops = app.server.extensions["ops"]
    body = json.dumps([event(1) | {"started_at_us": NOON_US - 86_400_000_000}])
    headers = {"Authorization": f"Bearer {ops.ingest_token}"}
    assert app.server.test_client().post(EVENTS, data=body, headers=headers).status_code == 200
    answer = reader.get("/api/v1/llm/usage/coverage?range=7d").get_json()["intake"]
    return {(one["address"], one["status"]): (one["requests"], one["reason"]) for one in answer["refused"]}


def test_each_reason_is_counted_at_each_door(app, send, sign_in):
    ops = app.server.extensions["ops"]
    large = b" " * (10**6 + 1)
    assert [send(body=b"{"), send(body=b"<html>"), send(f"{EVENTS}?sauce=1")] == [400] * 3
    assert [send(body=large), send(body=b"[" + b"{}," * 200_000 + b"{}]")] == [413, 413]
    assert send(key="wrong") == 401
    assert send(TRACES, large, **OTLP) == 413
    assert send(TRACES, b"x", **{"Content-Type": "text/plain"}) == 415
    assert send(TRACES, b"x", key="wrong", **OTLP) == 401
    ops.usage_store.min_free_bytes = 10**18
    assert send() == 503
    assert send(TRACES, json.dumps(export(chat())).encode(), **OTLP) == 503
    ops.usage_store.min_free_bytes = 0
    reader = sign_in(app, role="analyst")
    assert reader.get("/api/v1/llm/usage/summary?range=nonsense").status_code == 400  # no sender's
    assert told(app, reader) == {
        (EVENTS, 400): (3, "Not understood"),
        (EVENTS, 401): (1, "No valid ingest key"),
        (EVENTS, 413): (2, "Too large, or too many events"),
        (EVENTS, 503): (1, "The disk was nearly full"),
        (TRACES, 401): (1, "No valid ingest key"),
        (TRACES, 413): (1, "Too large, or too many events"),
        (TRACES, 503): (1, "The disk was nearly full"),
        (TRACES, 415): (1, "Not a content type that is taken"),
    }
