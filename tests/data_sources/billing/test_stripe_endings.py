"""Collector `stripe` when it ends, or is to end: what is owed, what was given back, and who set the end."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests

from components.account import shown_of
from components.held import current_strip, failed_banner
from data_sources.billing import attempts as book
from data_sources.billing import books
from data_sources.billing.account.types import FailedCharge, Managed
from data_sources.billing.paid_invoices import PAID_BY
from data_sources.billing.source import BillingSource
from data_sources.billing.types import Buyer, Subscription
from data_sources.result import Empty, Failed, Ready, utc_now
from tests.data_sources.billing.conftest import ANNA, House
from tests.data_sources.billing.steps import (
    SUB,
    answered,
    buy,
    look,
    now_of,
    refund,
    refused,
    started,
    tells,
    told,
)


def row_of(source: BillingSource) -> Any:
    got = source.desk.purchases()
    assert isinstance(got, Ready), got
    (row,) = got.value
    return row


def current(source: BillingSource) -> tuple[Subscription, ...]:
    got = source.current(ANNA)
    assert isinstance(got, Ready), got
    return got.value.subscriptions


def strip(source: BillingSource) -> str:
    got = source.current(ANNA)
    assert isinstance(got, Ready), got
    return str(current_strip(got.value).to_plotly_json())


def charged(source: BillingSource) -> FailedCharge:
    got = source.account.failed_charges(ANNA)
    assert isinstance(got, tuple)
    (one,) = got
    return one


def banner(one: FailedCharge) -> str:
    return str(failed_banner([one]).to_plotly_json())


def unpaid_periods(house: House, source: BillingSource, periods: int) -> None:
    for _ in range(periods):
        house.stripe.billing.travel(31, pays=False)
        house.lago.bill_period(house.lago.subscriptions[0], at=house.stripe.billing.now)
    tells(source, "invoice.payment_failed", SUB, f"evt_failed_{periods}")
    source.sweeper.look(utc_now())


def given_up(house: House, source: BillingSource) -> None:
    """Stripe ends it because nobody paid."""
    held = house.stripe.billing.subscriptions[SUB]
    house.stripe.billing.end(held)
    held["cancellation_details"] = {"comment": None, "feedback": None, "reason": "payment_failed"}
    tells(source, "customer.subscription.deleted", SUB, "evt_gone")
    source.sweeper.look(utc_now())


def managed(source: BillingSource, action: str) -> Managed:
    got = source.account.manage(ANNA, action, "sub-org-acme", None)
    assert isinstance(got, Ready), got
    if got.value.offer is not None:
        got = source.account.manage(ANNA, action, "sub-org-acme", got.value.offer.token)
        assert isinstance(got, Ready), got
    return got.value


# ---- what is owed


def test_all_open_charges_are_told_and_the_oldest_is_paid_first(house: House, source: BillingSource) -> None:
    started(house, source)
    unpaid_periods(house, source, 2)
    assert "A charge failed: 200.00 USD (2 invoices, the oldest in_00000001). Stripe may" in str(now_of(house).note)
    first = charged(source)
    assert (first.amount, first.count) == (Decimal(200), 2)
    assert str(first.page).endswith("/invoice/in_00000001")
    assert "2 charges for Business failed, $200 in all." in banner(first)
    assert "Pay the oldest on Stripe's page." in banner(first)
    house.stripe.billing.pay(house.stripe.billing.invoices[2])  # the newest all the same
    assert "A charge of $100 for Business failed." in banner(charged(source))


def test_a_stripe_that_has_given_up_is_not_said_to_try_again(house: House, source: BillingSource) -> None:
    started(house, source)
    unpaid_periods(house, source, 1)
    house.stripe.billing.subscriptions[SUB]["status"] = "unpaid"
    tells(source, "customer.subscription.updated", SUB, "evt_2")
    source.sweeper.look(utc_now())
    note = str(now_of(house).note)
    assert "may try again" not in note
    assert "Have the customer pay it, or end sub_00000000 at Stripe" in note
    assert "Stripe does not try again; the plan goes on until your admin ends it." in banner(charged(source))


def test_a_plan_that_stripe_ended_unpaid_tells_both_why_and_what_is_owed_until_it_is_paid(
    house: House, source: BillingSource
) -> None:
    purchase = started(house, source)
    unpaid_periods(house, source, 1)
    given_up(house, source)
    assert (now_of(house).state, house.lago.held_by("org-acme")) == (book.ENDED, [])
    row = row_of(source)
    assert (row.needs_person, row.can_look_again) == (True, True)
    assert "It ended and is not paid: 100.00 USD (in_00000001). Stripe ended it for that." in str(row.note)
    assert "says what is owed and where to pay it" in told(source.progress(ANNA, purchase)).message
    owed = charged(source)
    assert (owed.state, owed.amount) == ("ended_unpaid", Decimal(100))
    assert "Stripe ended Business, as what it charged was not paid. $100 is still owed for it." in banner(owed)
    assert "Paying does not start the plan again." in banner(owed)
    assert requests.post(str(owed.page), timeout=5).ok
    tells(source, "invoice.paid", SUB, "evt_late")
    source.sweeper.look(utc_now())
    late = house.lago.invoices[0]
    assert (late["payment_status"], late["metadata"][0]["value"]) == ("succeeded", "in_00000001")
    assert isinstance(source.desk.purchases(), Empty)
    steps = [line.action for line in source.desk.log().value]
    assert steps.count("started") == 1, "what is noted of it later is no start"
    assert "noted" in steps
    assert source.account.failed_charges(ANNA) == ()


def test_a_debt_paid_after_the_end_is_noted_without_a_webhook_too(house: House, source: BillingSource) -> None:
    started(house, source)
    unpaid_periods(house, source, 1)
    given_up(house, source)
    house.stripe.billing.pay(house.stripe.billing.invoices[1])
    look(source, timedelta(hours=7))
    assert house.lago.invoices[0]["payment_status"] == "succeeded"
    assert now_of(house).note == "What was open is settled."


# ---- what was given back


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("by", ["refund", "credit note"])
def test_money_given_back_of_a_payment_that_lago_has_as_paid_is_told_until_a_person_has_noted_it_there(
    house: House, source: BillingSource, by: str, ended: bool
) -> None:
    purchase = started(house, source)
    if ended:
        house.lago.subscriptions[0]["status"] = "terminated"
        look(source, timedelta(hours=7))
        assert now_of(house).state == book.ENDED
    if by == "refund":
        refund(house, 500)
        refund(house, 9500, status="pending")
    else:
        house.stripe.billing.invoices[0]["post_payment_credit_notes_amount"] = 500
    tells(source, "charge.refunded", "cus_self0000")
    source.sweeper.look(utc_now())
    note = str(row_of(source).note)
    coming = " and 95.00 USD is on its way back" if by == "refund" else ""
    assert (
        f"Of the 100.00 USD that Stripe was paid (in_00000000) 5.00 USD was given back{coming} there, and Lago" in note
    )
    assert "Lago has its invoice" in note
    assert "add the metadata stripe_given_back = 5.00 USD to that invoice there, beside stripe_invoice" in note
    assert house.lago.invoices[0]["payment_status"] == "succeeded"
    house.lago.invoices[0]["metadata"].append({"lago_id": "x", "key": "stripe_given_back", "value": "5.00 USD"})
    looked = source.desk.retry("token:admin", purchase)
    if by == "refund":
        assert "(in_00000000) 95.00 USD is on its way back there" in str(row_of(source).note)
        house.stripe.billing.refunds.pop()
        looked = source.desk.retry("token:admin", purchase)
    assert isinstance(looked, Ready)
    assert isinstance(source.desk.purchases(), Empty)


@pytest.mark.parametrize("by", ["refund", "credit note"])
def test_the_customer_reads_at_the_invoice_what_was_given_back_of_it(
    house: House, source: BillingSource, by: str
) -> None:
    started(house, source)

    def first() -> tuple[Decimal | None, Decimal | None]:
        found = source.account.invoices(ANNA)
        assert isinstance(found, Ready)
        assert found.value.backs_unread is None
        assert found.value.rows[0].payment_status == "succeeded"
        return found.value.rows[0].given_back, found.value.rows[0].coming_back

    assert first() == (None, None)
    if by == "refund":
        refund(house, 500)
        refund(house, 9500, status="pending")
        assert first() == (Decimal(5), Decimal(95))
    else:
        house.stripe.billing.invoices[0]["post_payment_credit_notes_amount"] = 500
        assert first() == (Decimal(5), None)


def test_where_it_is_not_known_what_was_given_back_the_invoices_stand_and_say_so(
    house: House, source: BillingSource
) -> None:
    started(house, source)
    house.stripe.fail("500", "/v1/charges")
    found = source.account.invoices(ANNA)
    assert isinstance(found, Ready)
    assert "Whether something was given back at Stripe is not known" in shown_of(found.value)


def test_no_question_to_stripe_is_added_where_lago_collects(house: House) -> None:
    source = house.source()
    house.lago.add_customer("org-acme")
    house.lago.bill("org-acme", "OPS-1", 1900)
    assert isinstance(source.account.invoices(ANNA), Ready)
    assert house.stripe.asked == []


def test_refunds_that_cannot_be_read_take_nothing_back_that_was_told(house: House, source: BillingSource) -> None:
    purchase = started(house, source)
    refund(house, 10000)
    look(source, timedelta(hours=7))
    note = row_of(source).note
    house.stripe.fail("500", "/v1/charges")
    got = source.desk.retry("token:admin", purchase)
    assert isinstance(got, Failed)
    assert got.problem.title == "Refunds at Stripe could not be read"
    assert row_of(source).note == note


# ---- who set the end


def test_a_cancellation_that_stripe_does_not_confirm_promises_nothing_and_is_soon_tried_again(
    house: House, source: BillingSource
) -> None:
    started(house, source)
    house.stripe.fail("500")
    done = managed(source, "cancel")
    assert done.title.endswith(", once Stripe confirms it")
    assert done.good is None, "no tick stands beside what is not so yet"
    assert "Stripe, which takes the money, has not confirmed it yet" in done.message
    assert "resume it here" not in done.message
    row = row_of(source)
    assert row.needs_person
    assert str(row.note).startswith("Its end is not the same in Lago and at Stripe: The subscription at Stripe could")
    assert "Stripe does not tell now, so whether it can still be resumed is not known." in strip(source)
    house.stripe.heal()
    assert "Stripe, which takes the money, has not confirmed that yet" in strip(source)
    look(source, timedelta(seconds=90))
    assert "It goes on until then and does not renew." in strip(source)
    assert house.stripe.billing.subscriptions[SUB]["cancel_at"] is not None
    assert isinstance(source.desk.purchases(), Empty)


@pytest.mark.parametrize("action", ["cancel", "resume"])
def test_an_end_that_stripe_refuses_to_take_is_told_as_well(house: House, source: BillingSource, action: str) -> None:
    started(house, source)
    if action == "resume":
        managed(source, "cancel")
    house.stripe.fail("500", f"/v1/subscriptions/{SUB}", method="POST")
    assert "once Stripe confirms it" in managed(source, action).title
    assert row_of(source).needs_person
    house.stripe.heal()
    look(source, timedelta(seconds=90))
    assert (house.stripe.billing.subscriptions[SUB]["cancel_at"] is None) == (action == "resume")
    assert now_of(house).note is None


def test_an_end_that_somebody_set_at_stripe_is_carried_over_to_lago_and_stays_until_it_is_resumed(
    house: House, source: BillingSource
) -> None:
    started(house, source)
    (row,), held = house.lago.subscriptions, house.stripe.billing.subscriptions[SUB]
    held |= {"cancel_at_period_end": True, "cancel_at": int(held["_until"].timestamp())}
    tells(source, "customer.subscription.updated", SUB)
    for hours in (0, 7, 14):
        look(source, timedelta(hours=hours))
        assert held["cancel_at"] == int(held["_until"].timestamp())
    ends = datetime.fromisoformat(row["ending_at"])
    assert abs(ends - held["_until"]) < timedelta(days=2)
    log = source.desk.log()
    assert isinstance(log, Ready)
    (line,) = [one for one in log.value if one.action == "end carried over to Lago"]
    assert (line.who, "Its end was set at Stripe" in str(line.note)) == ("stripe evt", True)
    managed(source, "resume")
    assert (held["cancel_at"], row["ending_at"]) == (None, None)
    managed(source, "cancel")
    house.stripe.billing.travel(62)
    assert len(house.stripe.billing.invoices) == 1


def test_an_earlier_end_set_at_stripe_within_a_late_one_of_lagos_wins(house: House, source: BillingSource) -> None:
    started(house, source)
    (row,), held = house.lago.subscriptions, house.stripe.billing.subscriptions[SUB]
    row["ending_at"] = (utc_now() + timedelta(days=90)).isoformat()
    look(source, timedelta(hours=7))
    assert held["cancel_at"] > held["_until"].timestamp()
    held |= {"cancel_at_period_end": True, "cancel_at": int(held["_until"].timestamp())}
    for hours in (14, 21):
        look(source, timedelta(hours=hours))
        assert held["cancel_at"] == int(held["_until"].timestamp())
    assert datetime.fromisoformat(row["ending_at"]) < utc_now() + timedelta(days=33)


def test_an_end_of_before_the_mark_is_taken_back_with_lagos(house: House, source: BillingSource) -> None:
    started(house, source)
    managed(source, "cancel")
    held = house.stripe.billing.subscriptions[SUB]
    held["metadata"].pop("lago_end")
    managed(source, "resume")
    assert held["cancel_at"] is None


def test_a_plan_that_ran_to_its_end_without_a_word_of_it_is_no_reason_to_refuse_the_next(
    house: House, source: BillingSource
) -> None:
    started(house, source)
    managed(source, "cancel")
    house.stripe.billing.travel(31)
    house.lago.subscriptions[0]["status"] = "terminated"
    house.stripe.fail("500", f"/v1/subscriptions/{SUB}")
    problem = refused(buy(source))
    assert problem.title == "The subscription at Stripe could not be read"
    assert "Nothing was bought" in problem.detail
    house.stripe.heal()
    assert answered(buy(source)).status == "redirect"


def test_a_price_that_lago_raised_is_told_before_stripe_takes_the_old_one(house: House, source: BillingSource) -> None:
    started(house, source)
    (row,), held = house.lago.subscriptions, house.stripe.billing.subscriptions[SUB]
    row["plan_amount_cents"] = 15000
    look(source, timedelta(hours=7))
    note = str(row_of(source).note)
    assert "Lago asks 150.00 USD for the period from" in note
    assert "and Stripe takes 100.00 USD. Before that day change the price of sub_00000000 at Stripe" in note
    (shown,) = current(source)
    assert shown.stripe_takes == (Decimal(100), "USD")
    assert "$100 per month, as Stripe takes it. Lago's price is $150 per month" in strip(source)
    house.lago.bill_period(row, at=house.stripe.billing.now + timedelta(days=31)).update(total_amount_cents=15000)
    house.stripe.billing.travel(31)
    look(source, timedelta(hours=10))
    invoice = house.lago.invoices[0]
    assert f"mark that invoice as paid in Lago, with the metadata {PAID_BY} = in_00000001" in str(now_of(house).note)
    assert "What Stripe took for Business is not what its invoice in Lago asks. Your admin" in banner(charged(source))
    invoice["payment_status"] = "succeeded"
    invoice["metadata"] = [{"lago_id": "x", "key": PAID_BY, "value": "in_00000001"}]
    held["_amount"] = 15000
    look(source, timedelta(hours=14))
    assert now_of(house).note is None


@pytest.mark.parametrize("cents", [10000, 500])
@pytest.mark.parametrize("by", ["refund", "credit note"])
def test_what_was_given_back_before_its_invoice_was_marked_is_told_like_after(
    house: House, source: BillingSource, by: str, cents: int
) -> None:
    started(house, source)
    house.stripe.billing.travel(31)
    house.lago.bill_period(house.lago.subscriptions[0], at=house.stripe.billing.now)
    if by == "refund":
        refund(house, cents, invoice=1)
    else:
        house.stripe.billing.invoices[1]["post_payment_credit_notes_amount"] = cents
    look(source, timedelta(hours=7))
    assert house.lago.invoices[0]["metadata"][0]["value"] == "in_00000001"
    note = str(row_of(source).note)
    assert f"Of the 100.00 USD that Stripe was paid (in_00000001) {cents / 100:.2f} USD was given back" in note


def test_a_payment_that_does_not_tell_what_was_credited_is_not_taken_as_nothing_given_back(
    house: House, source: BillingSource
) -> None:
    started(house, source)
    house.stripe.billing.travel(31)
    house.lago.bill_period(house.lago.subscriptions[0], at=house.stripe.billing.now)
    credited = house.stripe.billing.invoices[1].pop("post_payment_credit_notes_amount")
    look(source, timedelta(hours=7))
    assert house.lago.invoices[0]["payment_status"] != "succeeded"
    house.stripe.billing.invoices[1]["post_payment_credit_notes_amount"] = credited
    house.stripe.asked.clear()  # what it answered so far is wrong on purpose
    look(source, timedelta(hours=14))
    assert house.lago.invoices[0]["payment_status"] == "succeeded"


def test_the_log_names_what_was_touched_at_both(house: House, source: BillingSource) -> None:
    started(house, source)
    managed(source, "cancel")
    managed(source, "resume")
    house.lago.subscriptions[0]["status"] = "terminated"
    look(source, timedelta(hours=7))
    log = source.desk.log()
    assert isinstance(log, Ready)
    lines = {one.action: one for one in log.value}
    assert {"end set at Stripe", "end taken back at Stripe", "ended at Stripe"} <= lines.keys()
    marked = lines["marked paid in Lago"]
    assert {"in_00000000", SUB, "cus_self0000", house.lago.invoices[0]["lago_id"]} <= set(marked.ids)
    assert (marked.amount, marked.who) == (Decimal(100), ANNA.principal_id)
    assert str(lines["cancel done"].note).endswith("UTC")


def test_a_refused_click_is_in_the_log_with_what_the_admin_does(house: House, source: BillingSource) -> None:
    customer = house.lago.add_customer("org-acme")
    customer["billing_configuration"] = {"payment_provider": "stripe", "provider_customer_id": "cus_lago"}
    for _ in range(25):
        refused(buy(source))
    log = source.desk.log()
    assert isinstance(log, Ready)
    assert {one.action for one in log.value} == {"click refused"}
    assert len(log.value) == 20  # and no more of one person in an hour
    line = log.value[0]
    assert (line.customer_id, line.plan_code, line.who) == ("org-acme", "business", ANNA.principal_id)
    assert "Take the payment provider from the customer in Lago" in str(line.note)
    admin = Buyer("token:admin", "org-acme", None, None, chooses=True)
    said = refused(buy(source, buyer=admin)).detail
    assert "Ask your admin" not in said
    assert "Take the payment provider from the customer in Lago" in said


def test_looking_again_never_tells_as_good_what_needs_a_person(house: House, source: BillingSource) -> None:
    purchase = started(house, source)
    unpaid_periods(house, source, 1)
    again = told(source.desk.retry("token:admin", purchase))
    assert (again.title, again.good) == ("org-acme: Business goes on, and a charge failed", None)
    assert again.message.startswith("A charge failed: 100.00 USD (in_00000001).")
    assert row_of(source).title == "Business goes on, and a charge failed"


def test_before_it_is_cancelled_it_says_until_when_it_can_be_resumed_and_that_a_debt_stays(
    house: House, source: BillingSource
) -> None:
    started(house, source)
    (row,), held = house.lago.subscriptions, house.stripe.billing.subscriptions[SUB]
    row["current_billing_period_ending_at"] = (held["_until"] + timedelta(days=3)).isoformat()

    def lines() -> str:
        got = source.account.manage(ANNA, "cancel", "sub-org-acme", None)
        assert isinstance(got, Ready), got
        assert got.value.offer is not None
        return " ".join(got.value.offer.lines)

    day = f"{held['_until'].day} {held['_until']:%b %Y}"
    assert f"Until Stripe's period ends on {day}, you can resume it here." in lines()
    assert "not paid yet" not in lines()
    held["status"] = "past_due"
    assert "A charge for it is not paid yet. Cancelling does not settle that." in lines()
    house.stripe.fail("500")
    assert "As long as the period runs that Stripe was paid for, you can resume it here." in lines()
    house.stripe.heal()
    assert f"Until Stripe's period ends on {day}, you can resume it here." in managed(source, "cancel").message


def test_a_payment_too_many_is_told_to_its_customer_as_well(house: House, source: BillingSource) -> None:
    started(house, source)
    house.stripe.billing.travel(31)
    house.lago.subscriptions[0]["status"] = "terminated"
    look(source, timedelta(hours=7))
    assert now_of(house).state == book.ENDED
    assert "A payment for Business that no invoice is for is still to be put right." in banner(charged(source))
    refund(house, 10000, invoice=1)
    look(source, timedelta(hours=14))
    assert source.account.failed_charges(ANNA) == ()


def test_no_sentence_about_a_difference_breaks_off_and_what_has_no_room_is_counted() -> None:
    many = [
        f"Sentence number {number} about what Stripe was paid and Lago has no invoice for, in full."
        for number in range(9)
    ]
    told = books.whole(many)
    assert told.startswith(" ".join(many[:3]))
    assert told.endswith(" more, told once this is settled.")
    assert len(told) < 470
    assert books.whole(many[:2]) == " ".join(many[:2])
