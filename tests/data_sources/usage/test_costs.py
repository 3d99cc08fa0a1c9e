from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_sources.result import Ready
from data_sources.usage import sql
from data_sources.usage.costs import CostPart, basis_of, words
from data_sources.usage.embedded import EmbeddedUsage
from data_sources.usage.price_table import TABLE_VERSION
from data_sources.usage.pricing import BUNDLED
from data_sources.usage.types import UsageQuery
from data_sources.usage.unpriced import reasons
from tests.data_sources.usage.ingest_rows import NOON_US, attempts, differences, event, writing

NOW = datetime.fromtimestamp(NOON_US / 1e6, UTC) + timedelta(days=1)
WEEK = UsageQuery(range="7d")
CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "call": st.integers(0, 6),
            "status": st.sampled_from(["success", "failure"]),
            "provider": st.sampled_from(["openai", "ollama"]),
            "model": st.sampled_from(["gpt-5-mini", "our-7b"]),
            "input_tokens": st.sampled_from([None, 10**6]),
            "output_tokens": st.just(0),
            "cost_reported_usd": st.sampled_from([None, "0.25", "0.3"]),
            "user_id": st.sampled_from(["ann", None]),
        }
    ),
    min_size=1,
    max_size=25,
)


def value(result):
    assert isinstance(result, Ready)
    return result.value


@settings(max_examples=30)
@given(CALLS, st.sampled_from([WEEK, replace(WEEK, user=("ann",)), replace(WEEK, provider=("openai",))]), st.randoms())
def test_the_origins_of_a_cost_add_up_to_it_and_disputes_are_counted(calls, query, order):
    events = [
        event(
            number, call_id=f"c{call.pop('call')}", **{name: given for name, given in call.items() if given is not None}
        )
        for number, call in enumerate(map(dict, calls))
    ]
    order.shuffle(events)
    with TemporaryDirectory() as folder, writing(Path(folder)) as (store, writer):
        for part in (events[:7], events[7:], events[:3]):
            if part:
                writer.submit(attempts(*part), batch_id=str(len(part)))
        assert differences(store) == []
        usage = EmbeddedUsage(store, now=lambda: NOW)
        found = value(usage.summary(query))
        basis = found.basis
        if basis is None:
            assert found.figures.total_calls is None  # the window has nothing, and nobody listened
            return
        assert basis.cost == (found.figures.total_cost or 0)
        assert sum(part.calls for part in basis.parts) == found.figures.priced_calls
        inside = [
            one
            for one in events
            if (not query.user or one.get("user_id") == "ann") and (not query.provider or one["provider"] == "openai")
        ]
        disputed = [
            one
            for one in inside
            if one.get("cost_reported_usd") == "0.3"
            and (one["provider"], one["model"]) == ("openai", "gpt-5-mini")
            and "input_tokens" in one
        ]
        assert basis.disputed_attempts == len(disputed)
        listed = value(usage.recent(replace(query, pricing=("disputed",)), limit=500))
        assert basis.disputed_calls == (listed.total_calls or 0)
        assert value(usage.breakdown(query, "model")).basis == value(usage.timeseries(query)).basis == basis


def test_each_origin_is_told_with_the_version_of_its_prices():
    rows = [
        ("reported", 2, 1, Decimal("6")),
        (None, 9, 9, Decimal(0)),
        ("disputed", 1, 1, Decimal("2")),
        ("genai-prices 0.2.3", 1, 0, Decimal("1")),
        ("prices.toml 0123456789ab", 1, 1, Decimal("1")),
    ]
    basis = basis_of(rows)
    assert basis.parts == (
        CostPart("reported", None, 3, 2, Decimal(8)),
        CostPart("computed", "genai-prices 0.2.3", 1, 0, Decimal(1)),
        CostPart("operator", "prices.toml 0123456789ab", 1, 1, Decimal(1)),
    )
    assert (basis.disputed_calls, basis.disputed_attempts) == (1, 1)
    assert basis.price_versions == ("genai-prices 0.2.3", "prices.toml 0123456789ab")
    assert list(words(basis)) == [
        "Cost: 80 % as reported by the senders, 10 % by genai-prices 0.2.3, 10 % by your prices.toml 0123456789ab",
        "1 call disputed: the reported cost and the price differ by more than 0.5 %",
    ]


def test_a_free_cost_is_told_by_attempts_and_none_by_nothing():
    assert list(words(basis_of([("reported", 3, 3, Decimal(0)), ("v1", 1, 1, Decimal(0))]))) == [
        "Cost: 75 % as reported by the senders, 25 % by v1"
    ]
    assert list(words(basis_of([(None, 3, 3, Decimal(0))]))) == []


def test_a_cost_says_in_its_notes_whose_it_is(tmp_path):
    with writing(tmp_path) as (store, writer):
        priced = {"provider": "openai", "model": "gpt-5-mini", "input_tokens": 10**6, "output_tokens": 0}
        writer.submit(attempts(event(1, **priced), event(2, **priced, cost_reported_usd="0.3")), batch_id="b")
        told = EmbeddedUsage(store, now=lambda: NOW).summary(WEEK).provenance
    assert f"Cost: 54.5 % as reported by the senders, 45.5 % by {TABLE_VERSION}" in told.notes
    assert any(note.startswith("1 call disputed") for note in told.notes)


