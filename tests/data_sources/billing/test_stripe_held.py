"""Collector `stripe`: what was paid and cannot start is held, told to an admin, and never charged again."""

from __future__ import annotations

from typing import Any

import pytest

from data_sources.billing import attempts as book
from data_sources.billing.source import BillingSource
from data_sources.result import utc_now
from tests.data_sources.billing.conftest import ANNA, House
from tests.data_sources.billing.steps import (
    SESSION,
    SUB,
    answered,
    buy,
    failed,
    now_of,
    pay,
    posts,
    refund,
    refused,
    tells,
    told,
)


def test_a_price_that_changed_while_it_was_paid_is_held_and_goes_on_when_it_is_back(
    house: House, source: BillingSource
) -> None:
    purchase = pay(house, source)
    house.lago.plan_of("business")["amount_cents"] = 12000
    house.stripe.fail("500", f"/v1/subscriptions/{SUB}", method="POST", times=1)
    assert told(source.progress(ANNA, purchase)).state == book.HELD
    held = told(source.progress(ANNA, purchase))
    assert (held.state, posts(house)) == (book.HELD, [])
    assert "Nothing else is charged." in held.message
    at_stripe = house.stripe.billing.subscriptions[SUB]
    assert at_stripe["cancel_at_period_end"] is True
    assert refused(buy(source)).code == "paid_not_started"
    house.lago.plan_of("business")["amount_cents"] = 10000
    assert told(source.desk.retry("token:admin", purchase)).good is True
    assert len(house.stripe.sessions) == 1
    assert (at_stripe["cancel_at"], at_stripe["cancel_at_period_end"]) == (None, False)


@pytest.mark.parametrize("change", [{}, {"amount_subtotal": 100}])
def test_what_ran_out_while_it_was_held_is_charged_once_and_stays_with_the_admin_until_it_is_given_back(
    house: House, source: BillingSource, change: dict[str, Any]
) -> None:
    purchase = pay(house, source)
    house.stripe.sessions[SESSION].update(change)
    house.lago.plan_of("business")["amount_cents"] = 12000
    source.progress(ANNA, purchase)
    house.stripe.billing.travel(65)
    (invoice,) = house.stripe.billing.invoices
    house.lago.plan_of("business")["amount_cents"] = 10000
    held = told(source.desk.retry("token:admin", purchase))
    assert (held.state, posts(house)) == (book.HELD, [])
    assert "has passed before it could start. Your admin sees this and can give the money back." in held.message
    invoice["post_payment_credit_notes_amount"] = invoice["amount_paid"]
    assert told(source.desk.retry("token:admin", purchase)).state == book.REFUSED


def test_what_was_ended_at_stripe_while_it_was_held_stays_with_the_admin_until_its_money_is_given_back(
    house: House, source: BillingSource
) -> None:
    purchase = pay(house, source)
    house.lago.plan_of("business")["amount_cents"] = 12000
    source.progress(ANNA, purchase)
    house.stripe.billing.end(house.stripe.billing.subscriptions[SUB])
    tells(source, "customer.subscription.deleted", SUB)
    source.sweeper.look(utc_now())
    house.lago.plan_of("business")["amount_cents"] = 10000
    held = told(source.desk.retry("token:admin", purchase))
    assert (held.state, posts(house)) == (book.HELD, [])
    assert "and the payment was not given back. Your admin sees this and can give the money back." in held.message
    (row,) = source.desk.purchases().value
    assert (row.needs_person, row.can_look_again) == (True, True)
    refund(house, 4000)
    refund(house, 1000, status="pending")
    told(source.desk.retry("token:admin", purchase))
    back = "Of the 100.00 USD (in_00000000) 40.00 USD was given back so far and 10.00 USD is on its way back."
    assert back in str(now_of(house).note)
    house.stripe.fail("500", "/v1/refunds")
    assert failed(source.desk.retry("token:admin", purchase)).title == "Refunds at Stripe could not be read"
    assert now_of(house).state == book.HELD
    assert back in str(now_of(house).note)
    house.stripe.heal()
    refund(house, 6000)
    assert told(source.desk.retry("token:admin", purchase)).state == book.REFUSED
    answered(buy(source))


@pytest.mark.parametrize("mends", [True, False])
def test_what_was_held_and_given_back_never_starts_and_is_ended_at_stripe(
    house: House, source: BillingSource, mends: bool
) -> None:
    purchase = pay(house, source)
    house.lago.plan_of("business")["amount_cents"] = 12000
    source.progress(ANNA, purchase)
    refund(house, 10000)
    if mends:
        house.lago.plan_of("business")["amount_cents"] = 10000
    done = told(source.desk.retry("token:admin", purchase))
    assert (done.state, posts(house)) == (book.REFUSED, [])
    assert "The payment was given back before the plan started." in done.message
    assert house.stripe.billing.subscriptions[SUB]["status"] == "canceled"


def test_a_plan_started_by_somebody_else_while_it_was_paid_is_held(house: House, source: BillingSource) -> None:
    purchase = pay(house, source)
    house.lago.subscribe("org-acme", "team")
    assert told(source.progress(ANNA, purchase)).state == book.HELD
    assert house.lago.held_by("org-acme") == ["team"]
