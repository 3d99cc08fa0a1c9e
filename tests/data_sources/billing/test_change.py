"""Changing a plan: asked first in words, done once, and never otherwise than it was agreed to."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from data_sources.billing.account.types import Offer
from data_sources.billing.attempts import Attempt
from data_sources.billing.inbox import Delivery
from data_sources.billing.types import CheckoutAnswer, UnderWay, Wanted
from data_sources.result import Ready, utc_now
from tests.data_sources.billing.conftest import ANNA, BEN, EVE, House
from tests.data_sources.billing.steps import age, answered, buy, posts, refused, told
from tests.fakes import lago
from tests.fakes.lago_objects import card

SUBSCRIPTIONS = "/api/v1/subscriptions"


def runs(house: House, code: str, *, with_card: bool = True, **more: Any) -> dict[str, Any]:
    """Acme is on this plan and Stripe has its card."""
    made = house.lago.subscribe("org-acme", code, **more)
    configuration = house.lago.customers["org-acme"]["billing_configuration"]
    configuration |= {"payment_provider": "stripe", "provider_customer_id": "cus_acme"}
    house.lago.customers["org-acme"]["currency"] = "USD"
    if with_card:
        house.lago.methods["org-acme"] = [card("pm_acme")]
    return made


def offer(source: Any, code: str, buyer: Any = ANNA) -> Offer:
    got = answered(buy(source, code, buyer))
    assert got.status == "confirm"
    assert got.offer is not None
    return got.offer


def agree(source: Any, code: str, buyer: Any = ANNA) -> CheckoutAnswer:
    return answered(buy(source, code, buyer, confirm=offer(source, code, buyer).token))


def test_an_upgrade_is_asked_in_words_and_computes_no_amount(house: House) -> None:
    runs(house, "team")
    got = offer(house.source(), "business")
    assert got.title == "Switch from Team to Business now?"
    assert (got.verb, got.keep, got.warning) == ("Switch to Business", "Keep Team", None)
    words = " ".join(got.lines)
    assert "Until then Team goes on" in words
    assert "USD 100.00 monthly, before tax, less that credit. The exact amount is on the invoice." in words
    assert "80" not in words
    assert posts(house) == []
    assert house.stripe.asked == []


def test_an_upgrade_keeps_the_old_plan_until_lago_has_seen_the_payment(house: House) -> None:
    runs(house, "team")
    source = house.source()
    got = agree(source, "business")
    assert (got.status, got.purchase is not None) == ("redirect", True)
    assert got.checkout_url == f"http://127.0.0.1:8050/admin/subscription/plan?purchase={got.purchase}"
    assert "your plan goes on until then" in got.message
    assert house.lago.held_by("org-acme") == ["team"]
    (sent,) = posts(house)
    assert sent["external_id"] == "sub-org-acme"
    assert sent["activation_rules"] == [{"type": "payment", "timeout_hours": 24}]
    house.lago.settle(paid=True)
    done = told(source.progress(ANNA, got.purchase))
    assert (done.state, done.good) == ("started", True)
    assert house.lago.held_by("org-acme") == ["business"]
    assert house.stripe.asked == []


def test_an_upgrade_that_is_not_paid_leaves_everything_as_it_was(house: House) -> None:
    runs(house, "team")
    source = house.source()
    purchase = agree(source, "business").purchase
    house.lago.settle(paid=False)
    got = told(source.progress(ANNA, purchase))
    assert (got.state, got.good) == ("refused", False)
    assert got.title == "You were not moved to Business"
    assert "Your plan goes on as before. Save another card first with “Update card”" in got.message
    assert house.lago.held_by("org-acme") == ["team"]
    assert offer(source, "business").verb == "Switch to Business"


def test_a_downgrade_is_planned_for_the_end_of_the_period_and_takes_no_money(house: House) -> None:
    runs(house, "business")
    source = house.source()
    asked = offer(source, "team")
    assert asked.title == "Switch to Team on 1 Dec 2026?"
    assert (asked.verb, asked.keep) == ("Switch on 1 Dec 2026", "Keep Business")
    assert "Nothing is charged now" in asked.lines[0]
    got = answered(buy(source, "team", confirm=asked.token))
    assert (got.status, got.checkout_url) == ("scheduled", None)
    assert "It starts on 1 Dec 2026" in got.message
    assert house.lago.held_by("org-acme") == ["business"]
    assert house.lago.held_by("org-acme", "pending") == ["team"]
    assert "activation_rules" not in posts(house)[0]
    assert refused(buy(source, "team")).code == "already_planned"
    assert refused(buy(source, "starter")).code == "already_planned"


def test_a_downgrade_to_a_free_plan_waits_for_the_end_of_the_period_too(house: House) -> None:
    runs(house, "business")
    source = house.source()
    assert "It costs nothing." in offer(source, "starter").lines[1]
    assert agree(source, "starter").status == "scheduled"
    assert house.lago.held_by("org-acme") == ["business"]


def test_from_a_prepaid_year_to_a_month_is_a_change_at_once_and_warned_of(house: House) -> None:
    runs(house, "team-yearly")
    source = house.source()
    got = offer(source, "team")
    assert got.title == "Switch from Team (yearly) to Team (monthly) now?"
    assert got.warning is not None
    assert "The period that you have paid for ends now" in got.warning
    assert (got.verb, got.keep) == ("Switch to Team (monthly)", "Keep Team (yearly)")
    purchase = agree(source, "team").purchase
    house.lago.settle(paid=True)
    assert told(source.progress(ANNA, purchase)).title == "Team (monthly) has started"


def test_without_a_card_an_upgrade_leads_to_stripe_after_it_was_agreed(house: House) -> None:
    runs(house, "team", with_card=False)
    source = house.source()
    assert "You save a card on Stripe's page" in offer(source, "business").lines[2]
    got = agree(source, "business")
    assert (got.status, got.checkout_url) == ("redirect", house.stripe.only_session()["url"])
    house.lago.methods["org-acme"] = []
    house.stripe.complete("cs_test_00000000")
    purchase = told(source.returned(ANNA, "cs_test_00000000")).attempt_id
    assert told(source.progress(ANNA, purchase)).state == "waiting"
    assert house.lago.held_by("org-acme") == ["team"]
    house.lago.settle(paid=True)
    assert told(source.progress(ANNA, purchase)).good is True
    assert house.lago.held_by("org-acme") == ["business"]


def test_leaving_a_free_plan_with_a_card_on_file_speaks_of_no_credit(house: House) -> None:
    runs(house, "starter")
    words = " ".join(offer(house.source(), "business").lines)
    assert "credit" not in words
    assert "USD 100.00 monthly, before tax. The exact amount is on the invoice." in words


@pytest.mark.parametrize(
    ("how", "settled"),
    [
        ({"trial_period": 14.0}, "Team ends at that moment, and its trial with it."),
        ({"pay_in_advance": False}, "its price for the days until then is billed as well."),
    ],
)
def test_where_nothing_was_paid_ahead_nothing_is_told_to_be_credited(house: House, how: Any, settled: str) -> None:
    house.lago.plan_of("team").update(how)
    runs(house, "team", started_at=utc_now().isoformat())
    got = offer(house.source(), "business")
    assert got.lines[1].endswith(settled)
    assert "credit" not in " ".join(got.lines)


def test_a_first_plan_with_a_card_on_file_is_asked_and_needs_no_stripe(house: House) -> None:
    runs(house, "team", status="terminated")
    source = house.source()
    assert offer(source, "business").title == "Start Business?"
    got = agree(source, "business")
    assert got.purchase is not None
    house.lago.settle(paid=True)
    assert told(source.progress(ANNA, got.purchase)).good is True
    assert house.stripe.asked == []
    log = source.desk.log()
    assert isinstance(log, Ready)
    # Nobody has saved a card for it.
    assert [one.action for one in log.value] == ["started", "waiting", "starting", "opened with card on file"]


def test_what_was_confirmed_must_still_be_what_is_done(house: House) -> None:
    runs(house, "team")
    source = house.source()
    token = offer(source, "business").token
    house.lago.plan_of("business")["charges"] = []
    assert refused(buy(source, "business", confirm=token)).code == "offer_changed"
    again = offer(source, "business").token
    house.lago.subscriptions[0]["lago_id"] = "another"
    assert refused(buy(source, "business", confirm=again)).code == "offer_changed"
    assert refused(buy(source, "business", confirm="made up")).code == "offer_changed"
    planned = offer(source, "starter").token
    house.lago.subscriptions[0]["status"] = "terminated"  # nothing is asked any more, neither of it nor without a card
    assert refused(buy(source, "starter", confirm=planned)).code == "offer_changed"
    house.lago.methods.clear()
    assert refused(buy(source, "business", confirm=again)).code == "offer_changed"
    assert (posts(house), house.stripe.sessions) == ([], {})


def test_a_price_that_changed_between_the_page_and_the_click_is_refused(house: House) -> None:
    runs(house, "team")
    source = house.source()
    token = offer(source, "business").token
    house.lago.plan_of("business")["amount_cents"] = 12000
    got = refused(source.checkout(ANNA, Wanted("business", 10000, "USD", confirm=token)))
    assert got.code == "price_changed"
    assert posts(house) == []


def test_two_tabs_and_a_double_click_change_the_plan_once(house: House) -> None:
    runs(house, "team")
    source = house.source()
    mine, theirs = offer(source, "business"), offer(source, "business", BEN)
    assert answered(buy(source, "business", confirm=mine.token)).purchase is not None
    assert refused(buy(source, "business", confirm=mine.token)).code in ("already_open", "subscription_incomplete")
    assert refused(buy(source, "business", BEN, confirm=theirs.token)).code == "subscription_incomplete"
    assert len(posts(house)) == 1


@pytest.mark.parametrize("code", ["team", "business"])
def test_clicks_at_the_same_moment_change_the_plan_once(house: House, code: str) -> None:
    runs(house, "business" if code == "team" else "team")
    source = house.source()
    token = offer(source, code).token
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda _: buy(source, code, confirm=token), range(4)))
    assert sum(isinstance(one, Ready) for one in got) == 1
    assert len(posts(house)) == 1


def test_an_answer_to_a_downgrade_that_got_lost_is_found_again_and_not_asked_twice(house: House) -> None:
    runs(house, "business")
    source = house.source()
    token = offer(source, "team").token
    house.lago.fail("closed", SUBSCRIPTIONS, method="POST", times=1, after=True)
    got = answered(buy(source, "team", confirm=token))
    assert got.purchase is not None
    assert "not known yet" in got.message
    done = told(source.progress(ANNA, got.purchase))
    assert (done.state, done.good) == ("scheduled", True)
    assert "It starts on 1 Dec 2026" in done.message
    assert len(posts(house)) == 1


def test_why_lago_does_not_plan_a_change_is_told_to_its_buyer_and_to_an_admin(house: House) -> None:
    runs(house, "business")
    source = house.source()
    token = offer(source, "team").token
    house.lago.fail("500", SUBSCRIPTIONS, method="POST")
    purchase = answered(buy(source, "team", confirm=token)).purchase
    assert purchase is not None
    why = "Lago answered with an error."
    assert why in told(source.progress(ANNA, purchase)).message
    rows = source.desk.purchases()
    assert isinstance(rows, Ready)
    assert why in str(rows.value[0].note)
    one = source.under_way(BEN)
    assert isinstance(one, UnderWay)
    assert why in one.words
    age(house, purchase, timedelta(minutes=2))
    assert "Lago did not take it." in told(source.progress(ANNA, purchase)).message
    assert why in told(source.progress(ANNA, purchase)).message


def test_an_end_of_long_ago_is_not_told_as_news(house: House) -> None:
    runs(house, "business")
    source = house.source()
    agree(source, "team")
    with house.state.session() as session:
        purchase = session.scalars(select(Attempt.id)).one()
    assert "It starts on 1 Dec 2026" in told(source.progress(ANNA, purchase)).message
    age(house, purchase, timedelta(hours=2))
    old = told(source.progress(ANNA, purchase))
    assert "What runs and what is planned now stands below" in old.message
    assert (old.done, old.good) == (True, None)


@pytest.mark.parametrize("code", ["team", "business"])
def test_a_change_that_never_reached_lago_is_said_or_put_again_but_never_silent(house: House, code: str) -> None:
    """A downgrade takes no money and is simply told; an upgrade is asked again under the same id."""
    runs(house, "business" if code == "team" else "team")
    source = house.source()
    token = offer(source, code).token
    house.lago.fail("closed", SUBSCRIPTIONS, method="POST", times=1)
    purchase = answered(buy(source, code, confirm=token)).purchase
    assert purchase is not None
    assert told(source.progress(ANNA, purchase)).done is False
    age(house, purchase, timedelta(minutes=2))
    got = told(source.progress(ANNA, purchase))
    assert got.state == ("refused" if code == "team" else "waiting")
    assert len(posts(house)) == 2 if code == "business" else len(posts(house)) == 1


def test_a_webhook_that_never_comes_is_made_up_for_by_the_sweep(house: House) -> None:
    runs(house, "team")
    source = house.source()
    purchase = agree(source, "business").purchase
    assert purchase is not None
    house.lago.settle(paid=True)
    source.sweeper.look(utc_now() + timedelta(hours=2))
    row = source.desk.purchases()
    assert not isinstance(row, Ready)
    assert told(source.progress(ANNA, purchase)).state == "started"


@pytest.mark.parametrize("paid", [True, False])
def test_webhooks_repeated_out_of_order_and_too_early_tell_nothing_but_what_lago_says(house: House, paid: bool) -> None:
    runs(house, "team")
    source = house.source()
    purchase = agree(source, "business").purchase
    kinds = ("subscription.started", "subscription.terminated", "invoice.payment_failure", "subscription.started")

    def deliver(first: int) -> None:
        for number, kind in enumerate(kinds, first):
            for _ in range(2):
                source.inbox.add(Delivery("lago", f"key-{number}", kind, "org-acme"))
        source.sweeper.look(utc_now())

    deliver(0)
    assert told(source.progress(ANNA, purchase)).state == "waiting"
    house.lago.settle(paid=paid)
    deliver(10)
    assert told(source.progress(ANNA, purchase)).state == ("started" if paid else "refused")
    assert house.lago.held_by("org-acme") == ["business" if paid else "team"]
    assert len(posts(house)) == 1


def test_lago_down_after_it_was_agreed_says_so_and_goes_on_by_itself(house: House) -> None:
    runs(house, "team")
    source = house.source()
    token = offer(source, "business").token
    house.lago.fail("500", SUBSCRIPTIONS, method="POST", times=1)
    got = answered(buy(source, "business", confirm=token))
    assert "not known yet" in got.message
    house.lago.heal()
    assert got.purchase is not None
    age(house, got.purchase, timedelta(minutes=2))
    assert told(source.progress(ANNA, got.purchase)).state == "waiting"


def test_a_lago_that_changes_the_plan_unpaid_is_told_and_nothing_is_stopped(house: House) -> None:
    """Stopping it would leave the customer with nothing: the old plan has ended."""
    runs(house, "team")
    source = house.source()
    token = offer(source, "business").token
    house.lago.drops_rules = True
    got = answered(buy(source, "business", confirm=token))
    assert "needs a look" in got.message
    assert house.lago.held_by("org-acme") == ["business"]
    assert house.lago.requests("DELETE", f"{SUBSCRIPTIONS}/sub-org-acme") == []
    row = source.desk.purchases()
    assert isinstance(row, Ready)
    assert row.value[0].needs_person


def test_an_older_lago_changes_nothing(house: House) -> None:
    runs(house, "team")
    source = house.source()
    token = offer(source, "business").token
    house.lago.version = "v1.45.0"
    assert refused(buy(source, "business", confirm=token)).code == "lago_too_old"
    assert posts(house) == []


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"ending_at": "2026-12-01T00:00:00Z"}, "ends"),
        ({"next_plan_code": "starter", "downgrade_plan_date": "2026-12-01"}, "already_planned"),
        ({"plan_amount_currency": "EUR"}, "currencies_does_not_match"),
    ],
)
def test_a_plan_that_ends_or_changes_or_has_another_currency_is_not_changed(
    house: House, more: dict[str, Any], code: str
) -> None:
    runs(house, "team", **more)
    assert refused(buy(house.source(), "business")).code == code
    assert posts(house) == []


def test_of_several_subscriptions_none_is_guessed(house: House) -> None:
    runs(house, "team")
    house.lago.subscribe("org-acme", "starter", external_id="second")
    assert refused(buy(house.source(), "business")).code == "several"


def test_currencies_without_and_with_three_decimals_are_worded_with_their_own(house: House) -> None:
    small = lago.plan("klein", "Klein", 1900, amount_currency="JPY")
    large = lago.plan("gross", "Gross", 12500, amount_currency="JPY")
    dinar = [lago.plan("d1", "D1", 1500, amount_currency="KWD"), lago.plan("d2", "D2", 2500, amount_currency="KWD")]
    house.lago.plans = [small, large, *dinar, lago.plan("is", "IS", 99000, amount_currency="ISK")]
    runs(house, "klein")
    assert "JPY 12500 monthly" in offer(house.source(), "gross").lines[2]
    assert refused(buy(house.source(), "is")).code == "not_sold_here"
    house.lago.subscriptions.clear()
    runs(house, "d1")
    assert "KWD 2.500 monthly" in offer(house.source(), "d2").lines[2]


def test_nobody_changes_the_plan_of_another_organization(house: House) -> None:
    runs(house, "team")
    source = house.source()
    token = offer(source, "business").token
    assert refused(source.checkout(EVE, Wanted("business", confirm=token))).code == "offer_changed"
    got = answered(source.checkout(EVE, Wanted("business")))
    assert got.checkout_url == house.stripe.only_session()["url"]
    assert house.lago.held_by("org-acme") == ["team"]


def test_each_step_of_a_change_is_in_the_log_with_who_did_it(house: House) -> None:
    runs(house, "business")
    source = house.source()
    agree(source, "team")
    log = source.desk.log()
    assert isinstance(log, Ready)
    assert [(one.who, one.action, one.plan_code) for one in log.value] == [
        ("link:anna", "scheduled", "team"),
        ("link:anna", "starting", "team"),
    ]
    assert log.value[0].note == "on 1 Dec 2026"
