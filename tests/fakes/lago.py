"""A Lago that remembers: plans in pages, customers connected to Stripe in the background, gated subscriptions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from tests.fakes import lago_invoices, lago_time
from tests.fakes import lago_objects as objects
from tests.fakes.lago_account import LagoAccounts
from tests.fakes.lago_objects import charge, example_plans, minimum, plan, seats
from tests.fakes.server import Asked, Reply

__all__ = ["KEY", "FakeLago", "charge", "example_plans", "minimum", "plan", "seats"]

KEY = "lago-test-key"


@dataclass
class FakeLago(LagoAccounts):
    """State and switches.

    Attributes:
        plans: In the order in which they are listed.
        customers: By external id.
        subscriptions: All ever made.
        page_size: Rows a page, whatever was asked for; Lago caps it too.
        version: What /health tells.
        connected: Whether the organization has a Stripe connection; without one the customer's stays empty.
        drops_rules: Be an old Lago, which ignores activation rules.
        charges_fail: Whether what a card is charged for a further period fails, and becomes overdue.
        taxes: Of the organization.
        entities: Who invoices.
        webhook_key: The public key of its webhooks, base64 of a PEM.
        now: The time of a Lago with a calendar; None gives every subscription the same dates.
        tells_periods: Whether an invoice names the period that it is for.
        connects_after: How many reads of a customer it takes until Stripe's customer is there.
    """

    plans: list[dict[str, Any]] = field(default_factory=example_plans)
    customers: dict[str, dict[str, Any]] = field(default_factory=dict)
    subscriptions: list[dict[str, Any]] = field(default_factory=list)
    methods: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    tax_cents: int = 0
    charges_fail: bool = False
    taxes: list[dict[str, Any]] = field(default_factory=list)
    entities: list[dict[str, Any]] = field(default_factory=list)
    now: datetime | None = None
    page_size: int = 3
    version: str = "v1.51.0"
    connected: bool = True
    drops_rules: bool = False
    tells_periods: bool = True
    connects_after: int = 1
    key: str = KEY
    webhook_key: str = ""

    # ---- what a test does to it

    def add_customer(self, external_id: str, **more: Any) -> dict[str, Any]:
        made = objects.customer(external_id, len(self.customers) + 1, **more)
        self.customers[external_id] = made
        return made

    def subscribe(self, customer: str, plan_code: str, *, status: str = "active", **more: Any) -> dict[str, Any]:
        if customer not in self.customers:
            self.add_customer(customer)
        plan = self.plan_of(plan_code)
        if self.now is not None:
            more = lago_time.dates(plan, self.now, status) | more
        made = objects.subscription(self.customers[customer], plan, status, **more)
        self.subscriptions.append(made)
        return made

    def take_card(self, provider_customer_id: str, payment_method: str) -> None:
        """What Stripe's webhook does at Lago: the saved card becomes the default; with a calendar, since now."""
        since = objects.T0 if self.now is None else lago_time.iso(max(self.now, datetime.now(UTC)))
        with self.lock:
            for external_id, customer in self.customers.items():
                if customer["billing_configuration"]["provider_customer_id"] == provider_customer_id:
                    held = self.methods.setdefault(external_id, [])
                    for one in held:
                        one["is_default"] = False
                    held.append(objects.card(payment_method, since))

    def settle(self, *, paid: bool) -> None:
        """The payment of every waiting subscription succeeds or fails."""
        with self.lock:
            for one in self.subscriptions:
                if one["status"] == "incomplete":
                    one["activation_rules"][0]["status"] = "satisfied" if paid else "failed"
                    one["status"] = "active" if paid else "canceled"
                    one["cancellation_reason"] = None if paid else "payment_failed"
                    if paid:
                        one["started_at"] = one["subscription_at"]
                        self._end_others(one)
                        self.bill_period(one)

    def bill_period(self, subscription: dict[str, Any], **more: Any) -> dict[str, Any] | None:
        """The invoice of a period that begins; paid at once where Lago charges the customer itself."""
        amount = subscription["plan_amount_cents"]
        if not amount or not self.plan_of(subscription["plan_code"])["pay_in_advance"]:
            return None
        customer = self.customers[subscription["external_customer_id"]]
        charged = customer["billing_configuration"]["payment_provider"] is not None
        paid = charged and not self.charges_fail
        if charged and not paid:
            more |= {"payment_status": "failed", "payment_overdue": True}
        number = len(self.invoices) + 1
        made = lago_invoices.invoice(
            number, subscription, paid=paid, **{"tax_cents": self.tax_cents, "at": self.now, **more}
        )
        self.invoices.insert(0, made)
        return made

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
        if asked.path.startswith("/files/"):
            return self.file(asked.path)
        if asked.path.startswith("/customer-portal/"):
            return self.portal()
        if asked.headers.get("Authorization") != f"Bearer {self.key}":
            return 401, {"status": 401, "error": "Unauthorized"}
        if not asked.path.startswith("/api/v1/"):
            return 404, {"status": 404, "error": "Not Found"}
        parts = [unquote(part) for part in asked.path.removeprefix("/api/v1/").split("/")]
        found = getattr(self, "_" + "_".join([asked.method.lower(), *parts[::2]]), None)
        if found is None:
            return 404, {"status": 404, "error": "Not Found", "code": "not_found"}
        return found(asked, *parts[1::2])

    def _get_webhooks(self, asked: Asked, _: str) -> Reply:
        return 200, {"webhook": {"public_key": self.webhook_key}}

    def _get_taxes(self, asked: Asked) -> Reply:
        return 200, self._page(asked, "taxes", self.taxes)

    def _get_billing_entities(self, asked: Asked, code: str) -> Reply:
        found = [one for one in self.entities if one["code"] == code]
        return (200, {"billing_entity": found[0]}) if found else _missing("billing_entity")

    def _get_plans(self, asked: Asked, code: str | None = None) -> Reply:
        if code is None:
            return 200, self._page(asked, "plans", self.plans)
        found = [one for one in self.plans if one["code"] == code]
        return (200, {"plan": found[0]}) if found else _missing("plan")

    def _get_customers(self, asked: Asked, external_id: str | None = None) -> Reply:
        if external_id is None:
            wanted = asked.query.get("search_term", [""])[0].lower()
            rows = [one for one in self.customers.values() if wanted in f"{one['name']} {one['external_id']}".lower()]
            return 200, self._page(asked, "customers", rows)
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
        if now and self.is_downgrade(now[0], code):
            return 200, {"subscription": _copy(self.schedule(now[0], code))}
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
            hours = asked_rules[0].get("timeout_hours", 0)
            made["activation_rules"] = [objects.payment_rule(hours, gated=gated)]
            if gated:
                made["status"], made["started_at"] = "incomplete", None
        elif self.drops_rules:
            del made["activation_rules"]
        if made["status"] == "active":
            self._end_others(made)
            self.bill_period(made)
        return 200, {"subscription": _copy(made)}

    def _get_invoices(self, asked: Asked, lago_id: str | None = None) -> Reply:
        if lago_id is None:
            customer = asked.query.get("external_customer_id")
            rows = [one for one in self.invoices if not customer or one["_of"] == customer[0]]
            return 200, self._page(asked, "invoices", rows)
        found = next((one for one in self.invoices if one["lago_id"] == lago_id), None)
        if found is None:
            return _missing("invoice")
        of = [_copy(found["_subscription"])] if "_subscription" in found else []
        periods = [lago_invoices.period(found)] if "_subscription" in found and self.tells_periods else []
        more = {"subscriptions": of, "billing_periods": periods}
        return 200, {"invoice": _copy(self.with_customer(found)) | more}

    def _put_invoices(self, asked: Asked, lago_id: str) -> Reply:
        found = next((one for one in self.invoices if one["lago_id"] == lago_id), None)
        if found is None:
            return _missing("invoice")
        lago_invoices.update(found, asked.json["invoice"])
        return 200, {"invoice": _copy(found)}

    def _delete_subscriptions(self, asked: Asked, external_id: str) -> Reply:
        status = asked.query.get("status", ["active"])[0]
        for one in self.subscriptions:
            if one["external_id"] == external_id and one["status"] == status:
                one["status"] = "terminated" if status == "active" else "canceled"
                for running in self.subscriptions if status == "pending" else ():
                    if running["external_id"] == external_id and running["status"] == "active":
                        self.forget_next(running)
                return 200, {"subscription": _copy(one)}
        return _missing("subscription")

    def _end_others(self, kept: dict[str, Any]) -> None:
        for one in self.subscriptions:
            if one is not kept and one["external_id"] == kept["external_id"] and one["status"] == "active":
                one["status"] = "terminated"
                kept["previous_plan_code"] = one["plan_code"]

    def _page(self, asked: Asked, key: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
        size = min(self.page_size, int(asked.query.get("per_page", ["100"])[0]))
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


def _missing(what: str) -> Reply:
    return 404, {"status": 404, "error": "Not Found", "code": f"{what}_not_found"}


def _unprocessable(field_name: str, code: str) -> Reply:
    details = {field_name: [code]}
    return 422, {"status": 422, "error": "Unprocessable Entity", "code": "validation_errors", "error_details": details}
