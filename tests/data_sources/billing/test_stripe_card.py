"""Another card where Stripe collects: saved on its page, then charged by what runs, whoever hears of it first."""

from __future__ import annotations

from datetime import timedelta

import pytest

from data_sources.billing.account.types import CardFacts, CardView
from data_sources.billing.audit import CARD_TAKEN
from data_sources.billing.source import BillingSource
from data_sources.result import Failed, Kind, Problem, Ready, utc_now
from tests.data_sources.billing.conftest import ANNA, BEN, House
from tests.data_sources.billing.steps import SUB, answered, buy, failed, look, now_of, started, tells, told

FIRST, SECOND = "cs_test_00000001", "cs_test_00000002"


def charged_to(house: House) -> str:
    return str(house.stripe.billing.subscriptions[SUB]["default_payment_method"])


def on_file(source: BillingSource) -> CardView:
    found = source.account.card(ANNA)
    assert isinstance(found, Ready), found
    return found.value


def taken(source: BillingSource) -> int:
    log = source.desk.log()
    assert isinstance(log, Ready)
    return sum(one.action == CARD_TAKEN for one in log.value)


def test_the_card_that_stripe_charges_is_named(house: House, source: BillingSource) -> None:
    started(house, source)
    view = on_file(source)
    assert (view.by_stripe, view.can_update) == (True, True)
    assert view.card is not None
    assert view.card.facts == CardFacts("card", "visa", "0000", (2099, 12))


def test_before_anything_runs_there_is_no_card_to_change(house: House, source: BillingSource) -> None:
    house.lago.add_customer("org-acme")
    assert not on_file(source).can_update
    assert failed(source.account.update_card(ANNA)).code == "collector_mismatch"
    assert house.stripe.sessions == {}


def test_a_saved_card_is_charged_from_then_on_and_nothing_else_changes(house: House, source: BillingSource) -> None:
    started(house, source)
    held, invoices = dict(house.stripe.billing.subscriptions[SUB]), len(house.stripe.billing.invoices)
    opened = answered(source.account.update_card(ANNA))
    assert str(opened.checkout_url).endswith(FIRST)
    assert told(source.account.card_progress(ANNA, FIRST)).title == "No card was saved"
    house.stripe.complete(FIRST)
    got = told(source.account.card_progress(ANNA, FIRST))
    assert (got.title, got.good) == ("Your card is saved", True)
    assert got.message == "Stripe charges it from now on. No plan was started or changed, and nothing was charged."
    assert house.stripe.billing.subscriptions[SUB] == {**held, "default_payment_method": "pm_00000001"}
    assert len(house.stripe.billing.invoices) == invoices
    view = on_file(source)
    assert view.card is not None
    assert isinstance(view.card.facts, CardFacts)
    assert view.card.facts.last4 == "0001"
    assert told(source.account.card_progress(ANNA, FIRST)).good is True
    assert taken(source) == 1


def test_a_closed_tab_is_found_by_the_webhook(house: House, source: BillingSource) -> None:
    started(house, source)
    answered(source.account.update_card(ANNA))
    house.stripe.complete(FIRST)
    tells(source, "checkout.session.completed", FIRST)
    source.sweeper.look(utc_now())
    assert charged_to(house) == "pm_00000001"


def test_a_closed_tab_is_found_without_a_webhook_while_the_page_could_still_be_finished(
    house: House, source: BillingSource
) -> None:
    started(house, source)
    look(source)
    answered(source.account.update_card(ANNA))
    look(source, timedelta(minutes=3))
    assert charged_to(house) == "pm_00000000"
    house.stripe.complete(FIRST)
    look(source, timedelta(minutes=5))
    assert charged_to(house) == "pm_00000001"


def test_of_two_pages_the_one_that_was_opened_last_holds(house: House, source: BillingSource) -> None:
    started(house, source)
    answered(source.account.update_card(ANNA))
    answered(source.account.update_card(ANNA))
    house.stripe.complete(SECOND)
    assert told(source.account.card_progress(ANNA, SECOND)).good is True
    house.stripe.complete(FIRST)
    late = told(source.account.card_progress(ANNA, FIRST))
    assert (late.title, late.good) == ("A card was saved at Stripe", None)
    assert "Another one was saved later" in late.message
    assert charged_to(house) == "pm_00000002"


def test_both_pages_count_when_they_are_finished_in_their_order(house: House, source: BillingSource) -> None:
    started(house, source)
    answered(source.account.update_card(ANNA))
    answered(source.account.update_card(ANNA))
    for page in (FIRST, SECOND):
        house.stripe.complete(page)
        assert told(source.account.card_progress(ANNA, page)).good is True
    assert charged_to(house) == "pm_00000002"
    # The address of the first one, opened again, changes nothing.
    assert told(source.account.card_progress(ANNA, FIRST)).good is None
    assert charged_to(house) == "pm_00000002"


