from __future__ import annotations

import copy
import json
from dataclasses import fields
from datetime import timedelta
from decimal import Decimal

import pytest

from cli import THREADS
from data_sources.doorway import Doorway
from data_sources.result import Failed, Kind, Ready
from data_sources.usage.remote import AT_ONCE, EXPORTS_AT_ONCE, WAITING, RemoteUsage
from data_sources.usage.remote_export import BrokenExportError
from data_sources.usage.types import FAILED, NOT_SENT, Sums, UsageQuery, Version
from tests.fakes.usage_api import KEY, OriginalUsageApi
from tests.fakes.usage_rows import at

NOW = at("2026-11-22T14:02:10")
ROOT = "/api/v1/llm/usage"
WEEK = UsageQuery(range="7d", tz="Europe/Berlin")
WINDOW = {"start": "2026-11-15T23:00:00Z", "end": "2026-11-22T14:02:10Z", "tz": "Europe/Berlin"}


@pytest.fixture
def api():
    made = OriginalUsageApi()
    yield made
    made.close()


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def usage(api, clock):
    made = RemoteUsage(api.url, KEY, now=lambda: NOW + timedelta(seconds=clock.now_s), retries=0, clock=clock)
    yield made
    made.close()


def ready(result):
    assert isinstance(result, Ready), result
    assert result.stale is None
    return result.value


def problem(result):
    assert isinstance(result, Failed), result
    assert result.problem.detail.endswith(".")
    return result.problem


def change(api, name, **sent):
    api.bodies[f"{ROOT}/{name}"] = {**copy.deepcopy(api.bodies.get(f"{ROOT}/{name}", {})), **sent}


# ---- what an original-style backend gives


def test_an_original_style_summary_is_read_from_its_own_digits(usage):
    figures = ready(usage.summary(WEEK)).figures
    assert (figures.total_calls, figures.total_cost) == (1200, Decimal("34.56"))
    assert figures.avg_cost_per_call == Decimal("0.0288")
    growth = ready(usage.summary(WEEK)).growth
    assert (growth.calls, growth.cost, growth.avg_cost) == (12.5, -3.25, None)
    assert growth.reasons["avg_cost"] == "The usage API did not send how it changed."
    assert growth.reasons["input_tokens"] == "The usage API did not send how it changed."


def unknown(figures):
    for field in fields(figures):
        value = getattr(figures, field.name)
        if field.name == "reasons":
            continue
        name = "latency_ms" if field.name == "latency" else field.name
        if hasattr(value, "__dataclass_fields__"):
            yield from (f"{name}.{part.name}" for part in fields(value) if getattr(value, part.name) is None)
        elif value is None:
            yield name


def test_what_was_not_sent_is_unknown_with_its_reason_and_never_0(usage):
    found = ready(usage.summary(WEEK))
    assert (found.figures.failed_calls, found.figures.tokens.input, found.coverage) == (None, None, None)
    assert found.previous.total_calls is None
    for figures in (found.figures, found.previous):
        assert set(unknown(figures)) == set(figures.reasons)
        assert set(figures.reasons.values()) == {NOT_SENT}
    assert {"failed_calls", "tokens.input", "latency_ms.p95", "reports.reasoning"} <= set(found.figures.reasons)


def test_original_style_groups_are_read_with_what_they_do_not_tell_unknown(usage):
    providers = ready(usage.breakdown(WEEK, "provider"))
    assert [(group.name, group.sums.calls, group.sums.cost) for group in providers.groups] == [
        ("openai", 900, Decimal("30.06")),
        ("anthropic", 300, Decimal("4.5")),
    ]
    assert [(group.hue, group.percentage, group.cost_percentage) for group in providers.groups] == [
        (0, 75.0, None),
        (1, 25.0, None),
    ]
    first = providers.groups[0].sums
    assert (first.attempts, first.priced_calls, first.tokens.input, first.reports.input) == (None, None, None, None)
    assert (providers.total.calls, providers.total_groups, providers.other) == (None, None, None)
    levels = ready(usage.breakdown(WEEK, "power_level"))
    assert [(group.name, group.sums.cost) for group in levels.groups] == [("balanced", 20), ("eco", Decimal("14.56"))]


