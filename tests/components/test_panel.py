"""A panel has six looks and never confuses them."""

import json

import plotly.utils
import pytest

from components.panel import panel, show
from data_sources.result import Empty, Failed, Kind, NotConfigured, Problem, Provenance, Ready

TOLD = Provenance("Usage store", "select 1", None, notes=("1 of 4 unpriced",))
PROBLEM = Problem(Kind.TIMEOUT, "Costs could not be read", "The store took longer than 8 s.", code="timeout")


def words(component):
    return json.dumps(component, cls=plotly.utils.PlotlyJSONEncoder)


@pytest.mark.parametrize(
    ("result", "name", "said"),
    [
        (Ready(7, TOLD), "ready", "seven is 7"),
        (Empty("0 calls in this window", "Collection ran the whole time.", TOLD), "empty", "0 calls in this window"),
        (Failed(PROBLEM), "failed", "The store took longer than 8 s."),
        (NotConfigured("Lago is not connected", "Plans come from it.", ("OPS_LAGO_URL",)), "unset", "OPS_LAGO_URL"),
        (Ready(7, TOLD, PROBLEM), "stale", "This is the last good answer."),
    ],
)
def test_each_result_has_its_own_look(result, name, said):
    look = show(result, lambda value: f"seven is {value}")
    assert look.name == name
    assert said in words(look.body)


def test_a_failed_panel_has_no_figure_and_a_retry():
    body = words(show(Failed(PROBLEM), lambda value: f"seven is {value}").body)
    assert "seven" not in body
    assert "Retry" in body
    assert "timeout" in body


def test_a_stale_panel_says_how_old_it_is():
    assert "Stale: " in words(show(Ready(7, TOLD, PROBLEM), str).badge)


def test_the_info_says_where_the_figure_comes_from():
    info = words(show(Ready(7, TOLD), str).info)
    for part in ("Usage store", "select 1", "1 of 4 unpriced", "nothing received yet"):
        assert part in info


def test_the_frame_is_named_by_its_title():
    frame = panel("usage-x", "Calls")
    assert getattr(frame, "aria-labelledby") == "usage-x-title"
    assert "usage-x-body" in words(frame)


def test_words_made_of_a_value_do_not_outlive_it():
    told = "all 12 requests"
    assert show(Ready(12, TOLD), str, sub=lambda value: f"all {value} requests").sub == told
    for result in (Failed(PROBLEM), Empty("0 calls", "It ran.", TOLD), NotConfigured("No Lago", "No.", ("A",))):
        assert show(result, str, sub=lambda value: told).sub == ""
        assert show(result, str).sub is None, "words that stand in the frame stay"
