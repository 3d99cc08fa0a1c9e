"""From the saved card to a plan that Lago says is active, and every way in which that does not happen."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from data_sources.billing.attempts import Attempt
from data_sources.billing.source import BillingSource
from data_sources.billing.types import Buyer, Progress, Wanted
from data_sources.principal import Principal
from data_sources.result import Empty, Failed, Kind, Problem, Ready, Result, utc_now
from tests.data_sources.billing.conftest import ANNA, BEN, EVE, House
from tests.fakes import lago

SESSION = "cs_test_00000000"


def told(result: Result[Progress]) -> Progress:
    assert isinstance(result, Ready), result
    return result.value


def failed(result: Result[Progress]) -> Problem:
    assert isinstance(result, Failed), result
    return result.problem


def at_stripe(house: House, code: str = "business", **more: Any) -> BillingSource:
    source = house.source(**more)
    assert isinstance(source.checkout(ANNA, Wanted(code)), Ready)
    return source


def back(house: House, source: BillingSource, buyer: Buyer = ANNA) -> Progress:
    house.stripe.complete(SESSION)
    return told(source.returned(buyer, SESSION))


def posts(house: House) -> list[Any]:
    return [one.json["subscription"] for one in house.lago.requests("POST", "/api/v1/subscriptions")]


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


def test_a_card_that_is_not_the_default_would_not_be_charged_and_waits(house: House) -> None:
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    (saved,) = house.lago.methods["org-acme"]
    saved["is_default"] = False
    assert told(source.progress(ANNA, purchase)).state == "card_saved"
    assert posts(house) == []


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
    assert failed(source.progress(ANNA, purchase)).code == "connection"
    assert told(source.progress(ANNA, purchase)).state == "undone"
    assert house.lago.held_by("org-acme") == []


def test_a_start_behind_a_lost_answer_of_which_lago_does_not_tell_whether_it_was_paid_is_left_to_a_person(
    house: House,
) -> None:
    house.lago.drops_rules = True
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    house.lago.fail("closed", "/api/v1/subscriptions", method="POST", times=1, after=True)
    assert failed(source.progress(ANNA, purchase)).code == "connection"
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
    assert failed(source.progress(ANNA, purchase)).kind is Kind.UPSTREAM
    house.lago.heal()
    assert told(source.progress(ANNA, purchase)).state == "waiting"
    assert len(posts(house)) == 1


def test_a_lost_answer_of_lago_is_looked_up_and_not_asked_twice(house: House) -> None:
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    house.lago.fail("closed", "/api/v1/subscriptions", method="POST", times=1, after=True)
    assert failed(source.progress(ANNA, purchase)).code == "connection"
    assert told(source.progress(ANNA, purchase)).state == "waiting"
    house.lago.settle(paid=True)
    assert told(source.progress(ANNA, purchase)).state == "started"
    assert len(posts(house)) == 1


def test_a_question_that_never_reached_lago_is_put_again_later(house: House) -> None:
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    house.lago.fail("closed", "/api/v1/subscriptions", method="POST", times=1)
    assert failed(source.progress(ANNA, purchase)).code == "connection"
    assert told(source.progress(ANNA, purchase)).state == "starting"
    age(house, purchase, timedelta(minutes=2))
    assert told(source.progress(ANNA, purchase)).state == "waiting"


def age(house: House, purchase: str, by: timedelta) -> None:
    with house.state.session() as session:
        session.execute(update(Attempt).where(Attempt.id == purchase).values(updated_at=utc_now() - by))


def test_a_payment_declined_behind_a_lost_answer_is_not_tried_again(house: House) -> None:
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    house.lago.fail("closed", "/api/v1/subscriptions", method="POST", times=1, after=True)
    assert failed(source.progress(ANNA, purchase)).code == "connection"
    house.lago.settle(paid=False)
    age(house, purchase, timedelta(minutes=2))
    assert told(source.progress(ANNA, purchase)).state == "refused"
    assert len(posts(house)) == 1


def test_a_payment_declined_in_an_earlier_purchase_is_not_taken_for_this_one(house: House) -> None:
    house.lago.subscribe("org-acme", "business", status="canceled", cancellation_reason="payment_failed")
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    house.lago.fail("closed", "/api/v1/subscriptions", method="POST", times=1)
    assert failed(source.progress(ANNA, purchase)).code == "connection"
    assert told(source.progress(ANNA, purchase)).state == "starting"


@pytest.mark.parametrize("paid", [True, False])
def test_a_buyer_who_never_comes_back_does_not_lock_out_the_colleagues(house: House, paid: bool) -> None:
    source = at_stripe(house)
    source.progress(ANNA, back(house, source).attempt_id)
    blocked = source.checkout(BEN, Wanted("team"))
    assert isinstance(blocked, Failed)
    house.lago.settle(paid=paid)
    again = source.checkout(BEN, Wanted("team"))
    if paid:
        assert isinstance(again, Failed)
        assert again.problem.code == "change_unavailable"
    else:
        assert isinstance(again, Ready)


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


def test_without_a_purchase_there_is_nothing_to_tell(house: House) -> None:
    assert isinstance(house.source().progress(ANNA, None), Empty)
    assert isinstance(house.source().progress(None, None), Empty)
