"""From the saved card to a plan that Lago says is active, and every way in which that does not happen."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from data_sources.billing.attempts import Attempt
from data_sources.billing.types import Wanted
from data_sources.result import Empty, Ready
from tests.data_sources.billing.conftest import ANNA, House
from tests.data_sources.billing.steps import (
    at_stripe,
    back,
    held_up,
    posts,
    told,
)
from tests.fakes import lago


def test_the_way_back_from_stripe_starts_nothing(house: House) -> None:
    got = back(house, at_stripe(house))
    assert (got.state, got.done, got.good) == ("card_saved", False, None)
    assert "has not been started" in got.message
    assert house.lago.subscriptions == []


def test_a_plan_starts_only_when_lago_has_seen_the_payment(house: House) -> None:
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    waiting = told(source.progress(ANNA, purchase))
    assert (waiting.state, waiting.done) == ("waiting", False)
    assert "You have not been moved to Business yet" in waiting.message
    assert house.lago.held_by("org-acme") == []
    house.lago.settle(paid=True)
    done = told(source.progress(ANNA, purchase))
    assert (done.state, done.done, done.good) == ("started", True, True)
    assert house.lago.held_by("org-acme") == ["business"]


def test_lago_is_asked_to_hold_the_plan_back_until_it_is_paid(house: House) -> None:
    source = at_stripe(house)
    source.progress(ANNA, back(house, source).attempt_id)
    (sent,) = posts(house)
    assert sent == {
        "external_customer_id": "org-acme",
        "plan_code": "business",
        "external_id": "sub-org-acme",
        "billing_time": "anniversary",
        "activation_rules": [{"type": "payment", "timeout_hours": 24}],
    }


def test_a_failed_payment_starts_nothing_and_frees_the_place(house: House) -> None:
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    source.progress(ANNA, purchase)
    house.lago.settle(paid=False)
    got = told(source.progress(ANNA, purchase))
    assert (got.state, got.done, got.good) == ("refused", True, False)
    assert "payment failed" in got.message
    assert house.lago.held_by("org-acme") == []
    assert isinstance(source.checkout(ANNA, Wanted("team")), Ready)


def test_a_lago_that_drops_the_rule_is_stopped_again_and_the_reader_told(house: House) -> None:
    house.lago.drops_rules = True
    source = at_stripe(house)
    got = told(source.progress(ANNA, back(house, source).attempt_id))
    assert (got.state, got.good) == ("undone", False)
    assert "did not wait for a payment" in got.message
    assert house.lago.held_by("org-acme") == []
    (stop,) = house.lago.requests("DELETE", "/api/v1/subscriptions/sub-org-acme")
    assert stop.query["on_termination_credit_note"] == ["refund"]


def test_an_unpaid_plan_that_cannot_be_stopped_is_said_aloud(house: House) -> None:
    house.lago.drops_rules = True
    source = at_stripe(house)
    house.lago.fail("500", "/api/v1/subscriptions", method="DELETE")
    got = told(source.progress(ANNA, back(house, source).attempt_id))
    assert (got.state, got.done, got.good) == ("stuck", True, False)
    assert "Tell your admin" in got.message


def test_a_plan_turned_to_arrears_meanwhile_is_not_started(house: House) -> None:
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    house.lago.plan_of("business")["pay_in_advance"] = False
    assert told(source.progress(ANNA, purchase)).state == "refused"
    assert posts(house) == []


@pytest.mark.parametrize("change", [{"amount_cents": 20000}, {"amount_currency": "EUR"}, {"pending_deletion": True}])
def test_a_plan_changed_while_the_reader_was_at_stripe_is_not_started(house: House, change: dict[str, Any]) -> None:
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    house.lago.plan_of("business").update(change)
    got = told(source.progress(ANNA, purchase))
    assert (got.state, got.good) == ("refused", False)
    assert posts(house) == []


@pytest.mark.parametrize(
    "change",
    [
        {"interval": "weekly"},
        {"minimum_commitment": lago.minimum(50000)},
        {"charges": [lago.charge() | {"properties": {"amount": "9"}}]},
        {"charges": []},
    ],
)
def test_terms_changed_while_the_reader_was_at_stripe_start_nothing(house: House, change: dict[str, Any]) -> None:
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    house.lago.plan_of("business").update(change)
    got = told(source.progress(ANNA, purchase))
    assert (got.state, got.good) == ("refused", False)
    assert "price changed" in got.message
    assert posts(house) == []


def test_a_purchase_whose_terms_are_not_known_starts_nothing(house: House) -> None:
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    with house.state.session() as session:
        session.execute(update(Attempt).where(Attempt.id == purchase).values(terms=None))
    assert told(source.progress(ANNA, purchase)).state == "refused"
    assert posts(house) == []


def test_a_status_that_is_not_active_never_stops_what_runs_under_the_same_id(house: House) -> None:
    house.lago.subscribe("org-acme", "starter")
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    post = house.lago._post_subscriptions

    def planned(asked: Any) -> Any:
        status, body = post(asked)
        house.lago.subscriptions[-1]["status"] = "pending"
        return status, {"subscription": body["subscription"] | {"status": "pending"}}

    house.lago._post_subscriptions = planned
    got = told(source.progress(ANNA, purchase))
    assert (got.state, got.good) == ("stuck", False)
    assert house.lago.held_by("org-acme") == ["starter"]


def test_a_subscription_made_meanwhile_is_not_changed(house: House) -> None:
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    house.lago.subscribe("org-acme", "team")
    assert told(source.progress(ANNA, purchase)).state == "refused"
    assert house.lago.held_by("org-acme") == ["team"]


def test_a_free_plan_stays_until_the_paid_one_is_paid(house: House) -> None:
    house.lago.subscribe("org-acme", "starter", external_id="their-own-id")
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    assert told(source.progress(ANNA, purchase)).state == "waiting"
    assert house.lago.held_by("org-acme") == ["starter"]
    house.lago.settle(paid=True)
    assert told(source.progress(ANNA, purchase)).state == "started"
    assert house.lago.held_by("org-acme") == ["business"]
    assert {one["external_id"] for one in posts(house)} == {"their-own-id"}


def test_without_a_purchase_there_is_nothing_to_tell(house: House) -> None:
    assert isinstance(house.source().progress(ANNA, None), Empty)
    assert isinstance(house.source().progress(None, None), Empty)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"amount_cents": 12000}, "for 120.00 USD; you chose 100.00 USD"),
        ({"amount_currency": "EUR"}, "for 100.00 EUR; you chose 100.00 USD"),
        ({"interval": "weekly"}, "on other terms: its interval"),
        ({"charges": []}, "on other terms"),
    ],
)
@pytest.mark.parametrize("lost", [False, True])
def test_a_plan_that_lago_starts_otherwise_than_chosen_is_said_and_recorded(
    house: House, change: dict[str, Any], words: str, lost: bool
) -> None:
    post = house.lago._post_subscriptions

    def changed(asked: Any) -> Any:
        house.lago.plan_of("business").update(change)
        return post(asked)

    house.lago._post_subscriptions = changed
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    if lost:
        house.lago.fail("closed", "/api/v1/subscriptions", method="POST", times=1, after=True)
        assert held_up(source.progress(ANNA, purchase)).code == "connection"
    waiting = told(source.progress(ANNA, purchase))
    assert (waiting.state, waiting.title) == ("waiting", "Lago charges something else than you chose")
    assert words in waiting.message
    house.lago.settle(paid=True)
    started = told(source.progress(ANNA, purchase))
    assert (started.state, started.done, started.good) == ("started", True, None)
    assert words in started.message
    with house.state.session() as session:
        note = session.get_one(Attempt, purchase).note
    assert note is not None
    assert words in note


def test_a_plan_that_cannot_be_read_again_after_its_start_is_not_called_changed(house: House) -> None:
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    post = house.lago._post_subscriptions

    def then_down(asked: Any) -> Any:
        house.lago.fail("500", "/api/v1/plans/")
        return post(asked)

    house.lago._post_subscriptions = then_down
    assert told(source.progress(ANNA, purchase)).title == "Confirming payment…"
