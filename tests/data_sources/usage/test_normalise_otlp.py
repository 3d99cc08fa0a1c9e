import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.usage.normalise import parse as parse_events
from data_sources.usage.normalise.otlp import parse
from data_sources.usage.normalise.otlp_litellm import literal
from data_sources.usage.normalise.otlp_wire import BadExportError
from tests.data_sources.usage.ingest_rows import NOON_US, litellm_events
from tests.data_sources.usage.otlp_rows import CAPTURED, START_NS, chat, export, litellm_span, protobuf, span

NOW_US = NOON_US + 10**12


def parsed(exported, source=None):
    """Both encodings of an export, which must say the same."""
    text = parse(json.dumps(exported).encode(), as_json=True, source=source, now_us=NOW_US)
    assert parse(protobuf(exported), as_json=False, source=source, now_us=NOW_US) == text
    return text


def calls(*spans, **given):
    found = parsed(export(*spans, **given))
    assert not found.rejected
    return found.attempts


def one(attributes=None, **given):
    [made] = calls(chat(1, attributes, **given))
    return made


def refusal(attributes=None, **given):
    found = parsed(export(chat(1, attributes, **given)))
    assert found.attempts == []
    [(reason, number)] = found.rejected.items()
    assert number == 1
    return reason


def test_of_a_captured_export_only_the_calls_count():
    made = parsed(CAPTURED).attempts
    spans = [one for scope in CAPTURED["resourceSpans"][0]["scopeSpans"] for one in scope["spans"]]
    assert (len(spans), len(made)) == (22, 2)
    assert {(a.provider, a.model, a.requested_model) for a in made} == {("openai", "gpt-4o-mini", "gpt-mock")}
    assert [a.cost_reported_usd for a in made] == [a.cost_computed_usd for a in made] == [Decimal("0.0000135")] * 2


def test_half_a_character_in_an_answer_costs_no_span():
    given = chat(1)
    given["attributes"].append({"key": "gen_ai.completion", "value": {"stringValue": "cut \ud83d"}})
    found = parse(json.dumps(export(given)).encode(), as_json=True, source=None, now_us=NOW_US)
    assert (len(found.attempts), dict(found.rejected)) == (1, {})


def test_no_prompt_and_no_answer_passes_the_door():
    assert "must not be kept" in json.dumps(CAPTURED)
    assert "must not be kept" not in str(parsed(CAPTURED))


@pytest.mark.parametrize("index", range(10))
def test_a_litellm_call_is_the_same_event_through_either_door(index):
    payload = litellm_events()[index]
    [pushed] = parse_events(json.dumps([payload]).encode(), source=None, now_us=NOW_US).attempts
    [traced] = calls(litellm_span(payload))
    # a span's trace is its own, it tells no first token, and it says "not streamed" where the payload says nothing
    same = {"trace_id": None, "time_to_first_token_ms": None} | ({"stream": None} if pushed.stream is None else {})
    assert msgspec.structs.replace(traced, **same) == msgspec.structs.replace(pushed, **same)


@pytest.mark.parametrize("index", [n for n, event in enumerate(litellm_events()) if event["status"] == "success"])
def test_an_answer_from_litellms_cache_costs_nothing_through_either_door(index):
    payload = litellm_events()[index]
    payload |= {"cache_hit": True, "response_cost": 0.0}
    payload["hidden_params"]["cache_key"] = "9f86d081"
    [pushed] = parse_events(json.dumps([payload]).encode(), source=None, now_us=NOW_US).attempts
    [traced] = calls(litellm_span(payload))
    for one in (pushed, traced):
        assert (one.cost_usd, one.cost_computed_usd, one.processing) == (0, None, "gateway_cache")


def test_a_litellm_stream_and_its_first_token():
    payload = litellm_events()[2]
    streamed = litellm_span(payload)
    streamed["attributes"].append({"key": "gen_ai.response.time_to_first_chunk", "value": {"doubleValue": 0.4624}})
    [made] = calls(streamed)
    assert (made.stream, made.time_to_first_token_ms, made.duration_ms) == (True, 462, 590)


