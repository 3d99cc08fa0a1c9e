"""Whose card it is: only what Stripe says about this very purchase of this very person counts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from data_sources.billing.attempts import Attempt
from data_sources.billing.source import BillingSource
from data_sources.billing.types import Buyer, Wanted
from data_sources.principal import Principal
from data_sources.result import Empty, Failed, Kind, Ready, utc_now
from tests.data_sources.billing.conftest import ANNA, BEN, EVE, House
from tests.data_sources.billing.steps import (
    SESSION,
    at_stripe,
    back,
    failed,
    posts,
    told,
)


@pytest.mark.parametrize("buyer", [BEN, EVE], ids=["a colleague", "another organization"])
def test_somebody_elses_checkout_is_not_found(house: House, buyer: Buyer) -> None:
    source = at_stripe(house)
    house.stripe.complete(SESSION)
    assert failed(source.returned(buyer, SESSION)).kind is Kind.NOT_FOUND
    mine = back_id(house, source)
    assert isinstance(source.progress(buyer, mine), Empty)
    assert posts(house) == []


def back_id(house: House, source: BillingSource) -> str:
    return told(source.returned(ANNA, SESSION)).attempt_id


@pytest.mark.parametrize("session_id", ["", "cs_test_nowhere", "../v1/customers", "cs_test_00000000?x=1", "x" * 500])
def test_a_made_up_session_is_not_found_and_not_asked_for(house: House, session_id: str) -> None:
    source = at_stripe(house)
    before = len(house.stripe.asked)
    assert failed(source.returned(ANNA, session_id)).kind is Kind.NOT_FOUND
    assert len(house.stripe.asked) == before


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "payment"},
        {"customer": "cus_other"},
        {"customer": None},
        {"client_reference_id": "somebody"},
        {"metadata": {"attempt_id": "other"}},
        {"metadata": {}},
    ],
)
def test_a_session_that_is_not_exactly_ours_proves_nothing(house: House, change: dict[str, Any]) -> None:
    source = at_stripe(house)
    house.stripe.complete(SESSION)
    house.stripe.sessions[SESSION].update(change)
    assert failed(source.returned(ANNA, SESSION)).kind is Kind.NOT_FOUND
    assert posts(house) == []


def test_test_and_live_are_never_mixed(house: House) -> None:
    source = at_stripe(house)
    house.stripe.complete(SESSION)
    house.stripe.sessions[SESSION]["livemode"] = True
    assert failed(source.returned(ANNA, SESSION)).kind is Kind.NOT_FOUND


def test_a_completed_session_without_a_saved_card_is_not_enough(house: House) -> None:
    source = at_stripe(house)
    house.stripe.complete(SESSION, saved=False)
    got = told(source.returned(ANNA, SESSION))
    assert got.state == "redirected"
    source.progress(ANNA, got.attempt_id)
    assert posts(house) == []


def test_a_card_that_stripe_still_checks_is_being_confirmed_and_not_given_up(house: House) -> None:
    source = at_stripe(house)
    house.stripe.complete(SESSION, saved=False)
    got = told(source.returned(ANNA, SESSION))
    assert (got.title, got.done) == ("Your card is being confirmed", False)
    assert "No card was saved" not in got.message
    assert told(source.progress(ANNA, got.attempt_id)).title == "Your card is being confirmed"
    again = source.checkout(ANNA, Wanted("business"))
    assert isinstance(again, Failed)
    assert again.problem.code == "card_confirming"
    house.stripe.complete(SESSION)
    assert told(source.progress(ANNA, got.attempt_id)).state == "waiting"


def test_a_card_that_did_not_pass_stripes_check_leaves_the_place_free(house: House) -> None:
    source = at_stripe(house)
    house.stripe.complete(SESSION, saved=False)
    purchase = told(source.returned(ANNA, SESSION)).attempt_id
    house.stripe.sessions[SESSION]["_intent"]["status"] = "requires_payment_method"
    got = told(source.progress(ANNA, purchase))
    assert (got.state, got.done) == ("redirected", True)
    assert "No card was saved" in got.message
    assert isinstance(source.checkout(ANNA, Wanted("business")), Ready)


def test_a_card_that_lago_never_takes_over_can_be_given_up_after_an_hour_by_its_owner(house: House) -> None:
    house.stripe.on_card = None
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    assert isinstance(source.checkout(ANNA, Wanted("team")), Failed)
    with house.state.session() as session:
        session.execute(
            update(Attempt).where(Attempt.id == purchase).values(card_saved_at=utc_now() - timedelta(minutes=61))
        )
    got = told(source.progress(ANNA, purchase))
    assert (got.state, got.done) == ("card_saved", True)
    assert "card stays saved at Stripe" in got.message
    assert isinstance(source.checkout(ANNA, Wanted("team")), Ready)
    given_up = told(source.progress(ANNA, purchase))
    assert given_up.state == "abandoned"
    assert "card stays saved at Stripe" in given_up.message
    assert posts(house) == []


def test_a_new_sign_in_link_of_the_same_person_finds_the_purchase(house: House) -> None:
    source = house.source()
    old = source.buyer(Principal("link:old", "member", "acme", "Anna@acme.test"))
    new = source.buyer(Principal("link:new", "member", "acme", "anna@acme.test "))
    other = source.buyer(Principal("link:ben", "member", "acme", "ben@acme.test"))
    assert isinstance(source.checkout(old, Wanted("business")), Ready)
    house.stripe.complete(SESSION)
    assert failed(source.returned(other, SESSION)).kind is Kind.NOT_FOUND
    assert told(source.returned(new, SESSION)).state == "card_saved"
    assert told(source.progress(new, None)).state == "waiting"
    log = source.desk.log()
    assert isinstance(log, Ready)
    assert {row.who for row in log.value} == {"anna@acme.test"}


def test_without_an_e_mail_only_the_very_link_is_the_buyer(house: House) -> None:
    source = house.source()
    ids = [source.buyer(Principal(each, "member", "acme", None)) for each in ("link:a", "link:b")]
    assert [one.principal_id for one in ids if one] == ["link:a", "link:b"]
    same_mail = [source.buyer(Principal("link:a", "member", each, "a@b.test")) for each in ("acme", "other")]
    assert len({one.principal_id for one in same_mail if one}) == 2


def test_coming_back_without_a_card_says_so(house: House) -> None:
    source = at_stripe(house)
    got = told(source.returned(ANNA, SESSION))
    assert (got.state, got.done) == ("redirected", True)
    assert "Nothing was charged" in got.message


def test_a_card_that_lago_has_not_taken_over_waits(house: House) -> None:
    house.stripe.on_card = None
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    assert told(source.progress(ANNA, purchase)).state == "card_saved"
    assert posts(house) == []


def test_another_card_on_file_is_not_taken_for_the_one_just_saved(house: House) -> None:
    house.stripe.on_card = None
    source = at_stripe(house)
    house.lago.take_card(house.stripe.only_session()["customer"], "pm_old")
    purchase = back(house, source).attempt_id
    assert told(source.progress(ANNA, purchase)).state == "card_saved"
    (row,) = source.desk.purchases().value
    assert "pm_00000000 is not this customer's default card" in str(row.note)
    # Another one that the customer has saved since: the first was finished while Lago did not answer.
    house.lago.take_card(house.stripe.only_session()["customer"], "pm_new")
    house.lago.methods["org-acme"][1]["created_at"] = (utc_now() + timedelta(seconds=1)).isoformat()
    assert told(source.progress(ANNA, purchase)).state == "waiting"


def test_a_card_that_is_not_the_default_would_not_be_charged_and_waits(house: House) -> None:
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    (saved,) = house.lago.methods["org-acme"]
    saved["is_default"] = False
    assert told(source.progress(ANNA, purchase)).state == "card_saved"
    assert posts(house) == []
