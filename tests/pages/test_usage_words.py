from __future__ import annotations

import re
from datetime import timedelta

import pytest

from components.panel import show
from data_sources.result import Empty, Ready
from data_sources.usage.embedded import EmbeddedUsage
from data_sources.usage.provenance import window_words
from data_sources.usage.remote import RemoteUsage
from data_sources.usage.types import UsageQuery
from pages import usage_panels as draw
from pages.usage_figures import quota_figure, strip_figures
from tests.fakes.usage_api import KEY, OriginalUsageApi
from tests.fakes.usage_rows import at, attempt, fill, make_store

NOW = at("2026-11-22T14:02:10")
TODAY, BEFORE = at("2026-11-22T09:00:00"), at("2026-11-21T09:00:00")
TODAYS = UsageQuery(range="today")
ALWAYS = [(at("2026-10-01T00:00:00"), NOW)]


@pytest.fixture
def source(tmp_path):
    store = make_store(tmp_path)

    def made(rows, listened=ALWAYS):
        fill(store, rows, listened=listened)
        return EmbeddedUsage(store, now=lambda: NOW)

    yield made
    store.close()


def figures(source, query=None):
    result = source.summary(query or UsageQuery(range="today"))
    assert isinstance(result, Ready)
    return {figure.label: figure for figure in strip_figures(result.value, result.provenance, TODAYS)}


def test_a_change_always_names_its_base(source):
    rows = [attempt(n, BEFORE, cost_usd="2") for n in range(4)] + [attempt(9, TODAY, cost_usd="3")]
    found = figures(source(rows))
    assert (found["Calls"].change, found["Calls"].base) == ("↓ 75.0%", "from 4")
    assert (found["Cost"].change, found["Cost"].base) == ("↓ 62.5%", "from $8.00")
    assert (found["Average cost"].change, found["Average cost"].base) == ("↑ 50.0%", "from $2.00")


def test_from_zero_has_no_percent(source):
    found = figures(source([attempt(1, TODAY)]))
    assert (found["Calls"].change, found["Calls"].base) == ("", "from 0")


@pytest.mark.parametrize("query", [TODAYS, UsageQuery(range="today", provider=("b",))], ids=["all", "filtered"])
@pytest.mark.parametrize(
    ("since", "words"),
    [
        ("2026-11-21T12:00:00", "The period before was not fully collected (12 hours missing)"),
        ("2026-11-22T00:00:00", "We were not listening in the period before"),
    ],
)
def test_a_zero_of_a_time_without_collection_is_no_base(source, query, since, words):
    rows = [attempt(1, TODAY, provider="b", cost_usd="1", input_tokens=2, output_tokens=2)]
    before = [attempt(2, at("2026-11-21T13:00:00"), provider="a")] if query.provider else []
    found = figures(source([*rows, *before], listened=[(at(since), NOW)]), query)
    for label in ("Calls", "Cost", "Average cost", "Error rate", "Input tokens", "Output tokens", "Latency"):
        assert (found[label].change, found[label].base) == ("", words), label


def test_a_period_before_without_listening_is_said_in_place_of_a_change(source):
    found = figures(source([attempt(1, TODAY)], listened=[(at("2026-11-22T00:00:00"), NOW)]))
    assert (found["Calls"].change, found["Calls"].base) == ("", "We were not listening in the period before")


def test_a_zero_says_for_how_little_of_its_window_we_listened(source):
    late = source([attempt(1, TODAY, provider="a")], listened=[(NOW - timedelta(minutes=18), NOW)])
    found = figures(late, UsageQuery(range="today", provider=("b",)))
    assert (found["Calls"].values, found["Cost"].values) == ([("0", "", "")], [("$0.00", "", "")])
    for label in ("Calls", "Cost", "Input tokens", "Output tokens"):
        assert found[label].notes == "Only 18 minutes of 14 hours collected", label
    assert figures(late)["Calls"].notes == "1 attempt"


def test_a_zero_of_a_window_that_was_listened_to_has_no_such_words(source):
    found = figures(source([]))
    assert (found["Calls"].notes, found["Cost"].notes) == ("0 attempts", "")


