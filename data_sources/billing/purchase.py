"""What is looked at before a sale, and Stripe's page for it. Takes no money and starts nothing that costs any.

The reader's click names a plan; everything else comes from Lago, read again at that moment. In which order all of it
is done stands in `subscribe.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from data_sources.billing import attempts as book
from data_sources.billing.attempts import Attempt, Attempts
from data_sources.billing.customers import Held
from data_sources.billing.lago import FIRST_GATED_VERSION, Json, LagoClient
from data_sources.billing.plans import offered
from data_sources.billing.stripe_checkout import PageOrder, Price, StripeGateway
from data_sources.billing.types import Buyer, CheckoutAnswer, Collector, Plan
from data_sources.result import Kind, Problem, utc_now

TITLE = "Nothing was bought"
SESSION_LIFE = timedelta(minutes=45)
# A session about to expire is not handed out again: the reader would stand before a dead page.
SESSION_REST = timedelta(minutes=3)
CHANGE_UNAVAILABLE = "This plan cannot be changed here. Ask your admin to change it in Lago."
CHANGE_AT_STRIPE = (
    "Stripe collects for the plan that runs, and a change would have to be made there and in Lago at once, so it "
    "cannot be changed here. Cancel it; when it has ended, choose another."
)
CHANGED_MEANWHILE = "What you are subscribed to has changed meanwhile. Look at it and choose again."
OPENING = "Checkout is being opened already, in another tab perhaps. Try again in a minute."
# With these codes nobody knows whether Stripe has opened the page.
_PERHAPS_OPEN = frozenset({"timeout", "connection", "unexpected"})
# For so long Stripe takes the end of a page that was asked for before: 30 minutes are its least.
ASKED_AGAIN = timedelta(minutes=10)
STALE_OPENING = timedelta(seconds=60)
MOST_ATTEMPTS, MOST_ATTEMPTS_WITHIN = 10, timedelta(hours=1)


class PriceWords(Protocol):
    """Writes a plan's price for Stripe's page: "$19 per month"."""

    def __call__(self, plan: Plan) -> str:
        """The price and its interval in words."""
        ...


@dataclass(frozen=True, slots=True)
class Terms:
    """How this console sells.

    Attributes:
        plan_codes: The operator's list of plans; None offers all but hidden ones.
        collector: Who collects the money.
        base_url: The console's own address, for the way back from Stripe.
        price_words: Writes a price.
        wait: Waits for so many seconds.
    """

    plan_codes: Sequence[str] | None
    collector: Collector
    base_url: str
    price_words: PriceWords
    wait: Callable[[float], object]


@dataclass(frozen=True, slots=True)
class Till:
    """Everything that a sale needs.

    Attributes:
        lago: Owns plans, customers and subscriptions.
        stripe: Owns cards and pages; None when it is not configured.
        attempts: Our record, with whoever acts in its log.
        terms: How this console sells.
    """

    lago: LagoClient
    stripe: StripeGateway | None
    attempts: Attempts
    terms: Terms


def buyer_in(attempt: Attempt) -> Buyer:
    """Who made a purchase, as far as it remembers."""
    return Buyer(attempt.principal_id, attempt.customer_id, None, None)


def refusal(detail: str, code: str, *, title: str = TITLE) -> Problem:
    """A purchase that is not made, and why."""
    return Problem(Kind.CONFLICT, title, detail, code=code)


def untouched(problem: Problem, done: str = "Nothing was bought or changed.") -> Problem:
    """A question that failed before anything was done: that nothing was, and what to do.

    Args:
        problem: Why it failed; a refusal has its own next step and stays as it is.
        done: What was not done.
    """
    if problem.kind not in (Kind.TIMEOUT, Kind.UPSTREAM, Kind.BUSY) or "Nothing " in problem.detail:
        return problem
    again = "" if "admin" in problem.detail else " Try again in a moment."
    return replace(problem, detail=f"{problem.detail} {done}{again}")


def subscription_id(buyer: Buyer) -> str:
    """Our id of the buyer's subscription: always the same, so that Lago never makes two."""
    return f"sub-{buyer.customer_id}"


