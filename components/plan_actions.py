"""The button on a plan card, which knows what choosing the plan means for the reader's customer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from dash import html

from components.held import day_words, renewal, trial_note
from components.parts import icon, setting
from components.plan_words import PER, mail_address
from data_sources.billing.account.types import Move
from data_sources.billing.types import MONTHS_OF, Current, Plan, Subscription


@dataclass(frozen=True, slots=True)
class Shop:
    """Everything that a grid of cards is drawn from.

    Attributes:
        plans: The plans, in order.
        twins: Code of a monthly plan -> its yearly twin.
        current: What the reader's customer holds; None when there is no customer or it is not known.
        why_not: Why this plan cannot be bought, None when it can.
        closed: Why nothing can be bought at all, shown once above the cards; None when the shop is open.
        sales_email: Where contact-sales plans send their mail.
        move_of: What choosing this plan means for the customer now; None when there is no customer or it is not known.
        customer_id: For whom the cards are shown; sent back with a click, to see that it is still the same.
        hidden: Plans that are not among the cards though the operator might expect them, one sentence each.
    """

    plans: Sequence[Plan]
    twins: Mapping[str, Plan]
    current: Current | None
    why_not: Callable[[Plan], str | None]
    closed: Any
    sales_email: str | None
    move_of: Callable[[Plan], Move] | None = None
    hidden: Sequence[str] = ()
    customer_id: str | None = None


def action(plan: Plan, shop: Shop, held: Subscription | None) -> list[Any]:
    """What a card offers: the plan that runs says when it renews, the others what choosing them does and when.

    Args:
        plan: The card's plan.
        shop: Everything else on the page.
        held: The active subscription of this plan.
    """
    move = None if shop.move_of is None else shop.move_of(plan)
    if held is not None and shop.current is not None:
        words = renewal(held, shop.current.timezone)[0] or "Current plan"
        yours = html.Div(words, className="oc-plan-yours")
        if held.ending_at is None:
            return [yours]
        note = trial_note(held, shop.current.timezone)
        told = [] if note is None else [html.P(note, className="t oc-plan-why")]
        if held.over_at_stripe:
            return [yours, *told]
        return [yours, *told, _manage("resume", held, "Resume")]
    if move is not None and move.kind == "scheduled" and move.held is not None:
        return [
            html.Div(f"Starts {_on(move.on)}", className="oc-plan-yours"),
            _manage("undo", move.held, "Take it back"),
        ]
    if plan.contact_sales:
        return _contact(plan, shop)
    reason = shop.why_not(plan) or _only_here(move)
    locked = reason is not None or shop.closed is not None
    ink = plan.most_popular and not locked and (move is None or move.kind in ("start", "upgrade"))
    label = _label(plan, move)
    button = html.Button(
        label,
        type="button",
        disabled=locked,
        className="btn btn-primary" if ink else "btn btn-secondary",
        **{
            "data-select-plan": plan.code,
            "data-amount-cents": "" if plan.amount_cents is None else str(plan.amount_cents),
            "data-currency": plan.currency or "",
            "aria-label": f"{label}: {plan.name}, {PER.get(plan.interval or '', 'interval not known')}",
        },
    )
    return [button, html.P(reason, className="t oc-plan-why")] if reason is not None else [button]


def _label(plan: Plan, move: Move | None) -> str:
    if move is not None and move.held is not None and move.kind == "upgrade":
        # From a year to a month is no upgrade to its reader, though Lago makes it at once like one.
        shorter = MONTHS_OF.get(plan.interval or "", 0) < MONTHS_OF.get(move.held.interval or "", 0)
        return "Switch now" if shorter else "Upgrade now"
    if move is not None and move.kind == "downgrade":
        return f"Downgrade on {day_words(move.on)}" if move.on is not None else "Downgrade at period end"
    return "Select plan"


def _only_here(move: Move | None) -> str | None:
    """Why this very plan cannot be chosen; what holds for all of them is said once above the cards."""
    return move.reason if move is not None and move.kind == "locked" and not move.everywhere else None


def _on(day: date | None) -> str:
    return "at period end" if day is None else day_words(day)


def _manage(what: str, one: Subscription, label: str) -> html.Button:
    return html.Button(
        label,
        type="button",
        className="btn btn-secondary",
        **{"data-manage": what, "data-subscription": one.external_id},
    )


def _contact(plan: Plan, shop: Shop) -> list[Any]:
    address = mail_address(plan, shop.sales_email)
    label = [icon("mail"), "Contact sales"]
    if address is None:
        button = html.Button(label, type="button", disabled=True, className="btn btn-secondary")
        words = ["Set ", setting("OPS_SALES_EMAIL"), " to say where mail goes."]
        return [button, html.P(words, className="t oc-plan-why")]
    named = {"aria-label": f"Contact sales about {plan.name}"}
    return [html.A(label, href=address, className="btn btn-secondary", **named)]
