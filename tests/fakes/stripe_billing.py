"""Stripe's side of `mode=subscription`: what it makes of a paid page, and what happens as time goes by."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from tests.fakes.server import Asked, Reply

_DAYS = {"week": 7, "month": 30, "year": 365}
_TWO_DECIMALS_ONLY = {"bhd", "iqd", "jod", "kwd", "lyd", "omr", "tnd"}


def subscribed_page(given: dict[str, str]) -> dict[str, Any] | Reply:
    """The fields of a session in subscription mode; the refusal that Stripe would send for a wrong price."""
    price = {
        name.removeprefix("line_items[0][price_data]"): value
        for name, value in given.items()
        if name.startswith("line_items[0][price_data]")
    }
    cents, currency = price["[unit_amount]"], price["[currency]"]
    if price["[recurring][interval]"] not in _DAYS:
        return refused(400, "parameter_invalid", "Invalid recurring[interval]: must be one of day, month, week, year")
    if currency in _TWO_DECIMALS_ONLY and int(cents) % 10:
        return refused(400, "parameter_invalid", "Invalid unit_amount: three-decimal currencies end in 0")
    days = _DAYS[price["[recurring][interval]"]] * int(price.get("[recurring][interval_count]", "1"))
    return {
        "amount_subtotal": int(cents),
        "amount_total": int(cents),
        "currency": currency,
        "payment_status": "unpaid",
        "subscription": None,
        "_days": days,
        "_name": price["[product_data][name]"],
    }


class StripeBilling:
    """Subscriptions and invoices; state lives on the instance, under the server's lock.

    Attributes:
        subscriptions: By id.
        invoices: In the order in which they were made.
        refunds: Likewise.
        methods: Saved ways to pay -> whose they are.
        now: The time of Stripe's renewals; travels.
        pages: Where its pages of invoices are; None gives an invoice none.
    """

    def __init__(self) -> None:
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.invoices: list[dict[str, Any]] = []
        self.refunds: list[dict[str, Any]] = []
        self.methods: dict[str, str] = {}
        self.now = datetime.now(UTC)
        self.pages: str | None = None

    def subscribe(self, session: dict[str, Any], *, paid: bool) -> dict[str, Any]:
        """What a finished page leaves behind."""
        number = len(self.subscriptions)
        customer = session["customer"] or f"cus_self{number:04d}"
        made = {
            "id": f"sub_{number:08d}",
            "object": "subscription",
            "status": "active",
            "customer": customer,
            "currency": session["currency"],
            "created": int(time.time()),
            "start_date": int(time.time()),
            "billing_cycle_anchor": int(time.time()),
            "billing_mode": {"type": "classic"},
            "billing_schedules": [],
            "cancel_at": None,
            "cancel_at_period_end": False,
            "collection_method": "charge_automatically",
            "default_payment_method": f"pm_{session['id'][-8:]}",
            "discounts": [],
            "invoice_settings": {"issuer": {"type": "self"}},
            "automatic_tax": {"enabled": False, "liability": None, "disabled_reason": None},
            "livemode": session["livemode"],
            "metadata": session["metadata"],
            "_amount": session["amount_total"],
            "_days": session["_days"],
            "_until": self.now + timedelta(days=session["_days"]),
        }
        self.subscriptions[made["id"]] = made
        self.methods[made["default_payment_method"]] = customer
        session["customer"], session["subscription"] = customer, made["id"]
        session["payment_status"] = "paid" if paid else "unpaid"
        self.bill(made, paid=paid)
        return made

    def bill(self, subscription: dict[str, Any], *, paid: bool) -> dict[str, Any]:
        """An invoice of a subscription, for the period that ends with `_until`."""
        period = {
            "start": int((subscription["_until"] - timedelta(days=subscription["_days"])).timestamp()),
            "end": int(subscription["_until"].timestamp()),
        }
        amount, now = subscription["_amount"], int(self.now.timestamp())
        made = {
            "id": f"in_{len(self.invoices):08d}",
            "object": "invoice",
            "status": "paid" if paid else "open",
            "amount_due": amount,
            "amount_paid": amount if paid else 0,
            "amount_overpaid": 0,
            "amount_paid_off_stripe": 0,
            "amount_remaining": 0 if paid else amount,
            "amount_shipping": 0,
            "attempt_count": 1,
            "attempted": True,
            "auto_advance": False,
            "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
            "collection_method": "charge_automatically",
            "created": now,
            "currency": subscription["currency"],
            "customer": subscription["customer"],
            "default_tax_rates": [],
            "discounts": [],
            "hosted_invoice_url": f"{self.pages}/invoice/in_{len(self.invoices):08d}" if self.pages else None,
            "issuer": {"type": "self"},
            "lines": {
                "object": "list",
                "data": [_line(f"il_{len(self.invoices):08d}", subscription, period)],
                "has_more": False,
                "url": "/v1/invoices/lines",
            },
            "livemode": subscription["livemode"],
            "parent": {"type": "subscription_details", "subscription_details": {"subscription": subscription["id"]}},
            "payment_settings": {"payment_method_options": None, "payment_method_types": None},
            "period_start": now,
            "period_end": now,
            "post_payment_credit_notes_amount": 0,
            "pre_payment_credit_notes_amount": 0,
            "starting_balance": 0,
            "status_transitions": {},
            "subtotal": amount,
            "total": amount,
        }
        self.invoices.append(made)
        return made

    def invoices_of(self, subscription_id: str) -> list[dict[str, Any]]:
        return [
            one for one in self.invoices if one["parent"]["subscription_details"]["subscription"] == subscription_id
        ]

    def pay(self, invoice: dict[str, Any]) -> None:
        """The money arrives; with nothing open any more the subscription is in order again."""
        invoice.update(status="paid", amount_paid=invoice["amount_due"], amount_remaining=0)
        of = invoice["parent"]["subscription_details"]["subscription"]
        if not any(one["status"] == "open" for one in self.invoices_of(of)):
            held = self.subscriptions[of]
            held["status"] = "active" if held["status"] in ("past_due", "unpaid") else held["status"]

    def give_back(self, invoice_id: str) -> None:
        """Half of what an invoice was paid is refunded, in Stripe's dashboard."""
        invoice = next(one for one in self.invoices if one["id"] == invoice_id)
        made = {"id": f"re_{len(self.refunds)}", "object": "refund", "status": "succeeded"}
        intent = invoice_id.replace("in_", "pi_")
        self.refunds.append({**made, "payment_intent": intent, "amount": invoice["amount_paid"] // 2})

    def end(self, subscription: dict[str, Any]) -> None:
        """It charges no more."""
        subscription["status"] = "canceled"
        subscription["ended_at"] = int(self.now.timestamp())

    def travel(self, days: int, *, pays: bool = True) -> list[tuple[str, dict[str, Any]]]:
        """Let time pass: what is due renews or ends; the events of it, in order."""
        told: list[tuple[str, dict[str, Any]]] = []
        self.now += timedelta(days=days)
        for one in self.subscriptions.values():
            while one["status"] in ("active", "past_due"):
                due, now = one["_until"].timestamp(), self.now.timestamp()
                ends = one["cancel_at"] if one["cancel_at"] is not None else now + 1
                if min(due, ends) > now:
                    break
                if ends <= int(due):
                    self.end(one)
                    told.append(("customer.subscription.deleted", one))
                    break
                one["_until"] += timedelta(days=one["_days"])
                one["status"] = "active" if pays else "past_due"
                told.append(("invoice.paid" if pays else "invoice.payment_failed", self.bill(one, paid=pays)))
        return told

    def try_again(self) -> None:
        """Charges that failed succeed now."""
        for one in self.invoices:
            of = self.subscriptions[one["parent"]["subscription_details"]["subscription"]]
            if one["status"] == "open" and of["status"] == "past_due":
                self.pay(one)

    # ---- what it answers

    def answer(self, asked: Asked, parts: list[str]) -> Reply | None:
        """The answer about subscriptions and invoices, None where it is not about them."""
        if parts == ["v1", "invoices"] and asked.method == "GET":
            wanted = asked.query["subscription"][0]
            rows = [one for one in self.invoices_of(wanted) if one["status"] == asked.query["status"][0]]
            rows = rows[::-1]  # Stripe lists the newest first
            after = asked.query.get("starting_after")
            if after:
                rows = rows[[one["id"] for one in rows].index(after[0]) + 1 :]
            size = min(int(asked.query.get("limit", ["10"])[0]), 2)  # short pages, so that they are all followed
            shown = rows[:size]
            return 200, {"object": "list", "data": shown, "has_more": len(rows) > size, "url": "/v1/invoices"}
        if parts[:2] == ["v1", "invoices"] and parts[3:] == ["void"] and asked.method == "POST":
            invoice = next((one for one in self.invoices if one["id"] == parts[2]), None)
            if invoice is None:
                return refused(404, "resource_missing", "No such invoice")
            if invoice["status"] != "open":
                return refused(400, "invoice_not_editable", "You can only pass in open invoices.")
            invoice["status"] = "void"
            return 200, invoice
        if parts in (["v1", "invoice_payments"], ["v1", "refunds"]) and asked.method == "GET":
            return 200, {"object": "list", "data": self._money_back(asked), "has_more": False, "url": "/".join(parts)}
        if parts == ["v1", "charges"] and asked.method == "GET":
            rows = self._charges(asked.query["customer"][0])
            return 200, {"object": "list", "data": rows, "has_more": False, "url": "/v1/charges"}
        if parts[:2] == ["v1", "payment_methods"] and len(parts) == 3 and asked.method == "GET":
            if parts[2] not in self.methods:
                return refused(404, "resource_missing", "No such PaymentMethod")
            return 200, _method(parts[2])
        if parts[:2] != ["v1", "subscriptions"] or len(parts) != 3:
            return None
        found = self.subscriptions.get(parts[2])
        if found is None:
            return refused(404, "resource_missing", "No such subscription")
        if asked.method == "DELETE":
            if found["status"] == "canceled":
                return refused(404, "resource_missing", "No such subscription")
            self.end(found)
        if asked.method == "POST":
            given = dict(parse_qsl(asked.body.decode(), keep_blank_values=True))
            if found["status"] == "canceled" and any(not name.startswith("metadata[") for name in given):
                return refused(400, "resource_missing", "A canceled subscription can only update its metadata.")
            method = given.get("default_payment_method", found["default_payment_method"])
            if self.methods.get(method) != found["customer"]:
                return refused(400, "resource_missing", "The customer does not have a payment method with this ID")
            found["default_payment_method"] = method
            self._change(found, given)
        return 200, _shown(found)

    def _change(self, found: dict[str, Any], given: dict[str, str]) -> None:
        """A new end, or none any more, and notes; what is not named stays."""
        if "cancel_at_period_end" in given or "cancel_at" in given:
            at_period_end = given.get("cancel_at_period_end") == "true"
            when = int(found["_until"].timestamp()) if at_period_end else given.get("cancel_at")
            found["cancel_at_period_end"] = at_period_end
            found["cancel_at"] = int(when) if when else None
        named = {key[9:-1]: value for key, value in given.items() if key.startswith("metadata[")}
        kept = {**found["metadata"], **named}
        found["metadata"] = {key: value for key, value in kept.items() if value}

    def _charges(self, customer: str) -> list[dict[str, Any]]:
        """What was charged of a customer, the newest first, with how much of each was refunded or is about to be."""
        paid = [one for one in self.invoices if one["customer"] == customer and one["status"] == "paid"]
        return [
            {
                "id": one["id"].replace("in_", "ch_"),
                "object": "charge",
                "payment_intent": (intent := one["id"].replace("in_", "pi_")),
                "amount_refunded": sum(back["amount"] for back in self.refunds if back["payment_intent"] == intent),
            }
            for one in reversed(paid)
        ]

    def _money_back(self, asked: Asked) -> list[dict[str, Any]]:
        """How an invoice was paid; what of that payment was given back."""
        if "invoice" in asked.query or "payment[payment_intent]" in asked.query:
            intent = asked.query.get("payment[payment_intent]", [""])[0]
            wanted = asked.query.get("invoice", [intent.replace("pi_", "in_")])[0]
            how = {"type": "payment_intent", "payment_intent": wanted.replace("in_", "pi_")}
            made = {"id": wanted.replace("in_", "inpay_"), "object": "invoice_payment"}
            return [{**made, "invoice": wanted, "payment": how}]
        return [one for one in self.refunds if one["payment_intent"] == asked.query["payment_intent"][0]]


def _shown(subscription: dict[str, Any]) -> dict[str, Any]:
    """With its only item, which names the running period."""
    until, number = subscription["_until"], subscription["id"].removeprefix("sub_")
    price = {
        "id": f"price_{number}",
        "object": "price",
        "active": False,
        "billing_scheme": "per_unit",
        "created": subscription["created"],
        "currency": subscription["currency"],
        "livemode": subscription["livemode"],
        "metadata": {},
        "product": f"prod_{number}",
        "type": "recurring",
        "unit_amount": subscription["_amount"],
    }
    item = {
        "id": f"si_{number}",
        "object": "subscription_item",
        "created": subscription["created"],
        "current_period_start": int((until - timedelta(days=subscription["_days"])).timestamp()),
        "current_period_end": int(until.timestamp()),
        "discounts": [],
        "metadata": {},
        "price": price,
        "subscription": subscription["id"],
    }
    items = {"object": "list", "data": [item], "has_more": False, "url": "/v1/subscription_items"}
    return {name: value for name, value in subscription.items() if not name.startswith("_")} | {"items": items}


def _method(method: str) -> dict[str, Any]:
    """A card; its last digits are those of its id."""
    card = {"brand": "visa", "exp_month": 12, "exp_year": 2099, "funding": "credit", "last4": method[-4:]}
    made = {"id": method, "object": "payment_method", "type": "card", "card": card, "created": 1, "livemode": False}
    return {**made, "billing_details": {"address": None, "email": None, "name": None, "phone": None, "tax_id": None}}


def _line(line_id: str, subscription: dict[str, Any], period: dict[str, int]) -> dict[str, Any]:
    return {
        "id": line_id,
        "object": "line_item",
        "amount": subscription["_amount"],
        "currency": subscription["currency"],
        "discountable": True,
        "discounts": [],
        "livemode": subscription["livemode"],
        "metadata": {},
        "period": period,
        "subtotal": subscription["_amount"],
    }


def refused(status: int, code: str, message: str) -> Reply:
    return status, {"error": {"type": "invalid_request_error", "code": code, "message": message}}
