"""What a remote usage API does wrong, and what is shown meanwhile."""

from __future__ import annotations

import pytest

from cli import THREADS
from data_sources.doorway import Doorway
from data_sources.result import Kind, Ready
from data_sources.usage.remote import AT_ONCE, EXPORTS_AT_ONCE, WAITING, RemoteUsage
from data_sources.usage.types import FAILED, Sums
from tests.data_sources.usage.remote.steps import NOW, ROOT, ROW, WEEK, WINDOW, change, export_body, problem, ready
from tests.fakes.usage_api import KEY

# ---- faults


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("slow", Kind.TIMEOUT, "did not answer within 0.3 s"),
        ("drops", Kind.TIMEOUT, "did not send its whole answer in time"),
        ("500", Kind.UPSTREAM, "answered with an error"),
        ("502", Kind.UPSTREAM, "answered with an error"),
        ("401", Kind.UPSTREAM, "refused our key"),
        ("html", Kind.UPSTREAM, "something that is not JSON"),
        ("half", Kind.UPSTREAM, "broke off its answer"),
        ("closed", Kind.UPSTREAM, "cannot be reached"),
        ("empty", Kind.UPSTREAM, "answered nothing"),
    ],
)
@pytest.mark.parametrize(("name", "more"), [("summary", ()), ("breakdown", ("provider",))])
def test_a_fault_is_a_failure_with_its_cause_and_never_a_figure(usage, api, fault, kind, words, name, more):
    api.fail(fault)
    usage._timeout_s = (2.0, 0.3)
    found = problem(getattr(usage, name)(WEEK, *more))
    assert (found.kind, found.title) == (kind, FAILED)
    assert words in found.detail


BROKEN = {
    "truncated": ((200, b'{"total_calls": 12', {}), "something that is not JSON"),
    "a list": ((200, [], {}), "answered a list where an object belongs"),
    "text": ((200, "hello", {}), "answered text where an object belongs"),
    "redirect": ((302, {}, {"Location": "http://127.0.0.1:9/summary"}), "sent us elsewhere"),
    "no content": ((200, b"", {}), "answered nothing"),
    "not a number": ((200, b'{"total_cost": NaN}', {}), "sent total_cost as NaN where an amount belongs"),
    "endless": ((200, b'{"total_cost": 1e999999}', {}), "where an amount belongs"),
    "deep": ((200, b"[" * 100_000, {}), "something that is not JSON"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_answer_that_is_none_is_a_failure(usage, api, name):
    api.bodies[f"{ROOT}/summary"], words = BROKEN[name]
    found = problem(usage.summary(WEEK))
    assert found.kind is Kind.UPSTREAM
    assert words in found.detail


def test_nobody_there_is_a_failure(api, usage):
    api.close()
    assert problem(usage.summary(WEEK)).code == "connection"


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"total_calls": "1200"}, "total_calls as '1200' where a whole number belongs"),
        ({"total_calls": 12.5}, "total_calls as 12.5 where"),
        ({"total_calls": 1e30}, "total_calls as 1E+30 where"),
        ({"total_calls": True}, "total_calls as true where"),
        ({"total_calls": -1}, "total_calls as -1"),
        ({"total_calls": 2**63}, "total_calls"),
        ({"total_cost": "a lot"}, "total_cost as 'a lot' where an amount belongs"),
        ({"total_cost": "1e5"}, "total_cost"),
        ({"total_cost": False}, "total_cost"),
        ({"total_cost": -5}, "total_cost as -5 where an amount of 0 or more belongs"),
        ({"avg_cost_per_call": "-0.01"}, "avg_cost_per_call"),
        ({"error_rate": -0.1}, "error_rate as -0.1 where"),
        ({"tokens": {"input": -3}}, "tokens.input as -3"),
        ({"error_rate": "0.1"}, "error_rate as '0.1' where a number belongs"),
        ({"error_rate": 7.5}, "error_rate as 7.5 where a number up to 1 belongs"),
        ({"tokens": -1}, "tokens as -1 where a whole number belongs"),
        ({"previous": {"currency": "EUR"}}, "previous.currency as 'EUR' where USD belongs"),
        (
            {"coverage": {"window_seconds": 10, "collected_seconds": 1e30, "gaps": []}},
            "coverage.collected_seconds as 1E+30 where no more than window_seconds belongs",
        ),
        ({"growth": []}, "growth as a list where an object belongs"),
        ({"growth": {"calls": "up"}}, "growth.calls as 'up'"),
        ({"tokens": "many"}, "tokens as 'many'"),
        ({"tokens": {"input": []}}, "tokens.input as a list"),
        ({"latency_ms": {"p95": {}}}, "latency_ms.p95 as an object"),
        ({"data_as_of": "yesterday"}, "data_as_of"),
        ({"data_as_of": "2026-11-22T14:00:00"}, "data_as_of"),
        ({"reasons": {"total_calls": 3}}, "reasons.total_calls"),
        ({"previous": {"total_calls": "x"}}, "previous.total_calls"),
        ({"currency": "EUR"}, "currency as 'EUR' where USD belongs"),
        ({"window": {**WINDOW, "tz": "Mars/Olympus"}}, "window.tz"),
        ({"window": {**WINDOW, "end": "2026-11-01T00:00:00Z"}}, "window.end"),
        ({"filters": {"model": "gpt"}}, "filters.model"),
        ({"coverage": {"window_seconds": 1, "collected_seconds": 1, "gaps": [3]}}, "coverage.gaps[0]"),
    ],
)
def test_a_wrong_type_is_a_failure_that_names_the_field(usage, api, sent, field):
    change(api, "summary", **sent)
    found = problem(usage.summary(WEEK))
    assert (found.kind, found.code) == (Kind.UPSTREAM, "unreadable")
    assert field in found.detail


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({}, "did not send providers."),
        ({"providers": None}, "sent providers as nothing where a list belongs"),
        ({"providers": ["openai"]}, "providers[0] as text where an object belongs"),
        ({"providers": [{"calls": 3}]}, "did not send providers[0].name."),
        ({"providers": [{"name": 3}]}, "providers[0].name as 3 where text belongs"),
        ({"providers": [{"name": "a"}, {"name": "b", "cost": {}}]}, "providers[1].cost as an object"),
        ({"providers": [], "other": {"calls": 1.5}}, "other.calls"),
        ({"providers": [{"name": "a", "cost": -0.5}]}, "providers[0].cost"),
        ({"providers": [{"name": "a"}, {"name": "b"}, {"name": "a"}]}, "providers[2].name as"),
        ({"providers": [{"name": "a", "percentage": -1}]}, "providers[0].percentage"),
        ({"providers": [{"name": "a", "percentage": 250}]}, "providers[0].percentage as 250 where a number up to 100"),
    ],
)
def test_a_wrong_group_is_named(usage, api, sent, field):
    api.bodies[f"{ROOT}/by-provider"] = sent
    assert field in problem(usage.breakdown(WEEK, "provider")).detail


