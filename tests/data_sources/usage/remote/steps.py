"""What the tests of the remote source say to it and ask of its answers."""

from __future__ import annotations

import copy
import json

from data_sources.result import Failed, Ready
from data_sources.usage.types import UsageQuery
from tests.fakes.usage_rows import at

NOW = at("2026-11-22T14:02:10")
ROOT = "/api/v1/llm/usage"
WEEK = UsageQuery(range="7d", tz="Europe/Berlin")
WINDOW = {"start": "2026-11-15T23:00:00Z", "end": "2026-11-22T14:02:10Z", "tz": "Europe/Berlin"}


def ready(result):
    assert isinstance(result, Ready), result
    assert result.stale is None
    return result.value


def problem(result):
    assert isinstance(result, Failed), result
    assert result.problem.detail.endswith(".")
    return result.problem


def change(api, name, **sent):
    api.bodies[f"{ROOT}/{name}"] = {**copy.deepcopy(api.bodies.get(f"{ROOT}/{name}", {})), **sent}


ROW = {"started_at": "2026-11-22T09:00:00Z", "cost_usd": "0.1", "calls": 1, "stream": None, "model": "a\nb"}


def export_body(rows, *, total=None, filters=None, end="\n]}\n", columns=True, notes=()):
    head = {"grain": "calls", "filters": filters or {}, "total_rows": len(rows) if total is None else total}
    head["notes"] = list(notes)
    if columns:
        head["columns"] = list(ROW)
    lines = ",\n".join(json.dumps(row) for row in rows)
    return (200, (json.dumps(head)[:-1] + ', "rows": [' + "\n" + lines + end).encode(), {})
