import gzip
import json
import threading
import zlib

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from data_sources.usage.attempt import Facts
from routes.body import HELD, HELD_BYTES, Held, TooMuchAtOnceError, decoding, held_body
from tests.data_sources.usage.ingest_rows import NOON_US, differences, figures, litellm_events, recent

EVENTS = "/api/v1/llm/usage/events"
BATCHES = "/api/v1/llm/usage/batches"


@pytest.fixture
def client(app):
    return app.server.test_client()


def test_events_are_stored_and_counted(client, key, ops):
    answer = client.post(EVENTS, headers=key, json=[recent(1), recent(1), {"event_id": "x"}, recent(2)])
    assert answer.status_code == 200
    told = answer.get_json()
    assert (told["accepted"], told["duplicates"]) == (2, 1)
    assert [(bad["index"], "started_at is required" in bad["reason"]) for bad in told["rejected"]] == [(2, True)]
    assert told["batch_id"]
    assert len(figures(ops.usage_store)[0]) == 2


def test_litellms_body_three_times_in_any_order_changes_no_figure(client, key, ops):
    body = litellm_events()
    assert client.post(EVENTS, headers=key, json=body).get_json()["accepted"] == 10
    once = figures(ops.usage_store)
    for again in (body[::-1], body[3:] + body[:3]):
        assert client.post(EVENTS, headers=key, json=again).get_json()["accepted"] == 0
    lines = "\n".join(json.dumps(line) for line in body)
    assert client.post(EVENTS, headers=key, data=lines).get_json()["duplicates"] == 10
    assert figures(ops.usage_store) == once
    assert differences(ops.usage_store) == []


def test_a_gzip_body_is_read(client, key):
    body = gzip.compress(json.dumps([recent(1)]).encode())
    answer = client.post(EVENTS, headers=key | {"Content-Encoding": "gzip"}, data=body)
    assert answer.get_json()["accepted"] == 1


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"not gzip"),
        ("gzip", gzip.compress(b"[]")[:-4]),
        ("gzip", gzip.compress(b"[]") + gzip.compress(b"[]")),
        ("br", b"[]"),
        ("identity", b"[{"),
        ("identity", b""),
    ],
    ids=["not gzip", "cut short", "two members", "unknown encoding", "broken JSON", "nothing"],
)
def test_a_body_that_is_not_events_is_refused_as_a_whole(client, key, ops, encoding, body):
    answer = client.post(EVENTS, headers=key | {"Content-Encoding": encoding}, data=body)
    assert answer.status_code == 400
    assert answer.mimetype == "application/problem+json"
    assert figures(ops.usage_store)[0] == []


@pytest.fixture
def small(make_app):
    app = make_app(max_ingest_mb=1)
    return app.server.test_client(), {"Authorization": f"Bearer {app.server.extensions['ops'].ingest_token}"}


def test_a_body_beyond_the_limit_is_413_also_when_it_only_unpacks_to_it(small):
    client, key = small
    assert client.post(EVENTS, headers=key, data=b" " * (10**6 + 1)).status_code == 413
    bomb = zlib.compressobj(wbits=31)
    packed = bomb.compress(b" " * 50_000_000) + bomb.flush()
    assert len(packed) < 10**5
    answer = client.post(EVENTS, headers=key | {"Content-Encoding": "gzip"}, data=packed)
    assert answer.status_code == 413
    assert answer.get_json()["type"] == "too-large"


def test_a_body_at_the_limit_is_taken(small):
    client, key = small
    body = json.dumps([recent(1)]).encode()
    assert client.post(EVENTS, headers=key, data=body + b" " * (10**6 - len(body))).status_code == 200


def test_a_nearly_full_disk_is_503_with_a_time_to_come_back(make_app):
    app = make_app(min_free="900000TB")
    key = {"Authorization": f"Bearer {app.server.extensions['ops'].ingest_token}"}
    answer = app.server.test_client().post(EVENTS, headers=key, json=[recent(1)])
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.get_json()["code"] == "disk-full"


def test_without_the_key_nothing_is_taken(client, ops):
    assert client.post(EVENTS, json=[recent(1)]).status_code == 401
    assert client.post(EVENTS, headers={"Authorization": "Bearer wrong"}, json=[recent(1)]).status_code == 401
    assert client.get(BATCHES).status_code == 401
    assert client.post(f"{BATCHES}/b/undo").status_code == 401
    assert figures(ops.usage_store)[0] == []


def test_members_and_readers_may_not_send_or_undo(make_app, sign_in):
    app = make_app(read_token="r" * 20)
    member = sign_in(app, role="member", org="ACME")
    assert member.post(EVENTS, json=[recent(1)]).status_code == 403
    reader = {"Authorization": "Bearer " + "r" * 20}
    assert app.server.test_client().post(EVENTS, headers=reader, json=[recent(1)]).status_code == 403


