"""The calls behind the figures: every call of a window, newest first, page by page, with the filters of the usage page.

A page of the list is named by the call it begins after, so that it holds the same calls whatever arrives meanwhile.
"""

from __future__ import annotations

from typing import Any

import dash
from dash import html, set_props
from dash.development.base_component import Component

from components import formats
from components.panel import Look, panel, show
from components.parts import pager
from components.requests_table import left_out, requests_table
from components.shell import page
from data_sources.result import Ready, Result
from data_sources.usage.provenance import window_words
from data_sources.usage.types import RequestPage, UsageQuery
from pages import usage_panels as draw
from pages.call_drawer import drawer, link_of
from pages.call_drawer import listen as listen_calls
from pages.callbacks import sources
from pages.usage_controls import asking, controls, exports, given, usage_panel

dash.register_page(
    __name__,
    path="/admin/llm/requests",
    name="Requests",
    title="Requests · Ops Center",
    icon="trace",
    order=2,
    needs="usage:read",
    charts=False,
)

PAGE = 50
LABEL = "Table of requests"


def layout(**_: Any) -> Component:
    """The page; what it shows comes from the address, read in the browser."""
    return page(
        "Requests",
        sub_id="requests-sub",
        tools=exports("calls"),
        children=[
            controls("calls"),
            panel("requests-list", "Calls", kind="table", skeleton="table", width="oc-c12"),
            *asking(),
            *drawer(),
        ],
    )


@usage_panel("requests-list")
def calls(query: UsageQuery, data: dict[str, Any]) -> Look:
    """One page of the list."""
    after = next(iter(given(data).get("after", [])), None)
    result: Result[RequestPage] = sources().usage.recent(query, limit=PAGE, cursor=after or None)
    if not isinstance(result, Ready):
        set_props("requests-sub", {"children": "The calls could not be read."})
        return show(result, _table)
    set_props("requests-sub", {"children": _sub(result)})
    if not result.value.requests:
        return show(draw.no_requests(result, query), _table)
    return show(
        result,
        _table,
        sub=place_words,
        foot=lambda found: draw.requests_foot(found, left_out(found, people=True), filtered=bool(query.filters())),
        extra=lambda found: {"Calls": formats.number(found.total_calls)},
    )


def _sub(result: Ready[RequestPage]) -> str:
    parts = [window_words(result.value.window)]
    if result.provenance.as_of is not None:
        parts.append(f"data as of {draw.seconds(result.provenance.as_of, result.value.window.tz)}")
    return "  ·  ".join(parts)


def place_words(found: RequestPage) -> str:
    """Which calls of how many stand here: "51 to 100 of 12,345"."""
    count = len(found.requests)
    total = "" if found.total_calls is None else f" of {formats.number(found.total_calls)}"
    if found.newer_calls is None:
        return f"{formats.number(count)}{total} shown"
    first = found.newer_calls + 1
    return f"{formats.number(first)} to {formats.number(first + count - 1)}{total}"


def _table(found: RequestPage) -> Component:
    table = requests_table(found, link=link_of, label=LABEL, people=True)
    if found.next_cursor is None and found.newer_calls == 0:
        return table
    return html.Div([table, _pager(found)])


def _pager(found: RequestPage) -> Component:
    """The ways on: the browser puts the cursor into the address."""
    ways = {
        "Newest": None if found.newer_calls == 0 else "",
        "Newer": found.previous_cursor,
        "Older": found.next_cursor,
    }
    return pager("Pages of the list", ways, "after")


listen_calls()
