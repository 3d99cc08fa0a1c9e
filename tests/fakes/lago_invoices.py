"""Lago's invoices, as far as a customer has any: one at the start of each period of a plan paid in advance."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.fakes.lago_objects import made_id


def invoice(number: int, subscription: dict[str, Any], *, paid: bool, at: datetime | None = None, **more: Any) -> Any:
    """An invoice of one period; `subscriptions` is only told when the invoice itself is asked for."""
    moment = (at or datetime.now(UTC)).isoformat().replace("+00:00", "Z")
    amount = subscription["plan_amount_cents"]
    tax = more.pop("tax_cents", 0)
    return {
        "lago_id": str(uuid.uuid4()),
        "billing_entity_code": "main",
        "sequential_id": number,
        "number": f"OPS-{number:03d}",
        "issuing_date": moment[:10],
        "payment_due_date": moment[:10],
        "payment_overdue": False,
        "net_payment_term": 0,
        "invoice_type": "subscription",
        "status": "finalized",
        "payment_status": "succeeded" if paid else "pending",
        "currency": subscription["plan_amount_currency"],
        "fees_amount_cents": amount,
        "coupons_amount_cents": 0,
        "credit_notes_amount_cents": 0,
        "sub_total_excluding_taxes_amount_cents": amount,
        "taxes_amount_cents": tax,
        "sub_total_including_taxes_amount_cents": amount + tax,
        "prepaid_credit_amount_cents": 0,
        "progressive_billing_credit_amount_cents": 0,
        "total_amount_cents": amount + tax,
        "version_number": 4,
        "created_at": moment,
        "updated_at": moment,
        "metadata": [],
        "_of": subscription["external_customer_id"],
        "_subscription": subscription,
    } | more


def period(found: dict[str, Any]) -> dict[str, Any]:
    """The period of an invoice, which begins when the invoice is made: it is paid in advance."""
    subscription = found["_subscription"]
    begins = datetime.fromisoformat(found["created_at"])
    ends = begins + timedelta(days=30)
    told = {"from": begins.isoformat(), "to": ends.isoformat()}
    return {
        "lago_subscription_id": subscription["lago_id"],
        "external_subscription_id": subscription["external_id"],
        "lago_plan_id": made_id(subscription["plan_code"]),
        "subscription_from_datetime": told["from"],
        "subscription_to_datetime": told["to"],
        "charges_from_datetime": told["from"],
        "charges_to_datetime": told["to"],
        "invoicing_reason": "subscription_periodic",
    }


def update(found: dict[str, Any], given: dict[str, Any]) -> None:
    """What `PUT /invoices/{id}` changes. Metadata that is not named again is gone, as in Lago."""
    found["payment_status"] = given.get("payment_status", found["payment_status"])
    if "metadata" in given:
        found["metadata"] = [
            {
                "lago_id": tag.get("id") or made_id(f"{found['lago_id']} {tag['key']}"),
                "key": tag["key"],
                "value": tag["value"],
                "created_at": found["created_at"],
            }
            for tag in given["metadata"]
        ]
