"""The subscription page: what plan are we on, and how do we change it?

The current plan and the plans on offer come from one answer of Lago; what else the customer has asks on its own
(`subscription_account.py`). Clicks and the way a purchase stands are the browser's business
(`assets/js/subscription*.js`), through `routes/billing_api.py` and `routes/billing_account.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import dash
import dash_bootstrap_components as dbc
from dash import ClientsideFunction, Input, Output, State, clientside_callback, dcc, html
from dash.development.base_component import Component
from flask import g

from components.account import ask_dialog
from components.customers import chosen_line, customer_list, how_many
from components.held import current_strip, ended_note, failed_banner, overdue_banner, unpaid_of
from components.panel import Look, panel, show
from components.parts import setting, waiting
from components.plan_actions import Shop
from components.plans import as_of, hidden_plans, plan_grid
from components.purchase_line import purchase_line
from components.shell import page
from data_sources.billing.account.moves import move_of, standing_lock
from data_sources.billing.account.types import FailedCharge, Invoices, Move
from data_sources.billing.plans import pairs, why_not
from data_sources.billing.side_by_side import side_by_side
from data_sources.billing.source import CHANGE_AT_STRIPE, NO_CUSTOMER, NO_STRIPE, BillingSource
from data_sources.billing.types import Buyer, Current, Ended, Plan, PlanList, Stops, UnderWay
from data_sources.principal import Principal
from data_sources.result import Empty, Failed, Problem, Ready, Result
from pages import subscription_account
from pages.callbacks import panel_callback, principal, sources

INTERVALS = ("monthly", "yearly")

dash.register_page(
    __name__,
    path="/admin/subscription/plan",
    name="Subscription",
    title="Subscription · Ops Center",
    icon="plan",
    order=4,
    needs="billing:read",
    charts=False,
)


def layout(purchase: object = None, left: object = None, card: object = None, **_: Any) -> Component:
    """The page's frame; nothing is asked here.

    Args:
        purchase: The purchase that the address names: on the way back from Stripe, or still waited for.
        left: Given where Stripe's page was left without an end.
        card: Stripe's page on which another card was saved.
        **_: Everything else in the address.
    """
    who: Principal | None = g.get("principal")
    buyer = None if who is None else sources().billing.buyer(who)
    customer_id = None if buyer is None else buyer.customer_id
    awaited = purchase if isinstance(purchase, str) and purchase else None
    lines = html.Div([waiting("30%", 12), waiting("40%", 16), waiting("34%", 12)], className="oc-sk-rows")
    held = panel("subscription-current", "Current plan", skeleton=[lines], width="oc-c12")
    held.className += " oc-sub-panel"
    cards = panel("subscription-plans", "Plans", skeleton="rows", width="oc-c12")
    cards.className += " oc-plans-panel"
    return page(
        "Subscription",
        sub="Plans and prices from Lago",
        tools=_for_admins(),
        children=[
            purchase_line(
                purchase=awaited is not None, left=left is not None, card=bool(card), customer_id=customer_id
            ),
            html.Div(
                [*_customers(), held, cards, *subscription_account.frames(customer=customer_id is not None)],
                className="oc-grid",
            ),
            ask_dialog(),
            dcc.Store(id="subscription-mounted", data=1),
            dcc.Store(id="subscription-awaited", data=awaited),
            dcc.Store(id="subscription-read"),
            dcc.Store(id="subscription-shown"),
            dcc.Store(id="subscription-done"),
        ],
    )


def _for_admins() -> Component | None:
    who: Principal | None = g.get("principal")
    if who is None or who.role != "admin":
        return None
    return dcc.Link("Purchases", href="/admin/subscription/attempts", className="btn btn-secondary")


def _customers() -> list[Component]:
    """Only for whom the customer is not settled: an admin without an organization, in an install of several."""
    who: Principal | None = g.get("principal")
    if who is None or who.role != "admin" or who.organization_id is not None:
        return []
    billing: BillingSource = sources().billing
    if billing.only_customer is not None:
        return []
    search_id = "subscription-customer-search"
    search = [
        html.Label("Search customers", htmlFor=search_id, className="visually-hidden"),
        dbc.Input(id=search_id, type="search", placeholder="Search customers", debounce=True),
    ]
    return [panel("subscription-customer", "Customer", skeleton="rows", width="oc-c12", kind="table", tools=search)]


@panel_callback("subscription-customer", Input("subscription-customer-search", "value"), needs="admin")
def customers(text: str | None) -> Look:
    """Lago's customers, one of whom an admin chooses to look and buy for."""
    billing: BillingSource = sources().billing
    chosen = principal().customer_id
    look = show(
        billing.directory.search(text or ""),
        lambda listed: customer_list(listed, chosen),
        foot=how_many,
    )
    return replace(look, body=html.Div([chosen_line(chosen), look.body]))


