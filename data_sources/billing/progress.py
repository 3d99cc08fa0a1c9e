"""How a purchase stands, in words for its buyer; the titles also for an admin, who reads them of somebody else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, timedelta

from data_sources.billing import attempts as book
from data_sources.billing.attempts import Attempt
from data_sources.billing.types import Progress
from data_sources.result import Problem, utc_now

INVOICE = "Its invoice stands under “Invoices” as soon as Lago has made it."
AGAIN = "Select a plan again when you like."
# Without another card the same one is charged once more.
OTHER_CARD = "Save another card first with “Update card”, or the same one is charged again."
# An end that is older than this may not be what is so any more.
NEWS = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads a title, and so how it speaks of what is the buyer's."""

    your: str
    you: str
    you_were: str


BUYER = Reader("Your", "you", "You were")
ADMIN = Reader("The", "the customer", "The customer was")


def progress_of(attempt: Attempt, to: Reader = BUYER) -> Progress:
    """How a purchase stands, in words.

    Args:
        attempt: As our own books have it.
        to: Who reads the title; the message is always the buyer's.
    """
    name, state = attempt.plan_name, attempt.state
    words: dict[str, tuple[str, str, bool, bool | None]] = {
        book.OPENED: ("Checkout is being opened", "Nothing was charged.", False, None),
        book.REDIRECTED: (
            "Checkout was not finished",
            f"No card was saved and {name} was not started. Nothing was charged. {AGAIN}",
            True,
            None,
        ),
        book.CARD_SAVED: (
            f"{to.your} card is saved",
            f"Waiting for Lago to take it over. {name} has not been started yet.",
            False,
            None,
        ),
        book.PAID: (
            f"{to.your} payment is in",
            f"Waiting for Lago to start {name}. You have not been moved to it yet.",
            False,
            None,
        ),
        book.HELD: (
            f"{name} has not started, and {to.your.lower()} payment is in",
            f"{attempt.note} Your admin sees this and can {_start_or_return(attempt)}. Nothing else is charged.",
            True,
            False,
        ),
        book.ENDED: (f"{name} has ended", _ended(attempt), True, False),
        book.STARTING: (
            "Waiting for Lago to confirm",
            f"You have not been moved to {name} yet.{stalled(attempt)}",
            False,
            None,
        ),
        book.WAITING: (
            "Confirming payment…",
            f"Waiting for Lago to confirm it. You have not been moved to {name} yet.",
            False,
            None,
        ),
        book.STARTED: (f"{name} has started", f"Lago confirmed the payment. {INVOICE}", True, True),
        book.SCHEDULED: (f"{name} is planned", _planned(attempt), True, True),
        book.REFUSED: (
            f"{name} was not started",
            f"{attempt.note} Your card stays saved at Stripe. {_other_card(attempt)}Choose a plan again.",
            True,
            False,
        ),
        book.ABANDONED: ("Checkout was given up", f"{name} was not started. Nothing was charged. {AGAIN}", True, False),
        book.UNDONE: (
            f"{name} was not started",
            "This Lago did not wait for a payment before it started the plan, so it was stopped again, and what Lago "
            "may have taken is given back. Tell your admin.",
            True,
            False,
        ),
        book.STUCK: (
            f"{name} needs a look",
            "Lago started it without waiting for the payment and did not stop it again. Tell your admin.",
            True,
            False,
        ),
    }
    title, message, done, good = _special(attempt, to) or words[state]
    if state in (book.STARTED, book.SCHEDULED) and utc_now() - attempt.updated_at > NEWS:
        at = attempt.updated_at.astimezone(UTC)
        message = f"That was on {at.day} {at:%b %Y} (UTC). What runs and what is planned now stands below."
        good = None
    return Progress(attempt.id, state, title, message, done, good)


