"""The panels of what the customer has: usage against limits, credits, the card, invoices. Each asks Lago on its own."""

from __future__ import annotations

from dataclasses import replace

from dash import Input, dcc, html
from dash.development.base_component import Component

from components.account import card_words, invoice_pages, invoices_table, shown_of, usage_bars, wallets_list
from components.panel import Look, panel, show
from data_sources.billing.source import BillingSource
from data_sources.billing.types import UnderWay
from data_sources.result import Ready
from pages.callbacks import panel_callback, principal, sources

MOST_PAGES = 10_000
_PORTAL = {"data-portal": "", "aria-label": "Billing portal, opens in another tab"}


def frames(*, customer: bool) -> list[Component]:
    """The frames. Usage and credits come last, hidden until there is something to tell, so that nothing jumps.

    Args:
        customer: Whether there is a customer, who has a portal.
    """
    portal = html.Button("Billing portal", type="button", className="btn btn-sm btn-secondary", **_PORTAL)
    return [
        panel("subscription-card", "Card", skeleton="rows", width="oc-c3"),
        panel(
            "subscription-invoices",
            "Invoices",
            skeleton="rows",
            width="oc-c9",
            kind="table",
            tools=[portal] if customer else [],
        ),
        _quiet(panel("subscription-usage", "Usage of the plan's limits", skeleton="rows", width="oc-c6")),
        _quiet(panel("subscription-credits", "Credits", skeleton="rows", width="oc-c6")),
        dcc.Store(id="subscription-invoices-page", data=1),
    ]


def _quiet(made: html.Section) -> html.Section:
    made.className += " oc-only-if-any"
    return made


def usage() -> Look:
    """Usage of the running period against the limits of the plans that run."""
    billing: BillingSource = sources().billing
    return show(billing.account.usage(billing.buyer(principal())), usage_bars)


def wallets() -> Look:
    """Prepaid credits."""
    billing: BillingSource = sources().billing
    return show(billing.account.wallets(billing.buyer(principal())), wallets_list)


def card() -> Look:
    """The card on file."""
    billing: BillingSource = sources().billing
    buyer = billing.buyer(principal())
    one = billing.under_way(buyer)
    saved = isinstance(one, UnderWay) and one.card_saved
    return show(billing.account.card(buyer), lambda view: card_words(view, saved=saved))


def invoices(page: object = 1) -> Look:
    """A page of invoices, with the ways to the others whatever its look."""
    billing: BillingSource = sources().billing
    number = page if isinstance(page, int) and 1 <= page <= MOST_PAGES else 1
    result = billing.account.invoices(billing.buyer(principal()), number)
    look = show(result, invoices_table, foot=shown_of)
    ways = invoice_pages(number, isinstance(result, Ready) and result.value.older)
    return look if ways is None else replace(look, body=html.Div([look.body, ways]))


def listen() -> None:
    """Register the panels' callbacks: called by the page, which is made anew for each console."""
    for name, handler in (("usage", usage), ("credits", wallets), ("card", card)):
        panel_callback(f"subscription-{name}", needs="billing:read")(handler)
    panel_callback("subscription-invoices", Input("subscription-invoices-page", "data"), needs="billing:read")(invoices)
