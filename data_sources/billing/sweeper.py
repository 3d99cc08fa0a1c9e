"""The thread that finishes purchases without anybody looking: it works off the inbox, and sweeps what stays open.

A webhook may never come and a tab may be closed. Whatever is open is therefore looked at again by itself, the less
often the older it is; each look reads what is so from Stripe and Lago, as the buyer's own page does.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from data_sources.billing.attempts import NOT_CHARGED, UNTOLD, Attempt, Attempts
from data_sources.billing.audit import CONSOLE
from data_sources.billing.inbox import Event, Inbox
from data_sources.billing.purchase import SESSION_LIFE
from data_sources.result import Kind, Problem, utc_now
from data_sources.state.store import StateUnavailableError

log = logging.getLogger(__name__)

PAUSE_S = 15.0
CLOSE_S = 5.0
# A purchase whose page is open moves by itself; the sweep leaves it alone for so long.
QUIET = timedelta(seconds=60)
LONGEST_QUIET = timedelta(hours=1)
RUNNING_QUIET = timedelta(hours=6)
# Ended ones are looked at for so long: what was owed may be paid late, and what was paid given back.
ENDED_QUIET = timedelta(hours=24)
ENDED_WATCHED = timedelta(days=60)
# A page for another card works no longer than that; until then what runs is looked at for it often.
CARD_AWAITED = SESSION_LIFE + timedelta(minutes=10)
RUNNING_AT_ONCE = 10
FORGET_EVERY = timedelta(hours=6)

Advance = Callable[[Attempts, Attempt], Problem | None]


class Sweeper:
    """Looks after open purchases.

    Args:
        attempts: Our record of purchases.
        inbox: What the webhooks told.
        advance: Brings one purchase a step further, with whoever caused it in the log; the problem if it failed.
        pause_s: How long it rests when nobody wakes it, in seconds.
    """

    def __init__(self, attempts: Attempts, inbox: Inbox, advance: Advance, *, pause_s: float = PAUSE_S) -> None:
        self._attempts = attempts
        self._inbox = inbox
        self._advance = advance
        self._pause_s = pause_s
        self._woken = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._looked: dict[str, datetime] = {}
        self._forgot_at = datetime.min.replace(tzinfo=UTC)

    def start(self) -> None:
        """Begin; the first look is after a pause, or at the first webhook."""
        self._thread = threading.Thread(target=self._run, name="billing-sweeper", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something new in the inbox."""
        self._woken.set()

    def close(self) -> None:
        """End after the step that is under way; one that hangs is left behind, as a crash would leave it."""
        self._stopped.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join(timeout=CLOSE_S)

    def _run(self) -> None:
        while True:
            self._woken.wait(self._pause_s)
            self._woken.clear()
            if self._stopped.is_set():
                return
            try:
                self.look(utc_now())
            except StateUnavailableError:
                log.warning("sweep: the state database cannot be used; trying again in %.0f s", self._pause_s)
            except Exception:
                log.exception("sweep failed")

    def look(self, now: datetime) -> None:
        """Work off what is due in the inbox, then look at purchases that have been quiet for long enough.

        Args:
            now: The time, UTC.
        """
        for event in self._inbox.due(now):
            if self._stopped.is_set():
                return
            self._work_off(event, now)
        still_open, running = self._attempts.all_open(), self._attempts.running()
        ended = self._attempts.lately_ended(now - ENDED_WATCHED)
        watched = [*still_open, *running, *ended]
        self._looked = {one.id: at for one in watched if (at := self._looked.get(one.id)) is not None}
        self._sweep([one for one in still_open if self._is_due(one, now, LONGEST_QUIET)], now)
        # Running ones where Stripe itself collects: a renewal whose webhook got lost is still to be noted in Lago. Only
        # a few in one look, so that however many there are, a new webhook never waits for them.
        cards = {page.customer_id for page in self._attempts.card_pages(now - CARD_AWAITED)}
        due = [one for one in running if self._is_due(one, now, QUIET if one.customer_id in cards else RUNNING_QUIET)]
        due += [one for one in ended if self._is_due(one, now, RUNNING_QUIET if one.needs_person else ENDED_QUIET)]
        self._sweep(due[:RUNNING_AT_ONCE], now)
        if now - self._forgot_at >= FORGET_EVERY:
            self._inbox.forget(now)
            self._forgot_at = now

    def _is_due(self, attempt: Attempt, now: datetime, longest: timedelta) -> bool:
        return now - self._looked.get(attempt.id, attempt.updated_at) >= _quiet(attempt, now, longest)

    def _sweep(self, attempts: Sequence[Attempt], now: datetime) -> None:
        for attempt in attempts:
            if self._stopped.is_set():
                return
            self._looked[attempt.id] = now
            self._step(attempt)

    def _work_off(self, event: Event, now: datetime) -> None:
        meant = self._meant(event)
        if not meant:
            self._inbox.done(event, "no purchase is open or running for it")
            return
        who = f"{event.source} {event.event_id}"[:300]
        problems = [problem for one in meant if (problem := self._step(one, who)) is not None]
        if problems:
            self._inbox.again(event, problems[0], now)
        else:
            self._inbox.done(event, f"looked at purchase {', '.join(one.id for one in meant)}")

    def _meant(self, event: Event) -> list[Attempt]:
        """The purchases that an event is about: by Stripe's session, subscription or customer, or Lago's customer.

        A page on which another card is saved is about what runs of its customer.
        """
        about = event.subject
        if about is None:
            return []
        if event.source == "stripe":
            one = self._attempts.with_session(about) or self._attempts.with_stripe_subscription(about)
            if one is not None:
                return [one]
            whose = self._attempts.whose_card_page(about)
            return self._attempts.with_stripe_customer(about) if whose is None else self._attempts.running(whose)
        running = self._attempts.running(about)
        first = self._attempts.open_for(about) or (running[0] if running else None)
        return [] if first is None else [first]

    def _step(self, attempt: Attempt, who: str = CONSOLE) -> Problem | None:
        try:
            problem = self._advance(self._attempts.by(who), attempt)
        except StateUnavailableError:
            raise
        except Exception:
            # A bug with one purchase must not keep every other one from being finished.
            log.exception("purchase %s", attempt.id)
            problem = Problem(Kind.INTERNAL, "The console made a mistake", "It is in the log.", code="internal")
        if problem is not None:
            log.info("purchase %s: %s (%s)", attempt.id, problem.title, problem.code)
        return problem


def _quiet(attempt: Attempt, now: datetime, longest: timedelta) -> timedelta:
    """The older a purchase, the less often it is looked at; neither an end that one side lacks waits, nor a card."""
    if attempt.note is not None and (attempt.note.startswith(UNTOLD) or NOT_CHARGED in attempt.note):
        return QUIET
    return min(max(QUIET, (now - attempt.created_at) / 10), longest)
