"""The button on a plan card, which knows what choosing the plan means for the reader's customer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from dash import html

from components.held import day_words, renewal, trial_note
from components.parts import icon, setting
from components.plan_words import PER, amount_words, mail_address
from data_sources.billing.account.types import Move
from data_sources.billing.types import MONTHS_OF, Current, Plan, Subscription, UnderWay

CLOSED_ID = "subscription-closed"


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
        under_way: The customer's purchase that is not settled; None without one.
        interval: Which of a pair its reader chose to see; None as long as nothing was chosen.
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
    under_way: UnderWay | None = None
    interval: str | None = None


def action(plan: Plan, shop: Shop, held: Subscription | None) -> list[Any]:
    """What a card offers: the plan that runs says when it renews, the others what choosing them does and when.

    Args:
        plan: The card's plan.
        shop: Everything else on the page.
        held: The active subscription of this plan.
    """
    move = None if shop.move_of is None else shop.move_of(plan)
    changing = shop.under_way is not None and shop.under_way.changing
    if held is not None and shop.current is not None:
        words = renewal(held, shop.current.timezone)[0] or "Current plan"
        yours = html.Div(words, className="oc-plan-yours")
        told = [html.P(note, className="t oc-plan-why") for note in (_own_price(plan, held),) if note is not None]
        if held.ending_at is None:
            return [yours, *told]
        note = trial_note(held, shop.current.timezone)
        told += [] if note is None else [html.P(note, className="t oc-plan-why")]
        if held.over_at_stripe or changing:
            return [yours, *told]
        return [yours, *told, _manage("resume", held, "Resume")]
    if move is not None and move.kind == "scheduled" and move.held is not None:
        starts = html.Div(f"Starts {_on(move.on)}", className="oc-plan-yours")
        return [starts] if changing else [starts, _manage("undo", move.held, "Take it back")]
    if plan.contact_sales:
        return _contact(plan, shop)
    reason = shop.why_not(plan) or _only_here(move)
    locked = reason is not None or shop.closed is not None
    ink = plan.most_popular and not locked and (move is None or move.kind in ("start", "upgrade"))
    button = select_button(
        plan, _label(plan, shop, move), locked=locked, ink=ink, why=CLOSED_ID if shop.closed else None
    )
    beside = reason or _beside(plan, shop)
    return [button] if beside is None else [button, html.P(beside, className="t oc-plan-why")]


def _own_price(plan: Plan, held: Subscription) -> str | None:
    """What is paid for the plan that runs, where the plan has another price by now."""
    if held.amount is None or held.currency is None or plan.amount_cents is None:
        return None
    if (held.amount_cents, held.currency) == (plan.amount_cents, plan.currency):
        return None
    price = " ".join(filter(None, (amount_words(held.amount, held.currency), PER.get(held.interval or ""))))
    return f"Yours is {price}, as Lago has it. The price above is that of a new one."


def select_button(
    plan: Plan, label: str, *, locked: bool = False, ink: bool = False, why: str | None = None
) -> html.Button:
    """The button that chooses a plan, with the price that was shown.

    Args:
        plan: What is chosen.
        label: What choosing it does.
        locked: Whether it cannot be chosen now.
        ink: Whether it is the one that stands out.
        why: The id of what says why nothing can be chosen.
    """
    return html.Button(
        label,
        type="button",
        disabled=locked,
        className="btn btn-primary" if ink else "btn btn-secondary",
        **{
            "data-select-plan": plan.code,
            "data-amount-cents": "" if plan.amount_cents is None else str(plan.amount_cents),
            "data-currency": plan.currency or "",
            "aria-label": f"{label}: {plan.name}, {PER.get(plan.interval or '', 'interval not known')}",
            **({} if why is None else {"aria-describedby": why}),
        },
    )


def continues(plan: Plan, under_way: UnderWay | None) -> bool:
    """Whether choosing this plan leads back to the page at Stripe that its reader has left."""
    return (
        under_way is not None
        and under_way.goes_on_at_stripe
        and (under_way.plan_code, under_way.terms) == (plan.code, plan.terms)
    )


def _beside(plan: Plan, shop: Shop) -> str | None:
    """Why a plan waits, in a few words at its own button: on a phone the note above is out of sight."""
    one = shop.under_way
    if one is None or not one.locks or plan.code == one.plan_code:
        return None
    return f"{one.plan_name} is under way."


def _label(plan: Plan, shop: Shop, move: Move | None) -> str:
    one = shop.under_way
    if one is not None and one.locks and one.plan_code == plan.code:
        return "Under way"
    if continues(plan, one):
        return "Continue at Stripe"
    if shop.closed is not None:
        return "Select plan"  # what it would do otherwise is not so now
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
