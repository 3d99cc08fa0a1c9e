"""From the click to Stripe's page: nothing here may take money or start anything that costs some."""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta
from typing import Any

import pytest

from data_sources.billing import attempts as book
from data_sources.billing.source import BillingSource
from data_sources.billing.types import Buyer, CheckoutAnswer, Wanted
from data_sources.result import Failed, Kind, NotConfigured, Problem, Ready, Result
from data_sources.state.store import State
from tests.data_sources.billing.conftest import ANNA, BEN, EVE, House
from tests.fakes import lago, stripe


def answered(result: Result[CheckoutAnswer]) -> CheckoutAnswer:
    assert isinstance(result, Ready), result
    return result.value


def refused(result: Result[CheckoutAnswer]) -> Problem:
    assert isinstance(result, Failed), result
    return result.problem


def buy(
    source: BillingSource, code: str = "business", buyer: Buyer | None = ANNA, **shown: Any
) -> Result[CheckoutAnswer]:
    return source.checkout(buyer, Wanted(code, **shown))


def nothing_started(house: House) -> bool:
    return house.lago.subscriptions == [] and house.lago.requests("POST", "/api/v1/subscriptions") == []


def test_a_paid_plan_leads_to_stripe_to_save_a_card_and_starts_nothing(house: House) -> None:
    got = answered(buy(house.source()))
    session = house.stripe.only_session()
    assert (got.status, got.checkout_url) == ("redirect", session["url"])
    assert session["mode"] == "setup"
    assert session["customer"] == house.lago.customers["org-acme"]["billing_configuration"]["provider_customer_id"]
    assert session["metadata"]["plan_code"] == "business"
    assert nothing_started(house)


def test_stripe_is_told_no_name_and_no_mail_of_the_reader(house: House) -> None:
    buy(house.source())
    sent = b" ".join(one.body for one in house.stripe.asked)
    assert b"anna" not in sent


def test_stripes_page_names_the_plan_the_price_and_that_nothing_is_charged_there(house: House) -> None:
    buy(house.source())
    words = house.stripe.only_session()["custom_text"]["submit"]["message"]
    assert "Business" in words
    assert "USD 100.00 monthly" in words
    assert "Nothing is charged on this page" in words


def test_the_page_at_stripe_ends_within_an_hour(house: House) -> None:
    buy(house.source())
    left_s = house.stripe.only_session()["expires_at"] - time.time()
    assert 30 * 60 < left_s <= 60 * 60


def test_a_second_click_opens_the_same_page_again(house: House) -> None:
    source = house.source()
    first, second = answered(buy(source)), answered(buy(source))
    assert first.checkout_url == second.checkout_url
    assert len(house.stripe.sessions) == 1


