"""A customer's purchase that is not settled yet, or came to nothing: what the page must know of it, and giving it up.

Read from our own books alone, so that it costs no question; the same judgement as a click meets in `purchase.py`.
"""

from __future__ import annotations

from datetime import timedelta

from data_sources.billing import attempts as book
from data_sources.billing import gated_start
from data_sources.billing.attempts import Attempt, Attempts
from data_sources.billing.audit import READ_BY_BUYER
from data_sources.billing.progress import progress_of, stalled
from data_sources.billing.purchase import SESSION_LIFE, STALE_OPENING, Till, refusal, untouched
from data_sources.billing.subscribe import for_whom, unknown
from data_sources.billing.types import Buyer, Ended, Progress, UnderWay
from data_sources.result import Problem, utc_now

TITLE = "Nothing was given up"
TOLD_WITHIN = timedelta(days=7)
GIVEN_UP = "given up by its buyer"
_ITSELF = "It goes on by itself. Until then nothing else can be chosen."


def under_way_of(attempt: Attempt, buyer: Buyer) -> UnderWay | None:
    """How an open purchase stands for somebody of its customer; None where a click finds its place free.

    Args:
        attempt: The customer's open purchase.
        buyer: Who looks at the page.
    """
    mine = attempt.principal_id == buyer.principal_id
    told = _lock(attempt, mine=mine)
    if told is None:
        return None
    words, locks = told
    on_the_page = attempt.state == book.REDIRECTED and attempt.note not in (book.CONFIRMING, book.PAYING)
    return UnderWay(
        attempt_id=attempt.id if mine else None,
        plan_code=attempt.plan_code,
        plan_name=attempt.plan_name,
        terms=attempt.terms,
        words=words,
        locks=locks,
        changing=attempt.state in (book.STARTING, book.WAITING),
        card_saved=attempt.state == book.CARD_SAVED,
        goes_on_at_stripe=mine and on_the_page,
        can_give_up=mine and _can_give_up(attempt),
        mark=f"{attempt.updated_at.isoformat()} {locks}",
    )


def _can_give_up(attempt: Attempt) -> bool:
    """Before Lago is asked, and unless Stripe has the money or waits for it."""
    return attempt.state == book.CARD_SAVED or (attempt.state == book.REDIRECTED and attempt.note != book.PAYING)


def _lock(attempt: Attempt, *, mine: bool) -> tuple[str, bool] | None:
    """How it stands, in words, and whether it keeps everything else from being chosen."""
    name, state, now = attempt.plan_name, attempt.state, utc_now()
    if state == book.OPENED:
        fresh = attempt.note is None and now - attempt.updated_at < STALE_OPENING
        return (f"Checkout for {name} is being opened, in another tab perhaps.", True) if fresh else None
    if state == book.REDIRECTED and attempt.note == book.CONFIRMING:
        return f"Stripe still checks the card for {name}. {_ITSELF}", True
    if state == book.REDIRECTED and attempt.note == book.PAYING:
        slow = f"It can take days with this way of paying, and {name} starts by itself when the money has arrived."
        return f"The payment for {name} is on its way. {slow} Nothing else is sold until then.", True
    if state == book.REDIRECTED:
        if attempt.session_expires_at is not None and attempt.session_expires_at <= now:
            return None
        return _on_the_page(name, mine=mine), False
    if state == book.CARD_SAVED:
        return _card_saved(attempt, mine=mine)
    if state == book.PAID:
        return f"The payment for {name} is in, and {name} has not started yet. {_ITSELF}", True
    if state == book.HELD:
        held = f"The payment for {name} is in, and {name} cannot start by itself. Your admin sees it."
        return f"{held} Nothing else is sold until it is settled.", True
    if state == book.STARTING:
        asked = "to plan" if attempt.change == book.DOWNGRADE else "to start"
        return f"Lago was asked {asked} {name} and has not confirmed it yet.{stalled(attempt)} {_ITSELF}", True
    return f"The payment for {name} is being confirmed. {_ITSELF}", True


