"""What the subscription room speaks of: plans, subscriptions, the steps of a purchase. All frozen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, TypeAlias

from data_sources.billing.account.types import Offer
from data_sources.billing.money import major_units
from data_sources.result import Problem

Collector: TypeAlias = Literal["lago", "stripe"]

# How the id of a person of an organization begins that is the same for all of its sign-in links.
MEMBER = "member:"
MONTHS_OF: dict[str, int] = {"monthly": 1, "quarterly": 3, "semiannual": 6, "yearly": 12}


@dataclass(frozen=True, slots=True)
class Privilege:
    """One limit or switch inside an entitlement, such as seats = 10; `value` is as Lago keeps it."""

    code: str
    name: str | None
    value: int | bool | str | None


@dataclass(frozen=True, slots=True)
class Entitlement:
    """A feature that the plan grants, with its privileges."""

    code: str
    name: str | None
    privileges: tuple[Privilege, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan as Lago tells it. None means that Lago did not say.

    Attributes:
        lago_id: Lago's own id.
        code: The operator's code, unique in Lago.
        name: Its name.
        description: Its words, None when there are none.
        interval: weekly, monthly, quarterly, semiannual or yearly.
        amount_cents: Base price of one interval in the currency's smallest unit, before tax.
        currency: ISO 4217 code.
        trial_days: Days for which the base price is free.
        pay_in_advance: Whether the base price is due at the start of an interval.
        usage_charges: How many usage charges come on top.
        fixed_charges: How many fixed charges come on top.
        charges_in_advance: Whether one of those is due at the start.
        minimum_commitment_cents: The least that an interval costs, in the smallest unit.
        credits: Credits included, in the operator's words.
        features: What is in it.
        limitations: What is not.
        entitlements: What Lago's entitlements grant.
        contact_sales: Whether it is sold by talking to people.
        sales_email: Who to write to, when the plan names somebody of its own.
        yearly_code: Code of the same plan paid yearly.
        most_popular: Whether the operator recommends it.
        public: False when the operator hides it.
        pending_deletion: Whether Lago is about to remove it.
        usage_thresholds: How many amounts of usage are billed at once; None when Lago did not say.
        unreadable: What Lago did say about money, but in a form that we do not know; such a plan is not sold.
        terms: Digest of everything that decides what it costs, to see whether that has changed.
        limits: How much of a metric is in it: code of the metric, and the number.
        taxed: Whether a tax of its own adds something; None when it has none of its own.
    """

    lago_id: str
    code: str
    name: str
    description: str | None
    interval: str | None
    amount_cents: int | None
    currency: str | None
    trial_days: Decimal | None
    pay_in_advance: bool | None
    usage_charges: int | None
    fixed_charges: int | None
    charges_in_advance: bool | None
    minimum_commitment_cents: int | None
    credits: str | None
    features: tuple[str, ...]
    limitations: tuple[str, ...]
    entitlements: tuple[Entitlement, ...]
    contact_sales: bool
    sales_email: str | None
    yearly_code: str | None
    most_popular: bool
    public: bool
    pending_deletion: bool
    usage_thresholds: int | None
    unreadable: tuple[str, ...]
    terms: str
    limits: tuple[tuple[str, Decimal], ...] = ()
    taxed: bool | None = None

    @property
    def amount(self) -> Decimal | None:
        """Base price in the currency's main unit; None when price or currency is unknown."""
        return major_units(self.amount_cents, self.currency)

    @property
    def minimum_commitment(self) -> Decimal | None:
        """Minimum commitment in the currency's main unit."""
        return major_units(self.minimum_commitment_cents, self.currency)

    @property
    def is_free(self) -> bool:
        """Whether it costs nothing, for sure: no price, no charge and no minimum, all of them known."""
        return (
            self.amount_cents == 0
            and self.usage_charges == 0
            and self.fixed_charges == 0
            and self.minimum_commitment_cents in (None, 0)
            and self.usage_thresholds in (None, 0)
            and not self.unreadable
        )

    @property
    def has_trial(self) -> bool:
        """Whether the base price is free for some days at first."""
        return self.trial_days is not None and self.trial_days > 0


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that Lago lists as a plan.

    Attributes:
        plans: Those that can be read, in Lago's order.
        unread: One sentence for each that cannot, with its code or its place in the list, and why.
    """

    plans: tuple[Plan, ...]
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanList:
    """The plans on offer.

    Attributes:
        plans: In the order to show them.
        notes: One sentence for each plan that the operator might miss, for admins.
    """

    plans: tuple[Plan, ...]
    notes: tuple[str, ...] = ()

    def by_code(self, code: str) -> Plan | None:
        """The plan with this code, if it is on offer."""
        return next((plan for plan in self.plans if plan.code == code), None)


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription of a customer, as Lago tells it.

    Attributes:
        external_id: Our id of it.
        status: active, pending (starts later) or incomplete (a payment is being confirmed).
        plan_code: The plan's code.
        plan_name: The plan's name; None when the plan could not be read.
        interval: The plan's interval; None when the plan could not be read.
        amount_cents: Base price of this subscription, smallest unit.
        currency: ISO 4217 code.
        started_at: Start, UTC.
        period_ends_at: Last moment of the current billing period, UTC.
        ending_at: When it ends for good, if that is settled, UTC.
        next_plan_code: The plan that follows at `next_plan_on`.
        next_plan_on: When the next plan starts.
        trial_ends_at: End of the running trial, UTC; None when there is none or it is not known.
        lago_id: Lago's own id of it; another one after each change of plan.
        is_free: Whether it costs nothing, for sure.
        pay_in_advance: Whether its base price is due at the start of a period; None when the plan does not tell.
        over_at_stripe: Whether it ends and Stripe, which collected for it, has ended its part: nothing resumes it.
        stripe_unsure: Where it ends or its price is another than was sold: `unconfirmed` while Stripe, which collects
            for it, has no end yet, `unknown` when Stripe does not tell now.
        stripe_takes: What Stripe takes each period where Lago's price is another one, with its currency.
        plus: What is billed on top of the price, where the plan is known: "usage", "fixed charges".
        paid: Of an incomplete one, whether its payment is in and only Lago's word is waited for.
    """

    external_id: str
    status: str
    plan_code: str
    plan_name: str | None
    interval: str | None
    amount_cents: int | None
    currency: str | None
    started_at: datetime | None
    period_ends_at: datetime | None
    ending_at: datetime | None
    next_plan_code: str | None
    next_plan_on: date | None
    trial_ends_at: datetime | None
    lago_id: str | None = None
    is_free: bool = False
    pay_in_advance: bool | None = None
    over_at_stripe: bool = False
    stripe_unsure: Literal["unconfirmed", "unknown"] | None = None
    stripe_takes: tuple[Decimal, str] | None = None
    plus: tuple[str, ...] = ()
    paid: bool = False

    @property
    def amount(self) -> Decimal | None:
        """Base price in the currency's main unit."""
        return major_units(self.amount_cents, self.currency)


