import json
import socket
import threading
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
from flask import Flask, Response, request
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.serving import WSGIRequestHandler, make_server

from data_sources.result import Kind, Problem
from data_sources.usage import import_client
from data_sources.usage.attempt import BadEventError, us_of
from data_sources.usage.import_client import ImportOptions, run_import, undo_import
from data_sources.usage.mapping import NeedsOptionError, TimeRule, plan
from data_sources.usage.tables import RowIds
from tests.data_sources.usage.ingest_rows import (
    DATA,
    FULL,
    LITELLM,
    NOON_US,
    ask,
    differences,
    event,
    figures,
)

AZURE = {"started_at": "TIMESTAMP", "input_tokens": "ContextTokens", "output_tokens": "GeneratedTokens"}
AZURE_SOURCE = {"source": "azure"}
MOONCAKE = {"started_at": "timestamp", "input_tokens": "input_length", "output_tokens": "output_length"}
ORIGIN = datetime(2025, 1, 1, tzinfo=UTC)
SUMS = "SELECT count(*), sum(counts_call), sum(input_tokens), sum(output_tokens) FROM attempts"


class Target:
    """A served console and the import into it."""

    def __init__(self, app, served):
        self.url = served.url
        self.ops = app.server.extensions["ops"]
        self.store = self.ops.usage_store
        self.key = self.ops.ingest_token

    def run(self, path, **given):
        return run_import(ImportOptions(path, self.url, given.pop("key", self.key), **given), lambda *_: None)

    def azure(self, path, **given):
        return self.run(path, **{"columns": AZURE, "tz": "UTC", "fixed": AZURE_SOURCE, **given})

    def mooncake(self, path, **given):
        return self.run(path, columns=MOONCAKE, time_unit="ms", time_origin=ORIGIN, **given)


@pytest.fixture
def target(app, serve):
    return Target(app, serve(app))


def full_or_cut(name, cut, sums_full, sums_cut):
    path = FULL / name
    return (path, sums_full) if path.exists() else (DATA / cut, sums_cut)


@pytest.mark.parametrize(
    ("path", "sums"),
    [
        (DATA / "azure_code_200.csv", (200, 200, 414215, 4907)),
        (DATA / "azure_conv_200.csv", (200, 200, 180695, 47050)),
        full_or_cut(
            "AzureLLMInferenceTrace_code.csv",
            "azure_code_200.csv",
            (8819, 8819, 18059974, 245896),
            (200, 200, 414215, 4907),
        ),
        full_or_cut(
            "AzureLLMInferenceTrace_conv.csv",
            "azure_conv_200.csv",
            (19366, 19366, 22361870, 4088665),
            (200, 200, 180695, 47050),
        ),
    ],
)
def test_the_azure_traces_go_in_to_the_token_and_twice_changes_nothing(target, path, sums):
    report = target.azure(path)
    assert (report.problem, report.rejected, report.accepted) == (None, [], sums[0])
    assert ask(target.store, SUMS) == [sums]
    once = figures(target.store)
    again = target.azure(path)
    assert (again.accepted, again.duplicates) == (0, sums[0])
    assert figures(target.store) == once
    assert differences(target.store) == []


def test_a_bare_trace_says_neither_success_nor_failure_and_names_no_model(target):
    target.azure(DATA / "azure_code_200.csv")
    assert ask(target.store, "SELECT DISTINCT status, model, provider, user_id, cost_usd, pricing FROM attempts") == [
        ("unknown", None, None, None, None, "unpriced")
    ]


@pytest.mark.parametrize(
    ("path", "sums"),
    [
        (DATA / "mooncake_200.jsonl", (200, 200, 2747392, 70941)),
        full_or_cut(
            "mooncake_fast25_conversation_trace.jsonl",
            "mooncake_200.jsonl",
            (12031, 12031, 144793823, 4122048),
            (200, 200, 2747392, 70941),
        ),
    ],
)
def test_two_equal_rows_of_mooncake_are_two_calls_and_twice_changes_nothing(target, path, sums):
    report = target.mooncake(path)
    assert (report.problem, report.rejected, report.accepted) == (None, [], sums[0])
    assert report.ignored == ("hash_ids",)
    assert ask(target.store, SUMS) == [sums]
    assert target.mooncake(path).accepted == 0
    assert ask(target.store, SUMS) == [sums]
    [(longest,)] = ask(target.store, "SELECT max(length(event_id)) FROM attempts WHERE event_id LIKE '%-2'")
    assert longest is not None


