from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal

import pytest
from flask import Flask

from data_sources.principal import Principal
from data_sources.state.store import State
from data_sources.usage.embedded import EmbeddedUsage
from data_sources.usage.store import StoreError
from data_sources.usage.types import Export, Window
from routes import errors, usage_api
from routes.gate import Gate
from routes.usage_export import cell, response
from tests.fakes.usage_rows import at, attempt, fill, make_store

NOW = at("2026-11-22T14:02:10")
KEY = "a-read-key-for-tests"
ROOT = usage_api.ROOT
NINE = at("2026-11-22T09:00:00")
ROWS = [
    attempt(1, NINE, provider="openai", model="gpt-5-mini", power_level="eco", cost_usd="0.0006695", input_tokens=2006),
    attempt(2, NINE, provider="openai", model="=cmd()", input_tokens=10, user_id="+49", organization_id="acme"),
    attempt(3, NINE + timedelta(seconds=1), status="failure", error_type="Timeout", http_status=504),
]


@pytest.fixture
def store(tmp_path):
    made = make_store(tmp_path)
    fill(made, ROWS, listened=[(at("2026-11-01T00:00:00"), NOW)])
    yield made
    made.close()


@pytest.fixture
def server(store, tmp_path):
    server, state = Flask(__name__), State(f"sqlite:///{tmp_path / 'state.db'}")
    server.config["SECRET_KEY"] = "s" * 32
    server.config["SESSION_COOKIE_SECURE"] = False
    Gate("s" * 32, "an-ingest-key-for-tests", KEY, dict, state).install(server)
    errors.install(server)
    source = EmbeddedUsage(store, now=lambda: NOW)
    server.register_blueprint(usage_api.blueprint(lambda: source, default_tz="UTC"))
    yield server
    state.close()


@pytest.fixture
def get(server):
    client = server.test_client()
    return lambda path: client.get(ROOT + path, headers={"Authorization": f"Bearer {KEY}"})


def test_the_summary_has_the_fields_of_the_original_console_and_the_new_ones(get):
    body = get("/summary?range=today").json
    assert (body["total_calls"], body["total_attempts"], body["failed_calls"], body["unknown_calls"]) == (3, 3, 1, 0)
    assert (body["total_cost"], body["avg_cost_per_call"], body["currency"]) == ("0.0006695", "0.0006695", "USD")
    assert body["tokens"] == {"input": 2016, "output": None, "cache_read": None, "cache_write": None, "reasoning": None}
    assert body["window"] == {
        "start": "2026-11-22T00:00:00Z",
        "end": "2026-11-22T14:02:10Z",
        "tz": "UTC",
        "range": "today",
    }
    assert body["growth"]["calls"] is None
    assert body["coverage"]["complete"] is True
    assert body["data_as_of"] == "2026-11-22T09:00:01Z"


def nulls(value, path=""):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from nulls(inner, f"{path}.{name}" if path else name)
    elif value is None:
        yield path


def test_every_unknown_of_the_summary_has_its_reason(get):
    body = get("/summary?range=today").json
    body.pop("previous")
    missing = [path for path in nulls(body) if path not in body["reasons"]]
    assert missing == []


@pytest.mark.parametrize("name", ["by-provider", "by-model", "by-power-level", "by-user", "by-team"])
def test_groups_and_the_rest_sum_to_the_total_with_what_is_not_set_inside(get, name):
    body = get(f"/{name}?range=today").json
    plural = {"by-power-level": "levels"}.get(name, name.removeprefix("by-") + "s")
    key = "level" if plural == "levels" else "name"
    assert sum(group["calls"] for group in body[plural]) == body["total"]["calls"] == 3
    assert None in [group[key] for group in body[plural]]
    assert sum(group["percentage"] for group in body[plural]) == pytest.approx(100)
    for group in body[plural]:
        assert [path for path in nulls(group) if path not in group["reasons"] and path not in (key, "hue")] == []


def test_a_limit_leaves_the_rest_in_other(get):
    body = get("/by-model?range=today&limit=2").json
    assert [group["name"] for group in body["models"]] == ["=cmd()", None]
    assert (body["other"]["calls"], body["other_groups"], body["total_groups"]) == (1, 1, 3)