def test_a_value_keeps_its_colour_whatever_order_it_comes_in(usage, api):
    before = {group.name: group.hue for group in ready(usage.breakdown(WEEK, "provider")).groups}
    change(api, "by-provider", providers=[{"name": "new"}, *reversed(api.bodies[f"{ROOT}/by-provider"]["providers"])])
    after = {group.name: group.hue for group in ready(usage.breakdown(WEEK, "provider")).groups}
    assert after == before | {"new": 2}


ASKS = {
    "by-model": (lambda usage: usage.breakdown(WEEK, "model"), "usage by model"),
    "by-user": (lambda usage: usage.breakdown(WEEK, "user"), "usage by user"),
    "by-team": (lambda usage: usage.breakdown(WEEK, "team"), "usage by team"),
    "unpriced": (lambda usage: usage.unpriced(WEEK), "usage without a price"),
    "timeseries": (lambda usage: usage.timeseries(WEEK), "usage over time"),
    "recent": (lambda usage: usage.recent(WEEK), "single calls"),
    "coverage": (lambda usage: usage.coverage(WEEK), "times of collection"),
    "export": (lambda usage: usage.export(WEEK), "an export of calls"),
}


@pytest.mark.parametrize("name", ASKS)
def test_what_the_api_does_not_have_is_said_plainly(usage, api, name):
    ask, words = ASKS[name]
    found = problem(ask(usage))
    assert found.kind is Kind.NOT_FOUND
    assert found.detail == f"This usage API does not offer {words}."
    assert len(api.requests("GET", f"{ROOT}/{name}")) == 1


def test_an_api_without_even_a_summary_names_the_setting(usage, api):
    api.bodies.clear()
    assert problem(usage.summary(WEEK)).detail.endswith("Check OPS_USAGE_API_URL.")


# ---- what is asked, and whether the answer is for it


def test_window_zone_filters_and_key_are_always_sent(usage, api):
    start = at("2026-11-20T06:00:00")
    query = UsageQuery(
        range="custom", start=start, end=start + timedelta(days=1), tz="Asia/Kathmandu", model=("a&b=c", None)
    )
    usage.breakdown(query, "provider", limit=7)
    (asked,) = api.requests("GET", f"{ROOT}/by-provider")
    assert asked.query == {
        "range": ["custom"],
        "tz": ["Asia/Kathmandu"],
        "start": ["2026-11-20T11:45:00+05:45"],
        "end": ["2026-11-21T11:45:00+05:45"],
        "model": ["a&b=c", ""],
        "limit": ["7"],
    }
    assert asked.headers["Authorization"] == f"Bearer {KEY}"


def test_an_address_with_a_path_is_taken_as_it_is(api):
    api.bodies["/v2/usage/summary"] = {"total_calls": 3}
    source = RemoteUsage(api.url + "/v2/usage/", KEY, now=lambda: NOW)
    assert ready(source.summary(WEEK)).figures.total_calls == 3
    source.close()


def test_a_window_or_filter_that_is_not_echoed_is_not_confirmed(usage):
    plain, filtered = usage.summary(WEEK), usage.summary(UsageQuery(range="7d", provider=("openai",), model=(None,)))
    assert plain.provenance.notes[0].startswith("Window not confirmed: ")
    assert len([note for note in plain.provenance.notes if "not confirmed" in note]) == 1
    assert "Filters not confirmed (provider, model): this usage API did not say that it used them." in (
        filtered.provenance.notes
    )


def test_an_echo_of_the_question_confirms_it(usage, api):
    change(api, "summary", window=WINDOW, filters={"provider": ["openai", None]})
    found = usage.summary(UsageQuery(range="7d", tz="Europe/Berlin", provider=(None, "openai")))
    assert ready(found).window.start == at("2026-11-15T23:00:00")
    assert [note for note in found.provenance.notes if "confirmed" in note] == []
    assert found.provenance.window == "16 Nov 2026 00:00 to 22 Nov 2026 15:02, Europe/Berlin"


def test_an_answer_in_another_zone_says_so_and_keeps_its_own_window(usage, api):
    own = {"start": "2026-11-16T00:00:00Z", "end": "2026-11-22T14:00:00Z", "tz": "UTC"}
    change(api, "summary", window=own)
    found = usage.summary(WEEK)
    assert ready(found).window.tz == "UTC"
    assert found.provenance.notes[0] == "The usage API counts its days in UTC, not in Europe/Berlin as was asked."
    assert found.provenance.notes[1].startswith("The usage API answered for 16 Nov 2026 00:00 to 22 Nov 2026 14:00")