def test_an_import_notes_the_span_it_covers_and_undo_takes_both_out(target):
    report = target.azure(DATA / "azure_code_200.csv")
    spans = ask(target.store, "SELECT start_us, end_us, source FROM collection WHERE kind = 'import'")
    assert spans == [(us_of(report.span[0]), us_of(report.span[1]), "azure")]
    assert undo_import(target.url, target.key, report.batch_id) == 200
    assert ask(target.store, "SELECT count(*) FROM attempts") == [(0,)]
    assert ask(target.store, "FROM collection WHERE kind = 'import'") == []
    assert isinstance(undo_import(target.url, target.key, report.batch_id), Problem)


def test_litellms_capture_is_recognised(target):
    report = target.run(LITELLM)
    assert (report.form, report.accepted, report.problem) == ("LiteLLM", 10, None)
    assert ask(target.store, "SELECT sum(counts_call), sum(cost_usd)::VARCHAR FROM attempts") == [(9, "0.037267500000")]


@pytest.mark.parametrize("name", ["events.json", "events.jsonl"])
def test_half_an_emoji_a_number_that_is_none_or_a_mark_costs_no_event_of_a_file(target, tmp_path, name):
    whole = json.loads(LITELLM.read_text(encoding="utf-8"))["body"]
    lines = [json.dumps(one | {"messages": cut}) for one, cut in zip(whole, ["\ud83d", float("nan")], strict=False)]
    lines += ["{nonsense"] * name.endswith("jsonl")
    path = tmp_path / name
    text = f"[{','.join(lines)}]" if name.endswith("json") else "\n".join(lines)
    path.write_text(text, encoding="utf-8-sig")
    report = target.run(path)
    assert (report.accepted, [place for place, _ in report.rejected]) == (2, [3] if name.endswith("jsonl") else [])


@pytest.mark.parametrize("name", ["events.json", "events.jsonl"])
def test_event_files_are_recognised_and_rejects_name_their_place(target, tmp_path, name):
    events = [event(1), event(2, input_tokens=-5), event(3)]
    lines = [json.dumps(made) for made in events]
    text = f"[{','.join(lines)}]" if name.endswith("json") else "\n".join(lines)
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    report = target.run(path)
    assert (report.form, report.accepted) == ("events", 2)
    assert [(place, "not between" in why) for place, why in report.rejected] == [(2, True)]


