"""Where Stripe collects: a card that was saved on its page becomes the one that its subscription is charged to.

Nobody else does it: Lago knows nothing of that card. Called by the page on the way back, by webhooks, by the sweeper.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from data_sources.billing.audit import CARD_CLOSED, CARD_REFUSED, CARD_TAKEN
from data_sources.billing.purchase import Till
from data_sources.billing.stripe_checkout import CheckoutSession
from data_sources.billing.stripe_subscriptions import REFUSED_CARD, StripeSubscription, StripeSubscriptions
from data_sources.result import Problem, utc_now

# Longer than any page works, and long enough for a person to give the key the right that it lacks.
FOUND_WITHIN = timedelta(days=30)


def take_over(till: Till, customer_id: str) -> Problem | None:
    """Have Stripe charge the newest card that the customer has saved on a page opened here.

    May be called again, and by many at once: a page counts once, and one that was opened before another one that
    counted counts no more. What has come to its end is noted and not asked about again.

    Args:
        till: Where both sides are asked.
        customer_id: Lago's external id of the customer.

    Returns:
        Why it is not known, or could not be done yet.
    """
    stripe, attempts = till.stripe, till.attempts
    if stripe is None or not attempts.running(customer_id):
        return None
    pages = attempts.card_pages(utc_now() - FOUND_WITHIN, customer_id=customer_id)
    for page in reversed(pages):
        session = stripe.session(str(page.session_id))
        if isinstance(session, Problem):
            return session
        if session is None or session.status == "expired":
            attempts.note_action(customer_id, CARD_CLOSED, session_id=page.session_id)
            continue
        if not _saved(session, live=stripe.live):
            continue
        taken = _charge_to(till, StripeSubscriptions(stripe), customer_id, session)
        if isinstance(taken, Problem) and taken.code == REFUSED_CARD:
            attempts.note_action(customer_id, CARD_REFUSED, session_id=session.id, note=taken.detail)
        elif taken is False:  # of another customer of Stripe's, or of what has ended
            attempts.note_action(customer_id, CARD_CLOSED, session_id=session.id)
        else:
            return None if taken is True else taken
    return None


def payers(till: Till, customer_id: str) -> frozenset[str]:
    """Stripe's customers that pay what runs of this customer."""
    running = till.attempts.running(customer_id)
    return frozenset(one.provider_customer_id for one in running if one.provider_customer_id is not None)


def standing(
    till: Till, customer_id: str, session: CheckoutSession
) -> Literal["charged", "ends", "other", "over"] | Problem:
    """Whether what runs of this customer is charged to the card of this page.

    Returns:
        `charged`; `ends` where that is charged no more than it was; `other` where another card is; `over` where Stripe
        has ended it, so that no card is; or why it is not known.
    """
    if till.stripe is None:
        return "other"
    at_stripe = StripeSubscriptions(till.stripe)
    found = [at_stripe.read(str(one.stripe_subscription_id)) for one in till.attempts.running(customer_id)]
    read = [one for one in found if isinstance(one, StripeSubscription)]
    unread = next((one for one in found if isinstance(one, Problem)), None)
    if unread is not None:
        return unread
    going = [one for one in read if not one.over]
    if not going:
        return "over"
    if any(one.payment_method != session.payment_method for one in going):
        return "other"
    return "ends" if all(one.cancel_at is not None for one in going) else "charged"


def _saved(session: CheckoutSession, *, live: bool) -> bool:
    return session.mode == "setup" and session.livemode == live and session.payment_method is not None


def _charge_to(
    till: Till, at_stripe: StripeSubscriptions, customer_id: str, session: CheckoutSession
) -> bool | Problem:
    """Whether anything runs that this card pays, once Stripe charges it."""
    taken = False
    for one in till.attempts.running(customer_id):
        if one.provider_customer_id != session.customer or one.livemode != session.livemode:
            continue
        held = at_stripe.read(str(one.stripe_subscription_id))
        if isinstance(held, Problem):
            return held
        if held.over:
            continue  # nothing more is charged for it, whichever card it has
        changed = at_stripe.charge_to(str(one.stripe_subscription_id), str(session.payment_method))
        if isinstance(changed, Problem):
            return changed
        till.attempts.note_step(one, CARD_TAKEN, session_id=session.id, note=None)
        taken = True
    return taken
