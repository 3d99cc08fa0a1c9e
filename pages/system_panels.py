"""The panels of the system page: each is put in place, in the look that fits the source's answer, when its tab is seen.

What stands in them is then the browser's (`assets/system/`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from dash import Input, State
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from components import system_cards
from components.live_chart import live_chart
from components.panel import Look, show
from components.system_charts import CHARTS
from data_sources.result import Failed, NotConfigured, Ready, Result
from pages.callbacks import panel_callback, principal, sources

_NETWORK = "Difference of two readings of the byte counters over the measured step. A counter that falls is a gap."
_FAULTS = "Frames that the kernel counted as damaged or dropped, a second, over the measured step."
_CPU = "Busy share of the time between two readings of the kernel's counters."
_LOAD = "As the kernel computes it: tasks that run or wait to run, averaged."
_MEMORY = "Total less what a program can still get without swapping."
_PRESSURE = "Share of the last 10 s in which at least one task waited, as the kernel tells in /proc/pressure."
_DISK = "Bytes read and written by whole disks, over the measured step. File systems are asked every 10 s."
_SENSORS = "As the machine's own sensors tell."
_PROCESSES = "Read every few seconds while this tab is open, and not at all otherwise."


def _live(ask: Callable[[Any], Result[Any]], host: str | None, body: Callable[[Any], Any], what: str) -> Look:
    """The look of a panel that the browser keeps up to date.

    Whether it is stale is left to the browser, which sees it come and go.

    Args:
        ask: Asks the machine.
        host: A host that Prometheus watches; None is this machine.
        body: The parts that the browser fills.
        what: What the panel shows and how it is computed.
    """
    machine = sources().system if host is None else sources().host(host)
    if isinstance(machine, Failed | NotConfigured):
        return show(machine, body)
    result = ask(machine)
    if not isinstance(result, Ready):
        return show(result, body)
    look = show(replace(result, stale=None), body)
    return replace(look, info=system_cards.about(result.provenance, machine.facts(), what))


HOST = State("system-page", "data-host")


FIRST, REST = "overview", "rest"


def filled_on(panel_id: str, tab: str) -> Callable[[Callable[..., Look]], Callable[..., Look]]:
    """Fill a panel when its tab is seen; `assets/system/tabs.js` tells when that is.

    Only the first panels of the first tab are asked for with the page: the page's first request for live figures waits
    for all of them, and the first chart for every other that is put in place. `REST` comes after the first answer.
    """
    seen = Input(f"system-seen-{tab}", "data")
    return panel_callback(panel_id, seen, HOST, needs="system:read", prevent_initial_call=tab != FIRST)


def _chart_panel(panel_id: str, tab: str, what: str, below: Callable[[], Component] | None = None) -> None:
    """Register the callback of a panel that holds one chart."""

    @filled_on(panel_id, tab)
    def fill(seen: Any, host: str | None) -> Look:
        """Put the chart in place once its tab is seen."""
        if not seen:
            raise PreventUpdate
        chart = live_chart(panel_id, CHARTS[panel_id], below=below() if below else None)
        return _live(lambda machine: machine.host(), host, lambda _: chart, what)


CHART_PANELS: Sequence[tuple[str, str, str]] = (
    ("system-network", "overview", _NETWORK),
    ("system-cpu", REST, _CPU),
    ("system-memory", REST, _MEMORY),
    ("system-modes", REST, _CPU),
    ("system-loads", REST, _LOAD),
    ("system-pressure", REST, _PRESSURE),
    ("system-temperatures", REST, _SENSORS),
    ("system-gpu", REST, _SENSORS),
    ("system-traffic", "network", _NETWORK),
    ("system-faults", "network", _FAULTS),
    ("system-io", "disk", _DISK),
    ("system-reads", "disk", _DISK),
    ("system-writes", "disk", _DISK),
    ("system-filling", "disk", _DISK),
)


def now(seen: Any, host: str | None) -> Look:
    """The strip of figures."""
    if not seen:
        raise PreventUpdate
    return _live(lambda machine: machine.host(), host, lambda _: system_cards.figures(), f"{_NETWORK} {_CPU} {_MEMORY}")


def interfaces(seen: Any, host: str | None) -> Look:
    """Every interface with its newest rate."""
    if not seen:
        raise PreventUpdate
    look = _live(lambda machine: machine.interfaces(), host, lambda _: system_cards.interfaces(), _NETWORK)
    return replace(look, foot="Loopback is never in the total.") if look.name == "ready" else look


def all_interfaces(seen: Any, host: str | None) -> Look:
    """Every interface with its kind, rates, errors and drops."""
    if not seen:
        raise PreventUpdate
    return _live(
        lambda machine: machine.interfaces(), host, lambda _: system_cards.interface_table(), f"{_NETWORK} {_FAULTS}"
    )


def usage(seen: Any, host: str | None) -> Look:
    """How full the file systems are; one that does not answer says so."""
    if not seen:
        raise PreventUpdate
    return _live(lambda machine: machine.host(), host, lambda _: system_cards.mounts("system-usage-mounts"), _DISK)


def processes(seen: Any, host: str | None) -> Look:
    """The place of the list of processes, for admins."""
    if not seen:
        raise PreventUpdate
    if not principal().may("admin"):
        return Look("unset", system_cards.not_yours(), info="Nothing was asked.")
    return _live(lambda machine: machine.host(), host, lambda _: system_cards.processes(), _PROCESSES)


OTHER_PANELS: Sequence[tuple[str, str, Callable[[Any, str | None], Look]]] = (
    ("system-now", "overview", now),
    ("system-interfaces", "overview", interfaces),
    ("system-all-interfaces", "network", all_interfaces),
    ("system-usage", "disk", usage),
    ("system-processes", "processes", processes),
)
FILLED = (*(each[0] for each in CHART_PANELS), "system-disk", *(each[0] for each in OTHER_PANELS))


def listen() -> None:
    """Register the callbacks of every panel; each console that is made needs its own."""
    for panel_id, tab, what in CHART_PANELS:
        _chart_panel(panel_id, tab, what)
    _chart_panel("system-disk", REST, _DISK, lambda: system_cards.mounts("system-mounts"))
    for panel_id, tab, fill in OTHER_PANELS:
        filled_on(panel_id, tab)(fill)
