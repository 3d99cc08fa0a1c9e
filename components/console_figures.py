"""The console about itself, as a list of what is known and why the rest is not."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dash.development.base_component import Component

from components import formats
from components.static import Node, static, tags
from components.system_hosts import unknown
from data_sources.console.types import Connection, ConsoleNow, Jitter, OwnProcess


def console_table(now: ConsoleNow, at: datetime) -> Component:
    """One line for each thing: its figure, and a note.

    Args:
        now: What the console tells.
        at: The time now, UTC, for ages.
    """
    rows = [*_process(now, now.process), *_sampler(now, now.jitter), *_store(now, at), *_outside(now, at)]
    head = tags.Tr([tags.Th(name, scope="col") for name in ("Of the console", "Now", "About it")])
    body = [tags.Tr([tags.Td(name), tags.Td(value), tags.Td(note, className="dim")]) for name, value, note in rows]
    wrap: dict[str, Any] = {"tabIndex": 0, "role": "region", "aria-label": "Table of the console's own figures"}
    table = tags.Table([tags.Thead(head), tags.Tbody(body)], className="oc-table")
    return static(tags.Div(table, className="oc-tablewrap", **wrap))


_Row = tuple[str, Any, str]


def _process(now: ConsoleNow, process: OwnProcess | None) -> list[_Row]:
    why = now.reasons.get("process", "measuring")
    if process is None:
        return [("CPU", unknown(why), ""), ("Memory", unknown(why), "")]
    cpu = unknown("measuring") if process.cpu_percent is None else f"{process.cpu_percent:.2f}%"
    step = "" if process.step_s is None else f"of one core, over the last {process.step_s:.0f} s"
    since = f"{process.threads} threads, started {process.started_at:%-d %b %H:%M} UTC, version {now.version}"
    return [("CPU", cpu, step), ("Memory", _size(process.memory_bytes), since)]


def _sampler(now: ConsoleNow, punctual: Jitter | None) -> list[_Row]:
    if punctual is None:
        return [("Sampler off its schedule by", unknown(now.reasons.get("jitter", "measuring")), "")]
    p95 = "" if punctual.p95_s is None else f"95% below {_ms(punctual.p95_s)}, "
    words = f"median; {p95}worst {_ms(punctual.worst_s)}; {punctual.late} of {punctual.steps:,} steps too late"
    return [("Sampler off its schedule by", _ms(punctual.median_s), words)]


def _store(now: ConsoleNow, at: datetime) -> list[_Row]:
    received, process = now.received, now.process
    size = unknown(now.reasons.get("store_bytes", "not told")) if now.store_bytes is None else _size(now.store_bytes)
    newest = "no event yet" if now.last_event_at is None else f"newest event {_ago(now.last_event_at, at)}"
    per_s = None if process is None else process.accepted_per_s
    rate = unknown("measuring") if per_s is None else f"{per_s:,.1f}{formats.NBSP}events/s"
    count = "" if received is None else f"{received.accepted:,} since the start, {received.duplicates:,} seen before"
    free = unknown(now.reasons.get("free_bytes", "measuring")) if now.free_bytes is None else _size(now.free_bytes)
    return [
        ("Usage store", size, newest),
        ("Events stored", rate, count),
        ("Free for the data folder", free, f"below {_size(now.min_free_bytes)} no event is accepted"),
    ]


def _outside(now: ConsoleNow, at: datetime) -> list[_Row]:
    rows: list[_Row] = [(each.name, _mark(each), each.detail) for each in now.connections]
    if now.webhooks is None:
        return [*rows, ("Last webhook", unknown(now.reasons["webhooks"]), now.reasons["webhooks"])]
    for sender, last in now.webhooks.items():
        words = "signature was right" if last is not None else "none with a right signature so far"
        rows.append((f"Last webhook of {sender.title()}", "never" if last is None else _ago(last, at), words))
    return rows


def _mark(told: Connection) -> Node:
    kind = {True: "ok", False: "danger", None: ""}[told.answers]
    return tags.Span(told.word, className=f"oc-badge {kind}".strip())


def _size(size_bytes: int) -> str:
    return formats.NBSP.join(formats.size(size_bytes))


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.1f}{formats.NBSP}ms"


def _ago(moment: datetime, at: datetime) -> str:
    return f"{formats.age(max(0.0, (at - moment).total_seconds()))} ago"