def test_a_partly_known_cost_is_at_least_that_and_says_how_much_is_priced(source):
    rows = [attempt(n, TODAY, cost_usd="1") for n in range(3)] + [attempt(9, TODAY, input_tokens=7)]
    cost = figures(source(rows))["Cost"]
    assert cost.partly
    assert cost.notes == "at least: 75.0% of calls priced"
    assert cost.values == [("$3.00", "", "")]


def test_an_unknown_figure_has_a_reason_and_no_value(source):
    found = figures(source([attempt(1, TODAY, status="unknown", input_tokens=7)]))
    for label in ("Cost", "Average cost", "Error rate", "Output tokens", "Latency"):
        assert not found[label].values
        assert found[label].reason


def test_an_error_rate_says_of_how_many_calls_it_is(source):
    known = [attempt(n, TODAY, status="failure" if n < 2 else "success") for n in range(4)]
    assert figures(source(known))["Error rate"].notes == "2 failed"
    more = [attempt(n, TODAY, status="unknown") for n in range(4, 10)]
    errors = figures(source(more))["Error rate"]
    assert errors.values == [("50.0%", "", "")]
    assert errors.notes == "2 failed of 4 whose end is known"


def test_latency_shows_three_percentiles_with_their_unit(source):
    rows = [attempt(n, TODAY + timedelta(seconds=n), duration_ms=n * 200) for n in range(1, 101)]
    latency = figures(source(rows))["Latency"]
    assert latency.values == [("10.0", "s", "p50"), ("19.0", "s", "p95"), ("19.8", "s", "p99")]
    assert latency.wide


def test_the_average_says_that_failed_tries_are_in_it(source):
    result = source([attempt(1, TODAY, cost_usd="1")]).summary(UsageQuery(range="today"))
    average = next(f for f in strip_figures(result.value, result.provenance, TODAYS) if f.label == "Average cost")
    assert "Known cost, failed tries included, divided by the calls that are priced." in str(average.info)


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (timedelta(minutes=1), "1 minute not collected"),
        (timedelta(minutes=90), "90 minutes not collected"),
        (timedelta(hours=17, minutes=30), "17.5 hours not collected"),
        (timedelta(minutes=9_660), "6.7 days not collected"),
    ],
)
def test_what_was_not_collected_is_told_in_a_unit_that_suits_it(source, missing, words):
    query = UsageQuery(range="30d")
    coverage = source([], [(at("2026-10-01T00:00:00"), NOW - missing)]).coverage(query).value
    assert draw.missing_words(coverage) == words


def test_a_table_under_a_filter_says_that_calls_stand_with_all_their_attempts(source):
    words = "Each call stands with all its attempts, those outside the filter or the window too."
    made = source([attempt(1, TODAY)])
    page = made.recent(UsageQuery(range="today")).value
    assert draw.requests_foot(page, [], filtered=False) is None
    assert draw.requests_foot(page, [], filtered=True) == words
    assert draw.requests_foot(page, ["model"], filtered=True).endswith(f"model. {words}")


def test_a_table_with_calls_of_several_attempts_says_so_without_a_filter(source):
    rows = [attempt(1, TODAY, call_id="c", counts_call=0), attempt(2, TODAY, call_id="c")]
    page = source(rows).recent(UsageQuery(range="today")).value
    assert draw.requests_foot(page, [], filtered=False).startswith("Each call stands with all its attempts")


def test_latency_keeps_two_columns_beside_a_quota(source):
    result = source([attempt(1, TODAY)]).summary(UsageQuery(range="month"))
    quota = quota_figure(result.value, result.provenance, UsageQuery(range="month"), 8, "")
    *_, latency, last = strip_figures(result.value, result.provenance, TODAYS, quota)
    assert (latency.label, latency.wide, last.label) == ("Latency", True, "Quota used")


def test_the_quota_is_of_the_calendar_month(source):
    result = source([attempt(1, at("2026-11-02T00:00:00")), attempt(2, TODAY)]).summary(UsageQuery(range="month"))
    figure = quota_figure(result.value, result.provenance, UsageQuery(range="month"), 8, "")
    assert (figure.values, figure.notes) == ([("25.0%", "", "")], "2 of 8 calls")
    unknown = quota_figure(None, None, UsageQuery(range="month"), 8, "The usage store cannot be used.")
    assert (unknown.values, unknown.reason) == ((), "The usage store cannot be used.")


