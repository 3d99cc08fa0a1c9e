import json
from decimal import Decimal

import msgspec
import pytest

from data_sources.usage.attempt import Attempt
from data_sources.usage.normalise import BadBodyError, parse
from tests.data_sources.usage.ingest_rows import NOON_US, event

NOW_US = NOON_US + 3_600_000_000


def read(*events):
    return parse(json.dumps(events).encode(), source=None, now_us=NOW_US)


def only(**fields):
    parsed = read(event(**fields))
    assert parsed.rejected == []
    return parsed.attempts[0]


def reason(**fields):
    parsed = read(event(**fields))
    assert parsed.attempts == []
    return parsed.rejected[0].reason


def test_what_is_not_sent_stays_unknown():
    made = only()
    known = {name: value for name, value in msgspec.structs.asdict(made).items() if value is not None}
    assert known == {
        "event_id": "e1",
        "call_id": "e1",
        "started_at_us": NOON_US + 1,
        "source": "api",
        "status": "unknown",
        "pricing": "unmetered",
    }


@pytest.mark.parametrize(
    "start",
    [
        {"started_at": "2026-11-22T12:00:00.250001Z"},
        {"started_at": "2026-11-22 13:00:00.2500019+01:00"},
        {"started_at_s": 1795348800.250001},
        {"started_at_s": "1795348800.250001"},
        {"started_at_ms": 1795348800250.001},
        {"started_at_us": 1795348800250001},
    ],
)
def test_each_way_to_give_the_start_is_the_same_microsecond(start):
    parsed = read({"event_id": "a", **start})
    assert [made.started_at_us for made in parsed.attempts] == [NOON_US + 250_001]


@pytest.mark.parametrize(
    ("start", "why"),
    [
        ({}, "started_at is required"),
        ({"started_at": "2026-11-22T12:00:00"}, "no offset"),
        ({"started_at": "yesterday"}, "not an ISO 8601 time"),
        ({"started_at": 1795348800}, "Expected `str | null`"),
        ({"started_at_s": 1, "started_at_ms": 1000}, "one of"),
        ({"started_at_s": 1795348800000}, "in the future"),
        ({"started_at_ms": 1795348800}, "before 1980"),
        ({"started_at": "2026-11-24T12:00:00Z"}, "in the future"),
    ],
)
def test_a_start_that_is_a_guess_is_refused_with_its_reason(start, why):
    parsed = read({"event_id": "a", **start})
    assert parsed.attempts == []
    assert why in parsed.rejected[0].reason


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"event_id": ""}, "event_id is empty"),
        ({"inputTokens": 5}, "unknown field `inputTokens`"),
        ({"input_tokens": -1}, "not between 0"),
        ({"input_tokens": 2**60}, "not between 0"),
        ({"input_tokens": 1.5}, "Expected `int | null`"),
        ({"input_tokens": 10, "cache_read_tokens": 8, "cache_write_tokens": 3}, "more than its 10"),
        ({"input_tokens": 10, "cache_write_1h_tokens": 11}, "more than its 10"),
        ({"input_tokens": 10, "cache_read_tokens": 8, "cache_write_1h_tokens": 3}, "more than its 10"),
        ({"output_tokens": 10, "reasoning_tokens": 11}, "more than its 10"),
        ({"cache_write_tokens": 5, "cache_write_1h_tokens": 6}, "more than its 5"),
        ({"cost_reported_usd": "-0.1"}, "not an amount"),
        ({"cost_reported_usd": "NaN"}, "not an amount"),
        ({"cost_reported_usd": 1e6}, "not an amount"),
        ({"status": "ok"}, "status 'ok'"),
        ({"http_status": 42}, "http_status"),
        ({"model": "m" * 513}, "longer than 512"),
        ({"tags": [str(n) for n in range(65)]}, "tags are more than 64"),
    ],
)
def test_a_bad_event_is_refused_with_its_reason(fields, why):
    assert why in reason(**fields)


def test_a_bad_event_is_refused_alone_and_by_its_place():
    parsed = read(event(1), {"event_id": "x"}, 7, event(2))
    assert [made.event_id for made in parsed.attempts] == ["e1", "e2"]
    assert [bad.index for bad in parsed.rejected] == [1, 2]


def test_an_amount_is_read_from_its_digits_and_rounded_once():
    body = b'[{"event_id":"a","started_at_us":%d,"cost_reported_usd":0.1000000000005}]' % NOON_US
    cost = parse(body, source=None, now_us=NOW_US).attempts[0].cost_usd
    assert str(cost) == "0.100000000000"


