"""Where Stripe itself collects: keeps Lago's subscription and invoices equal to what Stripe was paid, as it goes on.

Nothing of a webhook is applied: each call reads both sides. Lago owns the subscription, so what ended there ends at
Stripe; Stripe owns the money, so what nobody pays for any more ends in Lago. What is owed or was paid beyond that stays
with an admin until it is settled.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from data_sources.billing import attempts as book
from data_sources.billing.attempts import Attempt
from data_sources.billing.audit import END_CARRIED_OVER, END_SET, END_TAKEN_BACK, ENDED_AT_STRIPE
from data_sources.billing.customers import collected_by_lago, moment
from data_sources.billing.lago import Json
from data_sources.billing.money import said
from data_sources.billing.next_card import take_over
from data_sources.billing.paid_invoices import DIFFER, Marks, behind, mark_paid
from data_sources.billing.purchase import Till
from data_sources.billing.stripe_subscriptions import (
    GIVEN_UP,
    NO_END,
    WHILE_HELD,
    Owed,
    PaidInvoice,
    StripeSubscription,
    StripeSubscriptions,
)
from data_sources.result import Kind, Problem, utc_now

log = logging.getLogger(__name__)

TITLE = "The books could not be compared"
_TWICE = (
    "Lago collects this customer's money itself by now, beside Stripe, so that it is charged twice. Take the payment "
    "provider from the customer in Lago, or end the subscription at Stripe."
)
_NO_STRIPE = Problem(Kind.CONFLICT, TITLE, "Stripe is not connected.", code="not_configured")
_ROOM = 400  # letters of a note for what differs
_SETTLED = "What was open is settled."
# A person who sets an end at Stripe means the day.
_SAME_END = timedelta(days=1)
# The two count days otherwise: time zones, short months.
_SAME_PERIOD_END = timedelta(days=3)


def keep(till: Till, attempt: Attempt) -> Problem | None:
    """Compare a purchase with both sides and put right what differs; the problem if that could not be done.

    One that has ended is compared as well: what was still owed for it may be paid, and what was paid given back.
    """
    end, rest = _compare(till, attempt)
    return end or rest


def keep_end(till: Till, attempt: Attempt, *, resumed: bool = False) -> Problem | None:
    """Bring an end that was just set in Lago, or taken back, to Stripe.

    Args:
        till: Where both sides are asked.
        attempt: The running purchase.
        resumed: Whether it was just taken back in Lago, so that an end at Stripe is none that a person set there.

    Returns:
        The problem if Stripe has not confirmed it. Then an admin is told, and it is soon tried again.
    """
    end, _ = _compare(till, attempt, resumed=resumed)
    now = till.attempts.one(attempt.id) if end is not None else None
    if end is not None and now is not None and now.state == book.STARTED and not _has(now, book.UNTOLD):
        till.attempts.move(now, book.STARTED, note=_joined(_untold(end), now.note))
    return end


def settle_running(till: Till, customer_id: str) -> Problem | None:
    """Look whether what Stripe collects for a customer still runs: what has ended on both sides is closed.

    Returns:
        Why that is not known of one of them.
    """
    for one in till.attempts.running(customer_id):
        end, rest = _compare(till, one)
        problem, now = end or rest, till.attempts.one(one.id)
        closed = now is None or now.state != book.STARTED
        if problem is not None and problem.code not in (DIFFER, _NO_STRIPE.code) and not closed:
            return problem
    return None


def _compare(till: Till, attempt: Attempt, *, resumed: bool = False) -> tuple[Problem | None, Problem | None]:
    """See `keep`: why its end could not be made the same on both sides, and what else could not be done."""
    stripe = till.stripe
    if attempt.stripe_subscription_id is None or attempt.state not in (book.STARTED, book.ENDED):
        return None, None
    if stripe is None or stripe.live != attempt.livemode:
        return _NO_STRIPE, None
    at_stripe = StripeSubscriptions(stripe)
    held = at_stripe.read(attempt.stripe_subscription_id)
    if isinstance(held, Problem):
        return held, None
    # Nothing else that is wrong keeps a saved card from being charged, nor the other way round.
    goes_on = attempt.state == book.STARTED and not held.over
    card = take_over(till, attempt.customer_id) if goes_on else None
    row = till.lago.subscription(attempt.subscription_id, "active")
    if isinstance(row, Problem):
        _note_card(till, attempt, card)
        return row, None
    ours = row if row is not None and row.get("lago_id") == attempt.lago_subscription_id else None
    customer = till.lago.customer(attempt.customer_id)
    if isinstance(customer, Problem):
        return customer, None
    payments = at_stripe.paid(held.id)
    marks = (
        Marks(problem=payments)
        if isinstance(payments, Problem)
        else mark_paid(till, at_stripe, attempt, held, ours, payments)
    )
    differ = [_TWICE] if not held.over and customer is not None and collected_by_lago(customer) else []
    seen = _Seen(till, at_stripe, attempt, held, marks, [*differ, *marks.differ], card)
    if attempt.state == book.ENDED:
        return None, seen.close(_SETTLED if attempt.needs_person or attempt.note is None else attempt.note)
    ends = moment(ours.get("ending_at")) if ours is not None else None
    # Stripe's end was set by `_same_end`: Lago goes on until its own, without another charge.
    if held.over and not (held.ran_out and ends is not None and ends > utc_now()):
        return _ended_at_stripe(seen, ours), None
    end = None
    asked = at_stripe.owed(held.id) if held.failing else None
    owed, unknown = (None, asked) if isinstance(asked, Problem) else (asked, None)
    if ours is None:
        gone = _ended_in_lago(seen, row, owed)
        if gone is not False:
            return gone, None
    elif not held.over:
        seen.differ.extend(_other_price(held, ours))
        end = _same_end(seen, ours, None if isinstance(payments, Problem) else payments, resumed=resumed)
    seen.note(owed, end)
    return end, marks.problem or unknown or marks.unread


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a look has found, and how it is noted.

    Attributes:
        till: Where both sides are asked.
        at_stripe: Stripe's subscriptions.
        attempt: The purchase.
        held: Its subscription at Stripe.
        marks: What came of its payments.
        differ: Everything that differs, a sentence each.
        card: Why another card that is saved is not charged yet.
    """

    till: Till
    at_stripe: StripeSubscriptions
    attempt: Attempt
    held: StripeSubscription
    marks: Marks
    differ: list[str]
    card: Problem | None = None

    def close(self, why: str) -> Problem | None:
        """Note that it has ended, once all was compared. What is owed or differs by then stays with the admin.

        Args:
            why: What is noted where nothing is left to be done.
        """
        if self.marks.problem is not None and self.marks.problem.code != DIFFER:
            return self.marks.problem
        owed = self.at_stripe.owed(self.held.id)
        if isinstance(owed, Problem):
            return owed
        debt = None
        if owed is not None:
            by = " Stripe ended it for that." if self.held.ended_unpaid else ""
            debt = (
                f"{book.OWED}{_sum_of(owed)}.{by} The customer sees it with the link to pay it, and what is paid is "
                "noted in Lago by itself. To let it go, void it at Stripe and in Lago."
            )
        elif self.held.ended_unpaid and why != _SETTLED:
            why = "Stripe has ended it, as nobody paid."
        note = _joined(debt, self._unequal()) or why
        if (self.attempt.state, self.attempt.note) != (book.ENDED, note):
            self._log(debt or self._unequal())
            self.till.attempts.move(self.attempt, book.ENDED, note=note)
        return self.marks.unread

    def note(self, owed: Owed | None, end: Problem | None) -> None:
        """Tell an admin what differs or is not paid of a running one.

        A charge that is paid by now is told no more; what differed, only once everything could be compared.
        """
        failing = None
        if self.held.failing:
            failing = f"{book.UNPAID}{_due(self.held, owed)}"
        card = None if self.card is None else _waits(self.card)
        note = _joined(None if end is None else _untold(end), failing, card, self._unequal())
        before = self.attempt.note
        if note == before or (note is None and not (before or "").startswith(book.KEPT_NOTES)):
            return
        self._log(note)
        self.till.attempts.move(self.attempt, book.STARTED, note=note)

    def _unequal(self) -> str | None:
        if self.differ:
            return f"{book.UNEQUAL}{whole(self.differ)}"
        sure = self.marks.problem is None and self.marks.unread is None
        before = self.attempt.note or ""
        return None if sure or book.UNEQUAL not in before else before[before.index(book.UNEQUAL) :]

    def _log(self, note: str | None) -> None:
        if note is not None:
            log.error("attempt %s: %s", self.attempt.id, note)


