"""The drawer with all facts of one call, on every page that lists calls; the address names the call.

`assets/js/call.js` opens it, holds the focus in it and takes the call out of the address again.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlencode

from dash import ClientsideFunction, Input, Output, clientside_callback, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from components.call_facts import call_facts
from components.panel import Look, failed, panel, show
from components.parts import icon
from data_sources.result import Failed, Kind, Problem, Result
from data_sources.usage.query import BadQueryError, call_parameters, parse, parse_call
from data_sources.usage.types import CallFacts, CallKey, RequestRow
from pages.callbacks import panel_callback, sources
from pages.usage_controls import scope

PATH = "/admin/llm/requests"


def link_to(key: CallKey) -> str:
    """The address that opens a call."""
    return f"{PATH}?{urlencode(call_parameters(key))}"


def link_of(row: RequestRow) -> str:
    """The address that opens a call of a list."""
    return link_to(CallKey(row.call_id, row.decided_by.source, row.decided_by.started_at))


def drawer() -> list[Component]:
    """The drawer, closed, and the store that it listens to."""
    close = html.Button(
        icon("close"), className="oc-icon-btn", type="button", **{"data-close-drawer": "", "aria-label": "Close"}
    )
    box = panel("call", "Call", skeleton="rows", width="oc-drawer-panel", tools=[close])
    return [
        dcc.Store(id="call-ask"),
        dcc.Store(id="call-done"),
        html.Dialog(box, id="call-drawer", className="oc-drawer", **{"aria-labelledby": "call-title"}),
    ]


def listen() -> None:
    """Make the callbacks of the drawer, once for each console."""
    panel_callback("call", Input("call-ask", "data"), needs="usage:read", prevent_initial_call=True)(_fill)
    clientside_callback(
        ClientsideFunction("ops_call", "start"),
        Output("call-done", "data"),
        Input("call-drawer", "id"),
    )


def _fill(data: dict[str, Any] | None) -> Look:
    """The facts of the call that the address names."""
    if not data:
        raise PreventUpdate
    given = parse_qs(str(data.get("search", "")), keep_blank_values=True)
    try:
        key = parse_call(given)
        zone = {"tz": given["tz"]} if given.get("tz") else {}
        tz = parse(zone, default_tz=sources().settings.reporting_tz or "UTC").tz
        result: Result[CallFacts] = sources().usage.call(key, organization_id=scope())
    except BadQueryError as error:
        return failed(Failed(Problem(Kind.BAD_QUERY, "The address is not right", str(error))))
    return show(result, lambda found: call_facts(found, tz=tz, link=link_to))