def test_buckets_sum_to_the_total_and_name_their_groups(get):
    body = get("/timeseries?range=today&granularity=hour&group_by=provider").json
    assert len(body["buckets"]) == 15
    assert sum(bucket["calls"] for bucket in body["buckets"]) == 3
    nine = body["buckets"][9]
    assert (nine["state"], nine["calls"], nine["cost"]) == ("complete", 3, "0.0006695")
    assert [(group["name"], group["calls"]) for group in nine["groups"]] == [("openai", 2), (None, 1)]
    assert (body["buckets"][8]["calls"], body["buckets"][8]["cost"]) == (0, "0")
    assert body["buckets"][14]["state"] == "forming"


def test_a_time_without_collection_is_null_and_says_so(get):
    body = get("/timeseries?start=2026-10-30T00:00&end=2026-11-02T00:00&granularity=day").json
    assert [bucket["state"] for bucket in body["buckets"]] == ["not_collected", "not_collected", "complete"]
    assert body["buckets"][0]["calls"] is None
    assert body["buckets"][0]["reasons"]["calls"] == "We were not listening in this time."
    assert body["buckets"][2]["calls"] == 0


def test_recent_calls_come_page_by_page(get):
    first = get("/recent?range=today&limit=2").json
    assert [row["call_id"] for row in first["requests"]] == ["c000003", "c000002"]
    second = get(f"/recent?range=today&limit=2&cursor={first['next_cursor']}").json
    assert [row["call_id"] for row in second["requests"]] == ["c000001"]
    assert (second["next_cursor"], second["kept_since"], second["reason"]) == (None, None, None)
    unheard = get("/recent?start=2026-10-01T00:00&end=2026-10-02T00:00").json
    assert (unheard["total_calls"], unheard["reason"]) == (None, "We were not listening in this window.")
    assert second["requests"][0]["cost"] == "0.0006695"
    failed = first["requests"][0]
    assert (failed["cost"], failed["reasons"]["cost"]) == (None, "No usage was reported.")
    assert len(failed["attempts"]) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/summary?rnage=today",
        "/summary?limit=3",
        "/summary?range=fortnight",
        "/summary?organization_id=acme",
        "/by-model?limit=0",
        "/by-model?limit=ten",
        "/summary?status=sucess",
        "/recent?status=",
        "/timeseries?granularity=second",
        "/timeseries?group_by=organization",
        "/timeseries?range=7d&granularity=minute",
        "/recent?cursor=nonsense",
        "/recent?limit=501",
        "/export?format=xlsx",
        "/export?grain=calls&grain=attempts",
        "/version?x=1",
    ],
)
def test_a_wrong_question_is_a_400_problem_with_a_sentence(get, path):
    answer = get(path)
    assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")
    assert answer.json["detail"].endswith(".")
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]


