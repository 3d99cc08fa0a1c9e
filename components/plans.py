"""Plan cards and the strip of the current plan. Pure: what may be bought is decided by the caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import dash_bootstrap_components as dbc
from dash import html
from dash.development.base_component import Component

from components.formats import UNKNOWN
from components.parts import badge, icon, setting
from components.plan_compare import compare, compare_table
from components.plan_words import PER, amount_words, mail_address, plan_words, saving_words
from data_sources.billing.types import Current, Plan, Subscription


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
        customer_id: For whom the cards are shown; sent back with a click, to see that it is still the same.
        hidden: Plans that are not among the cards though the operator might expect them, one sentence each.
    """

    plans: Sequence[Plan]
    twins: Mapping[str, Plan]
    current: Current | None
    why_not: Callable[[Plan], str | None]
    closed: Any
    sales_email: str | None
    hidden: Sequence[str] = ()
    customer_id: str | None = None


def plan_grid(shop: Shop) -> Component:
    """The cards, with a monthly/yearly switch where a plan has both."""
    yearly = {plan.code for plan in shop.twins.values()}
    holds_yearly = any(shop.current is not None and shop.current.holds(plan) for plan in shop.twins.values())
    cards = []
    for plan in shop.plans:
        only = "yearly" if plan.code in yearly else "monthly" if plan.code in shop.twins else None
        cards.append(_card(plan, shop, only))
    parts: list[Any] = []
    if shop.twins:
        parts.append(_switch("yearly" if holds_yearly else "monthly"))
    if shop.closed is not None:
        parts.append(html.Div([icon("info"), html.Span(shop.closed)], className="oc-plans-note", role="note"))
    if shop.hidden:
        parts.append(hidden_plans(shop.hidden))
    shown = {"data-shown": "yearly" if holds_yearly else "monthly"} if shop.twins else {}
    if shop.customer_id is not None:
        shown["data-customer"] = shop.customer_id
    parts.append(html.Div(cards, className="oc-plans", id="subscription-cards", **shown))
    side_by_side = compare(shop.plans, shop.twins)
    if side_by_side is not None:
        held = {plan.code for plan in shop.plans if shop.current is not None and shop.current.holds(plan)}
        parts.append(compare_table(side_by_side, lambda code: code in held))
    return html.Div(parts, className="oc-plans-shop")


def hidden_plans(told: Sequence[str]) -> html.Div:
    """Names the plans that are not shown, with the reason."""
    title = "Not shown, for admins to put right in Lago or in the settings:"
    lines = html.Ul([html.Li(each) for each in told], className="oc-plans-hidden")
    return html.Div([icon("unset"), html.Div([title, lines])], className="oc-plans-note", role="note")


def _switch(value: str) -> html.Div:
    radios = dbc.RadioItems(
        id="subscription-interval",
        options=[{"label": "Monthly", "value": "monthly"}, {"label": "Yearly", "value": "yearly"}],
        value=value,
        inline=True,
        inputClassName="btn-check",
        labelClassName="btn",
    )
    return html.Div(radios, className="oc-seg oc-plans-switch", role="group", **{"aria-label": "Pay monthly or yearly"})


def _card(plan: Plan, shop: Shop, only: str | None) -> html.Article:
    words = plan_words(plan)
    current = shop.current is not None and shop.current.holds(plan)
    title_id = f"plan-{plan.lago_id}"
    top: list[Any] = [html.H3(words.name, id=title_id)]
    if current:
        top.append(badge("Current plan", "accent", icon_name="check"))
    elif plan.most_popular:
        top.append(badge("Most popular"))
    price_class = "oc-price words" if words.is_words else "oc-price"
    note = [words.note]
    monthly = next((one for one in shop.plans if shop.twins.get(one.code) is plan), None)
    saving = saving_words(monthly, plan) if monthly is not None else None
    if saving:
        note.append(saving)
    price: list[Any] = [words.price]
    if words.unit:
        price.append(html.Span(words.unit, className="oc-unit"))
    return html.Article(
        [
            html.Div([html.Div(top, className="oc-plan-top"), html.P(words.description, className="d")]),
            html.Div([html.Div(price, className=price_class), html.P(". ".join(note), className="t")]),
            html.Div(_action(plan, shop, current), className="oc-plan-do"),
            _lines(words.included, words.excluded),
        ],
        className="oc-plan current" if current else "oc-plan",
        **{"aria-labelledby": title_id, "data-plan": plan.code, **({"data-only": only} if only else {})},
    )


def _lines(included: Sequence[str], excluded: Sequence[str]) -> html.Ul | None:
    rows = [html.Li([icon("check"), html.Span(text)]) for text in included]
    rows += [
        html.Li(
            [icon("minus"), html.Span([html.Span("Not included: ", className="visually-hidden"), text])], className="no"
        )
        for text in excluded
    ]
    return html.Ul(rows) if rows else None


