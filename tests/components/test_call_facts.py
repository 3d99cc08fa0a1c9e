from __future__ import annotations

from datetime import timedelta

from components.call_facts import MOST_ATTEMPTS, call_facts
from data_sources.result import Ready
from data_sources.usage.embedded import EmbeddedUsage
from data_sources.usage.types import CallKey
from tests.fakes.usage_rows import at, attempt, fill, make_store

START = at("2026-11-22T10:00:00")
HOSTILE = '<img src=x onerror="alert(1)">'


def drawn(tmp_path, rows):
    store = make_store(tmp_path)
    fill(store, rows)
    found = EmbeddedUsage(store).call(CallKey("c"))
    store.close()
    assert isinstance(found, Ready)
    return call_facts(found.value, tz="Asia/Kathmandu", link=lambda key: f"/{key.call_id}").to_plotly_json()["props"][
        "data-static"
    ]


def test_what_was_not_reported_is_named_and_never_drawn_as_a_figure(tmp_path):
    text = drawn(tmp_path, [attempt(1, START, call_id="c", output_tokens=0)])
    assert "Not reported: " in text
    missing = text.split("Not reported: ")[1].split(".")[0].split(", ")
    assert {"input tokens", "cost", "duration", "user"} <= set(missing)
    assert "output tokens" not in missing
    assert '["dt",{},["Output tokens"]],["dd",{},["0"]]' in text
    assert "22 Nov 2026 15:45:00.000" in text


def test_hostile_text_stays_text(tmp_path):
    text = drawn(tmp_path, [attempt(1, START, call_id="c", model=HOSTILE, error_type=HOSTILE, status="failure")])
    assert HOSTILE.replace('"', '\\"') in text
    assert '["img"' not in text


def test_a_call_of_very_many_attempts_says_how_many_are_not_drawn(tmp_path):
    rows = [
        attempt(n, START + timedelta(seconds=n), call_id="c", counts_call=int(n == 0)) for n in range(MOST_ATTEMPTS + 7)
    ]
    assert "And 7 more attempts" in drawn(tmp_path, rows)
