"""The table of hosts: this machine, and those that Prometheus watches, each with its state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from dash import html
from dash.development.base_component import Component

from components import formats
from components.panel import retry_button
from components.parts import setting
from components.static import Node, static, tags
from data_sources.system.types import HostList, HostRow, HostState, Sample

PAGE = "/admin/system/monitoring"
# shape and word, never colour alone
_MARKS: dict[HostState, tuple[str, str]] = {
    "up": ("ok", "ok"),
    "down": ("danger", "failed"),
    "never seen": ("", "unset"),
    "no data": ("warn", "stale"),
}


def hosts_table(found: HostList, now: datetime) -> Component:
    """One line a host; a name opens the same page for that host.

    Args:
        found: The hosts.
        now: The time now, UTC, for ages.
    """
    heads = ("Host", "State", "CPU", "Memory", "Load", "Received", "Sent", "Disk read", "Written", "Root", "Last read")
    head = tags.Tr([tags.Th(name, scope="col", className="oc-num" if place > 1 else "") for place, name in _n(heads)])
    count = Counter(row.instance for row in found.rows)
    body = [tags.Tr(_cells(row, now, twice=count[row.instance] > 1)) for row in found.rows]
    table = tags.Table([tags.Thead(head), tags.Tbody(body)], className="oc-table")
    wrap: dict[str, Any] = {"tabIndex": 0, "role": "region", "aria-label": "Table of hosts"}
    parts: list[Component] = [static(tags.Div(table, className="oc-tablewrap", **wrap))]
    if found.problem is not None:
        words = f"{found.problem.title}. {found.problem.detail} This machine is measured without Prometheus."
        parts.append(html.Div([html.Span(words), retry_button()], className="oc-note mt-2"))
    if found.notes:
        parts.append(html.Div(f"Prometheus says: {' '.join(found.notes)}", className="oc-note mt-2"))
    if found.unset is not None:
        named = [setting(name) for name in found.unset.settings]
        parts.append(
            html.Div(html.Span([f"{found.unset.detail} Set ", *named, ", then restart."]), className="oc-note mt-2")
        )
    return html.Div(parts)


def _n(names: tuple[str, ...]) -> list[tuple[int, str]]:
    return list(enumerate(names))


def foot(found: HostList) -> str:
    """How many of the hosts are up; without Prometheus nobody knows it of the others."""
    up = sum(row.state == "up" for row in found.rows)
    others = sum(row.id is not None for row in found.rows)
    told = f"{up} of {len(found.rows)} up"
    if found.problem is not None:
        told = f"{up} up, {others} not known" if others else f"{up} up, of others nothing is known"
    return f"{told}. Rates over the last measured step; 1 MB = 1,000,000 B."


def _cells(row: HostRow, now: datetime, *, twice: bool) -> list[Node]:
    return [
        tags.Td(_name(row, twice=twice)),
        tags.Td(_state(row)),
        *_measured(row),
        tags.Td(_age(row, now), className="oc-num"),
    ]


def _name(row: HostRow, *, twice: bool) -> Node:
    """Its name, and its address where that is another; where two jobs scrape one address, which job this line is of."""
    href = PAGE if row.id is None else f"{PAGE}?{urlencode({'host': row.id})}"
    told = "This machine" if row.id is None else f"{row.instance}, job {row.job}"
    more = [row.instance] if row.instance not in (None, row.name) else []
    more += [f"job {row.job}"] if twice else []
    also = [tags.Span(f" {', '.join(str(each) for each in more)}", className="dim")] if more else []
    where = [tags.Span(" this machine", className="dim")] if row.id is None else also
    return tags.Span([tags.A(row.name, href=href, title=told), *where], className="oc-cut")


def _state(row: HostRow) -> Node:
    kind, sign = _MARKS[row.state]
    mark = tags.I(className=f"oc-i oc-i-{sign} sm", **{"aria-hidden": "true"})
    badge = tags.Span([mark, row.state], className=f"oc-badge {kind}".strip())
    return tags.Span(badge)


def _measured(row: HostRow) -> list[Node]:
    """The cells of what is measured; of a host that tells nothing, one that says why."""
    if row.sample is None:
        return [tags.Td(f"— {row.reason or 'measuring'}", className="dim", colSpan=8)]
    return [tags.Td(cell, className="oc-num") for cell in _figures(row, row.sample)]


def _figures(row: HostRow, sample: Sample) -> list[Any]:
    """The figures; each that is not known says why."""
    host, of = sample.host, f" ({', '.join(sample.choice.names)})"
    return [
        unknown(_why(sample, "cpu")) if host.cpu_percent is None else f"{host.cpu_percent:.1f}%",
        unknown(_why(sample, "memory")) if host.memory is None else formats.share(host.memory.used, host.memory.total),
        unknown(_why(sample, "load")) if host.load is None else f"{host.load[0]:.2f}",
        *_pair(sample.total.first, sample.total.second, f"{sample.total.reason}{of}"),
        *_pair(host.disk_io.first, host.disk_io.second, str(host.disk_io.reason)),
        _root(row),
    ]


def _why(sample: Sample, name: str) -> str:
    return sample.host.reasons.get(name, "not told")


def _pair(first: float | None, second: float | None, reason: str) -> list[Any]:
    return [unknown(reason) if value is None else _joined(formats.rate, value) for value in (first, second)]


def _joined(words: Callable[[float], tuple[str, str]], value: float) -> str:
    return formats.NBSP.join(words(value))


def _root(row: HostRow) -> Any:
    root = row.root
    if root is None or root.used is None or root.free is None:
        return unknown("no root file system is told" if root is None else root.reason or "measuring")
    # of what programs can use: blocks kept back for the system's own user are neither used nor free
    return formats.share(root.used, root.used + root.free)


def _age(row: HostRow, now: datetime) -> Any:
    if row.seen_at is None:
        return unknown(row.reason or "measuring")
    return f"{formats.age(max(0.0, (now - row.seen_at).total_seconds()))} ago"


def unknown(reason: str) -> Node:
    """A cell that is not known, with its reason."""
    return tags.Span(
        [tags.Span("—", **{"aria-hidden": "true"}), tags.Span(f"not known: {reason}", className="visually-hidden")],
        className="dim",
        title=reason,
    )
