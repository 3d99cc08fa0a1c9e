"""Makes events, stores and writers for the tests of what comes in."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

from data_sources.usage import rollup
from data_sources.usage.normalise import parse
from data_sources.usage.store import UsageStore
from data_sources.usage.writer import Writer, now_us

REPO = Path(__file__).parents[3]
DATA = REPO / "tests" / "data"
FULL = REPO.parent / "shared" / "data"
LITELLM = DATA / "litellm_generic_api.json"
NOON_US = 1_795_348_800_000_000


def event(number=1, **fields):
    return {"event_id": f"e{number}", "started_at_us": NOON_US + number, **fields}


def recent(number, **fields):
    """The same of yesterday, which no retention has let go."""
    return event(number, **fields) | {"started_at_us": NOON_US - 86_400_000_000 + number}


def attempts(*events, source=None):
    parsed = parse(json.dumps(events).encode(), source=source, now_us=now_us() + 10**12)
    assert parsed.rejected == []
    return parsed.attempts


def litellm_events():
    return json.loads(LITELLM.read_text(encoding="utf-8"))["body"]


def open_store(folder, **given):
    return UsageStore(folder / "usage.duckdb", **{"memory_bytes": 400_000_000, "min_free_bytes": 1, **given})


@contextmanager
def writing(folder, **given):
    """A store with its writer, both closed at the end."""
    store = open_store(folder)
    writer = Writer(store, **{"heartbeat_s": 60.0, **given})
    writer.start()
    try:
        yield store, writer
    finally:
        writer.close()
        store.close()


def ask(store, query, values=()):
    with store.cursor() as cursor:
        return cursor.execute(query, list(values)).fetchall()


def differences(store):
    with store.cursor() as cursor:
        return rollup.recount(cursor)


MEASURED = (
    "SELECT source, event_id, started_at_us, call_id, counts_call, call_duration_ms, status, input_tokens, "
    "output_tokens, cost_usd, pricing, cost_source FROM attempts ORDER BY ALL"
)
TOTALS = (
    "SELECT slot, provider, model, power_level, status, source, cost_source, sum(attempts), sum(calls), "
    "sum(priced_calls), sum(unpriced_calls), sum(unmetered_calls), sum(cost_usd), sum(input_tokens), "
    "sum(output_tokens) "
    "FROM rollup GROUP BY ALL HAVING sum(attempts) <> 0 ORDER BY ALL"
)


def figures(store):
    """Everything that a page could show, without when it was received."""
    return ask(store, MEASURED), ask(store, TOTALS)
