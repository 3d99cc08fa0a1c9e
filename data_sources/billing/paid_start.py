"""Collector `stripe`: from the payment that Stripe itself took to a subscription that Lago calls active.

Money is there before the plan is, so nothing here ever gives up: what cannot be started is held, with its reason, until
a person has looked; until then nothing else is sold to the customer, and Stripe does not renew it. What starts later
renews again: `books.keep` sets Lago's end at Stripe. Called by `subscribe.fulfil` alone.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from data_sources.billing import attempts as book
from data_sources.billing.agreed import note_of
from data_sources.billing.attempts import Attempt
from data_sources.billing.audit import ENDED_AT_STRIPE
from data_sources.billing.customers import collected_by_lago
from data_sources.billing.lago import Json
from data_sources.billing.money import said
from data_sources.billing.paid_invoices import back_words
from data_sources.billing.plans import why_not
from data_sources.billing.progress import progress_of
from data_sources.billing.purchase import Till, buyer_in, in_the_way, plan_on_offer
from data_sources.billing.stripe_checkout import CheckoutSession, StripeGateway
from data_sources.billing.stripe_subscriptions import FAILING, StripeSubscriptions
from data_sources.billing.types import Progress
from data_sources.result import Kind, Problem, utc_now

log = logging.getLogger(__name__)

LOST_ANSWER = timedelta(seconds=30)
_UNKNOWN_OUTCOME = frozenset({Kind.TIMEOUT, Kind.UPSTREAM, Kind.BUSY})
# How the note of a held purchase begins whose money is not what was chosen: no later look makes that right.
_OTHER_MONEY = "Paid otherwise: "
# What is held for so long is looked at for money that was given back meanwhile, before it starts.
FRESH = timedelta(minutes=10)


def payment_taken(
    till: Till, stripe: StripeGateway, attempt: Attempt, session: CheckoutSession
) -> Attempt | Problem | None:
    """Note what has become of the payment on Stripe's page; None when somebody else noted it first.

    Only `paid` counts. A payment method that takes days leaves the page complete and unpaid.
    """
    if session.status != "complete":
        return attempt
    facts = {"provider_customer_id": session.customer, "stripe_subscription_id": session.subscription_id}
    known = {name: value for name, value in facts.items() if value is not None}
    if session.payment_status == "unpaid":
        return _unpaid(till, stripe, attempt, session, known)
    if session.payment_status != "paid":
        return till.attempts.move(attempt, book.HELD, note=f"{_OTHER_MONEY}Stripe asked for no payment.", **known)
    if (session.amount_cents, session.currency) != (attempt.amount_cents, attempt.currency.upper()):
        took = said(session.amount_cents, session.currency)
        note = f"{_OTHER_MONEY}Stripe took {took}, and {said(attempt.amount_cents, attempt.currency)} was chosen."
        log.error("attempt %s: %s", attempt.id, note)
        return till.attempts.move(attempt, book.HELD, note=note, **known)
    return till.attempts.move(attempt, book.PAID, note=None, **known)


def _unpaid(
    till: Till, stripe: StripeGateway, attempt: Attempt, session: CheckoutSession, known: dict[str, str]
) -> Attempt | Problem | None:
    if session.subscription_id is not None:
        at_stripe = StripeSubscriptions(stripe)
        held = at_stripe.read(session.subscription_id)
        if isinstance(held, Problem):
            return held
        if held.status in FAILING:
            # Ended, so that no later try of Stripe's takes money for a plan that is not started.
            ended = at_stripe.end(held.id)
            if isinstance(ended, Problem):
                return ended
            held = ended
        if held.over:
            return _failed(till, at_stripe, attempt, held.id, known)
    if attempt.note == book.PAYING:
        return attempt
    return till.attempts.move(attempt, book.REDIRECTED, note=book.PAYING, **known)


def _failed(
    till: Till, at_stripe: StripeSubscriptions, attempt: Attempt, subscription_id: str, known: dict[str, str]
) -> Attempt | Problem | None:
    """Its invoice is made void first: the link to it in Stripe's mail would take money for a plan that never starts."""
    void = at_stripe.void_open(subscription_id)
    if void is not None:
        return void
    payments = at_stripe.paid(subscription_id)
    if isinstance(payments, Problem):
        return payments
    if payments:
        # Paid by that link before it was void. `_start` finds the subscription over, and holds the money.
        return till.attempts.move(attempt, book.PAID, note=None, **known)
    return till.attempts.move(attempt, book.REFUSED, note=book.PAYMENT_FAILED, **known)


def go_on(till: Till, attempt: Attempt) -> Progress | Problem:
    """Ask Lago to start what was paid for, and look what has become of it."""
    if attempt.state == book.STARTING:
        return _look(till, attempt)
    if attempt.state in (book.PAID, book.HELD):
        return _start(till, attempt)
    return progress_of(attempt)