def test_many_clicks_at_once_open_one_page(house: House) -> None:
    source = house.source()
    results: list[Result[CheckoutAnswer]] = []
    threads = [threading.Thread(target=lambda: results.append(buy(source))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    urls = {result.value.checkout_url for result in results if isinstance(result, Ready)}
    others = {result.problem.code for result in results if isinstance(result, Failed)}
    assert len(urls) == 1
    assert others <= {"already_open"}
    assert len(house.stripe.sessions) == 1


def test_another_plan_closes_the_page_of_the_first_one(house: House) -> None:
    source = house.source()
    buy(source)
    answered(buy(source, "team"))
    assert [one["status"] for one in house.stripe.sessions.values()] == ["expired", "open"]


def test_a_page_that_cannot_be_closed_keeps_the_next_from_opening(house: House) -> None:
    source = house.source()
    buy(source)
    house.stripe.fail("500", "/v1/checkout/sessions/cs_test_00000000/expire")
    assert refused(buy(source, "team")).kind is Kind.UPSTREAM
    assert len(house.stripe.sessions) == 1


def test_a_card_saved_for_one_plan_never_starts_it_once_another_was_clicked(house: House) -> None:
    source = house.source()
    buy(source)
    house.stripe.complete("cs_test_00000000")
    answered(buy(source, "team"))
    assert isinstance(source.returned(ANNA, "cs_test_00000000"), Ready)
    source.progress(ANNA, None)
    assert nothing_started(house)


def test_a_colleague_does_not_get_the_page_of_somebody_else(house: House) -> None:
    source = house.source()
    first, second = answered(buy(source)), answered(buy(source, buyer=BEN))
    assert first.checkout_url != second.checkout_url
    assert house.stripe.sessions["cs_test_00000000"]["status"] == "expired"


def test_two_organizations_buy_side_by_side(house: House) -> None:
    source = house.source()
    answered(buy(source))
    answered(buy(source, buyer=EVE))
    assert {one["status"] for one in house.stripe.sessions.values()} == {"open"}


@pytest.mark.parametrize("shown", [{"shown_amount_cents": 9900}, {"shown_currency": "EUR"}])
def test_a_price_that_changed_since_it_was_shown_is_refused(house: House, shown: dict[str, Any]) -> None:
    got = refused(buy(house.source(), **shown))
    assert (got.kind, got.code) == (Kind.CONFLICT, "price_changed")
    assert house.stripe.sessions == {}


def test_the_shown_price_is_only_compared_and_never_used(house: House) -> None:
    answered(buy(house.source(), shown_amount_cents=10000, shown_currency="usd"))
    assert house.stripe.only_session()["metadata"]["plan_amount_cents"] == "10000"


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


def test_the_card_page_waits_until_lago_has_stripes_customer(house: House) -> None:
    house.lago.connects_after = 4
    answered(buy(house.source()))
    assert house.waited_s == [0.5] * 5 or len(house.waited_s) >= 4
    assert house.stripe.only_session()["customer"].startswith("cus_")


def test_without_stripes_customer_no_page_is_opened(house: House) -> None:
    house.lago.connects_after = 10**6
    got = refused(buy(house.source()))
    assert got.code == "no_provider_customer"
    assert sum(house.waited_s) == pytest.approx(10.0)
    assert house.stripe.sessions == {}


def test_a_lago_without_a_stripe_connection_is_said_at_once(house: House) -> None:
    house.lago.connected = False
    assert refused(buy(house.source())).code == "no_linked_payment_provider"
    assert house.waited_s == []


def test_no_key_and_no_mail_reaches_a_log(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    source = house.source()
    buy(source)
    house.stripe.fail("401", times=1)
    buy(source, "team")
    assert caplog.text
    for secret in (stripe.KEY, lago.KEY, "anna@"):
        assert secret not in caplog.text


def test_stripe_as_collector_takes_no_money_yet(house: House) -> None:
    got = refused(buy(house.source(collector="stripe")))
    assert got.code == "collector_unavailable"
    assert "not available yet" in got.detail
    assert house.stripe.asked == []


def test_a_live_key_is_not_used_over_plain_http(house: House) -> None:
    house.stripe.key, house.stripe.livemode = "sk_live_ops", True
    assert refused(buy(house.source(stripe=house.gateway("sk_live_ops")))).code == "live_key_over_http"
    answered(buy(house.source(stripe=house.gateway("sk_live_ops"), base_url="https://ops.example.com")))


def test_a_page_that_is_not_stripes_is_not_opened(house: House) -> None:
    house.stripe.url_host = "https://evil.example"
    assert refused(buy(house.source())).code == "no_url"


@pytest.mark.parametrize(
    "url",
    [
        "http://checkout.stripe.com/pay/x",
        "javascript://checkout.stripe.com/%0aalert(1)",
        "https://checkout.stripe.com@evil.example/pay",
        "https://checkout.stripe.com.evil.example/pay",
        "https://[broken/pay",
        "//checkout.stripe.com/pay",
    ],
)
def test_no_address_but_stripes_own_over_https_is_handed_out_nor_used_again(house: House, url: str) -> None:
    source = house.source()
    answered(buy(source))
    house.stripe.only_session()["url"] = url
    assert answered(buy(source)).checkout_url != url
    first = house.stripe.sessions["cs_test_00000000"]
    assert first["status"] == "expired"


def test_a_page_of_stripes_own_over_https_is_handed_out(house: House) -> None:
    house.stripe.url_host = "https://checkout.stripe.com"
    source = house.source()
    first = answered(buy(source)).checkout_url
    assert first is not None
    assert first.startswith("https://checkout.stripe.com/")
    assert answered(buy(source)).checkout_url == first


@pytest.mark.parametrize("change", [{"interval": "weekly"}, {"minimum_commitment": lago.minimum(99900)}])
def test_a_page_opened_on_other_terms_is_closed_and_not_used_again(house: House, change: dict[str, Any]) -> None:
    source = house.source()
    first = answered(buy(source)).checkout_url
    house.lago.plan_of("business").update(change)
    assert answered(buy(source)).checkout_url != first
    assert [one["status"] for one in house.stripe.sessions.values()] == ["expired", "open"]


@pytest.mark.parametrize("fault", ["500", "401", "html", "half", "closed", "empty", "slow"])
def test_a_broken_stripe_is_a_refusal_and_the_next_click_is_free_again(house: House, fault: Any) -> None:
    source = house.source(stripe=house.gateway(timeout_s=0.3))
    house.stripe.fail(fault, "/v1/checkout")
    got = refused(buy(source))
    assert got.kind in (Kind.UPSTREAM, Kind.TIMEOUT)
    assert stripe.KEY not in got.detail
    house.stripe.heal()
    assert answered(buy(source)).status == "redirect"


def test_a_lost_answer_of_stripe_leads_to_the_same_page_when_tried_again(house: House) -> None:
    house.stripe.fail("closed", "/v1/checkout", times=1, after=True)
    answered(buy(house.source(stripe=house.gateway(retries=2))))
    assert len(house.stripe.sessions) == 1
    keys = {one.headers["Idempotency-Key"] for one in house.stripe.asked}
    assert len(keys) == 1


@pytest.mark.parametrize("fault", ["500", "502", "401", "html", "half", "closed", "empty", "slow"])
def test_a_broken_lago_is_a_refusal(house: House, fault: Any) -> None:
    house.lago.fail(fault)
    got = refused(buy(house.source(lago=house.client(timeout_s=(1.0, 0.3)))))
    assert got.kind in (Kind.UPSTREAM, Kind.TIMEOUT)
    assert lago.KEY not in got.detail
    assert house.stripe.asked == []


def test_a_free_plan_starts_at_once_and_without_stripe(house: House) -> None:
    got = answered(buy(house.source(stripe=None), "starter"))
    assert (got.status, got.checkout_url) == ("started", None)
    assert house.lago.held_by("org-acme") == ["starter"]
    assert house.stripe.asked == []


def test_a_free_plan_starts_once_however_often_it_is_clicked(house: House) -> None:
    source = house.source()
    answered(buy(source, "starter"))
    assert refused(buy(source, "starter")).code == "already_subscribed"
    assert house.lago.held_by("org-acme") == ["starter"]


def test_a_lost_answer_to_a_free_start_is_found_out_by_the_next_click(house: House) -> None:
    source = house.source()
    house.lago.fail("closed", "/api/v1/subscriptions", method="POST", times=1, after=True)
    assert refused(buy(source, "starter")).code == "connection"
    assert refused(buy(source, "starter")).code == "already_subscribed"
    assert house.lago.held_by("org-acme") == ["starter"]


def test_a_plan_that_got_a_price_at_the_moment_of_its_start_is_stopped_again(house: House) -> None:
    post = house.lago._post_subscriptions

    def dearer(asked: Any) -> Any:
        house.lago.plan_of("starter")["amount_cents"] = 500
        return post(asked)

    house.lago._post_subscriptions = dearer
    assert refused(buy(house.source(), "starter")).code == "price_changed"
    assert house.lago.held_by("org-acme") == []


def plan_runs_at_this_moment(house: House, *, planned: bool) -> None:
    """Somebody starts Team in Lago between our look and our question, which then plans Starter for later at most."""

    def post(_: Any) -> Any:
        running = house.lago.subscribe("org-acme", "team", external_id="sub-org-acme")
        if planned:
            house.lago.subscribe("org-acme", "starter", external_id="sub-org-acme", status="pending")
            running = running | {"next_plan_code": "starter"}
        return 200, {"subscription": running}

    house.lago._post_subscriptions = post


def test_another_plan_in_lagos_answer_is_never_stopped_only_what_was_planned(house: House) -> None:
    plan_runs_at_this_moment(house, planned=True)
    got = refused(buy(house.source(), "starter"))
    assert got.code == "not_now"
    assert house.lago.held_by("org-acme") == ["team"]
    assert house.lago.held_by("org-acme", "pending") == []
    (stop,) = house.lago.requests("DELETE", "/api/v1/subscriptions/sub-org-acme")
    assert stop.query == {"status": ["pending"]}


def test_another_plan_that_runs_with_nothing_planned_is_left_as_it_is(house: House) -> None:
    plan_runs_at_this_moment(house, planned=False)
    assert refused(buy(house.source(), "starter")).code == "other_plan_runs"
    assert house.lago.held_by("org-acme") == ["team"]
    assert house.lago.requests("DELETE", "/api/v1/subscriptions/sub-org-acme") == []


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_planned_plan_that_cannot_be_taken_back_is_said_and_nothing_is_stopped(house: House, method: str) -> None:
    plan_runs_at_this_moment(house, planned=True)
    house.lago.fail("500", "/api/v1/subscriptions/sub-org-acme", method=method)
    got = refused(buy(house.source(), "starter"))
    assert got.code == "undo_failed"
    assert "Tell your admin" in got.detail
    assert house.lago.held_by("org-acme") == ["team"]


def test_a_running_paid_plan_is_not_changed_here(house: House) -> None:
    house.lago.subscribe("org-acme", "team")
    source = house.source()
    assert refused(buy(source, "business")).code == "change_unavailable"
    assert refused(buy(source, "starter")).code == "change_unavailable"
    assert refused(buy(source, "team")).code == "already_subscribed"
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


def test_only_one_purchase_can_be_open_for_a_customer(house: House) -> None:
    store = book.Attempts(house.state)
    plan = house.client().plan("business")
    assert not isinstance(plan, Problem)
    made = store.open(ANNA, plan, collector="lago", subscription_id="s", state=book.OPENED)
    assert made is not None
    assert store.open(BEN, plan, collector="lago", subscription_id="s", state=book.OPENED) is None
    assert store.move(made, book.ABANDONED) is not None
    assert store.open(BEN, plan, collector="lago", subscription_id="s", state=book.OPENED) is not None


def test_a_purchase_moves_on_only_once(house: House) -> None:
    store = book.Attempts(house.state)
    plan = house.client().plan("business")
    assert not isinstance(plan, Problem)
    made = store.open(ANNA, plan, collector="lago", subscription_id="s", state=book.CARD_SAVED)
    assert made is not None
    moved = store.move(made, book.STARTING)
    assert moved is not None
    assert store.move(made, book.STARTING) is None
    assert store.move(moved, book.CARD_SAVED) is not None
    assert store.move(made, book.STARTING) is None  # read before all that, and old by now
    assert store.recent(ANNA.principal_id, within=timedelta(hours=1)) == 1
