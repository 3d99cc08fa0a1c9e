"""What a remote usage API gives, and whether it is for what was asked."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from decimal import Decimal

import pytest

from data_sources.result import Kind, Ready
from data_sources.usage.remote import RemoteUsage
from data_sources.usage.types import NOT_SENT, UsageQuery, Version
from tests.data_sources.usage.remote.steps import NOW, ROOT, ROW, WEEK, WINDOW, change, export_body, problem, ready
from tests.fakes.usage_api import KEY
from tests.fakes.usage_rows import at

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