@pytest.fixture
def original():
    api = OriginalUsageApi()
    source = RemoteUsage(api.url, KEY, now=lambda: NOW, timeout_s=(2.0, 2.0), retries=0)
    yield api, source
    source.close()
    api.close()


def test_what_another_usage_api_sends_is_shown_as_its_own_and_nothing_is_made_up_for_the_rest(original):
    api, source = original
    found = figures(source)
    told = "reported, base not sent"
    assert (found["Calls"].change, found["Calls"].base) == ("↑ 12.5%", told)
    assert (found["Cost"].change, found["Cost"].base) == ("↓ 3.2%", told)
    unsent = ("", "The usage API did not send how it changed")
    assert (found["Average cost"].change, found["Average cost"].base) == unsent
    assert found["Cost"].notes == "how much is priced was not sent"
    providers = source.breakdown(TODAYS, "provider", limit=8).value
    assert draw.list_foot(providers) == "Showing the 2 that the source sent. It sent no total, and shares are its own."
    assert all(share in str(draw.calls_list(providers)) for share in ("75.0%", "25.0%"))
    levels = source.breakdown(TODAYS, "power_level").value
    assert draw.cost_list_foot(levels) == "The source sent no total cost, so there are no shares."
    api.bodies["/api/v1/llm/usage/by-provider"] = {
        "providers": [{"name": "a", "calls": 3, "percentage": 50.0}],
        "total_groups": 1,
        "total": {"calls": 4},
    }
    disagreeing = source.breakdown(TODAYS, "provider").value
    assert draw.list_foot(disagreeing) == "All shown. The sum is 3, the total 4."
    assert "75.0%" in str(draw.calls_list(disagreeing))


def test_a_window_that_is_not_confirmed_is_said_on_the_panel_and_gives_no_share_of_a_quota(original):
    api, source = original
    result = source.summary(UsageQuery(range="month"))
    quota = quota_figure(result.value, result.provenance, UsageQuery(range="month"), 5000, "")
    assert (quota.values, "does not confirm that it counted this calendar month" in quota.reason) == ((), True)
    look = show(result, lambda _: None)
    assert look.foot.startswith("Window not confirmed: ")
    assert "the source does not tell" in str(look.info)
    assert "nothing received" not in str(look.info)
    assert window_words(result.value.window).endswith("UTC (asked for, not confirmed)")
    echo = {"start": "2026-11-01T00:00:00Z", "end": "2026-11-22T14:02:10Z", "tz": "UTC"}
    for start, known in (("2026-11-01T00:00:00Z", True), ("2026-10-24T00:00:00Z", False)):
        api.bodies["/api/v1/llm/usage/summary"] = {"total_calls": 1200, "window": echo | {"start": start}}
        result = source.summary(UsageQuery(range="month"))
        quota = quota_figure(result.value, result.provenance, UsageQuery(range="month"), 5000, "")
        assert bool(quota.values) is known
        assert (show(result, lambda _: None).foot is None) is known


@pytest.mark.parametrize(
    ("listened", "title", "words"),
    [
        (ALWAYS, "0 calls in this window", "a true zero"),
        ([], "No usage data yet", "was not listening"),
        ([(at("2026-11-22T00:00:00"), at("2026-11-22T12:02:10"))], "0 calls in this window", "did not run for 2 hours"),
    ],
)
def test_an_empty_window_is_a_true_zero_only_where_collection_ran(source, listened, title, words):
    query = UsageQuery(range="today")
    result = draw.or_empty(
        source([], listened).breakdown(query, "model"), lambda found: (found.total, found.coverage), query
    )
    assert isinstance(result, Empty)
    assert result.title == title
    assert words in result.detail


def test_no_match_in_a_time_nobody_listened_to_is_not_told_as_no_data(source):
    query = UsageQuery(range="today", model=("m9",))
    result = draw.or_empty(source([], []).breakdown(query, "model"), lambda found: (found.total, found.coverage), query)
    assert result.title == "No matching calls known"
    assert result.detail.startswith("No call matches the filters. The console was not listening")


