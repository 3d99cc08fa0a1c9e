"""A purchase that is not settled, as the buttons of the page know it, and giving it up."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from data_sources.billing import attempts as book
from data_sources.billing.source import BillingSource
from data_sources.billing.types import Buyer, UnderWay
from data_sources.result import Problem
from tests.data_sources.billing.conftest import ANNA, BEN, EVE, House
from tests.data_sources.billing.steps import (
    SESSION,
    age,
    answered,
    at_stripe,
    back,
    buy,
    failed,
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
