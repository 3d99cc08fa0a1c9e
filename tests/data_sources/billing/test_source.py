import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from data_sources.billing.doorway import Doorway
from data_sources.billing.types import Current, Plan, PlanList
from data_sources.principal import Principal
from data_sources.result import Empty, Failed, NotConfigured, Ready, Result, utc_now
from tests.data_sources.billing.conftest import ANNA, House
from tests.data_sources.billing.steps import answered, buy


def codes(result: Result[PlanList]) -> list[str]:
    assert isinstance(result, Ready), result
    return [plan.code for plan in result.value.plans]


def current(result: Result[Current]) -> Current:
    assert isinstance(result, Ready), result
    return result.value


def test_plans_come_from_every_page_of_lago(house: House) -> None:
    assert codes(house.source().plans()) == ["starter", "team", "team-yearly", "business", "enterprise"]


def test_when_lago_goes_down_the_last_good_plans_stay_and_are_called_stale(house: House) -> None:
    source = house.source()
    good = source.plans()
    house.lago.fail("500")
    stale = source.plans()
    assert isinstance(good, Ready)
    assert isinstance(stale, Ready)
    assert stale.value == good.value
    assert stale.stale is not None
    assert stale.provenance.fetched_at == good.provenance.fetched_at
    house.lago.heal()
    again = source.plans()
    assert isinstance(again, Ready)
    assert again.stale is None


def test_without_a_last_good_answer_a_lago_that_is_down_is_a_failure(house: House) -> None:
    house.lago.fail("html")
    assert isinstance(house.source().plans(), Failed)


def test_no_plan_on_offer_is_an_empty_answer_and_not_the_last_one(house: House) -> None:
    source = house.source()
    source.plans()
    house.lago.plans = []
    assert isinstance(source.plans(), Empty)
    house.lago.fail("500")
    assert isinstance(source.plans(), Failed)


def test_visitors_cannot_make_the_console_hammer_lago(house: House) -> None:
    source = house.source()
    for _ in range(5):
        source.plans(max_age_s=60)
    assert len(house.lago.requests("GET", "/api/v1/plans")) == 3  # three pages, once


def test_visitors_never_wait_for_a_slow_lago_once_there_is_an_answer(house: House) -> None:
    source = house.source(lago=house.client(timeout_s=(1.0, 5.0)))
    source.plans()
    house.lago.fail("slow", delay_s=5.0)
    asking = threading.Thread(target=source.plans)
    asking.start()
    deadline = time.monotonic() + 5
    while not source._lock.locked() and time.monotonic() < deadline:
        threading.Event().wait(0.005)
    assert codes(source.plans(max_age_s=0.001))
    assert asking.is_alive()
    house.lago._closing.set()
    asking.join()


def test_a_member_sees_the_subscription_of_the_own_organization_only(house: House) -> None:
    house.lago.subscribe("org-acme", "team")
    house.lago.subscribe("org-other", "business")
    source = house.source(only_customer="org-other")
    member = Principal("link:anna", "member", "acme")
    got = current(source.current(source.buyer(member)))
    assert [one.plan_code for one in got.subscriptions] == ["team"]


def test_an_admin_sees_the_customer_that_the_operator_named_or_none(house: House) -> None:
    admin = Principal("token:admin", "admin")
    assert house.source().buyer(admin) is None
    named = house.source(only_customer="acme-gmbh").buyer(admin)
    assert named is not None
    assert named.customer_id == "acme-gmbh"
    assert isinstance(house.source().current(None), Empty)


def test_a_member_without_an_organization_is_nobodys_customer(house: House) -> None:
    assert house.source(only_customer="acme-gmbh").buyer(Principal("link:x", "member")) is None


def test_the_current_plan_is_told_by_code_and_interval(house: House) -> None:
    house.lago.subscribe("org-acme", "team-yearly")
    source = house.source()
    got = current(source.current(ANNA))
    plans = source.plans()
    assert isinstance(plans, Ready)
    assert [plan.code for plan in plans.value.plans if got.holds(plan)] == ["team-yearly"]


def test_a_plan_of_the_same_code_with_another_interval_is_not_the_current_one(house: House) -> None:
    house.lago.subscribe("org-acme", "team")
    got = current(house.source().current(ANNA))
    team = house.client().plan("team")
    assert isinstance(team, Plan)
    assert got.holds(team)
    assert not got.holds(replace(team, interval="yearly"))


def test_a_subscription_that_waits_for_its_payment_marks_no_card(house: House) -> None:
    house.lago.subscribe("org-acme", "team", status="incomplete")
    source = house.source()
    got = current(source.current(ANNA))
    team = house.client().plan("team")
    assert [one.status for one in got.subscriptions] == ["incomplete"]
    assert not got.holds(team)


def test_every_active_subscription_is_listed(house: House) -> None:
    house.lago.subscribe("org-acme", "team", external_id="a")
    house.lago.subscribe("org-acme", "business", external_id="b")
    assert len(current(house.source().current(ANNA)).subscriptions) == 2


