"""How figures are written: numbers, money, rates, durations, times.

None in, "—" out: the caller says why beside it. Locale is the reader's, by Babel; the default is US English.
"""

from __future__ import annotations

from datetime import datetime, tzinfo
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from babel.dates import format_datetime
from babel.numbers import format_currency, format_decimal, get_currency_precision

UNKNOWN = "—"
NBSP = "\u00a0"
LOCALE = "en_US"
_BIG = ((10**12, "T"), (10**9, "B"), (10**6, "M"))
_RATE_STEPS = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))


# A page writes the same figures again and again, and Babel takes its time: the words depend on nothing but the value.
_remembered = lru_cache(maxsize=8192)


@_remembered
def number(value: int | Decimal | None, *, locale: str = LOCALE) -> str:
    """An exact count with separators: 13,331."""
    return UNKNOWN if value is None else format_decimal(value, locale=locale)


def counted(value: int | None, noun: str) -> str:
    """A count with its noun: 1 call, 13,331 calls; nouns whose plural ends in s."""
    return f"{number(value)} {noun}" if value == 1 else f"{number(value)} {noun}s"


def figure(value: int | None, *, locale: str = LOCALE) -> tuple[str, str]:
    """A count as a figure and its unit: exact to 999,999, from a million two decimals: ("17.88", "M")."""
    if value is None:
        return UNKNOWN, ""
    for step, unit in _BIG:
        if abs(value) >= step:
            return format_decimal(Decimal(value) / step, format="#,##0.00", locale=locale), unit
    return format_decimal(value, locale=locale), ""


def compact(value: int | None, *, locale: str = LOCALE) -> str:
    """A count in one word: 17.88 M, with a no-break space."""
    words, unit = figure(value, locale=locale)
    return f"{words}{NBSP}{unit}" if unit else words


@_remembered
def money(amount: Decimal | None, currency: str, *, locale: str = LOCALE) -> str:
    """A measured cost: two decimals from 1.00 up, four below, `<$0.0001` below that. Never rounded to 0.

    Args:
        amount: In whole units of the currency, not cents.
        currency: ISO 4217 code.
        locale: The reader's.
    """
    if amount is None:
        return UNKNOWN
    size = abs(amount)
    if size == 0:
        return format_currency(amount, currency, locale=locale)
    least = Decimal("0.0001")
    if size < least:
        sign = "-" if amount < 0 else ""
        return f"<{sign}{_with_digits(least, currency, 4, locale)}"
    if size < 1:
        return _with_digits(amount, currency, 4, locale)
    return _with_digits(amount, currency, max(2, get_currency_precision(currency)), locale)


def _with_digits(amount: Decimal, currency: str, digits: int, locale: str) -> str:
    rounded = amount.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)
    pattern = "¤#,##0" + ("." + "0" * digits if digits else "")
    if locale != LOCALE:
        # Other locales put the sign elsewhere: take their pattern and change its decimals only.
        from babel import Locale

        standard = Locale.parse(locale).currency_formats["standard"].pattern.split(";")[0]
        head, dot, tail = standard.partition(".")
        rest = tail.lstrip("0#") if dot else ""
        pattern = head + ("." + "0" * digits if digits else "") + rest
    return format_currency(
        rounded, currency, format=pattern, locale=locale, currency_digits=False, decimal_quantization=False
    )


def share(part: Decimal | int | None, whole: Decimal | int | None, *, locale: str = LOCALE) -> str:
    """A share of a known whole: one decimal, `<0.1%`, 100% only if exact."""
    if part is None or whole is None or whole == 0:
        return UNKNOWN
    percent_ = Decimal(part) * 100 / Decimal(whole)
    if percent_ == 0 or percent_ == 100:
        return f"{int(percent_)}%"
    if percent_ < Decimal("0.1"):
        return "<0.1%"
    if Decimal("99.9") < percent_ < 100:
        return ">99.9%"
    return format_decimal(percent_, format="0.0", locale=locale) + "%"


def rate(bytes_per_s: float | None, *, bits: bool = False) -> tuple[str, str]:
    """A rate as a figure and its unit, decimal (1 kB = 1,000 B), three significant digits.

    Args:
        bytes_per_s: Bytes per second; None while unknown.
        bits: Write bits per second instead (factor 8).
    """
    base = "bit/s" if bits else "B/s"
    if bytes_per_s is None:
        return UNKNOWN, base
    value = bytes_per_s * 8 if bits else bytes_per_s
    for step, unit in _RATE_STEPS:
        if abs(value) >= step * 0.9995:
            return _three_digits(value / step), f"{unit}{base}"
    return _three_digits(value), base


def size(size_bytes: int | None) -> tuple[str, str]:
    """An amount of bytes as a figure and its unit, decimal (1 GB = 1,000,000,000 B)."""
    if size_bytes is None:
        return UNKNOWN, "B"
    for step, unit in _RATE_STEPS:
        if abs(size_bytes) >= step * 0.9995:
            return _three_digits(size_bytes / step), f"{unit}B"
    return str(size_bytes), "B"


def _three_digits(value: float) -> str:
    if value == 0:
        return "0"
    digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    return f"{value:,.{digits}f}"


def duration_ms(value: float | int | None) -> str:
    """A duration: ms to 9,999, then seconds."""
    if value is None:
        return UNKNOWN
    if value < 10_000:
        return f"{round(value):,}{NBSP}ms"
    return f"{value / 1000:,.1f}{NBSP}s"


def age(seconds: float | None) -> str:
    """An age in one unit: 26 s, 14 min, 3 h, 2 d."""
    if seconds is None:
        return UNKNOWN
    for limit, step, unit in ((90, 1, "s"), (5400, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds // step)}{NBSP}{unit}"
    return f"{int(seconds // 86_400)}{NBSP}d"


def clock(moment: datetime | None, zone: tzinfo, *, milliseconds: bool = False) -> str:
    """Time of day, 24 h with seconds, in the reader's zone."""
    if moment is None:
        return UNKNOWN
    local = moment.astimezone(zone)
    return local.strftime("%H:%M:%S") + (f".{local.microsecond // 1000:03d}" if milliseconds else "")


def day(moment: datetime | None, zone: tzinfo, *, locale: str = LOCALE) -> str:
    """A calendar day in the reader's zone: 16 Nov 2023."""
    return UNKNOWN if moment is None else format_datetime(moment.astimezone(zone), "d MMM y", locale=locale)


def change(now: Decimal | int | None, before: Decimal | int | None) -> tuple[str, str]:
    """A change against a base: arrow and percent, always with the base beside it.

    Returns:
        The change in words ("↓ 8.0%", "12 times", "" when there is none to name) and a hint: "" or "base-zero".
    """
    if now is None or before is None:
        return "", ""
    if before == 0:
        return "", "base-zero"
    return change_percent((Decimal(now) - Decimal(before)) * 100 / Decimal(before)), ""


def change_percent(percent: Decimal) -> str:
    """A change that is known in percent only: "↓ 8.0%", "12 times", "no change"."""
    if percent == 0:
        return "no change"
    if percent > 999:
        return f"{round(percent / 100 + 1)} times"
    size = abs(percent)
    words = "<0.1%" if size < Decimal("0.1") else f"{size:.1f}%"
    return f"{'↑' if percent > 0 else '↓'} {words}"