def test_a_reported_cost_wins_over_the_price_table_which_is_kept_beside_it():
    made = only(provider="openai", model="gpt-5-mini", input_tokens=1000, output_tokens=0, cost_reported_usd="0.5")
    assert (made.cost_usd, made.cost_reported_usd) == (Decimal("0.5"), Decimal("0.5"))
    assert made.cost_computed_usd == Decimal("0.00025")


def test_prompts_and_answers_are_dropped_at_the_door():
    made = only(messages=[{"content": "secret"}], prompt="secret", response={"text": "secret"}, completion="secret")
    assert "secret" not in str(made)
    assert not {"messages", "prompt", "response", "completion"} & set(Attempt.__struct_fields__)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, "unknown"),
        ({"error_type": "Timeout"}, "failure"),
        ({"http_status": 429}, "failure"),
        ({"http_status": 200}, "unknown"),
    ],
)
def test_only_an_error_says_failure_and_nothing_says_success_by_itself(fields, status):
    assert only(**fields).status == status


def test_array_object_and_lines_are_the_same_events():
    one, two = json.dumps(event(1)), json.dumps(event(2))
    array = parse(f"[{one},{two}]".encode(), source="s", now_us=NOW_US)
    lines = parse(f"{one}\n\n{two}\n".encode(), source="s", now_us=NOW_US)
    single = parse(json.dumps(event(1), indent=2).encode(), source="s", now_us=NOW_US)
    assert array == lines
    assert single.attempts == array.attempts[:1]


def test_a_mark_before_the_text_costs_nothing():
    for body in (json.dumps([event(1)]), json.dumps(event(1))):
        assert len(parse(body.encode("utf-8-sig"), source=None, now_us=NOON_US).attempts) == 1


def test_a_broken_line_is_refused_alone():
    parsed = parse(json.dumps(event(1)).encode() + b"\n{broken\n", source=None, now_us=NOW_US)
    assert len(parsed.attempts) == 1
    assert parsed.rejected[0].index == 1
    assert "not JSON" in parsed.rejected[0].reason


@pytest.mark.parametrize("body", [b"", b"  ", b"[", b"{", b"nonsense", b"a\nb\nc", b'[{"event_id": "a"'])
def test_a_body_without_any_event_is_refused_as_a_whole(body):
    with pytest.raises(BadBodyError):
        parse(body, source=None, now_us=NOW_US)


@pytest.mark.parametrize(("stream", "first_ms"), [(True, 40), (None, 40), (False, None)])
def test_only_what_may_be_a_stream_has_a_first_token(stream, first_ms):
    assert only(stream=stream, time_to_first_token_ms=40).time_to_first_token_ms == first_ms


@pytest.mark.parametrize(("given", "kept"), [(812.5, 813), (812.4999, 812), (0.2, 0), (40, 40)])
def test_a_clock_may_give_fractions_of_a_millisecond(given, kept):
    made = only(duration_ms=given, time_to_first_token_ms=given)
    assert (made.duration_ms, made.time_to_first_token_ms) == (kept, kept)
    assert type(made.duration_ms) is int


@pytest.mark.parametrize("given", [-0.2, 1e13, 1e300])
def test_no_span_of_time_is_negative_or_endless(given):
    assert "duration" in reason(duration_ms=given)
    assert reason(time_to_first_token_ms=given)


def test_a_first_token_after_the_end_is_refused_but_for_how_the_two_were_rounded():
    assert only(duration_ms=812, time_to_first_token_ms=813).time_to_first_token_ms == 812
    assert only(time_to_first_token_ms=813).time_to_first_token_ms == 813
    assert (
        reason(duration_ms=812, time_to_first_token_ms=814)
        == "time_to_first_token_ms 814 is more than its duration_ms 812"
    )


def test_a_response_without_usage_says_its_model_and_that_it_came():
    made = only(response={"id": "r", "object": "chat.completion", "model": "gpt-5-mini", "choices": []})
    assert (made.model, made.status, made.pricing, made.input_tokens) == ("gpt-5-mini", "success", "unmetered", None)
    assert only(model="mine", response={"model": "gpt-5-mini", "usage": None}).model == "mine"
    assert only(response={"model": "gpt-5", "error": {"code": "server_error"}}).status == "failure"
    assert only(response={"error": {"type": "overloaded_error"}}).status == "failure"
    for status, told in (("incomplete", "success"), ("cancelled", "unknown"), ("in_progress", "unknown")):
        assert only(response={"model": "gpt-5", "status": status}).status == told
    # what names no model is content: it says nothing
    assert only(response={"text": "hello"}).status == "unknown"
    assert only(response="hello").model is None
