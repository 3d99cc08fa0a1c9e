"""Figures are written so that nothing measured becomes 0 and nothing unknown looks like a figure."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import formats


@pytest.mark.parametrize(
    "write",
    [
        formats.number,
        formats.compact,
        formats.duration_ms,
        formats.age,
        lambda none: formats.money(none, "USD"),
        lambda none: formats.share(none, 10),
        lambda none: formats.rate(none)[0],
        lambda none: formats.size(none)[0],
    ],
)
def test_unknown_is_a_dash(write):
    assert write(None) == "—"


@pytest.mark.parametrize(
    ("value", "written"), [(0, "0"), (999_999, "999,999"), (1_000_000, "1.00\u00a0M"), (17_876_543, "17.88\u00a0M")]
)
def test_counts(value, written):
    assert formats.compact(value) == written


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        ("0", "USD", "$0.00"),
        ("0.00003", "USD", "<$0.0001"),
        ("0.0006695", "USD", "$0.0007"),
        ("0.0359", "USD", "$0.0359"),
        ("12.345", "USD", "$12.35"),
        ("1234.5", "EUR", "€1,234.50"),
    ],
)
def test_costs(amount, currency, written):
    assert formats.money(Decimal(amount), currency) == written


@given(st.decimals(min_value="0.000000000001", max_value="100000", places=12))
def test_a_measured_cost_is_never_written_as_zero(amount):
    written = formats.money(amount, "USD")
    assert any(digit in written for digit in "123456789")


@pytest.mark.parametrize(
    ("part", "whole", "written"),
    [(0, 10, "0%"), (1, 10_000, "<0.1%"), (1, 3, "33.3%"), (9_999, 10_000, ">99.9%"), (10, 10, "100%"), (1, 0, "—")],
)
def test_shares(part, whole, written):
    assert formats.share(part, whole) == written


@pytest.mark.parametrize(
    ("value", "bits", "written"),
    [
        (0, False, ("0", "B/s")),
        (999, False, ("999", "B/s")),
        (1000, False, ("1.00", "kB/s")),
        (3_620_000, False, ("3.62", "MB/s")),
        (3_620_000, True, ("29.0", "Mbit/s")),
        (999_999, False, ("1.00", "MB/s")),
    ],
)
def test_rates_are_decimal(value, bits, written):
    assert formats.rate(value, bits=bits) == written


@pytest.mark.parametrize(("ms", "written"), [(0, "0\u00a0ms"), (9_999, "9,999\u00a0ms"), (10_000, "10.0\u00a0s")])
def test_durations(ms, written):
    assert formats.duration_ms(ms) == written


@pytest.mark.parametrize(
    ("now", "before", "written"),
    [
        (13_331, 14_484, ("↓ 8.0%", "")),
        (10, 0, ("", "base-zero")),
        (None, 5, ("", "")),
        (120, 10, ("12 times", "")),
        (5, 5, ("no change", "")),
        (0, 5, ("↓ 100.0%", "")),
    ],
)
def test_changes_name_no_percent_without_a_base(now, before, written):
    assert formats.change(now, before) == written
