"""Another card: saved on Stripe's page, then charged by Lago or by Stripe; told apart from a plan that was started."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import timedelta

from data_sources.billing.account.change import PAGE, default_card
from data_sources.billing.attempts import CARD_SAVED, UNPAID, Attempt
from data_sources.billing.audit import CARD_ASKED, CARD_PAGE, CARD_REFUSED, CARD_TAKEN
from data_sources.billing.customers import collected_by_lago, provider_customer, stripe_customer
from data_sources.billing.lago import Json, LagoClient
from data_sources.billing.next_card import payers, standing, take_over
from data_sources.billing.purchase import (
    MOST_ATTEMPTS,
    MOST_ATTEMPTS_WITHIN,
    SESSION_LIFE,
    Till,
    reference,
    untouched,
)
from data_sources.billing.stripe_checkout import CheckoutSession, PageOrder, StripeGateway
from data_sources.billing.types import Buyer, CheckoutAnswer, Progress
from data_sources.result import Kind, Problem, utc_now

TITLE = "The card was not changed"
_PREFIX = "card-"
_NO_PLAN = "No plan was started or changed, and nothing was charged."
_ANEW = "Choose a plan anew when you like; Stripe's page asks for a card then."
_ANOTHER = "Save another one with “Update card”."
_USE_IT = "Save it again with “Update card” to have it charged."
_NOT_ASKED = "Stripe collects by itself: its page asks for a card when you choose a plan. Nothing runs that one pays."
_TWICE = (
    "Stripe collects by itself, and Lago collects this customer's money, too. A card would be charged twice. Ask your "
    "admin."
)


def update(till: Till, stripe: StripeGateway, buyer: Buyer) -> CheckoutAnswer | Problem:
    """Open Stripe's page on which the customer's next card is saved. Takes no money and starts nothing.

    Args:
        till: Tells which customer of Stripe's is charged, and by whom; its log also bounds how often.
        stripe: Opens the page.
        buyer: Whose card it is.
    """
    attempts = till.attempts
    running = attempts.running(buyer.customer_id)
    if not running and till.terms.collector == "stripe":
        return _refused(_NOT_ASKED, "collector_mismatch")
    customer = till.lago.customer(buyer.customer_id)
    if isinstance(customer, Problem):
        return untouched(customer, "Nothing was changed.")
    if customer is None:
        return _refused("Lago does not know this customer yet. Choose a plan first.", "customer_not_found")
    if running and collected_by_lago(customer):
        return _refused(_TWICE, "collector_mismatch")
    if attempts.recent_actions(CARD_PAGE, within=MOST_ATTEMPTS_WITHIN) >= MOST_ATTEMPTS:
        detail = "You have opened the card page many times. Try again in an hour."
        return Problem(Kind.CONFLICT, TITLE, detail, code="too_many", retry_after_s=3600)
    payer = _payer(till, stripe, buyer, customer, running)
    if isinstance(payer, Problem):
        return untouched(payer, "Nothing was changed.")
    attempts.note_action(buyer.customer_id, CARD_ASKED)
    name = f"{_PREFIX}{secrets.token_hex(13)}"
    what = "what Stripe charges from now on" if running else "the next invoices"
    session = stripe.save_card(
        PageOrder(
            attempt_id=name,
            provider_customer_id=payer,
            reference=reference(buyer.principal_id),
            metadata={"attempt_id": name},
            success_url=f"{till.terms.base_url}{PAGE}?card={{CHECKOUT_SESSION_ID}}",
            cancel_url=f"{till.terms.base_url}{PAGE}",
            expires_at=utc_now() + SESSION_LIFE + timedelta(seconds=1),
            message=f"Your card is saved for {what}. Nothing is charged on this page.",
        )
    )
    if isinstance(session, Problem):
        return untouched(replace(session, title=TITLE), "Nothing was changed.")
    attempts.note_action(buyer.customer_id, CARD_PAGE, session_id=session.id)
    return CheckoutAnswer("redirect", session.url, "Stripe's page opens to save a card.")


def _payer(till: Till, stripe: StripeGateway, buyer: Buyer, customer: Json, running: list[Attempt]) -> str | Problem:
    """Stripe's customer whose card it becomes: the one that pays what runs, else the one that Lago charges."""
    if not running:
        return stripe_customer(till.lago, buyer, customer, wait=till.terms.wait, title=TITLE)
    newest = running[-1]
    if newest.provider_customer_id is None or newest.livemode != stripe.live:
        return _refused("Which of Stripe's customers pays is not known here. Ask your admin.", "payer_unknown")
    return newest.provider_customer_id


