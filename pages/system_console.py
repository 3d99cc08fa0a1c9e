"""The console about itself, on the system page: `panel("system-console", …)` in its layout, and a call of `listen`."""

from __future__ import annotations

from typing import Any

from components.console_figures import console_table
from components.panel import Look, show
from data_sources.result import utc_now
from pages.callbacks import sources
from pages.system_panels import REST, filled_on
from routes.console_state import console_now


def listen() -> None:
    """Fill the panel; `assets/system/served.js` renews it while somebody looks at it."""
    filled_on("system-console", REST)(console)


def console(*_: Any) -> Look:
    """Its process, its punctuality, its store, and what it is connected to."""
    return show(console_now(sources()), lambda found: console_table(found, utc_now()))