def test_a_customer_whom_lago_does_not_know_has_no_plan_yet(house: House) -> None:
    assert isinstance(house.source().current(ANNA), Empty)


def test_a_plan_that_was_started_here_and_has_ended_is_named_with_its_day(house: House) -> None:
    source = house.source()
    answered(buy(source, "starter"))
    (row,) = house.lago.subscriptions
    row |= {"status": "terminated", "terminated_at": "2027-02-28T12:00:00Z"}
    source.plans()
    got = source.current(ANNA)
    assert isinstance(got, Empty)
    assert got.detail.startswith("Starter ended on 28 Feb 2027. Lago has no running")
    house.lago.fail("500", "/api/v1/subscriptions/sub-org-acme")
    unknown = source.current(ANNA)
    assert isinstance(unknown, Empty)
    assert unknown.detail.startswith("Lago has no running")


def test_a_lago_that_is_down_says_nothing_about_the_current_plan(house: House) -> None:
    house.lago.subscribe("org-acme", "team")
    source = house.source()
    source.current(ANNA)
    house.lago.fail("500", "/api/v1/subscriptions")
    assert isinstance(source.current(ANNA), Failed)


def test_a_plan_that_cannot_be_read_leaves_its_name_unknown(house: House) -> None:
    house.lago.subscribe("org-acme", "team")
    house.lago.fail("500", "/api/v1/plans")
    (held,) = current(house.source().current(ANNA)).subscriptions
    assert (held.plan_name, held.interval, held.amount_cents) == (None, None, 2000)


def test_a_running_trial_ends_its_days_after_the_start(house: House) -> None:
    started = utc_now() - timedelta(days=4)
    house.lago.plan_of("team")["trial_period"] = 14.0
    house.lago.subscribe("org-acme", "team", started_at=_iso(started))
    (held,) = current(house.source().current(ANNA)).subscriptions
    assert held.trial_ends_at == started.replace(microsecond=0) + timedelta(days=14)


def test_a_trial_that_lago_says_is_over_is_over(house: House) -> None:
    house.lago.plan_of("team")["trial_period"] = 14.0
    more: dict[str, Any] = {"started_at": _iso(utc_now()), "trial_ended_at": _iso(utc_now())}
    house.lago.subscribe("org-acme", "team", **more)
    (held,) = current(house.source().current(ANNA)).subscriptions
    assert held.trial_ends_at is None


def test_without_lago_every_answer_says_what_to_set(house: House) -> None:
    source = house.source(lago=None)
    for got in (source.plans(), source.current(ANNA), source.progress(ANNA, "x"), source.returned(ANNA, "cs_1")):
        assert isinstance(got, NotConfigured)
        assert got.settings == ("OPS_LAGO_URL", "OPS_LAGO_API_KEY")


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_what_the_page_needs_of_lago_is_asked_side_by_side(house: House) -> None:
    house.lago.subscribe("org-acme", "team")
    house.lago.page_size = 100
    house.lago.gather("/api/v1", 3)  # nobody is answered before all three have asked
    plans, held, _ = house.source().shop(ANNA)
    assert isinstance(plans, Ready)
    assert current(held).subscriptions[0].plan_name == "Team"
    assert sorted(one.path for one in house.lago.asked) == [
        "/api/v1/customers/org-acme",
        "/api/v1/plans",
        "/api/v1/subscriptions",
    ]


def test_later_pages_of_plans_are_asked_for_side_by_side(house: House) -> None:
    house.lago.page_size = 1
    plans = house.source().plans()
    assert isinstance(plans, Ready)
    assert len(plans.value.plans) == 5
    pages = [one.query["page"][0] for one in house.lago.requests("GET", "/api/v1/plans")]
    assert sorted(pages) == ["1", "2", "3", "4", "5", "6", "7"]


def test_pages_that_were_there_the_last_time_are_all_asked_for_at_once(house: House) -> None:
    source = house.source()
    source.plans()
    house.lago.gather("/api/v1/plans", 3)
    again = source.plans()
    assert isinstance(again, Ready)
    assert len(again.value.plans) == 5
    house.lago.plans = house.lago.plans[:2]  # fewer by now: what was asked for too much does not count
    fewer = source.plans()
    assert isinstance(fewer, Ready)
    assert codes(fewer) == ["starter", "team"]


def test_where_questions_pile_up_the_last_plans_are_told_as_old_ones(house: House) -> None:
    source = house.source()
    good = source.plans()
    source._doorway = Doorway(at_once=0, waiting=0, patience_s=0.0)
    old = source.plans()
    assert isinstance(good, Ready)
    assert isinstance(old, Ready)
    assert old.value == good.value
    assert old.stale is not None
    assert old.stale.code == "busy"
    assert "many" not in old.stale.detail.replace("too many questions", "")
