from __future__ import annotations

import re
from datetime import timedelta

import pytest
from dash import dcc

from components.chart import INK, PALE, SURFACE
from components.time_axis import labels
from data_sources.result import Ready
from data_sources.usage.embedded import EmbeddedUsage
from data_sources.usage.types import UsageQuery
from pages.usage_panels import calls_chart, cost_chart, series_foot
from tests.fakes.usage_rows import at, attempt, fill, make_store

NOW = at("2026-11-22T14:02:10")
LISTENED = [(at("2026-11-22T06:00:00"), NOW)]


@pytest.fixture
def series(tmp_path):
    """The buckets of some attempts."""
    store = make_store(tmp_path)

    def made(rows, query=None, listened=LISTENED, granularity="hour", limit=None):
        fill(store, rows, listened=listened)
        source = EmbeddedUsage(store, now=lambda: NOW)
        asked = query or UsageQuery(range="today")
        result = source.timeseries(asked, granularity=granularity, group_by="provider", limit=limit)
        assert isinstance(result, Ready)
        return result.value

    yield made
    store.close()


def traces(drawn):
    graph = next(part for part in drawn.children if isinstance(part, dcc.Graph))
    hatch, *stacks = graph.figure["data"]
    return hatch, stacks


def test_a_gap_is_hatched_and_a_zero_is_a_zero(series):
    rows = [attempt(n, at("2026-11-22T08:10:00"), provider=("a", "b")[n % 2]) for n in range(3)]
    hatch, stacks = traces(calls_chart(series(rows)))
    assert hatch["y"] == [1] * 6 + [None] * 9  # not listening before six
    assert [stack["name"] for stack in stacks] == ["a", "b"]
    assert stacks[0]["y"] == [None] * 6 + [0, 0, 2, 0, 0, 0, 0, 0, 0]


def test_calls_of_no_provider_are_solid_and_never_look_like_a_gap(series):
    rows = [attempt(n, at("2026-11-22T08:10:00"), provider=("a", None)[n % 2]) for n in range(3)]
    drawn = calls_chart(series(rows))
    hatch, stacks = traces(drawn)
    assert "pattern" in hatch["marker"]
    by_name = {stack["name"]: stack["marker"] for stack in stacks}
    assert by_name.keys() == {"a", "not attributed"}
    assert all("pattern" not in marker for marker in by_name.values())
    assert by_name["not attributed"]["color"] == INK
    marks = re.findall(r'"(oc-sw[^"]*)"', str(drawn.children[0]))
    assert len(marks) == len(set(marks)) == 4  # a, not attributed, still filling, not collected


def test_what_has_no_price_in_any_bucket_has_no_cost_in_the_legend_either(series):
    rows = [attempt(n, at("2026-11-22T08:10:00"), provider="a", cost_usd="0.5") for n in range(3)]
    others = [attempt(n, at("2026-11-22T09:10:00"), provider=f"p{n}") for n in range(10, 40)]
    found = series([*rows, *others], limit=2)
    assert found.other is not None
    assert {bucket.other.cost for bucket in found.buckets if bucket.other and bucket.other.attempts} == {None}
    legend = re.findall(r'"([^"]*)"', str(cost_chart(found).children[0]))
    assert "$1.50" in str(cost_chart(found).children[0])
    assert not [word for word in legend if word.startswith("$0")], "unknown is not zero"


def test_the_bucket_that_is_still_filling_is_pale(series):
    _, (stack,) = traces(calls_chart(series([attempt(1, at("2026-11-22T13:00:00"), provider="a")])))
    assert stack["marker"]["opacity"] == [1.0] * 14 + [PALE]


@pytest.mark.parametrize(
    ("since", "band", "gap"), [("13:50", 1, "13.8 h not collected"), ("05:00", None, "5.0 h not collected")]
)
def test_a_bucket_still_filling_is_hatched_where_most_of_it_so_far_was_not_collected(series, since, band, gap):
    query = UsageQuery(range="7d")
    found = series([], query, [(at(f"2026-11-22T{since}:00"), NOW)], "day")
    drawn = calls_chart(found)
    hatch, (stack,) = traces(drawn)
    assert stack["y"][-1] == 0
    assert (hatch["y"][-1], hatch["customdata"][-1]) == (band, gap)
    assert f"still filling, {gap}" in str(drawn.children[-1])
    assert f"to 22 Nov {since}:00" in series_foot(found)


def test_a_pale_bar_on_the_band_has_the_surface_behind_it(series):
    rows = [attempt(n, at("2026-11-22T14:01:00"), provider=("a", None)[n % 2]) for n in range(3)]
    found = series(rows, UsageQuery(range="7d"), [(at("2026-11-22T13:50:00"), NOW)], "day")
    hatch, (behind, *stacks) = traces(calls_chart(found))
    assert (hatch["y"][-1], behind["y"][-1], behind["marker"]["color"], behind["base"]) == (1, 3, SURFACE, 0)
    assert [stack["y"][-1] for stack in stacks] == [2, 1]


def test_a_cost_that_is_not_known_is_hatched_and_never_drawn_as_zero(series):
    rows = [
        attempt(1, at("2026-11-22T09:00:00"), provider="a", input_tokens=5),
        attempt(2, at("2026-11-22T10:00:00"), provider="a", cost_usd="0.25"),
    ]
    hatch, (stack,) = traces(cost_chart(series(rows)))
    assert (hatch["y"][9], hatch["customdata"][9]) == (1, "cost not known")
    assert (stack["y"][9], stack["y"][10], stack["y"][11]) == (None, 0.25, 0.0)


def test_the_two_hours_named_two_stand_side_by_side(series):
    query = UsageQuery(
        range="custom", start=at("2026-10-24T22:00:00"), end=at("2026-10-25T23:00:00"), tz="Europe/Berlin"
    )
    rows = [attempt(n, at("2026-10-25T00:30:00") + timedelta(hours=n)) for n in range(2)]
    found = series(rows, query, listened=[(at("2026-10-01T00:00:00"), NOW)])
    names = labels([bucket.start for bucket in found.buckets], found.granularity, "Europe/Berlin")
    assert len(names) == len(set(names)) == 25
    assert names[2:4] == ["25 Oct 02:00 CEST", "25 Oct 02:00 CET"]
    _, (stack,) = traces(calls_chart(found))
    assert stack["y"][2:4] == [1.0, 1.0]


def test_names_of_senders_are_text_not_markup(series):
    rows = [attempt(n, at("2026-11-22T09:00:00"), provider=("<b>x</b>", "y")[n]) for n in range(2)]
    _, stacks = traces(calls_chart(series(rows)))
    assert stacks[0]["name"] == "&lt;b&gt;x&lt;/b&gt;"