def test_what_an_operator_sets_at_stripe_afterwards_stays(house: House, source: BillingSource) -> None:
    started(house, source)
    answered(source.account.update_card(ANNA))
    house.stripe.complete(FIRST)
    told(source.account.card_progress(ANNA, FIRST))
    house.stripe.billing.subscriptions[SUB]["default_payment_method"] = "pm_00000000"
    for after in (timedelta(minutes=5), timedelta(hours=8)):
        look(source, after)
    told(source.account.card_progress(ANNA, FIRST))
    assert charged_to(house) == "pm_00000000"


@pytest.mark.parametrize("after", [False, True], ids=["refused", "done and its answer lost"])
def test_a_stripe_that_fails_is_told_and_asked_again(house: House, source: BillingSource, *, after: bool) -> None:
    started(house, source)
    answered(source.account.update_card(ANNA))
    house.stripe.complete(FIRST)
    house.stripe.fail("500", f"/v1/subscriptions/{SUB}", method="POST", after=after)
    assert failed(source.account.card_progress(ANNA, FIRST)).title == "The card could not be changed at Stripe"
    assert taken(source) == 0
    house.stripe.heal()
    assert told(source.account.card_progress(ANNA, FIRST)).good is True
    assert charged_to(house) == "pm_00000001"


def test_the_page_of_somebody_else_is_not_found_and_yet_its_card_is_the_customers(
    house: House, source: BillingSource
) -> None:
    started(house, source)
    answered(source.account.update_card(ANNA))
    house.stripe.complete(FIRST)
    assert failed(source.account.card_progress(BEN, FIRST)).kind is Kind.NOT_FOUND
    assert charged_to(house) == "pm_00000000"


def test_a_page_of_another_customer_of_stripes_is_never_charged(house: House, source: BillingSource) -> None:
    started(house, source)
    answered(source.account.update_card(ANNA))
    house.stripe.complete(FIRST)
    house.stripe.sessions[FIRST]["customer"] = "cus_other"
    assert told(source.account.card_progress(ANNA, FIRST)).title == "A card was saved at Stripe"
    look(source, timedelta(minutes=5))
    assert charged_to(house) == "pm_00000000"


def test_where_lago_collects_as_well_no_page_opens(house: House, source: BillingSource) -> None:
    started(house, source)
    house.lago.customers["org-acme"]["billing_configuration"]["payment_provider"] = "stripe"
    assert "charged twice" in failed(source.account.update_card(ANNA)).detail
    assert len(house.stripe.sessions) == 1


def test_an_open_charge_is_told_not_to_be_paid_by_that(house: House, source: BillingSource) -> None:
    started(house, source)
    house.stripe.billing.travel(31, pays=False)
    look(source, timedelta(hours=2))
    answered(source.account.update_card(ANNA))
    house.stripe.complete(FIRST)
    assert "What is open is not paid by that" in told(source.account.card_progress(ANNA, FIRST)).message


def test_after_the_plan_has_ended_a_saved_card_is_charged_by_nobody(house: House, source: BillingSource) -> None:
    started(house, source)
    answered(source.account.update_card(ANNA))
    house.stripe.complete(FIRST)
    house.stripe.billing.end(house.stripe.billing.subscriptions[SUB])
    look(source, timedelta(hours=7))
    assert now_of(house).state == "ended"
    assert failed(source.account.card_progress(ANNA, FIRST)).code == "collector_mismatch"
    assert charged_to(house) == "pm_00000000"


def test_a_key_that_may_not_read_cards_still_tells_that_there_is_one(house: House, source: BillingSource) -> None:
    started(house, source)
    del house.stripe.rights["Payment Methods"]
    view = on_file(source)
    assert view.card is not None
    assert isinstance(view.card.facts, Problem)
    assert "rak_payment_method_read" in view.card.facts.detail


def test_a_stripe_that_is_down_fails_this_panel_alone(house: House, source: BillingSource) -> None:
    started(house, source)
    house.stripe.fail("500")
    assert isinstance(source.account.card(ANNA), Failed)
    assert isinstance(source.account.invoices(ANNA), Ready)


def test_where_lago_charges_the_card_is_named_too(house: House) -> None:
    source = house.source()
    answered(buy(source))
    house.stripe.complete("cs_test_00000000")
    view = on_file(source)
    assert (view.by_stripe, view.card is not None) == (False, True)
    assert view.card is not None
    assert isinstance(view.card.facts, CardFacts)
    assert view.card.since is not None
