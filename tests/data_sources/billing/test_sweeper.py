"""Purchases that nobody looks at are finished all the same: by a webhook, by the sweep, after any failure between."""

from __future__ import annotations

import itertools
import random
import threading
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from data_sources.billing import attempts as book
from data_sources.billing.attempts import Attempt, Attempts
from data_sources.billing.inbox import MOST_TRIES, Delivery, Event
from data_sources.billing.source import BillingSource
from data_sources.billing.types import Buyer, Wanted
from data_sources.result import Problem, Ready, utc_now
from data_sources.state.store import State
from tests.data_sources.billing.conftest import ANNA, BEN, House
from tests.data_sources.billing.steps import SESSION, at_stripe, back, posts

LATER = timedelta(seconds=90)


def state_of(house: House) -> str:
    with house.state.session() as session:
        return session.scalars(select(Attempt.state)).one()


def event(house: House) -> Event:
    with house.state.session() as session:
        return session.scalars(select(Event)).one()


def stripe_tells(source: BillingSource, event_id: str = "evt_1", session_id: str = SESSION) -> bool:
    return source.inbox.add(Delivery("stripe", event_id, "checkout.session.completed", session_id))


def lago_tells(source: BillingSource, event_id: str = "key-1", customer: str = "org-acme") -> bool:
    return source.inbox.add(Delivery("lago", event_id, "subscription.started", customer))


def test_a_closed_tab_is_made_good_by_the_webhooks(house: House) -> None:
    source = at_stripe(house)
    house.stripe.complete(SESSION)
    stripe_tells(source)
    source.sweeper.look(utc_now())
    assert state_of(house) == book.WAITING
    house.lago.settle(paid=True)
    lago_tells(source)
    source.sweeper.look(utc_now())
    assert state_of(house) == book.STARTED
    assert len(posts(house)) == 1


def test_a_webhook_that_never_comes_is_made_good_by_the_sweep(house: House) -> None:
    source = at_stripe(house)
    house.stripe.complete(SESSION)
    source.sweeper.look(utc_now())
    assert state_of(house) == book.REDIRECTED  # its page may be open: left alone at first
    now = utc_now() + LATER
    source.sweeper.look(now)
    assert state_of(house) == book.WAITING
    house.lago.settle(paid=True)
    source.sweeper.look(now + LATER)
    assert state_of(house) == book.STARTED


def test_the_thread_itself_finishes_a_purchase_when_it_is_woken(house: House) -> None:
    source = at_stripe(house)
    house.stripe.complete(SESSION)
    asked = threading.Event()
    post = house.lago._post_subscriptions

    def seen(given: object) -> object:
        asked.set()
        return post(given)

    house.lago._post_subscriptions = seen
    source.start()
    stripe_tells(source)
    source.sweeper.wake()
    assert asked.wait(10)
    source.close()
    assert state_of(house) == book.WAITING


def test_what_could_not_be_found_out_is_tried_again_after_longer_and_longer_pauses(house: House) -> None:
    source = at_stripe(house)
    house.stripe.complete(SESSION)
    stripe_tells(source)
    house.lago.fail("500", "/api/v1/customers")
    now = utc_now()
    pauses = []
    for _ in range(4):
        source.sweeper.look(now)
        due = event(house).next_try_at
        assert due is not None
        pauses.append(due - now)
        now = due
    assert pauses == [timedelta(seconds=each) for each in (10, 20, 40, 80)]
    assert "Cards on file could not be read" in str(event(house).note)
    house.lago.heal()
    source.sweeper.look(now)
    assert event(house).done_at is not None
    assert state_of(house) == book.WAITING


def test_an_event_that_never_works_is_given_up_and_says_why(house: House) -> None:
    source = at_stripe(house)
    house.stripe.complete(SESSION)
    stripe_tells(source)
    house.stripe.key = "another key"
    now = utc_now()
    for _ in range(MOST_TRIES):
        source.sweeper._work_off(event(house), now)
    given_up = event(house)
    assert (given_up.tries, given_up.next_try_at, given_up.done_at) == (MOST_TRIES, None, None)
    assert "Stripe refused our key" in str(given_up.note)
    assert source.inbox.due(now + timedelta(days=9)) == []


def test_a_bug_with_one_purchase_does_not_keep_the_others_from_being_finished(house: House) -> None:
    source = at_stripe(house)
    other = Buyer("link:eve", "org-other", "other", None)
    assert isinstance(source.checkout(other, Wanted("business")), Ready)
    for session_id in list(house.stripe.sessions):
        house.stripe.complete(session_id)
        stripe_tells(source, f"evt_{session_id}", session_id)
    real = source.sweeper._advance

    def stumbles(attempts: Attempts, attempt: Attempt) -> Problem | None:
        if attempt.customer_id == "org-acme":
            raise KeyError("a bug")
        return real(attempts, attempt)

    source.sweeper._advance = stumbles
    source.sweeper.look(utc_now())
    assert house.lago.held_by("org-other", "incomplete") == ["business"]
    assert house.lago.held_by("org-acme", "incomplete") == []
    (waiting,) = source.inbox.due(utc_now() + timedelta(minutes=1))
    assert waiting.note == "The console made a mistake. It is in the log."