def held_up(attempt: Attempt, problem: Problem) -> Progress:
    """How a purchase stood when it was last known, and why it could not be looked at again.

    Args:
        attempt: As our own books have it.
        problem: What came in between.
    """
    told, name = progress_of(attempt), attempt.plan_name
    if attempt.open_customer is None or attempt.state == book.HELD:
        return told  # nothing more is waited for, or only a person
    not_asked = f"{name} has not been started yet."
    unknown = f"Whether {name} has started is not known yet."
    in_words: dict[str, tuple[str, str]] = {
        book.OPENED: (told.title, f"Nothing was charged and {name} was not started."),
        book.REDIRECTED: (
            "Your checkout is being looked up",
            f"What became of it at Stripe is not known yet. {not_asked}",
        ),
        book.CARD_SAVED: ("Your card is saved", not_asked),
        book.PAID: (told.title, not_asked),
        book.STARTING: (told.title, unknown),
        book.WAITING: (told.title, unknown),
    }
    title, message = in_words[attempt.state]
    if attempt.state == book.REDIRECTED and attempt.note in (book.CONFIRMING, book.PAYING):
        title, message = told.title, not_asked
    elif attempt.note is not None and attempt.note.startswith(book.OTHERWISE):
        message = f"{attempt.note} {unknown}"
    detail = f"{message} {problem.detail} It is looked at again by itself."
    return Progress(attempt.id, attempt.state, title, detail, False, None, problem)


def stalled(attempt: Attempt) -> str:
    """Why an open purchase could not be brought further when it was last looked at; "" where nothing kept it."""
    note = attempt.note or ""
    return f" When it was last looked at: {note.removeprefix(book.STALLED)}" if note.startswith(book.STALLED) else ""


def _other_card(attempt: Attempt) -> str:
    return f"{OTHER_CARD} " if attempt.note == book.PAYMENT_FAILED else ""


def _start_or_return(attempt: Attempt) -> str:
    over = attempt.note is not None and attempt.note.startswith((book.RAN_OUT, book.OVER))
    return "give the money back" if over else "start it or give the money back"


def _ended(attempt: Attempt) -> str:
    if attempt.note is not None and attempt.note.startswith(book.UNEQUAL):
        return "A payment for it is still to be put right; your admin sees it."
    if attempt.note is not None and attempt.note.startswith(book.OWED):
        return "A charge for it is not paid. The subscription page says what is owed and where to pay it."
    return str(attempt.note)


def _planned(attempt: Attempt) -> str:
    """When a cheaper plan starts; Lago's day for it is kept as the note."""
    try:
        day = date.fromisoformat(attempt.note or "")
    except ValueError:
        return "It starts at the end of the period. Your plan goes on until then, and you can take this back."
    return f"It starts on {day.day} {day:%b %Y}. Your plan goes on until then, and you can take this back."


def _of_a_change(attempt: Attempt, to: Reader) -> tuple[str, str, bool, bool | None] | None:
    """How a change of plan stands, where it is told otherwise than a first purchase."""
    name, state = attempt.plan_name, attempt.state
    if state == book.STARTING:
        detail = f"You have not been moved to {name}. Your plan goes on.{stalled(attempt)}"
        return "Waiting for Lago to confirm", detail, False, None
    if state == book.WAITING:
        detail = f"Waiting for Lago to confirm it. You have not been moved to {name} yet; your plan goes on until then."
        return "Confirming payment…", detail, False, None
    if state == book.REFUSED:
        detail = f"{attempt.note} Your plan goes on as before. {_other_card(attempt)}{AGAIN}"
        return f"{to.you_were} not moved to {name}", detail, True, False
    if state == book.ABANDONED:
        detail = f"You were not moved to {name}. Your plan goes on as before, and nothing was charged."
        return "The change was given up", detail, True, False
    if state == book.STUCK:
        detail = "Lago changed the plan otherwise than you chose. Nothing was stopped. Tell your admin."
        return f"The change to {name} needs a look", detail, True, False
    return None


