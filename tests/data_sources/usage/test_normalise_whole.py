"""A body read at once gives exactly what its events give when each is read alone."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_sources.usage.normalise import BadBodyError, litellm, own, parse
from data_sources.usage.normalise.json_text import mended
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


@pytest.mark.parametrize(
    "dropped", ["cut \ud83d", "\ude00 cut", "whole \U0001f600", float("nan"), [-float("inf"), 1.5]]
)
@pytest.mark.parametrize("as_lines", [False, True])
def test_what_json_has_not_costs_no_event_where_it_is_not_read(dropped, as_lines):
    events = litellm_events()
    events[3]["messages"] = [{"role": "user", "content": dropped, "path": "C:\\ud83d", "quote": '"NaN \\" Infinity"'}]
    body = "\n".join(map(json.dumps, events)) if as_lines else json.dumps(events)
    parsed = parse(body.encode(), source="s", now_us=NOW_US)
    assert (len(parsed.attempts), parsed.rejected) == (len(litellm_events()), [])


def test_half_a_character_of_a_name_is_a_replacement_character_and_no_number_is_unknown():
    given = [event(1, user_id="J\udc00o", model="C:\\ud83d", input_tokens=float("nan"), output_tokens=4)]
    (attempt,) = parse(json.dumps(given).encode(), source="s", now_us=NOW_US).attempts
    assert (attempt.user_id, attempt.model) == ("J\ufffdo", "C:\\ud83d")
    assert (attempt.input_tokens, attempt.output_tokens) == (None, 4)


def whole(value):
    """The value with half a character replaced in each text."""
    if isinstance(value, list):
        return [whole(item) for item in value]
    # a pair that stands in two halves is one character once it is written
    return None if value is None else re.sub("[\ud800-\udfff]", "\ufffd", joined(value))


def joined(text):
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


@given(st.recursive(st.text(alphabet='aN\\"u\ud83d\ude00\U0001f600', max_size=6) | st.none(), st.lists, max_leaves=9))
def test_only_what_json_has_not_is_changed(value):
    written = json.dumps(value).encode()
    assert json.loads(mended(written) or written) == whole(value)


@pytest.mark.parametrize("body", [b'["\\"' + b'\\"' * 200_000, b'["' + b"\\\\" * 200_000, b"NaN" * 100_000, b'"\\'])
def test_text_that_is_never_closed_is_looked_at_once(body):
    with pytest.raises(BadBodyError):
        parse(body, source="s", now_us=NOW_US)