def test_csv_has_every_row_and_no_cell_that_runs_as_a_formula(get):
    answer = get("/export?range=today&format=csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["X-Total-Rows"] == "3"
    assert [row["model"] for row in rows] == ["gpt-5-mini", "'=cmd()", ""]
    assert rows[1]["user_id"] == "'+49"
    assert (rows[0]["cost_usd"], rows[1]["cost_usd"]) == ("0.0006695", "")
    assert rows[0]["started_at"] == "2026-11-22T09:00:00Z"
    assert "attachment" in answer.headers["Content-Disposition"]


def retried():
    """Calls that were tried again for money, within a provider and across, also around midnight."""
    late = at("2026-11-21T22:30:00")
    rows = []
    for number, start in enumerate([NINE, NINE + timedelta(minutes=5), late]):
        tries = [
            ("openai", "0.5", 0, "failure"),
            ("openai", "0.25", 0, "failure"),
            ("anthropic", "0.125", 1, "success"),
        ]
        for tried, (provider, cost, decides, status) in enumerate(tries):
            fields = {"call_id": f"again{number}", "counts_call": decides, "status": status, "provider": provider}
            moment = start + timedelta(seconds=tried)
            rows.append(attempt(100 + 10 * number + tried, moment, cost_usd=cost, input_tokens=7, **fields))
    return rows


@pytest.mark.parametrize("form", ["csv", "json"])
@pytest.mark.parametrize(
    "query",
    [
        "range=today",
        "range=today&tz=Asia/Kolkata",
        "start=2026-11-21T22:30&end=2026-11-22T09:15&tz=Europe/Berlin",
        "range=7d&provider=openai",
        "range=7d&provider=anthropic&status=success",
        "range=7d&status=failure&tz=America/St_Johns",
    ],
)
def test_the_sums_of_an_export_equal_the_figures(get, store, query, form):
    fill(store, retried())
    figures = get(f"/summary?{query}").json
    answer = get(f"/export?{query}&format={form}")
    rows = list(csv.DictReader(io.StringIO(answer.text))) if form == "csv" else json.loads(answer.text)["rows"]
    assert len(rows) == figures["total_attempts"] > 0
    assert sum(int(row["counts_call"]) for row in rows) == figures["total_calls"]
    assert sum(Decimal(row["cost_usd"]) for row in rows if row["cost_usd"]) == Decimal(figures["total_cost"])
    tokens = [int(row["input_tokens"]) for row in rows if row["input_tokens"] not in ("", None)]
    assert sum(tokens) == figures["tokens"]["input"]
    told = (int(answer.headers["X-Total-Rows"]), int(answer.headers["X-Total-Calls"]))
    assert told == (figures["total_attempts"], figures["total_calls"])


def test_one_row_a_call_is_still_there_for_the_asking(get, store):
    fill(store, retried())
    body = json.loads(get("/export?range=today&format=json&grain=calls").text)
    assert (body["grain"], body["total_rows"], body["total_calls"]) == ("calls", 5, 5)


def test_no_average_of_costs_and_calls_that_do_not_belong_together(get, store):
    fill(store, retried())
    whole = get("/summary?range=today").json
    assert whole["avg_cost_per_call"] == str((Decimal("1.75") + Decimal("0.0006695")) / 3)[:14]
    for query in ("provider=openai", "status=failure"):
        part = get(f"/summary?range=today&{query}").json
        assert part["total_cost"] is not None
        assert part["avg_cost_per_call"] is None
        assert part["reasons"]["avg_cost_per_call"].endswith(".")
    fill(store, [attempt(200, NINE, provider="openai", cost_usd="1")])
    part = get("/summary?range=today&provider=openai").json
    words = "Under this filter the cost of retries belongs to calls that are not counted here."
    assert (part["avg_cost_per_call"], part["reasons"]["avg_cost_per_call"]) == (None, words)
    assert get("/summary?range=today&provider=anthropic").json["avg_cost_per_call"] == "0.125"


def test_an_export_holds_tags_audio_searches_and_both_costs(get, store):
    fields = {"input_audio_tokens": 3, "output_audio_tokens": 4, "web_searches": 5, "tags": ["=a", "b"]}
    costs = {"cost_reported_usd": Decimal("0.5"), "cost_computed_usd": Decimal("0.25"), "cost_usd": "0.5"}
    fill(store, [attempt(300, NINE, provider="x", **fields, **costs)])
    asked = "/export?range=today&provider=x"
    (row,) = json.loads(get(f"{asked}&format=json").text)["rows"]
    assert {name: row[name] for name in fields} == fields
    assert (row["cost_reported_usd"], row["cost_computed_usd"]) == ("0.5", "0.25")
    (row,) = csv.DictReader(io.StringIO(get(asked).text))
    assert [row[name] for name in fields] == ["3", "4", "5", "'=a;b"]


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", " =1", "\x00=1", "\ufeff@x", "\xa0-1", "＝1", "＋1", "－1", "＠x"],
)
def test_text_never_starts_a_formula(text):
    assert cell(text) == "'" + text


@pytest.mark.parametrize(("value", "plain"), [(-5, -5), (None, None), (Decimal("0.10"), "0.1"), (True, "true")])
def test_figures_stay_figures(value, plain):
    assert cell(value) == plain


