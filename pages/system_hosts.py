"""The hosts' panel of the system page: the page puts `panel("system-hosts", …)` into its layout and calls `listen`."""

from __future__ import annotations

from typing import Any

from dash.exceptions import PreventUpdate

from components.panel import Look, show
from components.system_hosts import foot, hosts_table
from data_sources.result import utc_now
from pages.callbacks import sources
from pages.system_panels import filled_on


def listen() -> None:
    """Fill the panel; `assets/system/served.js` renews it while somebody looks at it."""
    filled_on("system-hosts", "hosts")(hosts)


def hosts(seen: Any, _: str | None) -> Look:
    """This machine, and those that Prometheus watches."""
    if not seen:
        raise PreventUpdate
    return show(sources().hosts(), lambda found: hosts_table(found, utc_now()), foot=foot)