BUCKET = {"start": "2026-11-22T00:00:00Z", "end": "2026-11-23T00:00:00Z", "state": "forming", "calls": 3}
TWICE = [{"name": "a", "calls": 1}, {"name": "a", "calls": 2}]


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({}, "did not send buckets."),
        ({"buckets": [{**BUCKET, "state": "fine"}]}, "buckets[0].state"),
        ({"buckets": [{"start": BUCKET["start"], "end": BUCKET["end"]}]}, "did not send buckets[0].state."),
        ({"buckets": [{**BUCKET, "end": BUCKET["start"]}]}, "buckets[0].end"),
        ({"buckets": [BUCKET, BUCKET]}, "buckets[1] before"),
        ({"buckets": [{**BUCKET, "cost": "-1"}]}, "buckets[0].cost"),
        ({"buckets": [BUCKET], "granularity": "hour"}, "granularity"),
        ({"buckets": [BUCKET], "group_by": "model"}, "group_by"),
        ({"buckets": [BUCKET], "group_by": "provider"}, "did not send series."),
        ({"buckets": [{**BUCKET, "groups": TWICE}], "series": TWICE[1:]}, "buckets[0].groups[1].name as"),
        ({"buckets": [BUCKET], "series": TWICE}, "series[1].name as"),
    ],
)
def test_a_wrong_series_is_named(usage, api, sent, field):
    api.bodies[f"{ROOT}/timeseries"] = sent
    asked = "provider" if "series" in field or "groups" in field else None
    assert field in problem(usage.timeseries(WEEK, granularity="day", group_by=asked)).detail


def test_a_bare_series_leaves_unknown_what_it_does_not_tell(usage, api):
    api.bodies[f"{ROOT}/timeseries"] = {"buckets": [BUCKET]}
    found = ready(usage.timeseries(WEEK, granularity="day"))
    (bucket,) = found.buckets
    assert (bucket.sums.calls, bucket.sums.cost, bucket.collected_s) == (3, None, None)
    assert not isinstance(bucket.sums, Sums)
    assert found.total.calls is None


