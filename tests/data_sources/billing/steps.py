"""The steps of a purchase, as the tests of it take them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import update

from data_sources.billing.attempts import Attempt
from data_sources.billing.source import BillingSource
from data_sources.billing.types import Buyer, CheckoutAnswer, Progress, Wanted
from data_sources.result import Failed, Problem, Ready, Result, utc_now
from tests.data_sources.billing.conftest import ANNA, House

SESSION = "cs_test_00000000"


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
