"""Where Stripe itself collects: keeps Lago's subscription and invoices equal to what Stripe was paid, as it goes on.

Nothing of a webhook is applied: each call reads both sides. Lago owns the subscription, so what ended there ends at
Stripe; Stripe owns the money, so what nobody pays for any more ends in Lago.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from data_sources.billing import attempts as book
from data_sources.billing.attempts import Attempt
from data_sources.billing.customers import collected_by_lago, moment
from data_sources.billing.lago import Json
from data_sources.billing.money import said
from data_sources.billing.purchase import Till
from data_sources.billing.stripe_subscriptions import (
    OpenInvoice,
    PaidInvoice,
    StripeSubscription,
    StripeSubscriptions,
)
from data_sources.result import Kind, Problem, utc_now

log = logging.getLogger(__name__)

TITLE = "The books could not be compared"
# Names Stripe's invoice at the invoice of Lago's that it paid: each pays one, whoever looks and however often.
PAID_BY = "stripe_invoice"
DIFFER = "books_differ"
# Lago makes the invoice of a period within hours; one that is missing for longer needs a person.
INVOICE_COMES = timedelta(days=2)
_TWICE = (
    "Lago collects this customer's money itself by now, beside Stripe, so that it is charged twice. Take the payment "
    "provider from the customer in Lago, or end the subscription at Stripe."
)
_GIVE_BACK = "Lago has no invoice for it. Give it back at Stripe."
_DRAFT = "Lago has only a draft, which may be for it. Look again once Lago has finalized that."
_NO_STRIPE = Problem(Kind.CONFLICT, TITLE, "Stripe is not connected.", code="not_configured")


def keep(till: Till, attempt: Attempt) -> Problem | None:
    """Compare a running purchase with both sides and put right what differs; the problem if that could not be done.

    One that has ended with a payment that nothing was given for is looked at again, until that is put right.
    """
    stripe = till.stripe
    left = attempt.state == book.ENDED and attempt.needs_person
    if attempt.stripe_subscription_id is None or not (attempt.state == book.STARTED or left):
        return None
    if stripe is None or stripe.live != attempt.livemode:
        return _NO_STRIPE
    at_stripe = StripeSubscriptions(stripe)
    held = at_stripe.read(attempt.stripe_subscription_id)
    if isinstance(held, Problem):
        return held
    row = till.lago.subscription(attempt.subscription_id, "active")
    if isinstance(row, Problem):
        return row
    ours = row if row is not None and row.get("lago_id") == attempt.lago_subscription_id else None
    customer = till.lago.customer(attempt.customer_id)
    if isinstance(customer, Problem):
        return customer
    differ = [_TWICE] if not held.over and customer is not None and collected_by_lago(customer) else []
    payments = at_stripe.paid(held.id)
    unpaid = payments if isinstance(payments, Problem) else _mark_paid(till, at_stripe, attempt, ours, payments, differ)
    if left:
        return _ended(till, attempt, "What differed was put right.", differ, unpaid)
    ends = moment(ours.get("ending_at")) if ours is not None else None
    # Stripe's end was set by `_same_end`: Lago goes on until its own, without another charge.
    if held.over and not (held.ran_out and ends is not None and ends > utc_now()):
        return _ended_at_stripe(till, attempt, ours, differ, unpaid)
    if ours is None:
        problem = _ended_in_lago(till, at_stripe, attempt, held, row, differ, unpaid)
    elif not held.over:
        problem = _same_end(at_stripe, held, ours, None if isinstance(payments, Problem) else payments)
    else:
        problem = None
    failed = at_stripe.unpaid(held.id) if held.failing else None
    if isinstance(failed, Problem):
        return problem or unpaid or failed
    _note(till, attempt, differ, failed, failing=held.failing, sure=unpaid is None)
    return problem or unpaid


def _ended_at_stripe(
    till: Till, attempt: Attempt, ours: Json | None, differ: list[str], unpaid: Problem | None
) -> Problem | None:
    """Nobody pays any more. No credit note: nothing is given back here that Stripe has not given back."""
    if ours is not None:
        ended = till.lago.end_unpaid(attempt.subscription_id)
        if isinstance(ended, Problem):
            return ended
    return _ended(till, attempt, "Its subscription at Stripe has ended.", differ, unpaid)


def _ended(till: Till, attempt: Attempt, why: str, differ: list[str], unpaid: Problem | None) -> Problem | None:
    """Close it, once all was compared. What differs by then stays with the admin: no later look would find it."""
    if unpaid is not None and unpaid.code != DIFFER:
        return unpaid
    note = f"{book.UNEQUAL}{' '.join(differ)}"[:500] if differ else why
    if (attempt.state, attempt.note) != (book.ENDED, note):
        if differ:
            log.error("attempt %s: %s", attempt.id, note)
        till.attempts.move(attempt, book.ENDED, note=note)
    return None


def _ended_in_lago(
    till: Till,
    at_stripe: StripeSubscriptions,
    attempt: Attempt,
    held: StripeSubscription,
    row: Json | None,
    differ: list[str],
    unpaid: Problem | None,
) -> Problem | None:
    """Lago says it has ended, so Stripe must not charge again. If Lago says nothing of the kind, a person must look."""
    gone = till.lago.subscription(attempt.subscription_id, "terminated")
    if isinstance(gone, Problem):
        return gone
    if row is None and gone is not None and gone.get("lago_id") == attempt.lago_subscription_id:
        ended = at_stripe.end(held.id)
        if isinstance(ended, Problem):
            return ended
        return _ended(till, attempt, "Its subscription in Lago has ended.", differ, unpaid)
    differ.append("Stripe charges for it, and Lago has another plan or none.")
    return None


def _same_end(
    at_stripe: StripeSubscriptions, held: StripeSubscription, ours: Json, payments: list[PaidInvoice] | None
) -> Problem | None:
    """A cancellation for later, or its taking back, is Lago's to say."""
    ends = moment(ours.get("ending_at"))
    if ends is not None:
        ends = _last_paid(ends.replace(microsecond=0), held, ours, payments)
    if ends == held.cancel_at:
        return None
    changed = at_stripe.end_at(held, ends)
    return changed if isinstance(changed, Problem) else None