def test_calls_without_the_one_that_decided_are_named(usage, api):
    row = {"call_id": "c", "started_at": BUCKET["start"], "source": "s", "decided_by": "e", "attempts": []}
    api.bodies[f"{ROOT}/recent"] = {"requests": [row]}
    assert "requests[0].decided_by" in problem(usage.recent(WEEK)).detail


def test_a_refused_question_keeps_the_sentence_of_our_own_kind_only(usage, api):
    api.bodies[f"{ROOT}/summary"] = (400, {"type": "bad-query", "detail": "tz: use another."})
    found = problem(usage.summary(WEEK))
    assert (found.kind, found.detail) == (Kind.BAD_QUERY, "tz: use another.")
    kept = {"type": "bad-query", "title": "Not kept for so long", "detail": "Since May.", "code": "expired"}
    for name, ask in (("summary", usage.summary), ("export", usage.export)):
        api.bodies[f"{ROOT}/{name}"] = (400, kept)
        found = problem(ask(WEEK))
        assert (found.kind, found.title, found.detail, found.code) == (Kind.BAD_QUERY, *list(kept.values())[1:])
    api.bodies[f"{ROOT}/summary"] = (422, {"detail": "Traceback (most recent call last)"})
    assert problem(usage.summary(WEEK)).detail == "The usage API does not take this question."


def test_a_reason_without_end_is_cut(usage, api):
    change(api, "summary", total_calls=None, reasons={"total_calls": "x" * 5000})
    assert len(ready(usage.summary(WEEK)).figures.reasons["total_calls"]) == 300


def test_a_get_is_tried_again(api):
    source = RemoteUsage(api.url, KEY, now=lambda: NOW)
    api.fail("502", times=1)
    assert ready(source.summary(WEEK)).figures.total_calls == 1200
    assert len(api.requests("GET", f"{ROOT}/summary")) == 2
    source.close()


# ---- old answers


def test_the_last_good_answer_is_shown_as_stale_for_a_while(usage, api, clock):
    good = usage.summary(WEEK)
    api.fail("500")
    clock.now_s = 899
    found = usage.summary(WEEK)
    assert (found.value, found.provenance) == (good.value, good.provenance)
    assert found.stale.code == "HTTP 500"
    assert problem(usage.breakdown(WEEK, "provider")).code == "HTTP 500"
    clock.now_s = 901
    assert problem(usage.summary(WEEK)).code == "HTTP 500"
    api.heal()
    assert ready(usage.summary(WEEK)).figures.total_calls == 1200


def test_who_may_no_longer_read_sees_no_old_answer(usage, api):
    ready(usage.summary(WEEK))
    api.fail("401")
    assert problem(usage.summary(WEEK)).code == "HTTP 401"


def test_whoever_finds_too_many_waiting_sees_the_last_answer_or_is_told_so(usage, api):
    assert AT_ONCE + WAITING + EXPORTS_AT_ONCE <= THREADS * 3 / 4  # who waits is gone after two seconds
    ready(usage.summary(WEEK))
    usage._doorway = Doorway("Many wait.", at_once=0, waiting=0, patience_s=0)
    asked = len(api.asked)
    assert usage.summary(WEEK).stale.code == "busy"
    found = problem(usage.breakdown(WEEK, "provider"))
    assert (found.kind, found.detail, found.retry_after_s) == (Kind.BUSY, "Many wait.", 5)
    assert problem(usage.version()).kind is Kind.BUSY
    assert len(api.asked) == asked
    assert isinstance(usage.seen, Ready), "that many ask says nothing of the API"


def test_only_a_few_exports_are_under_way_and_each_gives_its_place_back(usage, api):
    api.bodies[f"{ROOT}/export"] = export_body([ROW])
    under_way = [ready(usage.export(WEEK)) for _ in range(EXPORTS_AT_ONCE)]
    assert problem(usage.export(WEEK)).kind is Kind.BUSY
    assert isinstance(usage.breakdown(WEEK, "provider"), Ready)
    under_way[0].rows.close()
    assert len(list(ready(usage.export(WEEK)).rows)) == 1
    api.bodies[f"{ROOT}/export"] = export_body([], columns=False)
    for _ in range(2):
        assert problem(usage.export(WEEK)).kind is Kind.UPSTREAM
    api.bodies[f"{ROOT}/export"] = export_body([ROW])
    assert isinstance(usage.export(WEEK), Ready)


def test_how_the_source_is_can_be_told_without_asking(usage, api):
    assert usage.seen is None
    good = usage.summary(WEEK)
    usage.breakdown(WEEK, "model")
    assert usage.seen is good
    api.fail("500")
    usage.breakdown(WEEK, "provider")
    assert problem(usage.seen).code == "HTTP 500"
    assert len(api.asked) == 3
