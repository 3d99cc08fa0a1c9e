"""Plan cards. Pure: what may be bought is decided by the caller."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import dash_bootstrap_components as dbc
from dash import html
from dash.development.base_component import Component

from components.parts import badge, icon
from components.plan_actions import CLOSED_ID, Shop, action, continues, select_button
from components.plan_compare import compare, compare_table
from components.plan_words import plan_words, saving_words
from data_sources.billing.types import Plan, UnderWay

LONGEST_PRICE = 9


def plan_grid(shop: Shop) -> Component:
    """The cards, with a monthly/yearly switch where a plan has both."""
    yearly = {plan.code for plan in shop.twins.values()}
    holds_yearly = any(shop.current is not None and shop.current.holds(plan) for plan in shop.twins.values())
    cards = []
    for plan in shop.plans:
        only = "yearly" if plan.code in yearly else "monthly" if plan.code in shop.twins else None
        cards.append(_card(plan, shop, only))
    parts: list[Any] = []
    interval = shop.interval if shop.interval is not None else "yearly" if holds_yearly else "monthly"
    if shop.twins:
        parts.append(_switch(interval))
    if shop.closed is not None or shop.under_way is not None:
        parts.append(_note(shop))
    if shop.hidden:
        parts.append(hidden_plans(shop.hidden))
    shown = {"data-shown": interval} if shop.twins else {}
    if shop.under_way is not None:
        shown["data-under-way"] = shop.under_way.mark
    if shop.customer_id is not None:
        shown["data-customer"] = shop.customer_id
    parts.append(html.Div(cards, className="oc-plans", id="subscription-cards", **shown))
    side_by_side = compare(shop.plans, shop.twins)
    if side_by_side is not None:
        held = {plan.code for plan in shop.plans if shop.current is not None and shop.current.holds(plan)}
        parts.append(compare_table(side_by_side, lambda code: code in held))
    return html.Div(parts, className="oc-plans-shop")


def _note(shop: Shop) -> html.Div:
    """Why nothing can be chosen, or what is under way, with the way on."""
    one = shop.under_way
    words = [html.P(shop.closed)] if shop.closed is not None else []
    if one is not None and shop.closed != one.words:
        words.append(html.P(one.words))
    ways = [] if one is None else _ways(one, shop)
    if ways:
        words.append(html.Div(ways, className="oc-plans-ways"))
    return html.Div([icon("info"), html.Div(words)], id=CLOSED_ID, className="oc-plans-note", role="note", tabIndex=-1)


def _ways(one: UnderWay, shop: Shop) -> list[Any]:
    plan = next((each for each in shop.plans if continues(each, one)), None)
    ways = [] if plan is None or shop.closed is not None else [select_button(plan, "Continue at Stripe")]
    if one.can_give_up:
        named = {"data-give-up": one.attempt_id, "aria-label": f"Give it up: the purchase of {one.plan_name}"}
        ways.append(html.Button("Give it up", type="button", className="btn btn-secondary", **named))
    return ways


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
    held = None if shop.current is None else shop.current.held(plan)
    current = held is not None
    title_id = f"plan-{plan.lago_id}"
    top: list[Any] = [html.H3(words.name, id=title_id)]
    if current:
        top.append(badge("Current plan", "accent", icon_name="check"))
    elif plan.most_popular:
        top.append(badge("Most popular"))
    # An amount breaks nowhere: one that is too long for a card is smaller.
    price_class = "oc-price words" if words.is_words or len(words.price) > LONGEST_PRICE else "oc-price"
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
            html.Div(action(plan, shop, held), className="oc-plan-do"),
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


def as_of(fetched_at: datetime) -> str:
    """When the plans were read: "as of 14:02:10 UTC"."""
    return f"as of {fetched_at.astimezone(UTC):%H:%M:%S} UTC"
