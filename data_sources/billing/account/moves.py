"""What choosing a plan means for a customer: the same judgement for the buttons of the page and for the click itself.

Lago changes at once to a plan that costs as much or more in a year, and at the end of the period to one that costs
less. So a yearly plan with a discount changes to its monthly twin at once, which ends the year that was prepaid.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from data_sources.billing.account.types import Move
from data_sources.billing.plans import TIMES_A_YEAR
from data_sources.billing.types import MONTHS_OF, Current, Plan, Subscription


def move_of(plan: Plan, current: Current, *, changes: bool = True) -> Move:
    """What choosing this plan means now.

    Args:
        plan: A plan on offer.
        current: What the customer holds.
        changes: As for `standing_lock`.
    """
    active = [one for one in current.subscriptions if one.status == "active"]
    same = next((one for one in active if one.plan_code == plan.code), None)
    if same is not None:
        if same.ending_at is not None:
            if same.over_at_stripe:
                return _locked(_over(same, current), "ends", same)
            return Move("resume", same, day_in(same.ending_at, current), _ends(same, current), "ends")
        return Move("current", same, None, f"This customer is on {plan.name} already.", "already_subscribed")
    coming = next((one for one in active if one.next_plan_code == plan.code), None)
    if coming is not None:
        on = coming.next_plan_on or next_period(coming, current)
        return Move("scheduled", coming, on, f"{plan.name} follows already.", "already_planned")
    locked = standing_lock(current, changes=changes)
    if locked is not None:
        return locked
    if not active:
        return Move("start")
    return _direction(plan, active[0], current)


def standing_lock(current: Current, *, changes: bool = True) -> Move | None:
    """Why no other plan can be chosen at all now, None when one can.

    Args:
        current: What the customer holds.
        changes: Whether a plan with a price that runs can be changed here: not where Stripe itself collects for it.
    """
    active = [one for one in current.subscriptions if one.status == "active"]
    if any(one.status == "incomplete" for one in current.subscriptions):
        return _locked(
            "A payment is being confirmed. Until then nothing else can be chosen.", "subscription_incomplete"
        )
    if len(active) > 1:
        which = "Several subscriptions run, and which of them is to change cannot be told."
        reason = f"{which} Ask your admin to change it in Lago."
        return _locked(reason, "several")
    planned = next((one for one in active if one.next_plan_code is not None), None)
    if planned is not None:
        return _locked(
            "Another plan is planned already. Take that back to choose otherwise.", "already_planned", planned
        )
    ending = next((one for one in active if one.ending_at is not None), None)
    if ending is not None and ending.over_at_stripe:
        return _locked(_over(ending, current), "ends", ending)
    if ending is not None:
        then = "Resume it to change to another plan." if changes or ending.is_free else "Then choose another plan."
        return _locked(f"{_ends(ending, current)} {then}", "ends", ending)
    if not active and current.subscriptions:
        return _locked("A plan starts later already. Ask your admin to change it in Lago.", "already_planned")
    return None


def ends_longer_period(held: Subscription, plan: Plan) -> bool:
    """Whether a change at once ends a period that is longer than the new plan's, such as a prepaid year."""
    old, new = MONTHS_OF.get(held.interval or ""), MONTHS_OF.get(plan.interval or "", 0)
    return old is not None and old > new


def names_of(held: Subscription, plan: Plan) -> tuple[str, str]:
    """The names of what runs and of another plan; twins of one name are told apart by how often they are paid."""
    old, new = held.plan_name or held.plan_code, plan.name
    if old == new and held.interval is not None:
        return f"{old} ({held.interval})", f"{new} ({plan.interval})"
    return old, new


def next_period(held: Subscription, current: Current) -> date | None:
    """The first day of the next period, in the customer's own time zone."""
    at = next_period_at(held)
    return None if at is None else day_in(at, current)


def next_period_at(held: Subscription) -> datetime | None:
    """When the next period begins: Lago names the last second of the running one."""
    return None if held.period_ends_at is None else (held.period_ends_at + timedelta(seconds=1)).replace(microsecond=0)


def on_words(day: date | None) -> str:
    """When, in words: "on 1 Dec 2026", or at the end of the period when the day is not known."""
    return "at the end of the period" if day is None else f"on {day.day} {day:%b %Y}"


def _direction(plan: Plan, held: Subscription, current: Current) -> Move:
    if held.currency is not None and plan.currency is not None and held.currency != plan.currency:
        reason = f"Your plan is billed in {held.currency}, this one in {plan.currency}."
        return Move("locked", held, None, reason, "currencies_does_not_match")
    old = _a_year(held.amount_cents, held.interval)
    new = _a_year(plan.amount_cents, plan.interval)
    if old is None or new is None:
        reason = "The price of one of the two plans is not known, so it cannot be told when the change would be."
        return Move("locked", held, None, reason, "direction_unknown")
    if new >= old:
        return Move("upgrade", held)
    return Move("downgrade", held, next_period(held, current))


def _a_year(amount_cents: int | None, interval: str | None) -> Decimal | None:
    times = TIMES_A_YEAR.get(interval or "")
    return None if amount_cents is None or times is None else Decimal(amount_cents) * times


def _locked(reason: str, code: str, held: Subscription | None = None) -> Move:
    return Move("locked", held, None, reason, code, everywhere=True)


def _ends(held: Subscription, current: Current) -> str:
    assert held.ending_at is not None  # noqa: S101  asked only of subscriptions with an end
    return f"{held.plan_name or held.plan_code} ends {on_words(day_in(held.ending_at, current))}."


def _over(held: Subscription, current: Current) -> str:
    return (
        f"{_ends(held, current)} What Stripe charged for it has ended already, so it cannot be resumed. When it has "
        "ended, choose a plan anew."
    )


def day_in(moment: datetime, current: Current) -> date:
    """The day of a moment by the customer's calendar."""
    return moment.astimezone(zone_of(current.timezone)).date()


def zone_of(name: str) -> tzinfo:
    """The zone of this IANA name, UTC when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
