"""What Lago sends: plans, customers, subscriptions and cards with the fields of Lago 1.51's own answers.

The always-zero counters are included.
"""

from __future__ import annotations

import uuid
from typing import Any

T0 = "2026-11-01T00:00:00Z"
PERIOD_END = "2026-11-30T23:59:59Z"


def charge(code: str = "calls", *, pay_in_advance: bool = False) -> dict[str, Any]:
    return {
        "lago_id": made_id(f"charge {code}"),
        "lago_billable_metric_id": made_id(f"metric {code}"),
        "code": code,
        "billable_metric_code": code,
        "created_at": T0,
        "charge_model": "standard",
        "invoiceable": True,
        "regroup_paid_fees": None,
        "pay_in_advance": pay_in_advance,
        "prorated": False,
        "min_amount_cents": 0,
        "properties": {"amount": "0.01"},
        "filters": [],
    }


def minimum(amount_cents: int) -> dict[str, Any]:
    return {"lago_id": made_id("minimum"), "amount_cents": amount_cents, "created_at": T0}


def tax(rate: float, *, organization: bool = False) -> dict[str, Any]:
    return {
        "lago_id": made_id(f"tax {rate}"),
        "name": "VAT",
        "code": f"vat_{rate}",
        "rate": rate,
        "applied_to_organization": organization,
        "created_at": T0,
    }


def billing_entity(code: str, *taxes: dict[str, Any]) -> dict[str, Any]:
    return {
        "lago_id": made_id(f"entity {code}"),
        "code": code,
        "name": code,
        "default_currency": "USD",
        "document_locale": "en",
        "document_numbering": "per_customer",
        "finalize_zero_amount_invoice": True,
        "invoice_grace_period": 0,
        "net_payment_term": 0,
        "timezone": "UTC",
        "created_at": T0,
        "updated_at": T0,
        "taxes": list(taxes),
    }


def seats(count: int) -> dict[str, Any]:
    privilege = {"code": "max", "name": "Seats", "value_type": "integer", "config": {}, "value": count}
    return {"code": "seats", "name": "Team", "description": None, "privileges": [privilege]}


def plan(code: str, name: str, amount_cents: int, /, **more: Any) -> dict[str, Any]:
    """A plan as Lago sends it; keyword arguments replace fields, `metadata` and `description` are absent if unset."""
    made = {
        "lago_id": made_id(f"plan {code}"),
        "name": name,
        "invoice_display_name": name,
        "code": code,
        "created_at": T0,
        "interval": "monthly",
        "description": "",
        "amount_cents": amount_cents,
        "amount_currency": "USD",
        "trial_period": 0.0,
        "pay_in_advance": True,
        "bill_charges_monthly": None,
        "bill_fixed_charges_monthly": None,
        "charges": [],
        "fixed_charges": [],
        "taxes": [],
        "usage_thresholds": [],
        "entitlements": [],
        "pending_deletion": False,
        # Lago fills these with zero whatever is so.
        "customers_count": 0,
        "active_subscriptions_count": 0,
        "draft_invoices_count": 0,
    }
    return made | more


def example_plans() -> list[dict[str, Any]]:
    """What a reseller might have: two pages of it at three a page."""
    small = "For a small team that shares keys."
    return [
        plan(
            "starter",
            "Starter",
            0,
            description="To try it out.",
            metadata={
                "credits": "10,000 calls a month",
                "feature_1": "1 seat",
                "limitation_1": "No support agreement",
            },
        ),
        plan(
            "team",
            "Team",
            2000,
            description=small,
            charges=[charge()],
            entitlements=[seats(10)],
            metadata={
                "credits": "50,000 calls a month",
                "feature_1": "Cost by user and team",
                "limitation_1": "No single sign-on",
                "yearly_code": "team-yearly",
            },
        ),
        plan(
            "team-yearly",
            "Team",
            20000,
            interval="yearly",
            charges=[charge()],
            description=small,
            metadata={"credits": "50,000 calls a month"},
        ),
        plan(
            "business",
            "Business",
            10000,
            description="For companies with many teams.",
            charges=[charge()],
            metadata={
                "most_popular": "true",
                "feature_1": "500,000 calls a month",
                "feature_2": "Single sign-on",
                "feature_10": "Invoices by purchase order",
            },
        ),
        plan(
            "enterprise",
            "Enterprise",
            0,
            description="With a contract.",
            metadata={"contact_sales": "true", "feature_1": "Own data region"},
        ),
        plan("old", "Old plan", 900, pending_deletion=True),
        plan("internal", "Internal", 100, metadata={"public": "false"}),
    ]


def customer(external_id: str, number: int, /, **more: Any) -> dict[str, Any]:
    return {
        "lago_id": made_id(f"customer {external_id}"),
        "sequential_id": number,
        "slug": f"OPS-{number}",
        "external_id": external_id,
        "name": external_id,
        "currency": None,
        "applicable_timezone": "UTC",
        "created_at": T0,
        "billing_configuration": {"payment_provider": None, "provider_customer_id": None},
    } | more


def subscription(of: dict[str, Any], to: dict[str, Any], status: str, /, **more: Any) -> dict[str, Any]:
    """A subscription of a customer to a plan."""
    return {
        "lago_id": str(uuid.uuid4()),
        "external_id": f"sub-{of['external_id']}",
        "lago_customer_id": of["lago_id"],
        "external_customer_id": of["external_id"],
        "billing_time": "anniversary",
        "name": None,
        "plan_code": to["code"],
        "plan_amount_cents": to["amount_cents"],
        "plan_amount_currency": to["amount_currency"],
        "status": status,
        "created_at": T0,
        "started_at": T0 if status == "active" else None,
        "subscription_at": T0,
        "canceled_at": None,
        "ending_at": None,
        "terminated_at": None,
        "previous_plan_code": None,
        "next_plan_code": None,
        "downgrade_plan_date": None,
        "trial_ended_at": None,
        "current_billing_period_started_at": T0,
        "current_billing_period_ending_at": PERIOD_END,
        "on_termination_credit_note": None,
        "on_termination_invoice": "generate",
        "cancellation_reason": None,
        "activation_rules": [],
    } | more


def card(payment_method: str, created_at: str = T0) -> dict[str, Any]:
    """A card of Stripe's that Lago has taken over as the default."""
    return {
        "lago_id": str(uuid.uuid4()),
        "is_default": True,
        "payment_provider_code": "stripe",
        "payment_provider_name": "Stripe",
        "payment_provider_type": "stripe",
        "provider_method_id": payment_method,
        "created_at": created_at,
    }


def payment_rule(timeout_hours: int, *, gated: bool) -> dict[str, Any]:
    """What Lago makes of a rule to wait for a payment; a plan that has none due now is not held back."""
    return {
        "lago_id": str(uuid.uuid4()),
        "type": "payment",
        "timeout_hours": timeout_hours,
        "status": "pending" if gated else "not_applicable",
        "expires_at": None,
        "created_at": T0,
        "updated_at": T0,
    }


def made_id(name: str) -> str:
    """The same id for the same name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))