def reference(principal_id: str) -> str:
    """Who asked, for Stripe: opaque and short."""
    return hashlib.sha256(f"ops-center buyer {principal_id}".encode()).hexdigest()[:32]


def plan_on_offer(lago: LagoClient, terms: Terms, code: str) -> Plan | Problem:
    """The plan as Lago has it now, if it is on offer."""
    plan = lago.plan(code)
    if isinstance(plan, Problem):
        return plan
    if not offered([plan], None if terms.plan_codes is None else [c for c in terms.plan_codes if c == code]).plans:
        return Problem(Kind.NOT_FOUND, TITLE, "This plan is not on offer.", code="plan_not_offered")
    return plan


def same_price(plan: Plan, amount_cents: int | None, currency: str | None) -> bool:
    """Whether the price is the one that was shown; what was not shown is not compared."""
    return (amount_cents is None or amount_cents == plan.amount_cents) and (
        currency is None or currency.upper() == (plan.currency or "").upper()
    )


def in_the_way(
    lago: LagoClient, buyer: Buyer, plan: Plan, agreed: str | None = None, *, seen: Held | None = None
) -> str | Problem:
    """Which subscription the purchase becomes.

    Args:
        lago: Owns the subscriptions.
        buyer: Who buys.
        plan: What is bought.
        agreed: Lago's id of the running subscription that the buyer agreed to change.
        seen: What this very click has read already. Right before Lago is asked to start something it is read again.

    Returns:
        Our id of it: a new one, the customer's free one, or the agreed one that is moved to the new plan; or why it
        cannot be.
    """
    rows = lago.subscriptions(buyer.customer_id) if seen is None else list(seen.rows)
    if isinstance(rows, Problem):
        return rows
    if any(row.get("status") == "incomplete" for row in rows):
        return refusal(
            "A payment is still being confirmed for this customer. Nothing new was started.", "subscription_incomplete"
        )
    if any(row.get("plan_code") == plan.code for row in rows):
        return refusal(f"This customer is on {plan.name} already.", "already_subscribed")
    if agreed is not None:
        return _agreed(rows, agreed)
    if not rows:
        return subscription_id(buyer)
    if len(rows) == 1 and not plan.is_free and _is_free(lago, rows[0], {} if seen is None else seen.plans):
        return str(rows[0].get("external_id"))
    return refusal(CHANGE_UNAVAILABLE, "change_unavailable")


def _agreed(rows: list[Json], agreed: str) -> str | Problem:
    """Only what was agreed to is changed: that very subscription, alone, going on, with nothing planned after it."""
    row = rows[0] if len(rows) == 1 else {}
    if row.get("lago_id") != agreed or row.get("status") != "active":
        return refusal(CHANGED_MEANWHILE, "changed_meanwhile")
    if row.get("ending_at") is not None or row.get("next_plan_code") is not None:
        return refusal(CHANGED_MEANWHILE, "changed_meanwhile")
    return str(row.get("external_id"))


def _is_free(lago: LagoClient, row: Json, known: Mapping[str, Plan]) -> bool:
    code = str(row.get("plan_code"))
    held = known[code] if code in known else lago.plan(code)
    return (
        not isinstance(held, Problem)
        and held.is_free
        and row.get("plan_amount_cents") in (None, 0)
        and row.get("status") == "active"
        and row.get("next_plan_code") is None
    )


def version_gates(version: tuple[int, int] | Problem | None) -> Problem | None:
    """Only a Lago that holds a subscription back until it is paid may sell; older ones would start it unpaid."""
    if isinstance(version, Problem):
        return version
    least = ".".join(map(str, FIRST_GATED_VERSION))
    if version is None:
        return refusal(
            f"Lago does not tell its version. Paid plans need Lago {least} or newer. Ask your admin.",
            "lago_version_unknown",
        )
    if version < FIRST_GATED_VERSION:
        said = ".".join(map(str, version))
        return refusal(
            f"Lago {said} cannot wait for a payment before it starts a plan. {least} or newer can. Ask your admin.",
            "lago_too_old",
        )
    return None