def progress(till: Till, stripe: StripeGateway, buyer: Buyer, session_id: str) -> Progress | Problem:
    """Whether a card that was saved on Stripe's page is the one that is charged by now.

    Args:
        till: Tells Lago's default card, and what Stripe collects for; the page may be older than the setting.
        stripe: Tells what became of the page.
        buyer: Who asks; the page of anybody else is not found.
        session_id: From the address; proves nothing by itself.
    """
    session = stripe.session(session_id)
    if isinstance(session, Problem):
        return replace(session, title="Your card could not be looked up")
    if (
        session is None
        or session.mode != "setup"
        or session.reference != reference(buyer.principal_id)
        or session.livemode != stripe.live
        or not (session.attempt_id or "").startswith(_PREFIX)
    ):
        detail = "It is not one of yours, or it is too old."
        return Problem(Kind.NOT_FOUND, "This card page is not known", detail, code="checkout_not_found")
    whose = till.attempts.whose_card_page(session_id)
    another = whose is not None and whose != buyer.customer_id
    by_stripe = bool(till.attempts.running(buyer.customer_id))
    if not another and not by_stripe and till.terms.collector == "stripe":
        return _refused(_NOT_ASKED, "collector_mismatch")
    if session.confirming:
        return Progress(session_id, "confirming", "Stripe still checks your card", _NO_PLAN, False, None)
    if session.payment_method is None:
        return Progress(session_id, "open", "No card was saved", _NO_PLAN, True, None)
    if another:
        return _of_another_customer(session)
    return _taken_by_stripe(till, buyer, session) if by_stripe else _taken_by_lago(till, buyer, session)


def _taken_by_stripe(till: Till, buyer: Buyer, session: CheckoutSession) -> Progress | Problem:
    """Where Stripe collects, it charges the card as soon as we have said so."""
    if session.customer not in payers(till, buyer.customer_id):
        return _of_another_customer(session)
    failed = take_over(till, buyer.customer_id)
    if failed is not None:
        detail = f"It is not sure yet that Stripe charges it: {failed.detail} It is tried again by itself."
        return Progress(session.id, "waiting", "Your card is saved at Stripe", detail, False, None)
    charged = standing(till, buyer.customer_id, session)
    if isinstance(charged, Problem):
        return charged
    if charged == "over":
        detail = f"Stripe has ended the plan, so no card is charged for it any more. {_NO_PLAN}"
        return Progress(session.id, "over", "A card was saved at Stripe", f"{detail} {_ANEW}", True, None)
    if till.attempts.card_was(session.id, CARD_REFUSED):
        newer = till.attempts.last_card_step(buyer.customer_id) == CARD_TAKEN
        now = "Another one is charged by now." if newer else f"The card of before is charged on. {_ANOTHER}"
        detail = f"It was saved, and Stripe does not take it for your plan. {now}"
        return Progress(session.id, "refused", "Stripe refused the card", detail, True, False)
    if charged == "other":
        detail = f"Another card is charged: of a page that was opened later, or set at Stripe. {_NO_PLAN} {_USE_IT}"
        return Progress(session.id, "other", "A card was saved at Stripe", detail, True, None)
    if charged == "ends":
        detail = f"It stands for the plan, which ends and does not renew. {_NO_PLAN}"
        return Progress(session.id, "saved", "Your card is saved", detail, True, True)
    open_ones = [one for one in till.attempts.running(buyer.customer_id) if UNPAID in str(one.note)]
    then = " What is open is not paid by that: Stripe may try again with it, or pay it here." if open_ones else ""
    detail = f"Stripe charges it from now on. {_NO_PLAN}{then}"
    return Progress(session.id, "saved", "Your card is saved", detail, True, True)


def _taken_by_lago(till: Till, buyer: Buyer, session: CheckoutSession) -> Progress | Problem:
    other = _of_another(till.lago, buyer, session)
    if isinstance(other, Problem):
        return other
    if other:
        return _of_another_customer(session)
    held = default_card(till.lago, buyer)
    if isinstance(held, Problem):
        return held
    if held == session.payment_method:
        waiting = till.attempts.open_for(buyer.customer_id)
        then = _NO_PLAN
        if waiting is not None and waiting.state == CARD_SAVED:  # it goes on with this one
            then = (
                f"The purchase of {waiting.plan_name}, which waited for a card, goes on with it and is charged to it."
            )
        return Progress(session.id, "saved", "Your card is saved", f"Lago charges it from now on. {then}", True, True)
    detail = f"Waiting for Lago to take it over. {_NO_PLAN}"
    return Progress(session.id, "waiting", "Your card is saved at Stripe", detail, False, None)


def _of_another_customer(session: CheckoutSession) -> Progress:
    detail = f"It is for another customer than the one chosen now. {_NO_PLAN}"
    return Progress(session.id, "other", "A card was saved at Stripe", detail, True, None)


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