def test_json_export_keeps_unknown_as_null_and_text_as_it_is(get):
    body = json.loads(get("/export?range=today&format=json").text)
    assert (body["total_rows"], len(body["rows"])) == (3, 3)
    assert [row["cost_usd"] for row in body["rows"]] == ["0.0006695", None, None]
    assert body["rows"][1]["model"] == "=cmd()"


@pytest.mark.parametrize("form", ["csv", "json"])
def test_an_export_that_fails_midway_breaks_off_instead_of_ending_short(get, form):
    def rows():
        for number in range(1200):
            yield (number,)
        raise StoreError("The disk of the usage store failed.", code="io")

    window = Window(at("2026-11-22T00:00:00"), NOW, "UTC", "today")
    export = Export(window, "calls", ("number",), 5000, rows())
    sent = []
    with pytest.raises(StoreError):
        sent.extend(response(export, form, beside={}).response)
    assert sent
    assert not "".join(sent).endswith("}\n")


def sign_in(client, role, organization):
    with client.session_transaction() as session:
        session["sid"] = "x"
        session["principal"] = asdict(Principal(f"link:{role}", role, organization, None))


def test_a_member_reads_its_own_organization_only(server):
    client = server.test_client()
    sign_in(client, "member", "acme")
    assert client.get(f"{ROOT}/summary?range=today").json["total_calls"] == 1
    assert [row["call_id"] for row in client.get(f"{ROOT}/recent?range=today").json["requests"]] == ["c000002"]
    assert client.get(f"{ROOT}/export?range=today").headers["X-Total-Rows"] == "1"


def test_a_member_of_no_organization_reads_nothing(server):
    client = server.test_client()
    sign_in(client, "member", None)
    assert client.get(f"{ROOT}/summary?range=today").status_code == 403


def test_nobody_reads_without_a_key(server):
    assert server.test_client().get(f"{ROOT}/summary").status_code == 401
    wrong = {"Authorization": "Bearer an-ingest-key-for-tests"}
    assert server.test_client().get(f"{ROOT}/summary", headers=wrong).status_code == 403


def test_a_store_that_cannot_answer_is_503_with_retry_after(server, store):
    store.close()
    answer = server.test_client().get(f"{ROOT}/summary", headers={"Authorization": f"Bearer {KEY}"})
    assert (answer.status_code, answer.json["title"]) == (503, "Failed to Load Usage Data")
    assert int(answer.headers["Retry-After"]) >= 1


def test_the_version_is_small_and_changes_with_the_data(get, store):
    before = get("/version").json
    assert before["ever_collected"] is True
    fill(store, [attempt(50, NINE)])
    assert get("/version").json["version"] > before["version"]


def test_an_answer_says_what_it_is_limited_to(get):
    assert get("/summary?range=today").json["filters"] == {}
    asked = get("/by-model?range=today&provider=openai&provider=&organization=acme").json
    assert asked["filters"] == {"provider": ["openai", None], "organization": "acme"}
    assert json.loads(get("/export?range=today&format=json&organization=acme").text)["total_rows"] == 1


def test_a_key_may_ask_for_one_organization_and_a_member_for_no_other(get, server):
    assert get("/summary?range=today&organization=acme").json["total_calls"] == 1
    assert get("/summary?range=today&organization=").status_code == 400
    client = server.test_client()
    sign_in(client, "member", "acme")
    assert client.get(f"{ROOT}/summary?range=today&organization=acme").json["total_calls"] == 1
    assert client.get(f"{ROOT}/summary?range=today&organization=other").status_code == 403


def test_a_call_is_read_by_its_id_and_an_unknown_one_is_not_found(get):
    body = get("/call?call=c000001").json
    assert body["call"]["cost"] == "0.0006695"
    assert body["facts"][0]["cost_usd"] == "0.0006695"
    assert body["facts"][0]["started_at"] == "2026-11-22T09:00:00Z"
    assert get("/call?call=nothing").status_code == 404
    assert get("/call?call=c000001&organization=acme").status_code == 404
    assert get("/call").status_code == 400
    assert get("/call?call=c000001&range=7d").status_code == 400