def test_a_batch_is_listed_and_undone_exactly(client, key, ops):
    client.post(EVENTS, headers=key, json=litellm_events())
    before = figures(ops.usage_store)
    sent = client.post(
        f"{EVENTS}?batch_id=mine&kind=import&name=f.csv&source=s", headers=key, json=[recent(1), recent(2)]
    )
    assert sent.get_json()["batch_id"] == "mine"
    [batch] = [row for row in client.get(BATCHES, headers=key).get_json()["batches"] if row["batch_id"] == "mine"]
    assert (batch["accepted"], batch["kind"], batch["name"], batch["source"]) == (2, "import", "f.csv", "s")
    assert client.post(f"{BATCHES}/mine/undo", headers=key).get_json() == {"batch_id": "mine", "removed": 2}
    assert figures(ops.usage_store) == before
    assert client.post(f"{BATCHES}/mine/undo", headers=key).status_code == 404
    assert client.post(f"{EVENTS}?batch_id=mine", headers=key, json=[recent(1)]).status_code == 409


def test_a_span_without_events_is_noted(client, key, ops):
    span = "span_start=2026-01-01T00:00:00Z&span_end=2026-01-01T01:00:00Z"
    answer = client.post(f"{EVENTS}?batch_id=i&kind=import&{span}", headers=key)
    assert answer.get_json()["accepted"] == 0
    with ops.usage_store.cursor() as cursor:
        spans = cursor.execute("SELECT end_us - start_us FROM collection WHERE kind = 'import'").fetchall()
    assert spans == [(3_600_000_000,)]


@pytest.mark.parametrize(
    "query",
    [
        "batch=x",
        "kind=other",
        "span_start=2026-01-01T00:00:00Z",
        "span_start=2026-01-02T00:00:00Z&span_end=2026-01-01T00:00:00Z",
        "span_start=2026-01-01&span_end=2026-01-02",
        "span_start=2026-01-01T00:00:00Z&span_end=2999-01-01T00:00:00Z",
        "source=" + "s" * 513,
    ],
)
def test_a_parameter_that_is_not_understood_is_refused(client, key, query):
    assert client.post(f"{EVENTS}?{query}", headers=key, json=[recent(1)]).status_code == 400


def test_a_body_nested_without_end_is_refused(client, key):
    assert client.post(EVENTS, headers=key, data=b"[" * 100_000).status_code == 400
    nested = b'{"event_id": "x", "usage": ' + b'{"a":' * 100_000
    answer = client.post(EVENTS, headers=key, data=nested + b"\n" + json.dumps(recent(1)).encode())
    assert answer.status_code == 200
    assert (answer.get_json()["accepted"], len(answer.get_json()["rejected"])) == (1, 1)


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"1," * 5_000_000 + b"1]",
        b"[" + b"{}," * 200_000 + b"{}]",
        b"[" + b'"",' * 200_000 + b"{}]",
        b"{}\n" * 200_000,
        b"\n" * 5_000_000 + b"{}",
    ],
    ids=["numbers", "objects", "texts", "lines", "empty lines"],
)
def test_a_body_of_too_many_events_is_413_and_the_next_one_is_taken(client, key, ops, body):
    bomb = gzip.compress(body)
    answer = client.post(EVENTS, headers=key | {"Content-Encoding": "gzip"}, data=bomb)
    assert answer.status_code == 413
    assert answer.get_json()["type"] == "too-large"
    assert client.post(EVENTS, headers=key, json=[recent(1)]).get_json()["accepted"] == 1


BIG = ["1e999999999", "-1e999999999", "1e-999999999", "9" * 5000, str(2**53), str(10**12), str(2**64), "1e22", "-0"]
ANYTHING = st.sampled_from(
    [*BIG, '"\\u0000"', '"=1"', '""', '"NaN"', '"Infinity"', "null", "true", "[]", "{}", '[""]', '["a"]']
    + [f'"{number}"' for number in BIG]
    + ['"\xff"', '{"\xff": 1}', '"\\ud800"', '{"prompt_tokens": 1e99}', '{"input_tokens": 1000000000000}']
)
OWN = ("event_id", "call_id", "started_at", "started_at_s", "started_at_ms", "started_at_us", "status", "usage")
LITELLM = (
    *("id", "litellm_call_id", "startTime", "endTime", "completionStartTime", "call_type", "status", "stream", "model"),
    *("response_cost", "prompt_tokens", "completion_tokens", "request_tags", "metadata", "error_information"),
)


def written(fields):
    """An event's JSON from JSON texts, in bytes of which some are no UTF-8."""
    return "{" + ", ".join(f'"{name}": {value}' for name, value in fields.items()) + "}"


