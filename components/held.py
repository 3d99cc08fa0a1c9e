"""What a customer holds: one row a subscription, with its plan, price, what comes next and what can be done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dash import html

from components.formats import UNKNOWN
from components.parts import icon
from components.plan_words import PER, amount_words
from data_sources.billing.account.types import FailedCharge, Invoice, Invoices
from data_sources.billing.types import Current, Ended, Subscription, UnderWay
from data_sources.result import utc_now

_STATUS = {
    "active": ("Active", "ok"),
    "incomplete": ("Payment is being confirmed", "warn"),
    "pending": ("Starts later", "warn"),
}


def unpaid_of(charges: Sequence[FailedCharge], overdue: Invoices | None) -> frozenset[str]:
    """The subscriptions for which something should have been paid by now, by our ids, as far as it is known."""
    late = [one for invoice in (overdue.rows if overdue is not None else ()) for one in invoice.subscription_ids or ()]
    return frozenset(
        (*late, *(one.subscription_id for one in charges if one.state not in ("to_put_right", "other_sum")))
    )


def current_strip(
    current: Current, unpaid: frozenset[str] = frozenset(), under_way: UnderWay | None = None
) -> html.Div:
    """All subscriptions with what can be done with each; a plan that follows another one stands in that one's row.

    Args:
        current: What the customer holds.
        unpaid: `unpaid_of` it: those are not simply active.
        under_way: The customer's purchase that is not settled: while Lago is asked, nothing else is changed.
    """
    running = {one.external_id for one in current.subscriptions if one.status == "active"}
    following = {one.external_id: one for one in current.subscriptions if one.status == "pending"}
    shown = [one for one in current.subscriptions if one.status != "pending" or one.external_id not in running]
    waits = under_way is not None and under_way.changing
    rows = []
    for one in shown:
        after = following.get(one.external_id)
        rows.append(_row(one, current, after, unpaid=one.external_id in unpaid, waits=waits))
    return html.Div(rows)


def _row(one: Subscription, current: Current, following: Subscription | None, *, unpaid: bool, waits: bool) -> html.Div:
    word, kind = ("Is being started", "warn") if one.paid else _STATUS.get(one.status, (one.status, ""))
    if unpaid and one.status == "active":
        word, kind = "Active, payment overdue", "danger"
    mark = html.Span(
        [html.Span(className=f"oc-dot {kind}", **{"aria-hidden": "true"}), word], className=f"oc-badge {kind}"
    )
    label = "Plan" if one.status == "active" else "Coming plan"
    headline, detail = renewal(one, current.timezone, following)
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
            html.Div(_buttons(one, current, waits=waits), className="oc-sub-do"),
        ],
        className="oc-sub",
        **{"data-subscription-row": one.external_id},
    )


def _buttons(one: Subscription, current: Current, *, waits: bool) -> list[Any]:
    if one.status == "incomplete":
        return []
    if waits or any(each.status == "incomplete" for each in current.subscriptions):
        return [html.P("Cannot be changed until the purchase is settled.")]
    if one.status == "pending" or one.next_plan_code is not None:
        return [_button("undo", one, "Take it back", f"Take back the change of {one.plan_name or one.plan_code}")]
    if one.over_at_stripe:
        return []
    if one.ending_at is not None:
        return [_button("resume", one, "Resume", f"Resume {one.plan_name or one.plan_code}")]
    return [_button("cancel", one, "Cancel plan", f"Cancel {one.plan_name or one.plan_code}")]


def _button(what: str, one: Subscription, label: str, said: str) -> html.Button:
    named = {"data-manage": what, "data-subscription": one.external_id, "aria-label": f"{label}: {said}"}
    return html.Button(label, type="button", className="btn btn-secondary", **named)


def _held_price(one: Subscription) -> str:
    if one.amount is None or one.currency is None:
        return "Lago does not tell its price"
    often = PER.get(one.interval or "")
    price = " ".join(filter(None, (amount_words(one.amount, one.currency), often)))
    if one.stripe_takes is not None:
        takes = " ".join(filter(None, (amount_words(*one.stripe_takes), often)))
        return f"{takes}, as Stripe takes it. Lago's price is {price}; ask your admin which one is right."
    plus = "".join(f", plus {what}" for what in one.plus)
    return f"{price}{plus}, excl. tax"


def renewal(one: Subscription, timezone: str, following: Subscription | None = None) -> tuple[str, str]:
    """What comes next for a subscription, and a sentence with it.

    Args:
        one: The subscription.
        timezone: The customer's IANA zone.
        following: The subscription that takes its place later.

    Returns:
        "Renews 1 Dec 2026" (or Ends, Changes, Trial, or "" when Lago does not tell), and a detail.
    """
    zone = zone_of(timezone)
    if one.status == "incomplete" and one.paid:
        return "Starts in a moment", "Its payment is in. Lago is asked to confirm it."
    if one.status == "incomplete":
        return "Starts when the payment succeeds", "Lago confirms it. What runs until then goes on."
    if one.ending_at is not None and one.over_at_stripe:
        return f"Ends {_day(one.ending_at, zone)}", "It goes on until then. Choose a plan anew when it has ended."
    if one.ending_at is not None and one.stripe_unsure == "unconfirmed":
        detail = "Lago ends it then. Stripe, which takes the money, has not confirmed that yet; it is tried again."
        return f"Ends {_day(one.ending_at, zone)}", detail
    if one.ending_at is not None and one.stripe_unsure == "unknown":
        detail = "Stripe does not tell now, so whether it can still be resumed is not known."
        return f"Ends {_day(one.ending_at, zone)}", f"It goes on until then and does not renew. {detail}"
    if one.ending_at is not None:
        return f"Ends {_day(one.ending_at, zone)}", f"It goes on until then and does not renew.{_and_trial(one, zone)}"
    if one.next_plan_code is not None:
        on = day_words(one.next_plan_on) if one.next_plan_on else "later"
        name = following.plan_name if following is not None else None
        return f"Changes {on}", f"To the plan {name or one.next_plan_code}.{_and_trial(one, zone)}"
    if one.trial_ends_at is not None:
        left = _days_left(one.trial_ends_at, zone)
        return f"Trial until {_day(one.trial_ends_at, zone)}", f"{left}. The base price is free until then."
    if one.status == "pending":
        return (f"Starts {_day(one.started_at, zone)}", "") if one.started_at else ("", "Lago starts it later.")
    if one.period_ends_at is None:
        return "", "Lago does not tell when it renews."
    # Lago names the last second of a period; the next one begins a second later, in the customer's own zone.
    named = zone.key if isinstance(zone, ZoneInfo) else str(zone)
    return f"Renews {_day(one.period_ends_at + timedelta(seconds=1), zone)}", f"In the time zone {named}."


def trial_note(one: Subscription, timezone: str) -> str | None:
    """The countdown of a running trial beside what comes after it, and what is charged at its end; None without one."""
    return _and_trial(one, zone_of(timezone)).strip() or None


def _and_trial(one: Subscription, zone: tzinfo) -> str:
    trial = one.trial_ends_at
    if trial is None:
        return ""
    note = f" Trial until {_day(trial, zone)}: {_days_left(trial, zone).lower()}."
    if one.ending_at is None or one.amount_cents == 0 or one.pay_in_advance is False:
        return note
    if trial >= one.ending_at:
        return f"{note} Resumed, it is charged on that day." if one.pay_in_advance and not one.over_at_stripe else note
    told = "its price is charged" if one.pay_in_advance else "whether its price is charged is not known"
    return f"{note} On that day {told}."


def _days_left(end: datetime, zone: tzinfo) -> str:
    """How many days a trial still has, by the customer's calendar."""
    days = (end.astimezone(zone).date() - utc_now().astimezone(zone).date()).days
    return "It ends today" if days <= 0 else "1 day left" if days == 1 else f"{days} days left"


