import json
from decimal import Decimal

import pytest

from data_sources.usage.normalise import parse
from tests.data_sources.usage.ingest_rows import NOON_US, event

NOW_US = NOON_US + 10**12
CHAT = {
    "prompt_tokens": 2006,
    "completion_tokens": 300,
    "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 256, "audio_tokens": 0, "accepted_prediction_tokens": 0},
}
RESPONSES = {
    "input_tokens": 2006,
    "input_tokens_details": {"cached_tokens": 1920},
    "output_tokens": 300,
    "output_tokens_details": {"reasoning_tokens": 256},
    "total_tokens": 2306,
}


def read(**fields):
    return parse(json.dumps([event(1, **fields)]).encode(), source=None, now_us=NOW_US)


def one(**fields):
    found = read(**fields)
    assert found.rejected == []
    return found.attempts[0]


def reason(**fields):
    [bad] = read(**fields).rejected
    return bad.reason


@pytest.mark.parametrize("usage", [CHAT, RESPONSES], ids=["chat", "responses"])
def test_the_first_reference_call_costs_exactly(usage):
    made = one(provider="openai", model="gpt-5-mini", usage=usage)
    assert (made.input_tokens, made.output_tokens) == (2006, 300)
    assert (made.cache_read_tokens, made.reasoning_tokens) == (1920, 256)
    assert (made.cost_usd, made.pricing) == (Decimal("0.0006695"), "priced")
    assert made.status == "unknown"  # usage alone says nothing of the outcome


def test_a_whole_response_gives_usage_model_tier_and_outcome_and_its_answer_is_dropped():
    response = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-5-mini-2025-08-07",
        "service_tier": "default",
        "choices": [{"message": {"content": "an answer that must not be kept"}}],
        "usage": CHAT,
    }
    made = one(provider="openai", response=response)
    assert (made.model, made.service_tier, made.status) == ("gpt-5-mini-2025-08-07", "default", "success")
    assert made.cost_usd == Decimal("0.0006695")
    assert "must not be kept" not in str(made)


def test_what_the_event_says_wins_over_the_response():
    made = one(model="mine", status="failure", response={"model": "gpt-5-mini", "usage": CHAT})
    assert (made.model, made.status) == ("mine", "failure")


@pytest.mark.parametrize("said", [{"status": "failed"}, {"error": {"code": "server_error"}}])
def test_a_response_that_failed_is_a_failure_with_its_usage(said):
    made = one(response={"usage": RESPONSES} | said)
    assert (made.status, made.input_tokens) == ("failure", 2006)


def test_a_priority_tier_has_its_own_price_and_an_unknown_one_has_none():
    given = {"provider": "openai", "model": "gpt-5-mini", "usage": CHAT}
    assert one(**given, service_tier="priority").cost_usd > Decimal("0.0006695")
    assert one(**given, service_tier="turbo").pricing == "unpriced"


def test_a_usage_of_embeddings_has_no_output():
    made = one(model="text-embedding-3-small", usage={"prompt_tokens": 10, "total_tokens": 10})
    assert (made.input_tokens, made.output_tokens) == (10, None)


@pytest.mark.parametrize(
    ("usage", "said"),
    [
        (CHAT | {"prompt_tokens_details": {"cached_tokens": 2007}}, "parts of input_tokens add up to 2007"),
        (CHAT | {"completion_tokens_details": {"reasoning_tokens": 301}}, "parts of output_tokens add up to 301"),
        (CHAT | {"total_tokens": 2305}, "parts of total_tokens add up to 2306, more than its 2305"),
        (CHAT | {"prompt_tokens": "2006"}, "Expected `int | null`, got `str`"),
        ({"tokens": 5}, "usage has the shape of neither OpenAI's nor Anthropic's"),
    ],
)
def test_a_usage_that_contradicts_itself_is_refused_with_the_reason(usage, said):
    assert said in reason(usage=usage)


def test_a_count_given_twice_is_refused():
    assert reason(usage=CHAT, input_tokens=5) == "input_tokens is given beside usage; give one of them"


def test_no_usage_is_unmetered():
    made = one(usage=None, error_type="timeout")
    assert (made.pricing, made.status) == ("unmetered", "failure")


@pytest.mark.parametrize("response", ["text", None, 5, [1], {"choices": []}, {"usage": None}, {"usage": "x"}])
def test_a_response_without_usage_is_content_and_dropped(response):
    made = one(input_tokens=5, response=response)
    assert (made.input_tokens, made.status) == (5, "unknown")


def test_tokens_that_no_part_names_leave_the_output_unknown_not_cheaper():
    thought = CHAT | {"total_tokens": 9000}  # as servers that speak this format leave thinking out of the completion
    made = one(provider="google", model="gemini-2.5-pro", usage=thought)
    assert (made.input_tokens, made.output_tokens, made.cost_usd, made.pricing) == (2006, None, None, "unpriced")
    assert one(model="m", usage={"prompt_tokens": 10, "total_tokens": 10}).input_tokens == 10
