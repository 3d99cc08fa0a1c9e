"""The steps of a purchase, as the tests of it take them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from data_sources.billing.attempts import Attempt
from data_sources.billing.inbox import Delivery
from data_sources.billing.source import BillingSource
from data_sources.billing.types import Buyer, CheckoutAnswer, Progress, Wanted
from data_sources.result import Failed, Problem, Ready, Result, utc_now
from tests.data_sources.billing.conftest import ANNA, House

SESSION = "cs_test_00000000"
SUB = "sub_00000000"
LATER = timedelta(seconds=90)


def told(result: Result[Progress]) -> Progress:
    assert isinstance(result, Ready), result
    return result.value


def failed(result: Result[Progress]) -> Problem:
    assert isinstance(result, Failed), result
    return result.problem


def held_up(result: Result[Progress]) -> Problem:
    """Why it could not be looked at; what was known before is told all the same."""
    assert isinstance(result, Ready), result
    assert result.stale is not None, result
    assert result.stale.detail in result.value.message
    assert not result.value.done
    return result.stale


def at_stripe(house: House, code: str = "business", **more: Any) -> BillingSource:
    source = house.source(**more)
    assert isinstance(source.checkout(ANNA, Wanted(code)), Ready)
    return source


def back(house: House, source: BillingSource, buyer: Buyer = ANNA) -> Progress:
    house.stripe.complete(SESSION)
    return told(source.returned(buyer, SESSION))


def posts(house: House) -> list[Any]:
    return [one.json["subscription"] for one in house.lago.requests("POST", "/api/v1/subscriptions")]


def age(house: House, purchase: str, by: timedelta) -> None:
    with house.state.session() as session:
        session.execute(update(Attempt).where(Attempt.id == purchase).values(updated_at=utc_now() - by))


def answered(result: Result[CheckoutAnswer]) -> CheckoutAnswer:
    assert isinstance(result, Ready), result
    return result.value


def refused(result: Result[CheckoutAnswer]) -> Problem:
    assert isinstance(result, Failed), result
    return result.problem


def buy(
    source: BillingSource, code: str = "business", buyer: Buyer | None = ANNA, **shown: Any
) -> Result[CheckoutAnswer]:
    return source.checkout(buyer, Wanted(code, **shown))


def nothing_started(house: House) -> bool:
    return house.lago.subscriptions == [] and house.lago.requests("POST", "/api/v1/subscriptions") == []


# ---- where Stripe collects


def now_of(house: House) -> Attempt:
    with house.state.session() as session:
        return session.scalars(select(Attempt).order_by(Attempt.created_at.desc()).limit(1)).one()


def pay(house: House, source: BillingSource, **more: Any) -> str:
    """The click, and a paid page; nobody has come back yet."""
    answered(buy(source))
    house.stripe.complete(SESSION, **more)
    return now_of(house).id


def started(house: House, source: BillingSource) -> str:
    purchase = pay(house, source)
    assert told(source.progress(ANNA, purchase)).good is True
    return purchase


def tells(source: BillingSource, kind: str, subject: str, event_id: str = "evt", sender: str = "stripe") -> None:
    source.inbox.add(Delivery(sender, event_id, kind, subject))


def look(source: BillingSource, after: timedelta = LATER) -> None:
    source.sweeper.look(utc_now() + after)


def refund(house: House, cents: int, invoice: int = 0, **more: Any) -> None:
    """Somebody gives money back in Stripe's dashboard."""
    number = len(house.stripe.billing.refunds)
    made = {"id": f"re_{number}", "object": "refund", "payment_intent": f"pi_{invoice:08d}", "amount": cents}
    house.stripe.billing.refunds.append({**made, "status": "succeeded", **more})
