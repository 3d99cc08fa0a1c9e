"""Lago's API, as much of it as the subscription page needs: one session, quoted paths, errors as `Problem`s.

Plain `requests` on purpose: the Python client of Lago joins ids into its addresses unquoted and leaves the key out of
several calls.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias
from urllib.parse import quote

import requests

from data_sources import http
from data_sources.billing.plans import read_plan, read_plans
from data_sources.billing.side_by_side import side_by_side
from data_sources.billing.types import Catalogue, Plan
from data_sources.result import Kind, Problem

Json: TypeAlias = dict[str, Any]

SOURCE = "Lago"
PER_PAGE = 100
CUSTOMERS_A_PAGE = 20
# Some servers cap a page at a few rows: what ends a list is its end, the time it takes, or a number beyond all sense.
MAX_ROWS = 5000
MOST_PAGES_AT_ONCE = 50
LIST_PATIENCE_S = 20.0
_NO_END = -1
_PLANS = ("plans",)
OPEN_STATUSES = ("active", "pending", "incomplete")

# Payment-gated subscriptions are generally available from here on; older versions drop the rule without a word.
FIRST_GATED_VERSION = (1, 50)

_SENTENCES = {
    "no_linked_payment_provider": "Billing is not connected to Stripe for this customer in Lago.",
    "no_default_payment_method": "No card is on file yet.",
    "payment_method_not_found": "The card on file was not found.",
    "subscription_incomplete": "A payment is still being confirmed for this subscription.",
    "value_already_exist": "This subscription already belongs to another customer in Lago.",
    "currencies_does_not_match": "This customer is billed in another currency.",
    "plan_not_found": "Lago does not know this plan any more.",
    "customer_not_found": "Lago does not know this customer.",
    "subscription_not_found": "Lago does not know this subscription.",
    "third_party_error": "A service behind Lago refused the request.",
    "provider_error": "The payment provider behind Lago refused the request.",
    "feature_unavailable": "Lago's licence does not include this.",
    "too_many_provider_requests": "The payment provider behind Lago asks to slow down.",
}


class LagoClient:
    """Reads and writes Lago. What Lago or the network does comes back as a `Problem`, never raised."""

    def __init__(self, url: str, api_key: str, *, timeout_s: tuple[float, float] = (3.0, 8.0)) -> None:
        """Connect lazily.

        Args:
            url: Lago's address, with or without `/api/v1`.
            api_key: Lago's API key; it goes into one header and nowhere else.
            timeout_s: Connect and read time-out of one request, in seconds.
        """
        self._root = url.rstrip("/").removesuffix("/api/v1")
        self._headers = {"Authorization": f"Bearer {api_key}"}
        self._timeout_s = timeout_s
        self._session: requests.Session = http.session()
        self._pages_seen: dict[tuple[str, ...], int] = {}

    def __repr__(self) -> str:
        return f"LagoClient({self._root!r})"

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def plans(self) -> Catalogue | Problem:
        """All plans of the organization, every page of them, hidden ones too; `GET /plans`."""
        rows = self._list(_PLANS, "plans", "Plans could not be read", [])
        return rows if isinstance(rows, Problem) else read_plans(rows)

    def plan(self, code: str) -> Plan | Problem:
        """One plan by its code; `GET /plans/{code}`."""
        what = "The plan could not be read"
        got = self._call("GET", ("plans", code), what)
        if isinstance(got, Problem):
            return got
        plan = read_plan(got.get("plan"))
        return plan if plan is not None and plan.code == code else _unexpected(what)

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
            return _unexpected(what)
        total = meta.get("total_count") if isinstance(meta, dict) else None
        return rows, total if isinstance(total, int) and not isinstance(total, bool) else None

    def upsert_customer(self, fields: Mapping[str, Any]) -> Json | Problem:
        """Create a customer, or change only the given fields of an existing one; `POST /customers`."""
        what = "The customer could not be set up"
        got = self._call("POST", ("customers",), what, body={"customer": dict(fields)})
        return got if isinstance(got, Problem) else _object(got, "customer", what)

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
        return got if isinstance(got, Problem) else _object(got, "subscription", what)

    def terminate_subscription(self, external_id: str) -> Json | Problem:
        """Stop a subscription at once and give back what was paid for it; `DELETE /subscriptions/{id}`."""
        what = "The subscription could not be stopped"
        params = {"on_termination_credit_note": "refund", "on_termination_invoice": "skip"}
        got = self._call("DELETE", ("subscriptions", external_id), what, params=params)
        return got if isinstance(got, Problem) else _object(got, "subscription", what)

    def cancel_pending(self, external_id: str) -> Json | Problem:
        """Take back a subscription that has not begun; what runs under the same id goes on."""
        what = "The planned subscription could not be taken back"
        got = self._call("DELETE", ("subscriptions", external_id), what, params={"status": "pending"})
        return got if isinstance(got, Problem) else _object(got, "subscription", what)

    def end_unpaid(self, external_id: str) -> Json | Problem:
        """Stop a subscription that nobody pays for any more, with nothing given back; `DELETE /subscriptions/{id}`."""
        what = "The subscription could not be stopped"
        params = {"on_termination_credit_note": "skip", "on_termination_invoice": "skip"}
        got = self._call("DELETE", ("subscriptions", external_id), what, params=params)
        return got if isinstance(got, Problem) else _object(got, "subscription", what)

    def customer_invoices(self, customer_id: str) -> list[Json] | Problem:
        """Every invoice of a customer, without its subscriptions and fees; `GET /invoices`."""
        params = [("external_customer_id", customer_id)]
        return self._objects(("invoices",), "invoices", "Invoices could not be read", params)

    def whole_invoice(self, lago_id: str) -> Json | Problem:
        """One invoice with its subscriptions; `GET /invoices/{id}`."""
        what = "The invoice could not be read"
        got = self._call("GET", ("invoices", lago_id), what)
        return got if isinstance(got, Problem) else _object(got, "invoice", what)

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
        return got if isinstance(got, Problem) else _object(got, "invoice", what)

    def webhook_key(self) -> str | Problem:
        """The public key of Lago's webhook signatures, base64 of a PEM; `GET /webhooks/json_public_key`."""
        what = "Lago's public key could not be read"
        got = self._call("GET", ("webhooks", "json_public_key"), what)
        told = got if isinstance(got, Problem) else _object(got, "webhook", what)
        if isinstance(told, Problem):
            return told
        key = told.get("public_key")
        return key if isinstance(key, str) else _unexpected(what)

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

    def _list(self, parts: tuple[str, ...], key: str, what: str, params: list[tuple[str, str]]) -> list[Any] | Problem:
        """Every row of a list, page by page. Half a list is no list."""
        found: list[Any] = []
        page, began_s = 1, time.monotonic()

        def ask(number: int) -> Json | Problem:
            paged = [*params, ("page", str(number)), ("per_page", str(PER_PAGE))]
            return self._call("GET", parts, what, params=paged)

        def at_once(numbers: Sequence[int]) -> dict[int, Json | Problem]:
            return dict(zip(numbers, side_by_side([partial(ask, number) for number in numbers]), strict=True))

        # As many pages as there were the last time, side by side; what Lago tells now decides what counts.
        ahead = at_once(range(1, self._pages_seen.get(parts, 1) + 1))
        while True:
            got = ahead.pop(page) if page in ahead else ask(page)
            if page == 1 and not isinstance(got, Problem):
                pages = _pages_told(got)
                if parts == _PLANS:
                    self._pages_seen[parts] = pages
                ahead |= at_once([number for number in range(2, pages + 1) if number not in ahead])
            if isinstance(got, Problem):
                return got
            rows, following = got.get(key), _next_page(got, page)
            if not isinstance(rows, list) or following is _NO_END:
                return _unexpected(what)
            found += rows
            if following is None:
                return found
            if len(found) >= MAX_ROWS:
                return Problem(Kind.UPSTREAM, what, f"Lago lists more than {MAX_ROWS:,} of them.", code="too_many")
            if time.monotonic() - began_s > LIST_PATIENCE_S:
                told = f"Lago sent {len(found):,} rows on {page:,} pages in {LIST_PATIENCE_S:g} s, and there are more."
                return Problem(Kind.TIMEOUT, what, told, code="timeout", retry_after_s=60)
            page = following

    def _objects(
        self, parts: tuple[str, ...], key: str, what: str, params: list[tuple[str, str]]
    ) -> list[Json] | Problem:
        rows = self._list(parts, key, what, params)
        if isinstance(rows, Problem) or all(isinstance(one, dict) for one in rows):
            return rows
        return _unexpected(what)

    def _found(self, parts: tuple[str, ...], key: str, what: str, status: str | None = None) -> Json | Problem | None:
        got = self._call("GET", parts, what, params={"status": status} if status else None)
        if isinstance(got, Problem):
            return None if got.kind is Kind.NOT_FOUND else got
        return _object(got, key, what)

    def _call(
        self, method: str, parts: tuple[str, ...], what: str, *, params: Any = None, body: Any = None
    ) -> Json | Problem:
        if any(part in ("", ".", "..") for part in parts):
            # quote() leaves dots as they are, and the HTTP library would then fold the path into another one.
            return Problem(Kind.BAD_QUERY, what, "This is not a name that Lago can have.", code="bad_name")
        path = "/".join(quote(part, safe="") for part in parts)
        got = http.call_json(
            self._session,
            method,
            f"{self._root}/api/v1/{path}",
            source=SOURCE,
            what=what,
            params=params,
            body=body,
            headers=self._headers,
            timeout_s=self._timeout_s,
            accept_errors=True,
        )
        if isinstance(got, Problem):
            return got
        if got.status >= 300:
            return _refused(got, what)
        return got.body if isinstance(got.body, dict) else _unexpected(what)


