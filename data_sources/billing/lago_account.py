"""Lago's API about what a customer has: the end of a subscription, usage, wallets, invoices and the portal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from data_sources.billing.lago_http import Json, LagoHttp, object_of, unexpected
from data_sources.result import Kind, Problem

INVOICES_A_PAGE = 20
_NO_SUBSCRIPTION = "no_active_subscription"


@dataclass(frozen=True, slots=True)
class InvoiceRows:
    """One page of a customer's invoices, the newest first.

    Attributes:
        rows: As Lago lists them.
        total: How many there are in all; None when Lago does not say.
        before: How many stand on the pages before; None when Lago does not say.
        older: Whether there is a page after it.
    """

    rows: list[Json]
    total: int | None
    before: int | None = 0
    older: bool = False


class AccountCalls(LagoHttp):
    """What a customer has, and the end of it."""

    def set_ending(self, external_id: str, ending_at: datetime | None) -> Json | Problem:
        """Let an active subscription end at a time, or let it go on (None); `PUT /subscriptions/{id}`.

        Args:
            external_id: Our id of the subscription.
            ending_at: Lago ends it on this day, in the customer's own time zone, and does not renew it on that day.
        """
        what = "The end of the subscription could not be changed"
        fields = {"ending_at": None if ending_at is None else f"{ending_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        got = self._call("PUT", ("subscriptions", external_id), what, body={"subscription": fields})
        return got if isinstance(got, Problem) else object_of(got, "subscription", what)

    def current_usage(self, customer_id: str, external_id: str) -> Json | Problem | None:
        """Usage of the running period; `GET /customers/{id}/current_usage`. None when no subscription runs."""
        what = "Usage could not be read"
        params = {"external_subscription_id": external_id}
        got = self._call("GET", ("customers", customer_id, "current_usage"), what, params=params)
        if isinstance(got, Problem):
            return None if got.code == _NO_SUBSCRIPTION else got
        return object_of(got, "customer_usage", what)

    def wallets(self, customer_id: str) -> list[Json] | Problem:
        """Prepaid credits of a customer; `GET /wallets`, compared again for the customer."""
        what = "Credits could not be read"
        rows = self._objects(("wallets",), "wallets", what, [("external_customer_id", customer_id)])
        if isinstance(rows, Problem):
            return rows
        return [row for row in rows if row.get("external_customer_id") == customer_id]

    def invoices(self, customer_id: str, *, page: int = 1, overdue: bool = False) -> InvoiceRows | Problem | None:
        """A page of a customer's invoices, None when Lago has no such customer; `GET /customers/{id}/invoices`.

        Args:
            customer_id: Lago's external id of the customer.
            page: Which page, from 1, the newest first.
            overdue: Only those that should have been paid by now.
        """
        what = "Invoices could not be read"
        params = [("page", str(page)), ("per_page", str(INVOICES_A_PAGE))]
        params += [("payment_overdue", "true")] if overdue else []
        got = self._call("GET", ("customers", customer_id, "invoices"), what, params=params)
        if isinstance(got, Problem):
            return None if got.kind is Kind.NOT_FOUND else got
        rows, meta = got.get("invoices"), got.get("meta")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            return unexpected(what)
        meta = meta if isinstance(meta, dict) else {}
        total, following = meta.get("total_count"), meta.get("next_page")
        # A filter that Lago does not understand is dropped without a word, so it is applied here again.
        mine = [row for row in rows if is_of(row, customer_id) is not False]
        mine = [row for row in mine if row.get("payment_overdue") is True] if overdue else mine
        known = total if isinstance(total, int) and not isinstance(total, bool) else None
        older = isinstance(following, int) and following > page
        # Lago may give fewer a page than it is asked for, but all pages save the last are as long as each other.
        before = (page - 1) * len(rows) if older or page == 1 else None if known is None else known - len(rows)
        return InvoiceRows(mine, known, before, older)

    def invoice(self, invoice_id: str) -> Json | Problem | None:
        """One invoice by Lago's id, whosever it is, None when Lago has none; `GET /invoices/{id}`."""
        return self._found(("invoices", invoice_id), "invoice", "The invoice could not be read")

    def invoice_pdf(self, invoice_id: str) -> str | Problem | None:
        """Where the PDF of an invoice lies, None as long as Lago has not made it; `POST /invoices/{id}/download`."""
        what = "The PDF could not be read"
        # Until the PDF is made, Lago answers without a word or without its address.
        got = self._call("POST", ("invoices", invoice_id, "download"), what, may_be_silent=True)
        if got == {}:
            return None
        told = got if isinstance(got, Problem) else object_of(got, "invoice", what)
        if isinstance(told, Problem):
            return told
        address = told.get("file_url")
        return address if isinstance(address, str) and address else None

    def payment_url(self, invoice_id: str) -> str | Problem:
        """A page on which an invoice can be paid; `POST /invoices/{id}/payment_url`."""
        what = "The payment page could not be opened"
        got = self._call("POST", ("invoices", invoice_id, "payment_url"), what)
        told = got if isinstance(got, Problem) else object_of(got, "invoice_payment_details", what)
        if isinstance(told, Problem):
            return told
        address = told.get("payment_url")
        return address if isinstance(address, str) and address else unexpected(what)

    def portal_url(self, customer_id: str) -> str | Problem:
        """Lago's own page of this customer, good for 12 hours; `GET /customers/{id}/portal_url`."""
        what = "Lago's customer portal could not be opened"
        got = self._call("GET", ("customers", customer_id, "portal_url"), what)
        told = got if isinstance(got, Problem) else object_of(got, "customer", what)
        if isinstance(told, Problem):
            return told
        address = told.get("portal_url")
        return address if isinstance(address, str) and address else unexpected(what)


def is_of(row: Json, customer_id: str) -> bool | None:
    """Whether an invoice is this customer's; None when it does not say whose it is."""
    customer = row.get("customer")
    if not isinstance(customer, dict) or not isinstance(customer.get("external_id"), str):
        return None
    return bool(customer["external_id"] == customer_id)
