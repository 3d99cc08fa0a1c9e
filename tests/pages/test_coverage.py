"""The coverage page: who may see it, who may take an import out, and what it shows."""

from __future__ import annotations

import json

import pytest

from routes.source_states import states
from tests.pages.test_usage_scope import callbacks

PATH = "/admin/llm/coverage"
EVENTS = [
    {"event_id": "a", "started_at": "2025-06-02T09:00:00Z", "model": "m"},
    {"event_id": "a", "started_at": "2025-06-02T09:00:00Z", "model": "m"},
    {"event_id": "b", "started_at": "<script>alert(1)</script>"},
]


@pytest.fixture
def app(make_app):
    return make_app(reporting_tz="UTC")


def send(app, **query):
    key = {"Authorization": f"Bearer {app.server.extensions['ops'].ingest_token}"}
    answer = app.server.test_client().post(
        "/api/v1/llm/usage/events", data=json.dumps(EVENTS), query_string=query, headers=key
    )
    assert answer.status_code == 200
    return answer.get_json()


def shown(reader, search="range=7d&tz=UTC"):
    reader.get(PATH)
    panels = {name: ask(search)[1] for name, ask in callbacks(reader, "usage-query")}
    return {name.removeprefix("coverage-"): text for name, text in panels.items() if name.startswith("coverage-")}


def test_what_came_twice_and_what_was_refused_is_counted_and_told(app, sign_in):
    send(app, source="proxy")
    panels = shown(sign_in(app))
    assert set(panels) == {"chart", "sources", "listening", "rejected", "refused", "imports", "time"}
    assert "3 events received" in panels["sources"]
    assert "proxy" in panels["sources"]
    assert "is not an ISO 8601 time" in panels["rejected"]
    assert "script" not in panels["rejected"]
    assert "No imports" in panels["imports"]


def test_lost_commits_are_told_on_the_page_and_in_the_json(app, sign_in):
    ops, finding = app.server.extensions["ops"], "the last 2 commits are gone: 40 attempts"
    reader = sign_in(app)
    assert reader.get("/api/v1/llm/usage/coverage").json["intake"]["damage"] == []
    assert "are gone" not in "".join(shown(reader).values())
    with ops.usage_store.cursor() as cursor:
        cursor.execute("INSERT INTO meta VALUES ('damage', ?)", [finding])
    send(app)
    told = reader.get("/api/v1/llm/usage/coverage").json
    assert told["intake"]["damage"] == [finding]
    assert [note for note in told["notes"] if finding in note]
    panels = shown(reader)
    assert finding in panels["listening"]
    [store] = [one for one in states(ops) if one.name == "Usage store"]
    assert (store.dot, store.word) == ("warn", "damaged")
    member = sign_in(app, "member", "acme").get("/api/v1/llm/usage/coverage").json
    assert finding not in str(member)


def test_a_time_before_counting_began_shows_no_zero(app, sign_in):
    assert "Nothing counted yet" in shown(sign_in(app))["sources"]
    send(app)
    before = shown(sign_in(app), "start=2025-01-01T00:00:00Z&end=2025-01-02T00:00:00Z&tz=UTC")
    for name in ("chart", "sources", "rejected", "time"):
        assert "Not counted in this window" in before[name]
        assert "0 events" not in before[name]


def test_rejected_events_whose_reasons_are_gone_are_no_zero(app, sign_in):
    send(app)
    ops = app.server.extensions["ops"]
    ops.writer.close()
    with ops.usage_store.cursor() as cursor:
        cursor.execute("DELETE FROM rejections")
    told = shown(sign_in(app))["rejected"]
    assert "1 event rejected" in told
    assert "no longer kept" in told


def test_refused_requests_are_told_and_none_is_a_zero_only_where_they_are_counted(app, sign_in):
    none = shown(sign_in(app))["refused"]
    assert "0 requests refused" in none
    assert "when counting began; before, it is not known" in none
    post = app.server.test_client().post
    assert post("/api/v1/llm/usage/events", headers={"Authorization": "Bearer <wrong>"}).status_code == 401
    send(app)
    told = shown(sign_in(app))["refused"]
    for words in (
        "No valid ingest key",
        "/api/v1/llm/usage/events",
        "401",
        "After 503 a sender that repeats loses nothing",
    ):
        assert words in told.replace("\\u002f", "/")
    assert "wrong" not in told
    before = shown(sign_in(app), "start=2025-01-01T00:00:00Z&end=2025-01-02T00:00:00Z&tz=UTC")["refused"]
    assert "Not counted in this window" in before
    assert "0 requests" not in before


def test_members_see_nothing_of_what_all_organizations_sent(app, sign_in):
    send(app)
    member = sign_in(app, role="member", org="acme")
    assert member.get(PATH).status_code == 403
    assert all("This is not yours to see" in text for text in shown(member).values())
    told = member.get("/api/v1/llm/usage/coverage?range=7d").get_json()
    assert told["intake"] is None
    assert told["reasons"]["intake"]
    assert told["collected_seconds"] is not None


def test_only_who_may_write_is_offered_to_take_an_import_out(app, sign_in):
    batch = send(app, kind="import", name="a.csv", batch_id="import-1")["batch_id"]
    admin, analyst = sign_in(app), sign_in(app, role="analyst")
    assert "Take out" in shown(admin)["imports"]
    assert "Take out" not in shown(analyst)["imports"]
    undo = f"/api/v1/llm/usage/batches/{batch}/undo"
    assert analyst.post(undo).status_code == 403
    assert admin.client.post(undo).status_code == 403  # without the token of its own page
    assert admin.post(undo).get_json()["removed"] == 1
    assert "taken out" in shown(admin)["imports"]


def test_the_api_tells_the_same_as_the_page(app, sign_in):
    send(app, source="proxy")
    told = sign_in(app, role="analyst").get("/api/v1/llm/usage/coverage?range=7d&tz=UTC").get_json()
    [source] = told["intake"]["sources"]
    assert {name: source[name] for name in ("source", "received", "accepted", "duplicates", "rejected")} == {
        "source": "proxy",
        "received": 3,
        "accepted": 1,
        "duplicates": 1,
        "rejected": 1,
    }
    [rejection] = told["intake"]["rejections"]
    assert rejection["fields"] == ["event_id", "started_at"]


def test_a_disk_on_which_no_event_is_taken_is_told_by_the_rail_and_the_doctor(app):
    ops = app.server.extensions["ops"]
    ops.usage_store.min_free_bytes = 10**18
    for probe in (False, True):
        [store] = [one for one in states(ops, probe=probe) if one.name == "Usage store"]
        assert (store.dot, store.word) == ("danger", "full")
        assert store.detail.startswith("Events are not accepted. The disk has ")
