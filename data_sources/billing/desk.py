"""The admin's view of selling: what is under way, what failed and why, what Stripe and Lago told, and who did what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from typing import TypeVar

from data_sources.billing import attempts as book
from data_sources.billing.account.moves import on_words
from data_sources.billing.attempts import Attempt, Attempts
from data_sources.billing.audit import RETRIED, AuditEntry
from data_sources.billing.doorway import CLICK_S
from data_sources.billing.inbox import Event, Inbox
from data_sources.billing.money import major_units
from data_sources.billing.progress import ADMIN, progress_of
from data_sources.billing.purchase import untouched
from data_sources.billing.types import AuditRow, EventRow, InboxView, Progress, PurchaseRow
from data_sources.budget import budget
from data_sources.result import Empty, Failed, Kind, Problem, Provenance, Ready, Result, utc_now
from data_sources.state.store import StateUnavailableError

T = TypeVar("T")

PURCHASES, EVENTS, ENTRIES = 100, 50, 100


class Desk:
    """Reads our own books, and lets an admin try again.

    Args:
        attempts: Our record of purchases.
        inbox: What the webhooks told.
        finish: Brings one purchase a step further; the problem if that could not be found out.
        wake: Has the inbox worked off now.
        signed: Sender -> whether its webhooks can be proved here.
    """

    def __init__(
        self,
        attempts: Attempts,
        inbox: Inbox,
        finish: Callable[[Attempts, Attempt], Problem | None],
        wake: Callable[[], object],
        signed: Mapping[str, bool],
    ) -> None:
        self._attempts = attempts
        self._inbox = inbox
        self._finish = finish
        self._wake = wake
        self._signed = signed

    def purchases(self) -> Result[tuple[PurchaseRow, ...]]:
        """Purchases that are open, failed or need a person: those first, then the open ones, then the newest."""
        empty = ("No purchase is open or failed", "Those that ended well are in the log below.")
        return _read("purchases", lambda: tuple(map(_purchase, self._attempts.unsettled(PURCHASES))), empty)

    def inbox(self) -> Result[InboxView]:
        """The newest webhooks, and when the last one of each sender came in."""

        def view() -> InboxView:
            newest = self._inbox.newest()
            last = {sender: newest.get(sender) for sender, signed in self._signed.items() if signed}
            return InboxView(last, tuple(map(_event, self._inbox.latest(EVENTS))))

        return _read("webhook inbox", view, None)

    def log(self) -> Result[tuple[AuditRow, ...]]:
        """The newest steps of all purchases."""
        empty = ("Nothing was bought yet", "Each step of a purchase will stand here.")
        return _read("audit log", lambda: tuple(map(_entry, self._attempts.log(ENTRIES))), empty)

    def retry(self, who: str, attempt_id: str) -> Result[Progress]:
        """Look at a purchase now; it goes on from where it is.

        Args:
            who: The admin, for the log.
            attempt_id: The purchase.
        """
        try:
            attempts = self._attempts.by(who)
            attempt = attempts.one(attempt_id)
            if attempt is None:
                return Failed(Problem(Kind.NOT_FOUND, "There is no such purchase", "Load the page again."))
            attempts.note_step(attempt, RETRIED)
            goes_on = attempt.open_customer is not None or attempt.stripe_subscription_id is not None
            with budget(CLICK_S):  # the admin waits for it, as the sweeper does not
                problem = self._finish(attempts, attempt) if goes_on else None
            now = attempts.one(attempt_id)
        except StateUnavailableError as error:
            return Failed(error.problem)
        if problem is not None:
            return Failed(untouched(problem, "Nothing is known to have changed."))
        if now is None:
            return Failed(Problem(Kind.NOT_FOUND, "There is no such purchase", "Load the page again."))
        return Ready(_for_admin(now), _told("purchase"))

    def retry_event(self, event_id: int) -> Result[bool]:
        """Have a webhook worked off again, from its first try on; whether there is such a one."""
        try:
            found = self._inbox.retry(event_id)
        except StateUnavailableError as error:
            return Failed(error.problem)
        if not found:
            return Failed(Problem(Kind.NOT_FOUND, "There is no such webhook", "Load the page again."))
        self._wake()
        return Ready(True, _told("webhook"))


def _told(query: str) -> Provenance:
    now = utc_now()
    return Provenance("State", query, as_of=now, fetched_at=now)


def _read(query: str, ask: Callable[[], T], empty: tuple[str, str] | None) -> Result[T]:
    try:
        found = ask()
    except StateUnavailableError as error:
        return Failed(error.problem, _told(query))
    if empty is not None and not found:
        return Empty(*empty, _told(query))
    return Ready(found, _told(query))


def _purchase(attempt: Attempt) -> PurchaseRow:
    return PurchaseRow(
        attempt_id=attempt.id,
        customer_id=attempt.customer_id,
        principal_id=attempt.principal_id,
        plan_name=attempt.plan_name,
        amount=major_units(attempt.amount_cents, attempt.currency),
        currency=attempt.currency,
        state=attempt.state,
        title=_title(attempt),
        note=_why(attempt),
        is_open=attempt.open_customer is not None,
        can_look_again=attempt.open_customer is not None
        or (attempt.needs_person and attempt.stripe_subscription_id is not None),
        needs_person=attempt.needs_person,
        created_at=attempt.created_at,
        updated_at=attempt.updated_at,
    )


def _title(attempt: Attempt) -> str:
    """How it stands; of a page that is still open at Stripe our books know only that it was opened."""
    stays = attempt.note is None or attempt.note.startswith(book.STALLED)
    if attempt.state == book.REDIRECTED and stays:
        ends = attempt.session_expires_at
        return "At Stripe's page" if ends is not None and ends > utc_now() else "Stripe's page has expired"
    return progress_of(attempt, ADMIN).title


# What is noted of a purchase that was given up, in words.
_GIVEN_UP = {
    "replaced": "A plan was selected anew, and this purchase gave way to it.",
    "session expired": "Stripe's page was not finished in time.",
    "never opened": "Stripe's page was never opened.",
    "not found in Lago": "Lago does not have it.",
    "not started": "Lago did not start it.",
    "timeout": "Stripe took too long to open its page.",
    "connection": "Stripe could not be reached to open its page.",
}


_HOW_HELD = (
    "Put right what is named and look again, and it starts; or give the money back at Stripe and end its subscription "
    "there."
)


def _why(attempt: Attempt) -> str | None:
    """Why it stands as it does: what the last step noted, or what it waits for without anybody's mistake."""
    if attempt.state == book.ABANDONED and attempt.note is not None:
        failed = f"Stripe answered {attempt.note} when its page was to be opened."
        return failed if attempt.note.startswith("HTTP ") else _GIVEN_UP.get(attempt.note, attempt.note)
    if attempt.state == book.REDIRECTED and attempt.note is None:
        return "Whether it is finished is not known here before Stripe tells, or somebody looks again."
    if attempt.state == book.HELD and attempt.note is not None:
        return f"{attempt.note} {_HOW_HELD}"
    if attempt.note is not None or attempt.state != book.CARD_SAVED:
        return attempt.note
    return (
        f"Lago has not taken the saved card over: {attempt.payment_method} is not this customer's default card, nor is "
        "one saved later. Look at the customer's payment methods in Lago."
    )