def room_for(till: Till, buyer: Buyer, plan: Plan) -> CheckoutAnswer | Problem | None:
    """What keeps a purchase from being begun, or the earlier page that is used again; None when there is room."""
    open_one = till.attempts.open_for(buyer.customer_id)
    if open_one is not None:
        reused = earlier_purchase(till.stripe, till.attempts, till.terms, buyer, plan, open_one)
        if reused is not None:
            return reused
    if till.attempts.recent(buyer.principal_id, within=MOST_ATTEMPTS_WITHIN) >= MOST_ATTEMPTS:
        detail = "You have opened checkout many times. Try again in an hour."
        return Problem(Kind.CONFLICT, TITLE, detail, code="too_many", retry_after_s=3600)
    return None


def earlier_purchase(
    stripe: StripeGateway | None, attempts: Attempts, terms: Terms, buyer: Buyer, plan: Plan, earlier: Attempt
) -> CheckoutAnswer | Problem | None:
    """What an open purchase of the same customer means for a new click; None when its place is free again."""
    busy = _still_under_way(earlier)
    mine = earlier.principal_id == buyer.principal_id
    age = utc_now() - earlier.updated_at
    if earlier.state == book.OPENED and earlier.note is None and age < STALE_OPENING:
        return refusal(OPENING, "already_open")
    if earlier.state == book.OPENED:
        return _opened_unseen(stripe, attempts, terms, plan, earlier, mine)
    if earlier.state in (book.PAID, book.HELD):
        detail = f"Your payment for {earlier.plan_name} is in, and it has not started yet. Nothing else is charged."
        return refusal(detail, "paid_not_started")
    if earlier.state == book.CARD_SAVED and earlier.card_age < (book.CARD_PATIENCE if mine else SESSION_LIFE):
        return busy
    if earlier.state in (book.STARTING, book.WAITING):
        return busy
    if earlier.state == book.REDIRECTED:
        reused = _earlier_page(stripe, terms, plan, earlier, mine)
        if reused is not None:
            return reused
    return busy if attempts.move(earlier, book.ABANDONED, note="replaced") is None else None


def _still_under_way(earlier: Attempt) -> Problem:
    detail = (
        f"The purchase of {earlier.plan_name} is still under way. The plans show how it stands and what can be done."
    )
    return refusal(detail, "already_open")


def _earlier_page(
    stripe: StripeGateway | None, terms: Terms, plan: Plan, earlier: Attempt, mine: bool
) -> CheckoutAnswer | Problem | None:
    """An earlier page of Stripe is used again for the same plan, and closed before anything else is bought.

    A card saved for another plan stays on file, but that plan is not started: it is not what was clicked last.
    """
    if stripe is None or earlier.session_id is None:
        return _still_under_way(earlier)
    session = stripe.session(earlier.session_id)
    if isinstance(session, Problem):
        return untouched(session, "Nothing new was bought.")
    same = mine and (earlier.plan_code, earlier.terms) == (plan.code, plan.terms)
    if session is not None and session.mode == "subscription" and session.confirming:
        # A debit, whoever clicks: not paid yet, and it must not be asked for twice.
        detail = (
            f"The payment for {earlier.plan_name} is on its way. It can take days with this way of paying, and the "
            "plan starts by itself when the money has arrived. Nothing else is sold until then."
        )
        return refusal(detail, "payment_confirming")
    if session is not None and same and session.confirming:
        return refusal(f"Stripe still checks your card for {plan.name}. Wait a moment.", "card_confirming")
    if session is not None and session.payment_method and same:
        return CheckoutAnswer("redirect", _return_url(terms, earlier.session_id), "Your card is saved already.")
    if session is not None and earlier.collector == "stripe" and session.status == "complete":
        # Whoever clicks, it must not be asked for again.
        paid = session.payment_status == "paid"
        if same:
            said = "You have paid already." if paid else "You have been on Stripe's page already."
            return CheckoutAnswer("redirect", _return_url(terms, earlier.session_id), said)
        stands = "has been paid for and is about to start" if paid else "is still under way"
        return refusal(f"{earlier.plan_name} {stands}. The plans show how it stands.", "already_open")
    if session is None or session.status != "open":
        return None
    fresh = earlier.session_expires_at is not None and earlier.session_expires_at - utc_now() > SESSION_REST
    if same and fresh and session.url:
        return CheckoutAnswer("redirect", session.url, _redirecting(terms.collector, plan))
    closed = stripe.expire(earlier.session_id)
    return untouched(closed, "Nothing new was bought.") if isinstance(closed, Problem) else None


