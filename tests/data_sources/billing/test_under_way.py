"""A purchase that is not settled, as the buttons of the page know it, and giving it up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from data_sources.billing import attempts as book
from data_sources.billing.source import BillingSource
from data_sources.billing.stripe_checkout import CheckoutSession, StripeGateway
from data_sources.billing.types import Buyer, Ended, UnderWay
from data_sources.result import Failed, Problem, Ready
from tests.data_sources.billing.conftest import ANNA, BEN, EVE, House
from tests.data_sources.billing.steps import (
    SESSION,
    age,
    answered,
    at_stripe,
    back,
    buy,
    failed,
    look,
    now_of,
    posts,
    refused,
    told,
)


def seen(source: BillingSource, buyer: Buyer = ANNA) -> UnderWay:
    one = source.under_way(buyer)
    assert isinstance(one, UnderWay), one
    return one


def test_without_a_purchase_nothing_is_under_way(house: House) -> None:
    source = house.source()
    assert source.under_way(ANNA) is None
    assert source.under_way(None) is None


def test_an_open_page_can_be_gone_on_with_or_given_up_by_its_buyer_and_is_closed_by_a_colleague(house: House) -> None:
    source = at_stripe(house)
    mine, colleague = seen(source), seen(source, BEN)
    assert (mine.locks, mine.goes_on_at_stripe, mine.can_give_up) == (False, True, True)
    assert (colleague.locks, colleague.goes_on_at_stripe, colleague.can_give_up) == (False, False, False)
    assert colleague.attempt_id is None
    assert "Selecting a plan closes it" in colleague.words
    assert source.under_way(EVE) is None


def test_a_page_that_has_expired_is_not_under_way(house: House) -> None:
    source = at_stripe(house)
    with house.state.session() as session:
        row = session.get_one(book.Attempt, seen(source).attempt_id)
        row.session_expires_at = row.created_at - timedelta(seconds=1)
    assert source.under_way(ANNA) is None


def test_a_saved_card_that_lago_does_not_take_over_locks_the_others_and_is_given_up_at_once(house: House) -> None:
    house.stripe.on_card = None
    source = at_stripe(house)
    back(house, source)
    mine = seen(source)
    assert (mine.locks, mine.card_saved, mine.can_give_up, mine.changing) == (True, True, True, False)
    refusal = refused(buy(source, "team"))
    assert refusal.code == "already_open"
    assert "The plans show how it stands and what can be done" in refusal.detail
    assert not seen(source, BEN).can_give_up
    assert mine.attempt_id is not None
    assert failed(source.give_up(BEN, mine.attempt_id)).code == "checkout_not_found"
    given = told(source.give_up(ANNA, mine.attempt_id))
    assert (given.state, given.done) == (book.ABANDONED, True)
    assert "Your card stays saved at Stripe" in given.message
    assert source.under_way(ANNA) is None
    assert posts(house) == []
    answered(buy(source, "team"))


def test_given_up_a_page_at_stripe_is_closed_first_and_nothing_is_said_where_it_cannot_be(house: House) -> None:
    source = at_stripe(house)
    purchase = str(seen(source).attempt_id)
    house.stripe.fail("500", f"/v1/checkout/sessions/{SESSION}/expire")
    problem = failed(source.give_up(ANNA, purchase))
    assert "Nothing was given up. Try again in a moment." in problem.detail
    assert seen(source).attempt_id == purchase
    house.stripe.heal()
    assert told(source.give_up(ANNA, purchase)).state == book.ABANDONED
    assert house.stripe.only_session()["status"] == "expired"
    # Once more, in another tab: told as it stands.
    assert told(source.give_up(ANNA, purchase)).state == book.ABANDONED


def test_a_card_saved_on_the_page_meanwhile_is_noted_and_starts_nothing(house: House) -> None:
    source = at_stripe(house)
    purchase = str(seen(source).attempt_id)
    house.stripe.complete(SESSION)
    assert "Your card stays saved at Stripe" in told(source.give_up(ANNA, purchase)).message
    told(source.progress(ANNA, purchase))
    assert posts(house) == []


def test_once_lago_is_asked_it_cannot_be_given_up_and_what_runs_waits_as_well(house: House) -> None:
    source = at_stripe(house)
    back(house, source)
    purchase = str(seen(source).attempt_id)
    told(source.progress(ANNA, purchase))
    one = seen(source, BEN)
    assert (one.locks, one.changing, one.can_give_up) == (True, True, False)
    assert failed(source.give_up(ANNA, purchase)).code == "too_late"
    assert now_of(house).state == book.WAITING


def test_a_checkout_that_is_being_opened_locks_for_a_minute(house: House) -> None:
    source = house.source()
    house.stripe.fail("closed", "/v1/checkout/sessions")
    refused(buy(source))
    with house.state.session() as session:
        session.get_one(book.Attempt, now_of(house).id).note = None
    assert seen(source, BEN).locks
    first = seen(source, BEN).mark
    age(house, now_of(house).id, timedelta(seconds=61))
    assert source.under_way(BEN) is None
    assert first


def test_a_debit_on_its_way_locks_and_money_that_stripe_has_is_not_given_up(house: House) -> None:
    for plan in house.lago.plans:
        plan["charges"] = []
    source = at_stripe(house, collector="stripe")
    purchase = str(seen(source).attempt_id)
    house.stripe.complete(SESSION, saved=False)
    assert failed(source.give_up(ANNA, purchase)).code == "too_late"  # not known here before
    told(source.returned(ANNA, SESSION))
    one = seen(source)
    assert (one.locks, one.can_give_up, one.goes_on_at_stripe) == (True, False, False)
    assert "is on its way" in one.words
    assert failed(source.give_up(ANNA, purchase)).code == "too_late"


@pytest.mark.parametrize("state", sorted(book.OPEN_STATES))
def test_every_open_state_has_words_with_what_comes_next(house: House, state: str) -> None:
    source = at_stripe(house)
    with house.state.session() as session:
        session.get_one(book.Attempt, now_of(house).id).state = state
    for buyer in (ANNA, BEN):
        one = seen(source, buyer)
        assert "Business" in one.words
        assert one.mark


def test_books_that_cannot_be_read_are_a_problem_and_not_no_purchase(house: House) -> None:
    source = at_stripe(house)
    with house.state.session() as session:
        session.execute(text("DROP TABLE checkout_attempts"))
    assert isinstance(source.under_way(ANNA), Problem)


def test_a_page_that_was_noted_as_closed_by_somebody_else_is_given_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stripe's word that the page is closed may be worked off between closing it and noting that."""
    source = at_stripe(house)
    purchase = str(seen(source).attempt_id)
    closes = StripeGateway.expire

    def closed_and_told(gateway: StripeGateway, session_id: str) -> CheckoutSession | Problem:
        closed = closes(gateway, session_id)
        look(source)
        return closed

    monkeypatch.setattr(StripeGateway, "expire", closed_and_told)
    assert told(source.give_up(ANNA, purchase)).state == book.ABANDONED
    assert now_of(house).note == "session expired"