def test_an_answer_for_another_custom_window_is_not_shown(usage, api):
    change(api, "summary", window=WINDOW)
    start = at("2026-11-20T06:00:00")
    query = UsageQuery(range="custom", start=start, end=start + timedelta(days=1), tz="Europe/Berlin")
    assert "which was not asked" in problem(usage.summary(query)).detail


def test_an_answer_with_another_filter_is_not_shown(usage, api):
    change(api, "summary", window=WINDOW, filters={})
    query = UsageQuery(range="7d", tz="Europe/Berlin", power_level=("eco",))
    assert "another filter on power level" in problem(usage.summary(query)).detail
    change(api, "summary", filters={"team": ["red"]})
    assert "another filter on team" in problem(usage.summary(WEEK)).detail


MEMBER = UsageQuery(range="7d", tz="Europe/Berlin", organization_id="acme")


@pytest.mark.parametrize("filters", [None, {}, {"organization": None}, {"organization": "other"}])
@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("summary", lambda usage: usage.summary(MEMBER)),
        ("by-provider", lambda usage: usage.breakdown(MEMBER, "provider")),
        ("export", lambda usage: usage.export(MEMBER)),
    ],
)
def test_a_member_sees_nothing_that_is_not_confirmed_to_be_its_organization_s(usage, api, filters, name, ask):
    if name == "export":
        api.bodies[f"{ROOT}/export"] = export_body([ROW], filters=filters)
    else:
        change(api, name, filters=filters)
    found = problem(ask(usage))
    assert (found.kind, found.code) == (Kind.FORBIDDEN, "organization-not-confirmed")
    assert api.requests("GET", f"{ROOT}/{name}")[0].query["organization"] == ["acme"]


def test_a_member_sees_what_is_confirmed(usage, api):
    change(api, "summary", filters={"organization": "acme"})
    assert ready(usage.summary(MEMBER)).figures.total_calls == 1200
    found = usage.summary(WEEK)
    assert "The usage API limits our key to the organization acme." in found.provenance.notes


def test_a_member_s_answer_is_never_given_to_another(usage, api):
    change(api, "summary", filters={"organization": "acme"})
    ready(usage.summary(MEMBER))
    api.fail("500")
    other = UsageQuery(range="7d", tz="Europe/Berlin", organization_id="other")
    assert problem(usage.summary(other)).kind is Kind.UPSTREAM


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
    api.bodies[f"{ROOT}/summary"] = (422, {"detail": "Traceback (most recent call last)"})
    assert problem(usage.summary(WEEK)).detail == "The usage API does not take this question."


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


# ---- whether anything changed


def test_the_api_is_asked_every_ten_seconds_whether_anything_changed(usage, api, clock):
    api.bodies[f"{ROOT}/version"] = {"version": 7, "last_event_at": "2026-11-22T14:00:00Z", "ever_collected": True}
    for second in range(21):
        clock.now_s = second
        found = ready(usage.version())
        assert found == Version(7, at("2026-11-22T14:00:00"), True)
    assert len(api.requests("GET", f"{ROOT}/version")) == 3


def test_without_a_version_pages_ask_again_every_ten_seconds(usage, clock):
    versions = []
    for second in range(0, 40, 10):
        clock.now_s = second
        versions.append(ready(usage.version()))
    assert [found.version - versions[0].version for found in versions] == [0, 1, 2, 3]
    assert {(found.last_event_at, found.ever_collected) for found in versions} == {(None, None)}


def test_a_failing_api_is_not_hammered_for_its_version(usage, api, clock):
    api.fail("500")
    assert [problem(usage.version()).code for _ in range(5)] == ["HTTP 500"] * 5
    assert len(api.asked) == 1
    api.heal()
    clock.now_s = 10
    ready(usage.version())


def test_a_wrong_version_names_the_field(usage, api):
    api.bodies[f"{ROOT}/version"] = {"version": "seven"}
    assert "version as 'seven'" in problem(usage.version()).detail


# ---- export