_BUTTON = "btn btn-sm btn-secondary"


def overdue_banner(invoices: Invoices) -> html.Div:
    """What should have been paid by now, each with its way to pay, or who collects it."""
    rows = [
        html.Div(
            [html.Span(_overdue_words(one)), _pay_now(one) if invoices.payable else _not_here(invoices)],
            className="oc-overdue-row",
        )
        for one in invoices.rows
    ]
    return html.Div([icon("failed"), html.Div(rows)], className="oc-overdue", role="alert")


def _not_here(invoices: Invoices) -> str:
    return "Stripe collects it." if invoices.by_stripe else "Ask your admin how to pay it."


def ended_note(ended: Ended) -> html.Div:
    """That a purchase came to nothing, for a buyer whose tab may have been closed by then; told until it is read."""
    words = [html.B(f"{ended.title}, {day_words(ended.at.date())} (UTC)"), html.P(ended.message)]
    named = {"data-has-read": ended.attempt_id, "aria-label": f"Close: {ended.title}"}
    button = html.Button("Close", type="button", className=_BUTTON, **named)
    row = html.Div([html.Div(words), button], className="oc-overdue-row")
    return html.Div([icon("failed"), html.Div(row)], className="oc-overdue told", role="status")


def failed_banner(charges: Sequence[FailedCharge]) -> html.Div:
    """That charges for a plan failed, and what its customer does about it."""
    rows = [
        html.Div([html.Span(_failed_words(one)), *_pay_at_stripe(one)], className="oc-overdue-row") for one in charges
    ]
    return html.Div([icon("failed"), html.Div(rows)], className="oc-overdue", role="alert")


