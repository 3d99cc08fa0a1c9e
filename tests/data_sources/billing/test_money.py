from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.billing.money import exponent, major_units

CODES = ["USD", "EUR", "JPY", "KWD", "RSD", "LBP", "VND", "ISK"]


@pytest.mark.parametrize(
    ("cents", "currency", "expected"),
    [
        (1999, "USD", "19.99"),
        (1999, "JPY", "1999"),
        (1999, "KWD", "1.999"),
        (1000, "RSD", "10.00"),  # people write dinars without decimals, billing counts paras all the same
        (0, "EUR", "0.00"),
    ],
)
def test_an_amount_is_read_with_the_currencys_own_smallest_unit(cents: int, currency: str, expected: str) -> None:
    assert str(major_units(cents, currency)) == expected


@pytest.mark.parametrize("currency", [None, "", "XYZ", "usd", "MGA", "CLF"])
def test_a_currency_whose_smallest_unit_is_not_known_gives_no_amount(currency: str | None) -> None:
    assert exponent(currency) is None
    assert major_units(100, currency) is None


def test_an_unknown_amount_stays_unknown() -> None:
    assert major_units(None, "USD") is None


@given(st.integers(min_value=0, max_value=10**15), st.sampled_from(CODES))
def test_no_digit_is_lost_on_the_way_to_the_main_unit(cents: int, currency: str) -> None:
    amount = major_units(cents, currency)
    places = exponent(currency)
    assert amount is not None
    assert places is not None
    assert amount * Decimal(10) ** places == cents
