"""The panel of what has no price: who sees which models, where a click leads, and who is told how to price them."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import parse_qs

import pytest

from data_sources.result import utc_now
from tests.fakes.usage_rows import attempt, fill
from tests.pages.test_usage_scope import answers


@pytest.fixture
def app(make_app):
    made = make_app()
    at = utc_now() - timedelta(minutes=1)
    rows = [
        attempt(1, at, provider="vllm", model='our "own" & <b>', organization_id="acme", input_tokens=1000),
        attempt(2, at, provider="vllm", model='our "own" & <b>', organization_id="acme", input_tokens=2000),
        attempt(3, at, provider="openai", model="gpt-99", organization_id="globex", input_tokens=7),
        attempt(4, at, provider="openai", model="gpt-5-mini", organization_id="acme", cost_usd="0.5"),
    ]
    fill(made.server.extensions["ops"].usage_store, rows)
    return made


def panel(reader, search="range=7d&tz=UTC"):
    status, text = answers(reader, search)["unpriced"]
    assert status == 200
    return text


def test_an_admin_sees_every_model_and_the_lines_of_a_price_file(app, sign_in):
    text = panel(sign_in(app))
    assert "3 calls, 75.0% of all" in text
    assert "gpt-99" in text
    assert "gpt-5-mini" not in text
    assert "How to add a price" in text
    assert "OPS_PRICES_FILE" in text


def test_readers_without_the_machine_are_not_told_how_to_price(app, sign_in):
    for reader in (sign_in(app, role="analyst"), sign_in(app, role="member", org="globex")):
        text = panel(reader)
        assert "gpt-99" in text
        assert "How to add a price" not in text
    assert "our" not in panel(sign_in(app, role="member", org="globex")).split("gpt-99")[0]


def test_a_click_opens_the_very_calls(app, sign_in):
    text = panel(sign_in(app), "range=7d&tz=UTC&model=gpt-99")
    found = re.findall(r"requests\?([^\"\\]+)", text)
    asked = [parse_qs(query, keep_blank_values=True) for query in found]
    assert {
        "range": ["7d"],
        "tz": ["UTC"],
        "provider": ["openai"],
        "model": ["gpt-99"],
        "pricing": ["unpriced"],
    } in asked


def test_where_everything_is_priced_nothing_is_listed(app, sign_in):
    text = panel(sign_in(app), "range=7d&tz=UTC&model=gpt-5-mini")
    assert "Every call with usage has a price" in text
