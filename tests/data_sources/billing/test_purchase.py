"""From the click to Stripe's page: nothing here may take money or start anything that costs some."""

from __future__ import annotations

import json
import logging
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from data_sources import budget
from data_sources.billing.types import CheckoutAnswer
from data_sources.result import Failed, Kind, Ready, Result
from tests.data_sources.billing.conftest import ANNA, BEN, EVE, House
from tests.data_sources.billing.steps import (
    answered,
    buy,
    nothing_started,
    refused,
)
from tests.fakes import lago, stripe


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


def test_stripe_is_told_nothing_of_the_machine_and_no_timings(house: House) -> None:
    source = house.source()
    buy(source)
    buy(source, buyer=EVE)  # Stripe's client would send the timings of one call with the next
    assert len(house.stripe.asked) > 1
    for one in house.stripe.asked:
        assert "X-Stripe-Client-Telemetry" not in one.headers
        said = json.loads(one.headers["X-Stripe-Client-User-Agent"])
        assert not {"platform", "uname", "telemetry_id"} & said.keys()


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


def test_a_lost_answer_about_closing_it_is_looked_up_and_keeps_nothing_from_opening(house: House) -> None:
    source = house.source()
    buy(source)
    house.stripe.fail("closed", "/v1/checkout/sessions/cs_test_00000000/expire", times=1, after=True)
    answered(buy(source, "team"))
    assert [one["status"] for one in house.stripe.sessions.values()] == ["expired", "open"]


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
    house.stripe.fail("500", "/v1/checkout", times=1)  # the earlier page cannot be looked at
    assert refused(buy(source)).detail.endswith(" Nothing new was bought. Try again in a moment.")
    house.lago.plan_of("business").update(change)
    assert answered(buy(source)).checkout_url != first
    assert [one["status"] for one in house.stripe.sessions.values()] == ["expired", "open"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("500", "Stripe answered with an error."),
        ("502", "Stripe answered with an error."),
        ("500 of a proxy", "Stripe answered with an error."),
        ("401", "Stripe refused our key"),
        ("html", "Stripe's answer does not have the form"),
        ("half", "Stripe cannot be reached."),
        ("closed", "Stripe cannot be reached."),
        ("empty", "Stripe's answer does not have the form"),
        ("slow", "Stripe did not answer in time. Nothing was charged. Select Business again"),
    ],
)
def test_a_broken_stripe_is_a_refusal_and_the_next_click_is_free_again(house: House, fault: Any, words: str) -> None:
    if fault == "500 of a proxy":
        fault = "500"
        house.stripe.failure = lambda status, told: {"status": status, "error": told}
    house.stripe.fail(fault, "/v1/checkout")
    got = refused(buy(house.source(stripe=house.gateway(timeout_s=0.3))))
    assert got.kind in (Kind.UPSTREAM, Kind.TIMEOUT)
    assert got.detail.startswith(words)
    assert "Nothing was charged." in got.detail
    assert "again in a moment" in got.detail or "admin" in got.detail
    assert stripe.KEY not in got.detail
    house.stripe.heal()
    assert answered(buy(house.source())).status == "redirect"


def test_all_that_a_click_asks_ends_with_the_time_of_a_click_and_the_next_one_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected = {"payment_provider": "stripe", "provider_customer_id": "cus_acme"}
    house.lago.add_customer("org-acme", billing_configuration=connected)
    house.stripe.fail("slow", "/v1/checkout", after=True, delay_s=3.0)
    # The click's own clock: what comes before Stripe takes none of its time, and Stripe takes all of it.
    monkeypatch.setattr(budget, "time", SimpleNamespace(monotonic=lambda: 1.0 if house.stripe.asked else 0.0))
    # By itself Stripe's client would wait for the answer, and try three times.
    got = refused(buy(house.source(stripe=house.gateway(timeout_s=30.0, retries=2), click_s=1.0)))
    assert got.detail.startswith("Stripe did not answer in time.")
    assert len(house.stripe.asked) == 1
    monkeypatch.undo()
    house.stripe.heal()
    answered(buy(house.source(stripe=house.gateway(timeout_s=10.0))))
    assert len(house.stripe.sessions) == 1


@pytest.mark.parametrize("fault", ["502", "slow"])
def test_a_lago_that_fails_late_is_not_tried_again_beyond_the_time_of_a_click(house: House, fault: Any) -> None:
    house.lago.delays_s["/api/v1/plans"] = 0.5
    house.lago.fail(fault)
    source = house.source(lago=house.client(timeout_s=(3.0, 8.0)), click_s=1.0)
    assert refused(buy(source)).kind in (Kind.UPSTREAM, Kind.TIMEOUT)
    assert len(house.lago.asked) <= 1


def test_a_click_asks_for_each_thing_once(house: House) -> None:
    connected = {"payment_provider": "stripe", "provider_customer_id": "cus_acme"}
    house.lago.add_customer("org-acme", billing_configuration=connected)
    house.lago.subscribe("org-acme", "starter")  # a free one, to be moved to the paid one
    answered(buy(house.source()))
    asked = [f"{one.method} {one.path}" for one in house.lago.asked]
    assert len(asked) == len(set(asked)), asked
    assert len(house.stripe.asked) == 1


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
