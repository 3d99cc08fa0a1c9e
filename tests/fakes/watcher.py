"""What Stripe and Lago would tell by themselves: the changes of both fakes since the last look, as events."""

from __future__ import annotations

from typing import Any, Literal

from tests.fakes.lago import FakeLago
from tests.fakes.stripe import FakeStripe

Change = tuple[Literal["stripe", "lago"], str, dict[str, Any]]

_LAGO_KINDS = {
    "active": "subscription.started",
    "incomplete": "subscription.incomplete",
    "canceled": "subscription.canceled",
    "terminated": "subscription.terminated",
}


class Watcher:
    """Remembers how both looked."""

    def __init__(self, lago: FakeLago, stripe: FakeStripe) -> None:
        self._lago = lago
        self._stripe = stripe
        self._seen: dict[str, Any] = {}

    def changes(self) -> list[Change]:
        """What is new since the last call, in the order of its making."""
        with self._lago.lock, self._stripe.lock:
            return [*self._of_stripe(), *self._of_lago()]

    def _turned(self, key: str, now: Any) -> bool:
        before = self._seen.get(key)
        self._seen[key] = now
        return before != now

    def _of_stripe(self) -> list[Change]:
        told: list[Change] = []
        for one in self._stripe.sessions.values():
            if self._turned(one["id"], one["status"]) and one["status"] in ("complete", "expired"):
                kind = "completed" if one["status"] == "complete" else "expired"
                told.append(("stripe", f"checkout.session.{kind}", _shown(one)))
                self._seen[f"{one['id']} paid"] = one["payment_status"]
            elif one["status"] == "complete" and self._turned(f"{one['id']} paid", one["payment_status"]):
                told.append(("stripe", "checkout.session.async_payment_succeeded", _shown(one)))
        for one in self._stripe.billing.subscriptions.values():
            known = one["id"] in self._seen
            turned = self._turned(one["id"], one["status"])
            if self._turned(f"{one['id']} end", one["cancel_at"]) and known and not turned:
                told.append(("stripe", "customer.subscription.updated", _shown(one)))
            if not turned:
                continue
            if one["status"] == "canceled":
                told.append(("stripe", "customer.subscription.deleted", _shown(one)))
            elif one["status"] == "past_due":
                told.append(("stripe", "customer.subscription.updated", _shown(one)))
                told += self._bounced(one)
        for one in self._stripe.billing.invoices:
            if self._turned(one["id"], one["status"]):
                kind = "paid" if one["status"] == "paid" else "payment_failed"
                told.append(("stripe", f"invoice.{kind}", _shown(one)))
        for one in self._stripe.billing.refunds:
            if self._turned(one["id"], one["status"]) and one["status"] == "succeeded":
                told += [
                    ("stripe", "charge.refunded", {"object": "charge", "customer": paid["customer"]})
                    for paid in self._stripe.billing.invoices
                    if paid["id"].replace("in_", "pi_") == one["payment_intent"]
                ]
        return told

    def _bounced(self, subscription: dict[str, Any]) -> list[Change]:
        return [
            ("stripe", "checkout.session.async_payment_failed", _shown(one))
            for one in self._stripe.sessions.values()
            if one.get("subscription") == subscription["id"] and one["payment_status"] == "unpaid"
        ]

    def _of_lago(self) -> list[Change]:
        told: list[Change] = []
        for one in self._lago.subscriptions:
            if self._turned(one["lago_id"], (one["status"], one["ending_at"], one["next_plan_code"])):
                told.append(("lago", _LAGO_KINDS.get(one["status"], "subscription.updated"), _shown(one)))
        for one in reversed(self._lago.invoices):
            new = one["lago_id"] not in self._seen
            if self._turned(one["lago_id"], one["payment_status"]):
                kind = "invoice.created" if new else "invoice.payment_status_updated"
                told.append(("lago", kind, _shown(one) | {"customer": {"external_id": one["_of"]}}))
        return told


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if not key.startswith("_")}