def _ended_at_stripe(seen: _Seen, ours: Json | None) -> Problem | None:
    """Nobody pays any more. No credit note: nothing is given back here that Stripe has not given back."""
    if ours is not None:
        ended = seen.till.lago.end_unpaid(seen.attempt.subscription_id)
        if isinstance(ended, Problem):
            return ended
    return seen.close("Its subscription at Stripe has ended.")


def _ended_in_lago(seen: _Seen, row: Json | None, owed: Owed | None) -> Problem | Literal[False] | None:
    """Lago says it has ended, so Stripe must not charge again. If Lago says nothing of the kind, a person must look.

    Returns:
        Why it could not be closed, None when it was, False when a person must look.
    """
    gone = seen.till.lago.subscription(seen.attempt.subscription_id, "terminated")
    if isinstance(gone, Problem):
        return gone
    if row is None and gone is not None and gone.get("lago_id") == seen.attempt.lago_subscription_id:
        ended = seen.at_stripe.end(seen.held.id)
        if isinstance(ended, Problem):
            seen.note(owed, ended)
            return ended
        seen.till.attempts.note_step(seen.attempt, ENDED_AT_STRIPE, note="Lago has ended it.")
        return seen.close("Its subscription in Lago has ended.")
    seen.differ.append("Stripe charges for it, and Lago has another plan or none.")
    return False


