"""What a fake Lago knows of a customer beside its subscriptions: usage, wallets, invoices; and the end of a plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.fakes import stripe_page
from tests.fakes.lago_objects import T0, made_id
from tests.fakes.server import Asked, FakeServer, Reply

TIMES_A_YEAR = {"weekly": 52, "monthly": 12, "quarterly": 4, "semiannual": 2, "yearly": 1}
NEXT_PERIOD = "2026-12-01"


def usage_of(code: str, name: str, units: str, amount_cents: int = 0, **more: Any) -> dict[str, Any]:
    """Usage of one charge in the running period."""
    return {
        "units": units,
        "total_aggregated_units": units,
        "events_count": 3,
        "amount_cents": amount_cents,
        "amount_currency": "USD",
        "charge": {"lago_id": made_id(f"charge {code}"), "charge_model": "standard", "invoice_display_name": None},
        "billable_metric": {"lago_id": made_id(code), "name": name, "code": code, "aggregation_type": "sum_agg"},
        "filters": [],
        "grouped_usage": [],
    } | more


def wallet(customer: str, credits_balance: str, balance_cents: int, /, **more: Any) -> dict[str, Any]:
    """A wallet of prepaid credits."""
    return {
        "lago_id": made_id(f"wallet {customer} {more.get('name')}"),
        "lago_customer_id": made_id(f"customer {customer}"),
        "external_customer_id": customer,
        "status": "active",
        "currency": "USD",
        "name": None,
        "rate_amount": "1.0",
        "credits_balance": credits_balance,
        "balance": "0.0",
        "balance_cents": balance_cents,
        "consumed_credits": "0.0",
        "created_at": T0,
        "expiration_at": None,
        "terminated_at": None,
        "invoice_requires_successful_payment": False,
        "ongoing_balance_cents": balance_cents,
        "ongoing_usage_balance_cents": 0,
        "credits_ongoing_balance": credits_balance,
        "credits_ongoing_usage_balance": "0.0",
    } | more


def invoice(customer: str, number: str, total_cents: int, /, **more: Any) -> dict[str, Any]:
    """A finalized invoice, paid unless told otherwise."""
    return {
        "lago_id": made_id(f"invoice {number}"),
        "billing_entity_code": "main",
        "sequential_id": 1,
        "number": number,
        "issuing_date": "2026-11-01",
        "payment_due_date": "2026-11-01",
        "payment_overdue": False,
        "invoice_type": "subscription",
        "status": "finalized",
        "payment_status": "succeeded",
        "currency": "USD",
        "fees_amount_cents": total_cents,
        "coupons_amount_cents": 0,
        "credit_notes_amount_cents": 0,
        "sub_total_excluding_taxes_amount_cents": total_cents,
        "taxes_amount_cents": 0,
        "sub_total_including_taxes_amount_cents": total_cents,
        "prepaid_credit_amount_cents": 0,
        "progressive_billing_credit_amount_cents": 0,
        "total_amount_cents": total_cents,
        "version_number": 4,
        "created_at": T0,
        "updated_at": T0,
        "_of": customer,
    } | more


PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj "
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 400]>>endobj\ntrailer<</Root 1 0 R>>\n"
)


@dataclass
class LagoAccounts(FakeServer):
    """State and switches.

    Attributes:
        usages: Usage of the running period, by subscription.
        wallets: Of all customers.
        invoices: Of all customers, the newest first.
        pdfs: Invoices whose PDF is made, by Lago's id.
        makes_pdfs: Whether one that was asked for is there the next time.
        pays_at: Where payment pages are; None has no payment provider.
        takes_dates: Whether the end of a subscription may be set.
        ignores_filters: Be a Lago that drops filters without a word.
    """

    usages: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    wallets: list[dict[str, Any]] = field(default_factory=list)
    invoices: list[dict[str, Any]] = field(default_factory=list)
    pdfs: set[str] = field(default_factory=set)
    makes_pdfs: bool = False
    pays_at: str | None = "https://checkout.stripe.com/pay"
    takes_dates: bool = True
    ignores_filters: bool = False

    def bill(self, customer: str, number: str, total_cents: int, **more: Any) -> dict[str, Any]:
        if customer not in self.customers:
            self.add_customer(customer)
        made = invoice(customer, number, total_cents, **more)
        self.invoices.insert(0, made)
        return made

    # ---- plans that change

    def is_downgrade(self, running: dict[str, Any], code: str) -> bool:
        """Lago compares what the two plans cost in a year."""
        new, old = self._a_year(code), self._a_year(running["plan_code"])
        return new < old

    def _a_year(self, code: str) -> int:
        found = next(one for one in self.plans if one["code"] == code)
        return int(found["amount_cents"]) * TIMES_A_YEAR[found["interval"]]

    def schedule(self, running: dict[str, Any], code: str) -> dict[str, Any]:
        """Lago answers with the plan that runs, and keeps the next one beside it."""
        self.forget_next(running)
        customer = running["external_customer_id"]
        self.subscribe(customer, code, status="pending", external_id=running["external_id"])
        until = datetime.fromisoformat(running["current_billing_period_ending_at"]) + timedelta(seconds=1)
        running["next_plan_code"], running["downgrade_plan_date"] = code, f"{until:%Y-%m-%d}"
        return running

    def forget_next(self, running: dict[str, Any]) -> None:
        for one in self.subscriptions:
            if one["external_id"] == running["external_id"] and one["status"] == "pending":
                one["status"] = "canceled"
        running["next_plan_code"] = running["downgrade_plan_date"] = None

    def _put_subscriptions(self, asked: Asked, external_id: str) -> Reply:
        given = asked.json["subscription"]
        for one in self.subscriptions:
            if one["external_id"] == external_id and one["status"] == "active":
                if given["ending_at"] is not None and not self.takes_dates:
                    return refused("ending_at", "invalid_date")
                one["ending_at"] = given["ending_at"]
                return 200, {"subscription": shown(one)}
        return missing("subscription")

    # ---- what a customer has

    def _get_customers_current_usage(self, asked: Asked, customer: str) -> Reply:
        wanted = asked.query["external_subscription_id"][0]
        rows = [one for one in self.subscriptions if one["external_id"] == wanted and one["status"] == "active"]
        if not any(one["external_customer_id"] == customer for one in rows):
            return 405, {"status": 405, "error": "Method Not Allowed", "code": "no_active_subscription"}
        lines = self.usages.get(wanted, [])
        total = sum(one["amount_cents"] for one in lines)
        told = {
            "from_datetime": rows[0]["current_billing_period_started_at"],
            "to_datetime": rows[0]["current_billing_period_ending_at"],
            "issuing_date": NEXT_PERIOD,
            "currency": "USD",
            "amount_cents": total,
            "taxes_amount_cents": 0,
            "total_amount_cents": total,
            "charges_usage": lines,
        }
        return 200, {"customer_usage": told}

    def _get_wallets(self, asked: Asked) -> Reply:
        wanted = asked.query["external_customer_id"][0]
        rows = [one for one in self.wallets if self.ignores_filters or one["external_customer_id"] == wanted]
        return 200, self._page(asked, "wallets", rows)

    def _get_customers_invoices(self, asked: Asked, customer: str) -> Reply:
        if customer not in self.customers:
            return missing("customer")
        rows = [one for one in self.invoices if self.ignores_filters or one["_of"] == customer]
        if asked.query.get("payment_overdue") == ["true"] and not self.ignores_filters:
            rows = [one for one in rows if one["payment_overdue"]]
        return 200, self._page(asked, "invoices", [self.with_customer(one) for one in rows])

    def with_customer(self, row: dict[str, Any]) -> dict[str, Any]:
        """An invoice says whose it is; one that is `_anonymous` does not."""
        return row if row.get("_anonymous") else row | {"customer": shown(self.customers[row["_of"]])}

    def _post_invoices_download(self, asked: Asked, lago_id: str) -> Reply:
        found = [one for one in self.invoices if one["lago_id"] == lago_id]
        if not found:
            return missing("invoice")
        address = {"file_url": f"{self.url}/files/{lago_id}.pdf"} if lago_id in self.pdfs else {}
        if self.makes_pdfs:
            self.pdfs.add(lago_id)
        return 200, {"invoice": shown(self.with_customer(found[0])) | address}

    def file(self, path: str) -> Reply:
        """A PDF of Lago's file store, with nothing on its page."""
        made = path.removeprefix("/files/").removesuffix(".pdf") in self.pdfs
        return (200, PDF, {"Content-Type": "application/pdf"}) if made else missing("file")

    def _post_invoices_payment_url(self, asked: Asked, lago_id: str) -> Reply:
        found = [one for one in self.invoices if one["lago_id"] == lago_id]
        if not found:
            return missing("invoice")
        if self.pays_at is None:
            return refused("base", "no_linked_payment_provider")
        told = {"lago_invoice_id": lago_id, "payment_provider": "stripe", "payment_url": f"{self.pays_at}/{lago_id}"}
        return 200, {"invoice_payment_details": told}

    def _get_customers_portal_url(self, asked: Asked, customer: str) -> Reply:
        if customer not in self.customers:
            return missing("customer")
        return 200, {"customer": {"portal_url": f"{self.url}/customer-portal/{made_id(customer)}"}}

    def portal(self) -> Reply:
        """A stand-in for the portal: what is there in Lago's own is not ours to show."""
        words = "<p class=note>A stand-in for Lago's customer portal.</p><p>You may close this tab.</p>"
        return 200, stripe_page.page("Customer portal", words), {"Content-Type": "text/html; charset=utf-8"}

    def pay_invoice(self, lago_id: str) -> tuple[str, str | None] | None:
        """Pay an invoice on its page; see `bill_of`."""
        with self.lock:
            for one in self.invoices:
                if one["lago_id"] == lago_id:
                    one |= {"payment_status": "succeeded", "payment_overdue": False}
        return self.bill_of(lago_id)

    def bill_of(self, lago_id: str) -> tuple[str, str | None] | None:
        """Number of an invoice and what is to be paid of it (None: nothing); None when there is no such one."""
        with self.lock:
            one = next((one for one in self.invoices if one["lago_id"] == lago_id), None)
        if one is None:
            return None
        due = None if one["payment_status"] == "succeeded" else f"{one['total_amount_cents']} {one['currency']}"
        return one["number"], due


def shown(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if not key.startswith("_")}


def missing(what: str) -> Reply:
    return 404, {"status": 404, "error": "Not Found", "code": f"{what}_not_found"}


def refused(field_name: str, code: str) -> Reply:
    details = {field_name: [code]}
    return 422, {"status": 422, "error": "Unprocessable Entity", "code": "validation_errors", "error_details": details}
