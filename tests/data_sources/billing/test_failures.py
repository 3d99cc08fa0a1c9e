"""What goes wrong between two billing systems, a browser and a network: never paid without a plan, nor the reverse."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from data_sources.billing import attempts as book
from data_sources.billing.attempts import Attempt
from data_sources.billing.inbox import Delivery
from data_sources.billing.source import BillingSource
from data_sources.billing.types import Wanted
from data_sources.result import Ready, utc_now
from tests.data_sources.billing.conftest import ANNA, House
from tests.data_sources.billing.steps import SESSION, answered, at_stripe, back, buy, posts, refused, told

LATER = timedelta(seconds=90)


def states(house: House) -> list[str]:
    with house.state.session() as session:
        return list(session.scalars(select(Attempt.state).order_by(Attempt.created_at)))


def stripe_tells(source: BillingSource, session_id: str = SESSION, kind: str = "checkout.session.completed") -> None:
    source.inbox.add(Delivery("stripe", f"evt_{session_id}_{kind}", kind, session_id))


def test_a_webhook_that_comes_long_after_everything_is_done_changes_nothing(house: House) -> None:
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    source.progress(ANNA, purchase)
    house.lago.settle(paid=True)
    source.progress(ANNA, purchase)
    for kind in ("checkout.session.completed", "checkout.session.expired"):
        stripe_tells(source, kind=kind)
    source.inbox.add(Delivery("lago", "key-1", "subscription.incomplete", "org-acme"))
    source.sweeper.look(utc_now() + timedelta(days=3))
    assert states(house) == [book.STARTED]
    assert house.lago.held_by("org-acme") == ["business"]
    assert len(posts(house)) == 1


def test_page_webhook_and_sweep_at_the_same_moment_start_one_subscription(house: House) -> None:
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    stripe_tells(source)
    gate = threading.Barrier(6)

    def at_once(do: Any, *given: Any) -> None:
        gate.wait(10)
        do(*given)

    now = utc_now() + LATER
    work: list[tuple[Any, ...]] = [(source.progress, ANNA, purchase)] * 3 + [(source.sweeper.look, now)] * 3
    threads = [threading.Thread(target=at_once, args=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    source.sweeper.look(now + LATER)
    house.lago.settle(paid=True)
    source.sweeper.look(now + 3 * LATER)
    assert states(house) == [book.STARTED]
    assert len(house.lago.subscriptions) == 1


@pytest.mark.parametrize("collector", ["lago", "stripe"])
def test_a_page_that_stripe_made_behind_a_time_out_is_the_page_of_the_next_click(house: House, collector: Any) -> None:
    house.lago.plan_of("business")["charges"] = []
    house.stripe.fail("slow", "/v1/checkout", times=1, after=True)
    slow = house.source(stripe=house.gateway(timeout_s=0.3), collector=collector)
    assert refused(buy(slow)).code == "timeout"
    source = house.source(stripe=house.gateway(timeout_s=10.0), collector=collector)
    answered(buy(source))
    assert len(house.stripe.sessions) == 1
    assert states(house) == [book.REDIRECTED]


def test_a_page_that_stripe_made_behind_a_time_out_starts_nothing_once_another_plan_was_clicked(house: House) -> None:
    house.stripe.fail("slow", "/v1/checkout", times=1, after=True)
    assert refused(buy(house.source(stripe=house.gateway(timeout_s=0.3)))).code == "timeout"
    source = house.source(stripe=house.gateway(timeout_s=10.0))
    answered(buy(source, "team"))
    assert len(house.stripe.sessions) == 2
    house.stripe.complete("cs_test_00000000")  # nobody was sent there, but its address may have been seen
    stripe_tells(source, "cs_test_00000000")
    source.sweeper.look(utc_now() + LATER)
    assert house.lago.subscriptions == []
    assert states(house) == [book.ABANDONED, book.REDIRECTED]


def test_a_price_that_changed_while_nobody_looked_starts_nothing(house: House) -> None:
    source = at_stripe(house)
    house.stripe.complete(SESSION)
    house.lago.plan_of("business")["amount_cents"] = 12000
    stripe_tells(source)
    source.sweeper.look(utc_now())
    assert states(house) == [book.REFUSED]
    assert posts(house) == []


def test_lago_down_for_hours_after_the_card_was_saved_starts_the_plan_once_when_it_is_back(house: House) -> None:
    source = at_stripe(house)
    assert back(house, source).state == book.CARD_SAVED
    house.lago.fail("502")
    now = utc_now()
    for hour in range(1, 6):
        source.sweeper.look(now + timedelta(hours=hour))
    assert states(house) == [book.CARD_SAVED]
    house.lago.heal()
    source.sweeper.look(now + timedelta(hours=7))
    assert states(house) == [book.WAITING]
    assert len(posts(house)) == 1


@pytest.mark.parametrize(
    ("currency", "cents", "words"),
    [("JPY", 500, "JPY 500 monthly"), ("KWD", 1500, "KWD 1.500 monthly"), ("EUR", 1999, "EUR 19.99 monthly")],
)
def test_every_currency_keeps_its_own_smallest_unit_to_the_end(
    house: House, currency: str, cents: int, words: str
) -> None:
    house.lago.plan_of("business").update({"amount_currency": currency, "amount_cents": cents})
    source = house.source()
    answered(buy(source, shown_amount_cents=cents, shown_currency=currency))
    session = house.stripe.only_session()
    assert words in session["custom_text"]["submit"]["message"]
    assert (session["metadata"]["plan_amount_cents"], session["metadata"]["plan_currency"]) == (str(cents), currency)
    assert told(source.progress(ANNA, back(house, source).attempt_id)).title == "Confirming payment…"


@pytest.mark.parametrize(("currency", "cents"), [("ISK", 1000), ("UGX", 50000), ("KWD", 1505)])
def test_an_amount_that_the_two_systems_count_differently_is_not_sold(house: House, currency: str, cents: int) -> None:
    house.lago.plan_of("business").update({"amount_currency": currency, "amount_cents": cents})
    assert refused(buy(house.source())).code == "not_sold_here"
    assert house.stripe.asked == []


def test_a_purchase_begun_with_a_test_key_never_goes_on_with_a_live_one(house: House) -> None:
    at_stripe(house)
    house.stripe.complete(SESSION)
    house.stripe.key, house.stripe.livemode = "sk_live_ops", True
    live = house.source(stripe=house.gateway("sk_live_ops"), base_url="https://ops.example.com")
    live.sweeper.look(utc_now() + LATER)
    assert states(house) == [book.REDIRECTED]
    assert posts(house) == []
    with house.state.session() as session:
        session.execute(update(Attempt).values(updated_at=utc_now() - timedelta(hours=25)))
    live.sweeper.look(utc_now() + 2 * LATER)
    assert states(house) == [book.ABANDONED]
    assert isinstance(live.checkout(ANNA, Wanted("team")), Ready)
