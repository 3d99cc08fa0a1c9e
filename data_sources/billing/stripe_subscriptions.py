"""Subscriptions and invoices at Stripe, where Stripe itself collects: read, given an end, and ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import stripe

from data_sources.billing.attempts import UNEQUAL, Attempts
from data_sources.billing.money import major_units
from data_sources.billing.stripe_checkout import MALFORMED, StripeGateway, malformed, problem_of
from data_sources.billing.types import Current, Subscription
from data_sources.result import Kind, Problem

# It will never charge again.
OVER = frozenset({"canceled", "incomplete_expired"})
# A payment has failed. Of these, Stripe may try again; of the second, it has given up and only the plan goes on.
FAILING = frozenset({"past_due", "unpaid"})
GIVEN_UP = "unpaid"
PAGE, MOST = 100, 1000
# Names at Stripe's subscription for which end of Lago's its own was set, so that an end that a person sets there is
# told from ours.
LAGO_END = "lago_end"
NO_END, WHILE_HELD = "", "held"
REFUNDS_UNREAD = "Refunds at Stripe could not be read"
REFUSED_CARD = "card_refused"
END_NOT_SET = "The end of the subscription at Stripe could not be set"


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
        customer: `cus_…`.
        amount_cents: What it charges each period, in the currency's smallest unit; None when Stripe does not tell.
        currency: ISO 4217 code in capitals; None likewise.
        ended_unpaid: Whether Stripe itself ended it because nobody paid.
        lago_end: For which end of Lago's its own was set last: seconds of the epoch, `NO_END` or `WHILE_HELD`.
        payment_method: What it is charged to, `pm_…`; None when Stripe names none.
    """

    id: str
    status: str
    cancel_at: datetime | None
    at_period_end: bool
    starts_at: datetime | None
    renews_at: datetime | None
    ended_at: datetime | None
    livemode: bool
    customer: str | None = None
    amount_cents: int | None = None
    currency: str | None = None
    ended_unpaid: bool = False
    lago_end: str = NO_END
    payment_method: str | None = None

    @property
    def ran_out(self) -> bool:
        """Whether it ended when it was to, and was not ended before by somebody."""
        planned = self.renews_at if self.at_period_end else self.cancel_at
        return self.over and planned is not None and self.ended_at is not None and self.ended_at >= planned

    @property
    def failing(self) -> bool:
        """Whether a charge has failed and is still open."""
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
        credited_cents: How much of it credit notes at Stripe have given back.
    """

    id: str
    amount_cents: int
    currency: str
    created: int
    starts_at: datetime
    ends_at: datetime | None
    credited_cents: int


@dataclass(frozen=True, slots=True)
class GivenBack:
    """How much of a payment was given back, in the currency's smallest unit.

    Attributes:
        cents: What has arrived, or was credited.
        pending_cents: Refunds that are on their way.
    """

    cents: int
    pending_cents: int = 0


@dataclass(frozen=True, slots=True)
class Owed:
    """What Stripe could not be paid for so far.

    Attributes:
        amount_cents: What is still due in all, in the currency's smallest unit.
        currency: ISO 4217 code in capitals.
        count: Of how many invoices.
        oldest: The oldest of them, `in_…`.
        page: Stripe's own page on which that one can be paid; None when Stripe gives none that a reader may be sent to.
    """

    amount_cents: int
    currency: str
    count: int
    oldest: str
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

    def end_at(self, held: StripeSubscription, when: datetime | None, lago_end: str) -> StripeSubscription | Problem:
        """Have it end by itself at a time, or go on (None); `POST /v1/subscriptions/{id}`.

        The end of its running period is asked for in Stripe's own words, so that it cannot renew in the same second.

        Args:
            held: As it was read.
            when: Its end.
            lago_end: For which end of Lago's that is, as `StripeSubscription.lago_end`.
        """
        asked: dict[str, Any] = {}
        if when is None and held.cancel_at is not None:
            asked = {"cancel_at_period_end": False} if held.at_period_end else {"cancel_at": ""}
        elif when is not None and when != held.cancel_at:
            at_renewal = held.renews_at == when
            asked = {"cancel_at_period_end": True} if at_renewal else {"cancel_at": int(when.timestamp())}
        # What was paid stays paid: Lago says what is given back.
        params: Any = {**asked, "proration_behavior": "none", "metadata": {LAGO_END: lago_end}}
        return self._one(END_NOT_SET, lambda: self._v1.subscriptions.update(held.id, params))

    def stop_renewing(self, held: StripeSubscription) -> StripeSubscription | Problem:
        """Have it end with its running period, unless it ends anyway."""
        if held.over or held.cancel_at is not None:
            return held
        if held.renews_at is None:
            return Problem(Kind.UPSTREAM, END_NOT_SET, "Stripe does not tell when it renews.", code="malformed")
        return self.end_at(held, held.renews_at, WHILE_HELD)

    def charge_to(self, subscription_id: str, payment_method: str) -> StripeSubscription | Problem:
        """Have it charged to another card from now on; `POST /v1/subscriptions/{id}`. It charges nothing itself."""
        what = "The card could not be changed at Stripe"
        params: Any = {"default_payment_method": payment_method}

        def ask() -> Any:
            try:
                return self._v1.subscriptions.update(subscription_id, params)
            except stripe.InvalidRequestError as error:
                refused.append(error)
                raise

        refused: list[stripe.InvalidRequestError] = []
        got = self._one(what, ask)
        if refused:
            # Asked again it would be refused again.
            detail = f"Stripe does not take it ({refused[0].code or 'no reason given'})."
            return Problem(Kind.CONFLICT, what, detail, code=REFUSED_CARD)
        return got

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

    def given_back(self, payment: PaidInvoice) -> GivenBack | Problem:
        """How much of a payment was given back, by credit notes or by refunds.

        Refunds are asked for where credit notes do not tell all; `GET /v1/invoice_payments`, `GET /v1/refunds`.
        """
        if payment.credited_cents >= payment.amount_cents:
            return GivenBack(payment.credited_cents)
        returned = pending = 0
        paid: Any = {"invoice": payment.id, "status": "paid", "limit": PAGE}
        try:
            for raw in self._v1.invoice_payments.list(paid).to_dict()["data"]:
                by = raw["payment"]["type"]
                if by not in ("payment_intent", "charge"):
                    continue
                of: Any = {by: raw["payment"][by], "limit": PAGE}
                refunds = self._v1.refunds.list(of).to_dict()["data"]
                returned += sum(one["amount"] for one in refunds if one["status"] == "succeeded")
                pending += sum(one["amount"] for one in refunds if one["status"] in ("pending", "requires_action"))
        except stripe.StripeError as error:
            return problem_of(error, REFUNDS_UNREAD)
        except MALFORMED as error:
            return malformed(error, REFUNDS_UNREAD)
        # A credit note may have made the refund itself, so the two do not add up.
        return GivenBack(max(returned, payment.credited_cents), pending)

    def refunded(self, customer: str) -> frozenset[str] | Problem:
        """The invoices of a customer that a refund was made of, arrived or not; `GET /v1/charges` and their invoices.

        Charges tell it for all of them at once; only the few that were refunded are asked about further.
        """
        found: set[str] = set()
        try:
            charges: Any = {"customer": customer, "limit": PAGE}
            for number, raw in enumerate(self._v1.charges.list(charges).auto_paging_iter()):
                charge = raw.to_dict()
                if charge["amount_refunded"] and charge.get("payment_intent"):
                    by = {"type": "payment_intent", "payment_intent": charge["payment_intent"]}
                    paid: Any = {"payment": by, "limit": PAGE}
                    found |= {one["invoice"] for one in self._v1.invoice_payments.list(paid).to_dict()["data"]}
                if number + 1 >= MOST:
                    break
        except stripe.StripeError as error:
            return problem_of(error, REFUNDS_UNREAD)
        except MALFORMED as error:
            return malformed(error, REFUNDS_UNREAD)
        return frozenset(found)

    def owed(self, subscription_id: str) -> Owed | Problem | None:
        """All that is open of a subscription, None when nothing is; `GET /v1/invoices`."""
        what = "What is open at Stripe could not be read"
        params: Any = {"subscription": subscription_id, "status": "open", "limit": PAGE}
        rows: list[dict[str, Any]] = []
        try:
            for raw in self._v1.invoices.list(params).auto_paging_iter():
                rows.append(raw.to_dict())
                if len(rows) >= MOST:
                    break
            rows = [one for one in rows if one["amount_remaining"] > 0]
            if not rows:
                return None
            oldest = min(rows, key=lambda one: (one["created"], one["id"]))
            page = oldest.get("hosted_invoice_url")
            safe = page if page and self._gateway.may_open(page) else None
            due = sum(one["amount_remaining"] for one in rows)
            return Owed(due, oldest["currency"].upper(), len(rows), oldest["id"], safe)
        except stripe.StripeError as error:
            return problem_of(error, what)
        except MALFORMED as error:
            return malformed(error, what)

    def void_open(self, subscription_id: str) -> Problem | None:
        """Void all that is open of a subscription, so that no link to it takes money any more.

        `GET /v1/invoices`, `POST /v1/invoices/{id}/void`. One that is paid meanwhile is refused by Stripe, and told.
        """
        what = "What is open at Stripe could not be made void"
        params: Any = {"subscription": subscription_id, "status": "open", "limit": PAGE}
        try:
            for one in list(self._v1.invoices.list(params).auto_paging_iter()):
                self._v1.invoices.void_invoice(one.id)
        except stripe.StripeError as error:
            return problem_of(error, what)
        except MALFORMED as error:
            return malformed(error, what)
        return None

    def _one(self, what: str, ask: Any) -> StripeSubscription | Problem:
        try:
            raw: dict[str, Any] = ask().to_dict()
            items = raw["items"]["data"]
            item = items[0] if items else {}  # sold here, each has one price
            price = item.get("price") or {}
            each = price.get("unit_amount")
            method = raw.get("default_payment_method")
            why = (raw.get("cancellation_details") or {}).get("reason")
            return StripeSubscription(
                id=raw["id"],
                status=raw["status"],
                cancel_at=_at(raw.get("cancel_at")),
                at_period_end=raw["cancel_at_period_end"],
                starts_at=_at(item.get("current_period_start")),
                renews_at=_at(item.get("current_period_end")),
                ended_at=_at(raw.get("ended_at")),
                livemode=raw["livemode"],
                customer=raw["customer"] if isinstance(raw.get("customer"), str) else None,
                amount_cents=None if each is None else each * item.get("quantity", 1),
                currency=None if each is None else price["currency"].upper(),
                ended_unpaid=why == "payment_failed",
                lago_end=(raw.get("metadata") or {}).get(LAGO_END, NO_END),
                payment_method=method if isinstance(method, str) else None,
            )
        except stripe.StripeError as error:
            return problem_of(error, what)
        except MALFORMED as error:
            return malformed(error, what)


def over_at_stripe(gateway: StripeGateway | None, attempts: Attempts, current: Current) -> Current:
    """What is held, with a mark where Stripe says otherwise than Lago: that it is over, goes on, takes another price.

    Stripe is asked only about plans that it collected for and that end in Lago, have another price there than was sold,
    or of which the books were last seen to differ.
    """
    if gateway is None:
        return current
    sold = {one.subscription_id: one for one in attempts.running(current.customer_id)}

    def marked(one: Subscription) -> Subscription:
        attempt = sold.get(one.external_id)
        if attempt is None or one.lago_id != attempt.lago_subscription_id:
            return one
        same = (one.amount_cents, one.currency) == (attempt.amount_cents, attempt.currency)
        if one.ending_at is None and same and UNEQUAL not in str(attempt.note):
            return one
        held = StripeSubscriptions(gateway).read(str(attempt.stripe_subscription_id))
        if isinstance(held, Problem):
            return replace(one, stripe_unsure="unknown")
        takes = None
        if held.amount_cents is not None and (held.amount_cents, held.currency) != (one.amount_cents, one.currency):
            takes = major_units(held.amount_cents, held.currency)
        unconfirmed = one.ending_at is not None and not held.over and held.cancel_at is None
        return replace(
            one,
            over_at_stripe=one.ending_at is not None and held.over,
            stripe_unsure="unconfirmed" if unconfirmed else None,
            stripe_takes=None if takes is None else (takes, str(held.currency)),
        )

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
        credited_cents=raw["post_payment_credit_notes_amount"],
    )