@pytest.mark.parametrize("pricing", [("priced",), ("priced", "disputed"), ("disputed",)])
def test_a_disputed_call_is_a_priced_one(tmp_path, pricing):
    with writing(tmp_path) as (store, writer):
        usage = {"provider": "openai", "model": "gpt-5-mini", "input_tokens": 10**6, "output_tokens": 0}
        writer.submit(attempts(event(1, **usage, cost_reported_usd="0.3"), event(2, model="our-7b")), batch_id="b")
        found = value(EmbeddedUsage(store, now=lambda: NOW).summary(replace(WEEK, pricing=pricing)))
    assert found.figures.total_calls == 1
    assert found.figures.priced_calls == 1


def unpriced_of(store, query=WEEK, **given):
    return value(EmbeddedUsage(store, now=lambda: NOW).unpriced(query, **given))


def test_models_without_a_price_are_told_with_calls_tokens_and_why(tmp_path):
    usage = {"input_tokens": 1000, "output_tokens": 10, "cache_read_tokens": 5}
    made = [
        event(1, provider="openai", model="gpt-99", call_id="c", status="failure", **usage),
        event(2, provider="openai", model="gpt-99", call_id="c", status="success", **usage),
        event(3, provider="openai", model="gpt-99", **usage),
        event(4, provider="openai", model="gpt-99", cost_reported_usd="1", **usage),
        event(5, provider="openai", model="gpt-99", status="failure"),
        event(6, provider="openai", model="gpt-5-mini", service_tier="turbo", **usage),
        event(7, provider="openai", model="gpt-5-mini", **usage),
        event(8, model=None, input_tokens=7),
        event(9, provider="openai", model="gpt-5-mini", output_tokens=5),
        event(10, provider="openai", model="gpt-5-mini", service_tier="turbo", **usage),
    ]
    with writing(tmp_path) as (store, writer):
        writer.submit(attempts(*made), batch_id="b")
        found = unpriced_of(store)
        assert [(m.provider, m.model, m.calls, m.attempts, m.tokens.input, m.tokens.output) for m in found.models] == [
            ("openai", "gpt-5-mini", 3, 3, 2000, 25),
            ("openai", "gpt-99", 2, 3, 3000, 30),
            (None, None, 1, 1, 7, None),
        ]
        assert [model.why for model in found.models] == [
            "The price table has no price for service tier turbo of this model. "
            "The number of input tokens was not reported.",
            "No price table lists this model of this provider.",
            "The events name no model.",
        ]
        whole = value(EmbeddedUsage(store, now=lambda: NOW).summary(WEEK)).figures
        assert (found.calls, found.attempts) == (whole.unpriced_calls, whole.unpriced_attempts) == (6, 7)
        assert (found.total.calls, found.total_models) == (whole.total_calls, 3)
        assert len(unpriced_of(store, limit=1).models) == 1
        for model in found.models:
            calls = replace(WEEK, provider=(model.provider,), model=(model.model,), pricing=("unpriced",))
            assert value(EmbeddedUsage(store, now=lambda: NOW).recent(calls)).total_calls == model.calls


@settings(max_examples=15)
@given(CALLS, st.randoms())
def test_what_is_unpriced_adds_up_to_the_cards(calls, order):
    events = [
        event(n, call_id=f"c{call.pop('call')}", **{name: given for name, given in call.items() if given is not None})
        for n, call in enumerate(map(dict, calls))
    ]
    order.shuffle(events)
    with TemporaryDirectory() as folder, writing(Path(folder)) as (store, writer):
        writer.submit(attempts(*events), batch_id="b")
        found = unpriced_of(store)
        whole = value(EmbeddedUsage(store, now=lambda: NOW).summary(WEEK)).figures
        assert (found.calls, found.attempts) == (whole.unpriced_calls, whole.unpriced_attempts)
        wanted = [
            one["input_tokens"]
            for one in events
            if "input_tokens" in one and "cost_reported_usd" not in one and one["model"] == "our-7b"
        ]
        ours = [model.tokens.input or 0 for model in found.models if model.model == "our-7b"]
        assert sum(ours) == sum(wanted)


def test_a_window_of_very_many_groups_tells_the_same(tmp_path, monkeypatch):
    events = [
        event(n, model=f"m{n % 7}", provider=f"p{n % 3}", power_level=("eco", None)[n % 2], input_tokens=n)
        | ({"cost_reported_usd": n} if n % 4 else {})
        for n in range(40)
    ]
    with writing(tmp_path) as (store, writer):
        writer.submit(attempts(*events), batch_id="b")

        def told():
            source = EmbeddedUsage(store, now=lambda: NOW)
            by = [value(source.breakdown(WEEK, name, limit=3)) for name in ("provider", "model", "power_level")]
            return value(source.summary(WEEK)), value(source.unpriced(WEEK)), by

        shared = told()
        monkeypatch.setattr("data_sources.usage.ask._MOST_SHARED", 5)
        assert told() == shared
        assert shared[0].figures.total_cost == sum(Decimal(n) for n in range(40) if n % 4)


def test_reasons_of_the_newest_calls_alone_say_so():
    given = {"started_at_us": NOON_US, "status": "success", "input_tokens": 1, "output_tokens": 1}
    kind = tuple(given.get(name) for name in sql.KIND)
    for looked_up, expected, others in (
        (sql.NEWEST_UNPRICED - 1, "No price table lists", "no longer kept"),
        (sql.NEWEST_UNPRICED, "Of its newest calls: No price table lists", "older than the newest 1,000"),
    ):
        told = reasons([("openai", "m", looked_up, kind, kind)], BUNDLED)
        assert told.words["openai", "m"].startswith(expected)
        assert others in told.otherwise
        assert told.lines["openai", "m"].startswith('[[price]]\nprovider = "openai"\nmodel = "m"\ninput =')