def _refused(answer: http.Answer, what: str) -> Problem:
    """Lago's error body as a problem, by its codes; its texts differ from version to version."""
    body: Json = answer.body
    codes = [code for code in (body.get("code"),) if isinstance(code, str)]
    details = body.get("error_details")
    if isinstance(details, dict):
        codes = [
            one
            for given in details.values()
            for one in (given if isinstance(given, list) else ())
            if isinstance(one, str)
        ] + codes
    named = next((code for code in codes if code in _SENTENCES), None)
    code = named or (codes[0] if codes else f"HTTP {answer.status}")
    wait_s = http.retry_after(answer.headers)
    if answer.status in (401, 403):
        detail = "Lago refused our key, or the key may not do this. An admin can check it in Lago."
        return Problem(Kind.UPSTREAM, what, detail, code=code, retry_after_s=wait_s)
    if answer.status == 404:
        return Problem(Kind.NOT_FOUND, what, _SENTENCES.get(code, "Lago does not know it."), code=code)
    if answer.status == 429:
        detail = "Lago asks us to slow down."
        return Problem(Kind.UPSTREAM, what, detail, code=code, retry_after_s=wait_s)
    if answer.status in (405, 422) or named:
        return Problem(Kind.CONFLICT, what, _SENTENCES.get(code, "Lago refused the request."), code=code)
    return Problem(Kind.UPSTREAM, what, "Lago answered with an error.", code=code, retry_after_s=wait_s)


def _next_page(got: Json, page: int) -> int | None:
    """The page after this one, None after the last; `_NO_END` when nobody can tell whether there is one."""
    meta = got.get("meta")
    following = meta.get("next_page", _NO_END) if isinstance(meta, dict) else _NO_END
    if following is None:
        return None
    return following if isinstance(following, int) and following > page else _NO_END


def _pages_told(got: Json) -> int:
    """How many pages there are in all, as far as it is worth to ask for them at once; 1 when Lago does not say."""
    meta = got.get("meta")
    told = meta.get("total_pages") if isinstance(meta, dict) else None
    return told if isinstance(told, int) and not isinstance(told, bool) and told <= MOST_PAGES_AT_ONCE else 1


def _object(got: Json, key: str, what: str) -> Json | Problem:
    value = got.get(key)
    return value if isinstance(value, dict) else _unexpected(what)


def _unexpected(what: str) -> Problem:
    return Problem(Kind.UPSTREAM, what, "Lago's answer does not have the form that it documents.", code="unexpected")
