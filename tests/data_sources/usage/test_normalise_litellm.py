import json
from decimal import Decimal

import pytest

from data_sources.usage.normalise import parse
from tests.data_sources.usage.ingest_rows import NOON_US, litellm_events

NOW_US = NOON_US + 10**12


def read(events, source=None):
    parsed = parse(json.dumps(events).encode(), source=source, now_us=NOW_US)
    assert parsed.rejected == []
    return parsed.attempts


def one(index, **changes):
    return read([litellm_events()[index] | changes])[0]


def test_ten_events_are_ten_attempts_of_nine_calls():
    made = read(litellm_events())
    assert len({(a.source, a.event_id, a.started_at_us) for a in made}) == 10
    assert len({a.call_id for a in made}) == 9


def test_a_stream_has_its_first_token_apart_from_its_duration():
    stream, buffered = one(2), one(1)
    assert (stream.stream, stream.time_to_first_token_ms, stream.duration_ms) == (True, 462, 590)
    assert (buffered.stream, buffered.time_to_first_token_ms, buffered.duration_ms) == (False, None, 831)


def test_a_first_token_after_the_end_is_not_known():
    event = litellm_events()[2]
    late = {"completionStartTime": event["endTime"] + 0.5}
    assert (one(2, **late).time_to_first_token_ms, one(2, **late).duration_ms) == (None, 590)


def test_a_failure_without_usage_is_unmetered_not_free():
    failed = one(5)
    assert (failed.status, failed.error_type, failed.http_status) == ("failure", "RateLimitError", 429)
    assert (failed.input_tokens, failed.output_tokens, failed.cost_usd) == (None, None, None)
    assert failed.pricing == "unmetered"


def test_a_failure_that_used_tokens_keeps_them():
    failed = one(5, prompt_tokens=700, completion_tokens=20)
    assert (failed.input_tokens, failed.output_tokens) == (700, 20)


def test_zero_cost_with_tokens_is_unpriced_not_free():
    made = one(3)
    assert (made.cost_usd, made.cost_reported_usd, made.pricing) == (None, None, "unpriced")
    assert (made.input_tokens, made.output_tokens) == (2006, 300)


@pytest.mark.parametrize("usage", [{}, None, {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}])
@pytest.mark.parametrize("count", [0, None])
def test_a_success_whose_usage_did_not_come_is_unmetered_not_free(usage, count):
    metadata = litellm_events()[1]["metadata"] | {"usage_object": usage}
    made = one(
        1, prompt_tokens=count, completion_tokens=count, total_tokens=count, response_cost=0.0, metadata=metadata
    )
    assert (made.status, made.pricing, made.cost_usd) == ("success", "unmetered", None)
    assert (made.input_tokens, made.output_tokens, made.cache_read_tokens, made.reasoning_tokens) == (None,) * 4
    priced = one(1, prompt_tokens=0, completion_tokens=0, response_cost=0.04, metadata=metadata)
    assert (priced.pricing, priced.cost_usd, priced.cost_source) == ("priced", Decimal("0.04"), "reported")


def test_a_cache_hit_is_free():
    made = one(3, cache_hit=True)
    assert (made.cost_usd, made.pricing) == (Decimal(0), "priced")


def test_reported_costs_of_the_reference_calls_are_exact_and_equal_the_price_table():
    small, claude = one(1), one(4)
    assert small.cost_reported_usd == small.cost_computed_usd == Decimal("0.0006695")
    assert claude.cost_reported_usd == claude.cost_computed_usd == Decimal("0.0359")


def test_cached_reasoning_and_search_counts_come_from_the_usage_object():
    small, claude = one(1), one(4)
    assert (small.input_tokens, small.cache_read_tokens, small.reasoning_tokens) == (2006, 1920, 256)
    assert (claude.input_tokens, claude.cache_read_tokens) == (11550, 10000)
    assert (claude.cache_write_tokens, claude.cache_write_1h_tokens, claude.web_searches) == (1500, 500, 2)


def test_the_provider_is_not_part_of_the_model():
    assert (one(0).provider, one(0).model, one(0).requested_model) == ("openai", "gpt-4o-mini", "gpt-mock")
    routed = one(0, model="openrouter/openai/gpt-4o", custom_llm_provider="openrouter")
    assert (routed.provider, routed.model) == ("openrouter", "openai/gpt-4o")
    unknown = one(6)
    assert (unknown.provider, unknown.model) == (None, "nope")


def test_tags_give_level_and_team_and_user_agents_are_no_tags():
    made = one(0)
    assert (made.power_level, made.team_id, made.user_id) == ("eco", "search", "end-user-7")
    assert made.tags == ("team:search", "power:eco")
    assert one(1).tags is None
    assert one(1).power_level is None


def test_the_keys_team_wins_over_a_tag():
    event = litellm_events()[0]
    event["metadata"]["user_api_key_team_id"] = "platform"
    assert read([event])[0].team_id == "platform"


@pytest.mark.parametrize(
    ("where", "value", "level"),
    [
        ("metadata", {"power_level": "Precision"}, "precision"),
        ("requester", {"power_level": "turbo"}, "turbo"),
        ("requester", {"headers": {"X-Power-Level": "balanced"}}, "balanced"),
    ],
)
def test_the_level_also_comes_from_metadata_or_header_and_unknown_words_stay(where, value, level):
    event = litellm_events()[1]
    holder = event["metadata"] if where == "metadata" else event["metadata"]["requester_metadata"]
    holder.update(value)
    assert read([event])[0].power_level == level


def test_fallback_attempts_share_their_call_but_not_their_id():
    failed, answered = one(7), one(8)
    assert failed.call_id == answered.call_id
    assert failed.event_id != answered.event_id


def test_an_embedding_whose_total_contradicts_its_parts_is_taken():
    made = one(9)
    assert (made.operation, made.input_tokens, made.output_tokens) == ("embeddings", 10, 0)
    assert made.cost_usd == Decimal("0.0000015")


def test_no_prompt_and_no_answer_passes_the_door():
    assert "must not be kept" not in str(read(litellm_events()))


def test_a_payload_without_its_start_is_refused():
    event = litellm_events()[0] | {"startTime": None}
    parsed = parse(json.dumps([event]).encode(), source=None, now_us=NOW_US)
    assert "startTime is missing" in parsed.rejected[0].reason


def test_own_events_and_litellm_events_may_come_in_one_body():
    made = read([litellm_events()[0], {"event_id": "a", "started_at_us": NOON_US}], source="gate")
    assert [a.source for a in made] == ["gate", "gate"]


def test_an_answer_from_litellms_own_cache_is_free_and_not_disputed():
    priced = {"model": "gpt-5-mini", "custom_llm_provider": "openai", "response_cost": 0.0}
    cached = one(0, **priced, cache_hit=True)
    assert (cached.cost_usd, cached.cost_computed_usd, cached.cost_source) == (0, None, "reported")
    assert one(0, **priced).cost_usd > 0
