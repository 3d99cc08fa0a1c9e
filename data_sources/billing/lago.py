"""Lago's API, as much of it as selling needs: plans, customers, cards and subscriptions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from data_sources import http
from data_sources.billing.lago_account import AccountCalls
from data_sources.billing.lago_http import PLANS, SOURCE, Json, object_of, unexpected
from data_sources.billing.plans import read_plan, read_plans
from data_sources.billing.types import Catalogue, Plan
from data_sources.result import Problem

CUSTOMERS_A_PAGE = 20
OPEN_STATUSES = ("active", "pending", "incomplete")

# Payment-gated subscriptions are generally available from here on; older versions drop the rule without a word.
FIRST_GATED_VERSION = (1, 50)

__all__ = ["FIRST_GATED_VERSION", "OPEN_STATUSES", "SOURCE", "Json", "LagoClient"]


class LagoClient(AccountCalls):
    """Reads and writes Lago. What Lago or the network does comes back as a `Problem`, never raised."""

    def plans(self) -> Catalogue | Problem:
        """All plans of the organization, every page of them, hidden ones too; `GET /plans`."""
        rows = self._list(PLANS, "plans", "Plans could not be read", [])
        return rows if isinstance(rows, Problem) else read_plans(rows)

    def plan(self, code: str) -> Plan | Problem:
        """One plan by its code; `GET /plans/{code}`."""
        what = "The plan could not be read"
        got = self._call("GET", ("plans", code), what)
        if isinstance(got, Problem):
            return got
        plan = read_plan(got.get("plan"))
        return plan if plan is not None and plan.code == code else unexpected(what)

    def customer(self, customer_id: str) -> Json | Problem | None:
        """One customer by external id, None when Lago has none; `GET /customers/{id}`."""
        return self._found(("customers", customer_id), "customer", "The customer could not be read")

    def customers(self, text: str) -> tuple[list[Json], int | None] | Problem:
        """The first customers that match, and how many do in all; `GET /customers`."""
        what = "Customers could not be read"
        params = [("page", "1"), ("per_page", str(CUSTOMERS_A_PAGE)), *([("search_term", text)] if text else [])]
        got = self._call("GET", ("customers",), what, params=params)
        if isinstance(got, Problem):
            return got
        rows, meta = got.get("customers"), got.get("meta")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            return unexpected(what)
        total = meta.get("total_count") if isinstance(meta, dict) else None
        return rows, total if isinstance(total, int) and not isinstance(total, bool) else None

    def billing_entity(self, code: str) -> Json | Problem | None:
        """Who invoices, with the taxes that apply; None when Lago has none of it; `GET /billing_entities/{code}`."""
        return self._found(("billing_entities", code), "billing_entity", "Taxes could not be read")

    def taxes(self) -> list[Json] | Problem:
        """All taxes of the organization; `GET /taxes`."""
        return self._objects(("taxes",), "taxes", "Taxes could not be read", [])

    def upsert_customer(self, fields: Mapping[str, Any]) -> Json | Problem:
        """Create a customer, or change only the given fields of an existing one; `POST /customers`."""
        what = "The customer could not be set up"
        got = self._call("POST", ("customers",), what, body={"customer": dict(fields)})
        return got if isinstance(got, Problem) else object_of(got, "customer", what)

    def payment_methods(self, customer_id: str) -> list[Json] | Problem:
        """Payment methods on file; `GET /customers/{id}/payment_methods`."""
        what = "Cards on file could not be read"
        return self._objects(("customers", customer_id, "payment_methods"), "payment_methods", what, [])

    def subscriptions(self, customer_id: str) -> list[Json] | Problem:
        """Active, pending and incomplete subscriptions of a customer; `GET /subscriptions`.

        Lago ignores a filter that it does not understand, so customer and status are compared here again.
        """
        what = "Subscriptions could not be read"
        params = [("external_customer_id", customer_id), *(("status[]", status) for status in OPEN_STATUSES)]
        rows = self._objects(("subscriptions",), "subscriptions", what, params)
        if isinstance(rows, Problem):
            return rows
        return [
            row for row in rows if row.get("external_customer_id") == customer_id and row.get("status") in OPEN_STATUSES
        ]

    def subscription(self, external_id: str, status: str) -> Json | Problem | None:
        """The subscription with this id in this status, None when there is none; `GET /subscriptions/{id}`."""
        got = self._found(("subscriptions", external_id), "subscription", "The subscription could not be read", status)
        if isinstance(got, dict) and got.get("status") != status:
            return None
        return got

    def create_subscription(
        self, *, customer_id: str, plan_code: str, external_id: str, gate_hours: int | None
    ) -> Json | Problem:
        """Start a subscription; `POST /subscriptions`, which answers a repeated call with the same subscription.

        Args:
            customer_id: Lago's external id of the customer.
            plan_code: The plan.
            external_id: Our id of the subscription: Lago's idempotency key.
            gate_hours: Wait so many hours for the first payment before the start; None starts at once.

        Returns:
            The subscription as Lago answers it, or the problem.
        """
        what = "The plan could not be started"
        fields: Json = {
            "external_customer_id": customer_id,
            "plan_code": plan_code,
            "external_id": external_id,
            "billing_time": "anniversary",
        }
        if gate_hours is not None:
            fields["activation_rules"] = [{"type": "payment", "timeout_hours": gate_hours}]
        got = self._call("POST", ("subscriptions",), what, body={"subscription": fields})
        return got if isinstance(got, Problem) else object_of(got, "subscription", what)

    def terminate_subscription(self, external_id: str) -> Json | Problem:
        """Stop a subscription at once and give back what was paid for it; `DELETE /subscriptions/{id}`."""
        what = "The subscription could not be stopped"
        params = {"on_termination_credit_note": "refund", "on_termination_invoice": "skip"}
        got = self._call("DELETE", ("subscriptions", external_id), what, params=params)
        return got if isinstance(got, Problem) else object_of(got, "subscription", what)

    def cancel_pending(self, external_id: str) -> Json | Problem:
        """Take back a subscription that has not begun; what runs under the same id goes on."""
        what = "The planned subscription could not be taken back"
        got = self._call("DELETE", ("subscriptions", external_id), what, params={"status": "pending"})
        return got if isinstance(got, Problem) else object_of(got, "subscription", what)

    def end_unpaid(self, external_id: str) -> Json | Problem:
        """Stop a subscription that nobody pays for any more, with nothing given back; `DELETE /subscriptions/{id}`."""
        what = "The subscription could not be stopped"
        params = {"on_termination_credit_note": "skip", "on_termination_invoice": "skip"}
        got = self._call("DELETE", ("subscriptions", external_id), what, params=params)
        return got if isinstance(got, Problem) else object_of(got, "subscription", what)

    def customer_invoices(self, customer_id: str) -> list[Json] | Problem:
        """Every invoice of a customer, without its subscriptions and fees; `GET /invoices`."""
        params = [("external_customer_id", customer_id)]
        return self._objects(("invoices",), "invoices", "Invoices could not be read", params)

    def whole_invoice(self, lago_id: str) -> Json | Problem:
        """One invoice with its subscriptions; `GET /invoices/{id}`."""
        what = "The invoice could not be read"
        got = self._call("GET", ("invoices", lago_id), what)
        return got if isinstance(got, Problem) else object_of(got, "invoice", what)

    def mark_paid(self, invoice: Json, key: str, value: str) -> Json | Problem:
        """Note that an invoice was paid outside Lago, and by what; `PUT /invoices/{id}`.

        Args:
            invoice: As it was listed; its own metadata stays.
            key: Name of the note.
            value: The note.
        """
        what = "The invoice could not be marked as paid"
        kept = invoice.get("metadata")
        tags = [
            {"id": tag.get("lago_id"), "key": tag.get("key"), "value": tag.get("value")}
            for tag in (kept if isinstance(kept, list) else [])
            if isinstance(tag, dict)
        ]
        fields = {"payment_status": "succeeded", "metadata": [*tags, {"key": key, "value": value}]}
        got = self._call("PUT", ("invoices", str(invoice.get("lago_id"))), what, body={"invoice": fields})
        return got if isinstance(got, Problem) else object_of(got, "invoice", what)

    def webhook_key(self) -> str | Problem:
        """The public key of Lago's webhook signatures, base64 of a PEM; `GET /webhooks/json_public_key`."""
        what = "Lago's public key could not be read"
        got = self._call("GET", ("webhooks", "json_public_key"), what)
        told = got if isinstance(got, Problem) else object_of(got, "webhook", what)
        if isinstance(told, Problem):
            return told
        key = told.get("public_key")
        return key if isinstance(key, str) else unexpected(what)

    def version(self) -> tuple[int, int] | Problem | None:
        """Lago's version (major, minor), None when it does not tell one; `GET /health`, which needs no key."""
        what = "Lago's version could not be read"
        got = http.call_json(
            self._session, "GET", f"{self._root}/health", source=SOURCE, what=what, timeout_s=self._timeout_s
        )
        if isinstance(got, Problem):
            return got
        text = got.body.get("version") if isinstance(got.body, dict) else None
        match = re.match(r"^v?(\d+)\.(\d+)(\.|$)", text) if isinstance(text, str) else None
        return (int(match[1]), int(match[2])) if match else None