def _special(attempt: Attempt, to: Reader) -> tuple[str, str, bool, bool | None] | None:
    """Where the same state means something else to the reader."""
    name, state = attempt.plan_name, attempt.state
    if attempt.collector == "stripe" and (words := _paid_to_stripe(attempt, to)) is not None:
        return words
    if attempt.note is not None and attempt.note.startswith(book.OTHERWISE):
        if state == book.WAITING:
            detail = f"{attempt.note} You have not been moved to {name} yet. Tell your admin."
            return f"Lago charges something else than {to.you} chose", detail, False, None
        if state == book.STARTED:
            detail = f"{attempt.note} Tell your admin: it is not what you agreed to."
            return f"{name} has started, but not as {to.you} chose it", detail, True, None
    if state == book.REDIRECTED and attempt.note == book.CONFIRMING:
        detail = f"Stripe still checks it. {name} has not been started yet."
        return f"{to.your} card is being confirmed", detail, False, None
    if state == book.CARD_SAVED and attempt.card_age >= book.CARD_PATIENCE:
        detail = (
            f"Lago has not taken it over for an hour, and {name} has not been started. Nothing was charged. It starts "
            "by itself if Lago takes the card over within a day. You can also select a plan again; the card stays "
            "saved at Stripe."
        )
        return f"{to.your} card is saved, but nothing has been started", detail, True, None
    if state == book.ABANDONED and attempt.payment_method is not None:
        detail = f"{name} was not started. Nothing was charged. Your card stays saved at Stripe."
        return "Checkout was given up", detail, True, False
    if attempt.change is not None:
        return _of_a_change(attempt, to)
    if attempt.amount_cents != 0:
        return None
    if state == book.STARTED:
        return f"{name} has started", "It costs nothing.", True, True
    if state == book.UNDONE:
        return f"{name} was not started", "Lago did not start it for free, so it was taken back.", True, False
    if state == book.STUCK:
        detail = "Lago did not start it as a free plan, and it could not be taken back. Tell your admin."
        return f"{name} needs a look", detail, True, False
    return None


def _paid_to_stripe(attempt: Attempt, to: Reader) -> tuple[str, str, bool, bool | None] | None:
    """Where Stripe itself collects, there is no saved card to speak of."""
    name, state = attempt.plan_name, attempt.state
    if attempt.amount_cents == 0:
        return None
    if state == book.REDIRECTED and attempt.note == book.PAYING:
        detail = f"It can take days with this way of paying. {name} starts by itself when the money has arrived."
        return f"{to.your} payment is being confirmed", detail, False, None
    if state == book.REDIRECTED:
        return "Checkout was not finished", f"Nothing was charged and {name} was not started. {AGAIN}", True, None
    if state == book.STARTING:
        return (
            f"{to.your} payment is in",
            f"Waiting for Lago to start {name}. You have not been moved to it yet.",
            False,
            None,
        )
    if state == book.REFUSED:
        return f"{name} was not started", f"{attempt.note} Choose a plan again.", True, False
    if state == book.STARTED and to is ADMIN and (title := _troubled(attempt)) is not None:
        return title, str(attempt.note), True, None
    started = attempt.note is None or not attempt.note.startswith(book.OTHERWISE)
    if state == book.STARTED and started:
        return f"{name} has started", f"Stripe took the payment and Lago started the plan. {INVOICE}", True, True
    return None


def _troubled(attempt: Attempt) -> str | None:
    """What an admin is told of a plan that runs while something about its money needs a person."""
    words = {
        book.UNTOLD: "goes on, and its end is not the same on both sides",
        book.UNPAID: "goes on, and a charge failed",
        book.NOT_CHARGED: "goes on, and a saved card is not charged yet",
        book.UNEQUAL: "goes on, and the books differ",
    }
    note = attempt.note or ""
    return next((f"{attempt.plan_name} {told}" for start, told in words.items() if note.startswith(start)), None)
