"""A purchase, from the click to a plan that Lago says is active: read it from top to bottom.

1. `select_plan`: the reader clicks. The plan is read from Lago again, and the reader is sent to Stripe's page; where a
   plan runs or a card is on file, the click is answered with a question first (`account/change.py`).
2. `came_back`: Stripe sends the reader back to us. That proves nothing; what is so is read from Stripe.
3. `follow` (the open page), `sweep` (webhooks, the sweeper, an admin): all of them call `fulfil`, which brings the
   purchase one step further and may be called by any number of them, at once and again.

How money is collected stands in two files: `gated_start.py` (collector `lago`: Stripe saves a card, Lago charges it and
holds the plan back until then) and `paid_start.py` (collector `stripe`: Stripe takes the payment, then Lago starts the
plan); `books.py` keeps the second equal on both sides for as long as it runs.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

from data_sources.billing import attempts as book
from data_sources.billing import books, gated_start, paid_start
from data_sources.billing.account import change
from data_sources.billing.attempts import Attempt
from data_sources.billing.audit import REFUSED_CLICK
from data_sources.billing.customers import collected_by_lago, ensure_customer, stripe_customer
from data_sources.billing.free_plan import start_free
from data_sources.billing.plans import why_not
from data_sources.billing.progress import held_up, progress_of
from data_sources.billing.purchase import (
    CHANGE_AT_STRIPE,
    OPENING,
    Till,
    in_the_way,
    open_page,
    plan_on_offer,
    reference,
    refusal,
    room_for,
    same_price,
    untouched,
    version_gates,
)
from data_sources.billing.stripe_checkout import CheckoutSession, StripeGateway
from data_sources.billing.tax import ADDED, tax_added
from data_sources.billing.types import Buyer, CheckoutAnswer, Plan, Progress, Wanted
from data_sources.result import Kind, NotConfigured, Problem, utc_now

log = logging.getLogger(__name__)

NO_STRIPE = NotConfigured("Stripe is not connected", "Plans that cost something need Stripe.", ("OPS_STRIPE_API_KEY",))
UNKNOWN = "checkout_not_found"
NEVER_OPENED = timedelta(hours=1)
PAGE_GIVEN_UP = timedelta(hours=24)
# However often somebody clicks, the log keeps room for the rest.
MOST_REFUSALS, REFUSALS_WITHIN = 20, timedelta(hours=1)
MISMATCH = "collector_mismatch"
_BY_LAGO = "Lago collects this customer's money itself. Paid here as well, it would be charged twice."
_MENDED = (
    "Take the payment provider from the customer in Lago, or have Lago collect here, too (OPS_BILLING_COLLECTOR=lago)."
)


# ---- 1. the click


def select_plan(till: Till, buyer: Buyer, wanted: Wanted) -> CheckoutAnswer | Problem | NotConfigured:
    """Do what "Select plan" asks for: start a free plan, or send the reader to Stripe. Takes no money itself.

    A refusal is in the log, for the admin whom the reader asks.
    """
    answer = _select(till, buyer, wanted)
    if isinstance(answer, Problem) and answer.kind is Kind.CONFLICT:
        _note_refusal(till, buyer, wanted, answer)
    return answer


def _note_refusal(till: Till, buyer: Buyer, wanted: Wanted, why: Problem) -> None:
    if till.attempts.recent_actions(REFUSED_CLICK, within=REFUSALS_WITHIN) >= MOST_REFUSALS:
        return
    note = f"{_BY_LAGO} {_MENDED}" if why.detail.startswith(_BY_LAGO) else why.detail
    till.attempts.note_action(buyer.customer_id, REFUSED_CLICK, note=note[:500], plan_code=wanted.plan_code)


def _select(till: Till, buyer: Buyer, wanted: Wanted) -> CheckoutAnswer | Problem | NotConfigured:
    plan = plan_on_offer(till.lago, till.terms, wanted.plan_code)
    if isinstance(plan, Problem):
        return untouched(plan)
    if not same_price(plan, wanted.shown_amount_cents, wanted.shown_currency):
        return refusal(f"The price of {plan.name} has changed. Look at the new one and choose again.", "price_changed")
    reason = why_not(plan, till.terms.collector)
    if reason is not None:
        return refusal(reason, "not_sold_here")
    unsettled = _settle_earlier(till, buyer)
    if unsettled is not None:
        return untouched(unsettled, "Nothing new was bought.")
    decided = change.decide(till, buyer, plan, wanted)
    if isinstance(decided, Problem):
        return untouched(decided)  # what was done is answered with how it stands, and is no problem
    if not isinstance(decided, change.GoOn):
        return decided
    if plan.is_free:
        return start_free(till.lago, till.stripe, till.attempts, till.terms, buyer, plan, decided.seen.held)
    if till.stripe is None:
        return NO_STRIPE
    return _send_to_stripe(till, till.stripe, buyer, plan, decided)


def _settle_earlier(till: Till, buyer: Buyer) -> Problem | None:
    """Bring an earlier purchase of this customer to where it stands by now, whoever made it."""
    earlier = till.attempts.open_for(buyer.customer_id)
    if earlier is not None and earlier.collector == "stripe" and earlier.amount_cents != 0:
        told = fulfil(till, earlier) if earlier.state in (book.PAID, book.HELD, book.STARTING) else None
        return told if isinstance(told, Problem) else None
    return gated_start.settle(till.lago, till.attempts, buyer.customer_id)


def _send_to_stripe(
    till: Till, stripe: StripeGateway, buyer: Buyer, plan: Plan, decided: change.GoOn
) -> CheckoutAnswer | Problem:
    stopped = room_for(till, buyer, plan)
    if stopped is not None:
        return stopped
    agreed = decided.agreed
    # Nothing starts here: what was read for this click is good enough, and is read again when the card is saved.
    target = in_the_way(till.lago, buyer, plan, agreed, seen=decided.seen.held)
    if isinstance(target, Problem):
        return target
    payer = _payer(till, stripe, buyer, plan, decided.seen)
    if isinstance(payer, Problem):
        return untouched(payer)
    changed = {} if agreed is None else {"change": book.UPGRADE, "replaces": agreed}
    runs = next((one for one in decided.seen.held.current.subscriptions if agreed and one.lago_id == agreed), None)
    told = change.as_told(plan, runs)
    attempt = till.attempts.open(
        buyer, told, collector=till.terms.collector, subscription_id=target, state=book.OPENED, **changed
    )
    if attempt is None:
        return refusal(OPENING, "already_open")
    return open_page(stripe, till.attempts, till.terms, plan, attempt, payer)


def _payer(till: Till, stripe: StripeGateway, buyer: Buyer, plan: Plan, seen: change.Seen) -> str | Problem | None:
    """Stripe's customer that pays, if this collector may collect from this customer at all.

    One customer has one collector: Lago's own record says whether it charges by itself, our books whether Stripe does.

    Returns:
        Stripe's customer; None where Stripe makes one on its page; or why nothing may be sold.
    """
    # It may have run to its end without a word of it reaching us.
    unknown_yet = books.settle_running(till, buyer.customer_id)
    if unknown_yet is not None:
        return unknown_yet
    if till.attempts.running(buyer.customer_id):
        return refusal(CHANGE_AT_STRIPE, MISMATCH)
    refused = version_gates(seen.version) if till.terms.collector == "lago" else None
    if refused is not None:
        return refused
    customer = ensure_customer(till.lago, buyer, seen.held)
    if isinstance(customer, Problem):
        return customer
    if customer.get("currency") not in (None, plan.currency):
        detail = f"This customer is billed in {customer['currency']}, the plan in {plan.currency}."
        return refusal(detail, "currencies_does_not_match")
    if till.terms.collector == "lago":
        return stripe_customer(till.lago, buyer, customer, wait=till.terms.wait)
    if collected_by_lago(customer):
        return refusal(by_lago(buyer), MISMATCH)
    taxed: bool | Problem = plan.taxed is True
    if seen.taxes is not None:
        taxed = seen.taxes if isinstance(seen.taxes, Problem) else tax_added(till.lago, customer, seen.taxes)
    if isinstance(taxed, Problem):
        return taxed
    if taxed:
        return refusal(f"{ADDED} Ask your admin.", "taxed")
    return till.attempts.payer(buyer.customer_id, live=stripe.live)


def by_lago(buyer: Buyer) -> str:
    """Why nothing is sold where Stripe collects to a customer whom Lago charges, in words for who would buy."""
    return f"{_BY_LAGO} {_MENDED if buyer.chooses else 'Ask your admin.'}"


# ---- 2. the way back from Stripe


def came_back(till: Till, buyer: Buyer, session_id: str, *, busy: Problem | None = None) -> Attempt | Problem:
    """The reader is back from Stripe: note what became of the page, if this is the reader's own purchase.

    Args:
        till: What a sale needs.
        buyer: Who is signed in now.
        session_id: From the address; proves nothing by itself.
        busy: Why Stripe is not asked now; our own page does it later.

    Returns:
        The purchase, or the problem: not found for a session of anybody else.
    """
    attempt = till.attempts.of_session(buyer, session_id)
    if attempt is None:
        return unknown()
    if attempt.state != book.REDIRECTED or busy is not None:
        return attempt
    read = _read_page(till, attempt)
    # A Stripe that does not tell now is asked again by our own page, which says what is known until then.
    return attempt if isinstance(read, Problem) and read.code != UNKNOWN else read


def _read_page(till: Till, attempt: Attempt) -> Attempt | Problem:
    """Ask Stripe what has become of its page, and note it."""
    if till.stripe is None:
        return attempt
    session = till.stripe.session(attempt.session_id) if attempt.session_id else None
    if isinstance(session, Problem):
        return session
    if session is None or not _belongs(till.stripe, session, attempt):
        log.warning("checkout session does not belong to attempt %s", attempt.id)
        return unknown()
    if session.status == "expired":
        moved: Attempt | Problem | None = till.attempts.move(attempt, book.ABANDONED, note="session expired")
    elif attempt.collector == "stripe":
        moved = paid_start.payment_taken(till, till.stripe, attempt, session)
    else:
        moved = gated_start.card_saved(till, attempt, session)
    if isinstance(moved, Problem):
        return moved
    return moved if moved is not None else till.attempts.one(attempt.id) or unknown()


def _belongs(stripe: StripeGateway, session: CheckoutSession, attempt: Attempt) -> bool:
    payer = attempt.provider_customer_id
    mine = session.customer is not None and session.customer == payer
    if attempt.collector == "stripe":
        # Without one of ours, Stripe made a customer of its own on the page.
        mine = payer is None or mine
    return (
        session.mode == ("subscription" if attempt.collector == "stripe" else "setup")
        and session.id == attempt.session_id
        and session.attempt_id == attempt.id
        and mine
        and session.reference == reference(attempt.principal_id)
        and session.livemode == stripe.live
    )


# ---- 3. the one way on, for the open page, a webhook, the sweeper and an admin


def fulfil(till: Till, attempt: Attempt) -> Progress | Problem:
    """Bring a purchase one step further and say how it stands. May be called again, and by many at once.

    Args:
        till: What a sale needs.
        attempt: The purchase as it was read.

    Returns:
        How it stands, or the problem if that could not be found out.
    """
    if attempt.state == book.REDIRECTED:
        read = _read_page(till, attempt)
        if isinstance(read, Problem):
            return read
        attempt = read
    if attempt.collector == "lago" or attempt.amount_cents == 0:
        return gated_start.go_on(till, attempt)
    told = paid_start.go_on(till, attempt)
    if isinstance(told, Problem) or told.state not in (book.STARTED, book.ENDED):
        return told
    started = till.attempts.one(attempt.id)
    unequal = books.keep(till, started) if started is not None else None
    # The plan runs and is paid for: what the books still lack is the sweeper's business, not the reader's.
    return unequal if unequal is not None and attempt.state in (book.STARTED, book.ENDED) else told


def follow(
    till: Till, buyer: Buyer, attempt_id: str | None, *, busy: Problem | None = None
) -> Progress | Problem | None:
    """What the buyer's own page asks: how does it stand? None when there is no such purchase of this person.

    Args:
        till: What a sale needs.
        buyer: Who asks; other people's purchases are not found.
        attempt_id: The purchase; None means the one that is open, if there is one.
        busy: Why nobody is asked now; then it is told how it stood.
    """
    if attempt_id is None:
        attempt = till.attempts.open_for(buyer.customer_id)
        if attempt is not None and attempt.principal_id != buyer.principal_id:
            attempt = None
    else:
        attempt = till.attempts.of(buyer, attempt_id)
    if attempt is None:
        return None
    told = progress_of(attempt) if attempt.open_customer is None else busy or fulfil(till, attempt)
    if isinstance(told, Problem):
        if told.code == UNKNOWN:
            return told
        # The step that failed may have brought it further before, and what was noted is so.
        told = held_up(till.attempts.one(attempt.id) or attempt, told)
    return for_whom(told, attempt, buyer)


def for_whom(told: Progress, attempt: Attempt, buyer: Buyer) -> Progress:
    """How a purchase stands; an admin who has chosen another customer meanwhile is told for whom it is."""
    if attempt.customer_id == buyer.customer_id:
        return told
    return replace(told, message=f"{told.message} It is for the customer {attempt.customer_id}, who is not chosen now.")


def sweep(till: Till, attempt: Attempt) -> Problem | None:
    """Bring a purchase a step further without its buyer, whose tab may be closed; give up what nobody expects any more.

    Returns:
        The problem if it could not be found out how it stands.
    """
    age = utc_now() - attempt.updated_at
    if attempt.state == book.OPENED and age > NEVER_OPENED:
        till.attempts.move(attempt, book.ABANDONED, note="never opened")
        return None
    if attempt.state == book.CARD_SAVED and attempt.card_age > book.CARD_GIVEN_UP:
        till.attempts.move(attempt, book.ABANDONED, note=book.NEVER_TAKEN)
        return None
    if attempt.state == book.WAITING and age > gated_start.GIVEN_UP:
        return gated_start.settle(till.lago, till.attempts, attempt.customer_id)
    told = fulfil(till, attempt)
    if not isinstance(told, Problem):
        if attempt.note is not None and attempt.note.startswith(book.STALLED):
            till.attempts.note_stall(attempt, None)
        return None
    till.attempts.note_stall(attempt, f"{told.title}. {told.detail}")
    if told.kind is Kind.NOT_FOUND and attempt.state == book.REDIRECTED and age > PAGE_GIVEN_UP:
        # Stripe has forgotten it, or the console has another key by now: a test key, or another account's.
        till.attempts.move(attempt, book.ABANDONED, note="not known to Stripe any more")
        return None
    return told


def unknown() -> Problem:
    """A checkout that is nobody's, or somebody else's: the two are never told apart."""
    detail = "It is not one of yours, or it is too old."
    return Problem(Kind.NOT_FOUND, "This checkout is not known", detail, code=UNKNOWN)
