"""Two calls whose cost is known to the last digit cost exactly that, through every door that can carry them."""

import copy
import json
from decimal import Decimal

import pytest

from data_sources.usage.mapping import TimeRule, plan
from data_sources.usage.normalise import parse
from data_sources.usage.normalise.otlp import parse as parse_spans
from tests.data_sources.usage.ingest_rows import NOON_US, ask, differences, event, litellm_events, writing
from tests.data_sources.usage.otlp_rows import chat, export, litellm_span, protobuf
from tests.data_sources.usage.test_normalise_anthropic import USAGE as ANTHROPIC
from tests.data_sources.usage.test_normalise_openai import CHAT, RESPONSES

NOW_US = NOON_US + 10**12
FIRST, SECOND = Decimal("0.0006695"), Decimal("0.0359")
OPENAI = {"provider": "openai", "model": "gpt-5-mini"}
CLAUDE = {"provider": "anthropic", "model": "claude-sonnet-4-5"}
OWN_FIRST = OPENAI | {"input_tokens": 2006, "cache_read_tokens": 1920, "output_tokens": 300, "reasoning_tokens": 256}
OWN_SECOND = CLAUDE | {
    "input_tokens": 11_550,
    "cache_read_tokens": 10_000,
    "cache_write_tokens": 1500,
    "cache_write_1h_tokens": 500,
    "output_tokens": 400,
    "web_searches": 2,
}


def own(**fields):
    return parse(json.dumps([event(1, **fields)]).encode(), source=None, now_us=NOW_US)


def litellm(number, **changes):
    """A captured payload, its own cost taken out unless it is given."""
    return copy.deepcopy(litellm_events()[number]) | {"response_cost": 0.0, "cost_breakdown": None} | changes


def payload(number, **changes):
    return parse(json.dumps([litellm(number, **changes)]).encode(), source=None, now_us=NOW_US)


def spans(*made, as_json=True):
    body = json.dumps(export(*made)).encode() if as_json else protobuf(export(*made))
    return parse_spans(body, as_json=as_json, source=None, now_us=NOW_US)


def table(fields):
    """As a file's row of text comes in."""
    row = {"at": "2026-11-22T12:00:00Z"} | {name: str(given) for name, given in fields.items()}
    mapper = plan(list(row), {"started_at": "at"}, {}, TimeRule())
    return parse(json.dumps([mapper.event(row)]).encode(), source=None, now_us=NOW_US)


NEW = {"gen_ai.usage.cache_read.input_tokens": 1920}
OLD = {
    "gen_ai.provider.name": None,
    "gen_ai.system": "OpenAI",
    "gen_ai.usage.input_tokens": None,
    "gen_ai.usage.output_tokens": None,
    "gen_ai.usage.prompt_tokens": 2006,
    "gen_ai.usage.completion_tokens": 300,
    "gen_ai.usage.cache_read_input_tokens": 1920,
}
DOORS = {
    "own JSON": (lambda: own(**OWN_FIRST), FIRST),
    "OpenAI chat usage": (lambda: own(**OPENAI, usage=CHAT), FIRST),
    "OpenAI chat response": (lambda: own(provider="openai", response={"model": "gpt-5-mini", "usage": CHAT}), FIRST),
    "OpenAI responses usage": (lambda: own(**OPENAI, usage=RESPONSES), FIRST),
    "LiteLLM payload": (lambda: payload(1), FIRST),
    "LiteLLM stream": (lambda: payload(2), FIRST),
    "LiteLLM otel": (lambda: spans(litellm_span(litellm(1))), FIRST),
    "OTLP, newer names": (lambda: spans(chat(attributes=NEW)), FIRST),
    "OTLP, older names, protobuf": (lambda: spans(chat(attributes=OLD), as_json=False), FIRST),
    "table": (lambda: table(OWN_FIRST), FIRST),
    "own JSON, cache and searches": (lambda: own(**OWN_SECOND), SECOND),
    "Anthropic usage": (lambda: own(**CLAUDE, usage=ANTHROPIC), SECOND),
    "Anthropic message": (
        lambda: own(provider="anthropic", response={"model": "claude-sonnet-4-5", "usage": ANTHROPIC}),
        SECOND,
    ),
    "LiteLLM payload, cache and searches": (lambda: payload(4), SECOND),
    "LiteLLM otel, cache and searches": (lambda: spans(litellm_span(litellm(4))), SECOND),
    "table, cache and searches": (lambda: table(OWN_SECOND), SECOND),
}


@pytest.mark.parametrize("door", DOORS)
def test_a_reference_call_costs_exactly_through_every_door(door):
    read, cost = DOORS[door]
    found = read()
    assert not found.rejected
    [made] = found.attempts
    assert (made.cost_reported_usd, made.cost_computed_usd, made.cost_usd) == (None, cost, cost)


@pytest.mark.parametrize(("number", "cost"), [(1, FIRST), (4, SECOND)])
def test_what_litellm_reports_of_it_agrees_with_the_price_and_is_not_disputed(number, cost):
    [made] = parse(json.dumps([litellm_events()[number]]).encode(), source=None, now_us=NOW_US).attempts
    assert (made.cost_reported_usd, made.cost_computed_usd, made.cost_source) == (cost, cost, "reported")


def test_stored_they_add_up_to_the_last_digit(tmp_path):
    made = [own(**OWN_FIRST).attempts[0], payload(4).attempts[0]]
    with writing(tmp_path) as (store, writer):
        writer.submit(made, batch_id="a")
        assert ask(store, "SELECT sum(cost_usd) FROM rollup") == [(FIRST + SECOND,)]
        assert differences(store) == []
