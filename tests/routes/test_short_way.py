"""A sender's small request is taken before Flask; whatever is not plain and good goes to Flask, once, as it came."""

import io
import json

import pytest
from flask import Flask, request

from data_sources.usage.store import StoreError
from routes import errors, ingest
from routes.gate import Gate
from tests.data_sources.usage.ingest_rows import figures, recent

EVENTS = "/api/v1/llm/usage/events"


@pytest.fixture
def long_way(app):
    """The requests that Flask saw."""
    seen = []
    app.server.before_request_funcs[None].insert(0, lambda: seen.append(request.path))  # before the gate
    return seen


def test_the_plain_case_is_answered_like_flask_answers_it_without_flask(app, ops, key, long_way):
    client = app.server.test_client()
    short = client.post(EVENTS, headers=key, json=[recent(1), recent(2), recent(1)])
    assert long_way == []
    long = client.post(EVENTS + "?source=other", headers=key, json=[recent(1), recent(2), recent(1)])
    assert long_way == [EVENTS]
    assert (short.status_code, short.mimetype) == (long.status_code, long.mimetype) == (200, "application/json")
    for told in (short.get_json(), long.get_json()):
        assert told.pop("batch_id")
        assert told == {"accepted": 2, "duplicates": 1, "rejected": []}
    ours = {"Content-Security-Policy", "Cache-Control", "X-Content-Type-Options", "Content-Length"}
    assert {name: short.headers[name] for name in ours} | {"Content-Length": ""} == {
        name: long.headers[name] for name in ours
    } | {"Content-Length": ""}
    assert len(figures(ops.usage_store)[0]) == 4


BODY = json.dumps([recent(1)])


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Authorization": "Bearer wrong"}, BODY, 401),
        ({"Authorization": "Bearer wr\xf6ng"}, BODY, 401),
        ({"Authorization": ""}, BODY, 401),
        ({"Content-Encoding": "br"}, BODY, 400),
        ({}, "not json", 400),
        ({}, "", 400),
        ({}, json.dumps([recent(1), {"event_id": "x"}]), 200),
        ({}, json.dumps([recent(n) for n in range(3000)]), 200),
    ],
)
def test_all_else_is_flasks_with_its_body_as_it_came(app, key, long_way, headers, body, status):
    answer = app.server.test_client().post(EVENTS, headers=key | headers, data=body)
    assert (answer.status_code, long_way) == (status, [EVENTS])
    if status == 200:
        told = answer.get_json()
        assert told["accepted"] + len(told["rejected"]) == len(json.loads(body))
        assert told["duplicates"] == 0


def test_other_methods_and_addresses_are_flasks(app, key, long_way):
    client = app.server.test_client()
    assert client.get(EVENTS, headers=key).status_code == 404
    assert client.post(EVENTS + "/", headers=key, data=BODY).status_code == 404
    assert len(long_way) == 2


@pytest.mark.parametrize("length", ["", "-1", "1e3", "٣", "0", str(10**30)])
def test_a_length_that_is_none_is_never_read(app, key, length):
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": EVENTS, "CONTENT_LENGTH": length}
    environ |= {"HTTP_AUTHORIZATION": key["Authorization"], "wsgi.input": None}
    assert app.server.short_way(environ) is None


def test_a_body_that_breaks_off_is_refused(app, key):
    body = BODY.encode()
    answer = app.server.test_client().post(
        EVENTS, headers=key, input_stream=io.BytesIO(body[:-9]), content_length=len(body)
    )
    assert answer.status_code == 400


class Refusing:
    """A writer that takes nothing, and counts how often it was asked."""

    raw_from_us = None

    def __init__(self, error):
        self.error, self.asked = error, 0

    def submit(self, attempts, **_):
        self.asked += 1
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (StoreError("Storing takes too long.", code="slow", title="Events must wait"), 503, "Storing takes too long."),
        (RuntimeError("a mistake of ours"), 500, "It is in the log under the request id."),
    ],
)
def test_what_cannot_be_stored_is_handed_over_once_and_told_in_flasks_words(app, ops, key, error, status, detail):
    writer = Refusing(error)
    server = type(app.server)("short")
    gate = Gate(ops.secret_key, ops.ingest_token, None, dict, ops.state)
    gate.install(server)
    errors.install(server)
    server.register_blueprint(ingest.blueprint(lambda: writer, max_body_mb=1))
    server.short_way = ingest.ShortWay(lambda: writer, ingest_token=ops.ingest_token)
    assert isinstance(server, Flask)
    answer = server.test_client().post(EVENTS, headers=key, data=BODY)
    assert (answer.status_code, answer.get_json()["detail"]) == (status, detail)
    assert writer.asked == 1
