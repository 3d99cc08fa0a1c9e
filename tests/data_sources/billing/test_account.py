"""What a customer has: usage against limits, credits, invoices, the card. Unknown is not zero, others' is not mine."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from data_sources.billing.account.types import Link, UsageLine
from data_sources.billing.types import Wanted
from data_sources.result import Empty, Failed, Kind, NotConfigured, Problem, Ready, Result
from tests.data_sources.billing.conftest import ANNA, EVE, House
from tests.data_sources.billing.steps import told
from tests.fakes.lago_account import usage_of, wallet
from tests.fakes.lago_objects import card, seats


def ready(result: Result[Any]) -> Any:
    assert isinstance(result, Ready), result
    return result.value


def problem(result: Result[Any]) -> Problem:
    assert isinstance(result, Failed), result
    return result.problem


def lines(house: House) -> list[UsageLine]:
    (usage,) = ready(house.source().account.usage(ANNA)).usages
    return list(usage.lines)


def limited(house: House, **limits: str) -> None:
    house.lago.plan_of("team")["metadata"] |= {f"limit_{code}": text for code, text in limits.items()}
    house.lago.subscribe("org-acme", "team")


def test_usage_stands_against_the_limits_that_the_operator_wrote(house: House) -> None:
    limited(house, calls="50000", tokens="1000000")
    house.lago.usages["sub-org-acme"] = [usage_of("calls", "Calls", "32104.5", 1200), usage_of("other", "Other", "7")]
    assert lines(house) == [
        UsageLine("calls", "Calls", Decimal("32104.5"), Decimal(50000), Decimal("12.00")),
        UsageLine("tokens", "tokens", None, Decimal(1000000), None),
    ]


def test_an_entitlement_with_the_code_of_a_metric_is_a_limit_and_seats_are_not(house: House) -> None:
    switch = {"code": "on", "name": "On", "value_type": "boolean", "config": {}, "value": False}
    house.lago.plan_of("team")["entitlements"] = [
        seats(10),
        {"code": "tokens", "name": "Tokens", "description": None, "privileges": [switch]},
        {"code": "calls", "name": "Calls", "description": None, "privileges": [seats(500)["privileges"][0]]},
    ]
    house.lago.subscribe("org-acme", "team")
    house.lago.usages["sub-org-acme"] = [usage_of("calls", "Calls", "0.0"), usage_of("tokens", "Tokens", "9.0")]
    assert lines(house) == [UsageLine("calls", "Calls", Decimal("0.0"), Decimal(500), Decimal("0.00"))]


def test_a_plan_without_limits_has_no_usage_to_show_and_lago_is_not_asked(house: House) -> None:
    house.lago.subscribe("org-acme", "business")
    assert isinstance(house.source().account.usage(ANNA), Empty)
    assert house.lago.requests("GET", "/api/v1/customers/org-acme/current_usage") == []


def test_units_that_cannot_be_read_are_unknown_and_not_zero(house: House) -> None:
    limited(house, calls="10")
    house.lago.usages["sub-org-acme"] = [usage_of("calls", "Calls", "many", amount_cents=5, amount_currency="MGA")]
    assert lines(house) == [UsageLine("calls", "Calls", None, Decimal(10), None)]
    house.lago.asked.clear()  # what it answered here is wrong on purpose


def test_credits_are_lagos_and_none_is_none(house: House) -> None:
    source = house.source()
    assert isinstance(source.account.wallets(ANNA), Empty)
    house.lago.wallets += [
        wallet("org-acme", "1250.5", 12505, name="Start"),
        wallet("org-acme", "9.0", 900, name="Old", status="terminated"),
        wallet("org-other", "7.0", 700, name="Theirs"),
    ]
    (mine,) = ready(source.account.wallets(ANNA))
    assert (mine.name, mine.credits, mine.amount, mine.currency) == (
        "Start",
        Decimal("1250.5"),
        Decimal("125.05"),
        "USD",
    )


def test_invoices_are_the_customers_with_their_own_decimals(house: House) -> None:
    house.lago.add_customer("org-acme")
    house.lago.bill("org-acme", "OPS-1", 1900, currency="JPY")
    house.lago.bill("org-acme", "OPS-2", 1900, payment_status="failed", payment_overdue=True)
    house.lago.bill("org-other", "OPS-3", 1900)
    got = ready(house.source().account.invoices(ANNA))
    assert [(one.number, one.total, one.overdue) for one in got.rows] == [
        ("OPS-2", Decimal("19.00"), True),
        ("OPS-1", Decimal(1900), False),
    ]
    assert [one.number for one in ready(house.source().account.invoices(EVE)).rows] == ["OPS-3"]


def test_a_pdf_that_lago_has_not_made_says_so_and_comes_later(house: House) -> None:
    house.lago.add_customer("org-acme")
    bill = house.lago.bill("org-acme", "OPS-1", 1900)["lago_id"]
    source = house.source()
    assert ready(source.account.pdf(ANNA, bill)) == Link(
        None, "The PDF is not ready yet", "Lago is making the PDF of OPS-1. Try again in a minute."
    )
    house.lago.pdfs.add(bill)
    assert ready(source.account.pdf(ANNA, bill)).url == f"{house.lago.url}/files/{bill}.pdf"


@pytest.mark.parametrize("what", ["pdf", "pay"])
def test_nobody_opens_or_pays_the_invoice_of_another_organization(house: House, what: str) -> None:
    house.lago.add_customer("org-acme")
    bill = house.lago.bill("org-acme", "OPS-1", 1900, payment_status="failed")["lago_id"]
    house.lago.pdfs.add(bill)
    account = house.source().account
    for tried in (bill, "made-up", ".."):
        got = problem(getattr(account, what)(EVE, tried))
        assert got.kind is Kind.NOT_FOUND
        assert "OPS-1" not in f"{got.title} {got.detail}"
    assert house.lago.requests("POST", f"/api/v1/invoices/{bill}/download") == []
    assert house.lago.requests("POST", f"/api/v1/invoices/{bill}/payment_url") == []


def test_an_invoice_that_does_not_say_whose_it_is_is_nobodys(house: House) -> None:
    house.lago.add_customer("org-acme")
    bill = house.lago.bill("org-acme", "OPS-1", 1900)
    bill["_anonymous"] = True
    assert problem(house.source().account.pdf(ANNA, bill["lago_id"])).kind is Kind.NOT_FOUND
    house.lago.asked.clear()  # what it answered here is wrong on purpose


def test_only_what_is_open_is_paid_and_only_on_a_safe_page(house: House) -> None:
    house.lago.add_customer("org-acme")
    paid = house.lago.bill("org-acme", "OPS-1", 1900)["lago_id"]
    late = house.lago.bill("org-acme", "OPS-2", 1900, payment_status="failed")["lago_id"]
    account = house.source().account
    assert problem(account.pay(ANNA, paid)).code == "not_payable"
    assert ready(account.pay(ANNA, late)).url == f"https://checkout.stripe.com/pay/{late}"
    house.lago.pays_at = "javascript:alert"
    assert problem(account.pay(ANNA, late)).code == "bad_address"
    house.lago.version = "v1.40.0"
    assert problem(account.pay(ANNA, late)).code == "lago_too_old"


def test_where_stripe_collects_an_invoice_is_not_paid_in_lago_as_well(house: House) -> None:
    house.lago.add_customer("org-acme")
    late = house.lago.bill("org-acme", "OPS-2", 1900, payment_status="failed")["lago_id"]
    account = house.source(collector="stripe").account
    assert not ready(account.invoices(ANNA)).payable
    assert problem(account.pay(ANNA, late)).code == "collector_mismatch"
    assert house.lago.requests("POST", f"/api/v1/invoices/{late}/payment_url") == []


def test_the_portal_is_the_customers_own(house: House) -> None:
    house.lago.add_customer("org-acme")
    assert ready(house.source().account.portal(ANNA)).url.startswith(f"{house.lago.url}/customer-portal/")
    assert problem(house.source().account.portal(EVE)).kind is Kind.NOT_FOUND
    house.lago.fail("500")
    bill = house.lago.bill("org-acme", "OPS-1", 2000)["lago_id"]
    account = house.source().account
    assert problem(account.portal(ANNA)).detail.endswith(" Nothing was opened. Try again in a moment.")
    assert problem(account.pay(ANNA, bill)).detail.endswith(" Nothing was paid. Try again in a moment.")


def connected(house: House) -> None:
    made = house.lago.add_customer("org-acme")
    made["billing_configuration"] |= {"payment_provider": "stripe", "provider_customer_id": "cus_acme"}
    house.lago.methods["org-acme"] = [card("pm_old")]


def test_another_card_is_saved_without_starting_a_plan_and_lago_has_the_last_word(house: House) -> None:
    connected(house)
    house.stripe.on_card = None
    source = house.source()
    got = ready(source.account.update_card(ANNA))
    session = house.stripe.only_session()
    assert got.checkout_url == session["url"]
    assert (session["mode"], session["customer"]) == ("setup", "cus_acme")
    assert session["success_url"].endswith("/admin/subscription/plan?card={CHECKOUT_SESSION_ID}")
    name = session["id"]
    assert told(source.account.card_progress(ANNA, name)).title == "No card was saved"
    house.stripe.complete(name)
    waiting = told(source.account.card_progress(ANNA, name))
    assert (waiting.title, waiting.done) == ("Your card is saved at Stripe", False)
    house.lago.take_card("cus_acme", house.stripe.sessions[name]["_intent"]["payment_method"])
    saved = told(source.account.card_progress(ANNA, name))
    assert (saved.title, saved.good) == ("Your card is saved", True)
    assert "No plan was started" in saved.message
    assert house.lago.subscriptions == []
    assert problem(source.account.card_progress(EVE, name)).kind is Kind.NOT_FOUND
    assert problem(source.account.card_progress(ANNA, "cs_test_made_up")).kind is Kind.NOT_FOUND
    house.stripe.livemode = True
    house.stripe.sessions[name]["livemode"] = True
    assert problem(source.account.card_progress(ANNA, name)).kind is Kind.NOT_FOUND


def test_a_card_for_which_a_purchase_waits_does_not_say_that_nothing_is_charged(house: House) -> None:
    connected(house)
    house.lago.methods["org-acme"] = []
    house.stripe.on_card = None
    source = house.source()
    ready(source.checkout(ANNA, Wanted("team")))
    purchase = house.stripe.only_session()["id"]
    house.stripe.complete(purchase)
    assert ready(source.returned(ANNA, purchase)).title == "Your card is saved"
    ready(source.account.update_card(ANNA))
    name = next(each for each in house.stripe.sessions if each != purchase)
    house.stripe.on_card = house.lago.take_card
    house.stripe.complete(name)
    saved = told(source.account.card_progress(ANNA, name))
    assert "The purchase of Team, which waited for a card, goes on with it and is charged to it." in saved.message
    assert "nothing was charged" not in saved.message


def test_a_purchase_is_not_told_as_a_saved_card(house: House) -> None:
    connected(house)
    house.lago.methods.clear()
    source = house.source()
    source.checkout(ANNA, Wanted("business"))
    house.stripe.complete("cs_test_00000000")
    assert problem(source.account.card_progress(ANNA, "cs_test_00000000")).kind is Kind.NOT_FOUND


def test_a_time_out_after_stripe_made_the_page_changes_nothing_and_the_next_click_has_one(house: House) -> None:
    connected(house)
    source = house.source()
    house.stripe.fail("closed", "/v1/checkout/sessions", method="POST", times=1, after=True)
    assert problem(source.account.update_card(ANNA)).title == "The card was not changed"
    assert ready(source.account.update_card(ANNA)).checkout_url is not None
    assert house.lago.methods["org-acme"][0]["is_default"]
    log = source.desk.log()
    assert isinstance(log, Ready)
    assert [one.action for one in log.value] == ["card page", "card asked", "card asked"]


def test_card_pages_cannot_be_opened_endlessly(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data_sources.billing.account.card.MOST_ATTEMPTS", 2)
    connected(house)
    source = house.source()
    ready(source.account.update_card(ANNA))
    ready(source.account.update_card(ANNA))
    assert problem(source.account.update_card(ANNA)).code == "too_many"


def test_without_lago_stripe_or_a_customer_each_says_what_is_missing(house: House) -> None:
    bare = house.source(lago=None, stripe=None).account
    for got in (bare.usage(ANNA), bare.wallets(ANNA), bare.invoices(ANNA), bare.card(ANNA), bare.portal(ANNA)):
        assert isinstance(got, NotConfigured)
    assert isinstance(house.source(stripe=None).account.update_card(ANNA), NotConfigured)
    account = house.source().account
    assert isinstance(account.invoices(None), Empty)
    assert problem(account.portal(None)).code == "no_customer"


@pytest.mark.parametrize("fault", ["500", "html", "half"])
def test_each_panel_fails_by_itself(house: House, fault: Any) -> None:
    limited(house, calls="10")
    connected(house)
    house.lago.wallets.append(wallet("org-acme", "1.0", 100))
    account = house.source().account
    house.lago.fail(fault, "/api/v1/customers/org-acme/invoices")
    assert problem(account.invoices(ANNA)).title == "Invoices could not be read"
    assert isinstance(account.usage(ANNA), Ready)
    assert isinstance(account.wallets(ANNA), Ready)
    assert isinstance(account.card(ANNA), Ready)
    house.lago.heal()
    house.lago.fail(fault, "/api/v1/customers/org-acme/current_usage")
    assert problem(house.source().account.usage(ANNA)).title == "Usage could not be read"


def test_the_last_good_answer_stays_with_its_age_and_never_becomes_somebody_elses(house: House) -> None:
    connected(house)
    house.lago.add_customer("org-other")
    house.lago.bill("org-acme", "OPS-1", 1900)
    account = house.source().account
    good = account.invoices(ANNA)
    assert isinstance(good, Ready)
    house.lago.fail("500")
    old = account.invoices(ANNA)
    assert isinstance(old, Ready)
    assert old.stale is not None
    assert (old.value, old.provenance) == (good.value, good.provenance)
    assert isinstance(account.invoices(EVE), Failed)
    assert isinstance(account.overdue(ANNA), Failed)
    house.lago.heal()
    house.lago.invoices.clear()
    assert isinstance(account.invoices(ANNA), Empty)
    house.lago.fail("500")
    assert isinstance(account.invoices(ANNA), Failed)


def test_who_takes_the_money_of_an_invoice_is_what_lago_says_and_not_the_setting(house: House) -> None:
    connected(house)
    house.lago.bill("org-acme", "OPS-1", 1900, payment_status="failed", payment_overdue=True)
    invoice_id = house.lago.invoices[0]["lago_id"]
    account = house.source(collector="stripe").account
    late = account.overdue(ANNA)
    assert isinstance(late, Ready)
    assert (late.value.payable, late.value.by_stripe) == (True, False)
    assert ready(account.pay(ANNA, invoice_id)).url
    house.lago.customers["org-acme"]["billing_configuration"] = {"payment_provider": None}
    nobody = account.overdue(ANNA)
    assert isinstance(nobody, Ready)
    assert (nobody.value.payable, nobody.value.by_stripe) == (False, False)
    assert "Ask your admin how to pay it." in problem(account.pay(ANNA, invoice_id)).detail
