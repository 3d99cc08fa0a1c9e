"""The system page: is the machine well right now?

The callbacks here put the parts of each panel in place, in the look that fits the source's answer. From then on the
browser asks `/api/v1/system/live` once every two seconds for all of them (`assets/system/`): a server callback on
a fast interval would freeze silently when it is slow or fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import dash
import dash_bootstrap_components as dbc
from dash import ClientsideFunction, Input, Output, clientside_callback, dcc, html
from dash.development.base_component import Component

from components import system_cards
from components.live_chart import live_chart
from components.panel import Look, panel, show
from components.shell import page
from data_sources.result import Ready, Result
from pages import system_console, system_hosts
from pages.callbacks import panel_callback, sources

dash.register_page(
    __name__,
    path="/admin/system/monitoring",
    name="System",
    title="System · Ops Center",
    icon="system",
    order=6,
    needs="system:read",
)

TICK_MS = 2000
NETWORK_PX, SIDE_PX, DISK_PX = 300, 220, 136  # as in assets/system/; a row's panels end together
WINDOWS = ((300, "5 min"), (900, "15 min"), (3600, "1 h"))
TOTAL = {"label": "Total of the default route", "value": "/total"}  # no interface may have a slash in its name
_NAME = re.compile(r"^[^\s/]{1,32}$")  # what an interface may be called
_PANELS = ("system-now", "system-network", "system-interfaces", "system-cpu", "system-memory", "system-disk")
_NETWORK = "Difference of two readings of the byte counters over the measured step. A counter that falls is a gap."
_CPU = "Busy share of the time between two readings of the kernel's counters."
_MEMORY = "Total less what a program can still get without swapping."
_DISK = "Bytes read and written by whole disks, over the measured step. File systems are asked every 10 s."


def layout(window: str | None = None, interface: str | None = None, unit: str | None = None, **_: Any) -> Component:
    """The page; what was chosen last comes from the address.

    Args:
        window: Seconds to show: 300, 900 or 3600.
        interface: One interface; none is the total of the default route.
        unit: "bits" or "bytes".
    """
    chosen_window = int(window) if window in {str(seconds) for seconds, _ in WINDOWS} else WINDOWS[0][0]
    chosen = interface if interface and _NAME.match(interface) else TOTAL["value"]
    zone = sources().settings.reporting_tz
    grid = html.Div(
        [
            panel("system-network", "Network", width="oc-c8"),
            panel("system-interfaces", "Interfaces", skeleton="rows", width="oc-c4"),
            panel("system-cpu", "CPU", width="oc-c4"),
            panel("system-memory", "Memory", width="oc-c4"),
            panel("system-disk", "Disk", width="oc-c4"),
            panel("system-hosts", "Hosts", kind="table", skeleton="table", width="oc-c12"),
            panel("system-console", "This console", kind="table", skeleton="table", width="oc-c12"),
        ],
        className="oc-grid",
    )
    return page(
        "System",
        sub_id="system-sub",
        tools=[system_cards.live_badge(), system_cards.pause_button()],
        children=[
            _filters(chosen_window, chosen, "bits" if unit == "bits" else "bytes"),
            panel(
                "system-now",
                "Right now",
                kind="figures",
                skeleton=[system_cards.waiting_figures()],
                width="oc-c12",
                heading=False,
            ),
            grid,
            dcc.Interval(id="system-tick", interval=TICK_MS),
            dcc.Store(id="system-done"),
            html.Div(id="system-page", hidden=True, **({"data-zone": zone} if zone else {})),
        ],
    )


def _filters(window: int, interface: str, unit: str) -> html.Div:
    options = [TOTAL]
    if interface != TOTAL["value"]:
        options.append({"label": interface, "value": interface})
    return html.Div(
        [
            _choice("system-window", "Window", [(label, seconds) for seconds, label in WINDOWS], window),
            html.Label("Interface", htmlFor="system-interface", className="visually-hidden"),
            dbc.Select(id="system-interface", options=options, value=interface),
            html.Div(
                _choice("system-unit", "Unit", [("Bytes", "bytes"), ("Bits", "bits")], unit), className="oc-filters-end"
            ),
        ],
        className="oc-filters",
    )


def _choice(choice_id: str, name: str, options: list[tuple[str, Any]], value: Any) -> html.Div:
    """A segmented control."""
    buttons = dbc.RadioItems(
        id=choice_id,
        options=[{"label": label, "value": each} for label, each in options],
        value=value,
        inputClassName="btn-check",
        labelClassName="btn",
        inline=True,
    )
    return html.Div(buttons, className="oc-seg", role="group", **{"aria-label": name})


def _live(result: Result[Any], body: Callable[[Any], Any], what: str) -> Look:
    """The look of a panel that the browser keeps up to date.

    Whether it is stale is left to the browser, which sees it come and go.
    """
    if not isinstance(result, Ready):
        return show(result, body)
    look = show(replace(result, stale=None), body)
    return replace(look, info=system_cards.about(result.provenance, sources().system.facts(), what))


@panel_callback("system-now", Input("system-page", "id"), needs="system:read")
def now(_: Any) -> Look:
    """The strip of figures."""
    return _live(sources().system.host(), lambda _: system_cards.figures(), f"{_NETWORK} {_CPU} {_MEMORY}")


@panel_callback("system-network", Input("system-page", "id"), needs="system:read")
def network(_: Any) -> Look:
    """Received and sent, over the window."""
    chart = live_chart("system-network", "Network rates", height_px=NETWORK_PX)
    return _live(sources().system.network(), lambda _: chart, _NETWORK)


@panel_callback("system-interfaces", Input("system-page", "id"), needs="system:read")
def interfaces(_: Any) -> Look:
    """Every interface with its newest rate."""
    look = _live(sources().system.interfaces(), lambda _: system_cards.interfaces(), _NETWORK)
    return replace(look, foot="Loopback is listed, never in the total.") if look.name == "ready" else look


@panel_callback("system-cpu", Input("system-page", "id"), needs="system:read")
def cpu(_: Any) -> Look:
    """Busy share of all cores and of each."""
    return _live(sources().system.host(), lambda _: live_chart("system-cpu", "CPU", height_px=SIDE_PX), _CPU)


@panel_callback("system-memory", Input("system-page", "id"), needs="system:read")
def memory(_: Any) -> Look:
    """Memory in use."""
    return _live(sources().system.host(), lambda _: live_chart("system-memory", "Memory", height_px=SIDE_PX), _MEMORY)


@panel_callback("system-disk", Input("system-page", "id"), needs="system:read")
def disk(_: Any) -> Look:
    """Bytes read and written, and how full the file systems are."""
    chart = live_chart("system-disk", "Disk rates", height_px=DISK_PX, below=system_cards.mounts())
    return _live(sources().system.host(), lambda _: chart, _DISK)


clientside_callback(
    ClientsideFunction("ops_system", "tick"),
    Output("system-done", "data"),
    Input("system-tick", "n_intervals"),
    Input("system-window", "value"),
    Input("system-interface", "value"),
    Input("system-unit", "value"),
    Input("system-pause", "n_clicks"),
)

# A panel whose parts were put in place anew (first load, Retry) is drawn at once, not at the next tick.
clientside_callback(
    ClientsideFunction("ops_system", "draw"),
    Output("system-done", "data", allow_duplicate=True),
    *(Input(f"{panel_id}-body", "children") for panel_id in _PANELS),
    prevent_initial_call="initial_duplicate",
)

system_hosts.listen()
system_console.listen()
