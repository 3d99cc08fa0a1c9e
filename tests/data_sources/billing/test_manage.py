"""Ending, resuming and taking back: asked first where something ends, done once, only with one's own subscription."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from data_sources.billing.account.types import Managed
from data_sources.billing.source import BillingSource
from data_sources.billing.types import Wanted
from data_sources.result import Failed, Kind, Problem, Ready, Result, utc_now
from tests.data_sources.billing.conftest import ANNA, EVE, House
from tests.data_sources.billing.steps import answered

SUB, PATH = "sub-org-acme", "/api/v1/subscriptions/sub-org-acme"


def done(result: Result[Managed]) -> Managed:
    assert isinstance(result, Ready), result
    return result.value


def problem(result: Result[Managed]) -> Problem:
    assert isinstance(result, Failed), result
    return result.problem


def ask(source: BillingSource) -> str:
    offer = done(source.account.manage(ANNA, "cancel", SUB, None)).offer
    assert offer is not None
    return offer.token


def puts(house: House) -> list[Any]:
    return [one.json["subscription"]["ending_at"] for one in house.lago.requests("PUT", PATH)]


def test_cancelling_is_asked_with_the_date_and_what_it_means(house: House) -> None:
    house.lago.subscribe("org-acme", "team")
    got = done(house.source().account.manage(ANNA, "cancel", SUB, None))
    assert got.status == "confirm"
    assert got.offer is not None
    assert got.offer.title == "Cancel Team on 1 Dec 2026?"
    assert (got.offer.verb, got.offer.keep) == ("Cancel on 1 Dec 2026", "Keep Team")
    assert "ends on 1 Dec 2026 instead of renewing" in got.offer.lines[0]
    assert puts(house) == []


TRIAL = {"trial_period": 14.0}
CHARGED = (
    ": on that day its price, 20.00 USD before tax, is charged, in proportion for the rest of the period. It renews"
)


@pytest.mark.parametrize(
    ("how", "ends_in", "told", "resumed"),
    [
        ({}, 20, "Nothing more is charged for it from that day on. Usage", "It renews on "),
        ({"pay_in_advance": False}, 20, "It is paid afterwards: its price for the period until then is ", "It renews "),
        ({"pay_in_advance": None}, 20, "Lago does not tell whether its price until then is paid already", "It renews "),
        (TRIAL, 20, "on that day its price for the rest of the period is charged, though it ends on ", CHARGED),
        (
            TRIAL | {"pay_in_advance": False},
            20,
            "its price for the days after its trial, which ends on ",
            "It is paid afterwards: its price, 20.00 USD before tax, is invoiced for the days from then on. It renews",
        ),
        (TRIAL, 10, "Its trial lasts until then, so its price is not charged.", CHARGED),
    ],
)
def test_what_is_still_charged_for_a_cancelled_plan_and_for_one_that_goes_on_again_is_said(
    house: House, how: Any, ends_in: int, told: str, resumed: str
) -> None:
    house.lago.plan_of("team").update(how)
    until = (utc_now() + timedelta(days=ends_in)).isoformat()
    house.lago.subscribe("org-acme", "team", started_at=utc_now().isoformat(), current_billing_period_ending_at=until)
    source = house.source()
    offer = done(source.account.manage(ANNA, "cancel", SUB, None)).offer
    assert offer is not None
    assert told in offer.lines[1]
    done(source.account.manage(ANNA, "cancel", SUB, offer.token))
    assert resumed in done(source.account.manage(ANNA, "resume", SUB, None)).message
    if how.get("pay_in_advance", True) is None:  # no Lago should answer so, by its own description
        house.lago.asked.clear()


def test_a_plan_ends_on_the_day_it_would_renew_so_that_every_paid_day_is_there(house: House) -> None:
    """Lago ends it on the day of `ending_at` in the customer's zone, and bills no renewal on that day."""
    house.lago.subscribe("org-acme", "team", current_billing_period_ending_at="2026-11-30T22:59:59Z")
    house.lago.customers["org-acme"]["applicable_timezone"] = "Europe/Berlin"
    source = house.source()
    got = done(source.account.manage(ANNA, "cancel", SUB, ask(source)))
    assert (got.status, got.title) == ("done", "Team ends on 1 Dec 2026")
    assert "you can resume it here" in got.message
    assert puts(house) == ["2026-11-30T23:00:00Z"]
    house.lago.subscriptions[0]["ending_at"] = "2026-12-24T23:30:00Z"  # by somebody else
    assert done(source.account.manage(ANNA, "cancel", SUB, None)).title == "Team ends on 25 Dec 2026"
    assert house.lago.held_by("org-acme") == ["team"]


