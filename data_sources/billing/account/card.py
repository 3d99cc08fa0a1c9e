"""Another card: saved on Stripe's page, taken over by Lago, told apart from a plan that was started."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import timedelta

from data_sources.billing.account.change import PAGE, default_card
from data_sources.billing.attempts import CARD_SAVED, Attempts
from data_sources.billing.customers import provider_customer, stripe_customer
from data_sources.billing.lago import LagoClient
from data_sources.billing.purchase import (
    MOST_ATTEMPTS,
    MOST_ATTEMPTS_WITHIN,
    SESSION_LIFE,
    Terms,
    reference,
    untouched,
)
from data_sources.billing.stripe_checkout import CheckoutSession, PageOrder, StripeGateway
from data_sources.billing.types import Buyer, CheckoutAnswer, Progress
from data_sources.result import Kind, Problem, utc_now

TITLE = "The card was not changed"
ASKED = "card asked"
_PREFIX = "card-"
_NO_PLAN = "No plan was started or changed, and nothing was charged."
_STRIPE_COLLECTS = "Stripe collects by itself. A card that Lago charges as well would be charged twice."


def update(
    lago: LagoClient, stripe: StripeGateway, attempts: Attempts, terms: Terms, buyer: Buyer
) -> CheckoutAnswer | Problem:
    """Open Stripe's page on which the customer's next card is saved. Takes no money and starts nothing.

    Args:
        lago: Tells which customer of Stripe's it charges.
        stripe: Opens the page.
        attempts: The log, in the name of who asks, which also bounds how often.
        terms: How this console sells.
        buyer: Whose card it is.
    """
    other = collected_by_stripe(attempts, terms, buyer)
    if other is not None:
        return other
    customer = lago.customer(buyer.customer_id)
    if isinstance(customer, Problem):
        return untouched(customer, "Nothing was changed.")
    if customer is None:
        return _refused("Lago does not know this customer yet. Choose a plan first.", "customer_not_found")
    if attempts.recent_actions(ASKED, within=MOST_ATTEMPTS_WITHIN) >= MOST_ATTEMPTS:
        detail = "You have opened the card page many times. Try again in an hour."
        return Problem(Kind.CONFLICT, TITLE, detail, code="too_many", retry_after_s=3600)
    provider_id = stripe_customer(lago, buyer, customer, wait=terms.wait, title=TITLE)
    if isinstance(provider_id, Problem):
        return untouched(provider_id, "Nothing was changed.")
    attempts.note_action(buyer.customer_id, ASKED)
    name = f"{_PREFIX}{secrets.token_hex(13)}"
    session = stripe.save_card(
        PageOrder(
            attempt_id=name,
            provider_customer_id=provider_id,
            reference=reference(buyer.principal_id),
            metadata={"attempt_id": name},
            success_url=f"{terms.base_url}{PAGE}?card={{CHECKOUT_SESSION_ID}}",
            cancel_url=f"{terms.base_url}{PAGE}",
            expires_at=utc_now() + SESSION_LIFE + timedelta(seconds=1),
            message="Your card is saved for the next invoices. Nothing is charged on this page.",
        )
    )
    if isinstance(session, Problem):
        return untouched(replace(session, title=TITLE), "Nothing was changed.")
    attempts.note_action(buyer.customer_id, "card page", session_id=session.id)
    return CheckoutAnswer("redirect", session.url, "Stripe's page opens to save a card.")


def collected_by_stripe(attempts: Attempts, terms: Terms, buyer: Buyer) -> Problem | None:
    """Why no card may be saved for Lago: Stripe collects by itself, and a customer connected there is charged twice.

    Args:
        attempts: Tells whether a plan runs that Stripe collects for, whatever the setting is by now.
        terms: How this console sells.
        buyer: Whose card it would be.
    """
    if terms.collector == "lago" and not attempts.running(buyer.customer_id):
        return None
    return _refused(f"{_STRIPE_COLLECTS} Ask your admin.", "collector_mismatch")


def progress(
    lago: LagoClient, stripe: StripeGateway, attempts: Attempts, terms: Terms, buyer: Buyer, session_id: str
) -> Progress | Problem:
    """Whether a card that was saved on Stripe's page is the one that Lago charges by now.

    Args:
        lago: Tells its default card.
        stripe: Tells what became of the page.
        attempts: Tells whether Stripe collects for a plan that runs.
        terms: How this console sells by now; the page may be older than the setting.
        buyer: Who asks; the page of anybody else is not found.
        session_id: From the address; proves nothing by itself.
    """
    session = stripe.session(session_id)
    if isinstance(session, Problem):
        return session
    if (
        session is None
        or session.mode != "setup"
        or session.reference != reference(buyer.principal_id)
        or session.livemode != stripe.live
        or not (session.attempt_id or "").startswith(_PREFIX)
    ):
        detail = "It is not one of yours, or it is too old."
        return Problem(Kind.NOT_FOUND, "This card page is not known", detail, code="checkout_not_found")
    collected = collected_by_stripe(attempts, terms, buyer)
    if collected is not None:
        return collected
    if session.confirming:
        return Progress(session_id, "confirming", "Stripe still checks your card", _NO_PLAN, False, None)
    if session.payment_method is None:
        return Progress(session_id, "open", "No card was saved", _NO_PLAN, True, None)
    other = _of_another(lago, buyer, session)
    if isinstance(other, Problem):
        return other
    if other:
        detail = f"It is for another customer than the one chosen now. {_NO_PLAN}"
        return Progress(session_id, "other", "A card was saved at Stripe", detail, True, None)
    held = default_card(lago, buyer)
    if isinstance(held, Problem):
        return held
    if held == session.payment_method:
        waiting = attempts.open_for(buyer.customer_id)
        if waiting is not None and waiting.state == CARD_SAVED:  # it goes on with this one
            then = (
                f"The purchase of {waiting.plan_name}, which waited for a card, goes on with it and is charged to it."
            )
            return Progress(
                session_id, "saved", "Your card is saved", f"Lago charges it from now on. {then}", True, True
            )
        detail = f"Lago charges it from now on. {_NO_PLAN}"
        return Progress(session_id, "saved", "Your card is saved", detail, True, True)
    detail = f"Waiting for Lago to take it over. {_NO_PLAN}"
    return Progress(session_id, "waiting", "Your card is saved at Stripe", detail, False, None)


def _of_another(lago: LagoClient, buyer: Buyer, session: CheckoutSession) -> bool | Problem:
    """Whether an admin who may choose has chosen another customer since the page was opened."""
    if not buyer.chooses:
        return False
    customer = lago.customer(buyer.customer_id) if buyer.customer_id else None
    if isinstance(customer, Problem):
        return customer
    return customer is None or provider_customer(customer) != session.customer


def _refused(detail: str, code: str) -> Problem:
    return Problem(Kind.CONFLICT, TITLE, detail, code=code)
