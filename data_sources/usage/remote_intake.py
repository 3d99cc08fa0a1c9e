"""What became of what a usage API received, from the JSON of its coverage."""

from __future__ import annotations

from typing import cast

from data_sources.usage.remote_decode import whole_coverage
from data_sources.usage.remote_lists import step
from data_sources.usage.remote_read import Node
from data_sources.usage.types import (
    Granularity,
    ImportedFile,
    Intake,
    IntakeBucket,
    IntakeSeries,
    IntakeStep,
    Refused,
    Rejection,
    SourceIntake,
    Taken,
    Window,
)


def intake(root: Node, window: Window) -> Intake | None:
    """The answer of `coverage` with all its counts, None where it has none."""
    told = root.node("intake")
    if told is None:
        return None
    return Intake(
        window=window,
        coverage=whole_coverage(root),
        counted_since=told.time("counted_since"),
        granularity=_grain(told),
        sources=tuple(
            SourceIntake(one.text("source"), one.whole("hue"), _taken(one), one.must_time("last_received_at"))
            for one in told.nodes("sources")
        ),
        buckets=tuple(
            IntakeBucket(one.must_time("start"), one.must_time("end"), one.text("source"), _taken(one))
            for one in told.nodes("buckets")
        ),
        rejections=tuple(_rejection(one) for one in told.nodes("rejections")),
        imports=tuple(
            ImportedFile(
                one.must_text("batch_id"),
                one.text("name"),
                one.text("source"),
                one.must_time("received_at"),
                _taken(one),
                one.time("undone_at"),
            )
            for one in told.nodes("imports")
        ),
        series=None if (series := told.node("series")) is None else _series(series),
        refused=_refused(told) if told.is_given("refused") else None,
        refused_since=told.time("refused_since"),
        damage=tuple(one or "" for one in told.texts("damage")) if told.is_given("damage") else None,
    )


def _grain(node: Node) -> Granularity:
    grain = node.must_text("granularity")
    if grain not in ("hour", "day"):
        raise node.wrong("granularity", "hour or day")
    return cast(Granularity, grain)


def _series(node: Node) -> IntakeSeries:
    steps = (IntakeStep(*step(one), _taken(one) if one.is_given("received") else None) for one in node.nodes("steps"))
    return IntakeSeries(_grain(node), tuple(steps))


def _refused(told: Node) -> tuple[Refused, ...]:
    return tuple(
        Refused(
            one.must_text("address"),
            one.must_whole("status"),
            one.must_text("reason"),
            one.must_whole("requests"),
            one.must_time("last_received_at"),
        )
        for one in told.nodes("refused")
    )


def _taken(node: Node) -> Taken:
    return Taken(
        node.must_whole("accepted"), node.must_whole("duplicates"), node.must_whole("rejected"), node.whole("late")
    )


def _rejection(node: Node) -> Rejection:
    fields = node.maybe_texts("fields") or []
    return Rejection(
        node.text("source"),
        node.text("reason"),
        node.must_whole("events"),
        node.must_time("last_received_at"),
        node.text("batch_id"),
        node.whole("index"),
        tuple(name for name in fields if name is not None),
    )
