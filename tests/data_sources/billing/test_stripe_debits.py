"""Collector `stripe`: a payment that takes days arrives, or comes back; its plan starts once it is paid, or never."""

from __future__ import annotations

from datetime import timedelta

from data_sources.billing import attempts as book
from data_sources.billing.source import BillingSource
from data_sources.result import utc_now
from tests.data_sources.billing.conftest import ANNA, BEN, House
from tests.data_sources.billing.steps import (
    SESSION,
    SUB,
    answered,
    buy,
    held_up,
    look,
    now_of,
    pay,
    posts,
    refund,
    refused,
    tells,
    told,
)


def test_a_finished_page_that_is_not_paid_starts_nothing(house: House, source: BillingSource) -> None:
    purchase = pay(house, source, saved=False)
    waiting = told(source.progress(ANNA, purchase))
    assert (waiting.title, waiting.done) == ("Your payment is being confirmed", False)
    look(source)
    assert posts(house) == []
    house.lago.plan_of("team")["charges"] = []
    for code, buyer in (("business", ANNA), ("business", BEN), ("team", ANNA)):
        problem = refused(buy(source, code, buyer))
        assert (problem.code, "paid for" in problem.detail) == ("payment_confirming", False)
        assert "The payment for Business is on its way. It can take days" in problem.detail


def test_a_payment_that_takes_days_starts_the_plan_when_it_arrives(house: House, source: BillingSource) -> None:
    purchase = pay(house, source, saved=False)
    source.progress(ANNA, purchase)
    house.stripe.arrive(SESSION)
    tells(source, "checkout.session.async_payment_succeeded", SESSION)
    source.sweeper.look(utc_now())
    assert now_of(house).state == book.STARTED
    assert house.lago.invoices[0]["payment_status"] == "succeeded"


def test_a_payment_that_comes_back_starts_nothing_and_is_never_tried_again(house: House, source: BillingSource) -> None:
    purchase = pay(house, source, saved=False)
    house.stripe.arrive(SESSION, paid=False)
    tells(source, "checkout.session.async_payment_failed", SESSION)
    source.sweeper.look(utc_now())
    assert told(source.progress(ANNA, purchase)).message == "The payment failed. Choose a plan again."
    assert house.stripe.billing.subscriptions[SUB]["status"] == "canceled"
    assert posts(house) == []
    answered(buy(source))


def test_the_invoice_of_a_payment_that_came_back_takes_no_money_any_more(house: House, source: BillingSource) -> None:
    purchase = pay(house, source, saved=False)
    house.stripe.arrive(SESSION, paid=False)
    house.stripe.rights["Invoices"] = "read"
    look(source)
    assert "rak_invoice_write" in held_up(source.progress(ANNA, purchase)).detail
    assert now_of(house).state == book.REDIRECTED
    house.stripe.rights["Invoices"] = "write"
    look(source, timedelta(minutes=10))
    assert now_of(house).state == book.REFUSED
    assert [one["status"] for one in house.stripe.billing.invoices] == ["void"]


def test_a_payment_that_came_back_and_was_paid_by_link_is_held(house: House, source: BillingSource) -> None:
    purchase = pay(house, source, saved=False)
    house.stripe.arrive(SESSION, paid=False)
    house.stripe.billing.end(house.stripe.billing.subscriptions[SUB])
    house.stripe.billing.pay(house.stripe.billing.invoices[0])
    look(source)
    assert told(source.progress(ANNA, purchase)).state == book.HELD
    assert posts(house) == []
    (row,) = source.desk.purchases().value
    assert row.needs_person
    refund(house, 10000)
    look(source, timedelta(hours=2))
    assert now_of(house).state == book.REFUSED
