"""What a plan card says, as words: the console's page and the visitors' page write the same."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from urllib.parse import quote

from babel.numbers import format_currency, get_currency_symbol

from components.formats import LOCALE, NBSP
from data_sources.billing.types import MONTHS_OF, Entitlement, Plan

PER = {
    "weekly": "per week",
    "monthly": "per month",
    "quarterly": "per quarter",
    "semiannual": "per half-year",
    "yearly": "per year",
}
MONTHS_A_YEAR = 12


@dataclass(frozen=True, slots=True)
class PlanWords:
    """A plan card's words.

    Attributes:
        name: The plan's name.
        description: Its description; empty when Lago has none.
        price: The price with its currency, or words instead of one.
        unit: "per month", or empty.
        is_words: Whether `price` is words.
        note: The muted line: usage, tax, minimum, trial.
        included: What is in it, one line each.
        excluded: What is not.
    """

    name: str
    description: str
    price: str
    unit: str
    is_words: bool
    note: str
    included: tuple[str, ...]
    excluded: tuple[str, ...]


def amount_words(amount: Decimal, currency: str, *, column: bool = False) -> str:
    """An amount with all of its decimals, or none where they are all 0: "$19.99", "$20", "¥500".

    Args:
        amount: In the currency's main unit, with as many decimals as its smallest unit has.
        currency: ISO 4217 code.
        column: Keep the decimals that are 0, so that amounts under each other line up.
    """
    exponent = amount.as_tuple().exponent
    digits = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    if not column and amount == amount.to_integral_value():
        amount, digits = amount.to_integral_value(), 0
    # "$20" but "KWD 1.500": letters do not stand against figures.
    space = NBSP if get_currency_symbol(currency, LOCALE)[-1].isalpha() else ""
    pattern = f"¤{space}#,##0" + ("." + "0" * digits if digits else "")
    return format_currency(
        amount, currency, format=pattern, locale=LOCALE, currency_digits=False, decimal_quantization=False
    )


def price_words(plan: Plan) -> str:
    """All of the price in one phrase: "$20 per month, plus usage, at least $50 per month"."""
    amount = plan.amount
    if amount is None or plan.currency is None:
        return "price not known"
    return ", ".join([" ".join(filter(None, (amount_words(amount, plan.currency), _per(plan)))), *on_top(plan)])


def _per(plan: Plan) -> str:
    return PER.get(plan.interval or "", "")


def on_top(plan: Plan) -> list[str]:
    """What comes on top of the base price, the same on the card and on Stripe's page."""
    parts = []
    if plan.usage_charges:
        parts.append("plus usage")
    if plan.fixed_charges:
        parts.append("plus fixed charges")
    if plan.minimum_commitment and plan.currency is not None:
        least = amount_words(plan.minimum_commitment, plan.currency)
        parts.append(" ".join(filter(None, ("at least", least, _per(plan)))))
    return parts


def plan_words(plan: Plan) -> PlanWords:
    """All words of a plan's card; what Lago does not have is not there."""
    price, unit, is_words = _price(plan)
    granted, denied = _entitlements(plan.entitlements)
    credits_line = (plan.credits,) if plan.credits else ()
    return PlanWords(
        name=plan.name,
        description=plan.description or "",
        price=price,
        unit=unit,
        is_words=is_words,
        note=_note(plan),
        included=(*credits_line, *plan.features, *granted),
        excluded=(*plan.limitations, *denied),
    )


def saving_words(monthly: Plan, yearly: Plan) -> str | None:
    """What paying yearly saves, exactly: "Saves $40 a year"; None when it saves nothing or is not known."""
    if monthly.amount is None or yearly.amount is None or monthly.currency != yearly.currency or not yearly.currency:
        return None
    saved = monthly.amount * MONTHS_A_YEAR - yearly.amount
    return f"Saves {amount_words(saved, yearly.currency)} a year" if saved > 0 else None


def mail_address(plan: Plan, sales_email: str | None) -> str | None:
    """A `mailto:` address for a plan sold by people; None when nobody's address is known."""
    to = plan.sales_email or sales_email
    if to is None:
        return None
    return f"mailto:{quote(to, safe='@')}?subject={quote(f'{plan.name} plan')}"


def _price(plan: Plan) -> tuple[str, str, bool]:
    if plan.contact_sales:
        return "Let us talk", "", True
    if plan.amount is None or plan.currency is None:
        return "Price unavailable", "", True
    if plan.amount == 0 and not plan.is_free:
        # Zero with charges on top is not free.
        return "Paid by use", "", True
    return amount_words(plan.amount, plan.currency), PER.get(plan.interval or "", ""), False


def _note(plan: Plan) -> str:
    if plan.contact_sales:
        return "Price by agreement"
    if plan.amount is None or plan.currency is None:
        return "Lago gives no price that can be read"
    if plan.is_free:
        return "No card needed"
    parts = []
    months = MONTHS_OF.get(plan.interval or "", 1)
    if plan.amount > 0 and months == MONTHS_A_YEAR:
        parts.append(f"Equals {_a_month(plan.amount, months, plan.currency)} a month")
    parts += on_top(plan)
    parts.append("excl. tax")
    if plan.has_trial and plan.trial_days is not None:
        parts.append(f"{plan.trial_days.normalize():f}-day trial")
    line = ", ".join(parts)
    return line[0].upper() + line[1:]


def _a_month(amount: Decimal, months: int, currency: str) -> str:
    each = amount / months
    rounded = each.quantize(Decimal(1).scaleb(int(amount.as_tuple().exponent)), rounding=ROUND_HALF_UP)
    about = "" if rounded * months == amount else "about "
    return about + amount_words(rounded, currency)


def _entitlements(given: tuple[Entitlement, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    granted: list[str] = []
    denied: list[str] = []
    for one in given:
        label = one.name or one.code
        if not one.privileges:
            granted.append(label)
        for each in one.privileges:
            name = each.name or each.code
            if each.value is True:
                granted.append(f"{label}: {name}")
            elif each.value is False:
                denied.append(f"{label}: {name}")
            elif each.value is not None:
                granted.append(f"{label}: {name} {each.value}")
    return tuple(granted), tuple(denied)
