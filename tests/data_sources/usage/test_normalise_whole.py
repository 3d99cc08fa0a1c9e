"""A body read at once gives exactly what its events give when each is read alone."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_sources.usage.normalise import litellm, own, parse
from tests.data_sources.usage.ingest_rows import NOON_US, event, litellm_events

NOW_US = NOON_US + 10**9
PLAIN = [
    event(1, model="gpt-4o", input_tokens=10, output_tokens=2, user_id="u", tags=["a", ""]),
    event(2, model="", tags=[], end_user_id="e", error_type="Timeout", response=None),
    event(3, call_id="c", http_status=503, cost_reported_usd="0.1", messages=[{"content": "secret"}]),
]
OTHERS = [
    event(4, usage={"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}),
    event(5, response={"usage": {"input_tokens": 3, "output_tokens": 4}, "model": "claude-sonnet-4-5"}),
    event(6, input_tokens=1, cache_read_tokens=2),
    event(7, model="x" * 600),
    event(8, inputtokens=1),
    event(9, input_tokens="many"),
    event(10, web_searches=-1),
    {"event_id": "no start"},
    7,
]


def alone(events):
    """Each in a body of its own, told by its place in the whole."""
    attempts, rejected = [], []
    for place, one in enumerate(events):
        parsed = parse(json.dumps(one).encode(), source="s", now_us=NOW_US)
        attempts += parsed.attempts
        rejected += [(place, bad.reason) for bad in parsed.rejected]
    return attempts, rejected


@settings(max_examples=60)
@given(st.lists(st.sampled_from(PLAIN + OTHERS + litellm_events()), min_size=1, max_size=5))
def test_a_body_gives_what_its_events_give_alone(events):
    parsed = parse(json.dumps(events).encode(), source="s", now_us=NOW_US)
    assert (parsed.attempts, [(bad.index, bad.reason) for bad in parsed.rejected]) == alone(events)


@pytest.mark.parametrize(("form", "events"), [(own, PLAIN[:1] * 2), (litellm, litellm_events())])
def test_plain_bodies_are_decoded_at_once(form, events):
    assert len(form.decode_all(json.dumps(events).encode())) == len(events)


@pytest.mark.parametrize("odd", [*OTHERS[:2], OTHERS[4], OTHERS[5], OTHERS[8], litellm_events()[0]])
def test_a_body_with_one_other_event_is_not(odd):
    assert own.decode_all(json.dumps([PLAIN[0], odd]).encode()) is None
    assert litellm.decode_all(json.dumps([PLAIN[0], odd]).encode()) is None
