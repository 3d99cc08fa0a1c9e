"""What is not sold, and why."""

from __future__ import annotations

from typing import Any

import pytest

from data_sources.billing.types import Buyer
from data_sources.result import Kind, NotConfigured, Ready
from data_sources.state.store import State
from tests.data_sources.billing.conftest import House
from tests.data_sources.billing.steps import (
    buy,
    refused,
)


@pytest.mark.parametrize(
    ("code", "expected"),
    [("old", "plan_not_offered"), ("internal", "plan_not_offered"), ("nowhere", "plan_not_found"), ("..", "bad_name")],
)
def test_only_plans_on_offer_can_be_bought(house: House, code: str, expected: str) -> None:
    assert refused(buy(house.source(), code)).code == expected


def test_a_plan_outside_the_operators_list_cannot_be_bought(house: House) -> None:
    assert refused(buy(house.source(plan_codes=("team",)), "business")).code == "plan_not_offered"


@pytest.mark.parametrize(
    "change",
    [
        {"pay_in_advance": False},
        {"trial_period": 14.0},
        {"amount_currency": "ISK"},
        {"metadata": {"contact_sales": "true"}},
    ],
)
def test_a_plan_that_lago_would_start_unpaid_is_not_sold(house: House, change: dict[str, Any]) -> None:
    house.lago.plan_of("business").update(change)
    assert refused(buy(house.source())).code == "not_sold_here"
    assert house.stripe.sessions == {}


@pytest.mark.parametrize("version", ["v1.49.3", "v0.32.0", "main"])
def test_a_lago_that_cannot_wait_for_a_payment_may_not_sell(house: House, version: str) -> None:
    house.lago.version = version
    assert refused(buy(house.source())).code in ("lago_too_old", "lago_version_unknown")
    assert house.stripe.sessions == {}


def test_a_customer_whose_money_is_collected_elsewhere_is_refused(house: House) -> None:
    house.lago.add_customer(
        "org-acme", billing_configuration={"payment_provider": "adyen", "provider_customer_id": "A1"}
    )
    assert refused(buy(house.source())).code == "collector_mismatch"


def test_a_customer_of_another_currency_is_refused(house: House) -> None:
    house.lago.add_customer("org-acme", currency="EUR")
    assert refused(buy(house.source())).code == "currencies_does_not_match"


def test_with_stripe_as_collector_a_running_paid_plan_is_not_changed_here(house: House) -> None:
    house.lago.subscribe("org-acme", "team")
    source = house.source(collector="stripe")
    assert refused(buy(source, "starter")).code == "change_unavailable"
    assert house.stripe.asked == []


def test_a_payment_that_is_being_confirmed_blocks_the_next_purchase(house: House) -> None:
    house.lago.subscribe("org-acme", "team", status="incomplete")
    assert refused(buy(house.source())).code == "subscription_incomplete"


def test_an_admin_without_a_customer_cannot_buy_and_reads_what_to_set(house: House) -> None:
    got = refused(buy(house.source(), buyer=None))
    assert got.code == "no_customer"
    assert "OPS_LAGO_CUSTOMER" in got.detail


def test_a_customer_named_by_the_operator_is_never_made_up(house: House) -> None:
    typo = Buyer("link:admin", "acme-gmbh-typo", None, None)
    assert refused(buy(house.source(), buyer=typo)).code == "customer_not_found"
    assert house.lago.customers == {}


def test_without_settings_nothing_is_asked_and_the_answer_says_what_to_set(house: House) -> None:
    got = buy(house.source(lago=None))
    assert isinstance(got, NotConfigured)
    assert got.settings == ("OPS_LAGO_URL", "OPS_LAGO_API_KEY")
    got = buy(house.source(stripe=None))
    assert isinstance(got, NotConfigured)
    assert got.settings == ("OPS_STRIPE_API_KEY",)


def test_checkout_cannot_be_opened_endlessly(house: House) -> None:
    source = house.source()
    codes = ["team", "business"] * 6
    results = [buy(source, code) for code in codes]
    assert [isinstance(result, Ready) for result in results].count(True) == 10
    assert refused(results[-1]).code == "too_many"


def test_without_the_state_database_nothing_is_sold(house: House) -> None:
    got = refused(buy(house.source(state=State("sqlite:////nowhere/at/all/state.db"))))
    assert got.kind is Kind.STORE
    assert house.stripe.asked == []