def test_a_bad_line_is_listed_with_its_line_and_reason(target, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(
        "when,in,out\n2026-01-01T00:00:00Z,1,2\n2026-01-01T00:00:01Z,x,2\n2026-01-01T00:00:02Z,1\n,1,1\n"
        "2026-01-01T00:00:04Z,3,\n",
        encoding="utf-8",
    )
    report = target.run(path, columns={"started_at": "when", "input_tokens": "in", "output_tokens": "out"})
    assert report.accepted == 2
    assert report.rejected_count == 3
    assert report.rejected == [
        (3, "input_tokens 'x' is not a number"),
        (4, "2 cells under 3 columns"),
        (5, "the start is empty"),
    ]
    assert ask(target.store, "SELECT input_tokens, output_tokens FROM attempts ORDER BY 1") == [(1, 2), (3, None)]


@pytest.mark.parametrize(("delimiter", "tags"), [(",", "x;y"), (";", '"x;y"')])
def test_columns_with_our_names_need_no_mapping_and_types_are_read(target, tmp_path, delimiter, tags):
    path = tmp_path / "t.csv"
    path.write_text(
        "event_id,started_at,model,stream,tags,cost_reported_usd,http_status,extra\n".replace(",", delimiter)
        + f"a,2026-01-01T00:00:00Z,gpt-4o,yes,{tags},0.1,429,z\n".replace(",", delimiter),
        encoding="utf-8",
    )
    report = target.run(path, fixed={"power_level": "eco"})
    assert (report.accepted, report.ignored) == (1, ("extra",))
    found = ask(
        target.store, "SELECT event_id, model, stream, tags, cost_usd::VARCHAR, status, power_level FROM attempts"
    )
    assert found == [("a", "gpt-4o", True, ["x", "y"], "0.100000000000", "failure", "eco")]


def test_parquet_is_read_with_its_types(target, tmp_path):
    path = tmp_path / "t.parquet"
    table = pa.table(
        {
            "at": pa.array([NOON_US, NOON_US + 1], pa.timestamp("us", tz="UTC")),
            "tokens": pa.array([5, None], pa.int64()),
        }
    )
    pq.write_table(table, path)
    report = target.run(path, columns={"started_at": "at", "input_tokens": "tokens"})
    assert (report.accepted, report.problem) == (2, None)
    assert ask(target.store, "SELECT started_at_us, input_tokens FROM attempts ORDER BY 1") == [
        (NOON_US, 5),
        (NOON_US + 1, None),
    ]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"columns": AZURE}, "The start column has times without an offset: give --tz (first in row 2)."),
        ({}, "--map started_at=COLUMN is needed"),
        ({"columns": AZURE | {"model": "Nope"}, "tz": "UTC"}, "no such column"),
        ({"columns": AZURE | {"modell": "TIMESTAMP"}, "tz": "UTC"}, "is not a field"),
        ({"columns": AZURE, "tz": "Mars/Olympus"}, "not an IANA time zone"),
        ({"columns": AZURE, "time_unit": "min"}, "--time-unit is one of"),
        ({"columns": AZURE, "time_origin": ORIGIN}, "needs --time-unit"),
        ({"columns": AZURE, "tz": "UTC", "fixed": {"http_status": "many"}}, "--set: http_status"),
        ({"columns": AZURE, "tz": "UTC", "fixed": {"input_tokens": "5"}}, "both mapped and set"),
    ],
)
def test_options_that_do_not_fit_end_the_import_before_anything_is_sent(target, given, why):
    report = target.run(DATA / "azure_code_200.csv", **given)
    assert report.problem.kind is Kind.BAD_QUERY
    assert why in report.problem.detail
    assert ask(target.store, "SELECT count(*) FROM batches") == [(0,)]


@pytest.mark.parametrize(
    ("bad", "why"),
    [("2026-11-20 10:00:00", "has no offset: give --tz"), ("1763632800", "is a number: give --time-unit")],
)
@pytest.mark.parametrize("place", [0, 2])
def test_a_row_whose_time_needs_an_option_is_refused_alone_where_others_need_none(target, tmp_path, bad, why, place):
    starts = ["2026-11-20T10:00:00Z", "2026-11-20T11:00:00+01:00"]
    starts.insert(place, bad)
    path = tmp_path / "calls.csv"
    path.write_text("started_at\n" + "\n".join(starts) + "\n", encoding="utf-8")
    report = target.run(path)
    assert (report.accepted, report.problem) == (2, None)
    [(row, reason)] = report.rejected
    assert (row, reason.endswith(why)) == (place + 2, True)


@pytest.mark.parametrize(
    "name", ["missing.csv", "folder.csv", "notes.txt", "empty.csv", "broken.json", "broken.parquet"]
)
def test_a_file_that_cannot_be_read_is_told(target, tmp_path, name):
    if name == "folder.csv":
        (tmp_path / name).mkdir()
    elif name != "missing.csv":
        (tmp_path / name).write_text("" if name == "empty.csv" else "{nonsense", encoding="utf-8")
    report = target.run(tmp_path / name)
    assert name in report.problem.detail
    assert report.problem.detail.endswith(".")


def test_a_refused_key_is_told_in_words(target):
    report = target.azure(DATA / "azure_code_200.csv", key="wrong")
    assert "refused the key" in report.problem.detail
    assert ask(target.store, "SELECT count(*) FROM attempts") == [(0,)]