def _failed_words(one: FailedCharge) -> str:
    name, several = one.plan_name, one.count > 1
    if one.state == "to_put_right":
        return f"A payment for {name} that no invoice is for is still to be put right. Your admin sees it."
    if one.state == "other_sum":
        what = f"What Stripe took for {name} is not what its invoice in Lago asks"
        return f"{what}. Your admin sees it and puts it right."
    money = None
    if one.amount is not None and one.currency is not None:
        money = amount_words(one.amount, one.currency)
    whole = f" ({one.count} charges)" if several else ""
    the_page = "the oldest" if several else "it"
    then = (
        f"Pay {the_page} on Stripe's page."
        if one.page
        else "Ask your admin, or use the link in Stripe's mail about it."
    )
    if one.state in ("ended", "ended_unpaid"):
        owed = "What is still owed for it is not known now" if money is None else f"{money}{whole} is still owed for it"
        ended = f"{name} has ended" if one.state == "ended" else f"Stripe ended {name}, as what it charged was not paid"
        return f"{ended}. {owed}. {then} Paying does not start the plan again."
    what = f"{one.count} charges for {name} failed" if several else f"A charge for {name} failed"
    if money is not None:
        what = f"{what}, {money} in all" if several else f"A charge of {money} for {name} failed"
    goes_on = "The plan goes on until Stripe gives up."
    if one.state == "given_up":
        goes_on = "Stripe does not try again; the plan goes on until your admin ends it."
    return f"{what}. {goes_on} {then}"


def _pay_at_stripe(one: FailedCharge) -> list[html.A]:
    if one.page is None:
        return []
    named = {"aria-label": f"Pay {one.plan_name} at Stripe, opens in another tab"}
    link = html.A(
        "Pay at Stripe",
        href=one.page,
        target="_blank",
        rel="noopener noreferrer",
        className=_BUTTON,
        **{**named, "data-stripe-pay": ""},
    )
    return [link]


def _pay_now(one: Invoice) -> html.Button:
    named = {"data-invoice-pay": one.id, "aria-label": f"Pay now: invoice {one.number}"}
    return html.Button("Pay now", type="button", className="btn btn-sm btn-secondary", **named)


def _overdue_words(one: Invoice) -> str:
    amount = one.due if one.due is not None else one.total
    money = "an amount that Lago does not tell"
    if amount is not None and one.currency is not None:
        money = amount_words(amount, one.currency)
    since = "" if one.due_on is None else f" since {day_words(one.due_on)}"
    return f"Invoice {one.number} is overdue{since}: {money}."


def zone_of(name: str) -> tzinfo:
    """The zone of this IANA name, UTC when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _day(moment: datetime, zone: tzinfo) -> str:
    return day_words(moment.astimezone(zone).date())


def day_words(day: date) -> str:
    """A day in words: "1 Dec 2026"."""
    return f"{day.day} {day:%b %Y}"