def _same_end(seen: _Seen, ours: Json, payments: list[PaidInvoice] | None, *, resumed: bool) -> Problem | None:
    """A cancellation for later, or its taking back, is Lago's to say.

    An end that a person has set at Stripe is carried over to Lago instead: nothing is charged against it.
    """
    held, ends = seen.held, moment(ours.get("ending_at"))
    named = NO_END if ends is None else str(int(ends.timestamp()))
    want = None if ends is None else _last_paid(ends.replace(microsecond=0), held, ours, payments)
    if want == held.cancel_at and named == held.lago_end:
        return None
    by_a_person = held.cancel_at is not None and named == held.lago_end and not resumed
    if by_a_person and held.cancel_at is not None and payments is not None:
        theirs = _lagos_end(held.cancel_at, ours, payments)
        if ends is not None and abs(theirs - ends) < _SAME_END:
            return None
        if want is None or held.cancel_at < want:
            return _carry_over(seen, theirs)
    elif by_a_person and want is None:
        return None  # an end that a person set stays until it is known where it lies in Lago
    # Where it is not known what was paid, the end is looked at again once it is.
    changed = seen.at_stripe.end_at(held, want, named if payments is not None or ends is None else WHILE_HELD)
    if isinstance(changed, Problem):
        return changed
    if want != held.cancel_at:
        step = END_TAKEN_BACK if want is None else END_SET
        seen.till.attempts.note_step(seen.attempt, step, note=None if want is None else f"{want:%Y-%m-%d %H:%M} UTC")
    return None


def _carry_over(seen: _Seen, theirs: datetime) -> Problem | None:
    """Have Lago end with an end that a person set at Stripe."""
    got = seen.till.lago.set_ending(seen.attempt.subscription_id, theirs)
    if isinstance(got, Problem):
        return got
    known = seen.at_stripe.end_at(seen.held, seen.held.cancel_at, str(int(theirs.timestamp())))
    note = f"Its end was set at Stripe; Lago ends it then, too: {theirs:%Y-%m-%d}."
    seen.till.attempts.note_step(seen.attempt, END_CARRIED_OVER, note=note)
    return known if isinstance(known, Problem) else None