@panel_callback(
    ("subscription-current", "subscription-plans"),
    State("subscription-awaited", "data"),
    State("subscription-shown", "data"),
    needs="billing:read",
    stamp="subscription-read",
)
def held_and_plans(awaited: object = None, shown: object = None) -> tuple[Look, Look]:
    """What the reader's customer holds, and the plans on offer: from one answer, so that they never disagree."""
    billing: BillingSource = sources().billing
    buyer = billing.buyer(principal())
    asks: list[Callable[[], Any]] = [
        partial(billing.shop, buyer, awaited=awaited if isinstance(awaited, str) else None),
        partial(billing.account.failed_charges, buyer),
        partial(billing.account.overdue, buyer),
    ]
    (plans, held, stops), failed, late = side_by_side(asks)
    one = billing.under_way(buyer)
    interval = shown if isinstance(shown, str) and shown in INTERVALS else None
    cards = _plans(billing, plans, held, stops, one, interval)
    look = _held(buyer, held, failed, late, one if isinstance(one, UnderWay) else None)
    ended = billing.came_to_nothing(buyer, awaited=awaited if isinstance(awaited, str) else None)
    if isinstance(ended, Ended) and isinstance(held, Ready | Empty):
        look = replace(look, body=html.Div([ended_note(ended), look.body]))
    return look, cards


def _held(
    buyer: Buyer | None,
    held: Result[Current],
    failed: tuple[FailedCharge, ...] | Problem,
    late: Result[Invoices],
    one: UnderWay | None,
) -> Look:
    """What is held now, and what of it should have been paid."""
    if buyer is None or not isinstance(held, Ready | Empty):
        return show(held, current_strip)
    charges = () if isinstance(failed, Problem) else failed
    unpaid = unpaid_of(charges, late.value if isinstance(late, Ready) else None)
    look = show(held, lambda current: current_strip(current, unpaid, one))
    if isinstance(failed, Problem):
        look = replace(look, foot=f"Whether a charge failed is not known: {failed.detail}")
    elif charges:
        look = replace(look, body=html.Div([failed_banner(charges), look.body]))
    if isinstance(late, Ready):
        return replace(look, body=html.Div([overdue_banner(late.value), look.body]))
    if isinstance(late, Failed):
        return replace(look, foot=f"Whether an invoice is overdue is not known: {late.problem.detail}")
    return look


def _plans(
    billing: BillingSource,
    result: Result[PlanList],
    current: Result[Current],
    stops: Stops,
    one: UnderWay | Problem | None,
    interval: str | None,
) -> Look:
    """The plans on offer; without a live answer of Lago they carry no badge and cannot be bought."""
    live = isinstance(result, Ready) and result.stale is None
    hidden = result.provenance.notes if isinstance(result, Ready | Empty) and principal().role == "admin" else ()
    if isinstance(result, Empty) and hidden:
        empty = show(result, lambda _: None)
        return replace(empty, body=html.Div([empty.body, hidden_plans(hidden)]))
    held = current if live else None
    asked = as_of(result.provenance.fetched_at) if isinstance(result, Ready) else None

    def grid(listed: PlanList) -> Component:
        shop = _shop(billing, listed, held, stops)
        under_way = one if live and isinstance(one, UnderWay) else None
        closed = _closed(billing, result, held, one, stops)
        return plan_grid(replace(shop, hidden=hidden, under_way=under_way, closed=closed, interval=interval))

    return show(result, grid, sub=lambda _: asked)


