from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.held import day_words, renewal
from components.plan_words import amount_words, mail_address, plan_words, price_words, saving_words
from data_sources.billing.customers import read_subscription
from data_sources.billing.plans import read_plan
from data_sources.result import utc_now
from tests.fakes import lago


def plan(code="p", name="P", cents=1900, **more):
    made = read_plan(lago.plan(code, name, cents, **more))
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("cents", "currency", "words"),
    [
        (2000, "USD", "$20"),
        (1999, "USD", "$19.99"),
        (1990, "EUR", "€19.90"),
        (500, "JPY", "¥500"),
        (1500, "KWD", "KWD\xa01.500"),
        (100000, "RSD", "RSD\xa01,000"),
        (123456789, "USD", "$1,234,567.89"),
    ],
)
def test_a_price_is_written_in_its_own_currency_and_exponent(cents, currency, words):
    amount = plan(cents=cents, amount_currency=currency).amount
    assert amount_words(amount, currency) == words


@given(st.integers(min_value=0, max_value=10**12))
def test_no_price_is_rounded(cents):
    amount = plan(cents=cents).amount
    digits = amount_words(amount, "USD").lstrip("$").replace(",", "")
    assert Decimal(digits) == amount


@pytest.mark.parametrize(
    ("interval", "words"),
    [("weekly", "per week"), ("quarterly", "per quarter"), ("semiannual", "per half-year"), ("yearly", "per year")],
)
def test_a_price_names_its_interval(interval, words):
    assert price_words(plan(interval=interval)) == f"$19 {words}"


def test_the_price_on_stripes_page_names_usage_and_minimum_like_the_card():
    more = {"charges": [lago.charge()], "minimum_commitment": {"amount_cents": 5000}}
    assert price_words(plan(**more)) == "$19 per month, plus usage, at least $50 per month"
    assert price_words(plan(fixed_charges=[{"units": 1}])) == "$19 per month, plus fixed charges"


def test_zero_with_usage_on_top_is_not_free():
    words = plan_words(plan(cents=0, charges=[lago.charge()]))
    assert (words.price, words.unit) == ("Paid by use", "")
    assert "$0" not in words.price + words.note


def test_a_free_plan_needs_no_card():
    words = plan_words(plan(cents=0))
    assert (words.price, words.note) == ("$0", "No card needed")


def test_without_a_price_no_figure_is_written():
    words = plan_words(plan(amount_cents=None))
    assert words.price == "Price unavailable"
    assert not any(character.isdigit() for character in words.price + words.unit + words.note)


def test_minimum_usage_tax_and_trial_stand_beside_the_price():
    words = plan_words(plan(charges=[lago.charge()], minimum_commitment={"amount_cents": 5000}, trial_period=14.0))
    assert words.note == "Plus usage, at least $50 per month, excl. tax, 14-day trial"


def test_a_yearly_price_says_what_it_is_a_month_and_whether_that_is_rounded():
    assert plan_words(plan(cents=24000, interval="yearly")).note == "Equals $20 a month, excl. tax"
    assert plan_words(plan(cents=20000, interval="yearly")).note == "Equals about $16.67 a month, excl. tax"


def test_a_saving_is_exact_and_only_claimed_where_there_is_one():
    monthly, yearly = plan(cents=2000), plan(cents=20000, interval="yearly")
    assert saving_words(monthly, yearly) == "Saves $40 a year"
    assert saving_words(monthly, plan(cents=24000, interval="yearly")) is None
    assert saving_words(plan(amount_cents=None), yearly) is None


def test_a_name_cannot_smuggle_anything_into_the_mail():
    address = mail_address(plan(name="A&bcc=x@y.test", metadata={"contact_sales": "true"}), "s@r.test")
    assert address == "mailto:s@r.test?subject=A%26bcc%3Dx%40y.test%20plan"
    assert mail_address(plan(), None) is None


def held(**more):
    row = {
        "external_id": "s",
        "status": "active",
        "plan_code": "p",
        "plan_amount_cents": 1900,
        "plan_amount_currency": "USD",
        "started_at": "2026-11-01T00:00:00Z",
        "current_billing_period_ending_at": "2026-11-30T23:59:59Z",
    }
    return read_subscription(row | more, plan())


def test_a_renewal_is_the_day_after_the_period_in_the_customers_own_zone():
    assert renewal(held(), "UTC")[0] == "Renews 1 Dec 2026"
    berlin = held(current_billing_period_ending_at="2026-11-30T22:59:59Z")
    assert renewal(berlin, "Europe/Berlin")[0] == "Renews 1 Dec 2026"


def test_what_comes_next_is_said_and_never_guessed():
    assert renewal(held(ending_at="2026-12-24T00:00:00Z"), "UTC")[0] == "Ends 24 Dec 2026"
    changed = held(next_plan_code="starter", downgrade_plan_date="2026-12-01")
    assert renewal(changed, "UTC") == ("Changes 1 Dec 2026", "To the plan starter.")
    trial = replace(held(), trial_ends_at=utc_now() + timedelta(days=1), pay_in_advance=True)
    ends = replace(trial, ending_at=utc_now() + timedelta(days=9))
    day = day_words(trial.trial_ends_at.date())
    told = f"It goes on until then and does not renew. Trial until {day}: 1 day left. On that day its price is charged."
    assert renewal(ends, "UTC")[1] == told
    unknown = held(current_billing_period_ending_at=None)
    assert renewal(unknown, "UTC") == ("", "Lago does not tell when it renews.")
