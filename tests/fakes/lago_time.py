"""Lago's calendar: the dates of a new subscription, and what happens to it as time goes by."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fakes.lago import FakeLago

DAYS = {"weekly": 7, "monthly": 30, "quarterly": 90, "semiannual": 180, "yearly": 365}


def dates(plan: dict[str, Any], now: datetime, status: str) -> dict[str, Any]:
    """The dates of a subscription that starts now."""
    until = now + timedelta(days=DAYS[plan["interval"]])
    return {
        "created_at": iso(now),
        "started_at": iso(now) if status == "active" else None,
        "subscription_at": iso(now),
        "current_billing_period_started_at": iso(now),
        "current_billing_period_ending_at": iso(until - timedelta(seconds=1)),
    }


def travel(lago: FakeLago, days: int) -> None:
    """Let time pass: what is due renews, ends, or gives way to the plan that was to follow."""
    with lago.lock:
        assert lago.now is not None
        lago.now += timedelta(days=days)
        for one in [each for each in lago.subscriptions if each["status"] == "active"]:
            ends = one["ending_at"] and datetime.fromisoformat(one["ending_at"])
            while one["status"] == "active":
                until = datetime.fromisoformat(one["current_billing_period_ending_at"]) + timedelta(seconds=1)
                if ends and ends <= lago.now and ends <= until:
                    one["status"], one["terminated_at"] = "terminated", iso(ends)
                elif until > lago.now:
                    break
                else:
                    _renew(lago, one, until)


def _renew(lago: FakeLago, one: dict[str, Any], until: datetime) -> None:
    following = [
        each for each in lago.subscriptions if each["external_id"] == one["external_id"] and each["status"] == "pending"
    ]
    if following:
        one["status"], one["terminated_at"] = "terminated", iso(until)
        following[0].update(dates(lago.plan_of(following[0]["plan_code"]), until, "active"), status="active")
        following[0]["previous_plan_code"] = one["plan_code"]
        one = following[0]
    else:
        plan = lago.plan_of(one["plan_code"])
        one["current_billing_period_started_at"] = iso(until)
        length = timedelta(days=DAYS[plan["interval"]])
        one["current_billing_period_ending_at"] = iso(until + length - timedelta(seconds=1))
    lago.bill_period(one, at=until)


def iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
