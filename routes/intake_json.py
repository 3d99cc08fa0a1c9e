"""What became of what was received, as JSON."""

from __future__ import annotations

from typing import Any

from data_sources.usage.types import Intake, IntakeSeries, Taken
from routes.usage_json import coverage, time, window


def whole(value: Intake) -> dict[str, Any]:
    """The answer of `coverage` for who may see all of what was received."""
    return {**coverage(value.coverage), "window": window(value.window), "intake": _intake(value), "reasons": {}}


def _taken(value: Taken) -> dict[str, int | None]:
    return {
        "received": value.received,
        "accepted": value.accepted,
        "duplicates": value.duplicates,
        "rejected": value.rejected,
        "late": value.late,
    }


def _series(value: IntakeSeries) -> dict[str, Any]:
    unknown = dict.fromkeys(("received", "accepted", "duplicates", "rejected", "late"))
    return {
        "granularity": value.granularity,
        "steps": [
            {
                "start": time(one.start),
                "end": time(one.end),
                "state": one.state,
                **(unknown if one.taken is None else _taken(one.taken)),
            }
            for one in value.steps
        ],
    }


def _intake(value: Intake) -> dict[str, Any]:
    return {
        "counted_since": time(value.counted_since),
        "granularity": value.granularity,
        "sources": [
            {"source": one.source, "hue": one.hue, **_taken(one.taken), "last_received_at": time(one.last_received_at)}
            for one in value.sources
        ],
        "buckets": [
            {"start": time(one.start), "end": time(one.end), "source": one.source, **_taken(one.taken)}
            for one in value.buckets
        ],
        "rejections": [
            {
                "source": one.source,
                "reason": one.reason,
                "events": one.events,
                "last_received_at": time(one.last_received_at),
                "batch_id": one.batch_id,
                "index": one.index,
                "fields": list(one.fields),
            }
            for one in value.rejections
        ],
        "imports": [
            {
                "batch_id": one.batch_id,
                "name": one.name,
                "source": one.source,
                "received_at": time(one.received_at),
                **_taken(one.taken),
                "undone_at": time(one.undone_at),
            }
            for one in value.imports
        ],
        "series": None if value.series is None else _series(value.series),
        "damage": None if value.damage is None else list(value.damage),
        "refused_since": time(value.refused_since),
        "refused": None
        if value.refused is None
        else [
            {
                "address": one.door,
                "status": one.status,
                "reason": one.reason,
                "requests": one.requests,
                "last_received_at": time(one.last_received_at),
            }
            for one in value.refused
        ],
    }