def _last_paid(ends: datetime, held: StripeSubscription, ours: Json, payments: list[PaidInvoice] | None) -> datetime:
    """When Stripe must end for a plan that ends in Lago at `ends`, so that no period is charged that Lago has none of.

    Lago's periods may begin days after Stripe's: what Lago gives beyond Stripe's last one is a gift. Only an end that
    lies periods ahead, as an admin may set it in Lago, leaves Stripe its renewals until then.
    """
    if held.starts_at is None or held.renews_at is None:
        return ends
    if payments:
        at_stripe = ends - _behind(ours, payments[0])
        if at_stripe - held.renews_at >= (held.renews_at - held.starts_at) / 2:
            return at_stripe.replace(microsecond=0)
    return min(ends, held.renews_at)


def _mark_paid(
    till: Till,
    at_stripe: StripeSubscriptions,
    attempt: Attempt,
    ours: Json | None,
    payments: list[PaidInvoice],
    differ: list[str],
) -> Problem | None:
    """Each payment at Stripe pays the invoice of the same period of this subscription in Lago."""
    invoices = till.lago.customer_invoices(attempt.customer_id)
    if isinstance(invoices, Problem):
        return invoices
    used = {value for one in invoices if (value := _paid_by(one)) is not None}
    open_ones = sorted((one for one in invoices if _awaits(one)), key=lambda one: str(one.get("created_at")))
    drafts = any(one.get("status") == "draft" for one in invoices)
    kept: Problem | None = None
    for payment in (one for one in payments if one.id not in used and not one.given_back):
        never = _never_comes(ours, payment, payments[0], drafts=drafts)
        missing = (_DRAFT if drafts else _GIVE_BACK) if never else None
        told: list[str] = []
        found = _for(till, attempt, payment, payments[0], open_ones, told, missing=missing)
        if isinstance(found, Problem):
            if found.code != DIFFER:
                return found
            # Asked only about what differs. Where Stripe does not tell, it still differs, and the reason is told.
            back = at_stripe.given_back(payment) if told else False
            if back is True:
                continue
            differ += [*told, f"{back.title}: {back.detail}"] if isinstance(back, Problem) else told
            kept = kept or found
            continue
        marked = till.lago.mark_paid(found, PAID_BY, payment.id)
        if isinstance(marked, Problem):
            return marked
        open_ones.remove(found)
    return kept


