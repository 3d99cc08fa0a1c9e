import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_sources.result import Kind, Problem
from data_sources.usage.attempt import us_of
from data_sources.usage.import_client import undo_import
from tests.data_sources.usage.importing.steps import AZURE, ORIGIN
from tests.data_sources.usage.ingest_rows import DATA, FULL, LITELLM, NOON_US, ask, differences, event, figures

SUMS = "SELECT count(*), sum(counts_call), sum(input_tokens), sum(output_tokens) FROM attempts"


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


def test_litellms_names_as_columns_are_a_table_that_needs_its_mapping(target, tmp_path):
    path = tmp_path / "spend.csv"
    path.write_text(
        "request_id,startTime,call_type,model,prompt_tokens\na,2026-11-01 10:00:00,acompletion,gpt-4o,10\n",
        encoding="utf-8",
    )
    assert "--map started_at=COLUMN is needed" in target.run(path).problem.detail
    report = target.run(path, columns={"started_at": "startTime", "input_tokens": "prompt_tokens"}, tz="UTC")
    assert (report.form, report.accepted, report.problem) == ("table", 1, None)


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
    # the console counts what the command tells, rows that were never sent among it
    [batch] = target.ops.writer.batches()
    assert (batch["accepted"], batch["rejected"], batch["name"]) == (2, 3, "t.csv")
    assert ask(target.store, "SELECT source, reason, sum(events) FROM rejections GROUP BY ALL ORDER BY ALL") == [
        ("import", "input_tokens … is not a number", 1),
        ("import", "the start is empty", 1),
        ("import", "… cells under 3 columns", 1),
    ]


def test_a_file_of_which_no_row_can_be_read_is_counted_all_the_same(target, tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(event(n) | {"input_tokens": f"x{n}"}) + "\n" for n in range(70)), "utf-8")
    report = target.run(path)
    assert (report.accepted, report.rejected_count, report.problem) == (0, 70, None)
    [batch] = target.ops.writer.batches()
    assert (batch["accepted"], batch["rejected"]) == (0, 70)
    assert ask(target.store, "SELECT sum(events) FROM rejections") == [(70,)]
    assert ask(target.store, "SELECT sum(accepted), sum(rejected) FROM intake") == [(0, 70)]


@pytest.mark.parametrize(("delimiter", "tags"), [(",", "x;y"), (";", '"x;y"')])
def test_columns_with_our_names_need_no_mapping_and_types_are_read(target, tmp_path, delimiter, tags):
    path = tmp_path / "t.csv"
    path.write_text(
        "event_id,started_at,model,stream,tags,cost_reported_usd,http_status,duration_ms,extra\n".replace(
            ",", delimiter
        )
        + f"a,2026-01-01T00:00:00Z,gpt-4o,yes,{tags},0.1,429,812.5,z\n".replace(",", delimiter),
        encoding="utf-8",
    )
    report = target.run(path, fixed={"power_level": "eco"})
    assert (report.accepted, report.ignored) == (1, ("extra",))
    found = ask(
        target.store,
        "SELECT event_id, model, stream, tags, cost_usd::VARCHAR, status, power_level, duration_ms FROM attempts",
    )
    assert found == [("a", "gpt-4o", True, ["x", "y"], "0.100000000000", "failure", "eco", 813)]


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