def _action(plan: Plan, shop: Shop, current: bool) -> list[Any]:
    if current and shop.current is not None:
        held = next(one for one in shop.current.subscriptions if one.status == "active" and one.plan_code == plan.code)
        return [html.Div(renewal(held, shop.current.timezone)[0] or "Current plan", className="oc-plan-yours")]
    if plan.contact_sales:
        return _contact(plan, shop)
    reason = shop.why_not(plan)
    locked = reason is not None or shop.closed is not None
    button = html.Button(
        "Select plan",
        type="button",
        disabled=locked,
        className="btn btn-primary" if plan.most_popular and not locked else "btn btn-secondary",
        **{
            "data-select-plan": plan.code,
            "data-amount-cents": "" if plan.amount_cents is None else str(plan.amount_cents),
            "data-currency": plan.currency or "",
            "aria-label": f"Select plan {plan.name}, {PER.get(plan.interval or '', 'interval not known')}",
        },
    )
    return [button, html.P(reason, className="t oc-plan-why")] if reason is not None else [button]


def _contact(plan: Plan, shop: Shop) -> list[Any]:
    address = mail_address(plan, shop.sales_email)
    label = [icon("mail"), "Contact sales"]
    if address is None:
        button = html.Button(label, type="button", disabled=True, className="btn btn-secondary")
        return [
            button,
            html.P(["Set ", setting("OPS_SALES_EMAIL"), " to say where mail goes."], className="t oc-plan-why"),
        ]
    return [
        html.A(label, href=address, className="btn btn-secondary", **{"aria-label": f"Contact sales about {plan.name}"})
    ]


def current_strip(current: Current) -> html.Div:
    """What the customer holds: one row a subscription, each with its plan, price and what comes next."""
    return html.Div([_row(one, current.timezone) for one in current.subscriptions])


_STATUS = {
    "active": ("Active", "ok"),
    "incomplete": ("Payment is being confirmed", "warn"),
    "pending": ("Starts later", "warn"),
}


def _row(one: Subscription, timezone: str) -> html.Div:
    word, kind = _STATUS.get(one.status, (one.status, ""))
    mark = html.Span(
        [html.Span(className=f"oc-dot {kind}", **{"aria-hidden": "true"}), word], className=f"oc-badge {kind}"
    )
    label = "Plan" if one.status == "active" else "Coming plan"
    headline, detail = renewal(one, timezone)
    first, _, rest = headline.partition(" ")
    return html.Div(
        [
            html.Div(
                [
                    html.Div(label, className="oc-figure-label"),
                    html.Div([one.plan_name or one.plan_code, mark], className="oc-sub-name"),
                    html.P(_held_price(one)),
                ]
            ),
            html.Div(
                [
                    html.Div(first or "Next", className="oc-figure-label"),
                    html.Div(rest or UNKNOWN, className="oc-sub-name"),
                    html.P(detail),
                ]
            ),
        ],
        className="oc-sub",
    )


def _held_price(one: Subscription) -> str:
    if one.amount is None or one.currency is None:
        return "Lago does not tell its price"
    price = " ".join(filter(None, (amount_words(one.amount, one.currency), PER.get(one.interval or ""))))
    return f"{price}, excl. tax"


def renewal(one: Subscription, timezone: str) -> tuple[str, str]:
    """What comes next for a subscription, and a sentence with it.

    Returns:
        "Renews 1 Dec 2026" (or Ends, Changes, Trial, or "" when Lago does not tell), and a detail.
    """
    zone = _zone(timezone)
    if one.status == "incomplete":
        return "Starts when the payment succeeds", "Lago confirms it."
    if one.ending_at is not None:
        return f"Ends {_day(one.ending_at, zone)}", "It does not renew."
    if one.next_plan_code is not None:
        on = _date(one.next_plan_on) if one.next_plan_on else "later"
        return f"Changes {on}", f"To the plan {one.next_plan_code}."
    if one.trial_ends_at is not None:
        return f"Trial until {_day(one.trial_ends_at, zone)}", "The base price is free until then."
    if one.status == "pending":
        return (f"Starts {_day(one.started_at, zone)}", "") if one.started_at else ("", "Lago starts it later.")
    if one.period_ends_at is None:
        return "", "Lago does not tell when it renews."
    # Lago names the last second of a period; the next one begins a second later, in the customer's own zone.
    return f"Renews {_day(one.period_ends_at + timedelta(seconds=1), zone)}", f"In the time zone {zone.key}."


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _day(moment: datetime, zone: tzinfo) -> str:
    return _date(moment.astimezone(zone).date())


def _date(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def as_of(fetched_at: datetime) -> str:
    """When the plans were read: "as of 14:02:10 UTC"."""
    return f"as of {fetched_at.astimezone(UTC):%H:%M:%S} UTC"