def test_cancelling_twice_is_the_same_end_and_resuming_takes_it_back(house: House) -> None:
    house.lago.subscribe("org-acme", "team")
    source = house.source()
    token = ask(source)
    done(source.account.manage(ANNA, "cancel", SUB, token))
    assert done(source.account.manage(ANNA, "cancel", SUB, token)).title == "Team ends on 1 Dec 2026"
    got = done(source.account.manage(ANNA, "resume", SUB, None))
    assert (got.title, got.message) == ("Team goes on", "It renews on 1 Dec 2026.")
    assert done(source.account.manage(ANNA, "resume", SUB, None)).title == "Team goes on"
    assert puts(house) == ["2026-12-01T00:00:00Z", None]
    house.lago.subscriptions[0] |= {"next_plan_code": "starter", "downgrade_plan_date": "2026-12-01"}
    planned = problem(source.account.manage(ANNA, "resume", SUB, None))  # from a tab of before
    assert planned.code == "already_planned"
    assert planned.detail.startswith("It does not renew: the plan starter follows on 1 Dec 2026. Take that back")


def test_what_was_confirmed_must_still_be_what_is_done(house: House) -> None:
    row = house.lago.subscribe("org-acme", "team")
    source = house.source()
    token = ask(source)
    row["current_billing_period_ending_at"] = "2026-12-31T23:59:59Z"
    assert problem(source.account.manage(ANNA, "cancel", SUB, token)).code == "offer_changed"
    assert problem(source.account.manage(ANNA, "cancel", SUB, "made up")).code == "offer_changed"
    assert puts(house) == []


def test_a_planned_change_is_taken_back_and_what_runs_goes_on(house: House) -> None:
    running = house.lago.subscribe("org-acme", "business")
    house.lago.schedule(running, "team")
    source = house.source()
    assert problem(source.account.manage(ANNA, "cancel", SUB, None)).code == "already_planned"
    got = done(source.account.manage(ANNA, "undo", SUB, None))
    assert got.title == "The planned change was taken back"
    assert got.message == "Business goes on. It renews on 1 Dec 2026."
    assert house.lago.held_by("org-acme") == ["business"]
    assert house.lago.held_by("org-acme", "pending") == []
    (sent,) = house.lago.requests("DELETE", PATH)
    assert sent.query == {"status": ["pending"]}
    assert problem(source.account.manage(ANNA, "undo", SUB, None)).code == "nothing_planned"


def test_what_runs_is_never_stopped_by_taking_back_what_has_begun_meanwhile(house: House) -> None:
    running = house.lago.subscribe("org-acme", "business", next_plan_code="team")
    source = house.source()
    assert problem(source.account.manage(ANNA, "undo", SUB, None)).code == "nothing_planned"
    assert running["status"] == "active"


@pytest.mark.parametrize("action", ["cancel", "resume", "undo"])
def test_nobody_touches_the_subscription_of_another_organization(house: House, action: str) -> None:
    running = house.lago.subscribe("org-acme", "business", ending_at="2026-12-01T00:00:00Z")
    house.lago.subscribe("org-other", "team")
    got = problem(house.source().account.manage(EVE, action, SUB, None))
    assert (got.kind, got.code) == (Kind.NOT_FOUND, "subscription_not_found")
    assert running["ending_at"] == "2026-12-01T00:00:00Z"
    assert puts(house) == []
    assert house.lago.requests("DELETE", PATH) == []


def test_an_answer_that_got_lost_is_read_again_and_not_told_as_a_failure(house: House) -> None:
    house.lago.subscribe("org-acme", "team")
    source = house.source()
    token = ask(source)
    house.lago.fail("closed", PATH, method="PUT", times=1, after=True)
    assert done(source.account.manage(ANNA, "cancel", SUB, token)).title == "Team ends on 1 Dec 2026"


@pytest.mark.parametrize("action", ["resume", "undo"])
def test_where_lago_does_not_tell_afterwards_either_nobody_says_that_nothing_was_changed(
    house: House, action: str
) -> None:
    house.lago.subscribe("org-acme", "team", ending_at="2026-12-01T00:00:00Z" if action == "resume" else None)
    if action == "undo":
        house.lago.subscriptions[0]["next_plan_code"] = "starter"
    source = house.source()
    house.lago.fail("closed", PATH, method="PUT" if action == "resume" else "DELETE", times=1, after=True)
    house.lago.fail("closed", PATH, method="GET")
    got = problem(source.account.manage(ANNA, action, SUB, None))
    assert (got.title, got.code) == ("Whether it was changed is not known", "connection")


@pytest.mark.parametrize("fault", ["500", "html", "half", "slow"])
def test_a_lago_that_fails_changes_nothing_and_says_so(house: House, fault: Any) -> None:
    row = house.lago.subscribe("org-acme", "team")
    source = house.source(lago=house.client(timeout_s=(1.0, 0.2)))
    token = ask(source)
    house.lago.fail(fault, PATH, method="PUT")
    got = problem(source.account.manage(ANNA, "cancel", SUB, token))
    assert got.kind in (Kind.UPSTREAM, Kind.TIMEOUT)
    assert row["ending_at"] is None
    log = source.desk.log()
    assert isinstance(log, Ready)
    assert [one.action for one in log.value] == ["cancel failed", "cancel asked"]
    assert log.value[0].note is not None