@pytest.mark.parametrize("name", ["my own generation", "chat gpt-5-mini", "Received Proxy Server Request"])
def test_a_litellm_call_is_known_by_its_call_id_whatever_its_span_is_named(name):
    [made] = calls(litellm_span(litellm_events()[1]) | {"name": name, "kind": 2})
    assert made.event_id == "f0f42da9-94c6-4be2-a025-5096ae8b1a50:cc-1:success"


def test_litellms_raw_request_and_tool_calls_do_not_count():
    raw = chat(1, name="raw_gen_ai_request")
    tool = span(2, attributes={"litellm.call_id": "c", "mcp.method.name": "tools/list"})
    called = span(3, attributes={"litellm.call_id": "c", "gen_ai.operation.name": "execute_tool"})
    assert calls(raw, tool, called) == []


def test_litellms_newer_names_are_read_too():
    [made] = calls(
        chat(
            1,
            {
                "litellm.call_id": "c",
                "litellm.team.id": "t",
                "litellm.provider.model": "openai/gpt-5-mini",
                "litellm.cost.total": 0.0006695,
                "gen_ai.usage.cache_read.input_tokens": 1920,
                "litellm.request.streaming": True,
            },
        )
    )
    assert (made.source, made.model, made.team_id, made.cache_read_tokens) == ("litellm", "gpt-5-mini", "t", 1920)
    assert made.cost_reported_usd == made.cost_computed_usd == Decimal("0.0006695")


NEW = {
    "gen_ai.usage.cache_read.input_tokens": 1920,
    "gen_ai.usage.reasoning.output_tokens": 256,
}
OLD = {
    "gen_ai.provider.name": None,
    "gen_ai.operation.name": None,
    "llm.request.type": "chat",
    "gen_ai.system": "OpenAI",
    "gen_ai.usage.input_tokens": None,
    "gen_ai.usage.output_tokens": None,
    "gen_ai.usage.prompt_tokens": 2006,
    "gen_ai.usage.completion_tokens": 300,
    "gen_ai.usage.cache_read_input_tokens": 1920,
    "gen_ai.usage.reasoning_tokens": 256,
}


@pytest.mark.parametrize("names", [NEW, OLD], ids=["new", "old"])
def test_the_first_reference_call_in_both_generations_of_names_costs_exactly(names):
    made = one(names)
    assert (made.provider, made.operation, made.status) == ("openai", "chat", "success")
    assert (made.input_tokens, made.output_tokens, made.cache_read_tokens) == (2006, 300, 1920)
    assert made.reasoning_tokens == 256
    assert (made.cost_usd, made.cost_reported_usd) == (Decimal("0.0006695"), None)


@pytest.mark.parametrize("name", ["cache_write.input_tokens", "cache_creation.input_tokens"])
def test_cache_writes_have_two_names(name):
    said = {"gen_ai.provider.name": "anthropic", "gen_ai.request.model": "claude-sonnet-4-5"}
    made = one(said | {"gen_ai.usage.cache_read.input_tokens": 500, f"gen_ai.usage.{name}": 1000})
    assert (made.cache_read_tokens, made.cache_write_tokens) == (500, 1000)
    # 506 at 3, 1,000 written at 3.75, 500 read at 0.30, 300 out at 15 USD a million
    assert made.cost_usd == Decimal("0.009918")


def test_parts_beyond_the_whole_are_refused_alone():
    assert "parts of input_tokens add up to 2007" in refusal({"gen_ai.usage.cache_read.input_tokens": 2007})
    found = parsed(export(chat(1, {"gen_ai.usage.cache_read.input_tokens": 2007}), chat(2)))
    assert (len(found.attempts), found.rejected.total()) == (1, 1)


