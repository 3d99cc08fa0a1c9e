"""Answers that get lost, tabs that close, restarts in between: nothing is paid twice and nothing started unpaid."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from data_sources.billing.doorway import Doorway
from data_sources.billing.types import Wanted
from data_sources.result import Empty, Failed, Kind, Ready
from tests.data_sources.billing.conftest import ANNA, BEN, House
from tests.data_sources.billing.steps import (
    SESSION,
    age,
    at_stripe,
    back,
    held_up,
    posts,
    told,
)


def to_arrears_at_the_last_moment(house: House) -> None:
    post = house.lago._post_subscriptions

    def late(asked: Any) -> Any:
        house.lago.plan_of("business")["pay_in_advance"] = False
        return post(asked)

    house.lago._post_subscriptions = late


def test_a_rule_that_lago_did_not_apply_is_no_payment(house: House) -> None:
    to_arrears_at_the_last_moment(house)
    source = at_stripe(house)
    assert told(source.progress(ANNA, back(house, source).attempt_id)).state == "undone"
    assert house.lago.held_by("org-acme") == []


def test_an_unpaid_start_behind_a_lost_answer_is_stopped_too(house: House) -> None:
    to_arrears_at_the_last_moment(house)
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    house.lago.fail("closed", "/api/v1/subscriptions", method="POST", times=1, after=True)
    assert held_up(source.progress(ANNA, purchase)).code == "connection"
    assert told(source.progress(ANNA, purchase)).state == "undone"
    assert house.lago.held_by("org-acme") == []


def test_a_start_behind_a_lost_answer_of_which_lago_does_not_tell_whether_it_was_paid_is_left_to_a_person(
    house: House,
) -> None:
    house.lago.drops_rules = True
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    house.lago.fail("closed", "/api/v1/subscriptions", method="POST", times=1, after=True)
    assert held_up(source.progress(ANNA, purchase)).code == "connection"
    got = told(source.progress(ANNA, purchase))
    assert (got.state, got.good) == ("stuck", False)
    assert house.lago.requests("DELETE", "/api/v1/subscriptions/sub-org-acme") == []


def test_the_tab_may_be_closed_at_stripe_and_the_next_visit_goes_on(house: House) -> None:
    source = at_stripe(house)
    house.stripe.complete(SESSION)
    assert told(source.progress(ANNA, None)).state == "waiting"


@pytest.mark.parametrize("path", ["/api/v1/customers", "/api/v1/plans", "/api/v1/subscriptions"])
def test_a_lago_that_is_down_after_the_card_was_saved_loses_nothing(house: House, path: str) -> None:
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    house.lago.fail("500", path, method="GET")
    down = source.progress(ANNA, purchase)
    assert held_up(down).kind is Kind.UPSTREAM
    assert (told(down).title, told(down).done) == ("Your card is saved", False)
    assert "Business has not been started yet. Lago" in told(down).message
    house.lago.heal()
    assert told(source.progress(ANNA, purchase)).state == "waiting"
    assert len(posts(house)) == 1


def test_where_nobody_can_be_asked_for_now_the_way_back_leads_on_and_tells_what_is_so(house: House) -> None:
    source = at_stripe(house)
    house.stripe.complete(SESSION)
    source._doorway = Doorway(at_once=0, waiting=0)
    purchase = told(source.returned(ANNA, SESSION)).attempt_id
    assert held_up(source.progress(ANNA, purchase)).code == "busy"
    assert isinstance(source.progress(BEN, purchase), Empty)
    source._doorway = Doorway()
    assert told(source.progress(ANNA, purchase)).state == "waiting"


def test_a_stripe_that_is_down_on_the_way_back_is_asked_again_by_our_own_page(house: House) -> None:
    source = at_stripe(house)
    house.stripe.complete(SESSION)
    house.stripe.fail("closed")
    purchase = told(source.returned(ANNA, SESSION)).attempt_id
    down = source.progress(ANNA, purchase)
    assert held_up(down).code == "connection"
    assert "What became of it at Stripe is not known yet" in told(down).message
    house.stripe.heal()
    assert told(source.progress(ANNA, purchase)).state == "waiting"


def test_a_lost_answer_of_lago_is_looked_up_and_not_asked_twice(house: House) -> None:
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    house.lago.fail("closed", "/api/v1/subscriptions", method="POST", times=1, after=True)
    assert held_up(source.progress(ANNA, purchase)).code == "connection"
    assert told(source.progress(ANNA, purchase)).state == "waiting"
    house.lago.settle(paid=True)
    assert told(source.progress(ANNA, purchase)).state == "started"
    assert len(posts(house)) == 1


def test_a_question_that_never_reached_lago_is_put_again_later(house: House) -> None:
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    house.lago.fail("closed", "/api/v1/subscriptions", method="POST", times=1)
    assert held_up(source.progress(ANNA, purchase)).code == "connection"
    assert told(source.progress(ANNA, purchase)).state == "starting"
    age(house, purchase, timedelta(minutes=2))
    assert told(source.progress(ANNA, purchase)).state == "waiting"


def test_a_payment_declined_behind_a_lost_answer_is_not_tried_again(house: House) -> None:
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    house.lago.fail("closed", "/api/v1/subscriptions", method="POST", times=1, after=True)
    assert held_up(source.progress(ANNA, purchase)).code == "connection"
    house.lago.settle(paid=False)
    age(house, purchase, timedelta(minutes=2))
    assert told(source.progress(ANNA, purchase)).state == "refused"
    assert len(posts(house)) == 1


def test_a_payment_declined_in_an_earlier_purchase_is_not_taken_for_this_one(house: House) -> None:
    house.lago.subscribe("org-acme", "business", status="canceled", cancellation_reason="payment_failed")
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    house.lago.fail("closed", "/api/v1/subscriptions", method="POST", times=1)
    assert held_up(source.progress(ANNA, purchase)).code == "connection"
    assert told(source.progress(ANNA, purchase)).state == "starting"


@pytest.mark.parametrize("paid", [True, False])
def test_a_buyer_who_never_comes_back_does_not_lock_out_the_colleagues(house: House, paid: bool) -> None:
    source = at_stripe(house)
    source.progress(ANNA, back(house, source).attempt_id)
    blocked = source.checkout(BEN, Wanted("team"))
    assert isinstance(blocked, Failed)
    house.lago.settle(paid=paid)
    again = source.checkout(BEN, Wanted("team"))
    assert isinstance(again, Ready)
    # Ben is asked about a change of what Anna bought, or begins with the card that she has saved.
    assert again.value.offer is not None
    assert again.value.offer.title.startswith("Switch" if paid else "Start")


def test_a_question_that_got_lost_is_not_put_again_by_somebody_else(house: House) -> None:
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    house.lago.fail("closed", "/api/v1/subscriptions", method="POST", times=1)
    source.progress(ANNA, purchase)
    age(house, purchase, timedelta(minutes=2))
    assert isinstance(source.checkout(BEN, Wanted("team")), Ready)
    assert len(posts(house)) == 1
    assert told(source.progress(ANNA, purchase)).state == "abandoned"


def test_an_answer_about_another_plan_is_looked_into_and_never_stopped(house: House) -> None:
    house.lago.subscribe("org-acme", "starter")
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    post = house.lago._post_subscriptions

    def old_plan(asked: Any) -> Any:
        post(asked)
        return 200, {"subscription": house.lago.subscriptions[0]}

    house.lago._post_subscriptions = old_plan
    assert told(source.progress(ANNA, purchase)).state == "starting"
    assert told(source.progress(ANNA, purchase)).state == "waiting"
    assert house.lago.held_by("org-acme") == ["starter"]
    assert house.lago.requests("DELETE", "/api/v1/subscriptions/sub-org-acme") == []


def test_many_tabs_start_one_subscription(house: House) -> None:
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    threads = [threading.Thread(target=source.progress, args=(ANNA, purchase)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    house.lago.settle(paid=True)
    assert told(source.progress(ANNA, purchase)).state == "started"
    assert len(posts(house)) == 1


def test_a_restart_between_two_steps_loses_nothing(house: House) -> None:
    first = at_stripe(house)
    purchase = back(house, first).attempt_id
    second = house.source()
    assert told(second.progress(ANNA, purchase)).state == "waiting"
    house.lago.settle(paid=True)
    assert told(house.source().progress(ANNA, purchase)).state == "started"