def _for(
    till: Till,
    attempt: Attempt,
    payment: PaidInvoice,
    first: PaidInvoice,
    open_ones: list[Json],
    differ: list[str],
    *,
    missing: str | None,
) -> Json | Problem:
    """The invoice in Lago that a payment is for: of its subscription, its sum and its period; no other is marked."""
    others = []
    for one in open_ones:
        whole = till.lago.whole_invoice(str(one.get("lago_id")))
        if isinstance(whole, Problem):
            return whole
        ours = _subscription(whole.get("subscriptions"), attempt)
        if ours is None:
            continue
        begins = _begins(whole, attempt)
        if (one.get("total_amount_cents"), one.get("currency")) != (payment.amount_cents, payment.currency):
            others.append(f"Lago's invoice {one.get('number')} is {_sum(one)}")
        elif not _same_period(begins, payment, _behind(ours, first)):
            named = "a period that Lago does not tell" if begins is None else f"the period from {begins:%Y-%m-%d}"
            others.append(f"Lago's open invoice {one.get('number')} is for {named}")
        else:
            return one
    paid = f"Stripe was paid {said(payment.amount_cents, payment.currency)} ({payment.id})"
    if others:
        detail = f"{paid} for the period from {payment.starts_at:%Y-%m-%d}, and {others[0]}."
        differ.append(detail)
    elif missing is not None:
        detail = f"{paid} for the period from {payment.starts_at:%Y-%m-%d}, and {missing}"
        differ.append(detail)
    else:
        detail = f"{paid}, and Lago has no invoice for it yet."
    return Problem(Kind.CONFLICT, "An invoice could not be marked as paid", detail, code=DIFFER)


def _never_comes(ours: Json | None, payment: PaidInvoice, first: PaidInvoice, *, drafts: bool) -> bool:
    """Whether Lago will make no invoice for a payment any more: its plan ends before, has ended, or it is overdue."""
    if ours is None:
        return True
    due, ends = payment.starts_at + _behind(ours, first), moment(ours.get("ending_at"))
    if ends is not None and due > ends - _length(payment) / 2:
        return True
    return not drafts and utc_now() - due > INVOICE_COMES


def _sum(one: Json) -> str:
    return said(one.get("total_amount_cents"), str(one.get("currency")))


def _subscription(rows: object, attempt: Attempt) -> Json | None:
    found = [one for one in rows if isinstance(one, dict)] if isinstance(rows, list) else []
    return next((one for one in found if one.get("lago_id") == attempt.lago_subscription_id), None)


def _begins(whole: Json, attempt: Attempt) -> datetime | None:
    """Where the period of an invoice of Lago begins; paid in advance, it is issued at that time."""
    periods = whole.get("billing_periods")
    for one in periods if isinstance(periods, list) else []:
        if isinstance(one, dict) and one.get("lago_subscription_id") == attempt.lago_subscription_id:
            return moment(one.get("subscription_from_datetime"))
    return moment(whole.get("issuing_date"))


def _behind(ours: Json, first: PaidInvoice) -> timedelta:
    """By how much Lago's periods begin after Stripe's: a debit or a Lago that was down starts the plan days later."""
    started = moment(ours.get("started_at"))
    return max(started - first.starts_at, timedelta()) if started is not None else timedelta()


def _same_period(begins: datetime | None, payment: PaidInvoice, behind: timedelta) -> bool:
    """The two count days otherwise (time zones, short months), but never by half a period."""
    if begins is None:
        return False
    return abs(begins - behind - payment.starts_at) < _length(payment) / 2


def _length(payment: PaidInvoice) -> timedelta:
    return timedelta(days=7) if payment.ends_at is None else payment.ends_at - payment.starts_at


def _awaits(one: Json) -> bool:
    return (
        one.get("invoice_type") == "subscription"
        and one.get("status") == "finalized"
        and one.get("payment_status") != "succeeded"
        and one.get("total_amount_cents") != 0
        and _paid_by(one) is None
    )


def _paid_by(one: Json) -> str | None:
    tags = one.get("metadata")
    found = [tag.get("value") for tag in tags if isinstance(tag, dict) and tag.get("key") == PAID_BY] if tags else []
    return str(found[0]) if found else None


def _note(
    till: Till, attempt: Attempt, differ: list[str], due: OpenInvoice | None, *, failing: bool, sure: bool
) -> None:
    """Tell an admin what differs or is not paid.

    A charge that is paid by now is told no more; what differed, only once everything could be compared.
    """
    before = attempt.note or ""
    told = before.startswith((book.UNEQUAL, book.UNPAID))
    parts = [f"{book.UNPAID}{_due(due)}"] if failing else []
    if differ:
        parts.append(f"{book.UNEQUAL}{' '.join(differ)}")
    elif told and not sure and book.UNEQUAL in before:
        parts.append(before[before.index(book.UNEQUAL) :])
    note = " ".join(parts)[:500] or None
    if note == attempt.note or (note is None and not told):
        return
    if note is not None:
        log.error("attempt %s: %s", attempt.id, note)
    till.attempts.move(attempt, book.STARTED, note=note)


def _due(due: OpenInvoice | None) -> str:
    what = "Stripe does not tell what is open" if due is None else f"{said(due.amount_cents, due.currency)} ({due.id})"
    return f"{what}. Stripe may try again; until it is paid, Lago's invoice stays open and the plan goes on."
