"""The hosts' panel of the system page: the page puts `panel("system-hosts", …)` into its layout and calls `listen`."""

from __future__ import annotations

from typing import Any

from dash import ClientsideFunction, Input, clientside_callback

from components.panel import Look, show
from components.system_hosts import foot, hosts_table
from data_sources.result import utc_now
from pages.callbacks import panel_callback, sources


def listen() -> None:
    """Fill the panel, and renew it while somebody looks at it."""
    panel_callback("system-hosts", Input("system-hosts", "id"), needs="system:read")(hosts)
    # Every ten seconds, through the panel's own Retry: no page has to hold another clock for it.
    clientside_callback(ClientsideFunction("ops_hosts", "tick"), Input("system-tick", "n_intervals"))


def hosts(_: Any) -> Look:
    """This machine, and those that Prometheus watches."""
    return show(sources().hosts(), lambda found: hosts_table(found, utc_now()), foot=foot)