def test_whatever_an_event_holds_it_is_taken_or_refused_alone_and_never_an_error(client, key, ops):
    own = {"event_id": '"a"', "started_at_us": str(NOON_US - 86_400_000_000), "model": '"gpt-5-mini"'}
    litellm = {"id": '"a"', "call_type": '"completion"', "startTime": "1795262400.5", "status": '"success"'}
    events = st.one_of(
        st.dictionaries(st.sampled_from((*OWN, *Facts.__struct_fields__)), ANYTHING, max_size=3).map(lambda d: own | d),
        st.dictionaries(st.sampled_from(LITELLM), ANYTHING, max_size=3).map(lambda d: litellm | d),
    )
    taken = 0

    @settings(max_examples=60, database=None)
    @given(st.lists(events, min_size=1, max_size=12))
    def check(made):
        nonlocal taken
        lines = "\n".join(map(written, made)).encode("latin-1")
        answer = client.post(EVENTS, headers=key, data=lines + b"\n" + json.dumps(recent(taken + 10)).encode())
        assert answer.status_code == 200, answer.text
        told = answer.get_json()
        assert told["accepted"] >= 1
        assert told["accepted"] + told["duplicates"] + len(told["rejected"]) == len(made) + 1
        taken += 1

    check()
    assert differences(ops.usage_store) == []


@pytest.mark.parametrize("as_array", [True, False])
def test_counts_and_costs_that_no_attempt_has_are_refused_alone_and_the_rest_is_taken(client, key, as_array):
    used = {"provider": "openai", "model": "o1-pro", "output_tokens": 1}
    events = [
        recent(1, **used, input_tokens=10**12),  # dear beyond belief by price
        recent(2, **used, input_tokens=10**12 + 1),
        recent(3, input_tokens=10**12),
        recent(4, **used, input_tokens=1000),
    ]
    body = json.dumps(events) if as_array else "\n".join(map(json.dumps, events))
    told = client.post(EVENTS, headers=key, data=body).get_json()
    assert told["accepted"] == 2
    assert [bad["index"] for bad in told["rejected"]] == [0, 1]
    assert "its cost by price is 1,000,000 USD or more" in told["rejected"][0]["reason"]
    assert "input_tokens 1000000000001 is not between 0 and 10^12" in told["rejected"][1]["reason"]


def test_bytes_that_are_no_text_are_refused_with_their_event_alone(client, key):
    good = json.dumps(recent(1)).encode()
    bad = json.dumps(recent(2, model="XX")).encode().replace(b"XX", b"\xff\xfe")
    for body in (b"[" + bad + b"," + good + b"]", bad + b"\n" + good):
        told = client.post(EVENTS, headers=key, data=body).get_json()
        assert told["accepted"] + told["duplicates"] == 1
        assert told["rejected"] == [{"index": 0, "reason": "its text is not UTF-8"}]
    assert client.post(EVENTS, headers=key, data=b"\xff").status_code == 400


def test_large_bodies_are_decoded_one_at_a_time_and_small_ones_never_wait(app, client, key):
    large = b"[" + b" " * 3_000_000 + json.dumps(recent(1)).encode() + b"]"
    told = []
    sender = threading.Thread(
        target=lambda: told.append(app.server.test_client().post(EVENTS, headers=key, data=large).status_code)
    )
    with decoding(large):
        sender.start()
        assert client.post(EVENTS, headers=key, json=[recent(2)]).status_code == 200
        assert told == []
    sender.join(30)
    assert told == [200]


def packed(*numbers):
    return gzip.compress(json.dumps([recent(number) for number in numbers]).encode())


@pytest.mark.parametrize("path", [EVENTS, "/v1/traces"])
def test_bodies_that_are_more_than_the_memory_for_them_wait_their_turn(client, key, path):
    sent = {"headers": key | {"Content-Encoding": "gzip", "Content-Type": "application/json"}, "data": packed(1)}
    HELD.take(HELD_BYTES, 0)
    try:
        answer = client.post(path, **sent)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert "More is being sent at once than is held in memory." in answer.get_data(as_text=True)
    finally:
        HELD.give_back(HELD_BYTES)
    assert client.post(path, **sent).status_code in (200, 400)  # an event is no span, but the body is read


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=6), st.integers(1, 400))
def test_what_is_held_is_never_beyond_the_limit_but_for_one_body_alone(bodies, limit):
    held, server = Held(limit), Flask("held")

    def go_in(left, sum_so_far):
        assert held._bytes == sum_so_far
        if not left:
            return
        with server.test_request_context(method="POST", data=left[0]):
            fits = sum_so_far == 0 or sum_so_far + len(left[0]) <= limit
            try:
                with held_body(1000, held) as body:
                    assert fits
                    assert body == left[0]
                    go_in(left[1:], sum_so_far + len(body))
            except TooMuchAtOnceError:
                assert not fits
                go_in(left[1:], sum_so_far)

    go_in(bodies, 0)
    assert held._bytes == 0
