"""The system page: is the machine well right now, and was it?

The callbacks of `pages/system_panels.py` put the parts of each panel in place. From then on the browser asks
`/api/v1/system/live` once every two seconds for all of them, and along with it, when they are due, for a window of the
history and the list of processes (`assets/system/`): a server callback on a fast interval would freeze silently when it
is slow or fails. The clock is the browser's own, too: Dash keeps each value that a `dcc.Interval` ever had.
"""

from __future__ import annotations

import re
from typing import Any

import dash
import dash_bootstrap_components as dbc
from dash import ClientsideFunction, Input, Output, clientside_callback, dcc, html
from dash.development.base_component import Component

from components import system_cards
from components.panel import panel
from components.shell import page
from components.tabs import tabs
from pages import system_console, system_hosts, system_panels
from pages.callbacks import sources

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
MAX_HOST = 253
HOUR_S = 3600
WINDOWS = (
    (300, "5 min"),
    (900, "15 min"),
    (HOUR_S, "1 h"),
    (6 * HOUR_S, "6 h"),
    (24 * HOUR_S, "24 h"),
    (7 * 24 * HOUR_S, "7 d"),
    (30 * 24 * HOUR_S, "30 d"),
    (90 * 24 * HOUR_S, "90 d"),
)
TABS = (
    ("overview", "Overview"),
    ("network", "Network"),
    ("disk", "Disk"),
    ("processes", "Processes"),
    ("hosts", "Hosts"),
)
TABLES = frozenset({"system-all-interfaces", "system-processes", "system-hosts", "system-console"})
TOTAL = {"label": "Total of the default route", "value": "/total"}  # no interface may have a slash in its name
_NAME = re.compile(r"^[^\s/]{1,32}$")  # what an interface may be called


def layout(
    window: str | None = None,
    interface: str | None = None,
    unit: str | None = None,
    tab: str | None = None,
    host: str | None = None,
    **_: Any,
) -> Component:
    """The page; what was chosen last comes from the address.

    Args:
        window: Seconds to show, one of `WINDOWS`.
        interface: One interface; none is the total of the default route.
        unit: "bits" or "bytes".
        tab: The tab that is shown, one of `TABS`.
        host: A host that Prometheus watches; none is this machine.
    """
    chosen_window = int(window) if window in {str(seconds) for seconds, _ in WINDOWS} else WINDOWS[0][0]
    chosen = interface if interface and _NAME.match(interface) else TOTAL["value"]
    shown = tab if tab in {key for key, _ in TABS} else TABS[0][0]
    other = host if host and host.isprintable() and len(host) <= MAX_HOST else None
    zone = sources().settings.reporting_tz
    told = {
        "data-tick": str(TICK_MS),
        **({"data-zone": zone} if zone else {}),
        **({"data-host": other} if other else {}),
    }
    return page(
        "System",
        sub_id="system-sub",
        tools=[system_cards.live_badge(), system_cards.export_button(), system_cards.pause_button()],
        children=[
            _filters(chosen_window, chosen, "bits" if unit == "bits" else "bytes", other),
            html.P(id="system-past", className="oc-note", hidden=True, role="status"),
            tabs("system-tabs", "Parts of the machine", TABS, shown, _panels()),
            dcc.Store(id="system-done"),
            *[dcc.Store(id=f"system-seen-{key}", data=key == shown == system_panels.FIRST) for key, _ in TABS],
            dcc.Store(id=f"system-seen-{system_panels.REST}"),
            html.Div(id="system-page", hidden=True, **told),
        ],
    )


def _panels() -> dict[str, Any]:
    """What stands on each tab."""
    strip = panel(
        "system-now",
        "Right now",
        kind="figures",
        skeleton=[system_cards.waiting_figures()],
        width="oc-c12",
        heading=False,
    )
    return {
        "overview": [
            strip,
            _grid(
                ("system-network", "Network", "oc-c8"),
                ("system-interfaces", "Interfaces", "oc-c4"),
                ("system-cpu", "CPU", "oc-c4"),
                ("system-memory", "Memory", "oc-c4"),
                ("system-disk", "Disk", "oc-c4"),
                ("system-modes", "CPU by mode", "oc-c4"),
                ("system-loads", "Load", "oc-c4"),
                ("system-pressure", "Pressure", "oc-c4"),
                ("system-console", "This console", "oc-c12"),
                ("system-temperatures", "Temperatures", "oc-c6"),
                ("system-gpu", "GPU", "oc-c6"),
            ),
        ],
        "network": _grid(
            ("system-traffic", "Received and sent", "oc-c12"),
            ("system-all-interfaces", "Interfaces", "oc-c12"),
            ("system-faults", "Errors and drops", "oc-c12"),
        ),
        "disk": _grid(
            ("system-io", "Read and written", "oc-c8"),
            ("system-usage", "File systems", "oc-c4"),
            ("system-reads", "Read", "oc-c4"),
            ("system-writes", "Written", "oc-c4"),
            ("system-filling", "Space in use", "oc-c4"),
        ),
        "processes": _grid(("system-processes", "Processes", "oc-c12")),
        "hosts": _grid(("system-hosts", "Hosts", "oc-c12")),
    }


def _grid(*panels: tuple[str, str, str]) -> html.Div:
    def made(panel_id: str, title: str, width: str) -> html.Section:
        if panel_id in TABLES:
            return panel(panel_id, title, width=width, kind="table", skeleton="table")
        return panel(panel_id, title, width=width)

    return html.Div([made(*each) for each in panels], className="oc-grid")


def _filters(window: int, interface: str, unit: str, host: str | None) -> html.Div:
    options = [TOTAL]
    if interface != TOTAL["value"]:
        options.append({"label": interface, "value": interface})
    parts: list[Component] = [
        _choice("system-window", "Window", [(label, seconds) for seconds, label in WINDOWS], window),
        system_cards.unzoom_button(),
        html.Label("Interface", htmlFor="system-interface", className="visually-hidden"),
        dbc.Select(id="system-interface", options=options, value=interface),
        html.Div(
            _choice("system-unit", "Unit", [("Bytes", "bytes"), ("Bits", "bits")], unit), className="oc-filters-end"
        ),
    ]
    if host is not None:
        parts.insert(0, system_cards.host_chip(host))
    return html.Div(parts, className="oc-filters")


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


clientside_callback(
    ClientsideFunction("ops_system", "choose"),
    Output("system-done", "data"),
    Input("system-window", "value"),
    Input("system-interface", "value"),
    Input("system-unit", "value"),
    Input("system-pause", "n_clicks"),
)

# A panel whose parts were put in place anew (first load, Retry) is drawn at once, not at the next tick.
clientside_callback(
    ClientsideFunction("ops_system", "draw"),
    Output("system-done", "data", allow_duplicate=True),
    *(Input(f"{panel_id}-body", "children") for panel_id in system_panels.FILLED),
    prevent_initial_call="initial_duplicate",
)

system_panels.listen()
system_hosts.listen()
system_console.listen()