@pytest.mark.parametrize(
    ("listened", "why"),
    [
        (ALWAYS, "No calls in this window."),
        ([(at("2026-11-22T00:00:00"), at("2026-11-22T12:02:10"))], "No calls in the 12 hours of this window"),
    ],
)
def test_a_rate_of_no_calls_says_how_much_of_the_window_was_listened_to(source, listened, why):
    reasons = source([], listened).summary(UsageQuery(range="today")).value.figures.reasons
    assert all(reasons[name].startswith(why) for name in ("avg_cost_per_call", "error_rate", "latency_ms.p95"))


def test_power_levels_stand_in_their_own_order_with_not_set_last(source):
    rows = [
        attempt(n, TODAY, power_level=level, cost_usd="1") for n, level in enumerate([None, "precision", "eco", "x"])
    ]
    found = source(rows).breakdown(UsageQuery(range="today"), "power_level").value
    assert [group.name for group in sorted(found.groups, key=draw._level_order)] == ["eco", "precision", "x", None]


def test_what_has_no_value_is_a_solid_bar_and_what_is_not_known_is_hatched(source):
    rows = [attempt(1, TODAY, power_level="eco", input_tokens=7), attempt(2, TODAY, cost_usd="1")]
    found = source(rows).breakdown(UsageQuery(range="today"), "power_level").value
    bars = re.findall(r"oc-bar[^[]*(\[\[.*?\]\])", str(draw.cost_list(found)))
    assert ["hatch" in bar for bar in bars] == [True, False]  # eco without a cost, then "not set" with one
    assert "hatch" not in str(draw.calls_list(found))


def test_the_list_by_provider_tells_the_same_as_the_chart(source):
    rows = [attempt(n, TODAY, provider=f"p{n % 3}", cost_usd="0.1") for n in range(7)]
    made, query = source(rows), UsageQuery(range="today")
    series = made.timeseries(query, group_by="provider", limit=2).value
    asked = made.breakdown(query, "provider", limit=2).value
    assert (series.series, series.other, series.total) == (asked.groups, asked.other, asked.total)


def test_the_heading_of_the_models_counts_as_the_words_under_them_do(source):
    rows = [attempt(n, TODAY, model=None if n == 9 else f"m{n}") for n in range(10)]
    found = source(rows).breakdown(UsageQuery(range="today"), "model", limit=4).value
    assert draw.models_sub(found) == "calls, 4 of 10"
    assert draw.list_foot(found).startswith("Showing 4 of 10, the rest in Other.")


def test_choices_of_a_filter_hold_what_is_not_set(source):
    found = (
        source([attempt(1, TODAY, model="m"), attempt(2, TODAY)]).breakdown(UsageQuery(range="today"), "model").value
    )
    assert [option["value"] for option in draw.options(found)] == ["v:m", "n:"]


def links(figure):
    return re.findall(r"href='([^']+)'", str(figure.info))


def test_every_figure_says_how_it_is_computed_how_much_is_priced_and_opens_its_calls(source):
    rows = [attempt(1, TODAY, cost_usd="1"), attempt(2, TODAY, input_tokens=7), attempt(3, TODAY, status="failure")]
    query = UsageQuery(range="today", tz="Europe/Berlin", model=(None,), user=("a&b",))
    rows = [row | {"user_id": "a&b"} for row in rows]
    result = source(rows).summary(query)
    same = "range=today&tz=Europe%2FBerlin&model=&user=a%26b"
    beside = {"Error rate": "&status=failure", "Average cost": "&pricing=priced"}
    for figure in strip_figures(result.value, result.provenance, query):
        told = str(figure.info)
        assert all(
            f"'{label}'" in told for label in ("Source", "Window", "Data as of", "Rows", "Is", "Priced", "Asked")
        )
        [link] = links(figure)
        parts = [same, beside.get(figure.label, "")]
        assert sorted(link.removeprefix("/admin/llm/requests?").split("&")) == sorted("".join(parts).split("&"))
        assert "33.3% of calls" in told


def test_a_filter_of_the_reader_s_own_is_not_replaced(source):
    query = UsageQuery(range="today", status=("success",))
    result = source([attempt(1, TODAY, cost_usd="1")]).summary(query)
    errors = next(f for f in strip_figures(result.value, result.provenance, query) if f.label == "Error rate")
    assert links(errors) == ["/admin/llm/requests?range=today&tz=UTC&status=success"]
