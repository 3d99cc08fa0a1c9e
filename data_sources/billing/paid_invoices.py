"""Which invoice of Lago's a payment at Stripe is for: marked as paid there, or told where the two do not fit.

Lago cannot take back that an invoice is paid. What was given back of a payment is told to a person, therefore, with
the note in Lago that ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from data_sources.billing.attempts import GIVE_BACK, OTHER_SUM, Attempt
from data_sources.billing.audit import MARKED_PAID
from data_sources.billing.customers import moment
from data_sources.billing.lago import Json
from data_sources.billing.money import said
from data_sources.billing.purchase import Till
from data_sources.billing.stripe_subscriptions import GivenBack, PaidInvoice, StripeSubscription, StripeSubscriptions
from data_sources.result import Kind, Problem, utc_now

# Names Stripe's invoice at the invoice of Lago's that it paid: each pays one, whoever looks and however often.
PAID_BY = "stripe_invoice"
# A person's note at an invoice of Lago's that so much of what Stripe was paid for it was given back, and is settled.
GIVEN_BACK = "stripe_given_back"
DIFFER = "books_differ"
# Lago makes the invoice of a period within hours; one that is missing for longer needs a person.
INVOICE_COMES = timedelta(days=2)
_DRAFT = "Lago has only a draft, which may be for it. Look again once Lago has finalized that."


@dataclass(frozen=True, slots=True)
class Marks:
    """What came of it.

    Attributes:
        differ: What does not fit, a sentence each.
        problem: Why not every payment could be marked; with the code `DIFFER` what differs is all.
        unread: Why it is not known what was given back.
    """

    differ: tuple[str, ...] = ()
    problem: Problem | None = None
    unread: Problem | None = None


def mark_paid(
    till: Till,
    at_stripe: StripeSubscriptions,
    attempt: Attempt,
    held: StripeSubscription,
    ours: Json | None,
    payments: list[PaidInvoice],
) -> Marks:
    """Each payment at Stripe pays the invoice of the same period of this subscription in Lago.

    Args:
        till: Where both sides are asked.
        at_stripe: Stripe's subscriptions.
        attempt: The purchase.
        held: Its subscription at Stripe.
        ours: Its active subscription in Lago; None when it has none.
        payments: All that Stripe was paid for it, the oldest first.
    """
    invoices = till.lago.customer_invoices(attempt.customer_id)
    if isinstance(invoices, Problem):
        return Marks(problem=invoices)
    differ: list[str] = []
    problem = _mark(till, at_stripe, attempt, ours, payments, invoices, differ)
    unread = _tell_given_back(at_stripe, held, payments, invoices, differ)
    return Marks(tuple(differ), problem, unread)


def _mark(
    till: Till,
    at_stripe: StripeSubscriptions,
    attempt: Attempt,
    ours: Json | None,
    payments: list[PaidInvoice],
    invoices: list[Json],
    differ: list[str],
) -> Problem | None:
    used = {value for one in invoices if (value := tag_of(one, PAID_BY)) is not None}
    open_ones = sorted((one for one in invoices if _awaits(one)), key=lambda one: str(one.get("created_at")))
    drafts = any(one.get("status") == "draft" for one in invoices)
    kept: Problem | None = None
    # One that was given back has been paid, too: its invoice is marked like every other, and what is back is told.
    for payment in (one for one in payments if one.id not in used):
        never = _never_comes(ours, payment, payments[0], drafts=drafts)
        missing = (_DRAFT if drafts else GIVE_BACK) if never else None
        told: list[str] = []
        found = _for(till, attempt, payment, payments[0], open_ones, told, missing=missing)
        if isinstance(found, Problem):
            if found.code != DIFFER:
                return found
            # Asked only about what differs. Where Stripe does not tell, it still differs, and the reason is told.
            back = at_stripe.given_back(payment) if told or payment.credited_cents else GivenBack(0)
            if not isinstance(back, Problem) and back.cents >= payment.amount_cents:
                continue
            differ += [*told, *back_words(payment, back)]
            kept = kept or found
            continue
        marked = till.lago.mark_paid(found, PAID_BY, payment.id)
        if isinstance(marked, Problem):
            return marked
        till.attempts.note_step(
            attempt,
            MARKED_PAID,
            note=f"Lago's invoice {found.get('number')}",
            amount_cents=payment.amount_cents,
            stripe_invoice_id=payment.id,
            lago_invoice_id=str(found.get("lago_id")),
        )
        found["metadata"] = [*(found.get("metadata") or []), {"key": PAID_BY, "value": payment.id}]
        open_ones.remove(found)
    return kept


def _tell_given_back(
    at_stripe: StripeSubscriptions,
    held: StripeSubscription,
    payments: list[PaidInvoice],
    invoices: list[Json],
    differ: list[str],
) -> Problem | None:
    """What was given back of payments that Lago has as paid, unless a person has noted there that it is settled."""
    paid = {value: one for one in invoices if (value := tag_of(one, PAID_BY)) is not None}
    marked = [one for one in payments if one.id in paid]
    if not marked:
        return None
    back, unread = given_back_of(at_stripe, held.customer, marked)
    for payment in marked:
        known = back.get(payment.id)
        if known is not None and (told := _told_back(payment, paid[payment.id], known)) is not None:
            differ.append(told)
    return unread


def _told_back(payment: PaidInvoice, invoice: Json, back: GivenBack) -> str | None:
    """What a person does about money given back of an invoice that Lago has as paid; None where nothing is left."""
    sum_back, coming = said(back.cents, payment.currency), said(back.pending_cents, payment.currency)
    noted = back.cents == 0 or tag_of(invoice, GIVEN_BACK) == sum_back
    if noted and not back.pending_cents:
        return None
    parts = [] if noted else [f"{sum_back} was given back"]
    parts += [f"{coming} is on its way back"] if back.pending_cents else []
    paid = f"Of the {said(payment.amount_cents, payment.currency)} that Stripe was paid ({payment.id})"
    what = f"{paid} {' and '.join(parts)} there, and Lago has its invoice {invoice.get('number')} as paid"
    if noted:
        return f"{what}. Once it has arrived, it is told here what to do in Lago."
    return (
        f"{what} and cannot take that back. Write a credit note in Lago, if yours can; then add the metadata "
        f"{GIVEN_BACK} = {sum_back} to that invoice there, beside {PAID_BY}, and look again."
    )


def given_back_of(
    at_stripe: StripeSubscriptions, customer: str | None, payments: Sequence[PaidInvoice]
) -> tuple[dict[str, GivenBack], Problem | None]:
    """What was given back, or is on its way, of each of a customer's payments; those of which nothing was are left out.

    Args:
        at_stripe: Stripe's subscriptions.
        customer: `cus_…`; None asks for credit notes alone.
        payments: The payments.

    Returns:
        By `in_…`; and why it is not known of one of them.
    """
    refunded = at_stripe.refunded(customer) if customer is not None else frozenset()
    unread = refunded if isinstance(refunded, Problem) else None
    known = frozenset() if isinstance(refunded, Problem) else refunded
    found: dict[str, GivenBack] = {}
    for payment in payments:
        if payment.id not in known and payment.credited_cents == 0:
            continue
        back = at_stripe.given_back(payment)
        if isinstance(back, Problem):
            unread = unread or back
        elif back.cents or back.pending_cents:
            found[payment.id] = back
    return found, unread


def back_words(payment: PaidInvoice, back: GivenBack | Problem) -> list[str]:
    """What is known of what was given back of a payment; nothing where nothing was."""
    if isinstance(back, Problem):
        return [f"{back.title}: {back.detail}"]
    sums = ((back.cents, "was given back so far"), (back.pending_cents, "is on its way back"))
    told = [f"{said(cents, payment.currency)} {what}" for cents, what in sums if cents]
    of = said(payment.amount_cents, payment.currency)
    return [f"Of the {of} ({payment.id}) {' and '.join(told)}."] if told else []


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
            others.append(
                f"Lago's invoice {one.get('number')} is {_sum(one)}. {OTHER_SUM}, mark that invoice as "
                f"paid in Lago, with the metadata {PAID_BY} = {payment.id}"
            )
        elif not _same_period(begins, payment, behind(ours, first)):
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
    due, ends = payment.starts_at + behind(ours, first), moment(ours.get("ending_at"))
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


def behind(ours: Json, first: PaidInvoice) -> timedelta:
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
        and tag_of(one, PAID_BY) is None
    )


def tag_of(one: Json, key: str) -> str | None:
    """The value of a key in the metadata of an invoice of Lago's, None without it."""
    tags = one.get("metadata")
    found = [tag.get("value") for tag in tags if isinstance(tag, dict) and tag.get("key") == key] if tags else []
    return str(found[0]) if found else None