def _start(till: Till, attempt: Attempt) -> Progress | Problem:
    if attempt.note is not None and attempt.note.startswith(_OTHER_MONEY):
        return _over(till, attempt) or _stop_renewing(till, attempt) or progress_of(attempt)
    over = _over(till, attempt)
    if over is not None:
        return over
    plan = plan_on_offer(till.lago, till.terms, attempt.plan_code)
    if isinstance(plan, Problem):
        return plan if plan.kind in _UNKNOWN_OUTCOME else _hold(till, attempt, "The plan is not on offer any more.")
    if plan.terms != attempt.terms:
        return _hold(till, attempt, "The price or the terms of the plan changed while it was being paid.")
    if (reason := why_not(plan, "stripe")) is not None:
        return _hold(till, attempt, reason)
    customer = till.lago.customer(attempt.customer_id)
    if isinstance(customer, Problem):
        return customer
    if customer is None:
        return _hold(till, attempt, "Lago does not know this customer any more.")
    if collected_by_lago(customer):
        return _hold(till, attempt, "Lago collects this customer's money itself by now, so it would be charged twice.")
    target = in_the_way(till.lago, buyer_in(attempt), plan)
    if isinstance(target, Problem):
        return target if target.kind in _UNKNOWN_OUTCOME else _hold(till, attempt, target.detail)
    claimed = till.attempts.move(attempt, book.STARTING, subscription_id=target, note=None)
    # Without it another tab is at it; what comes of it shows in the next look.
    return progress_of(attempt) if claimed is None else _post(till, claimed)


def _post(till: Till, attempt: Attempt) -> Progress | Problem:
    made = till.lago.create_subscription(
        customer_id=attempt.customer_id,
        plan_code=attempt.plan_code,
        external_id=attempt.subscription_id,
        gate_hours=None,
    )
    if isinstance(made, Problem):
        return made if made.kind in _UNKNOWN_OUTCOME else _hold(till, attempt, made.detail)
    if made.get("status") != "active" or made.get("plan_code") != attempt.plan_code:
        return _hold(till, attempt, "Lago did not start it now.")
    return _started(till, attempt, made)


def _look(till: Till, attempt: Attempt) -> Progress | Problem:
    """The answer to our question was lost: Lago tells whether it has the subscription."""
    found = till.lago.subscription(attempt.subscription_id, "active")
    if isinstance(found, Problem):
        return found
    ours = (attempt.plan_code, attempt.customer_id)
    if found is not None and (found.get("plan_code"), found.get("external_customer_id")) == ours:
        return _started(till, attempt, found)
    if utc_now() - attempt.updated_at < LOST_ANSWER:
        return progress_of(attempt)
    again = till.attempts.move(attempt, book.PAID)
    return progress_of(attempt) if again is None else _start(till, again)


def _started(till: Till, attempt: Attempt, row: Json) -> Progress:
    facts = {"lago_subscription_id": str(row.get("lago_id"))} | note_of(till.lago, attempt, row)
    moved = till.attempts.move(attempt, book.STARTED, **facts)
    return progress_of(moved if moved is not None else attempt)


def _over(till: Till, attempt: Attempt) -> Progress | Problem | None:
    """Whether nothing can start any more: its money was given back, or it has ended at Stripe.

    What has ended there with money that was not given back is held: only a person can give it back.
    """
    if till.stripe is None or attempt.stripe_subscription_id is None:
        return None
    at_stripe = StripeSubscriptions(till.stripe)
    held = at_stripe.read(attempt.stripe_subscription_id)
    if isinstance(held, Problem):
        return held
    if not held.over and attempt.state != book.HELD and utc_now() - attempt.created_at < FRESH:
        return None
    payments = at_stripe.paid(held.id)
    if isinstance(payments, Problem):
        return payments
    backs = [(one, at_stripe.given_back(one)) for one in payments]
    unread = next((back for _, back in backs if isinstance(back, Problem)), None)
    kept = [one for one, back in backs if isinstance(back, Problem) or back.cents < one.amount_cents]
    if not held.over and (kept or not payments):
        return None  # what Stripe does not tell was not given back, as far as is known
    if kept:
        why = book.RAN_OUT if held.ran_out else book.OVER
        if unread is not None and attempt.state == book.HELD and (attempt.note or "").startswith(why):
            return unread  # what was known of it before stays noted
        partly = [words for one, back in backs if not isinstance(back, Problem) for words in back_words(one, back)]
        told = _hold(till, attempt, " ".join((why, *partly)))
        return unread or told
    if not held.over:
        ended = at_stripe.end(held.id)
        if isinstance(ended, Problem):
            return ended
        till.attempts.note_step(attempt, ENDED_AT_STRIPE, note="Its payment was given back.")
    note = "It was ended at Stripe before the plan started."
    if payments:
        note = "The payment was given back before the plan started."
    moved = till.attempts.move(attempt, book.REFUSED, note=note)
    return progress_of(moved if moved is not None else attempt)


def _hold(till: Till, attempt: Attempt, why: str) -> Progress | Problem:
    if attempt.state != book.HELD or attempt.note != why[: book.NOTE_ROOM]:
        log.error("attempt %s: paid at Stripe and not started: %s", attempt.id, why)
        attempt = till.attempts.move(attempt, book.HELD, note=why[: book.NOTE_ROOM]) or attempt
    return _stop_renewing(till, attempt) or progress_of(attempt)


def _stop_renewing(till: Till, attempt: Attempt) -> Problem | None:
    """Nothing else is charged for what is held; what fails here is tried again with the next look, long before."""
    if till.stripe is None or attempt.stripe_subscription_id is None:
        return None
    at_stripe = StripeSubscriptions(till.stripe)
    held = at_stripe.read(attempt.stripe_subscription_id)
    stopped = held if isinstance(held, Problem) else at_stripe.stop_renewing(held)
    return stopped if isinstance(stopped, Problem) else None