@pytest.mark.parametrize(
    "operation", ["invoke_agent", "create_agent", "execute_tool", "invoke_workflow", "retrieval", "fetch_response"]
)
def test_spans_of_agents_tools_and_workflows_are_no_calls(operation):
    assert calls(chat(1, {"gen_ai.operation.name": operation})) == []


@pytest.mark.parametrize("mark", ["gen_ai.agent.name", "gen_ai.tool.name", "traceloop.span.kind"])
def test_without_an_operation_a_span_that_names_an_agent_or_tool_is_no_call(mark):
    assert calls(chat(1, {"gen_ai.operation.name": None, mark: "x"})) == []
    assert len(calls(chat(1, {"gen_ai.operation.name": None}))) == 1
    assert len(calls(chat(1, {mark: "x"}))) == 1  # a call that an agent makes is still one


def test_the_other_end_of_a_call_and_any_other_span_are_no_calls():
    assert calls(chat(1, kind=2), span(2, attributes={"http.request.method": "GET"}), span(3)) == []


@pytest.mark.parametrize(
    ("attributes", "status"),
    [({"error.type": "timeout"}, None), ({}, 2), ({"http.response.status_code": 429}, None)],
)
def test_a_failure_is_told_by_status_error_or_http_status(attributes, status):
    made = one(attributes | {"gen_ai.usage.input_tokens": None, "gen_ai.usage.output_tokens": None}, status=status)
    assert (made.status, made.pricing, made.input_tokens) == ("failure", "unmetered", None)
    assert made.error_type == attributes.get("error.type")
    assert made.http_status == attributes.get("http.response.status_code")


def test_an_older_span_that_failed_without_tokens_is_a_failed_call():
    without = {f"gen_ai.{name}": None for name in ("operation.name", "usage.input_tokens", "usage.output_tokens")}
    assert one(without | {"error.type": "timeout"}).status == "failure"
    assert calls(chat(1, without)) == []


def test_the_duration_is_the_spans_and_first_tokens_are_only_of_streams():
    first = {"gen_ai.response.time_to_first_chunk": 0.25}
    for stream, first_ms in ((None, 250), (True, 250), (False, None)):
        made = one(first | ({} if stream is None else {"gen_ai.request.stream": stream}), seconds=1.5)
        assert (made.stream, made.duration_ms, made.time_to_first_token_ms) == (stream, 1500, first_ms)


def test_a_first_token_after_the_end_of_its_span_is_not_known():
    assert one({"gen_ai.response.time_to_first_chunk": 1.6}, seconds=1.5).time_to_first_token_ms is None


def test_a_span_without_an_end_has_no_duration_and_no_known_outcome():
    made = one(endTimeUnixNano="0")
    assert (made.duration_ms, made.status) == (None, "unknown")


def test_level_team_and_users_come_from_the_span_else_its_resource():
    exported = export(chat(1, {"ops.power_level": "Eco", "enduser.id": "e", "user.id": "u"}))
    exported["resourceSpans"][0]["resource"]["attributes"].append(
        {"key": "ops.team_id", "value": {"stringValue": "search"}}
    )
    [made] = parsed(exported).attempts
    assert (made.power_level, made.team_id, made.user_id, made.end_user_id) == ("eco", "search", "e", "e")


def test_the_source_is_asked_else_the_service_else_otlp():
    assert calls(chat(1))[0].source == "gateway"
    assert calls(chat(1), service=None)[0].source == "otlp"
    assert parsed(export(chat(1)), source="mine").attempts[0].source == "mine"


def test_the_model_that_answered_is_priced_and_the_requested_one_is_kept():
    made = one({"gen_ai.request.model": "fast", "gen_ai.response.model": "gpt-5-mini"})
    assert (made.model, made.requested_model) == ("gpt-5-mini", "fast")
    assert made.pricing == "priced"


