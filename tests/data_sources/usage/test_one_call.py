"""The drawer's question: everything that is kept of one call, and nobody else's."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

import pytest

from data_sources.result import Failed, Kind, Ready
from data_sources.usage import schema
from data_sources.usage.embedded import EmbeddedUsage
from data_sources.usage.one_call import FACTS, MOST_ATTEMPTS
from data_sources.usage.query import BadQueryError, call_parameters, parse_call
from data_sources.usage.remote import RemoteUsage
from data_sources.usage.types import CallKey
from tests.fakes.usage_api import KEY, LiveUsageApi, OriginalUsageApi
from tests.fakes.usage_rows import at, attempt, fill, make_store

NOW = at("2026-11-22T14:02:10")
START = at("2026-11-22T10:00:00.123456")
BOTH = pytest.mark.parametrize("source", ["embedded", "remote"], indirect=True)


def rows():
    common = {"call_id": "fallback", "organization_id": "acme"}
    return [
        attempt(1, START, counts_call=0, status="failure", http_status=429, provider="azure", **common),
        attempt(
            2,
            START + timedelta(seconds=2),
            **common,
            cost_usd="1.5",
            cost_reported_usd=Decimal("1.5"),
            cost_computed_usd=Decimal("1.500000000001"),
            input_tokens=70,
            cache_read_tokens=7,
            tags=["a", "b;c"],
            stream=True,
            byok=False,
            call_duration_ms=2900,
        ),
        attempt(3, START - timedelta(days=5), call_id="fallback", organization_id="other"),
        attempt(4, START - timedelta(days=1), call_id="fallback", source="litellm"),
        attempt(5, START, call_id="a/b?c=d&e"),
    ]


@pytest.fixture
def store(tmp_path):
    made = make_store(tmp_path)
    fill(made, rows())
    yield made
    made.close()


@pytest.fixture
def source(request, store):
    if request.param == "embedded":
        yield EmbeddedUsage(store, now=lambda: NOW)
        return
    live = LiveUsageApi(store, lambda: NOW)
    remote = RemoteUsage(live.url, KEY, now=lambda: NOW)
    yield remote
    remote.close()
    live.close()


def ready(result):
    assert isinstance(result, Ready), result
    return result.value


def test_every_column_of_the_store_is_a_fact_of_the_call():
    columns = set(re.findall(r"^    (\w+) ", schema.ATTEMPTS, re.MULTILINE))
    assert {name.removesuffix("_us") for name in columns} == set(FACTS)


@BOTH
def test_a_call_is_told_with_all_its_attempts_and_every_stored_field(source):
    found = ready(source.call(CallKey("fallback")))
    assert [facts["event_id"] for facts in found.facts] == ["e000001", "e000002"]
    assert (found.request.latency_ms, found.request.cost, len(found.request.attempts)) == (2900, Decimal("1.5"), 2)
    failed, decided = found.facts
    assert (failed["http_status"], failed["counts_call"], failed["cost_usd"]) == (429, 0, None)
    assert decided["cost_computed_usd"] == Decimal("1.500000000001")
    assert (decided["tags"], decided["stream"], decided["byok"]) == (("a", "b;c"), True, False)
    assert decided["started_at"] == START + timedelta(seconds=2)
    assert decided["received_at"] is not None
    assert set(decided) == set(FACTS)


@BOTH
def test_an_id_that_was_used_again_names_the_other_calls(source):
    newest = ready(source.call(CallKey("fallback")))
    assert [(key.source, key.at) for key in newest.others] == [
        ("litellm", START - timedelta(days=1)),
        ("test", START - timedelta(days=5)),
    ]
    older = ready(source.call(newest.others[1]))
    assert [facts["event_id"] for facts in older.facts] == ["e000003"]
    assert ready(source.call(newest.others[0])).request.decided_by.source == "litellm"
    by_first_attempt = ready(source.call(CallKey("fallback", "test", START)))
    assert len(by_first_attempt.facts) == 2


@BOTH
def test_a_reader_of_one_organization_finds_only_its_calls(source):
    found = ready(source.call(CallKey("fallback"), organization_id="acme"))
    assert (len(found.facts), found.others) == (2, ())
    refused = source.call(CallKey("fallback"), organization_id="nobody")
    assert isinstance(refused, Failed)
    assert (refused.problem.kind, refused.problem.code) == (Kind.NOT_FOUND, "no-such-call")


@BOTH
def test_an_id_may_hold_any_character(source):
    assert ready(source.call(CallKey("a/b?c=d&e"))).request.call_id == "a/b?c=d&e"


def test_an_id_that_a_sender_gives_to_everything_does_not_fill_the_memory(store):
    many = [attempt(n, START + timedelta(seconds=n), call_id="x", counts_call=int(n == 2999)) for n in range(100, 3000)]
    fill(store, many)
    found = ready(EmbeddedUsage(store, now=lambda: NOW).call(CallKey("x")))
    assert len(found.facts) == MOST_ATTEMPTS


def test_a_usage_api_without_single_calls_is_said_not_to_offer_them():
    api = OriginalUsageApi()
    remote = RemoteUsage(api.url, KEY)
    found = remote.call(CallKey("c1"))
    remote.close()
    api.close()
    assert isinstance(found, Failed)
    assert found.problem.detail == "This usage API does not offer single calls by their id."


@pytest.mark.parametrize("key", [CallKey("c"), CallKey("ü &+", "litellm", START), CallKey("c", at=NOW)])
def test_the_address_of_a_call_reads_back_to_the_same_call(key):
    assert parse_call({name: [value] for name, value in call_parameters(key)}) == key


@pytest.mark.parametrize(
    "given", [{}, {"call": [""]}, {"call": ["a", "b"]}, {"call": ["a"], "call_at": ["then"]}, {"call": ["a" * 600]}]
)
def test_an_address_that_names_no_call_is_refused(given):
    with pytest.raises(BadQueryError):
        parse_call(given)