def test_a_server_that_is_not_there_is_told_at_once(tmp_path):
    options = ImportOptions(DATA / "azure_code_200.csv", "http://127.0.0.1:9", "k", AZURE, tz="UTC")
    assert "cannot be reached" in run_import(options, lambda *_: None).problem.detail


class _Quiet(WSGIRequestHandler):
    def log(self, *_given):
        pass


@pytest.fixture
def grudging():
    """A server that dies over the first part, then is busy, then says that more than 50 events are too large."""
    server, seen = Flask("grudging"), []

    @server.post("/api/v1/llm/usage/events")
    def take():
        seen.append(request.get_data())
        events = json.loads(seen[-1]) if seen[-1] else []
        if len(seen) == 1:
            request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            return ""
        if len(seen) == 2:
            return {"title": "Events must wait"}, 503, {"Retry-After": "0"}
        if len(events) > 50:
            return {"title": "The body is too large"}, 413
        return {"accepted": len(events), "duplicates": 0, "rejected": [], "batch_id": "b"}

    running = make_server("127.0.0.1", 0, server, request_handler=_Quiet)
    thread = threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}", seen
    running.shutdown()
    running.server_close()
    thread.join(timeout=10)


def test_a_server_that_restarts_or_is_busy_is_waited_for_and_a_large_body_is_sent_in_parts(grudging):
    url, seen = grudging
    told = []
    options = ImportOptions(DATA / "azure_code_200.csv", url, "k", AZURE, tz="UTC")
    waits = []

    def note(done, size, so_far):
        told.append((done <= size, so_far.accepted))
        waits.append(so_far.waiting)

    report = run_import(options, note)
    assert (report.problem, report.accepted) == (None, 200)
    assert [why for why in waits if why] == ["no answer", "HTTP 503"]
    assert waits[-1] is None
    assert seen[0] == seen[1] == seen[2]
    assert seen[-1] == b""
    assert told[-1] == (True, 200)


@pytest.fixture
def proxy(target):
    """A proxy that hands every part on; `spoil` holds what it then makes of the answers, one after the other."""
    app, spoil = Flask("proxy"), []

    @app.route("/<path:path>", methods=["GET", "POST"])
    def hand_on(path):
        address = f"{target.url}/{path}?{request.query_string.decode()}"
        headers = {name: request.headers[name] for name in ("Authorization", "Content-Type") if name in request.headers}
        got = requests.request(request.method, address, data=request.get_data(), headers=headers, timeout=30)
        fault = (spoil.pop(0) if len(spoil) > 1 else spoil[0]) if request.method == "POST" else None
        if fault in ("502", "gone") or (request.method == "GET" and spoil == ["gone"]):
            return "<h1>Bad Gateway</h1>", 502
        broken = {"Content-Length": str(len(got.content) + 9)} if fault == "broken" else {}
        return Response(got.content, got.status_code, {"Content-Type": got.headers["Content-Type"], **broken})

    running = make_server("127.0.0.1", 0, app, request_handler=_Quiet)
    thread = threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}", spoil
    running.shutdown()
    running.server_close()
    thread.join(timeout=10)


def proxied(target, proxy, *faults):
    url, spoil = proxy
    spoil.extend(faults)
    options = ImportOptions(DATA / "azure_code_200.csv", url, target.key, AZURE, AZURE_SOURCE, "UTC", batch_rows=50)
    return run_import(options, lambda *_: None)


def test_an_answer_that_a_proxy_loses_is_asked_for_again_and_what_came_is_told_truly(target, proxy, monkeypatch):
    monkeypatch.setattr(import_client.time, "sleep", lambda _: None)
    target.azure(DATA / "azure_conv_200.csv")
    report = proxied(target, proxy, "502", "no", "broken", "no", "no")
    assert (report.problem, report.accepted, report.duplicates) == (None, 200, 0)
    assert (report.sent_twice, report.unsure) == (0, 0)


