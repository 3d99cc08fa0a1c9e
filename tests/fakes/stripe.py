"""A Stripe that remembers checkout sessions, honours idempotency keys, and has a page on which to finish one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from tests.fakes import stripe_page, stripe_rights
from tests.fakes.lago_account import LagoAccounts
from tests.fakes.server import Asked, FakeServer, Reply
from tests.fakes.stripe_billing import StripeBilling, refused, subscribed_page

KEY = "sk_test_ops"


@dataclass
class FakeStripe(FakeServer):
    """State and switches.

    Attributes:
        sessions: By id.
        on_card: Told (customer, payment method) when a card is saved, as Lago's webhook would be.
        bills: Where Lago's invoices are paid, on a page at `/bill/{id}`; None has no such page.
        livemode: What the answers say.
        url_host: Host of the checkout page; None is this server.
        rights: What its key may do; of every collector, unless a test narrows it.
        denied: The rights that were lacking, in the order in which they were needed.
    """

    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    on_card: Callable[[str, str], None] | None = None
    bills: LagoAccounts | None = None
    livemode: bool = False
    url_host: str | None = None
    key: str = KEY
    rights: stripe_rights.Rights = field(default_factory=stripe_rights.granted)
    denied: list[str] = field(default_factory=list)
    billing: StripeBilling = field(default_factory=StripeBilling)
    _by_key: dict[str, tuple[bytes, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.billing.pages = self.url

    def complete(self, session_id: str, *, saved: bool = True) -> None:
        """The reader saves a card, or pays; with `saved=False` the page is finished and that takes its time."""
        with self.lock:
            session = self.sessions[session_id]
            session["status"] = "complete"
            session["url"] = None
            if session["mode"] == "subscription":
                self.billing.subscribe(session, paid=saved)
                return
            method = f"pm_{session_id[-8:]}"
            self.billing.methods[method] = session["customer"]
            session["_intent"] = {"status": "succeeded" if saved else "processing", "payment_method": method}
            customer = session["customer"]
        if saved and self.on_card is not None:
            self.on_card(customer, method)

    def arrive(self, session_id: str, *, paid: bool = True) -> None:
        """A payment that took days arrives, or comes back."""
        with self.lock:
            session = self.sessions[session_id]
            held = self.billing.subscriptions[session["subscription"]]
            if paid:
                session["payment_status"] = "paid"
                self.billing.pay(self.billing.invoices_of(held["id"])[0])
            else:
                held["status"] = "past_due"

    def only_session(self) -> dict[str, Any]:
        with self.lock:
            (session,) = self.sessions.values()
            return session

    def failure(self, status: int, words: str) -> dict[str, Any]:
        kind = "invalid_request_error" if status == 401 else "api_error"
        return {"error": {"message": words, "type": kind}}

    def answer(self, asked: Asked) -> Reply:
        parts = asked.path.strip("/").split("/")
        if parts[0] == "pay":
            return self._pay(asked, parts[1])
        if parts[0] == "bill" and self.bills is not None:
            told = (self.bills.pay_invoice if asked.method == "POST" else self.bills.bill_of)(parts[1])
            page = stripe_page.expired() if told is None else stripe_page.invoice(*told)
            return 404 if told is None else 200, page, {"Content-Type": "text/html; charset=utf-8"}
        if parts[0] == "invoice":
            return self._invoice(asked, parts[1])
        if asked.headers.get("Authorization") != f"Bearer {self.key}":
            return 401, {"error": {"message": "Invalid API Key provided", "type": "invalid_request_error"}}
        right = stripe_rights.lacking(asked, self.rights)
        if right is not None:
            self.denied.append(right)
            return 403, {"error": {"type": "invalid_request_error", "message": stripe_rights.refusal(right)}}
        if asked.path == "/v1/checkout/sessions" and asked.method == "POST":
            return self._create(asked)
        if parts[:3] == ["v1", "checkout", "sessions"] and len(parts) >= 4:
            session = self.sessions.get(parts[3])
            if session is None:
                return refused(404, "resource_missing", "No such checkout.session")
            if asked.method == "POST" and parts[4:] == ["expire"]:
                if session["status"] != "open":
                    return refused(400, "invalid_state", "Only open sessions can be expired")
                session["status"], session["url"] = "expired", None
            return 200, self._shown(session, expand="setup_intent" in str(asked.query))
        billed = self.billing.answer(asked, parts)
        if billed is not None:
            return json.loads(json.dumps(billed, default=str))
        return refused(404, "resource_missing", f"Unrecognized request URL ({asked.method}: {asked.path})")

    def _create(self, asked: Asked) -> Reply:
        given = dict(parse_qsl(asked.body.decode(), keep_blank_values=True))
        key = asked.headers.get("Idempotency-Key")
        if key in self._by_key:
            body, session_id = self._by_key[key]
            if body != asked.body:
                return 400, {"error": {"type": "idempotency_error", "message": "Keys for idempotent requests differ"}}
            return 200, self._shown(self.sessions[session_id])
        now = int(time.time())
        if not now + 1800 <= int(given["expires_at"]) <= now + 86400:
            return refused(400, "parameter_invalid", "expires_at must be between 30 minutes and 24 hours")
        more = subscribed_page(given) if given["mode"] == "subscription" else {}
        if isinstance(more, tuple):
            return more
        session_id = f"cs_test_{len(self.sessions):08d}"
        host = self.url_host or self.url
        self.sessions[session_id] = {
            "id": session_id,
            "object": "checkout.session",
            "mode": given["mode"],
            "status": "open",
            "url": f"{host}/pay/{session_id}",
            "customer": given.get("customer"),
            "client_reference_id": given.get("client_reference_id"),
            "metadata": {k[9:-1]: v for k, v in given.items() if k.startswith("metadata[")},
            "success_url": given["success_url"],
            "cancel_url": given.get("cancel_url"),
            "created": now,
            "expires_at": int(given["expires_at"]),
            "livemode": self.livemode,
            "payment_status": "no_payment_required",
            "payment_method_types": ["card"],
            "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
            "custom_fields": [],
            "custom_text": {
                "after_submit": None,
                "shipping_address": None,
                "submit": {"message": given["custom_text[submit][message]"]},
                "terms_of_service_acceptance": None,
            },
            "shipping_options": [],
            **more,
        }
        if key:
            self._by_key[key] = (asked.body, session_id)
        return 200, self._shown(self.sessions[session_id])

    def _shown(self, session: dict[str, Any], *, expand: bool = False) -> dict[str, Any]:
        shown = {name: value for name, value in session.items() if not name.startswith("_")}
        intent = session.get("_intent")
        if session["mode"] == "subscription":
            return json.loads(json.dumps(shown))
        shown["setup_intent"] = f"seti_{session['id'][-8:]}"
        if expand:
            shown["setup_intent"] = {
                "id": f"seti_{session['id'][-8:]}",
                "object": "setup_intent",
                "created": session["created"],
                "livemode": self.livemode,
                "payment_method_types": ["card"],
                "usage": "off_session",
                "status": "requires_payment_method",
                "payment_method": None,
                **(intent or {}),
            }
        return json.loads(json.dumps(shown))

    def _pay(self, asked: Asked, session_id: str) -> Reply:
        """Stripe's page: GET shows its buttons, POST does what was clicked and sends the reader back."""
        session = self.sessions.get(session_id)
        html = {"Content-Type": "text/html; charset=utf-8"}
        if session is None or session["status"] != "open":
            return 404, stripe_page.expired(), html
        if asked.method == "GET":
            return 200, stripe_page.checkout(session, "declined" in asked.query), html
        clicked = dict(parse_qsl(asked.body.decode())).get("do", "save")
        if clicked == "fail":
            return 303, b"", {**html, "Location": f"/pay/{session_id}?declined="}
        self.complete(session_id, saved=clicked != "later")
        if clicked == "close":
            return 200, stripe_page.closed(), html
        target = session["success_url"].replace("{CHECKOUT_SESSION_ID}", session_id)
        return 303, b"", {**html, "Location": target}

    def _invoice(self, asked: Asked, invoice_id: str) -> Reply:
        """Stripe's page of an invoice."""
        html = {"Content-Type": "text/html; charset=utf-8"}
        found = next((one for one in self.billing.invoices if one["id"] == invoice_id), None)
        if found is None:
            return 404, stripe_page.expired(), html
        if asked.method == "POST" and found["status"] == "open":
            self.billing.pay(found)
        if found["status"] == "void":
            return 404, stripe_page.expired(), html
        due = None if found["status"] == "paid" else f"{found['amount_due']} {found['currency'].upper()}"
        return 200, stripe_page.invoice(invoice_id, due), html
