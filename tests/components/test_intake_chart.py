"""The chart of what was received: its parts add up, and what is not known is hatched."""

from __future__ import annotations

from datetime import timedelta

from dash import dcc

from components.chart import PALE
from components.intake_chart import intake_chart
from data_sources.usage.types import IntakeSeries, IntakeStep, Taken
from tests.fakes.usage_rows import at

NINE = at("2026-11-22T09:00:00")
GIVEN = [
    ("not_collected", None),
    ("complete", None),
    ("complete", Taken(0, 0, 0, 0)),
    ("partial", Taken(20, 3, 2, 5)),
    ("forming", Taken(1, 0, 0, 0)),
]


def drawn(given, tz="UTC"):
    hour = timedelta(hours=1)
    steps = [IntakeStep(NINE + n * hour, NINE + (n + 1) * hour, state, taken) for n, (state, taken) in enumerate(given)]
    figure = intake_chart(IntakeSeries("hour", tuple(steps)), tz)
    graph = next(part for part in figure.children if isinstance(part, dcc.Graph))
    return figure, graph.figure["data"]


def test_parts_add_up_to_what_was_received_and_the_unknown_is_hatched_not_zero():
    _, (hatch, *parts) = drawn(GIVEN)
    assert hatch["y"] == [1, 1, None, None, None]
    assert hatch["customdata"][:2] == ["nobody listened", "not counted yet"]
    assert {part["name"]: part["y"] for part in parts} == {
        "accepted in time": [None, None, 0, 15, 1],
        "accepted late": [None, None, 0, 5, 0],
        "duplicate": [None, None, 0, 3, 0],
        "rejected": [None, None, 0, 2, 0],
    }
    assert parts[0]["marker"]["opacity"] == [1.0, 1.0, 1.0, 1.0, PALE]


def test_the_numbers_beside_it_say_the_same_in_the_zone_asked():
    figure, _ = drawn(GIVEN, "Asia/Kathmandu")
    told = str(figure.to_plotly_json())
    for words in ("22 Nov 14:45", "nobody listened", "not counted yet", "partly not listening", "26 in all"):
        assert words in told


def test_a_source_that_does_not_tell_late_events_shows_no_late_ones():
    _, (_, *parts) = drawn([("complete", Taken(4, 0, 0, None))])
    assert [part["name"] for part in parts] == ["accepted", "duplicate", "rejected"]
    assert parts[0]["y"] == [4]
