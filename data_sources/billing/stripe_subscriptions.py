"""Subscriptions and invoices at Stripe, where Stripe itself collects: read, given an end, and ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import stripe

from data_sources.billing.attempts import Attempts
from data_sources.billing.stripe_checkout import MALFORMED, StripeGateway, malformed, problem_of
from data_sources.billing.types import Current, Subscription
from data_sources.result import Kind, Problem

# It will never charge again.
OVER = frozenset({"canceled", "incomplete_expired"})
# A payment has failed; Stripe may try again.
FAILING = frozenset({"past_due", "unpaid"})
PAGE, MOST = 100, 1000
REFUNDS_UNREAD = "Refunds at Stripe could not be read"


@dataclass(frozen=True, slots=True)
class StripeSubscription:
    """A subscription as Stripe tells it.

    Attributes:
        id: `sub_…`.
        status: incomplete, incomplete_expired, trialing, active, past_due, canceled, unpaid or paused.
        cancel_at: When it ends by itself, UTC; None when it goes on.
        at_period_end: Whether that is the end of its running period, and was asked for in these words.
        starts_at: Where its running period begins, UTC; None when Stripe names none.
        renews_at: Where its running period ends, so when it charges next unless it ends, UTC; None likewise.
        ended_at: When it ended, UTC; None while it has not.
        livemode: Whether real money is meant.
    """

    id: str
    status: str
    cancel_at: datetime | None
    at_period_end: bool
    starts_at: datetime | None
    renews_at: datetime | None
    ended_at: datetime | None
    livemode: bool

    @property
    def ran_out(self) -> bool:
        """Whether it ended when it was to, and was not ended before by somebody."""
        planned = self.renews_at if self.at_period_end else self.cancel_at
        return self.over and planned is not None and self.ended_at is not None and self.ended_at >= planned

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
        given_back: Whether credit notes at Stripe have given all of it back.
    """

    id: str
    amount_cents: int
    currency: str
    created: int
    starts_at: datetime
    ends_at: datetime | None
    given_back: bool


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

    def end_at(self, held: StripeSubscription, when: datetime | None) -> StripeSubscription | Problem:
        """Have it end by itself at a time, or go on (None); `POST /v1/subscriptions/{id}`.

        The end of its running period is asked for in Stripe's own words, so that it cannot renew in the same second.
        """
        what = "The end of the subscription at Stripe could not be set"
        asked: dict[str, Any]
        if when is None:
            asked = {"cancel_at_period_end": False} if held.at_period_end else {"cancel_at": ""}
        else:
            at_renewal = held.renews_at == when
            asked = {"cancel_at_period_end": True} if at_renewal else {"cancel_at": int(when.timestamp())}
        # What was paid stays paid: Lago says what is given back.
        params: Any = {**asked, "proration_behavior": "none"}
        return self._one(what, lambda: self._v1.subscriptions.update(held.id, params))

    def stop_renewing(self, held: StripeSubscription) -> StripeSubscription | Problem:
        """Have it end with its running period, unless it ends anyway."""
        if held.over or held.cancel_at is not None:
            return held
        if held.renews_at is None:
            what = "The end of the subscription at Stripe could not be set"
            return Problem(Kind.UPSTREAM, what, "Stripe does not tell when it renews.", code="malformed")
        return self.end_at(held, held.renews_at)

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

    def given_back(self, payment: PaidInvoice) -> bool | Problem:
        """Whether all of a payment was given back, by credit notes or by refunds that have arrived.

        Refunds are asked for where credit notes do not tell; `GET /v1/invoice_payments`, `GET /v1/refunds`.
        """
        if payment.given_back:
            return True
        returned = 0
        paid: Any = {"invoice": payment.id, "status": "paid", "limit": PAGE}
        try:
            for raw in self._v1.invoice_payments.list(paid).to_dict()["data"]:
                by = raw["payment"]["type"]
                if by not in ("payment_intent", "charge"):
                    continue
                of: Any = {by: raw["payment"][by], "limit": PAGE}
                refunds = self._v1.refunds.list(of).to_dict()["data"]
                returned += sum(one["amount"] for one in refunds if one["status"] == "succeeded")
        except stripe.StripeError as error:
            return problem_of(error, REFUNDS_UNREAD)
        except MALFORMED as error:
            return malformed(error, REFUNDS_UNREAD)
        return returned >= payment.amount_cents

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
            items = raw["items"]["data"]
            item = items[0] if items else {}  # sold here, each has one price
            return StripeSubscription(
                id=raw["id"],
                status=raw["status"],
                cancel_at=_at(raw.get("cancel_at")),
                at_period_end=raw["cancel_at_period_end"],
                starts_at=_at(item.get("current_period_start")),
                renews_at=_at(item.get("current_period_end")),
                ended_at=_at(raw.get("ended_at")),
                livemode=raw["livemode"],
            )
        except stripe.StripeError as error:
            return problem_of(error, what)
        except MALFORMED as error:
            return malformed(error, what)


def over_at_stripe(gateway: StripeGateway | None, attempts: Attempts, current: Current) -> Current:
    """What is held, with a mark at what ends in Lago and has ended at Stripe already, as far as Stripe tells.

    Stripe is asked only about plans that it collected for and that have an end.
    """
    if gateway is None or all(one.ending_at is None for one in current.subscriptions):
        return current
    paid = {one.subscription_id: str(one.stripe_subscription_id) for one in attempts.running(current.customer_id)}

    def marked(one: Subscription) -> Subscription:
        if one.ending_at is None or one.external_id not in paid:
            return one
        held = StripeSubscriptions(gateway).read(paid[one.external_id])
        return replace(one, over_at_stripe=not isinstance(held, Problem) and held.over)

    return replace(current, subscriptions=tuple(map(marked, current.subscriptions)))


def _at(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


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
        ends_at=_at(named["end"]),
        given_back=raw.get("post_payment_credit_notes_amount", 0) >= raw["amount_paid"],
    )
