"""The line above the subscription page that says how a purchase stands; the browser goes on from what it says first."""

from __future__ import annotations

from dash import html

from components.parts import icon

_CONFIRMING = (
    "Confirming payment…",
    "Stripe and Lago are asked how it stands. Whether the plan has started is not known yet.",
)
_LEFT = ("Looking up your checkout…", "Stripe is asked what has become of it.")
_CARD = ("Looking up your card…", "Stripe and Lago are asked whether it is saved. It starts or changes no plan.")


def purchase_line(*, purchase: bool, left: bool, card: bool, customer_id: str | None = None) -> html.Div:
    """The line, empty where nothing is waited for.

    Args:
        purchase: Whether the address names a purchase.
        left: Whether its page at Stripe was left without an end.
        card: Whether the address names a page on which a card was saved.
        customer_id: For whom the page is made. It is sent with each click, and where the panels come for another
            customer, chosen in another tab, the page is loaded anew: it never names one and buys for the other.
    """
    said = _CARD if card else _LEFT if purchase and left else _CONFIRMING if purchase else None
    children = None if said is None else [icon("stale"), html.Div([html.B(said[0]), html.P(said[1])])]
    # What a purchase that begins on this page says first.
    more = {"data-first-title": _CONFIRMING[0], "data-first-text": _CONFIRMING[1]}
    more["data-customer"] = customer_id or ""
    more |= {} if said is None else {"data-kind": "open"}
    return html.Div(children, id="subscription-purchase", role="status", tabIndex=-1, className="oc-purchase", **more)
