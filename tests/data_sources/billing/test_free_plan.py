"""A plan that costs nothing starts at once, and never becomes one that costs something."""

from __future__ import annotations

from typing import Any

import pytest

from tests.data_sources.billing.conftest import House
from tests.data_sources.billing.steps import (
    answered,
    buy,
    refused,
)


def test_a_free_plan_starts_at_once_and_without_stripe(house: House) -> None:
    got = answered(buy(house.source(stripe=None), "starter"))
    assert (got.status, got.checkout_url) == ("started", None)
    assert house.lago.held_by("org-acme") == ["starter"]
    assert house.stripe.asked == []


def test_a_free_plan_starts_once_however_often_it_is_clicked(house: House) -> None:
    source = house.source()
    answered(buy(source, "starter"))
    assert refused(buy(source, "starter")).code == "already_subscribed"
    assert house.lago.held_by("org-acme") == ["starter"]


def test_a_lost_answer_to_a_free_start_is_found_out_by_the_next_click(house: House) -> None:
    source = house.source()
    house.lago.fail("closed", "/api/v1/subscriptions", method="POST", times=1, after=True)
    lost = refused(buy(source, "starter"))
    assert lost.code == "connection"
    assert "Whether Starter has started is not known" in lost.detail
    assert refused(buy(source, "starter")).code == "already_subscribed"
    assert house.lago.held_by("org-acme") == ["starter"]


def test_a_plan_that_got_a_price_at_the_moment_of_its_start_is_stopped_again(house: House) -> None:
    post = house.lago._post_subscriptions

    def dearer(asked: Any) -> Any:
        house.lago.plan_of("starter")["amount_cents"] = 500
        return post(asked)

    house.lago._post_subscriptions = dearer
    assert refused(buy(house.source(), "starter")).code == "price_changed"
    assert house.lago.held_by("org-acme") == []


def plan_runs_at_this_moment(house: House, *, planned: bool) -> None:
    """Somebody starts Team in Lago between our look and our question, which then plans Starter for later at most."""

    def post(_: Any) -> Any:
        running = house.lago.subscribe("org-acme", "team", external_id="sub-org-acme")
        if planned:
            house.lago.subscribe("org-acme", "starter", external_id="sub-org-acme", status="pending")
            running = running | {"next_plan_code": "starter"}
        return 200, {"subscription": running}

    house.lago._post_subscriptions = post


def test_another_plan_in_lagos_answer_is_never_stopped_only_what_was_planned(house: House) -> None:
    plan_runs_at_this_moment(house, planned=True)
    got = refused(buy(house.source(), "starter"))
    assert got.code == "not_now"
    assert house.lago.held_by("org-acme") == ["team"]
    assert house.lago.held_by("org-acme", "pending") == []
    (stop,) = house.lago.requests("DELETE", "/api/v1/subscriptions/sub-org-acme")
    assert stop.query == {"status": ["pending"]}


def test_another_plan_that_runs_with_nothing_planned_is_left_as_it_is(house: House) -> None:
    plan_runs_at_this_moment(house, planned=False)
    assert refused(buy(house.source(), "starter")).code == "other_plan_runs"
    assert house.lago.held_by("org-acme") == ["team"]
    assert house.lago.requests("DELETE", "/api/v1/subscriptions/sub-org-acme") == []


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_planned_plan_that_cannot_be_taken_back_is_said_and_nothing_is_stopped(house: House, method: str) -> None:
    plan_runs_at_this_moment(house, planned=True)
    house.lago.fail("500", "/api/v1/subscriptions/sub-org-acme", method=method)
    got = refused(buy(house.source(), "starter"))
    assert got.code == "undo_failed"
    assert "Tell your admin" in got.detail
    assert house.lago.held_by("org-acme") == ["team"]
