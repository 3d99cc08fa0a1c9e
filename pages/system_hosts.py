"""The hosts' panel of the system page: the page puts `panel("system-hosts", …)` into its layout and calls `listen`."""

from __future__ import annotations

from typing import Any

from dash import ClientsideFunction, Input, clientside_callback
from dash.exceptions import PreventUpdate

from components.panel import Look, show
from components.system_hosts import foot, hosts_table
from data_sources.result import utc_now
from pages.callbacks import sources
from pages.system_panels import filled_on


def listen() -> None:
    """Fill the panel, and renew it while somebody looks at it."""
    filled_on("system-hosts", "hosts")(hosts)
    # Every ten seconds, through the panel's own Retry: no page has to hold another clock for it.
    clientside_callback(ClientsideFunction("ops_hosts", "tick"), Input("system-tick", "n_intervals"))


def hosts(seen: Any, _: str | None) -> Look:
    """This machine, and those that Prometheus watches."""
    if not seen:
        raise PreventUpdate
    return show(sources().hosts(), lambda found: hosts_table(found, utc_now()), foot=foot)
