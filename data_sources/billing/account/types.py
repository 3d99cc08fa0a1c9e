"""What a customer has, and what can be done with it. All frozen; None means that Lago did not say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias

from data_sources.result import Problem

if TYPE_CHECKING:
    from data_sources.billing.types import Subscription

MoveKind: TypeAlias = Literal["start", "upgrade", "downgrade", "current", "resume", "scheduled", "locked"]


@dataclass(frozen=True, slots=True)
class Move:
    """What choosing a plan means for this customer now.

    Attributes:
        kind: `start` (nothing runs), `upgrade` (Lago changes at once), `downgrade` (at the end of the period),
            `current`, `resume` (it is the current one and was told to end), `scheduled` (it follows already) or
            `locked` (it cannot be chosen now).
        held: The subscription that it is about.
        on: The day of the change, in the customer's own time zone.
        reason: Why it cannot be chosen, one or two sentences.
        code: The reason as a code.
        everywhere: Whether the reason holds for every plan, and need be said only once.
    """

    kind: MoveKind
    held: Subscription | None = None
    on: date | None = None
    reason: str | None = None
    code: str | None = None
    everywhere: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """A decision put to the reader in words.

    Attributes:
        title: The question.
        lines: What starts, what ends, what is paid and when.
        warning: What is easily overlooked.
        verb: The button that does it.
        keep: The button that leaves everything as it is.
        token: What was decided about; sent back, so that nothing else is done than what was read.
    """

    title: str
    lines: tuple[str, ...]
    warning: str | None
    verb: str
    keep: str
    token: str


@dataclass(frozen=True, slots=True)
class Managed:
    """What came of an action on a subscription.

    Attributes:
        status: `done`, or `confirm` when `offer` must be decided first.
        title: What is so now.
        message: The next step.
        offer: The decision.
        good: Whether it is so on every side; None where one has not confirmed it yet.
    """

    status: Literal["done", "confirm"]
    title: str
    message: str
    offer: Offer | None = None
    good: bool | None = True


@dataclass(frozen=True, slots=True)
class StripesPart:
    """What Stripe says of a plan that it collects for, before it is cancelled.

    Attributes:
        paid_until: Where the period ends that it was paid for, UTC; None when it does not tell.
        owes: Whether a charge of it is open.
    """

    paid_until: datetime | None
    owes: bool


@dataclass(frozen=True, slots=True)
class UsageLine:
    """Usage of one metric in the running period.

    Attributes:
        code: Lago's code of the metric.
        name: Its name.
        units: How much was used; None when Lago does not count it for this plan.
        limit: How much the plan has; None when it has no limit.
        amount: What it costs so far, in the currency's main unit.
    """

    code: str
    name: str
    units: Decimal | None
    limit: Decimal | None
    amount: Decimal | None


@dataclass(frozen=True, slots=True)
class Usage:
    """Usage of one subscription in its running period."""

    plan_name: str
    from_at: datetime | None
    to_at: datetime | None
    currency: str | None
    lines: tuple[UsageLine, ...]


@dataclass(frozen=True, slots=True)
class UsageView:
    """Usage of every active subscription whose plan has limits, and the customer's time zone."""

    usages: tuple[Usage, ...]
    timezone: str