@pytest.mark.parametrize(("faults", "accepted", "unsure"), [(("no", "502"), 100, 0), (("no", "gone"), 50, 50)])
def test_an_import_that_a_proxy_ends_says_what_was_accepted(target, proxy, monkeypatch, faults, accepted, unsure):
    monkeypatch.setattr(import_client, "_PATIENCE_S", 0.0)
    report = proxied(target, proxy, *faults)
    assert "(HTTP 502)" in report.problem.detail
    assert (report.accepted, report.unsure) == (accepted, unsure)
    assert ask(target.store, "SELECT count(*) FROM attempts") == [(100,)]
    assert target.azure(DATA / "azure_code_200.csv").accepted == 100


@given(st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1)), st.sampled_from(["Europe/Berlin", "Asia/Kathmandu"]))
def test_a_local_time_is_read_in_its_zone_or_refused(moment, zone):
    rule = TimeRule(zone)
    local = moment.replace(tzinfo=ZoneInfo(zone))
    exists = local.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) == moment
    if not exists:
        with pytest.raises(BadEventError):
            rule.read_us(moment)
        return
    assert rule.read_us(moment) == us_of(local)
    assert rule.read_us(moment.isoformat(" ")) == us_of(local)


def test_an_hour_that_clocks_skip_is_refused_and_one_that_comes_twice_is_told():
    rule = TimeRule("Europe/Berlin")
    with pytest.raises(BadEventError):
        rule.read_us("2026-03-29 02:30:00")
    assert not rule.is_twice("2026-03-29 02:30:00")
    assert rule.is_twice("2026-10-25 02:30:00")
    assert not rule.is_twice("2026-10-25 03:30:00")
    assert not rule.is_twice("2026-10-25T02:30:00Z")
    assert rule.read_us("2026-10-25 02:30:00") == us_of(datetime(2026, 10, 25, 0, 30, tzinfo=UTC))


@given(st.integers(0, 4 * 10**9), st.sampled_from(["s", "ms", "us", "ns"]))
def test_a_number_is_read_in_its_unit_from_its_origin(number, unit):
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    assert TimeRule(unit=unit).read_us(number) == number * 10**6 // per_second
    assert TimeRule(unit=unit, origin=ORIGIN).read_us(str(number)) == us_of(ORIGIN) + number * 10**6 // per_second


@pytest.mark.parametrize("digits", ["1e999999999", "-1e999999999", "9e30", "NaN"])
def test_a_number_that_nothing_can_have_is_refused_with_its_row_alone(digits):
    with pytest.raises(BadEventError):
        TimeRule(unit="s").read_us(digits)
    mapper = plan(["started_at", "input_tokens"], {}, {}, TimeRule())
    with pytest.raises(BadEventError):
        mapper.event({"started_at": "2026-01-01T00:00:00Z", "input_tokens": digits})


@pytest.mark.parametrize(
    ("moment", "zone"), [("0001-01-01T00:00:00", "Asia/Tokyo"), ("9999-12-31T23:59:59", "America/New_York")]
)
def test_a_time_at_the_end_of_the_calendar_is_refused_with_its_row_alone(moment, zone):
    with pytest.raises(BadEventError, match="no time that a call can have"):
        TimeRule(zone).read_us(moment)


def test_numbers_without_a_unit_are_no_times():
    with pytest.raises(NeedsOptionError):
        TimeRule().read_us(1700000000)
    with pytest.raises(NeedsOptionError):
        TimeRule("UTC").read_us("1700000000.5")


def test_the_id_of_a_row_is_its_content_and_its_number_among_equals():
    first, second = RowIds(), RowIds()
    rows = [{"a": 1, "b": "x"}, {"b": "x", "a": 1}, {"a": 2, "b": "x"}]
    made = [first.of(row) for row in rows]
    assert len(set(made)) == 3
    assert made[0][:-1] == made[1][:-1]
    assert [second.of(row) for row in rows] == made


def test_the_id_of_a_row_does_not_depend_on_the_mapping():
    row = {"when": "2026-01-01T00:00:00Z", "n": "5"}
    plain = plan(list(row), {"started_at": "when"}, {}, TimeRule())
    mapped = plan(list(row), {"started_at": "when", "input_tokens": "n"}, {"model": "m"}, TimeRule())
    assert plain.event(row)["event_id"] == mapped.event(row)["event_id"]
