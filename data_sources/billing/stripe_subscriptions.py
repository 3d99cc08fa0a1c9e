"""Subscriptions and invoices at Stripe, where Stripe itself collects: read, given an end, and ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import stripe

from data_sources.billing.stripe_checkout import MALFORMED, StripeGateway, malformed, problem_of
from data_sources.result import Problem

# It will never charge again.
OVER = frozenset({"canceled", "incomplete_expired"})
# A payment has failed; Stripe may try again.
FAILING = frozenset({"past_due", "unpaid"})
PAGE, MOST = 100, 1000


@dataclass(frozen=True, slots=True)
class StripeSubscription:
    """A subscription as Stripe tells it.

    Attributes:
        id: `sub_…`.
        status: incomplete, incomplete_expired, trialing, active, past_due, canceled, unpaid or paused.
        cancel_at: When it ends by itself, UTC; None when it goes on.
        livemode: Whether real money is meant.
    """

    id: str
    status: str
    cancel_at: datetime | None
    livemode: bool

    @property
    def failing(self) -> bool:
        """Whether the last charge has failed; Stripe may try again."""
        return self.status in FAILING

    @property
    def over(self) -> bool:
        """Whether it will never charge again."""
        return self.status in OVER


@dataclass(frozen=True, slots=True)
class PaidInvoice:
    """An invoice that Stripe was paid for.

    Attributes:
        id: `in_…`.
        amount_cents: What was paid, in the currency's smallest unit.
        currency: ISO 4217 code in capitals.
        created: When Stripe made it, in seconds of the epoch.
        starts_at: Where the period begins that it is for, UTC; when Stripe made it, if it names none.
        ends_at: Where that period ends, UTC; None when it names none.
    """

    id: str
    amount_cents: int
    currency: str
    created: int
    starts_at: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpenInvoice:
    """An invoice that Stripe could not be paid for so far.

    Attributes:
        id: `in_…`.
        amount_cents: What is still due, in the currency's smallest unit.
        currency: ISO 4217 code in capitals.
        page: Stripe's own page on which it can be paid; None when Stripe gives none that a reader may be sent to.
    """

    id: str
    amount_cents: int
    currency: str
    page: str | None


class StripeSubscriptions:
    """Reads and ends subscriptions. No method raises for what Stripe or the network does.

    Args:
        gateway: The connection to Stripe.
    """

    def __init__(self, gateway: StripeGateway) -> None:
        self._v1 = gateway.client.v1
        self._gateway = gateway

    def read(self, subscription_id: str) -> StripeSubscription | Problem:
        """One subscription; `GET /v1/subscriptions/{id}`."""
        what = "The subscription at Stripe could not be read"
        return self._one(what, lambda: self._v1.subscriptions.retrieve(subscription_id))

    def end(self, subscription_id: str) -> StripeSubscription | Problem:
        """End it now, so that it never charges again; `DELETE /v1/subscriptions/{id}`."""
        what = "The subscription at Stripe could not be ended"
        return self._one(what, lambda: self._v1.subscriptions.cancel(subscription_id))

    def end_at(self, subscription_id: str, when: datetime | None) -> StripeSubscription | Problem:
        """Have it end by itself at a time, or go on (None); `POST /v1/subscriptions/{id}`."""
        what = "The end of the subscription at Stripe could not be set"
        value: Any = "" if when is None else int(when.timestamp())
        # What was paid stays paid: Lago says what is given back.
        params: Any = {"cancel_at": value, "proration_behavior": "none"}
        return self._one(what, lambda: self._v1.subscriptions.update(subscription_id, params))

    def paid(self, subscription_id: str) -> list[PaidInvoice] | Problem:
        """Every invoice of a subscription that was paid with money, the oldest first; `GET /v1/invoices`."""
        what = "Payments at Stripe could not be read"
        found: list[PaidInvoice] = []
        params: Any = {"subscription": subscription_id, "status": "paid", "limit": PAGE}
        try:
            for raw in self._v1.invoices.list(params).auto_paging_iter():
                one = raw.to_dict()
                if one["amount_paid"] > 0:
                    found.append(_paid_invoice(one))
                if len(found) >= MOST:
                    break
        except stripe.StripeError as error:
            return problem_of(error, what)
        except MALFORMED as error:
            return malformed(error, what)
        return sorted(found, key=lambda one: (one.created, one.id))

    def unpaid(self, subscription_id: str) -> OpenInvoice | Problem | None:
        """The newest open invoice of a subscription, None when nothing is open; `GET /v1/invoices`."""
        what = "What is open at Stripe could not be read"
        params: Any = {"subscription": subscription_id, "status": "open", "limit": 1}
        try:
            rows = self._v1.invoices.list(params).to_dict()["data"]
            if not rows:
                return None
            one = rows[0]
            page = one.get("hosted_invoice_url")
            safe = page if page and self._gateway.may_open(page) else None
            return OpenInvoice(one["id"], one["amount_remaining"], one["currency"].upper(), safe)
        except stripe.StripeError as error:
            return problem_of(error, what)
        except MALFORMED as error:
            return malformed(error, what)

    def _one(self, what: str, ask: Any) -> StripeSubscription | Problem:
        try:
            raw: dict[str, Any] = ask().to_dict()
            ends = raw.get("cancel_at")
            return StripeSubscription(
                id=raw["id"],
                status=raw["status"],
                cancel_at=None if ends is None else datetime.fromtimestamp(ends, UTC),
                livemode=raw["livemode"],
            )
        except stripe.StripeError as error:
            return problem_of(error, what)
        except MALFORMED as error:
            return malformed(error, what)


def _paid_invoice(raw: dict[str, Any]) -> PaidInvoice:
    """The invoice's own `period_…` tell when it was made; what it is for stands at its lines."""
    periods = [line["period"] for line in raw["lines"]["data"]]
    named = next((one for one in periods if one["start"] < one["end"]), {"start": raw["created"], "end": None})
    return PaidInvoice(
        id=raw["id"],
        amount_cents=raw["amount_paid"],
        currency=raw["currency"].upper(),
        created=raw["created"],
        starts_at=datetime.fromtimestamp(named["start"], UTC),
        ends_at=None if named["end"] is None else datetime.fromtimestamp(named["end"], UTC),
    )
