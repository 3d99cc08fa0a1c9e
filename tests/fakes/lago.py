"""A Lago that remembers: plans in pages, customers connected to Stripe in the background, gated subscriptions.

The answers have the fields of Lago 1.51's own answers, the always-zero counters included.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from tests.fakes.server import Asked, FakeServer, Reply

T0 = "2026-11-01T00:00:00Z"
PERIOD_END = "2026-11-30T23:59:59Z"
KEY = "lago-test-key"


def charge(code: str = "calls", *, pay_in_advance: bool = False) -> dict[str, Any]:
    return {
        "lago_id": _id(f"charge {code}"),
        "lago_billable_metric_id": _id(f"metric {code}"),
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
    return {"lago_id": _id("minimum"), "amount_cents": amount_cents, "created_at": T0}


def seats(count: int) -> dict[str, Any]:
    privilege = {"code": "max", "name": "Seats", "value_type": "integer", "config": {}, "value": count}
    return {"code": "seats", "name": "Team", "description": None, "privileges": [privilege]}


def plan(code: str, name: str, amount_cents: int, /, **more: Any) -> dict[str, Any]:
    """A plan as Lago sends it; keyword arguments replace fields, `metadata` and `description` are absent if unset."""
    made = {
        "lago_id": _id(f"plan {code}"),
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


@dataclass
class FakeLago(FakeServer):
    """State and switches.

    Attributes:
        plans: In the order in which they are listed.
        customers: By external id.
        subscriptions: All ever made.
        page_size: Rows a page, whatever was asked for; Lago caps it too.
        version: What /health tells.
        connected: Whether the organization has a Stripe connection; without one the customer's stays empty.
        drops_rules: Be an old Lago, which ignores activation rules.
        connects_after: How many reads of a customer it takes until Stripe's customer is there.
    """

    plans: list[dict[str, Any]] = field(default_factory=example_plans)
    customers: dict[str, dict[str, Any]] = field(default_factory=dict)
    subscriptions: list[dict[str, Any]] = field(default_factory=list)
    methods: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    page_size: int = 3
    version: str = "v1.51.0"
    connected: bool = True
    drops_rules: bool = False
    connects_after: int = 1
    key: str = KEY

    # ---- what a test does to it

    def add_customer(self, external_id: str, **more: Any) -> dict[str, Any]:
        made = {
            "lago_id": _id(f"customer {external_id}"),
            "sequential_id": len(self.customers) + 1,
            "slug": f"OPS-{len(self.customers) + 1}",
            "external_id": external_id,
            "name": external_id,
            "currency": None,
            "applicable_timezone": "UTC",
            "created_at": T0,
            "billing_configuration": {"payment_provider": None, "provider_customer_id": None},
        } | more
        self.customers[external_id] = made
        return made

    def subscribe(self, customer: str, plan_code: str, *, status: str = "active", **more: Any) -> dict[str, Any]:
        if customer not in self.customers:
            self.add_customer(customer)
        found = self.plan_of(plan_code)
        made = {
            "lago_id": str(uuid.uuid4()),
            "external_id": f"sub-{customer}",
            "lago_customer_id": self.customers[customer]["lago_id"],
            "external_customer_id": customer,
            "billing_time": "anniversary",
            "name": None,
            "plan_code": plan_code,
            "plan_amount_cents": found["amount_cents"],
            "plan_amount_currency": found["amount_currency"],
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
        self.subscriptions.append(made)
        return made

    def take_card(self, provider_customer_id: str, payment_method: str) -> None:
        """What Stripe's webhook does at Lago: the saved card becomes the default."""
        with self.lock:
            for external_id, customer in self.customers.items():
                if customer["billing_configuration"]["provider_customer_id"] == provider_customer_id:
                    held = self.methods.setdefault(external_id, [])
                    for one in held:
                        one["is_default"] = False
                    held.append(
                        {
                            "lago_id": str(uuid.uuid4()),
                            "is_default": True,
                            "payment_provider_code": "stripe",
                            "payment_provider_name": "Stripe",
                            "payment_provider_type": "stripe",
                            "provider_method_id": payment_method,
                            "created_at": T0,
                        }
                    )

    def settle(self, *, paid: bool) -> None:
        """The payment of every waiting subscription succeeds or fails."""
        with self.lock:
            for one in self.subscriptions:
                if one["status"] == "incomplete":
                    one["activation_rules"][0]["status"] = "satisfied" if paid else "failed"
                    one["status"] = "active" if paid else "canceled"
                    one["cancellation_reason"] = None if paid else "payment_failed"
                    if paid:
                        self._end_others(one)

    def plan_of(self, code: str) -> dict[str, Any]:
        return next(one for one in self.plans if one["code"] == code)

    def held_by(self, customer: str, status: str = "active") -> list[str]:
        with self.lock:
            return [
                one["plan_code"]
                for one in self.subscriptions
                if one["external_customer_id"] == customer and one["status"] == status
            ]

    # ---- what it answers

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/health":
            return 200, {"version": self.version, "github_url": "", "message": "Success"}
        if asked.headers.get("Authorization") != f"Bearer {self.key}":
            return 401, {"status": 401, "error": "Unauthorized"}
        if not asked.path.startswith("/api/v1/"):
            return 404, {"status": 404, "error": "Not Found"}
        parts = [unquote(part) for part in asked.path.removeprefix("/api/v1/").split("/")]
        found = getattr(self, "_" + "_".join([asked.method.lower(), *parts[::2]]), None)
        if found is None:
            return 404, {"status": 404, "error": "Not Found", "code": "not_found"}
        return found(asked, *parts[1::2])

    def _get_plans(self, asked: Asked, code: str | None = None) -> Reply:
        if code is None:
            return 200, self._page(asked, "plans", self.plans)
        found = [one for one in self.plans if one["code"] == code]
        return (200, {"plan": found[0]}) if found else _missing("plan")

    def _get_customers(self, asked: Asked, external_id: str) -> Reply:
        customer = self.customers.get(external_id)
        if customer is None:
            return _missing("customer")
        answered = {"customer": _copy(customer)}
        self._connect_soon(customer)
        return 200, answered

    def _post_customers(self, asked: Asked) -> Reply:
        given = asked.json["customer"]
        customer = self.customers.get(given["external_id"]) or self.add_customer(given["external_id"])
        configuration = given.pop("billing_configuration", None)
        customer.update(given)
        if configuration and self.connected:
            customer["billing_configuration"] |= configuration
            if configuration.get("sync_with_provider"):
                customer["_reads_left"] = self.connects_after
        return 200, {"customer": _copy(customer)}

    def _connect_soon(self, customer: dict[str, Any]) -> None:
        left = customer.get("_reads_left")
        if left is not None and left <= 1:
            customer["billing_configuration"]["provider_customer_id"] = f"cus_{customer['lago_id'][:8]}"
            del customer["_reads_left"]
        elif left is not None:
            customer["_reads_left"] = left - 1

    def _get_customers_payment_methods(self, asked: Asked, external_id: str) -> Reply:
        if external_id not in self.customers:
            return _missing("customer")
        return 200, self._page(asked, "payment_methods", self.methods.get(external_id, []))

    def _get_subscriptions(self, asked: Asked, external_id: str | None = None) -> Reply:
        rows = self.subscriptions
        if external_id is None:
            customer = asked.query.get("external_customer_id")
            wanted = asked.query.get("status[]", ["active"])
            rows = [one for one in rows if not customer or one["external_customer_id"] == customer[0]]
            return 200, self._page(asked, "subscriptions", [one for one in rows if one["status"] in wanted])
        status = asked.query.get("status", ["active"])[0]
        found = [one for one in rows if one["external_id"] == external_id and one["status"] == status]
        return (200, {"subscription": found[-1]}) if found else _missing("subscription")

    def _post_subscriptions(self, asked: Asked) -> Reply:
        given = asked.json["subscription"]
        customer, code, external_id = given["external_customer_id"], given["plan_code"], given["external_id"]
        if customer not in self.customers:
            return _missing("customer")
        if code not in {one["code"] for one in self.plans}:
            return _missing("plan")
        live = [one for one in self.subscriptions if one["external_id"] == external_id]
        if any(one["status"] == "incomplete" for one in live):
            return _unprocessable("subscription", "subscription_incomplete")
        now = [one for one in live if one["status"] == "active"]
        if any(one["external_customer_id"] != customer for one in now):
            return _unprocessable("external_id", "value_already_exist")
        if any(one["plan_code"] == code for one in now):
            return 200, {"subscription": next(one for one in now if one["plan_code"] == code)}
        asked_rules = given.get("activation_rules") if not self.drops_rules else None
        if asked_rules:
            configuration = self.customers[customer]["billing_configuration"]
            if configuration["payment_provider"] is None:
                return _unprocessable("customer", "no_linked_payment_provider")
            if not any(one["is_default"] for one in self.methods.get(customer, [])):
                return _unprocessable("customer", "no_default_payment_method")
        made = self.subscribe(customer, code, external_id=external_id, created_at=datetime.now(UTC).isoformat())
        if asked_rules:
            found = self.plan_of(code)
            gated = found["pay_in_advance"] and found["amount_cents"] > 0 and not found["trial_period"]
            made["activation_rules"] = [
                {
                    "lago_id": str(uuid.uuid4()),
                    "type": "payment",
                    "timeout_hours": asked_rules[0].get("timeout_hours", 0),
                    "status": "pending" if gated else "not_applicable",
                    "expires_at": None,
                    "created_at": T0,
                    "updated_at": T0,
                }
            ]
            if gated:
                made["status"], made["started_at"] = "incomplete", None
        elif self.drops_rules:
            del made["activation_rules"]
        if made["status"] == "active":
            self._end_others(made)
        return 200, {"subscription": _copy(made)}

    def _delete_subscriptions(self, asked: Asked, external_id: str) -> Reply:
        status = asked.query.get("status", ["active"])[0]
        for one in self.subscriptions:
            if one["external_id"] == external_id and one["status"] == status:
                one["status"] = "terminated" if status == "active" else "canceled"
                return 200, {"subscription": _copy(one)}
        return _missing("subscription")

    def _end_others(self, kept: dict[str, Any]) -> None:
        for one in self.subscriptions:
            if one is not kept and one["external_id"] == kept["external_id"] and one["status"] == "active":
                one["status"] = "terminated"
                kept["previous_plan_code"] = one["plan_code"]

    def _page(self, asked: Asked, key: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
        size = min(self.page_size, int(asked.query.get("per_page", ["100"])[0])) if key == "plans" else 100
        page, pages = int(asked.query.get("page", ["1"])[0]), max(1, -(-len(rows) // size))
        return {
            key: [_copy(row) for row in rows[(page - 1) * size : page * size]],
            "meta": {
                "current_page": page,
                "next_page": page + 1 if page < pages else None,
                "prev_page": page - 1 if page > 1 else None,
                "total_pages": pages,
                "total_count": len(rows),
            },
        }


def _copy(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if not key.startswith("_")}


def _id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def _missing(what: str) -> Reply:
    return 404, {"status": 404, "error": "Not Found", "code": f"{what}_not_found"}


def _unprocessable(field_name: str, code: str) -> Reply:
    details = {field_name: [code]}
    return 422, {"status": 422, "error": "Unprocessable Entity", "code": "validation_errors", "error_details": details}