def _for_admin(attempt: Attempt) -> Progress:
    """How a purchase stands for one who is not its buyer: whose it is, and why it needs a person, or the buyer's words.

    What a person must put right is never told as good.
    """
    told = progress_of(attempt, ADMIN)
    message = f"{attempt.customer_id} reads: “{progress_of(attempt).message}”"
    good = None if attempt.needs_person and told.good else told.good
    if attempt.needs_person and attempt.state in (book.STARTED, book.ENDED):
        message = str(attempt.note)
    elif told.good is not True:
        why = None if attempt.state == book.REDIRECTED and attempt.note is None else _why(attempt)
        message = f"{message} {why}" if why is not None and why not in message else message
    return replace(told, title=f"{attempt.customer_id}: {told.title}", message=message, good=good)


def _event(event: Event) -> EventRow:
    return EventRow(
        id=event.id,
        source=event.source,
        event_id=event.event_id,
        kind=event.kind,
        subject=event.subject,
        received_at=event.received_at,
        tries=event.tries,
        next_try_at=event.next_try_at,
        done_at=event.done_at,
        note=event.note,
    )


def _entry(entry: AuditEntry) -> AuditRow:
    ids = (
        *(entry.attempt_id, entry.session_id, entry.subscription_id, entry.lago_subscription_id),
        *(entry.stripe_subscription_id, entry.stripe_customer_id, entry.stripe_invoice_id, entry.lago_invoice_id),
    )
    return AuditRow(
        at=entry.at,
        who=entry.who,
        action=entry.action,
        customer_id=entry.customer_id,
        plan_code=entry.plan_code,
        amount=major_units(entry.amount_cents, entry.currency),
        currency=entry.currency,
        ids=tuple(one for one in ids if one is not None),
        note=_step_note(entry),
    )


def _step_note(entry: AuditEntry) -> str | None:
    """What stands beside a step; the day for which a plan is planned, as days stand elsewhere."""
    try:
        day = date.fromisoformat(entry.note or "") if entry.action == book.SCHEDULED else None
    except ValueError:
        day = None
    return entry.note if day is None else on_words(day)
