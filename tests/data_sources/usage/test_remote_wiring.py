from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from cli import main
from data_sources.usage.remote import RemoteUsage
from data_sources.usage.types import NOT_SENT, UsageQuery
from routes.source_states import states
from routes.usage_upkeep import OWN_STORE
from tests.fakes.usage_api import KEY, OriginalUsageApi

ROOT = "/api/v1/llm/usage"


@pytest.fixture
def api():
    made = OriginalUsageApi()
    yield made
    made.close()


@pytest.fixture
def console(make_app, api):
    return make_app(usage_api_url=api.url, usage_api_token=KEY, ingest_token="an-ingest-key-for-tests")


def state(console, **named):
    (found,) = [one for one in states(console.server.extensions["ops"], **named) if one.name.startswith("Usage")]
    return found


def test_a_console_with_a_usage_api_reads_it_instead_of_its_store(console, sign_in):
    assert isinstance(console.server.extensions["ops"].usage, RemoteUsage)
    body = sign_in(console).get(f"{ROOT}/summary?range=7d").json
    assert (body["total_calls"], body["total_cost"], body["failed_calls"]) == (1200, "34.56", None)
    assert body["reasons"]["failed_calls"] == "The usage API did not send it."
    assert body["coverage"] is None
    assert body["window"]["confirmed"] is False


def test_what_the_api_does_not_confirm_is_not_confirmed_to_the_next_reader(console, api, sign_in):
    asked = UsageQuery(range="7d", provider=("openai",))
    address = f"{ROOT}/summary?range=7d&tz=UTC&provider=openai"
    body = sign_in(console).get(address).json
    assert (body["filters"], body["window"]["confirmed"]) == (None, False)
    assert any(note.startswith("Filters not confirmed (provider): ") for note in body["notes"])
    api.bodies[f"{ROOT}/summary"] = body
    second = RemoteUsage(api.url, KEY)
    found = second.summary(asked)
    second.close()
    assert [caveat.split(":")[0] for caveat in found.provenance.caveats] == [
        "Window not confirmed",
        "Filters not confirmed (provider)",
    ]
    api.bodies[f"{ROOT}/summary"] = body | {"filters": {"provider": ["openai"]}}
    assert sign_in(console).get(address).json["filters"] == {"provider": ["openai"]}


def test_an_old_answer_says_so_in_its_body(console, api, sign_in):
    client = sign_in(console)
    assert "stale" not in client.get(f"{ROOT}/summary?range=7d").json
    api.fail("500")
    answer = client.get(f"{ROOT}/summary?range=7d")
    assert (answer.status_code, answer.json["total_calls"]) == (200, 1200)
    assert "error" in answer.json["stale"]["detail"]
    assert answer.json["stale"]["fetched_at"] <= answer.json["stale"]["failed_at"]


def nulls(value, path=""):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from nulls(inner, f"{path}.{name}" if path else name)
    elif value is None:
        yield path


@pytest.mark.parametrize(
    ("name", "plural", "key"), [("by-provider", "providers", "name"), ("by-power-level", "levels", "level")]
)
def test_every_unknown_of_a_group_has_its_reason(console, sign_in, name, plural, key):
    for group in sign_in(console).get(f"{ROOT}/{name}").json[plural]:
        assert [path for path in nulls(group) if path not in group["reasons"] and path not in (key, "hue")] == []


def test_a_share_that_was_not_sent_is_of_the_total_that_was_or_unknown(console, api, sign_in):
    rows = [{"name": "a", "calls": 7, "cost": 3}, {"name": "b", "calls": 3}, {"name": "c", "calls": 0}]
    client = sign_in(console)

    def asked(**more):
        api.bodies[f"{ROOT}/by-provider"] = {"providers": rows, **more}
        found = client.get(f"{ROOT}/by-provider").json["providers"]
        return [(one["percentage"], one["reasons"].get("percentage")) for one in found], found[0]["cost_percentage"]

    assert asked() == ([(None, NOT_SENT)] * 3, None), "the list may be cut: its sum is no total"
    assert asked(total={"calls": 10, "cost": 4}) == ([(70.0, None), (30.0, None), (0.0, None)], 75.0)
    assert asked(total={"calls": 5})[0][0] == (None, NOT_SENT), "more than all"
    rows[:] = [{"name": "c", "calls": 0}]
    assert asked(total={"calls": 0})[0] == [(None, "There are no calls to have a share of.")]


def test_what_the_api_does_not_offer_is_a_404_problem(console, sign_in):
    answer = sign_in(console).get(f"{ROOT}/by-model")
    assert (answer.status_code, answer.json["type"]) == (404, "not-found")
    assert answer.json["detail"] == "This usage API does not offer usage by model."


def test_a_member_is_refused_where_the_api_does_not_know_organizations(console, sign_in):
    answer = sign_in(console, "member", "acme").get(f"{ROOT}/summary")
    assert (answer.status_code, answer.json["code"]) == (403, "organization-not-confirmed")


def test_events_are_still_accepted_into_the_store(console):
    event = {"event_id": "1", "started_at": "2026-11-22T09:00:00Z", "model": "gpt-5-mini"}
    answer = console.server.test_client().post(
        f"{ROOT}/events",
        data=json.dumps([event]),
        content_type="application/json",
        headers={"Authorization": "Bearer an-ingest-key-for-tests"},
    )
    assert (answer.status_code, answer.json["accepted"]) == (200, 1)


def test_the_commands_about_a_store_say_that_it_is_not_the_one_that_pages_show(console, serve, monkeypatch, tmp_path):
    served, ops = serve(console), console.server.extensions["ops"]
    monkeypatch.setenv("OPS_DATA_DIR", str(ops.settings.data_dir))
    monkeypatch.setenv("OPS_INGEST_TOKEN", "an-ingest-key-for-tests")
    (tmp_path / "t.jsonl").write_text('{"event_id": "1", "started_at": "2026-11-22T09:00:00Z"}\n', "utf-8")
    for words in (
        ["verify"],
        ["forget", "--user", "ann"],
        ["reprice", "--from", "2026-11-01"],
        ["backup", str(tmp_path / "copy.duckdb")],
        ["import", str(tmp_path / "t.jsonl")],
    ):
        done = CliRunner().invoke(main, [*words, "--url", served.url])
        assert (words[0], done.exit_code) == (words[0], 0), done.output
        assert OWN_STORE.rstrip(".") in done.output.replace("\n", " "), words


def test_the_rail_never_asks_and_the_doctor_does(console, api, sign_in):
    assert (state(console).name, state(console).word) == ("Usage API", "not asked yet")
    assert api.asked == []
    assert state(console, probe=True).dot == "ok"
    api.fail("401")
    sign_in(console).get(f"{ROOT}/by-provider")
    found = state(console)
    assert (found.dot, found.word, found.detail) == ("danger", "failed", "Usage API refused our key.")
