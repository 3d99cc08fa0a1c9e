import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.usage.normalise import parse
from tests.data_sources.usage.ingest_rows import NOON_US, event

NOW_US = NOON_US + 10**12
USAGE = {
    "input_tokens": 50,
    "cache_creation_input_tokens": 1500,
    "cache_read_input_tokens": 10_000,
    "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 500},
    "output_tokens": 400,
    "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
    "service_tier": "standard",
    "inference_geo": "global",
}


def read(**fields):
    return parse(json.dumps([event(1, **fields)]).encode(), source=None, now_us=NOW_US)


def one(usage, **fields):
    found = read(provider="anthropic", model="claude-sonnet-4-5", usage=usage, **fields)
    assert found.rejected == []
    return found.attempts[0]


def test_the_second_reference_call_costs_exactly():
    made = one(USAGE)
    assert (made.input_tokens, made.output_tokens) == (11_550, 400)
    assert (made.cache_read_tokens, made.cache_write_tokens, made.cache_write_1h_tokens) == (10_000, 1500, 500)
    assert (made.web_searches, made.region) == (2, "global")
    assert made.cost_usd == Decimal("0.0359")


def test_a_whole_message_gives_usage_and_model():
    message = {"type": "message", "model": "claude-sonnet-4-5", "content": [{"text": "dropped"}], "usage": USAGE}
    [made] = read(response=message).attempts
    assert (made.model, made.status, made.cost_usd) == ("claude-sonnet-4-5", "success", Decimal("0.0359"))
    assert "dropped" not in str(made)


@given(st.integers(0, 10**9), *[st.none() | st.integers(0, 10**9)] * 2)
def test_input_is_always_the_sum_of_fresh_read_and_written(fresh, was_read, written):
    usage = {"input_tokens": fresh, "cache_read_input_tokens": was_read, "cache_creation_input_tokens": written}
    made = one(usage)
    assert made.input_tokens == sum(part for part in (fresh, was_read, written) if part is not None)
    assert (made.cache_read_tokens, made.cache_write_tokens) == (was_read, written)


def test_input_is_not_known_where_its_fresh_part_is_not():
    made = one({"input_tokens": None, "cache_read_input_tokens": 7, "output_tokens": 1})
    assert (made.input_tokens, made.cost_usd, made.pricing) == (None, None, "unpriced")


def test_what_was_written_is_known_by_its_parts_too():
    made = one({key: count for key, count in USAGE.items() if key != "cache_creation_input_tokens"})
    assert (made.cache_write_tokens, made.input_tokens) == (1500, 11_550)


def test_parts_written_beyond_the_whole_are_refused():
    [bad] = read(usage=USAGE | {"cache_creation_input_tokens": 1499}).rejected
    assert bad.reason == "parts of cache_creation_input_tokens add up to 1500, more than its 1499"


@pytest.mark.parametrize("said", [{"service_tier": "batch"}, {"speed": "fast"}, {"service_tier": "turbo"}])
def test_batch_is_half_and_other_tiers_are_never_priced_as_standard(said):
    plain = {"input_tokens": 1000, "output_tokens": 100}
    made, full = one(plain | said), one(plain)
    if said == {"service_tier": "batch"}:
        assert (made.processing, made.cost_usd * 2) == ("batch", full.cost_usd)
    else:
        assert made.pricing == "unpriced"
