"""`/metrics` and the console about itself: the format to the letter, only for readers, unknown is absent or null."""

import re

import pytest

from routes.source_states import states
from tests.fakes.billing import Billing
from tests.fakes.machine import FakeMachine

KEY = "reader-key-of-the-tests"
NAME, LABEL = r"[a-zA-Z_:][a-zA-Z0-9_:]*", r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"^({NAME})(?:\{{{LABEL}(?:,{LABEL})*\}})? (-?[0-9.]+(?:e[+-]?[0-9]+)?)$")


def parse(text):
    """Read the text format 0.0.4 strictly: HELP, TYPE, then the samples of that metric, each metric once."""
    assert text.endswith("\n")
    found, current = {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = line.split()[2]
            assert current not in found
            found[current] = {"samples": {}}
        elif line.startswith("# TYPE "):
            assert line.split()[2] == current
            found[current]["type"] = line.split()[3]
        else:
            name, value = SAMPLE.match(line).groups()
            assert name == current
            key = line.rsplit(" ", 1)[0]
            assert key not in found[name]["samples"]
            found[name]["samples"][key] = float(value)
    return found


@pytest.fixture
def console(make_app):
    app = make_app(read_token=KEY)
    client = app.server.test_client()

    def get(path, **headers):
        return client.get(path, headers={"Authorization": f"Bearer {KEY}", **headers})

    get.ops, get.client = app.server.extensions["ops"], client
    return get


def test_metrics_are_prometheuss_text_and_leave_out_what_is_not_known(console):
    console.ops.own.read()
    answer = console("/metrics", Accept="application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1")
    assert (answer.status_code, answer.content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found = parse(answer.get_data(as_text=True))
    assert found["process_cpu_seconds_total"]["type"] == "counter"
    assert found["process_resident_memory_bytes"]["samples"]["process_resident_memory_bytes"] > 10**6
    assert found["ops_center_usage_events_accepted_total"]["samples"] == {"ops_center_usage_events_accepted_total": 0}
    # never received, never asked: no line, and surely no 0
    absent = {
        "ops_center_usage_last_event_timestamp_seconds",
        "ops_center_webhook_last_verified_timestamp_seconds",
        "ops_center_source_answers",
    }
    assert not absent & set(found)
    kinds = {"total": "counter", "lateness_seconds": "summary"}
    for name, each in found.items():
        assert each["type"] == next((kind for end, kind in kinds.items() if name.endswith(f"_{end}")), "gauge")


def test_stripe_is_told_by_its_last_call_and_never_asked_for_it(make_app):
    billing = Billing()
    app = make_app(read_token=KEY, **billing.settings())
    ops = app.server.extensions["ops"]
    client, gateway = app.server.test_client(), ops.billing.stripe

    def told():
        (found,) = (each for each in states(ops) if each.name == "Stripe")
        text = client.get("/metrics", headers={"Authorization": f"Bearer {KEY}"}).get_data(as_text=True)
        line = re.search(r'source_answers{source="stripe"} (\d)', text)
        return found.dot, found.word, found.detail, line and line[1]

    assert told() == ("none", "set", "A key is set. It is asked when somebody buys.", None)
    assert gateway.session("cs_test_none") is None  # that there is none is a good answer
    assert told()[::3] == ("ok", "1")
    for kind, words in (("500", "Stripe answered with an error."), ("401", "Stripe refused our key, or")):
        billing.stripe.fail(kind)
        gateway.session("cs_test_none")
        found = told()
        assert (found[:2], found[3]) == (("danger", "failed"), "0")
        assert found[2].startswith(words)
        billing.stripe.heal()
    asked = len(billing.stripe.asked)
    told()
    assert len(billing.stripe.asked) == asked
    gateway.session("cs_test_none")
    assert told()[0] == "ok"
    billing.close()


def test_events_that_were_stored_are_counted(console):
    event = {"event_id": "e1", "started_at": "2026-03-01T12:00:00Z"}
    token = console.ops.ingest_token
    for _ in range(2):
        header = {"Authorization": f"Bearer {token}"}
        answer = console.client.post("/api/v1/llm/usage/events", json=[event], headers=header)
        assert answer.status_code == 200, answer.json
    body = console("/api/v1/system/console").json
    assert body["received"] == {"accepted": 1, "duplicates": 1}
    assert body["last_event_at"] is not None
    assert body["store_bytes"] > 0
    found = parse(console("/metrics").get_data(as_text=True))
    assert "ops_center_usage_last_event_timestamp_seconds" in found


def test_the_console_tells_null_with_reasons(console):
    body = console("/api/v1/system/console").json
    assert (body["webhooks"], body["last_event_at"]) == (None, None)
    assert {"webhooks", "last_event_at"} <= set(body["reasons"])
    assert {each["name"]: each["answers"] for each in body["connections"]} == {"Lago": None, "Stripe": None}


def test_what_the_console_does_not_know_within_a_part_has_its_reason_too(make_app):
    billing = Billing()
    app = make_app(read_token=KEY, **billing.settings())
    ops, machine = app.server.extensions["ops"], FakeMachine()
    ops.system.close()
    ops.system = machine.held_source()
    for _ in range(3):
        machine.wait(2)
        ops.system.sampler.tick()
    answer = app.server.test_client().get("/api/v1/system/console", headers={"Authorization": f"Bearer {KEY}"})
    body, reasons = answer.json, answer.json["reasons"]
    assert body["jitter"]["p95_s"] is None
    assert reasons["jitter.p95_s"] == "too few steps yet: 2"
    never = {name: at for name, at in body["webhooks"].items() if at is None}
    assert never
    assert {reasons[f"webhooks.{name}"] for name in never} == {"none has come"}
    part = body["process"] or {}
    assert {f"process.{name}" for name, value in part.items() if value is None} <= set(reasons)
    billing.close()


def test_metrics_are_closed_to_everyone_else_and_say_so_as_a_program_expects(app):
    answer = app.server.test_client().get("/metrics", headers={"Accept": "text/html,*/*"})
    assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