@pytest.mark.parametrize(("action", "method"), [("cancel", "PUT"), ("resume", "PUT"), ("undo", "DELETE")])
def test_what_lago_fails_at_says_that_nothing_was_changed_and_what_to_do(
    house: House, action: str, method: str
) -> None:
    row = house.lago.subscribe("org-acme", "business", ending_at="2026-12-01T00:00:00Z" if action == "resume" else None)
    if action == "undo":
        house.lago.schedule(row, "team")
    source = house.source()
    token = ask(source) if action == "cancel" else None
    house.lago.fail("500", PATH, method=method)
    told = problem(source.account.manage(ANNA, action, SUB, token))
    assert told.detail == "Lago answered with an error. Nothing was changed. Try again in a moment."


def test_the_log_names_the_plan_that_is_taken_back(house: House) -> None:
    row = house.lago.subscribe("org-acme", "business")
    house.lago.schedule(row, "team")
    source = house.source()
    done(source.account.manage(ANNA, "undo", SUB, None))
    log = source.desk.log()
    assert isinstance(log, Ready)
    assert {(one.action, one.note) for one in log.value} == {
        ("undo asked", "takes back the plan team"),
        ("undo done", "takes back the plan team"),
    }


def test_a_date_that_lago_refuses_is_told(house: House) -> None:
    house.lago.subscribe("org-acme", "team")
    source = house.source()
    token = ask(source)
    house.lago.takes_dates = False
    assert problem(source.account.manage(ANNA, "cancel", SUB, token)).detail == (
        "Lago does not take this date. Nothing was changed. Ask your admin."
    )


def test_without_a_known_end_of_the_period_nothing_is_cancelled(house: House) -> None:
    house.lago.subscribe("org-acme", "team", current_billing_period_ending_at=None)
    assert problem(house.source().account.manage(ANNA, "cancel", SUB, None)).code == "period_unknown"


def test_while_a_payment_is_being_confirmed_nothing_is_ended(house: House) -> None:
    house.lago.subscribe("org-acme", "team", status="terminated")
    source = house.source()
    source.checkout(ANNA, Wanted("business"))
    house.stripe.complete("cs_test_00000000")
    source.returned(ANNA, "cs_test_00000000")
    source.progress(ANNA, None)
    house.lago.subscribe("org-acme", "team")
    assert problem(source.account.manage(ANNA, "cancel", SUB, None)).code == "subscription_incomplete"


def test_who_did_what_is_written_down_with_its_ids(house: House) -> None:
    row = house.lago.subscribe("org-acme", "team")
    source = house.source()
    done(source.account.manage(ANNA, "cancel", SUB, ask(source)))
    log = source.desk.log()
    assert isinstance(log, Ready)
    newest = log.value[0]
    assert (newest.who, newest.action, newest.plan_code) == ("link:anna", "cancel done", "team")
    assert set(newest.ids) == {SUB, row["lago_id"]}


def test_with_a_state_that_cannot_be_written_nothing_is_done(house: House) -> None:
    house.lago.subscribe("org-acme", "team")
    source = house.source()
    token = ask(source)
    with house.state.session() as session:
        session.connection().exec_driver_sql("DROP TABLE billing_audit")
    assert problem(source.account.manage(ANNA, "cancel", SUB, token)).kind is Kind.STORE
    assert puts(house) == []


def test_a_colleague_changes_after_a_plan_was_resumed(house: House) -> None:
    house.lago.subscribe("org-acme", "business")
    source = house.source()
    done(source.account.manage(ANNA, "cancel", SUB, ask(source)))
    done(source.account.manage(ANNA, "resume", SUB, None))
    assert answered(source.checkout(ANNA, Wanted("team"))).status == "confirm"


def test_where_stripe_collects_the_end_and_its_taking_back_are_stripes_at_once(house: House) -> None:
    """Nothing may be charged for a period that the customer has cancelled, however late the sweeper comes."""
    house.lago.plan_of("business")["charges"] = []
    source = house.source(collector="stripe")
    source.checkout(ANNA, Wanted("business"))
    house.stripe.complete("cs_test_00000000")
    source.returned(ANNA, "cs_test_00000000")
    source.progress(ANNA, None)
    (held,) = house.stripe.billing.subscriptions.values()
    done(source.account.manage(ANNA, "cancel", SUB, ask(source)))
    assert held["cancel_at"] == int(datetime(2026, 12, 1, tzinfo=UTC).timestamp())
    done(source.account.manage(ANNA, "resume", SUB, None))
    assert held["cancel_at"] is None
