"""What a customer has, read from Lago: usage against limits, credits, invoices, the card. Missing stays None."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from data_sources.billing.account.types import Card, Invoice, Invoices, Usage, UsageLine, Wallet
from data_sources.billing.customers import moment
from data_sources.billing.lago_account import InvoiceRows
from data_sources.billing.lago_http import Json
from data_sources.billing.money import major_units
from data_sources.billing.paid_invoices import PAID_BY, tag_of
from data_sources.billing.types import Plan


def limits_of(plan: Plan) -> dict[str, Decimal]:
    """The plan's limits by the code of the metric they limit.

    From the plan's metadata (`limit_` + code of the metric), else from an entitlement with the code of the metric and
    one number in it. What matches no metric is no limit of usage.
    """
    found = dict(plan.limits)
    for one in plan.entitlements:
        values = [each.value for each in one.privileges]
        numbers = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
        if len(numbers) == 1 and one.code not in found:
            found[one.code] = Decimal(numbers[0])
    return found


def read_usage(raw: Json, plan: Plan, limits: dict[str, Decimal]) -> Usage:
    """Usage of the running period against the plan's limits: one line for each metric that is limited and metered."""
    currency = _words(raw.get("currency"))
    lines: dict[str, UsageLine] = {}
    given = raw.get("charges_usage")
    for row in given if isinstance(given, list) else ():
        metric = row.get("billable_metric") if isinstance(row, dict) else None
        code = _words(metric.get("code")) if isinstance(metric, dict) else None
        if metric is None or code is None or code not in limits:
            continue
        amount = major_units(_whole(row.get("amount_cents")), _words(row.get("amount_currency")) or currency)
        line = UsageLine(code, _words(metric.get("name")) or code, _number(row.get("units")), limits[code], amount)
        earlier = lines.get(code)
        # Two charges of one metric count the same units; only what they cost adds up.
        lines[code] = line if earlier is None else _together(earlier, line)
    for code, limit in plan.limits:
        # The operator names a limit of a metric that this plan does not meter: how much is used is not known.
        lines.setdefault(code, UsageLine(code, code, None, limit, None))
    period = moment(raw.get("from_datetime")), moment(raw.get("to_datetime"))
    return Usage(plan.name, *period, currency, tuple(lines.values()))


def _together(one: UsageLine, other: UsageLine) -> UsageLine:
    amount = None if one.amount is None or other.amount is None else one.amount + other.amount
    units = one.units if one.units == other.units else None
    return UsageLine(one.code, one.name, units, one.limit, amount)


def read_wallets(rows: list[Json]) -> tuple[Wallet, ...]:
    """The wallets that are in use."""
    return tuple(_wallet(row) for row in rows if row.get("status") == "active")


def _wallet(row: Json) -> Wallet:
    currency = _words(row.get("currency"))
    return Wallet(
        name=_words(row.get("name")),
        credits=_number(row.get("credits_balance")),
        amount=major_units(_whole(row.get("balance_cents")), currency),
        ongoing_credits=_number(row.get("credits_ongoing_balance")),
        ongoing_amount=major_units(_whole(row.get("ongoing_balance_cents")), currency),
        currency=currency,
        expires_at=moment(row.get("expiration_at")),
    )


def read_invoices(page: InvoiceRows) -> Invoices:
    """Invoices as a list; one without an id or number cannot be told apart and is left out of it."""
    found = [made for row in page.rows if (made := read_invoice(row)) is not None]
    return Invoices(tuple(found), page.total, before=page.before, older=page.older)


def read_invoice(row: Json) -> Invoice | None:
    """One invoice, None when it has no id or number, or was deleted."""
    lago_id, number, status = (_words(row.get(key)) for key in ("lago_id", "number", "status"))
    if lago_id is None or number is None or status == "deleted":
        return None
    currency = _words(row.get("currency"))
    return Invoice(
        id=lago_id,
        number=number,
        issued_on=_day(row.get("issuing_date")),
        due_on=_day(row.get("payment_due_date")),
        total=major_units(_whole(row.get("total_amount_cents")), currency),
        due=major_units(_whole(row.get("total_due_amount_cents")), currency),
        currency=currency,
        status=status,
        payment_status=_words(row.get("payment_status")),
        overdue=row.get("payment_overdue") is True,
        subscription_ids=_subscriptions(row.get("subscriptions")),
        paid_by=tag_of(row, PAID_BY),
    )


def _subscriptions(given: object) -> tuple[str, ...] | None:
    """Only an invoice that is read by itself tells them."""
    if not isinstance(given, list):
        return None
    return tuple(str(one["external_id"]) for one in given if isinstance(one, dict) and one.get("external_id"))


def read_card(methods: list[Json]) -> Card | None:
    """The card that Lago charges, None when there is none."""
    return next((Card(moment(one.get("created_at"))) for one in methods if one.get("is_default") is True), None)


def default_method(methods: list[Json]) -> str | None:
    """Stripe's id of the card that Lago charges; None when Lago has none or does not name it."""
    at_stripe = [one for one in methods if one.get("payment_provider_type") == "stripe"]
    named = next((one.get("provider_method_id") for one in at_stripe if one.get("is_default") is True), None)
    return named if isinstance(named, str) and named else None


def _words(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None
