"""Collector `stripe`: Stripe takes the money, Lago the plan and word of what was paid; never one without the other."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from data_sources.billing import attempts as book
from data_sources.billing.attempts import Attempt
from data_sources.billing.progress import INVOICE
from data_sources.billing.source import BillingSource
from data_sources.billing.types import Buyer
from data_sources.result import Ready, utc_now
from tests.data_sources.billing.conftest import ANNA, BEN, House
from tests.data_sources.billing.steps import (
    LATER,
    SESSION,
    SUB,
    answered,
    buy,
    failed,
    held_up,
    look,
    now_of,
    pay,
    posts,
    refused,
    started,
    tells,
    told,
)
from tests.fakes.lago import charge, minimum
from tests.fakes.lago_objects import billing_entity, tax

MISMATCH = "collector_mismatch"


def test_the_page_asks_for_the_plans_own_price_and_nothing_of_stripes(house: House, source: BillingSource) -> None:
    got = answered(buy(source, shown_amount_cents=10000, shown_currency="USD"))
    assert got.checkout_url is not None
    asked = house.stripe.requests("POST", "/v1/checkout/sessions")[0].body.decode()
    for part in (
        "mode=subscription",
        "line_items[0][price_data][unit_amount]=10000",
        "line_items[0][price_data][currency]=usd",
        "line_items[0][price_data][recurring][interval]=month",
        "adaptive_pricing[enabled]=false",
    ):
        assert part in asked.replace("%5B", "[").replace("%5D", "]")
    assert not any(word in asked for word in ("anna", "price_1", "automatic_tax", "promotion", "trial"))
    assert "Stripe charges it now" in house.stripe.only_session()["custom_text"]["submit"]["message"]


@pytest.mark.parametrize(
    ("interval", "unit", "count"),
    [
        ("weekly", "week", 1),
        ("monthly", "month", 1),
        ("quarterly", "month", 3),
        ("semiannual", "month", 6),
        ("yearly", "year", 1),
    ],
)
def test_every_interval_is_stripes_own(
    house: House, source: BillingSource, interval: str, unit: str, count: int
) -> None:
    house.lago.plan_of("business")["interval"] = interval
    answered(buy(source))
    asked = house.stripe.requests("POST", "/v1/checkout/sessions")[0].body.decode()
    assert f"recurring%5D%5Binterval%5D={unit}&" in asked or f"[recurring][interval]={unit}&" in asked
    assert f"interval_count]={count}" in asked.replace("%5D", "]")


def test_the_way_back_starts_the_plan_and_marks_lagos_invoice_as_paid(house: House, source: BillingSource) -> None:
    answered(buy(source))
    house.stripe.complete(SESSION)
    purchase = told(source.returned(ANNA, SESSION))
    assert (purchase.state, purchase.title) == (book.PAID, "Your payment is in")
    assert house.lago.subscriptions == []
    done = told(source.progress(ANNA, purchase.attempt_id))
    assert (done.good, done.message) == (True, f"Stripe took the payment and Lago started the plan. {INVOICE}")
    assert house.lago.held_by("org-acme") == ["business"]
    assert posts(house)[0].get("activation_rules") is None
    (invoice,) = house.lago.invoices
    assert (invoice["payment_status"], invoice["metadata"][0]["value"]) == ("succeeded", "in_00000000")
    assert house.lago.customers["org-acme"]["billing_configuration"]["payment_provider"] is None


def test_stripe_is_asked_again_for_the_same_customer(house: House, source: BillingSource) -> None:
    purchase = started(house, source)
    house.stripe.billing.end(house.stripe.billing.subscriptions[SUB])
    look(source, timedelta(hours=2))
    assert now_of(house).state == book.ENDED
    answered(buy(source))
    assert house.stripe.sessions["cs_test_00000001"]["customer"] == "cus_self0000"
    assert now_of(house).id != purchase


# ---- one collector for a customer


def test_a_customer_whom_lago_charges_is_refused(house: House, source: BillingSource) -> None:
    customer = house.lago.add_customer("org-acme")
    customer["billing_configuration"] = {"payment_provider": "stripe", "provider_customer_id": "cus_lago"}
    problem = refused(buy(source))
    assert (problem.code, "charged twice" in problem.detail) == ("collector_mismatch", True)
    assert house.stripe.asked == []


def test_a_customer_whom_stripe_charges_is_refused_by_the_other_collector(house: House, source: BillingSource) -> None:
    started(house, source)
    # Were changing a running plan possible, this would still be refused.
    house.lago.subscriptions.clear()
    lago = house.source(collector="lago")
    assert refused(buy(lago, "team")).code == "collector_mismatch"
    assert house.lago.customers["org-acme"]["billing_configuration"]["payment_provider"] is None


def test_a_customer_that_lago_took_over_while_it_paid_is_held(house: House, source: BillingSource) -> None:
    purchase = pay(house, source)
    house.lago.customers["org-acme"]["billing_configuration"]["payment_provider"] = "stripe"
    held = told(source.progress(ANNA, purchase))
    assert (held.state, held.good) == (book.HELD, False)
    assert posts(house) == []


def test_no_card_is_saved_for_lago_where_stripe_collects_whatever_the_setting_is_by_now(
    house: House, source: BillingSource
) -> None:
    lago = house.source(collector="lago")
    house.lago.add_customer("org-acme")
    assert isinstance(lago.account.update_card(ANNA), Ready)  # a page opened before the setting changed
    house.stripe.complete(SESSION)
    house.lago.customers["org-acme"]["billing_configuration"] = {"payment_provider": None}

    def codes(*results: Any) -> set[str | None]:
        return {failed(one).code for one in results}

    assert codes(source.account.card_progress(ANNA, SESSION), source.account.update_card(ANNA)) == {MISMATCH}
    answered(buy(source))
    house.stripe.complete("cs_test_00000001")
    source.returned(ANNA, "cs_test_00000001")
    assert told(source.progress(ANNA, now_of(house).id)).good is True
    account = lago.account
    assert told(account.card_progress(ANNA, SESSION)).title == "A card was saved at Stripe"  # of Lago's customer there
    assert codes(account.pay(ANNA, "x")) == {MISMATCH}
    assert isinstance(account.update_card(ANNA), Ready)
    assert house.stripe.sessions["cs_test_00000002"]["customer"] == "cus_self0000"
    assert house.stripe.billing.subscriptions[SUB]["default_payment_method"] == "pm_00000001"
    assert house.lago.customers["org-acme"]["billing_configuration"]["payment_provider"] is None


def test_a_connection_made_in_lago_while_the_plan_runs_is_told_to_an_admin(house: House, source: BillingSource) -> None:
    started(house, source)
    house.lago.customers["org-acme"]["billing_configuration"]["payment_provider"] = "stripe"
    look(source, timedelta(hours=2))
    (row,) = source.desk.purchases().value
    assert row.needs_person
    assert "charged twice" in str(row.note)
    house.lago.customers["org-acme"]["billing_configuration"]["payment_provider"] = None
    look(source, timedelta(hours=9))
    assert now_of(house).note is None


@pytest.mark.parametrize(
    "change", [{"charges": [charge()]}, {"minimum_commitment": minimum(20000)}, {"trial_period": 14.0}]
)
def test_only_a_flat_price_is_sold(house: House, source: BillingSource, change: dict[str, Any]) -> None:
    house.lago.plan_of("business").update(change)
    assert refused(buy(source)).code == "not_sold_here"
    assert house.stripe.asked == []


# ---- not paid, no plan


def test_a_page_that_asked_for_no_payment_starts_nothing(house: House, source: BillingSource) -> None:
    purchase = pay(house, source)
    house.stripe.sessions[SESSION]["payment_status"] = "no_payment_required"
    assert told(source.progress(ANNA, purchase)).state == book.HELD
    assert posts(house) == []


@pytest.mark.parametrize("change", [{"amount_subtotal": 100}, {"currency": "jpy"}])
def test_another_sum_than_was_chosen_is_held_and_an_admin_told(
    house: House, source: BillingSource, change: dict[str, Any]
) -> None:
    purchase = pay(house, source)
    house.stripe.sessions[SESSION].update(change)
    assert told(source.progress(ANNA, purchase)).state == book.HELD
    (row,) = source.desk.purchases().value
    assert row.needs_person
    assert "Stripe took" in str(row.note)
    source.desk.retry("token:admin", purchase)
    look(source, timedelta(hours=2))
    assert posts(house) == []


@pytest.mark.parametrize(
    "change",
    [{"mode": "setup"}, {"client_reference_id": "x"}, {"metadata": {"attempt_id": "x"}}, {"livemode": True}],
)
def test_a_page_that_is_not_exactly_ours_proves_nothing(
    house: House, source: BillingSource, change: dict[str, Any]
) -> None:
    pay(house, source)
    house.stripe.sessions[SESSION].update(change)
    assert failed(source.returned(ANNA, SESSION)).code == "checkout_not_found"
    assert posts(house) == []


def test_somebody_elses_page_is_not_found(house: House, source: BillingSource) -> None:
    pay(house, source)
    assert failed(source.returned(BEN, SESSION)).code == "checkout_not_found"


# ---- paid, so there is a plan


def test_a_webhook_that_never_comes_is_made_good_by_the_sweep(house: House, source: BillingSource) -> None:
    pay(house, source)
    source.sweeper.look(utc_now())
    assert now_of(house).state == book.REDIRECTED
    look(source)
    assert now_of(house).state == book.STARTED


def test_lago_down_for_hours_after_the_payment_starts_the_plan_once_when_it_is_back(
    house: House, source: BillingSource
) -> None:
    purchase = pay(house, source)
    house.lago.fail("500")
    for hour in (1, 9, 40):
        look(source, timedelta(hours=hour))
    assert now_of(house).state == book.PAID
    house.lago.heal()
    look(source, timedelta(hours=48))
    assert told(source.progress(ANNA, purchase)).good is True
    assert len(posts(house)) == 1


@pytest.mark.parametrize("after", [True, False])
def test_a_lost_answer_of_lago_starts_one_plan(house: House, source: BillingSource, after: bool) -> None:
    purchase = pay(house, source)
    house.lago.fail("closed", "/api/v1/subscriptions", method="POST", times=1, after=after)
    lost = source.progress(ANNA, purchase)
    held_up(lost)
    assert told(lost).title == "Your payment is in"
    assert "Whether Business has started is not known yet" in told(lost).message
    assert now_of(house).state == book.STARTING
    with house.state.session() as session:
        session.execute(update(Attempt).values(updated_at=utc_now() - timedelta(minutes=1)))
    assert told(source.progress(ANNA, purchase)).good is True
    assert house.lago.held_by("org-acme") == ["business"]


def test_a_free_plan_gives_way_to_the_one_that_was_paid(house: House, source: BillingSource) -> None:
    answered(buy(source, "starter"))
    assert told(source.progress(ANNA, pay(house, source))).good is True
    assert house.lago.held_by("org-acme") == ["business"]


def test_many_at_once_start_one_plan_and_mark_one_invoice(house: House, source: BillingSource) -> None:
    purchase = pay(house, source)
    tells(source, "checkout.session.completed", SESSION)
    gate = threading.Barrier(6)

    def at_once(do: Callable[..., Any], *given: Any) -> None:
        gate.wait(10)
        do(*given)

    later = utc_now() + LATER
    work: list[tuple[Any, ...]] = [(source.progress, ANNA, purchase)] * 3 + [(source.sweeper.look, later)] * 3
    threads = [threading.Thread(target=at_once, args=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    look(source, timedelta(hours=3))
    assert now_of(house).state == book.STARTED
    assert (len(house.lago.subscriptions), len(house.lago.invoices)) == (1, 1)
    assert house.lago.invoices[0]["payment_status"] == "succeeded"


def test_two_tabs_and_a_double_click_lead_to_one_page(house: House, source: BillingSource) -> None:
    first, second = answered(buy(source)), answered(buy(source))
    assert first.checkout_url == second.checkout_url
    house.stripe.complete(SESSION)
    assert "/billing/return?session_id=" in str(answered(buy(source)).checkout_url)
    assert len(house.stripe.sessions) == 1


def test_a_price_that_changed_between_the_card_and_the_click_is_a_conflict(house: House, source: BillingSource) -> None:
    assert refused(buy(source, shown_amount_cents=9900, shown_currency="USD")).code == "price_changed"
    assert refused(buy(source, shown_amount_cents=10000, shown_currency="EUR")).code == "price_changed"
    assert house.stripe.asked == []


def test_messages_shuffled_repeated_and_late_leave_one_paid_plan(house: House, source: BillingSource) -> None:
    events = [
        ("checkout.session.completed", SESSION),
        ("checkout.session.expired", SESSION),
        ("checkout.session.async_payment_failed", SESSION),
        ("invoice.paid", SUB),
        ("customer.subscription.deleted", SUB),
        ("invoice.payment_failed", SUB),
    ]
    pay(house, source)
    order = random.Random(7)
    for when in range(4):
        order.shuffle(events)
        for kind, subject in events * 2:
            tells(source, kind, subject, f"evt_{when}_{kind}")
            look(source, timedelta(days=when))
    assert (now_of(house).state, house.lago.held_by("org-acme")) == (book.STARTED, ["business"])
    assert (len(posts(house)), len(house.lago.invoices)) == (1, 1)
    assert house.lago.invoices[0]["payment_status"] == "succeeded"


@pytest.mark.parametrize("currency", ["ISK", "UGX"])
def test_a_currency_that_the_two_count_differently_is_not_sold(
    house: House, source: BillingSource, currency: str
) -> None:
    house.lago.plan_of("business").update(amount_currency=currency, amount_cents=50000)
    assert refused(buy(source)).code == "not_sold_here"


@pytest.mark.parametrize(
    ("currency", "cents", "sold"), [("JPY", 500, True), ("KWD", 1500, True), ("KWD", 1505, False), ("EUR", 1999, True)]
)
def test_every_currency_keeps_its_own_smallest_unit_to_lagos_invoice(
    house: House, source: BillingSource, currency: str, cents: int, sold: bool
) -> None:
    house.lago.plan_of("business").update(amount_currency=currency, amount_cents=cents)
    if not sold:
        assert refused(buy(source)).code == "not_sold_here"
        return
    started(house, source)
    session, (invoice,) = house.stripe.only_session(), house.lago.invoices
    assert (session["amount_total"], session["currency"].upper()) == (cents, currency)
    assert (invoice["total_amount_cents"], invoice["payment_status"]) == (cents, "succeeded")


def test_a_purchase_begun_with_a_test_key_never_goes_on_with_a_live_one(house: House, source: BillingSource) -> None:
    pay(house, source)
    house.stripe.key, house.stripe.livemode = "sk_live_ops", True
    live = house.source(collector="stripe", stripe=house.gateway("sk_live_ops"), base_url="https://ops.example.com")
    look(live)
    assert posts(house) == []


# ---- taxes, and while a plan runs


@pytest.mark.parametrize(
    ("plan", "customer", "entity", "organization", "stops"),
    [
        ([19.0], [], [], 0.0, "not_sold_here"),
        ([0.0], [19.0], [], 0.0, None),
        ([], [19.0], [], 0.0, "taxed"),
        ([], [0.0], [19.0], 0.0, None),
        ([], [], [19.0], 0.0, "taxed"),
        ([], [], [], 19.0, None),
        ([], [], None, 19.0, "taxed"),
        ([], [], None, 0.0, None),
    ],
)
def test_what_lago_would_tax_is_not_sold_where_stripe_takes_the_bare_price(
    house: House, source: BillingSource, plan: Any, customer: Any, entity: Any, organization: float, stops: str | None
) -> None:
    house.lago.plan_of("business")["taxes"] = [tax(rate) for rate in plan]
    named = {} if entity is None else {"billing_entity_code": "acme_corp"}
    house.lago.add_customer("org-acme", taxes=[tax(rate) for rate in customer], **named)
    house.lago.entities = [] if entity is None else [billing_entity("acme_corp", *map(tax, entity))]
    house.lago.taxes = [tax(organization, organization=True), tax(7.0)]
    if stops is None:
        assert answered(buy(source)).status == "redirect"
    else:
        assert refused(buy(source)).code == stops
        assert house.stripe.asked == []


def test_taxes_that_cannot_be_read_are_not_taken_for_none(house: House, source: BillingSource) -> None:
    house.lago.fail("500", "/api/v1/taxes")
    assert refused(buy(source)).title == "Taxes could not be read"
    assert house.stripe.asked == []


def test_an_invoice_with_taxes_on_top_is_not_called_paid_and_an_admin_told(house: House, source: BillingSource) -> None:
    house.lago.tax_cents = 1900
    purchase = started(house, source)
    assert house.lago.invoices[0]["payment_status"] == "pending"
    (row,) = source.desk.purchases().value
    assert (row.attempt_id, row.needs_person) == (purchase, True)
    assert "100.00 USD" in str(row.note)
    assert "119.00 USD" in str(row.note)


@pytest.mark.parametrize("buyer", [ANNA, BEN])
def test_while_the_plan_runs_no_second_one_is_sold(house: House, source: BillingSource, buyer: Buyer) -> None:
    started(house, source)
    assert refused(buy(source, buyer=buyer)).code == "already_subscribed"
    assert len(house.stripe.sessions) == 1