@dataclass(frozen=True, slots=True)
class Wallet:
    """Prepaid credits.

    Attributes:
        name: Its name.
        credits: Credits left at the last invoice.
        amount: What they are worth, in the currency's main unit.
        ongoing_credits: Credits left after the usage of the running period.
        ongoing_amount: What those are worth.
        currency: ISO 4217 code.
        expires_at: When they expire, UTC; None when they do not.
    """

    name: str | None
    credits: Decimal | None
    amount: Decimal | None
    ongoing_credits: Decimal | None
    ongoing_amount: Decimal | None
    currency: str | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice as Lago tells it.

    Attributes:
        id: Lago's id.
        number: As printed.
        issued_on: Its day.
        due_on: Until when it should be paid.
        total: All of it, tax included, in the currency's main unit.
        due: What is still to be paid; None when Lago does not say.
        currency: ISO 4217 code.
        status: draft, finalized, voided, failed or pending.
        payment_status: pending, succeeded or failed.
        overdue: Whether Lago calls it overdue.
        subscription_ids: Our ids of the subscriptions that it is for; None when Lago was not asked or did not say.
        paid_by: Stripe's invoice by which it was paid, where Stripe collects; None elsewhere.
        given_back: How much of that payment was given back at Stripe; None when nothing was, as far as is known.
        coming_back: How much is on its way back; None likewise.
    """

    id: str
    number: str
    issued_on: date | None
    due_on: date | None
    total: Decimal | None
    due: Decimal | None
    currency: str | None
    status: str | None
    payment_status: str | None
    overdue: bool
    subscription_ids: tuple[str, ...] | None = None
    paid_by: str | None = None
    given_back: Decimal | None = None
    coming_back: Decimal | None = None


@dataclass(frozen=True, slots=True)
class FailedCharge:
    """A plan for which charges at Stripe have failed and are open, or were paid and are not accounted for.

    Attributes:
        plan_name: The plan.
        amount: What is open in all, in the currency's main unit; None when Stripe does not tell now.
        currency: ISO 4217 code.
        page: Stripe's page on which the oldest can be paid; None when there is none.
        subscription_id: Our id of the subscription.
        count: How many charges are open.
        state: `failing` while Stripe may try again, `given_up` when it does not and the plan goes on, `ended`, or
            `ended_unpaid` where Stripe has ended it for that; `to_put_right` when a payment came in that Lago has no
            invoice for, `other_sum` when that invoice is another sum.
    """

    plan_name: str
    amount: Decimal | None
    currency: str | None
    page: str | None
    subscription_id: str
    count: int = 1
    state: Literal["failing", "given_up", "ended", "ended_unpaid", "to_put_right", "other_sum"] = "failing"

    @property
    def is_due(self) -> bool:
        """Whether something is to be paid, and not only to be accounted for."""
        return self.state not in ("to_put_right", "other_sum")


@dataclass(frozen=True, slots=True)
class Invoices:
    """A page of invoices, the newest first.

    Attributes:
        rows: Those of the page.
        total: How many there are in all; None when Lago does not say.
        payable: Whether open ones can be paid here.
        by_stripe: Whether Stripe takes what they ask by itself.
        before: How many newer ones stand on the pages before; None when Lago does not say.
        older: Whether there is a page after it.
        backs_unread: Why it is not known what was given back of some of them at Stripe.
    """

    rows: tuple[Invoice, ...]
    total: int | None
    payable: bool = True
    by_stripe: bool = False
    before: int | None = 0
    older: bool = False
    backs_unread: Problem | None = None


@dataclass(frozen=True, slots=True)
class CardFacts:
    """By what a saved way to pay is recognized.

    Attributes:
        kind: Stripe's word: card, sepa_debit, paypal and so on.
        brand: Stripe's word for the brand of a card; None for what is no card.
        last4: Its last four digits; None where it has none.
        expires: Year and month after which it is no longer valid; None where it has no end.
    """

    kind: str
    brand: str | None
    last4: str | None
    expires: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Card:
    """A card on file.

    Attributes:
        since: When Lago took it over, UTC; None where Lago does not say or does not charge it.
        facts: By what it is recognized; why that is not known; None where Stripe was not asked.
    """

    since: datetime | None
    facts: CardFacts | Problem | None = None


@dataclass(frozen=True, slots=True)
class CardView:
    """The card that is charged, None when there is none.

    Attributes:
        card: It.
        can_update: Whether another one can be saved here.
        by_stripe: Whether Stripe itself collects, and not Lago.
        other: Of another card that was saved after it: `waits` while Stripe does not charge it yet, `refused` where
            Stripe does not take it. `over` where Stripe has ended what it charged, so that no card is.
    """

    card: Card | None
    can_update: bool
    by_stripe: bool = False
    other: Literal["waits", "refused", "over"] | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """An address to open, or why there is none yet."""

    url: str | None
    title: str
    message: str