def _on_the_page(name: str, *, mine: bool) -> str:
    known = "as far as is known here"
    if mine:
        return (
            f"You have opened Stripe's page for {name} and, {known}, not finished it. Continue there, or give it up; "
            "selecting another plan gives it up, too."
        )
    return (
        f"Somebody else has opened Stripe's page for {name} and, {known}, not finished it. Selecting a plan closes it."
    )


def _card_saved(attempt: Attempt, *, mine: bool) -> tuple[str, bool]:
    name = attempt.plan_name
    so_far = f"A card was saved for {name}, and Lago has not taken it over yet."
    if attempt.card_age >= (book.CARD_PATIENCE if mine else SESSION_LIFE):
        return f"{so_far} Selecting a plan gives that purchase up.", False
    way = "Wait, or give it up." if mine else "Whoever began it can give it up."
    then = f"{name} starts by itself then; until then nothing else can be chosen."
    return f"{so_far}{stalled(attempt)} {then} {way}", True


def came_to_nothing(attempts: Attempts, buyer: Buyer, awaited: str | None) -> Ended | None:
    """A purchase of the reader's that ended without a plan and that nothing was bought after.

    It may have ended days after its tab was closed; it is told until its buyer has read it, and for a week at most.

    Args:
        attempts: Our record.
        buyer: Who reads.
        awaited: The purchase that the reader's page tells of by itself.
    """
    last = attempts.newest(buyer.customer_id)
    if last is None or last.id == awaited or last.principal_id != buyer.principal_id:
        return None
    failed = last.state in (book.REFUSED, book.UNDONE) or last.note == book.NEVER_TAKEN
    if not failed or utc_now() - last.updated_at > TOLD_WITHIN or attempts.was_noted(last, READ_BY_BUYER):
        return None
    told = progress_of(last)
    return Ended(last.id, told.title, told.message, last.updated_at)


def give_up(till: Till, buyer: Buyer, attempt_id: str) -> Progress | Problem:
    """Give up a purchase that Lago has not been asked for yet; its page at Stripe is closed first.

    Args:
        till: What a sale needs.
        buyer: Who asks; other people's purchases are not found.
        attempt_id: The purchase. One that is settled already is told as it stands.
    """
    attempt = till.attempts.of(buyer, attempt_id)
    if attempt is None:
        return unknown()
    now = attempt if attempt.open_customer is None else _given_up(till, attempt)
    return now if isinstance(now, Problem) else for_whom(progress_of(now), now, buyer)


def _given_up(till: Till, attempt: Attempt) -> Attempt | Problem:
    closed: Attempt | Problem = attempt
    if attempt.state == book.REDIRECTED:
        closed = _page_closed(till, attempt)
    if isinstance(closed, Problem):
        return closed
    if not _can_give_up(closed):
        detail = f"The purchase of {closed.plan_name} has gone too far to be given up. The page shows how it stands."
        return refusal(detail, "too_late", title=TITLE)
    moved = till.attempts.move(closed, book.ABANDONED, note=GIVEN_UP)
    now = moved or till.attempts.one(closed.id)
    if now is None or now.state != book.ABANDONED:  # word of its closed page may have come first
        detail = "Meanwhile it has gone on, in another tab perhaps. The page shows how it stands."
        return refusal(detail, "too_late", title=TITLE)
    return now


def _page_closed(till: Till, attempt: Attempt) -> Attempt | Problem:
    """Stripe's page can take nothing any more: it is closed, or has been finished with a card and no money."""
    if till.stripe is None or attempt.session_id is None:
        return refusal("Stripe is not connected, so its page cannot be closed.", "not_configured", title=TITLE)
    session = till.stripe.session(attempt.session_id)
    if session is not None and not isinstance(session, Problem) and session.status == "open":
        session = till.stripe.expire(attempt.session_id)
    if isinstance(session, Problem):
        return untouched(session, "Nothing was given up.")
    if session is None or session.status == "expired":
        return attempt
    if attempt.collector == "stripe":
        detail = "Stripe's page for it has been finished. The page shows how it stands as soon as it is looked up."
        return refusal(detail, "too_late", title=TITLE)
    noted = gated_start.card_saved(till, attempt, session)
    return noted if noted is not None else till.attempts.one(attempt.id) or unknown()