def _lagos_end(at_stripe: datetime, ours: Json, payments: list[PaidInvoice]) -> datetime:
    """Where an end at Stripe lies in Lago: beside the end of Lago's running period it is that end."""
    at = at_stripe + (behind(ours, payments[0]) if payments else timedelta())
    lagos = moment(ours.get("current_billing_period_ending_at"))
    if lagos is not None and abs(lagos - at) < _SAME_PERIOD_END:
        at = lagos + timedelta(seconds=1)
    return at.replace(microsecond=0)


def _last_paid(ends: datetime, held: StripeSubscription, ours: Json, payments: list[PaidInvoice] | None) -> datetime:
    """When Stripe must end for a plan that ends in Lago at `ends`, so that no period is charged that Lago has none of.

    Lago's periods may begin days after Stripe's: what Lago gives beyond Stripe's last one is a gift. Only an end that
    lies periods ahead, as an admin may set it in Lago, leaves Stripe its renewals until then.
    """
    if held.starts_at is None or held.renews_at is None:
        return ends
    if payments:
        at_stripe = ends - behind(ours, payments[0])
        if at_stripe - held.renews_at >= (held.renews_at - held.starts_at) / 2:
            return at_stripe.replace(microsecond=0)
    return min(ends, held.renews_at)


def _other_price(held: StripeSubscription, ours: Json) -> list[str]:
    """That the next period costs something else in Lago than Stripe will take, while there is time to mend it."""
    lago = ours.get("plan_amount_cents"), str(ours.get("plan_amount_currency")).upper()
    if held.amount_cents is None or not isinstance(lago[0], int) or held.cancel_at is not None:
        return []
    if lago == (held.amount_cents, held.currency):
        return []
    when = "the next period" if held.renews_at is None else f"the period from {held.renews_at:%Y-%m-%d}"
    return [
        f"Lago asks {said(*lago)} for {when}, and Stripe takes {said(held.amount_cents, held.currency)}. Before that "
        f"day change the price of {held.id} at Stripe, or that of the plan in Lago."
    ]


def _note_card(till: Till, attempt: Attempt, card: Problem | None) -> None:
    """Note that a saved card waits, where a Lago that does not answer keeps everything else from being compared."""
    if card is not None and book.NOT_CHARGED not in str(attempt.note):
        till.attempts.move(attempt, book.STARTED, note=_joined(_waits(card), attempt.note))


def _waits(card: Problem) -> str:
    return f"{book.NOT_CHARGED}{card.detail} It is tried again by itself."


def _untold(end: Problem) -> str:
    return f"{book.UNTOLD}{end.title}. {end.detail} It is tried again every minute."


def _due(held: StripeSubscription, owed: Owed | None) -> str:
    what = "Stripe does not tell what is open" if owed is None else _sum_of(owed)
    if held.status == GIVEN_UP:
        return (
            f"{what}. Stripe has given up and does not try again, and the plan goes on. Have the customer pay it, or "
            f"end {held.id} at Stripe; then it ends in Lago, too."
        )
    return f"{what}. Stripe may try again; until it is paid, Lago's invoice stays open and the plan goes on."


def _sum_of(owed: Owed) -> str:
    which = owed.oldest if owed.count == 1 else f"{owed.count} invoices, the oldest {owed.oldest}"
    return f"{said(owed.amount_cents, owed.currency)} ({which})"


def _has(attempt: Attempt, start: str) -> bool:
    return attempt.note is not None and attempt.note.startswith(start)


def whole(sentences: list[str]) -> str:
    """As many sentences as there is room for, and how many more there are: none breaks off."""
    told = sentences[:1]
    for more in sentences[1:]:
        if len(" ".join([*told, more])) > _ROOM:
            return f"{' '.join(told)} And {len(sentences) - len(told)} more, told once this is settled."
        told.append(more)
    return " ".join(told)


def _joined(*parts: str | None) -> str | None:
    return " ".join(part for part in parts if part is not None)[: book.NOTE_ROOM] or None