def test_an_event_about_nothing_of_ours_is_done_at_once_and_asks_nobody(house: House) -> None:
    source = at_stripe(house)
    before = len(house.lago.asked), len(house.stripe.asked)
    stripe_tells(source, session_id="cs_test_of_another_shop")
    lago_tells(source, customer="org-other")
    source.inbox.add(Delivery("lago", "key-9", "invoice.created", None))
    source.sweeper.look(utc_now())
    assert (len(house.lago.asked), len(house.stripe.asked)) == before
    assert source.inbox.due(utc_now() + timedelta(days=1)) == []


def test_the_older_a_purchase_the_less_often_it_is_looked_at(house: House) -> None:
    source = at_stripe(house)
    began, looks = utc_now(), []
    path = f"/v1/checkout/sessions/{SESSION}"
    now = began
    while now < began + timedelta(hours=12):
        before = len(house.stripe.requests("GET", path))
        source.sweeper.look(now)
        if len(house.stripe.requests("GET", path)) > before:
            looks.append(now - began)
        now += timedelta(seconds=60)
    gaps = [later - earlier for earlier, later in itertools.pairwise(looks)]
    assert gaps == sorted(gaps)
    assert gaps[0] == timedelta(seconds=60)
    assert len(looks) < 60


def test_a_checkout_that_expired_frees_the_place(house: House) -> None:
    source = at_stripe(house)
    house.stripe.sessions[SESSION] |= {"status": "expired", "url": None}
    source.sweeper.look(utc_now() + LATER)
    assert state_of(house) == book.ABANDONED


@pytest.mark.parametrize(
    ("state", "column", "age"),
    [
        (book.OPENED, "updated_at", timedelta(hours=2)),
        (book.CARD_SAVED, "card_saved_at", timedelta(hours=25)),
        (book.WAITING, "updated_at", timedelta(hours=26)),
    ],
)
def test_what_nobody_expects_any_more_is_given_up_and_starts_nothing(
    house: House, state: str, column: str, age: timedelta
) -> None:
    source = at_stripe(house)
    back(house, source)
    values = {"state": state, "updated_at": utc_now() - timedelta(hours=2)} | {column: utc_now() - age}
    with house.state.session() as session:
        session.execute(update(Attempt).values(**values))
    source.sweeper.look(utc_now())
    assert state_of(house) == book.ABANDONED
    assert posts(house) == []
    assert isinstance(source.checkout(BEN, Wanted("team")), Ready)


def test_old_events_are_forgotten_but_never_what_is_still_to_be_done(house: House) -> None:
    source = house.source()
    lago_tells(source)
    source.sweeper.look(utc_now())
    lago_tells(source, "key-2")
    with house.state.session() as session:
        session.execute(update(Event).values(received_at=utc_now() - timedelta(days=91)))
    source.inbox.forget(utc_now())
    assert [one.event_id for one in source.inbox.due(utc_now())] == ["key-2"]


def test_a_state_database_that_fails_does_not_end_the_thread(house: House) -> None:
    source = house.source(state=State("sqlite:////nowhere/at/all/state.db"))
    source.start()
    source.sweeper.wake()
    assert source.sweeper._thread is not None
    source.sweeper._thread.join(timeout=0.3)
    assert source.sweeper._thread.is_alive()
    source.close()
    assert not source.sweeper._thread.is_alive()


def test_shuffled_and_repeated_webhooks_leave_exactly_the_right_subscriptions(house: House) -> None:
    source = house.source()
    chance = random.Random(4)
    buyers = [Buyer(f"link:{n}", f"org-{n}", f"{n}", None) for n in range(8)]
    told: list[tuple[str, str, str]] = []
    for number, buyer in enumerate(buyers):
        assert isinstance(source.checkout(buyer, Wanted("business")), Ready)
        session_id = f"cs_test_{number:08d}"
        if number % 4 != 3:  # every fourth never saves a card
            house.stripe.complete(session_id)
        told += [("stripe", f"evt_{number}_{kind}", session_id) for kind in ("completed", "expired")]
        told += [("lago", f"key_{number}_{kind}", buyer.customer_id) for kind in range(6)]
    deliveries = told * 3
    chance.shuffle(deliveries)
    now: datetime = utc_now()
    for place, (sender, event_id, subject) in enumerate(deliveries):
        source.inbox.add(Delivery(sender, event_id, "some.event", subject))
        if place % 7 == 0:
            source.sweeper.look(now)
        if place % 50 == 0:
            house.lago.settle(paid=True)
    for step in range(1, 4):
        source.sweeper.look(now + step * LATER)
        house.lago.settle(paid=True)
    held = {buyer.customer_id: house.lago.held_by(buyer.customer_id) for buyer in buyers}
    assert held == {f"org-{n}": [] if n % 4 == 3 else ["business"] for n in range(8)}
    assert len(house.lago.subscriptions) == 6
    assert ANNA.customer_id not in held