@dataclass(frozen=True, slots=True)
class Current:
    """What a customer is subscribed to now.

    Attributes:
        customer_id: Lago's external id of the customer.
        timezone: The customer's IANA zone in Lago, in which its days begin.
        subscriptions: Active ones first, then pending and incomplete ones.
    """

    customer_id: str
    timezone: str
    subscriptions: tuple[Subscription, ...]

    def holds(self, plan: Plan) -> bool:
        """Whether an active subscription is of this plan: the same code and the same interval."""
        return self.held(plan) is not None

    def held(self, plan: Plan) -> Subscription | None:
        """The active subscription of this plan, None when there is none."""
        return next(
            (
                one
                for one in self.subscriptions
                if one.status == "active" and one.plan_code == plan.code and one.interval == plan.interval
            ),
            None,
        )


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """A customer of Lago's, as an admin chooses it; None means that Lago does not say."""

    external_id: str
    name: str | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class CustomerList:
    """The first customers that match, and how many there are in all (None when Lago does not say)."""

    rows: tuple[CustomerRow, ...]
    total: int | None


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who buys, and for which Lago customer.

    Attributes:
        principal_id: The signed-in person.
        customer_id: Lago's external id of the paying customer.
        organization_id: The organization, None in a single-company install.
        email: Where known.
        chooses: Whether this is an admin who may choose any customer, so that what was begun for one is still found
            when another is chosen.
    """

    principal_id: str
    customer_id: str
    organization_id: str | None
    email: str | None
    chooses: bool = False

    @property
    def log_name(self) -> str:
        """Who it is for the audit log: a member by the address, which its id only stands for as a digest."""
        email = self.email.strip().casefold() if self.email is not None else ""
        return email if email and self.principal_id.startswith(MEMBER) else self.principal_id


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the reader clicked: the plan, and what was shown or confirmed (compared, never used)."""

    plan_code: str
    shown_amount_cents: int | None = None
    shown_currency: str | None = None
    shown_customer: str | None = None
    confirm: str | None = None


