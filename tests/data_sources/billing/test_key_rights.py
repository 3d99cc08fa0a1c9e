"""A restricted key of Stripe: what the README names is enough for all that the console does there; none is spare."""

from __future__ import annotations

from datetime import timedelta

import pytest

from data_sources.billing.source import BillingSource
from data_sources.result import Failed, Ready
from tests.data_sources.billing.conftest import ANNA, House
from tests.data_sources.billing.steps import buy, look, now_of, tells
from tests.fakes.stripe_rights import granted


def confirmed(source: BillingSource, action: str) -> None:
    offer = source.account.manage(ANNA, action, "sub-org-acme", None)
    if isinstance(offer, Ready) and offer.value.offer is not None:
        offer = source.account.manage(ANNA, action, "sub-org-acme", offer.value.offer.token)


def through_the_page(house: House, source: BillingSource) -> bool:
    """Two clicks, the first of them given up for another plan; a page that is finished. Whether a plan started."""
    buy(source, "team")
    buy(source, "business")
    for session_id, session in house.stripe.sessions.items():
        if session["status"] == "open":
            house.stripe.complete(session_id)
            source.returned(ANNA, session_id)
    for _ in range(3):
        source.progress(ANNA, now_of(house).id)
        house.lago.settle(paid=True)
    return house.lago.held_by("org-acme") == ["business"]


def a_card_for_lago(house: House) -> bool:
    source = house.source()
    started = through_the_page(house, source)
    source.account.card(ANNA)
    return started


def a_debit_that_comes_back(house: House, source: BillingSource) -> None:
    """A page that is finished and paid days later, and is not."""
    buy(source, "business")
    for session_id in [one for one, session in house.stripe.sessions.items() if session["status"] == "open"]:
        house.stripe.complete(session_id, saved=False)
        house.stripe.arrive(session_id, paid=False)
        source.returned(ANNA, session_id)


def a_plan_at_stripe(house: House) -> bool:
    """Paid in vain, bought, cancelled, resumed, renewed without money, paid after all, ended; is money given back?"""
    for code in ("business", "team"):
        house.lago.plan_of(code)["charges"] = []
    source = house.source(collector="stripe")
    a_debit_that_comes_back(house, source)
    if not through_the_page(house, source):
        return False
    (row,), at_stripe = house.lago.subscriptions, house.stripe.billing
    confirmed(source, "cancel")
    confirmed(source, "resume")
    at_stripe.travel(31, pays=False)
    house.lago.bill_period(row, at=at_stripe.now)
    tells(source, "invoice.payment_failed", str(now_of(house).stripe_subscription_id))
    look(source, timedelta(hours=2))
    source.account.failed_charges(ANNA)
    source.account.update_card(ANNA)
    house.stripe.complete(list(house.stripe.sessions)[-1])
    source.account.card_progress(ANNA, list(house.stripe.sessions)[-1])
    source.account.card(ANNA)
    at_stripe.pay(at_stripe.invoices[-1])
    house.lago.invoices.pop(0)
    row["status"] = "terminated"
    look(source, timedelta(hours=4))
    source.desk.retry("token:admin", now_of(house).id)
    return True


JOURNEYS = {"lago": a_card_for_lago, "stripe": a_plan_at_stripe}


@pytest.mark.parametrize("collector", JOURNEYS)
def test_what_the_readme_names_is_enough(house: House, collector: str) -> None:
    assert JOURNEYS[collector](house)
    assert house.stripe.denied == []
    used = {f"{one.method} {'/'.join(one.path.split('/')[:3])}" for one in house.stripe.asked}
    assert used >= {"POST /v1/checkout", "GET /v1/checkout"}
    if collector == "stripe":
        assert used >= {"POST /v1/subscriptions", "GET /v1/invoices", "GET /v1/invoice_payments", "GET /v1/refunds"}
        assert "DELETE /v1/subscriptions" in used


@pytest.mark.parametrize(
    ("collector", "right"), [(collector, right) for collector in JOURNEYS for right in granted(collector)]
)
def test_no_right_is_named_that_is_not_needed(
    house: House, monkeypatch: pytest.MonkeyPatch, collector: str, right: str
) -> None:
    less = granted(collector)
    del less[right]
    monkeypatch.setattr("tests.data_sources.billing.conftest.granted", lambda *_: less)
    JOURNEYS[collector](house)
    assert house.stripe.denied != []


@pytest.mark.parametrize(
    ("collector", "right"),
    [(collector, right) for collector in JOURNEYS for right, level in granted(collector).items() if level == "write"],
)
def test_where_writing_is_named_reading_is_not_enough(
    house: House, monkeypatch: pytest.MonkeyPatch, collector: str, right: str
) -> None:
    less = {**granted(collector), right: "read"}
    monkeypatch.setattr("tests.data_sources.billing.conftest.granted", lambda *_: less)
    JOURNEYS[collector](house)
    assert {lacked.rsplit("_", 1)[1] for lacked in house.stripe.denied} == {"write"}


def test_a_refusal_names_the_right_that_is_lacking_and_nothing_of_the_key(house: House) -> None:
    source = house.source()
    house.stripe.rights = {}
    refused = buy(source)
    assert isinstance(refused, Failed)
    assert refused.problem.code == "rak_checkout_session_write"
    assert "it lacks rak_checkout_session_write. An admin can add it." in refused.problem.detail
    assert "rk_test" not in str(refused)
