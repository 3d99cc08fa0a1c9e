"""Collector `stripe` while a plan runs: each renewal, failure and end at one of the two is so at the other as well."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
import requests

from components.held import current_strip
from data_sources.billing import attempts as book
from data_sources.billing import paid_invoices, sweeper
from data_sources.billing.account.moves import standing_lock
from data_sources.billing.account.types import FailedCharge
from data_sources.billing.source import BillingSource
from data_sources.billing.types import Buyer
from data_sources.result import Empty, Failed, Ready, utc_now
from tests.data_sources.billing.conftest import ANNA, House
from tests.data_sources.billing.steps import (
    SUB,
    answered,
    buy,
    look,
    now_of,
    refused,
    started,
    tells,
    told,
)


def test_each_renewal_marks_its_invoice_whichever_comes_first(house: House, source: BillingSource) -> None:
    started(house, source)
    (row,) = house.lago.subscriptions
    house.stripe.billing.travel(31)
    tells(source, "invoice.paid", SUB, "evt_2")
    source.sweeper.look(utc_now())  # Lago has not made its own yet: to be tried again
    house.lago.bill_period(row, at=house.stripe.billing.now)
    tells(source, "invoice.created", "org-acme", "key-2", "lago")
    source.sweeper.look(utc_now())
    house.lago.bill_period(row, at=house.stripe.billing.now + timedelta(days=30))
    look(source, timedelta(hours=2))  # nothing paid for this one
    house.stripe.billing.travel(30)
    tells(source, "invoice.paid", SUB, "evt_3")
    source.sweeper.look(utc_now())
    paid_by = [one["metadata"][0]["value"] for one in house.lago.invoices]
    assert paid_by == ["in_00000002", "in_00000001", "in_00000000"]
    assert {one["payment_status"] for one in house.lago.invoices} == {"succeeded"}
    look(source, timedelta(hours=9))
    assert len(house.lago.requests("PUT", f"/api/v1/invoices/{house.lago.invoices[2]['lago_id']}")) == 1


def test_a_renewal_whose_webhook_got_lost_is_marked_by_the_sweep(house: House, source: BillingSource) -> None:
    started(house, source)
    house.stripe.billing.travel(31)
    house.lago.bill_period(house.lago.subscriptions[0], at=house.stripe.billing.now)
    look(source, timedelta(hours=2))
    assert house.lago.invoices[0]["payment_status"] == "succeeded"


@pytest.mark.parametrize("tells_periods", [True, False])
def test_a_payment_marks_the_invoice_of_its_own_period_and_no_other(
    house: House, source: BillingSource, tells_periods: bool
) -> None:
    started(house, source)
    house.lago.tells_periods = tells_periods
    row, at_stripe = house.lago.subscriptions[0], house.stripe.billing
    at_stripe.travel(31, pays=False)
    house.lago.bill_period(row, at=at_stripe.now)  # the one that fails, of equal sum and older
    at_stripe.travel(30)
    look(source, timedelta(hours=2))
    assert house.lago.invoices[0]["payment_status"] == "pending"
    (told_row,) = source.desk.purchases().value
    assert "(in_00000002) for the period from" in str(told_row.note)
    house.lago.bill_period(row, at=at_stripe.now)
    look(source, timedelta(hours=9))
    assert [one["payment_status"] for one in house.lago.invoices] == ["succeeded", "pending", "succeeded"]
    assert "The books differ" not in str(now_of(house).note)
    at_stripe.pay(at_stripe.invoices[1])
    look(source, timedelta(hours=16))
    assert house.lago.invoices[1]["metadata"][0]["value"] == "in_00000001"


def test_a_renewal_that_fails_leaves_lagos_invoice_open_and_both_sides_are_told(
    house: House, source: BillingSource
) -> None:
    started(house, source)
    house.stripe.billing.travel(31, pays=False)
    house.lago.bill_period(house.lago.subscriptions[0], at=house.stripe.billing.now)
    tells(source, "invoice.payment_failed", SUB)
    assert source.account.failed_charges(ANNA) == ()
    source.sweeper.look(utc_now())
    assert house.lago.invoices[0]["payment_status"] == "pending"
    assert house.lago.held_by("org-acme") == ["business"]
    (row,) = source.desk.purchases().value
    assert row.needs_person
    assert str(row.note).startswith("A charge failed: 100.00 USD (in_00000001).")
    page = f"{house.stripe.url}/invoice/in_00000001"
    assert source.account.failed_charges(ANNA) == (FailedCharge("Business", Decimal(100), "USD", page, "sub-org-acme"),)
    house.stripe.billing.invoices[1]["hosted_invoice_url"] = "https://evil.test/pay"
    assert source.account.failed_charges(ANNA)[0].page is None
    assert requests.post(page, timeout=5).ok
    assert source.account.failed_charges(ANNA) == ()
    invoices = [house.lago.invoices.pop(0)]
    look(source, timedelta(hours=2))  # told no more, although Lago's invoice cannot be marked yet
    assert now_of(house).note is None
    house.lago.invoices[:0] = invoices
    tells(source, "invoice.paid", SUB, "evt_2")
    source.sweeper.look(utc_now())
    assert (now_of(house).note, house.lago.invoices[0]["metadata"][0]["value"]) == (None, "in_00000001")


def test_a_subscription_that_ended_at_stripe_ends_in_lago_with_nothing_given_back(
    house: House, source: BillingSource
) -> None:
    started(house, source)
    house.stripe.billing.end(house.stripe.billing.subscriptions[SUB])
    tells(source, "customer.subscription.deleted", SUB)
    source.sweeper.look(utc_now())
    assert (now_of(house).state, house.lago.held_by("org-acme")) == (book.ENDED, [])
    gone = next(one for one in house.lago.asked if one.method == "DELETE")
    assert gone.query["on_termination_credit_note"] == ["skip"]


def test_a_message_that_it_ended_is_not_believed_while_stripe_says_otherwise(
    house: House, source: BillingSource
) -> None:
    started(house, source)
    tells(source, "customer.subscription.deleted", SUB)
    source.sweeper.look(utc_now())
    assert house.lago.held_by("org-acme") == ["business"]


def test_a_subscription_that_ended_in_lago_is_never_charged_again(house: House, source: BillingSource) -> None:
    started(house, source)
    house.lago.subscriptions[0]["status"] = "terminated"
    tells(source, "subscription.terminated", "org-acme", "key-9", "lago")
    source.sweeper.look(utc_now())
    assert house.stripe.billing.subscriptions[SUB]["status"] == "canceled"
    assert now_of(house).state == book.ENDED


def test_an_end_that_lago_has_set_or_taken_back_is_stripes_too(house: House, source: BillingSource) -> None:
    started(house, source)
    row, held = house.lago.subscriptions[0], house.stripe.billing.subscriptions[SUB]
    row["ending_at"] = "2026-12-24T12:00:00Z"
    look(source, timedelta(hours=2))
    assert held["cancel_at"] == 1798113600
    row["ending_at"] = None
    look(source, timedelta(hours=4))
    assert held["cancel_at"] is None


def test_after_a_cancel_stripe_never_renews_however_much_later_lagos_period_begins(
    house: House, source: BillingSource
) -> None:
    started(house, source)
    row, held = house.lago.subscriptions[0], house.stripe.billing.subscriptions[SUB]
    renews, begun = int(held["_until"].timestamp()), utc_now() + timedelta(days=18)
    row |= {"started_at": begun.isoformat(), "ending_at": (begun + timedelta(days=30)).isoformat()}
    look(source, timedelta(hours=2))
    assert (held["cancel_at"], held["cancel_at_period_end"]) == (renews, True)
    row["ending_at"] = None
    look(source, timedelta(hours=4))
    assert (held["cancel_at"], held["cancel_at_period_end"]) == (None, False)
    row["ending_at"] = (begun + timedelta(days=90)).isoformat()  # an admin, in Lago: two more periods are to be paid
    look(source, timedelta(hours=6))
    assert abs(held["cancel_at"] - renews - timedelta(days=60).total_seconds()) < 60
    row["ending_at"] = (begun + timedelta(days=30)).isoformat()
    look(source, timedelta(hours=9))
    house.stripe.billing.travel(31)
    look(source, timedelta(hours=16))
    assert (held["status"], len(house.stripe.billing.invoices)) == ("canceled", 1)
    assert (now_of(house).state, house.lago.held_by("org-acme")) == (book.STARTED, ["business"])  # until Lago's end
    resumed = source.account.manage(ANNA, "resume", "sub-org-acme", None)
    assert isinstance(resumed, Failed)
    assert (resumed.problem.code, row["ending_at"] is None) == ("ended_at_stripe", False)
    held_now = source.current(ANNA)
    assert isinstance(held_now, Ready)
    current = held_now.value
    assert current.subscriptions[0].over_at_stripe
    lock = standing_lock(current)
    assert lock is not None
    assert "so it cannot be resumed. When it has ended, choose a plan anew." in str(lock.reason)
    assert refused(buy(source, "starter")).detail == lock.reason
    assert "data-manage" not in str(current_strip(current).to_plotly_json())
    row["status"] = "terminated"
    look(source, timedelta(hours=24))
    assert now_of(house).note == "Its subscription at Stripe has ended."


def test_a_payment_that_lago_makes_no_invoice_for_stays_with_the_admin_until_it_is_given_back(
    house: House, source: BillingSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    purchase = started(house, source)
    row, at_stripe = house.lago.subscriptions[0], house.stripe.billing
    at_stripe.travel(31)
    look(source, timedelta(hours=2))
    assert now_of(house).note is None  # Lago may still make it
    monkeypatch.setattr(paid_invoices, "INVOICE_COMES", timedelta(days=-31))
    look(source, timedelta(hours=4))
    assert "(in_00000001) for the period from" in str(now_of(house).note)
    monkeypatch.undo()
    row["ending_at"] = at_stripe.now.isoformat()
    look(source, timedelta(hours=6))
    assert "Lago has no invoice for it. Give it back at Stripe." in str(now_of(house).note)
    house.lago.bill_period(row, at=at_stripe.now, status="draft")  # of a Lago that leaves time to mend it
    look(source, timedelta(hours=8))
    assert "only a draft" in str(now_of(house).note)
    house.lago.invoices.pop(0)
    row["status"] = "terminated"
    look(source, timedelta(hours=11))
    (listed,) = source.desk.purchases().value
    assert (now_of(house).state, listed.needs_person, listed.can_look_again) == (book.ENDED, True, True)
    assert told(source.progress(ANNA, purchase)).message.startswith("A payment for it is still to be put right")
    refund = {"id": "re_1", "object": "refund", "payment_intent": "pi_00000001", "amount": 9999, "status": "succeeded"}
    at_stripe.refunds += [refund, {**refund, "id": "re_2", "amount": 1, "status": "pending"}]
    assert isinstance(source.desk.retry("token:admin", purchase), Ready)
    assert now_of(house).needs_person  # some of it is still on its way
    house.stripe.fail("401", "/v1/refunds")
    assert isinstance(source.desk.retry("token:admin", purchase), Ready)
    assert "Refunds at Stripe could not be read" in str(now_of(house).note)
    house.stripe.heal()
    at_stripe.refunds[1]["status"] = "succeeded"
    assert isinstance(source.desk.retry("token:admin", purchase), Ready)
    assert isinstance(source.desk.purchases(), Empty)


def test_another_plan_in_lago_than_the_one_paid_for_needs_a_person(house: House, source: BillingSource) -> None:
    started(house, source)
    house.lago.subscriptions[0]["lago_id"] = "00000000-0000-4000-8000-000000000000"
    look(source, timedelta(hours=2))
    (row,) = source.desk.purchases().value
    assert row.needs_person
    assert house.stripe.billing.subscriptions[SUB]["status"] == "active"


def test_however_many_plans_run_one_look_asks_about_a_few_and_all_get_their_turn(
    house: House, source: BillingSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "RUNNING_AT_ONCE", 2)
    for number in range(5):
        buyer = Buyer(f"link:{number}", f"org-{number}", f"{number}", None)
        answered(buy(source, buyer=buyer))
        house.stripe.complete(f"cs_test_{number:08d}")
        assert isinstance(source.returned(buyer, f"cs_test_{number:08d}"), Ready)
        assert told(source.progress(buyer, now_of(house).id)).good is True
    house.stripe.asked.clear()
    asked = []
    for _ in range(3):
        look(source, timedelta(hours=2))
        asked.append(len({one.path for one in house.stripe.asked if one.path.startswith("/v1/subscriptions/")}))
    assert asked == [2, 4, 5]
