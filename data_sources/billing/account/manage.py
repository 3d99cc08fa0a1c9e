"""What a customer does with a running subscription: let it end, let it go on, take back a planned change.

Only subscriptions of the customer are found, whatever id is sent. Each action may be repeated; when Lago's answer is
lost, it is read what is so. Who did it is written down before and after.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from data_sources.billing import attempts as book
from data_sources.billing.account.moves import day_in, next_period, next_period_at, on_words
from data_sources.billing.account.types import Managed, Offer, StripesPart
from data_sources.billing.attempts import Attempts
from data_sources.billing.customers import moment, read_current
from data_sources.billing.lago import Json, LagoClient
from data_sources.billing.lago_http import perhaps_done
from data_sources.billing.money import said
from data_sources.billing.purchase import untouched
from data_sources.billing.types import Buyer, Current, Subscription
from data_sources.result import Kind, Problem

TITLE = "Nothing was changed"
_MAYBE = "Whether it was changed is not known"
ACTIONS = ("cancel", "resume", "undo")
_UNKNOWN_OUTCOME = frozenset({Kind.TIMEOUT, Kind.UPSTREAM})


def manage(
    lago: LagoClient,
    attempts: Attempts,
    buyer: Buyer,
    action: str,
    subscription_id: str,
    confirm: str | None,
    stripes_part: Callable[[], StripesPart | None] = lambda: None,
) -> Managed | Problem:
    """Do one thing with a subscription.

    Args:
        lago: Where it lives.
        attempts: Our record, in the name of who does it.
        buyer: Whose subscription it must be.
        action: cancel, resume or undo.
        subscription_id: Our id of the subscription.
        confirm: The token of the offer that was agreed to; only cancel asks first.
        stripes_part: Tells what Stripe says of it, where that is to be cancelled for which Stripe collects; asked for
            words alone, so only before the question and after the deed.
    """
    current = read_current(lago, buyer.customer_id)
    if isinstance(current, Problem):
        return untouched(current, "Nothing was changed.")
    one = _of_customer(current, action, subscription_id)
    if one is None:
        detail = "It is not one of yours, or it has ended. The page shows what runs."
        return Problem(Kind.NOT_FOUND, TITLE, detail, code="subscription_not_found")
    busy = attempts.open_for(buyer.customer_id)
    if busy is not None and busy.state in (book.STARTING, book.WAITING):
        return _refused("A purchase is being confirmed. Wait until it is.", "subscription_incomplete")
    if action == "cancel":
        return _cancel(lago, attempts, current, one, confirm, stripes_part)
    return _resume(lago, attempts, current, one) if action == "resume" else _undo(lago, attempts, current, one)


def _cancel(
    lago: LagoClient,
    attempts: Attempts,
    current: Current,
    one: Subscription,
    confirm: str | None,
    stripes_part: Callable[[], StripesPart | None],
) -> Managed | Problem:
    """The end of the running period: the day on which it would renew, so that every day paid for is there."""
    if one.ending_at is not None:
        return _ended(one, current, one.ending_at, stripes_part())
    if one.next_plan_code is not None:
        return _refused("Another plan is planned already. Take that back first.", "already_planned")
    at = next_period_at(one)
    if at is None:
        return _refused("Lago does not tell when the running period ends. Ask your admin.", "period_unknown")
    offer = _cancel_offer(one, current, at, stripes_part() if confirm is None else None)
    if confirm is None:
        return Managed("confirm", offer.title, "", offer)
    if confirm != offer.token:
        return _refused("What you confirmed is not what would be done now. Read it again.", "offer_changed")
    when = f"{at:%Y-%m-%d %H:%M} UTC"
    done = _noted(attempts, current, one, "cancel", lambda: _set_end(lago, one, at), when)
    return done if isinstance(done, Problem) else _ended(one, current, at, stripes_part())


def _resume(lago: LagoClient, attempts: Attempts, current: Current, one: Subscription) -> Managed | Problem:
    if one.ending_at is not None:
        done = _noted(attempts, current, one, "resume", lambda: _set_end(lago, one, None))
        if isinstance(done, Problem):
            return done
    elif one.next_plan_code is not None:
        detail = f"{_renews(one, current)} Take that back to keep {_name(one)}."
        return _refused(detail, "already_planned")
    return Managed("done", f"{_name(one)} goes on", _renews(one, current))


def _undo(lago: LagoClient, attempts: Attempts, current: Current, one: Subscription) -> Managed | Problem:
    """Only what has not begun is taken back; what runs under the same id goes on."""
    if one.status == "active" and one.next_plan_code is None:
        return _refused("No change is planned any more. The page shows what runs.", "nothing_planned")
    done = _noted(attempts, current, one, "undo", lambda: _forget_next(lago, one))
    if isinstance(done, Problem):
        return done
    if one.status == "pending":
        return Managed("done", f"{_name(one)} was taken back", "It will not start, and nothing is charged for it.")
    kept = replace(one, next_plan_code=None, next_plan_on=None)
    return Managed("done", "The planned change was taken back", f"{_name(one)} goes on. {_renews(kept, current)}")


def _set_end(lago: LagoClient, one: Subscription, at: datetime | None) -> Problem | None:
    got: Json | Problem | None = lago.set_ending(one.external_id, at)
    if isinstance(got, Problem) and got.kind in _UNKNOWN_OUTCOME:
        # The deed may be done and only the answer lost: what is so counts.
        read = lago.subscription(one.external_id, "active")
        got = read if isinstance(read, dict) and moment(read.get("ending_at")) == at else _open_end(got, read)
    if isinstance(got, Problem):
        return got
    if not isinstance(got, dict) or moment(got.get("ending_at")) != at:
        detail = "Lago answered, and not with what was asked for. The page shows what is so."
        return Problem(Kind.UPSTREAM, TITLE, detail, code="unexpected")
    return None


def _forget_next(lago: LagoClient, one: Subscription) -> Problem | None:
    got = lago.cancel_pending(one.external_id)
    if not isinstance(got, Problem):
        return None if got.get("status") != "pending" else Problem(Kind.UPSTREAM, TITLE, "Lago kept it.", "unexpected")
    if got.kind is Kind.NOT_FOUND:
        return _refused("It has begun or was taken back already. The page shows what runs.", "nothing_planned")
    if got.kind in _UNKNOWN_OUTCOME:
        read = lago.subscription(one.external_id, "pending")
        return None if read is None else _open_end(got, read)
    return got


def _open_end(problem: Problem, read: object) -> Problem:
    """Lago did not answer, and did not tell afterwards what is so either: then nobody says that nothing was changed."""
    if not isinstance(read, Problem) or not perhaps_done(problem):
        return problem
    detail = f"{problem.detail} The page shows what is so as soon as Lago answers again."
    return replace(problem, title=_MAYBE, detail=detail)


def _noted(
    attempts: Attempts,
    current: Current,
    one: Subscription,
    action: str,
    act: Callable[[], Problem | None],
    what: str | None = None,
) -> Problem | None:
    """Write down, act, write down what came of it. Without a record nothing is done."""
    if what is None and action == "undo" and one.next_plan_code:
        what = f"takes back the plan {one.next_plan_code}"
    attempts.note_action(current.customer_id, f"{action} asked", one, note=what)
    problem = _unchanged(act())
    note = what if problem is None else f"{problem.title}. {problem.detail}"[:500]
    attempts.note_action(current.customer_id, f"{action} {'done' if problem is None else 'failed'}", one, note=note)
    return problem


def _unchanged(problem: Problem | None) -> Problem | None:
    """What failed, with what that means and what to do; what may have been done all the same says so itself."""
    if problem is None or problem.title == _MAYBE:
        return problem
    told = untouched(problem, "Nothing was changed.")
    if told is problem and problem.title != TITLE and "Nothing " not in problem.detail:
        return replace(problem, detail=f"{problem.detail} Nothing was changed. Ask your admin.")
    return told


def _of_customer(current: Current, action: str, subscription_id: str) -> Subscription | None:
    mine = [one for one in current.subscriptions if one.external_id == subscription_id]
    active = next((one for one in mine if one.status == "active"), None)
    if active is not None or action != "undo":
        return active
    return next((one for one in mine if one.status == "pending"), None)


def _cancel_offer(one: Subscription, current: Current, at: datetime, part: StripesPart | None) -> Offer:
    on, name = on_words(next_period(one, current)), _name(one)
    about = (
        *(current.customer_id, one.external_id, str(one.lago_id), one.plan_code, at.astimezone(UTC).isoformat()),
        *(str(one.trial_ends_at), str(one.pay_in_advance)),
    )
    lines = (
        f"{name} goes on until then, with everything in it, and ends {on} instead of renewing.",
        f"{_last_price(one, current, at)} Usage until then, where the plan bills it, still is charged.",
        f"{_resumable(current, at, part)} you can resume it here.",
        *(("A charge for it is not paid yet. Cancelling does not settle that.",) if part and part.owes else ()),
    )
    token = hashlib.sha256("\n".join(about).encode()).hexdigest()[:32]
    return Offer(f"Cancel {name} {on}?", lines, None, f"Cancel {on}", f"Keep {name}", token)


def _resumable(current: Current, at: datetime, part: StripesPart | None) -> str:
    """Until when an end can be taken back: not any more once the period that Stripe was paid for is over."""
    if part is None:
        return "Until then"
    if part.paid_until is None:
        return "As long as the period runs that Stripe was paid for,"
    day = day_in(part.paid_until, current)
    return "Until then" if day >= day_in(at, current) else f"Until Stripe's period ends {on_words(day)},"


def _last_price(one: Subscription, current: Current, at: datetime) -> str:
    """What of the base price is still charged for a plan that ends at this moment, and when."""
    on = on_words(day_in(at, current))
    none_later = "Nothing more is charged for it from that day on."
    if one.amount_cents == 0:
        return none_later
    trial = one.trial_ends_at
    if trial is not None and trial >= at:
        return "Its trial lasts until then, so its price is not charged."
    if one.pay_in_advance is False:
        days = "the period until then"
        if trial is not None:
            days = f"the days after its trial, which ends {_on(trial, current)},"
        return f"It is paid afterwards: its price for {days} is invoiced {on}, and nothing for later days."
    if trial is None:
        unknown = f"Lago does not tell whether its price until then is paid already; if not, it is invoiced {on}."
        return none_later if one.pay_in_advance else unknown
    if one.pay_in_advance:
        rest = "its price for the rest of the period is charged"
        return f"Its trial ends {_on(trial, current)}: on that day {rest}, though it ends {on}."
    return f"Its trial ends {_on(trial, current)}. Whether its price is charged on that day is not known."


def _on(moment: datetime, current: Current) -> str:
    return on_words(day_in(moment, current))


def _ended(one: Subscription, current: Current, at: datetime, part: StripesPart | None) -> Managed:
    on, until = on_words(day_in(at, current)), _resumable(current, at, part)
    then = "Until then it goes on, and you can resume it here."
    if until != "Until then":
        then = f"Until then it goes on. {until} you can resume it here."
    return Managed("done", f"{_name(one)} ends {on}", then)


def _renews(one: Subscription, current: Current) -> str:
    day = next_period(one, current)
    trial = _after_trial(one, current)
    if one.next_plan_code is not None:
        return f"It does not renew: the plan {one.next_plan_code} follows {on_words(one.next_plan_on or day)}."
    return trial + ("Lago does not tell when it renews." if day is None else f"It renews {on_words(day)}.")


def _after_trial(one: Subscription, current: Current) -> str:
    """What is charged when a running trial ends, and when; "" without a trial or a price."""
    if one.trial_ends_at is None or one.amount_cents == 0:
        return ""
    price = (
        "its price" if one.amount_cents is None else f"its price, {said(one.amount_cents, one.currency)} before tax,"
    )
    ends = f"Its trial ends {_on(one.trial_ends_at, current)}"
    if one.pay_in_advance is False:
        return f"{ends}. It is paid afterwards: {price} is invoiced for the days from then on. "
    if one.pay_in_advance is None:
        return f"{ends}. Whether {price} is charged on that day is not known. "
    return f"{ends}: on that day {price} is charged, in proportion for the rest of the period. "


def _name(one: Subscription) -> str:
    return one.plan_name or one.plan_code


def _refused(detail: str, code: str) -> Problem:
    return Problem(Kind.CONFLICT, TITLE, detail, code=code)
