"""Purchases that are under way: our only own record of a sale. At most one is open for a customer at a time."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, String, case, func, null, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from data_sources.billing.audit import CARD_ENDS, CARD_PAGE, CARD_REFUSED, CARD_TAKEN, CONSOLE, AuditEntry
from data_sources.billing.types import Buyer, Plan, Subscription
from data_sources.result import utc_now
from data_sources.state.models import Base, UtcDateTime
from data_sources.state.store import State

# The states of OPEN_STATES hold the customer's only place.
OPENED = "opened"  # the row is there, Stripe has not been asked yet
REDIRECTED = "redirected"  # the reader was sent to Stripe's page
CARD_SAVED = "card_saved"  # Stripe has the card, Lago has not been asked yet
PAID = "paid"  # Stripe itself has taken the payment, Lago has not been asked yet
HELD = "held"  # paid at Stripe, and Lago cannot start what was paid for: a person must look, nothing new may be sold
STARTING = "starting"  # Lago is being asked; its answer may have been lost
WAITING = "waiting"  # Lago holds the subscription back until its payment succeeds
STARTED = "started"  # Lago says active
SCHEDULED = "scheduled"  # Lago starts it at the end of the period
REFUSED = "refused"  # it will not start, and the reader was told why
NOTED = "noted"  # in the log: what stands beside a purchase changed, and not its state
ABANDONED = "abandoned"  # given up before a card was saved
UNDONE = "undone"  # Lago started it without waiting for a payment, and it was stopped again
STUCK = "stuck"  # it could not be stopped again: a person must look
ENDED = "ended"  # it had started, and what Stripe collected for it has ended
OPEN_STATES = frozenset({OPENED, REDIRECTED, CARD_SAVED, PAID, HELD, STARTING, WAITING})
NEEDS_PERSON = frozenset({HELD, STUCK})

# Note on a redirected purchase whose page is finished while Stripe still checks the card.
CONFIRMING = "card is being confirmed"
# The same where Stripe collects: its page is finished and the payment takes days.
PAYING = "payment is being confirmed"
# How the note of a purchase begins that Lago started otherwise than it was chosen.
OTHERWISE = "Lago took it "
# Note on a held purchase whose subscription at Stripe has ended by itself, with the period that was paid for.
RAN_OUT = "The time that was paid for has passed before it could start."
# The same where somebody has ended it there.
OVER = "It was ended at Stripe before it could start, and the payment was not given back."
# How the note of a running purchase begins whose payments at Stripe and invoices in Lago do not agree.
UNEQUAL = "The books differ: "
# In such a note: a payment that nothing was given for.
GIVE_BACK = "Lago has no invoice for it. Give it back at Stripe."
# The same: a payment whose invoice in Lago is another sum.
OTHER_SUM = "Once the rest is settled"
# How the note of a running purchase begins a charge for which at Stripe has failed; other differences may follow.
UNPAID = "A charge failed: "
# How the note of an ended purchase begins for which something is still owed; likewise.
OWED = "It ended and is not paid: "
# How the note of a running purchase begins whose end at one side the other side does not have yet; likewise.
UNTOLD = "Its end is not the same in Lago and at Stripe: "
# How the note of a running purchase begins for which another card is saved that Stripe does not charge yet; likewise.
NOT_CHARGED = "Another card is saved and not charged yet: "
# Those of a running purchase, which each look at the books writes anew.
KEPT_NOTES = (UNEQUAL, UNPAID, UNTOLD, NOT_CHARGED)
PERSON_NOTES = (OTHERWISE, UNEQUAL, UNPAID, OWED, UNTOLD, NOT_CHARGED)
# How the note of an open purchase begins that could not be brought further when it was last looked at.
STALLED = "Could not go on: "
# Note on a purchase that was given up as its card never came to Lago.
NEVER_TAKEN = "Lago never took the card over"
# Note on a refused purchase whose card did not take the charge.
PAYMENT_FAILED = "The payment failed."
# In the log, of a purchase that is paid with a card of before: nobody has saved one for it.
WITH_CARD = "opened with card on file"
# A card that Lago has not taken over by then will hardly be: its buyer may begin anew.
CARD_PATIENCE = timedelta(minutes=60)
# Until then it is started by itself once Lago has the card; later nobody expects it any more.
CARD_GIVEN_UP = timedelta(hours=24)

# Letters of a note: room for everything that can be wrong of a running purchase at once, in whole sentences.
NOTE_ROOM = 2000
UPGRADE, DOWNGRADE = "upgrade", "downgrade"


class Attempt(Base):
    """One purchase."""

    __tablename__ = "checkout_attempts"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    customer_id: Mapped[str] = mapped_column(String(300), index=True)
    # The customer while the purchase is open, NULL afterwards: unique, so every database allows one open purchase only.
    open_customer: Mapped[str | None] = mapped_column(String(300), unique=True)
    principal_id: Mapped[str] = mapped_column(String(300), index=True)
    plan_code: Mapped[str] = mapped_column(String(300))
    plan_name: Mapped[str] = mapped_column(String(300))
    amount_cents: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    # `Plan.terms` as it was chosen; NULL in purchases older than the column, which are refused for it.
    terms: Mapped[str | None] = mapped_column(String(64))
    collector: Mapped[str] = mapped_column(String(16))
    # Of a change: which way Lago goes, and Lago's id of the subscription that was agreed to be replaced.
    change: Mapped[str | None] = mapped_column(String(16))
    replaces: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    provider_customer_id: Mapped[str | None] = mapped_column(String(300))
    session_id: Mapped[str | None] = mapped_column(String(300), unique=True)
    # Whether real money is meant; NULL in purchases older than the column.
    livemode: Mapped[bool | None]
    stripe_subscription_id: Mapped[str | None] = mapped_column(String(300), index=True)
    session_expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    payment_method: Mapped[str | None] = mapped_column(String(300))
    card_saved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    subscription_id: Mapped[str] = mapped_column(String(300))
    lago_subscription_id: Mapped[str | None] = mapped_column(String(64))
    note: Mapped[str | None] = mapped_column(String(NOTE_ROOM))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @property
    def needs_person(self) -> bool:
        """Whether nothing here can put it right."""
        note = self.note if self.note is not None else ""
        return self.state in NEEDS_PERSON or note.startswith(PERSON_NOTES)

    @property
    def card_age(self) -> timedelta:
        """For how long the card has been saved; looking at it again and again does not make it younger."""
        return utc_now() - (self.card_saved_at if self.card_saved_at is not None else self.updated_at)


class Attempts:
    """The table as a store. Each method raises `StateUnavailableError` when the state database cannot be used."""

    def __init__(self, state: State, who: str = CONSOLE) -> None:
        self._state = state
        self._who = who

    def by(self, who: str) -> Attempts:
        """The same table, with this person in the audit log."""
        return Attempts(self._state, who)

    def open(
        self,
        buyer: Buyer,
        plan: Plan,
        *,
        collector: str,
        subscription_id: str,
        state: str,
        action: str | None = None,
        **facts: object,
    ) -> Attempt | None:
        """Begin a purchase.

        Args:
            buyer: Who buys.
            plan: What is bought.
            collector: Who collects the money.
            subscription_id: Our id of the subscription that it becomes.
            state: Its first state.
            action: How the log calls this step, where its state would say something else.
            **facts: Other columns: what it changes, the card it is paid with.

        Returns:
            The purchase, or None when another one is open for this customer.
        """
        now = utc_now()
        if plan.amount_cents is None or plan.currency is None:
            raise ValueError("a plan without a price cannot be bought")
        made = Attempt(
            id=secrets.token_hex(16),
            customer_id=buyer.customer_id,
            open_customer=buyer.customer_id,
            principal_id=buyer.principal_id,
            plan_code=plan.code,
            plan_name=plan.name[:300],
            amount_cents=plan.amount_cents,
            currency=plan.currency,
            terms=plan.terms,
            collector=collector,
            state=state,
            subscription_id=subscription_id,
            created_at=now,
            updated_at=now,
            **facts,
        )
        try:
            with self._state.session() as session:
                session.add(made)
                session.add(self._entry(made, action or state))
        except IntegrityError:
            return None
        return made

    def of(self, buyer: Buyer, attempt_id: str) -> Attempt | None:
        """The purchase with this id, if this very person made it, for this very customer or as one who chooses."""
        return self._one(Attempt.id == attempt_id, buyer)

    def of_session(self, buyer: Buyer, session_id: str) -> Attempt | None:
        """The purchase that opened this checkout session, found like `of`."""
        return self._one(Attempt.session_id == session_id, buyer)

    def open_for(self, customer_id: str) -> Attempt | None:
        """The customer's open purchase, whoever made it."""
        with self._state.session() as session:
            return session.scalars(select(Attempt).where(Attempt.open_customer == customer_id)).one_or_none()

    def with_session(self, session_id: str) -> Attempt | None:
        """The purchase that opened this checkout session, whoever made it: for what is done without a reader."""
        with self._state.session() as session:
            return session.scalars(select(Attempt).where(Attempt.session_id == session_id)).one_or_none()

    def newest(self, customer_id: str) -> Attempt | None:
        """The customer's newest purchase that came to something, whoever made it; what was merely opened is none."""
        merely = Attempt.state.in_((OPENED, REDIRECTED, ABANDONED))
        with self._state.session() as session:
            wanted = (Attempt.customer_id == customer_id) & (~merely | (Attempt.note == NEVER_TAKEN))
            newest = select(Attempt).where(wanted).order_by(Attempt.created_at.desc()).limit(1)
            return session.scalars(newest).one_or_none()

    def was_noted(self, attempt: Attempt, action: str) -> bool:
        """Whether the log has this step of a purchase."""
        with self._state.session() as session:
            wanted = (AuditEntry.attempt_id == attempt.id) & (AuditEntry.action == action)
            return session.scalars(select(AuditEntry.id).where(wanted).limit(1)).one_or_none() is not None

    def all_open(self) -> list[Attempt]:
        """Every open purchase, the oldest first."""
        with self._state.session() as session:
            wanted = select(Attempt).where(Attempt.open_customer.is_not(None)).order_by(Attempt.created_at)
            return list(session.scalars(wanted))

    def ever_started(self, customer_id: str) -> bool:
        """Whether a plan of this customer was ever started here."""
        with self._state.session() as session:
            wanted = (Attempt.customer_id == customer_id) & Attempt.state.in_((STARTED, ENDED))
            return session.scalars(select(Attempt.id).where(wanted).limit(1)).one_or_none() is not None

    def running(self, customer_id: str | None = None) -> list[Attempt]:
        """Started purchases that Stripe itself collects for, of all customers or of one."""
        with self._state.session() as session:
            wanted = (Attempt.state == STARTED) & Attempt.stripe_subscription_id.is_not(None)
            if customer_id is not None:
                wanted &= Attempt.customer_id == customer_id
            return list(session.scalars(select(Attempt).where(wanted).order_by(Attempt.created_at)))

    def lately_ended(self, since: datetime) -> list[Attempt]:
        """Ended purchases that Stripe itself collected for, with something open or ended since then."""
        with self._state.session() as session:
            wanted = (Attempt.state == ENDED) & Attempt.stripe_subscription_id.is_not(None)
            wanted &= _for_a_person() | (Attempt.updated_at >= since)
            return list(session.scalars(select(Attempt).where(wanted).order_by(Attempt.created_at)))

    def unpaid(self, customer_id: str) -> list[Attempt]:
        """The customer's purchases with a charge open or a payment that fits no invoice, as last seen; oldest first."""
        with self._state.session() as session:
            wanted = (Attempt.customer_id == customer_id) & Attempt.stripe_subscription_id.is_not(None)
            wanted &= or_(*(Attempt.note.contains(words) for words in (UNPAID, OWED, GIVE_BACK, OTHER_SUM)))
            return list(session.scalars(select(Attempt).where(wanted).order_by(Attempt.created_at)))

    def with_stripe_customer(self, provider_customer_id: str) -> list[Attempt]:
        """Purchases that this customer at Stripe pays or has paid for where Stripe itself collects."""
        with self._state.session() as session:
            wanted = Attempt.stripe_subscription_id.is_not(None) & Attempt.state.in_((HELD, STARTED, ENDED))
            wanted &= Attempt.provider_customer_id == provider_customer_id
            return list(session.scalars(select(Attempt).where(wanted).order_by(Attempt.created_at)))

    def with_stripe_subscription(self, subscription_id: str) -> Attempt | None:
        """The purchase that this subscription at Stripe pays for."""
        with self._state.session() as session:
            wanted = select(Attempt).where(Attempt.stripe_subscription_id == subscription_id)
            return session.scalars(wanted.order_by(Attempt.created_at.desc()).limit(1)).one_or_none()

    def payer(self, customer_id: str, *, live: bool) -> str | None:
        """Stripe's customer of an earlier purchase that Stripe itself collected for."""
        with self._state.session() as session:
            wanted = (
                (Attempt.customer_id == customer_id)
                & Attempt.stripe_subscription_id.is_not(None)
                & Attempt.livemode.is_(live)
            )
            newest = select(Attempt.provider_customer_id).where(wanted).order_by(Attempt.created_at.desc()).limit(1)
            return session.scalars(newest).one_or_none()

    def recent(self, principal_id: str, *, within: timedelta) -> int:
        """How many purchases this person has begun lately."""
        with self._state.session() as session:
            since = utc_now() - within
            wanted = (Attempt.principal_id == principal_id) & (Attempt.created_at >= since)
            return session.execute(select(func.count()).select_from(Attempt).where(wanted)).scalar_one()

    def move(
        self, attempt: Attempt, to: str, *, seen: Iterable[str] | None = None, **facts: str | bool | datetime | None
    ) -> Attempt | None:
        """Bring a purchase into its next state, only if nobody else has moved it meanwhile.

        Args:
            attempt: As it was read.
            to: The next state.
            seen: States from which this is allowed; the read one when not given.
            **facts: Columns to set along.

        Returns:
            The purchase as it is now, or None when somebody else was faster.
        """
        allowed = tuple(seen) if seen is not None else (attempt.state,)
        values: dict[str, Any] = {
            **facts,
            "state": to,
            "open_customer": attempt.customer_id if to in OPEN_STATES else None,
            "updated_at": utc_now(),
        }
        if "note" not in facts:
            # What kept it from going on is over; any other note stays.
            values["note"] = case((Attempt.note.startswith(STALLED), null()), else_=Attempt.note)
        same = (Attempt.id == attempt.id) & Attempt.state.in_(allowed) & (Attempt.updated_at == attempt.updated_at)
        with self._state.session() as session:
            moved = session.execute(update(Attempt).where(same).values(**values))
            if moved.rowcount != 1:  # type: ignore[attr-defined]
                return None
            now = session.get_one(Attempt, attempt.id)
            session.add(self._entry(now, to if to != attempt.state else NOTED))
            return now

    def note_stall(self, attempt: Attempt, why: str | None) -> None:
        """Note why an open purchase could not be brought further, or (None) that nothing keeps it any more.

        Another note is left as it is, and so is the time of the last step: this is none.
        """
        values = {"note": None if why is None else f"{STALLED}{why}"[:500]}
        wanted = (
            (Attempt.id == attempt.id)
            & Attempt.open_customer.is_not(None)
            & (Attempt.state != OPENED)
            & or_(Attempt.note.is_(None), Attempt.note.startswith(STALLED))
        )
        with self._state.session() as session:
            session.execute(update(Attempt).where(wanted).values(**values))

    def one(self, attempt_id: str) -> Attempt | None:
        """The purchase with this id, whoever made it."""
        with self._state.session() as session:
            return session.get(Attempt, attempt_id)

    def unsettled(self, limit: int) -> list[Attempt]:
        """What is open, failed, or started otherwise than chosen; what needs a person comes first."""
        person = Attempt.state.in_(NEEDS_PERSON) | _for_a_person()
        order = case((person, 0), (Attempt.open_customer.is_not(None), 1), else_=2)
        with self._state.session() as session:
            wanted = select(Attempt).where(Attempt.state.not_in((STARTED, SCHEDULED, ENDED)) | person)
            return list(session.scalars(wanted.order_by(order, Attempt.updated_at.desc()).limit(limit)))

    def log(self, limit: int) -> list[AuditEntry]:
        """The newest lines of the audit log."""
        with self._state.session() as session:
            return list(session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)))

    def note_step(self, attempt: Attempt, action: str, **facts: str | int | None) -> None:
        """Write down that something was done that changes no state.

        Args:
            attempt: The purchase.
            action: What.
            **facts: Columns of the log that are not the purchase's own: a note, a sum, the ids of invoices.
        """
        with self._state.session() as session:
            entry = self._entry(attempt, action)
            for name, value in facts.items():
                setattr(entry, name, value)
            session.add(entry)

    def note_action(
        self,
        customer_id: str,
        action: str,
        one: Subscription | None = None,
        *,
        session_id: str | None = None,
        note: str | None = None,
        plan_code: str | None = None,
    ) -> None:
        """Write down what somebody does that is no purchase: with a subscription, with the card, or in vain."""
        entry = AuditEntry(
            at=utc_now(),
            who=self._who,
            action=action,
            customer_id=customer_id,
            plan_code=one.plan_code if one is not None else plan_code,
            amount_cents=one.amount_cents if one is not None else None,
            currency=one.currency if one is not None else None,
            session_id=session_id,
            subscription_id=one.external_id if one is not None else None,
            lago_subscription_id=one.lago_id if one is not None else None,
            note=note,
        )
        with self._state.session() as session:
            session.add(entry)

    def recent_actions(self, action: str, *, within: timedelta) -> int:
        """How often this person has done this lately."""
        with self._state.session() as session:
            wanted = (
                (AuditEntry.who == self._who) & (AuditEntry.action == action) & (AuditEntry.at >= utc_now() - within)
            )
            return session.execute(select(func.count()).select_from(AuditEntry).where(wanted)).scalar_one()

    def card_pages(self, since: datetime, *, customer_id: str | None = None) -> list[AuditEntry]:
        """Pages for another card that were opened since then and have not come to an end, the oldest first.

        Args:
            since: The oldest that counts.
            customer_id: Whose; None for everybody's.
        """
        wanted = AuditEntry.action.in_((CARD_PAGE, *CARD_ENDS)) & (AuditEntry.at >= since)
        if customer_id is not None:
            wanted &= AuditEntry.customer_id == customer_id
        with self._state.session() as session:
            rows = list(session.scalars(select(AuditEntry).where(wanted).order_by(AuditEntry.id)))
        taken = {row.session_id for row in rows if row.action == CARD_TAKEN}
        ended = {row.session_id for row in rows if row.action in CARD_ENDS}
        pages = [row for row in rows if row.action == CARD_PAGE]
        # The later choice holds: what was opened before the page whose card was taken counts no more.
        newest = {row.customer_id: row.id for row in pages if row.session_id in taken}
        return [row for row in pages if row.id > newest.get(row.customer_id, 0) and row.session_id not in ended]

    def last_card_step(self, customer_id: str) -> str | None:
        """Whether the last card that this customer saved for Stripe was taken or refused; None before the first."""
        wanted = AuditEntry.action.in_((CARD_TAKEN, CARD_REFUSED)) & (AuditEntry.customer_id == customer_id)
        with self._state.session() as session:
            newest = select(AuditEntry.action).where(wanted).order_by(AuditEntry.id.desc()).limit(1)
            return session.scalars(newest).one_or_none()

    def card_was(self, session_id: str, action: str) -> bool:
        """Whether this is noted of a page for another card."""
        wanted = (AuditEntry.session_id == session_id) & (AuditEntry.action == action)
        with self._state.session() as session:
            return session.scalars(select(AuditEntry.id).where(wanted).limit(1)).one_or_none() is not None

    def whose_card_page(self, session_id: str) -> str | None:
        """The customer for whom this page for another card was opened, by Lago's external id."""
        wanted = (AuditEntry.action == CARD_PAGE) & (AuditEntry.session_id == session_id)
        with self._state.session() as session:
            return session.scalars(select(AuditEntry.customer_id).where(wanted).limit(1)).one_or_none()

    def _entry(self, attempt: Attempt, action: str) -> AuditEntry:
        return AuditEntry(
            at=utc_now(),
            who=self._who,
            action=action,
            attempt_id=attempt.id,
            customer_id=attempt.customer_id,
            plan_code=attempt.plan_code,
            amount_cents=attempt.amount_cents,
            currency=attempt.currency,
            session_id=attempt.session_id,
            subscription_id=attempt.subscription_id,
            lago_subscription_id=attempt.lago_subscription_id,
            stripe_subscription_id=attempt.stripe_subscription_id,
            stripe_customer_id=attempt.provider_customer_id,
            note=attempt.note,
        )

    def _one(self, wanted: object, buyer: Buyer) -> Attempt | None:
        with self._state.session() as session:
            own = Attempt.principal_id == buyer.principal_id
            if not buyer.chooses:
                own &= Attempt.customer_id == buyer.customer_id
            return session.scalars(select(Attempt).where(wanted, own)).one_or_none()  # type: ignore[arg-type]


def _for_a_person() -> ColumnElement[bool]:
    return or_(*(Attempt.note.startswith(start) for start in PERSON_NOTES))
