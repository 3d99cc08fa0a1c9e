"""The paying customer: who it is, what it is subscribed to, and how its money is collected in Lago."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from data_sources.billing.lago import Json, LagoClient
from data_sources.billing.side_by_side import side_by_side
from data_sources.billing.types import MEMBER, Buyer, Current, Plan, Subscription
from data_sources.budget import left_s
from data_sources.principal import Principal
from data_sources.result import Kind, Problem, utc_now

# No customer of Lago's has an empty id.
NOBODY = ""
NOT_BOUGHT = "Nothing was bought"
_ORDER = {"active": 0, "incomplete": 1, "pending": 2}
CUSTOMER_WAIT_S = 10.0
CUSTOMER_STEP_S = 0.5
# Of the time of a click, what opening Stripe's page may need after the wait.
PAGE_S = 3.0


def buyer_of(principal: Principal, only_customer: str | None) -> Buyer | None:
    """For which Lago customer a person buys.

    Args:
        principal: Who asks.
        only_customer: The customer of a single-company install (`OPS_LAGO_CUSTOMER`).

    Returns:
        The organization's customer (`org-` + organization id); for the console's own people the only customer;
        else the one that an admin has chosen; None when there is none of these, so that nothing can be bought.
    """
    if principal.organization_id:
        customer_id = f"org-{principal.organization_id}"
        return Buyer(_member_id(principal), customer_id, principal.organization_id, principal.email)
    if only_customer and principal.role == "admin":
        return Buyer(principal.id, only_customer, None, principal.email)
    if principal.customer_id and principal.role == "admin":
        return Buyer(principal.id, principal.customer_id, None, principal.email, chooses=True)
    return None


def reader_of(principal: Principal, only_customer: str | None) -> Buyer | None:
    """Whose purchases a person may look at: like `buyer_of`, and an admin's own also while no customer is chosen."""
    buyer = buyer_of(principal, only_customer)
    if buyer is not None or principal.role != "admin":
        return buyer
    return Buyer(principal.id, NOBODY, None, principal.email, chooses=True)


def _member_id(principal: Principal) -> str:
    """The same for every sign-in link of one person, so that a new link finds the purchase that an old one began."""
    if not principal.email or not principal.email.strip():
        return principal.id
    who = f"{principal.organization_id}\n{principal.email.strip().casefold()}"
    return f"{MEMBER}{hashlib.sha256(who.encode()).hexdigest()[:40]}"


@dataclass(frozen=True, slots=True)
class Held:
    """What a customer holds, with what Lago said about it.

    Attributes:
        current: What it is subscribed to.
        customer: The customer as Lago tells it; None when Lago does not know it.
        rows: Its subscriptions as Lago tells them.
        plans: Plans of theirs that could be read, by their codes; others may be among them.
    """

    current: Current
    customer: Json | None
    rows: tuple[Json, ...]
    plans: Mapping[str, Plan]


def read_current(
    lago: LagoClient, customer_id: str, known: Callable[[], Mapping[str, Plan]] = dict
) -> Current | Problem:
    """What the customer is subscribed to; see `read_held`."""
    held = read_held(lago, customer_id, known)
    return held if isinstance(held, Problem) else held.current


def read_held(lago: LagoClient, customer_id: str, known: Callable[[], Mapping[str, Plan]] = dict) -> Held | Problem:
    """What the customer is subscribed to; a customer that Lago does not know has no subscriptions.

    Everything is asked side by side.

    Args:
        lago: Is asked.
        customer_id: Lago's external id of the customer.
        known: Gives plans by their codes, asked meanwhile; those it lacks are asked for one by one.
    """
    asks: list[Callable[[], Any]] = [
        partial(lago.customer, customer_id),
        partial(lago.subscriptions, customer_id),
        known,
    ]
    customer, rows, plans = side_by_side(asks)
    if isinstance(customer, Problem):
        return customer
    if customer is None:
        return Held(Current(customer_id, "UTC", ()), None, (), plans)
    if isinstance(rows, Problem):
        return rows
    zone = customer.get("applicable_timezone")
    codes = {str(row.get("plan_code")) for row in rows}
    lacking = sorted(codes - plans.keys())
    asked = dict(zip(lacking, side_by_side([partial(lago.plan, code) for code in lacking]), strict=True))
    # Without its plan a subscription still is one: it is listed without name and interval, and marks no card.
    held = {**plans, **{code: plan for code, plan in asked.items() if isinstance(plan, Plan)}}
    found = [read_subscription(row, held.get(str(row.get("plan_code")))) for row in rows]
    found.sort(key=lambda one: _ORDER.get(one.status, 3))
    current = Current(customer_id, zone if isinstance(zone, str) else "UTC", tuple(found))
    return Held(current, customer, tuple(rows), held)