ROW = {"started_at": "2026-11-22T09:00:00Z", "cost_usd": "0.1", "calls": 1, "stream": None, "model": "a\nb"}


def export_body(rows, *, total=None, filters=None, end="\n]}\n", columns=True):
    head = {"grain": "calls", "filters": filters or {}, "total_rows": len(rows) if total is None else total}
    if columns:
        head["columns"] = list(ROW)
    lines = ",\n".join(json.dumps(row) for row in rows)
    return (200, (json.dumps(head)[:-1] + ', "rows": [' + "\n" + lines + end).encode(), {})


def test_exported_rows_keep_exact_amounts_times_and_unknowns(usage, api):
    api.bodies[f"{ROOT}/export"] = export_body([ROW, {**ROW, "cost_usd": None}])
    found = ready(usage.export(WEEK))
    assert found.columns == tuple(ROW)
    first, second = found.rows
    assert first == (at("2026-11-22T09:00:00"), Decimal("0.1"), 1, None, "a\nb")
    assert second[1] is None


@pytest.mark.parametrize(
    "body",
    [export_body([ROW, ROW], total=3), export_body([ROW, ROW], total=1), export_body([ROW, ROW], end="")],
    ids=["fewer rows", "more rows", "no end"],
)
def test_an_export_that_is_not_whole_raises(usage, api, body):
    api.bodies[f"{ROOT}/export"] = body
    rows = ready(usage.export(WEEK)).rows
    assert next(rows)[1] == Decimal("0.1")
    with pytest.raises(BrokenExportError):
        list(rows)


def test_an_export_without_rows_is_whole(usage, api):
    api.bodies[f"{ROOT}/export"] = export_body([])
    found = ready(usage.export(WEEK))
    assert (found.total_rows, found.columns, list(found.rows)) == (0, tuple(ROW), [])


def test_a_wrong_cell_of_an_export_is_named(usage, api):
    api.bodies[f"{ROOT}/export"] = export_body([{**ROW, "cost_usd": "free"}])
    with pytest.raises(ValueError, match="cost_usd as 'free' where an amount belongs"):
        list(ready(usage.export(WEEK)).rows)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ((200, {"rows": []}, {}), "cannot be read"),
        ((200, b"<html>", {"Content-Type": "text/html"}), "cannot be read"),
        ((200, b"", {}), "cannot be read"),
        (export_body([], columns=False), "did not send columns"),
    ],
)
def test_what_is_no_export_is_a_failure(usage, api, body, words):
    api.bodies[f"{ROOT}/export"] = body
    assert words in problem(usage.export(WEEK)).detail


@pytest.mark.parametrize(("fault", "kind"), [("slow", Kind.TIMEOUT), ("500", Kind.UPSTREAM), ("401", Kind.UPSTREAM)])
def test_an_export_that_does_not_begin_is_a_failure(usage, api, fault, kind):
    api.fail(fault)
    usage._timeout_s = (2.0, 0.3)
    assert problem(usage.export(WEEK)).kind is kind


# ---- another console behind this one


def test_what_another_console_notes_of_an_answer_is_taken_over(api, usage):
    change(api, "summary", notes=["An earlier start found damage: 3 attempts are lost.", "x" * 900])
    found = usage.summary(WEEK)
    assert "An earlier start found damage: 3 attempts are lost." in found.provenance.notes
    assert len(found.provenance.notes[-1]) == 500
    change(api, "summary", notes="an original backend's own field")
    assert isinstance(usage.summary(WEEK), Ready)


def test_old_figures_of_another_console_are_not_told_as_fresh(api, usage):
    said = {"title": "Usage could not be read", "detail": "The usage API answered HTTP 500."}
    times = {"failed_at": "2026-11-22T14:02:00Z", "fetched_at": "2026-11-22T13:40:00Z"}
    change(api, "summary", stale={**said, **times})
    found = usage.summary(WEEK)
    assert isinstance(found, Ready)
    assert (found.stale.title, found.stale.at) == (said["title"], at("2026-11-22T14:02:00"))
    assert found.stale.detail == "The usage API's own source fails. The usage API answered HTTP 500."
    assert found.provenance.fetched_at == at("2026-11-22T13:40:00")
    change(api, "summary", stale=True)
    assert usage.summary(WEEK).stale is None