# ---- what came to nothing while nobody looked


def ended(source: BillingSource, buyer: Buyer = ANNA, **more: Any) -> Ended | None:
    found = source.came_to_nothing(buyer, **more)
    assert not isinstance(found, Problem)
    return found


def failed_unseen(house: House) -> BillingSource:
    """The card is saved, the tab closed, and the charge fails."""
    source = at_stripe(house)
    assert ended(source) is None
    house.stripe.complete(SESSION)
    look(source)
    house.lago.settle(paid=False)
    look(source, timedelta(minutes=5))
    assert now_of(house).state == book.REFUSED
    return source


def test_a_payment_that_failed_after_the_tab_was_closed_is_told_to_its_buyer_until_that_is_noted(house: House) -> None:
    source = failed_unseen(house)
    told_of = ended(source)
    assert told_of is not None
    assert (told_of.attempt_id, told_of.title) == (now_of(house).id, "Business was not started")
    assert "The payment failed." in told_of.message
    assert ended(source, awaited=told_of.attempt_id) is None  # the page tells of it by itself
    assert ended(source, BEN) is None
    assert isinstance(source.has_read(BEN, told_of.attempt_id), Failed)
    assert ended(source) == told_of
    assert isinstance(source.has_read(ANNA, told_of.attempt_id), Ready)
    assert ended(source) is None


def test_it_is_told_no_more_once_something_else_is_bought_or_after_a_week(house: House) -> None:
    source = failed_unseen(house)
    age(house, now_of(house).id, timedelta(days=6))
    assert ended(source) is not None
    age(house, now_of(house).id, timedelta(days=8))
    assert ended(source) is None
    age(house, now_of(house).id, timedelta(hours=1))
    offer = answered(buy(source, "team")).offer
    assert offer is not None
    assert ended(source) is not None
    answered(buy(source, "team", confirm=offer.token))
    assert ended(source) is None


def test_a_checkout_that_a_colleague_merely_opened_silences_nothing(house: House) -> None:
    plan = house.lago.plan_of("team")
    plan["charges"] = []
    house.lago.plan_of("business")["charges"] = []
    source = at_stripe(house, collector="stripe")
    house.stripe.complete(SESSION, saved=False)
    house.stripe.arrive(SESSION, paid=False)
    look(source)
    assert ended(source) is not None
    answered(buy(source, "team", buyer=BEN))
    assert ended(source) is not None
    told(source.give_up(BEN, str(seen(source, BEN).attempt_id)))
    assert ended(source) is not None


def test_what_its_buyer_gave_up_or_left_is_not_told_as_a_failure(house: House) -> None:
    source = at_stripe(house)
    told(source.give_up(ANNA, str(seen(source).attempt_id)))
    assert ended(source) is None


def test_a_card_that_lago_never_took_over_is_told(house: House) -> None:
    house.stripe.on_card = None
    source = at_stripe(house)
    back(house, source)
    look(source, timedelta(minutes=3))
    with house.state.session() as session:
        row = session.get_one(book.Attempt, now_of(house).id)
        row.card_saved_at = row.created_at - timedelta(hours=25)
    look(source, timedelta(hours=2))
    found = ended(source)
    assert found is not None
    assert found.title == "Checkout was given up"
    assert "Your card stays saved at Stripe" in found.message


def test_a_state_database_that_fails_says_so_and_notes_nothing(house: House) -> None:
    source = failed_unseen(house)
    with house.state.session() as session:
        session.execute(text("ALTER TABLE checkout_attempts RENAME TO gone"))
    assert isinstance(source.came_to_nothing(ANNA), Problem)
    assert isinstance(source.has_read(ANNA, "x"), Failed)
    with house.state.session() as session:
        session.execute(text("ALTER TABLE gone RENAME TO checkout_attempts"))