def _shop(
    billing: BillingSource,
    listed: PlanList,
    held: Result[Current] | None,
    stops: Stops,
) -> Shop:
    current = held.value if isinstance(held, Ready) else None
    return Shop(
        plans=listed.plans,
        twins=pairs(listed.plans),
        current=current,
        why_not=lambda plan: _why_not(billing, plan, stops),
        move_of=_moves(billing, held),
        closed=None,
        sales_email=billing.sales_email,
        customer_id=buyer.customer_id if (buyer := billing.buyer(principal())) is not None else None,
    )


def _moves(billing: BillingSource, held: Result[Current] | None) -> Callable[[Plan], Move] | None:
    """What choosing a plan means now; None as long as it is not known what the customer holds."""
    buyer = billing.buyer(principal())
    if isinstance(held, Ready):
        current = held.value
        return lambda plan: move_of(plan, current)
    if isinstance(held, Empty) and buyer is not None:
        return lambda _: Move("start")
    return None


def _why_not(billing: BillingSource, plan: Plan, stops: Stops) -> str | None:
    reason = why_not(plan, billing.collector)
    if reason is not None or plan.is_free:
        return reason
    if stops.collector is not None:
        return stops.collector
    if stops.tax is not None and plan.taxed is None:
        return stops.tax
    return f"{NO_STRIPE.title}: {' and '.join(NO_STRIPE.settings)} is not set." if billing.stripe is None else None


def _closed(
    billing: BillingSource,
    result: Result[PlanList],
    held: Result[Current] | None,
    one: UnderWay | Problem | None,
    stops: Stops,
) -> Any:
    """Why nothing can be bought now, in one place above the cards."""
    if isinstance(result, Ready) and result.stale is not None:
        return "Lago gives no usable answer, so nothing can be bought now and your current plan is not marked."
    if billing.buyer(principal()) is None:
        return (
            [
                "Choose a customer above to buy for it, or set ",
                setting("OPS_LAGO_CUSTOMER"),
                " to the Lago id of your company.",
            ]
            if principal().role == "admin"
            else NO_CUSTOMER.detail
        )
    if isinstance(held, Failed):
        return f"{held.problem.title}. Until Lago tells your current plan, nothing can be bought."
    if isinstance(one, Problem):
        return f"{one.title}. Until it is known whether a purchase is under way, nothing can be bought."
    if one is not None and one.locks:
        return one.words
    if isinstance(held, Ready):
        changes = billing.collector == "lago" and not stops.runs_at_stripe
        locked = standing_lock(held.value, changes=changes)
        if locked is not None:
            return locked.reason
    if stops.runs_at_stripe:
        return CHANGE_AT_STRIPE
    pays = isinstance(held, Ready) and not all(one.is_free for one in held.value.subscriptions)
    if pays and billing.collector == "stripe":
        return stops.collector or CHANGE_AT_STRIPE
    return None


subscription_account.listen()
clientside_callback(
    ClientsideFunction("ops_subscription", "mounted"),
    Output("subscription-done", "data"),
    Input("subscription-mounted", "data"),
)
clientside_callback(
    ClientsideFunction("ops_subscription", "landed"),
    Output("subscription-done", "data", allow_duplicate=True),
    Input("subscription-read", "data"),
    prevent_initial_call=True,
)
clientside_callback(
    ClientsideFunction("ops_subscription", "interval"),
    Output("subscription-cards", "data-shown"),
    Output("subscription-shown", "data"),
    Input("subscription-interval", "value"),
    prevent_initial_call=True,
)
clientside_callback(
    ClientsideFunction("ops_subscription", "chosen"),
    Output("subscription-done", "data", allow_duplicate=True),
    Input("subscription-plans-body", "children"),
    prevent_initial_call=True,
)
