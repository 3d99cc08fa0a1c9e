"""The admin's view of selling: purchases that are open or failed, what Stripe and Lago told, and who did what."""

from __future__ import annotations

from typing import Any

import dash
from dash import dcc
from dash.development.base_component import Component

from components.panel import Look, panel, show
from components.purchases import audit_table, inbox_table, purchases_table
from components.shell import page
from data_sources.billing.source import NO_LAGO
from pages.callbacks import panel_callback, sources

dash.register_page(
    __name__,
    path="/admin/subscription/attempts",
    name="Purchases",
    title="Purchases · Ops Center",
    icon="file",
    order=5,
    needs="admin",
    charts=False,
)


def layout(**_: Any) -> Component:
    """The page's frame; nothing is asked here."""
    return page(
        "Purchases",
        sub="From the console's own books, times in UTC",
        tools=dcc.Link("Plans", href="/admin/subscription/plan", className="btn btn-secondary"),
        children=[
            panel("attempts-open", "Open and failed", kind="table", skeleton="table", width="oc-c12"),
            panel("attempts-inbox", "Webhooks", kind="table", skeleton="table", width="oc-c12"),
            panel("attempts-log", "Log", kind="table", skeleton="table", width="oc-c12"),
        ],
    )


@panel_callback("attempts-open", needs="admin")
def purchases() -> Look:
    """What is open or failed, and why."""
    billing = sources().billing
    return show(NO_LAGO if billing.lago is None else billing.desk.purchases(), purchases_table)


@panel_callback("attempts-inbox", needs="admin")
def inbox() -> Look:
    """What Stripe and Lago told by themselves."""
    billing = sources().billing
    return show(NO_LAGO if billing.lago is None else billing.desk.inbox(), inbox_table)


@panel_callback("attempts-log", needs="admin")
def log() -> Look:
    """Each step of every purchase."""
    billing = sources().billing
    return show(NO_LAGO if billing.lago is None else billing.desk.log(), audit_table)