def _opened_unseen(
    stripe: StripeGateway | None, attempts: Attempts, terms: Terms, plan: Plan, earlier: Attempt, mine: bool
) -> CheckoutAnswer | Problem | None:
    """Stripe may have opened a page whose address never reached us: asked again, it names the very same page."""
    if stripe is None:
        return _still_under_way(earlier)
    same = mine and (earlier.plan_code, earlier.terms) == (plan.code, plan.terms)
    if same and earlier.collector == terms.collector and utc_now() - earlier.created_at < ASKED_AGAIN:
        return open_page(stripe, attempts, terms, plan, earlier, earlier.provider_customer_id)
    return (
        None
        if attempts.move(earlier, book.ABANDONED, note="replaced") is not None
        else refusal(OPENING, "already_open")
    )


def open_page(
    stripe: StripeGateway, attempts: Attempts, terms: Terms, plan: Plan, attempt: Attempt, payer: str | None
) -> CheckoutAnswer | Problem:
    """Open Stripe's page for a purchase and note it.

    Args:
        stripe: Opens it.
        attempts: Our record.
        terms: How this console sells.
        plan: What is bought.
        attempt: The purchase; the same one always gets the same page.
        payer: Stripe's customer; None lets Stripe make one, where it collects itself.
    """
    expires_at = attempt.created_at + SESSION_LIFE
    collects = attempt.collector == "stripe"
    order = PageOrder(
        attempt_id=attempt.id,
        provider_customer_id=payer,
        reference=reference(attempt.principal_id),
        metadata={
            "attempt_id": attempt.id,
            "plan_code": plan.code[:500],
            "plan_amount_cents": str(plan.amount_cents),
            "plan_currency": str(plan.currency),
        },
        success_url=_return_url(terms, "{CHECKOUT_SESSION_ID}"),
        cancel_url=f"{terms.base_url}/admin/subscription/plan?purchase={attempt.id}&left=1",
        expires_at=expires_at,
        message=_on_the_page(terms, plan, collects=collects),
    )
    session = stripe.subscribe(order, _price(plan)) if collects else stripe.save_card(order)
    if isinstance(session, Problem):
        if session.kind in (Kind.TIMEOUT, Kind.UPSTREAM) and session.code in _PERHAPS_OPEN:
            attempts.move(attempt, book.OPENED, note=session.code, provider_customer_id=payer)
            again = f"Nothing was charged. Select {plan.name} again in a moment: the same page opens."
            return replace(session, detail=f"{session.detail} {again}")
        attempts.move(attempt, book.ABANDONED, note=session.code)
        return untouched(session, "Nothing was charged.")
    moved = attempts.move(
        attempt,
        book.REDIRECTED,
        session_id=session.id,
        session_expires_at=expires_at,
        provider_customer_id=payer,
        livemode=stripe.live,
        note=None,
    )
    if moved is None:
        return refusal("Checkout was opened in another tab meanwhile.", "already_open")
    return CheckoutAnswer("redirect", session.url, _redirecting(terms.collector, plan))


def _price(plan: Plan) -> Price:
    assert plan.amount_cents is not None  # noqa: S101  a plan without price, currency and interval is not sold
    assert plan.currency is not None  # noqa: S101
    assert plan.interval is not None  # noqa: S101
    return Price(plan.code, plan.name, plan.amount_cents, plan.currency, plan.interval)


def _on_the_page(terms: Terms, plan: Plan, *, collects: bool) -> str:
    price = f"{plan.name[:200]}: {terms.price_words(plan)}"
    if collects:
        return f"{price}. Stripe charges it now and at the start of each further period, until it is cancelled."
    return (
        f"Your card is saved for {price}, before tax. "
        "Nothing is charged on this page; Lago charges the card when the plan starts."
    )


def _return_url(terms: Terms, session_id: str) -> str:
    return f"{terms.base_url}/billing/return?session_id={session_id}"


def _redirecting(collector: Collector, plan: Plan) -> str:
    return f"Stripe's page opens to {'pay' if collector == 'stripe' else 'save a card'} for {plan.name}."
