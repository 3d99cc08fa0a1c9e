"""What a plan costs as one digest, and what of it cannot be read: both decide whether it may be sold."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal, InvalidOperation
from typing import Any

_PRICE = (
    "interval",
    "amount_cents",
    "amount_currency",
    "trial_period",
    "pay_in_advance",
    "bill_charges_monthly",
    "bill_fixed_charges_monthly",
)
# Of a charge, what decides its price. Its ids and times change without the price changing, and are left out.
_CHARGE = (
    "code",
    "billable_metric_code",
    "add_on_code",
    "charge_model",
    "pay_in_advance",
    "invoiceable",
    "prorated",
    "min_amount_cents",
    "units",
    "properties",
    "filters",
    "applied_pricing_unit",
)
_THRESHOLD = ("amount_cents", "recurring")
_LISTS = {"charges": _CHARGE, "fixed_charges": _CHARGE, "usage_thresholds": _THRESHOLD}
_WORDS = {"charges": "usage charges", "fixed_charges": "fixed charges", "usage_thresholds": "usage thresholds"}


def terms_of(raw: dict[str, Any]) -> str:
    """Digest of a plan's interval, amount, currency, minimum, charges, trial and moment of payment.

    Args:
        raw: The plan as Lago sends it.

    Returns:
        64 hex digits: equal as long as the plan costs the same, whatever the order of its charges.
    """
    minimum = raw.get("minimum_commitment")
    terms: dict[str, Any] = {key: _plain(raw.get(key)) for key in _PRICE}
    terms["minimum"] = _plain(minimum.get("amount_cents") if isinstance(minimum, dict) else minimum)
    for key, fields in _LISTS.items():
        given = raw.get(key)
        rows = given if isinstance(given, list) else [given]
        terms[key] = sorted(_text(_chosen(row, fields)) for row in rows)
    return hashlib.sha256(_text(terms).encode()).hexdigest()


def unreadable(raw: dict[str, Any]) -> tuple[str, ...]:
    """What Lago says about a plan's money in a form that we do not know, in words; what it leaves out is not here."""
    found = [
        _WORDS[key]
        for key in _LISTS
        if (rows := raw.get(key)) is not None
        and not (isinstance(rows, list) and all(isinstance(row, dict) for row in rows))
    ]
    minimum = raw.get("minimum_commitment")
    if minimum is not None and not (isinstance(minimum, dict) and _cents(minimum.get("amount_cents"))):
        found.append("minimum")
    if (trial := raw.get("trial_period")) is not None and not _days(trial):
        found.append("trial")
    if not isinstance(raw.get("pay_in_advance"), bool | None):
        found.append("moment of payment")
    if not isinstance(raw.get("metadata"), dict | None):
        found.append("details")
    return tuple(found)


def rated(taxes: Any) -> bool | None:
    """Whether any of these taxes adds something; None when there are none."""
    rows = taxes if isinstance(taxes, list) else []
    return any(not _is_zero(row) for row in rows) if rows else None


def _is_zero(row: Any) -> bool:
    try:
        return isinstance(row, dict) and Decimal(str(row.get("rate"))) == 0
    except InvalidOperation:
        return False  # what cannot be read is not taken for nothing


def _cents(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _days(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return False
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return False
    return number.is_finite() and number >= 0


def _chosen(row: object, fields: tuple[str, ...]) -> object:
    return {key: _plain(row.get(key)) for key in fields} if isinstance(row, dict) else _plain(row)


def _plain(value: object) -> object:
    """A value in which a number reads the same however it was written: 14 and 14.0 are one."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, float | Decimal):
        return f"{Decimal(str(value)).normalize():f}" if Decimal(str(value)).is_finite() else str(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)