def read_subscription(row: Json, plan: Plan | None) -> Subscription:
    """Read one subscription object of Lago; what is missing becomes None."""
    started = moment(row.get("started_at"))
    return Subscription(
        external_id=str(row.get("external_id")),
        status=str(row.get("status")),
        plan_code=str(row.get("plan_code")),
        plan_name=plan.name if plan else None,
        interval=plan.interval if plan else None,
        amount_cents=_cents(row.get("plan_amount_cents")),
        currency=row.get("plan_amount_currency") if isinstance(row.get("plan_amount_currency"), str) else None,
        started_at=started,
        period_ends_at=moment(row.get("current_billing_period_ending_at")),
        ending_at=moment(row.get("ending_at")),
        next_plan_code=row.get("next_plan_code") if isinstance(row.get("next_plan_code"), str) else None,
        next_plan_on=_day(row.get("downgrade_plan_date")),
        trial_ends_at=_trial_end(row, plan, started),
        lago_id=row.get("lago_id") if isinstance(row.get("lago_id"), str) else None,
        is_free=plan is not None and plan.is_free and row.get("plan_amount_cents") in (None, 0),
        pay_in_advance=plan.pay_in_advance if plan else None,
        plus=_plus(plan),
    )


def _plus(plan: Plan | None) -> tuple[str, ...]:
    parts = () if plan is None else (("usage", plan.usage_charges), ("fixed charges", plan.fixed_charges))
    return tuple(words for words, count in parts if count)


def ensure_customer(lago: LagoClient, buyer: Buyer, seen: Held) -> Json | Problem:
    """The buyer's customer in Lago as it was seen by this click, created if it is an organization's first purchase."""
    if seen.customer is not None:
        return seen.customer
    if buyer.organization_id is None:
        # An operator or an admin named it: a new one made by us would be a typo turned into a customer.
        detail = f"Lago does not know the customer {buyer.customer_id}, named by OPS_LAGO_CUSTOMER or by an admin."
        return Problem(Kind.CONFLICT, NOT_BOUGHT, detail, code="customer_not_found")
    fields: dict[str, Any] = {"external_id": buyer.customer_id, "name": buyer.organization_id}
    if buyer.email:
        fields["email"] = buyer.email
    return lago.upsert_customer(fields)


def stripe_customer(
    lago: LagoClient,
    buyer: Buyer,
    customer: Json,
    *,
    wait: Callable[[float], object],
    title: str = NOT_BOUGHT,
) -> str | Problem:
    """The Stripe customer that Lago charges for this buyer, connected first if it is not yet.

    Lago makes it in the background, so this waits up to 10 s, less where the click has less time. Saving a card before
    it exists would save it to nobody.

    Args:
        lago: Where the customer lives.
        buyer: Whose it is.
        customer: As Lago has just told it.
        wait: Waits for so many seconds.
        title: What does not happen when it cannot be told.
    """
    provider = _billing(customer).get("payment_provider")
    if provider not in (None, "stripe"):
        detail = f"Lago collects this customer's money through {provider}, not through Stripe. Ask your admin."
        return Problem(Kind.CONFLICT, title, detail, code="collector_mismatch")
    if provider is None:
        fields = {
            "external_id": buyer.customer_id,
            "billing_configuration": {
                "payment_provider": "stripe",
                "sync_with_provider": True,
                "provider_payment_methods": ["card"],
            },
        }
        made = lago.upsert_customer(fields)
        if isinstance(made, Problem):
            return made
        customer = made
        if _billing(customer).get("payment_provider") != "stripe":
            detail = "Lago has no connection to Stripe, so it could not charge a card. Ask your admin."
            return Problem(Kind.CONFLICT, title, detail, code="no_linked_payment_provider")
    waited_s = 0.0
    while not (found := _billing(customer).get("provider_customer_id")):
        left = left_s()
        if waited_s >= CUSTOMER_WAIT_S or (left is not None and left < PAGE_S):
            detail = "Lago has not set up the customer at Stripe yet. Nothing was charged. Try again in a minute."
            return Problem(Kind.TIMEOUT, title, detail, code="no_provider_customer", retry_after_s=60)
        wait(CUSTOMER_STEP_S)
        waited_s += CUSTOMER_STEP_S
        again = lago.customer(buyer.customer_id)
        if isinstance(again, Problem):
            return again
        if again is not None:
            customer = again
    return str(found)


def provider_customer(customer: Json) -> str | None:
    """Stripe's customer that Lago charges, as Lago has just told it."""
    found = _billing(customer).get("provider_customer_id")
    return found if isinstance(found, str) and found else None


def collected_by_lago(customer: Json) -> bool:
    """Whether Lago charges this customer through a provider of its own, so that nobody else may."""
    return _billing(customer).get("payment_provider") is not None


def _billing(customer: Json) -> Json:
    configuration = customer.get("billing_configuration")
    return configuration if isinstance(configuration, dict) else {}


def _trial_end(row: Json, plan: Plan | None, started: datetime | None) -> datetime | None:
    """End of a running trial: start + the plan's days. Only for a first plan; Lago counts earlier ones in."""
    if plan is None or plan.trial_days is None or started is None:
        return None
    if (
        row.get("trial_ended_at") is not None
        or row.get("previous_plan_code") is not None
        or row.get("status") != "active"
    ):
        return None
    ends = started + timedelta(days=float(plan.trial_days))
    return ends if plan.trial_days > Decimal(0) and ends > utc_now() else None


def moment(value: object) -> datetime | None:
    """A time of Lago as aware UTC, None when it is none."""
    try:
        read = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if read is None:
        return None
    return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def _cents(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
