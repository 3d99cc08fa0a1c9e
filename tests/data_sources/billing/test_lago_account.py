"""Lago's calls about what a customer has: what is sent, what is read, and whose it is."""

from datetime import UTC, datetime

import pytest

from data_sources.billing.lago_account import InvoiceRows
from data_sources.result import Kind, Problem
from tests.data_sources.billing.conftest import House
from tests.fakes.lago_account import usage_of, wallet

END = datetime(2026, 12, 1, tzinfo=UTC)


def problem(got: object) -> Problem:
    assert isinstance(got, Problem), got
    return got


def test_a_subscription_is_given_an_end_and_the_end_is_taken_back(house: House) -> None:
    house.lago.subscribe("org-acme", "team")
    got = house.client().set_ending("sub-org-acme", END)
    assert isinstance(got, dict)
    assert got["ending_at"] == "2026-12-01T00:00:00Z"
    back = house.client().set_ending("sub-org-acme", None)
    assert isinstance(back, dict)
    assert back["ending_at"] is None
    sent = [one.json for one in house.lago.requests("PUT", "/api/v1/subscriptions/sub-org-acme")]
    assert sent == [{"subscription": {"ending_at": "2026-12-01T00:00:00Z"}}, {"subscription": {"ending_at": None}}]


def test_a_date_that_lago_does_not_take_is_a_sentence(house: House) -> None:
    house.lago.subscribe("org-acme", "team")
    house.lago.takes_dates = False
    got = problem(house.client().set_ending("sub-org-acme", END))
    assert (got.kind, got.code, got.detail) == (Kind.CONFLICT, "invalid_date", "Lago does not take this date.")


def test_usage_is_read_and_no_subscription_is_none_and_not_zero(house: House) -> None:
    house.lago.subscribe("org-acme", "team")
    house.lago.usages["sub-org-acme"] = [usage_of("calls", "Calls", "32104.0")]
    got = house.client().current_usage("org-acme", "sub-org-acme")
    assert isinstance(got, dict)
    assert got["charges_usage"][0]["units"] == "32104.0"
    assert house.client().current_usage("org-other", "sub-org-acme") is None
    house.lago.asked.pop()  # Lago answers 405 here, which its description leaves out


def test_wallets_and_invoices_of_others_are_dropped_even_when_lago_drops_the_filter(house: House) -> None:
    house.lago.ignores_filters = True
    for customer in ("org-acme", "org-other"):
        house.lago.add_customer(customer)
        house.lago.wallets.append(wallet(customer, "10.0", 1000))
        house.lago.bill(customer, f"OPS-{customer}", 2000)
    rows, page = house.client().wallets("org-acme"), house.client().invoices("org-acme")
    assert isinstance(rows, list)
    assert isinstance(page, InvoiceRows)
    assert [one["external_customer_id"] for one in rows] == ["org-acme"]
    assert [one["number"] for one in page.rows] == ["OPS-org-acme"]
    late = house.client().invoices("org-acme", overdue=True)
    assert isinstance(late, InvoiceRows)
    assert late.rows == []


def test_invoices_tell_how_many_there_are_and_an_unknown_customer_has_none(house: House) -> None:
    house.lago.add_customer("org-acme")
    for number in range(5):
        house.lago.bill("org-acme", f"OPS-{number}", 2000, payment_overdue=number == 2)
    page = house.client().invoices("org-acme")
    assert isinstance(page, InvoiceRows)
    assert ([one["number"] for one in page.rows], page.total) == (["OPS-4", "OPS-3", "OPS-2"], 5)
    assert (page.before, page.older) == (0, True)
    last = house.client().invoices("org-acme", page=2)
    assert isinstance(last, InvoiceRows)
    assert [one["number"] for one in last.rows] == ["OPS-1", "OPS-0"]
    assert (last.before, last.older) == (3, False)
    late = house.client().invoices("org-acme", overdue=True)
    assert isinstance(late, InvoiceRows)
    assert [one["number"] for one in late.rows] == ["OPS-2"]
    assert house.client().invoices("org-nobody") is None


def test_a_pdf_is_an_address_or_none_until_lago_has_made_it(house: House) -> None:
    house.lago.add_customer("org-acme")
    bill = house.lago.bill("org-acme", "OPS-1", 2000)
    assert house.client().invoice_pdf(bill["lago_id"]) is None
    house.lago.fail("empty", "/api/v1/invoices", method="POST", times=1)
    assert house.client().invoice_pdf(bill["lago_id"]) is None
    house.lago.pdfs.add(bill["lago_id"])
    assert house.client().invoice_pdf(bill["lago_id"]) == f"{house.lago.url}/files/{bill['lago_id']}.pdf"
    assert problem(house.client().invoice_pdf("nobodys")).kind is Kind.NOT_FOUND


def test_payment_page_and_portal_are_addresses(house: House) -> None:
    house.lago.add_customer("org-acme")
    bill = house.lago.bill("org-acme", "OPS-1", 2000)
    assert house.client().payment_url(bill["lago_id"]) == f"https://checkout.stripe.com/pay/{bill['lago_id']}"
    house.lago.pays_at = None
    assert problem(house.client().payment_url(bill["lago_id"])).code == "no_linked_payment_provider"
    assert str(house.client().portal_url("org-acme")).startswith(f"{house.lago.url}/customer-portal/")


@pytest.mark.parametrize("fault", ["500", "html", "half"])
def test_each_call_fails_with_words_and_never_with_something_invented(house: House, fault: str) -> None:
    house.lago.fail(fault)  # type: ignore[arg-type]
    client = house.client()
    for got in (
        client.set_ending("sub-org-acme", END),
        client.current_usage("org-acme", "sub-org-acme"),
        client.wallets("org-acme"),
        client.invoices("org-acme"),
        client.invoice("x"),
        client.invoice_pdf("x"),
        client.payment_url("x"),
        client.portal_url("org-acme"),
    ):
        assert problem(got).kind is Kind.UPSTREAM or problem(got).kind is Kind.TIMEOUT
        assert house.lago.url not in problem(got).detail


def test_ids_cannot_lead_to_another_address(house: House) -> None:
    for trick in ("..", ".", ""):
        assert problem(house.client().invoice_pdf(trick)).code == "bad_name"
        assert problem(house.client().set_ending(trick, None)).code == "bad_name"
    assert problem(house.client().portal_url("..")).code == "bad_name"
    assert house.lago.asked == []
