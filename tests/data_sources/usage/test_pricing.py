from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from data_sources.usage.attempt import Attempt, money
from data_sources.usage.price_table import TABLE_VERSION
from data_sources.usage.pricing import BUNDLED, cost_source
from tests.data_sources.usage.ingest_rows import NOON_US

NOON = datetime.fromtimestamp(NOON_US // 10**6, UTC)


def cost(model, provider=None, at_us=NOON_US, **usage):
    attempt = Attempt(
        event_id="a", call_id="a", source="s", started_at_us=at_us, provider=provider, model=model, **usage
    )
    return BUNDLED.computed(attempt)[0]


def test_the_reference_calls_cost_what_their_providers_charge():
    assert cost("gpt-5-mini", "openai", input_tokens=2006, cache_read_tokens=1920, output_tokens=300) == Decimal(
        "0.0006695"
    )
    assert cost(
        "claude-sonnet-4-5",
        "anthropic",
        input_tokens=11550,
        cache_read_tokens=10000,
        cache_write_tokens=1500,
        cache_write_1h_tokens=500,
        output_tokens=400,
        web_searches=2,
    ) == Decimal("0.0359")


@pytest.mark.parametrize("model", ["our-own-finetune-7b", "gpt-99", "gpt-4o-mini-mock"])
def test_an_unknown_model_has_no_price(model):
    assert cost(model, "openai", input_tokens=1000, output_tokens=10) is None


def test_an_unknown_provider_has_no_price():
    assert cost("gpt-4o", "our-own-gateway", input_tokens=1000, output_tokens=10) is None


def test_beyond_a_tier_every_token_costs_the_tiers_price():
    assert cost("gemini-2.5-pro", "google", input_tokens=200_000, output_tokens=1000) == Decimal("0.260")
    assert cost("gemini-2.5-pro", "google", input_tokens=200_001, output_tokens=1000) == Decimal("0.5150025")


def test_a_price_is_that_of_its_day():
    day = {"before": datetime(2025, 6, 1, tzinfo=UTC), "after": datetime(2025, 6, 20, tzinfo=UTC)}
    micros = {name: int(at.timestamp()) * 10**6 for name, at in day.items()}
    assert cost("o3", "openai", at_us=micros["before"], input_tokens=10**6, output_tokens=0) == 10
    assert cost("o3", "openai", at_us=micros["after"], input_tokens=10**6, output_tokens=0) == 2


def test_a_tier_without_a_price_is_unpriced_not_full_price():
    usage = {"input_tokens": 10**6, "output_tokens": 0}
    full = cost("gpt-5-mini", "openai", **usage)
    assert cost("gpt-5-mini", "openai", service_tier="default", **usage) == full
    assert cost("gpt-5-mini", "openai", service_tier="priority", **usage) == Decimal("0.45")
    assert cost("gpt-5-mini", "openai", processing="batch", **usage) == full / 2
    # who calls a batch a service tier, as Anthropic does, has the price of a batch
    assert cost("gpt-5-mini", "openai", service_tier="batch", **usage) == full / 2
    assert cost("gpt-5-mini", "openai", service_tier="Batch", processing="batch", **usage) == full / 2
    assert cost("gpt-5-mini", "openai", service_tier="prioritty", **usage) is None
    # no price of the table is for both at once
    assert cost("gpt-5-mini", "openai", service_tier="priority", processing="batch", **usage) is None
    assert cost("claude-opus-4-6", "anthropic", service_tier="fast", processing="batch", **usage) is None


def test_tokens_without_a_price_in_a_tier_are_unpriced_not_full_price():
    usage = {"input_tokens": 10**6, "output_tokens": 1000}
    assert cost("o3-mini", "openai", processing="batch", **usage) == Decimal("0.5522")
    assert cost("o3-mini", "openai", cache_read_tokens=10**5, **usage) is not None
    assert cost("o3-mini", "openai", processing="batch", cache_read_tokens=10**5, **usage) is None
    assert cost("gpt-3.5-turbo-1106", "openai", processing="batch", **usage) is None


@pytest.mark.parametrize(
    ("provider", "model", "listed", "others"),
    [
        ("anthropic", "claude-opus-4-6", ("global", "not_available", "us-east-1"), ("us", " US ")),
        ("anthropic", "claude-sonnet-4-5", ("us",), ()),  # from before there was a choice
        ("openai", "gpt-5.4", ("global", "eu-west-1"), ("eu", "us")),
        ("openai", "gpt-5-mini", ("eu",), ()),
        ("vertex_ai", "claude-opus-4-6", ("global",), ("us-east5", "eu")),
        ("vertex_ai", "gemini-2.5-pro", ("europe-west1",), ()),
        ("azure", "gpt-4o", ("swedencentral",), ("eu",)),
        ("bedrock", "anthropic.claude-opus-4-6-v1", ("us-east-1", "us"), ("us-gov-west-1",)),
        ("groq", "llama-3.1-8b-instant", ("us",), ()),
    ],
)
def test_a_region_that_is_billed_otherwise_is_unpriced_and_any_other_is_not(provider, model, listed, others):
    usage = {"input_tokens": 1000, "output_tokens": 10}
    anywhere = cost(model, provider, **usage)
    assert anywhere
    assert [cost(model, provider, region=region, **usage) for region in listed] == [anywhere] * len(listed)
    assert [cost(model, provider, region=region, **usage) for region in others] == [None] * len(others)


def test_a_fast_answer_costs_its_own_price():
    usage = {"input_tokens": 10**6, "output_tokens": 0}
    models = [
        model.id
        for provider in get_snapshot().providers
        for model in provider.models
        if provider.id == "anthropic" and any(v.when == {"speed": "fast"} for v in model.price_variants or ())
    ]
    for model in models:
        assert cost(model, "anthropic", service_tier="fast", **usage) > cost(model, "anthropic", **usage)
    assert models


def test_what_has_no_price_of_its_own_is_not_priced_as_text():
    assert cost("gpt-4o", "openai", input_tokens=1000, output_tokens=10, input_audio_tokens=500) is None


def test_without_the_output_count_the_cost_is_not_known():
    assert cost("gpt-5-mini", "openai", input_tokens=1000) is None
    assert cost("gpt-5-mini", "openai") is None


def test_priced_unpriced_and_unmetered_are_told_apart():
    def kind(**fields):
        return BUNDLED.priced(Attempt(event_id="a", call_id="a", source="s", started_at_us=NOON_US, **fields)).pricing

    assert kind(provider="openai", model="gpt-5-mini", input_tokens=1, output_tokens=1) == "priced"
    assert kind(model="nobody-knows", input_tokens=0, output_tokens=0) == "unpriced"
    assert kind(model="gpt-5-mini") == "unmetered"
    assert kind(cost_reported_usd=Decimal(0)) == "priced"


_MODELS = [
    (provider.id, model.id)
    for provider in get_snapshot().providers
    if provider.id in ("openai", "anthropic", "google", "aws", "azure", "mistral", "groq", "x-ai", "deepseek", "cohere")
    for model in provider.models
]
_COUNT = st.integers(0, 400_000)


@settings(max_examples=300)
@given(st.sampled_from(_MODELS), _COUNT, _COUNT, _COUNT, _COUNT, st.integers(0, 60 * 24 * 900))
def test_our_arithmetic_gives_what_the_price_library_gives(named, uncached, read, write, output, minutes):
    provider, model = named
    at_us = NOON_US - minutes * 60 * 10**6
    usage = {
        "input_tokens": uncached + read + write,
        "cache_read_tokens": read,
        "cache_write_tokens": write,
        "output_tokens": output,
    }
    ours = cost(model, provider, at_us=at_us, **usage)
    if ours is None:
        return  # priced by something that we do not count; never a wrong price
    at = datetime.fromtimestamp(at_us // 10**6, UTC)
    theirs = calc_price(Usage(**usage), model, provider_id=provider, genai_request_timestamp=at)
    assert ours == money(theirs.total_price)


def test_most_of_the_table_can_be_priced():
    known = [cost(model, provider, input_tokens=1000, output_tokens=100) is not None for provider, model in _MODELS]
    assert sum(known) / len(known) > 0.8


def test_prices_never_come_from_the_network(monkeypatch):
    import socket

    def refuse(*_given, **_named):
        raise AssertionError("a price was asked for over the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    price = calc_price(
        Usage(input_tokens=1, output_tokens=1), "gpt-4o", provider_id="openai", genai_request_timestamp=NOON
    )
    assert price.auto_update_timestamp is None
    assert cost("gpt-4.1-nano", "openai", input_tokens=1, output_tokens=1) is not None


@pytest.mark.parametrize(
    ("reported", "computed", "source"),
    [
        (None, None, None),
        (None, "1", "v1"),
        ("1", None, "reported"),
        ("1", "1.005", "reported"),
        ("1", "1.0051", "disputed"),
        ("1", "0.9949", "disputed"),
        ("0.000001", "0.000002", "reported"),
        ("0.000001", "0.000002000001", "disputed"),
        ("0", "0.5", "disputed"),
    ],
)
def test_a_reported_cost_is_disputed_where_prices_differ_by_half_a_percent(reported, computed, source):
    reported, computed = (None if text is None else Decimal(text) for text in (reported, computed))
    assert cost_source(reported, computed, "v1" if computed is not None else None) == source


def test_reported_and_computed_cost_are_both_kept():
    def known(**fields):
        named = {"event_id": "a", "call_id": "a", "source": "s", "started_at_us": NOON_US}
        usage = {"provider": "openai", "model": "gpt-5-mini", "input_tokens": 10**6, "output_tokens": 0}
        return BUNDLED.priced(Attempt(**named, **usage, **fields))

    told = known(cost_reported_usd=Decimal("0.3"))
    assert (told.cost_usd, told.cost_reported_usd, told.cost_computed_usd) == (
        Decimal("0.3"),
        Decimal("0.3"),
        Decimal("0.25"),
    )
    assert (told.cost_source, told.price_version) == ("disputed", TABLE_VERSION)
    assert known().cost_source == TABLE_VERSION
    assert known(cost_reported_usd=Decimal("0.25")).cost_source == "reported"