@dataclass(frozen=True, slots=True)
class Stops:
    """Why nothing with a price is sold to a customer now; None where that stops nothing.

    Attributes:
        runs_at_stripe: Stripe collects for the plan that runs, and Lago would for another: nothing else can be chosen.
        collector: Somebody else collects from this customer.
        tax: Lago adds tax to what has no tax of its own, or does not tell whether.
    """

    runs_at_stripe: bool = False
    collector: str | None = None
    tax: str | None = None


@dataclass(frozen=True, slots=True)
class CheckoutAnswer:
    """What follows the click.

    Attributes:
        status: `redirect` to `checkout_url`, `started`, `scheduled` for later, or `confirm` when a decision is open.
        checkout_url: Stripe's page, or our own that tells how the purchase stands.
        message: One sentence for the reader.
        offer: The decision, with `confirm`.
        purchase: The purchase to wait for, where Stripe's page is not needed.
    """

    status: Literal["redirect", "started", "scheduled", "confirm"]
    checkout_url: str | None
    message: str
    offer: Offer | None = None
    purchase: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a purchase has come.

    Attributes:
        attempt_id: The purchase.
        state: Its state in our own books.
        title: What is so.
        message: What that means and what to do, one or two sentences.
        done: Whether nothing more will happen by itself.
        good: True when the plan has started, False when it has not and will not, None while it is open.
        held_up: Why it could not be looked at now; then this is how it stood when it was last known.
    """

    attempt_id: str
    state: str
    title: str
    message: str
    done: bool
    good: bool | None
    held_up: Problem | None = None


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A purchase of the customer that is not settled: what the buttons of the page know of it.

    Attributes:
        attempt_id: The purchase; None where somebody else began it.
        plan_code: What is bought.
        plan_name: The same, as its reader knows it.
        terms: `Plan.terms` as they were chosen.
        words: How it stands and what can be done, one to three sentences.
        locks: Whether nothing else can be chosen until it is settled.
        changing: Whether Lago is being asked, so that what runs cannot be ended or resumed either.
        card_saved: Whether a card is saved for it that Lago has not taken over.
        goes_on_at_stripe: Whether selecting its plan again leads this reader to its page at Stripe.
        can_give_up: Whether this reader can give it up.
        mark: Changes with each of its steps.
    """

    attempt_id: str | None
    plan_code: str
    plan_name: str
    terms: str | None
    words: str
    locks: bool
    changing: bool
    card_saved: bool
    goes_on_at_stripe: bool
    can_give_up: bool
    mark: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A purchase that ended without a plan, perhaps unseen.

    Attributes:
        attempt_id: The purchase.
        title: What is so.
        message: What that means and what to do.
        at: When it ended, UTC.
    """

    attempt_id: str
    title: str
    message: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PurchaseRow:
    """A purchase as an admin sees it.

    Attributes:
        attempt_id: Our id.
        customer_id: Lago's external id of the customer.
        principal_id: Who bought.
        plan_name: The plan.
        amount: Its price in the currency's main unit; None when the currency's smallest unit is not known.
        currency: ISO 4217 code.
        state: Its state in our own books.
        title: How it stands, in words for an admin.
        note: Why, where there is a reason.
        is_open: Whether it holds the customer's only place.
        can_look_again: Whether another look can bring it further.
        needs_person: Whether nothing here can put it right.
        created_at: When it was begun, UTC.
        updated_at: When it last moved, UTC.
    """

    attempt_id: str
    customer_id: str
    principal_id: str
    plan_name: str
    amount: Decimal | None
    currency: str
    state: str
    title: str
    note: str | None
    is_open: bool
    can_look_again: bool
    needs_person: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class EventRow:
    """A webhook as an admin sees it; without `next_try_at` and `done_at` it was given up."""

    id: int
    source: str
    event_id: str
    kind: str
    subject: str | None
    received_at: datetime
    tries: int
    next_try_at: datetime | None
    done_at: datetime | None
    note: str | None


@dataclass(frozen=True, slots=True)
class InboxView:
    """The newest webhooks, and for each sender that can be proved when its last one came; None means never."""

    last: dict[str, datetime | None]
    events: tuple[EventRow, ...]


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One line of the audit log: who brought a purchase where, with the ids of that moment."""

    at: datetime
    who: str
    action: str
    customer_id: str
    plan_code: str | None
    amount: Decimal | None
    currency: str | None
    ids: tuple[str, ...]
    note: str | None
