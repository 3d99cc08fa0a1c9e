"""Amounts in a currency's smallest unit, as Lago and Stripe keep them, and in its main unit, as people read them.

The step between the two is ISO 4217's. Babel's table is not used for it: CLDR gives the digits that people write
(RSD 0, LBP 0), which for a dozen currencies are fewer than the digits that billing systems count in (RSD 2, LBP 2);
reading a price with them would be wrong by a factor of 100.
"""

from __future__ import annotations

from decimal import Decimal

from babel.numbers import list_currencies

_NO_DECIMALS = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF"}
    | {"XPF"}
)
_THREE_DECIMALS = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])
# Fifths (MGA, MRO, MRU) and funds codes (CLF): systems disagree on their smallest unit, so no price is shown.
_DISPUTED = frozenset(["CLF", "MGA", "MRO", "MRU", "UYW"])
_KNOWN = frozenset(list_currencies())

# Lago hands these on as whole units while Stripe still counts hundredths: 1,000 kr would be charged as 10 kr.
MISMATCHED_AT_STRIPE = frozenset({"ISK", "UGX"})


def too_fine_for_stripe(amount_cents: int | None, currency: str | None) -> bool:
    """Whether Stripe cannot charge it: of three decimals it takes only amounts whose last one is 0."""
    return currency in _THREE_DECIMALS and amount_cents is not None and amount_cents % 10 != 0


def exponent(currency: str | None) -> int | None:
    """How many decimals the currency's smallest unit has.

    Args:
        currency: ISO 4217 code.

    Returns:
        0, 2 or 3; None when the code is unknown or its smallest unit is disputed.
    """
    if currency is None or currency not in _KNOWN or currency in _DISPUTED:
        return None
    if currency in _NO_DECIMALS:
        return 0
    return 3 if currency in _THREE_DECIMALS else 2


def major_units(amount_cents: int | None, currency: str | None) -> Decimal | None:
    """An amount in the currency's main unit, exactly.

    Args:
        amount_cents: Amount in the smallest unit.
        currency: ISO 4217 code.

    Returns:
        The amount with all its decimals (1900 USD cents are 19.00); None when either is unknown.
    """
    places = exponent(currency)
    if amount_cents is None or places is None:
        return None
    return Decimal(amount_cents).scaleb(-places)


def said(amount_cents: object, currency: object) -> str:
    """An amount in plain words for notes and logs: "19.00 USD"; what has no known main unit is told in the smallest."""
    code = currency if isinstance(currency, str) else None
    amount = major_units(amount_cents, code) if isinstance(amount_cents, int) else None
    return f"{amount_cents} of the smallest unit of {currency}" if amount is None else f"{amount} {currency}"
