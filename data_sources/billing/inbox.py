"""The webhook inbox: each event of Stripe and Lago is written down once before it is answered, and worked off later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import String, UniqueConstraint, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from data_sources.result import Problem, utc_now
from data_sources.state.models import Base, UtcDateTime
from data_sources.state.store import State

FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(hours=1)
# With the pauses above these are about twelve hours. What is still open then is found by the sweep, or by an admin.
MOST_TRIES = 20
KEPT_FOR = timedelta(days=90)
AT_ONCE = 100
# No row has a larger one; a database fails at a number that does not fit its column.
LARGEST_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook whose signature is right, as much of it as we use: it only says what to read again.

    Attributes:
        source: stripe or lago.
        event_id: The sender's own id of the event, the same when it is sent again.
        kind: Such as `checkout.session.completed`.
        subject: Stripe's checkout session, subscription or customer, or Lago's external customer id; None when it names
            none of them.
    """

    source: str
    event_id: str
    kind: str
    subject: str | None


class Event(Base):
    """One delivery. Without `next_try_at` nothing more is done about it; `done_at` tells whether that went well."""

    __tablename__ = "webhook_inbox"
    __table_args__ = (UniqueConstraint("source", "event_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(String(16))
    event_id: Mapped[str] = mapped_column(String(300))
    kind: Mapped[str] = mapped_column(String(100))
    subject: Mapped[str | None] = mapped_column(String(300))
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    tries: Mapped[int]
    next_try_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    note: Mapped[str | None] = mapped_column(String(500))


class Inbox:
    """The table as a store. Each method raises `StateUnavailableError` when the state database cannot be used."""

    def __init__(self, state: State) -> None:
        self._state = state

    def add(self, delivery: Delivery) -> bool:
        """Write a delivery down; it is committed when this returns.

        Returns:
            False when the same event is there already.
        """
        now = utc_now()
        made = Event(
            source=delivery.source,
            event_id=delivery.event_id,
            kind=delivery.kind[:100],
            subject=delivery.subject,
            received_at=now,
            tries=0,
            next_try_at=now,
        )
        try:
            with self._state.session() as session:
                session.add(made)
        except IntegrityError:
            return False
        return True

    def due(self, now: datetime) -> list[Event]:
        """The oldest events that are to be worked off now."""
        with self._state.session() as session:
            wanted = select(Event).where(Event.next_try_at <= now).order_by(Event.id).limit(AT_ONCE)
            return list(session.scalars(wanted))

    def done(self, event: Event, note: str) -> None:
        """Nothing more is to be done for this event."""
        self._set(event, done_at=utc_now(), next_try_at=None, note=note[:500])

    def again(self, event: Event, problem: Problem, now: datetime) -> None:
        """It did not work; try it again after a pause that doubles, and not for ever."""
        tries = event.tries + 1
        pause = min(FIRST_PAUSE * 2 ** min(tries - 1, 12), LONGEST_PAUSE)
        note = f"{problem.title}. {problem.detail}"[:500]
        self._set(event, tries=tries, next_try_at=None if tries >= MOST_TRIES else now + pause, note=note)

    def retry(self, event_id: int) -> bool:
        """Have an event worked off again from its first try on; False when there is none."""
        if not 0 < event_id <= LARGEST_ID:
            return False
        with self._state.session() as session:
            event = session.get(Event, event_id)
            if event is None:
                return False
            event.tries, event.next_try_at, event.done_at = 0, utc_now(), None
        return True

    def newest(self) -> dict[str, datetime]:
        """When the last event of each source came in."""
        with self._state.session() as session:
            rows = session.execute(select(Event.source, func.max(Event.received_at)).group_by(Event.source))
            return {row[0]: row[1] for row in rows}

    def latest(self, limit: int) -> list[Event]:
        """The newest events."""
        with self._state.session() as session:
            return list(session.scalars(select(Event).order_by(Event.id.desc()).limit(limit)))

    def forget(self, now: datetime) -> None:
        """Delete what is long done."""
        with self._state.session() as session:
            session.execute(delete(Event).where(Event.received_at < now - KEPT_FOR, Event.next_try_at.is_(None)))

    def _set(self, event: Event, **values: object) -> None:
        with self._state.session() as session:
            session.execute(update(Event).where(Event.id == event.id).values(**values))
