"""Words and bars of what a customer has: never more than is known, never 100 % before it is."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from components.account import card_words, invoices_table, shown_of, usage_bars, wallets_list
from components.held import failed_banner, overdue_banner
from data_sources.billing.account.types import (
    Card,
    CardFacts,
    CardView,
    FailedCharge,
    Invoice,
    Invoices,
    Usage,
    UsageLine,
    UsageView,
    Wallet,
)
from data_sources.result import Kind, Problem


def words(part):
    if part is None or isinstance(part, bool):
        return ""
    if isinstance(part, str | int):
        return str(part)
    if isinstance(part, list | tuple):
        return " ".join(words(each) for each in part)
    return words(getattr(part, "children", None))


def used(units, limit, amount=None):
    line = UsageLine("calls", "Calls", units, limit, amount)
    return words(usage_bars(UsageView((Usage("Team", None, None, "USD", (line,)),), "UTC")))


def invoice(**more):
    given = {
        "id": "1",
        "number": "OPS-1",
        "issued_on": date(2026, 11, 1),
        "due_on": date(2026, 11, 2),
        "total": Decimal("20.00"),
        "due": None,
        "currency": "USD",
        "status": "finalized",
        "payment_status": "succeeded",
        "overdue": False,
    }
    return Invoice(**{**given, **more})


def test_usage_says_how_much_of_the_limit_and_never_rounds_to_the_whole():
    assert "32,104 of 50,000" in used(Decimal("32104.0"), Decimal(50000))
    assert "64.2% used" in used(Decimal(32104), Decimal(50000))
    assert "99.9% used" in used(Decimal(49999), Decimal(50000))
    assert "<0.1% used" in used(Decimal(1), Decimal(50000))
    assert "0% used" in used(Decimal(0), Decimal(50000))
    assert "at the limit" in used(Decimal(50000), Decimal(50000))
    assert "1.5 over the limit" in used(Decimal("50001.5"), Decimal(50000))
    assert "the plan has none of it" in used(Decimal(0), Decimal(0))


def test_unknown_usage_is_no_bar_and_no_zero():
    told = used(None, Decimal(50000))
    assert "How much is used is not known" in told
    assert "0%" not in told
    assert "Lago does not tell the period" in told


def test_a_wallet_without_a_balance_says_so():
    told = words(wallets_list((Wallet(None, None, None, None, None, None, None),)))
    assert "Lago does not tell the balance" in told
    assert "What they are worth is not known" in told
    good = Wallet("Start", Decimal(5), Decimal("1.50"), Decimal(4), None, "USD", datetime(2027, 3, 1, tzinfo=UTC))
    told = words(wallets_list((good,)))
    for part in ("5 credits", "Worth $1.50", "4 after the usage of this period", "Expires 1 Mar 2027"):
        assert part in told


def test_a_card_says_since_when_and_that_saving_one_starts_no_plan():
    told = words(card_words(CardView(Card(datetime(2026, 11, 1, tzinfo=UTC)), True)))
    assert "since 1 Nov 2026" in told
    assert "starts or changes no plan" in told
    assert "Add a card" in words(card_words(CardView(None, True)))
    assert "card" in words(card_words(CardView(None, False)))
    assert "Add" not in words(card_words(CardView(None, False)))
    assert "Stripe collects" in words(card_words(CardView(None, False, by_stripe=True)))


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (CardFacts("card", "visa", "4242", (2099, 3)), "Visa ending in 4242, valid until 03/2099. Stripe charges it."),
        (
            CardFacts("card", "amex", "0005", (2020, 1)),
            "American Express ending in 0005, no longer valid",
        ),
        (CardFacts("sepa_debit", None, "3000", None), "SEPA debit ending in 3000. Stripe charges it."),
        (CardFacts("paypal", None, None, None), "PayPal. Stripe charges it."),
        (CardFacts("amazon_pay", None, None, None), "Amazon pay. Stripe charges it."),
        (CardFacts("card", "visa", "0005", (2020, 1)), "Expired"),
        (Problem(Kind.UPSTREAM, "x", "Stripe cannot be reached."), "is not known: Stripe cannot be reached."),
    ],
)
def test_a_card_is_told_by_what_it_is_recognized_by(facts, said):
    told = words(card_words(CardView(Card(None, facts), True, by_stripe=True)))
    assert said in told
    assert "Update card" in told
    assert "waits for a card" not in told


def test_a_card_that_lago_charges_says_what_it_is_and_since_when():
    held = Card(datetime(2026, 11, 1, tzinfo=UTC), CardFacts("card", "visa", "4242", (2099, 3)))
    told = words(card_words(CardView(held, True)))
    assert "valid until 03/2099. It is on file at Stripe since 1 Nov 2026. Lago charges it." in told


def test_an_invoice_says_what_was_given_back_of_it():
    table = invoices_table(Invoices((invoice(given_back=Decimal("5.00"), coming_back=Decimal("15.00")),), 1))
    assert "Paid $5.00 given back, $15.00 on its way back" in words(table)


def test_invoices_line_up_and_offer_only_what_makes_sense():
    rows = (
        invoice(),
        invoice(number="OPS-2", status="draft", payment_status="pending"),
        invoice(number="OPS-3", payment_status="failed", overdue=True),
        invoice(number="OPS-4", total=None, issued_on=None, payment_status=None),
    )
    told = words(invoices_table(Invoices(rows, 9)))
    assert "$20.00" in told
    assert "Paid" in told
    assert "Overdue" in told
    assert "Not known" in told
    assert told.count("PDF") == 3
    assert shown_of(Invoices(rows, 9)) == "The newest 4 of 9. Amounts include tax."
    assert shown_of(Invoices(rows, 4)) == "All 4. Amounts include tax."
    assert "does not tell how many" in shown_of(Invoices(rows, None))
    assert shown_of(Invoices(rows, None, before=None)).startswith("4 older ones. ")
    assert shown_of(Invoices(rows, 44, before=40)) == "41 to 44 of 44. Amounts include tax."


def test_what_is_overdue_is_what_is_still_due_and_an_unknown_amount_is_said():
    assert "OPS-1 is overdue since 2 Nov 2026: $5." in words(
        overdue_banner(Invoices((invoice(due=Decimal("5.00")),), 1))
    )
    assert "an amount that Lago does not tell" in words(overdue_banner(Invoices((invoice(total=None),), 1)))


def test_a_failed_charge_says_what_to_do_with_and_without_a_page():
    page = failed_banner([FailedCharge("Team", Decimal("20.00"), "USD", "https://invoice.stripe.com/i/1", "sub")])
    assert "A charge of $20 for Team failed." in words(page)
    assert "https://invoice.stripe.com/i/1" in str(page)
    told = words(failed_banner([FailedCharge("Team", None, None, None, "sub")]))
    assert "A charge for Team failed. The plan goes on until Stripe gives up. Ask your admin" in told


def test_an_overdue_invoice_says_who_collects_it_and_never_that_somebody_does_who_does_not():
    assert "Stripe collects it." in words(overdue_banner(Invoices((invoice(),), 1, payable=False, by_stripe=True)))
    assert "Ask your admin how to pay it." in words(overdue_banner(Invoices((invoice(),), 1, payable=False)))
    assert "Pay now" in words(overdue_banner(Invoices((invoice(),), 1)))