def test_a_reported_cost_wins_another_currency_does_not_and_zero_is_no_price():
    assert one({"gen_ai.usage.cost": 0.5}).cost_usd == Decimal("0.5")
    named = {"gen_ai.usage.cost.amount": 0.5, "gen_ai.usage.cost.currency": "EUR"}
    assert one(named).cost_reported_usd is None
    unknown = {"gen_ai.request.model": "our-own-7b", "gen_ai.usage.cost.amount": 0.0}
    assert one(unknown).pricing == "unpriced"
    assert one(unknown | {"gen_ai.usage.cost.source": "provider"}).cost_usd == 0


@pytest.mark.parametrize("tokens", [1.5, "many", True])
def test_tokens_that_are_no_count_are_refused_by_name(tokens):
    assert "gen_ai.usage.input_tokens is not a" in refusal({"gen_ai.usage.input_tokens": tokens})


@pytest.mark.parametrize("tokens", ["2006", 2006.0])
def test_tokens_may_be_text_or_a_double(tokens):
    assert one({"gen_ai.usage.input_tokens": tokens}).input_tokens == 2006


def test_a_span_that_cannot_be_told_from_others_or_placed_in_time_is_refused():
    assert refusal(traceId="0" * 32) == "traceId is not 32 hex digits"
    assert refusal(spanId="ab") == "spanId is not 16 hex digits"
    assert "before 1980" in refusal(startTimeUnixNano="5")
    bad = export(chat(1, startTimeUnixNano="soon"))
    found = parse(json.dumps(bad).encode(), as_json=True, source=None, now_us=NOW_US)
    assert list(found.rejected) == ["startTimeUnixNano is not a whole number of nanoseconds"]


@pytest.mark.parametrize(
    ("body", "as_json"),
    [
        (b"", True),
        (b"[]", True),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"kind": "SPAN_KIND_CLIENT"}]}]}]}', True),
        (b'{"resourceSpans": ' + b"[" * 100_000, True),
        (b'{"x": ' + b"[" * 100_000, True),
        (b"\xff\xff\xff", False),
        (b"{}", False),
    ],
)
def test_a_body_that_is_no_export_is_refused_as_a_whole(body, as_json):
    with pytest.raises(BadExportError):
        parse(body, as_json=as_json, source=None, now_us=NOW_US)


def test_an_export_without_spans_is_fine():
    assert parsed({"resourceSpans": []}).attempts == []
    assert parse(b'{"unknown": 1}', as_json=True, source=None, now_us=NOW_US).attempts == []


HOSTILE = [
    "-" * 16_000 + "1",
    "(" * 16_000,
    "[" * 190 + "]" * 190,
    "not " * 4_000 + "1",
    "{" * 16_000,
    "{'a': __import__('os').getpid()}",
    "{'a': " + "9" * 16_000 + "}",
    "{'a': 1}" + " " * 20_000,
    "{1: 2}",
    "{[]: 1}",
    "{'a': \x00}",
    "[1]",
    "",
]


@pytest.mark.parametrize("written", HOSTILE, ids=range(len(HOSTILE)))
def test_a_dictionary_that_is_none_or_too_much_is_not_known(written):
    assert literal(written) is None


@given(
    st.dictionaries(
        st.text(), st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5)
    )
)
def test_pythons_text_of_a_plain_dictionary_is_read_back(plain):
    assert literal(repr(plain)) == plain


@given(st.integers(START_NS // 1000, START_NS // 1000 + 10**15))
def test_the_time_of_a_litellm_span_is_the_payloads_to_the_microsecond(started_us):
    payload = litellm_events()[1] | {"startTime": started_us / 1e6, "endTime": started_us / 1e6 + 1}
    [pushed] = parse_events(json.dumps([payload]).encode(), source=None, now_us=2**62).attempts
    body = json.dumps(export(litellm_span(payload))).encode()
    [traced] = parse(body, as_json=True, source=None, now_us=2**62).attempts
    assert traced.started_at_us == pushed.started_at_us == started_us
