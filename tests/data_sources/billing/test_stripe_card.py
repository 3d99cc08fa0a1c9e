"""Another card where Stripe collects: saved on its page, then charged by what runs, whoever hears of it first."""

from __future__ import annotations

from datetime import timedelta

import pytest

from data_sources.billing.account.types import CardFacts, CardView
from data_sources.billing.audit import CARD_TAKEN
from data_sources.billing.source import BillingSource
from data_sources.billing.types import Buyer
from data_sources.result import Failed, Kind, Problem, Ready, utc_now
from tests.data_sources.billing.conftest import ANNA, BEN, House
from tests.data_sources.billing.steps import SUB, answered, buy, failed, look, now_of, started, tells, told
from tests.fakes.lago_objects import card

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
    assert "Another card is charged: of a page that was opened later, or set at Stripe." in late.message
    assert "Save it again with “Update card” to have it charged." in late.message
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
    waits = told(source.account.card_progress(ANNA, FIRST))
    assert (waits.title, waits.done) == ("Your card is saved at Stripe", False)
    assert "It is not sure yet that Stripe charges it: Stripe answered with an error." in waits.message
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
    before = len(house.stripe.requests("GET", f"/v1/checkout/sessions/{FIRST}"))
    look(source, timedelta(hours=8))
    assert len(house.stripe.requests("GET", f"/v1/checkout/sessions/{FIRST}")) == before


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


@pytest.mark.parametrize("trouble", ["another sum in Lago", "refunds that may not be read"])
def test_whatever_else_is_wrong_with_the_books_a_saved_card_is_charged(
    house: House, source: BillingSource, trouble: str
) -> None:
    started(house, source)
    if trouble == "another sum in Lago":
        house.stripe.billing.travel(31)
        row = house.lago.subscriptions[0]
        house.lago.bill_period(row, at=house.stripe.billing.now).update(total_amount_cents=12000)
        look(source, timedelta(hours=7))
        assert now_of(house).needs_person
    else:
        del house.stripe.rights["Charges and Refunds"]
    answered(source.account.update_card(ANNA))
    house.stripe.complete(FIRST)
    tells(source, "checkout.session.completed", FIRST)
    source.sweeper.look(utc_now())
    assert charged_to(house) == "pm_00000001"


def test_a_card_that_cannot_be_charged_yet_is_told_to_both_and_keeps_nothing_else_from_being_worked_off(
    house: House, source: BillingSource
) -> None:
    started(house, source)
    answered(source.account.update_card(ANNA))
    house.stripe.complete(FIRST)
    house.stripe.rights["Subscriptions"] = "read"
    house.stripe.billing.travel(31)
    house.lago.bill_period(house.lago.subscriptions[0], at=house.stripe.billing.now)
    tells(source, "invoice.paid", SUB)
    source.sweeper.look(utc_now())
    assert [one["payment_status"] for one in house.lago.invoices] == ["succeeded", "succeeded"]
    inbox = source.desk.inbox()
    assert isinstance(inbox, Ready)
    assert inbox.value.events[0].done_at is not None
    (row,) = source.desk.purchases().value
    assert row.title == "Business goes on, and a saved card is not charged yet"
    assert "it lacks rak_subscription_write" in str(row.note)
    assert on_file(source).other == "waits"
    house.stripe.rights["Subscriptions"] = "write"
    look(source, timedelta(minutes=3))  # within minutes, as it is told to be tried again
    assert charged_to(house) == "pm_00000001"
    assert now_of(house).note is None
    assert on_file(source).other is None


def test_a_card_that_stripe_refuses_is_told_once_and_not_tried_for_ever(house: House, source: BillingSource) -> None:
    started(house, source)
    answered(source.account.update_card(ANNA))
    house.stripe.complete(FIRST)
    del house.stripe.billing.methods["pm_00000001"]  # detached meanwhile
    got = told(source.account.card_progress(ANNA, FIRST))
    assert (got.title, got.done, got.good) == ("Stripe refused the card", True, False)
    assert "The card of before is charged on. Save another one" in got.message
    assert on_file(source).other == "refused"
    before = len(house.stripe.requests("POST", f"/v1/subscriptions/{SUB}"))
    for after in (timedelta(minutes=5), timedelta(hours=8)):
        look(source, after)
    assert told(source.account.card_progress(ANNA, FIRST)).title == "Stripe refused the card"
    assert len(house.stripe.requests("POST", f"/v1/subscriptions/{SUB}")) == before
    assert now_of(house).note is None
    answered(source.account.update_card(ANNA))
    assert on_file(source).other == "refused"  # it still is the last one that was saved
    house.stripe.complete(SECOND)
    assert told(source.account.card_progress(ANNA, SECOND)).good is True
    assert on_file(source).other is None
    assert "Another one is charged by now." in told(source.account.card_progress(ANNA, FIRST)).message


def test_an_older_page_that_expires_hides_no_refusal(house: House, source: BillingSource) -> None:
    started(house, source)
    answered(source.account.update_card(ANNA))
    answered(source.account.update_card(ANNA))
    house.stripe.complete(SECOND)
    del house.stripe.billing.methods["pm_00000002"]
    house.stripe.sessions[FIRST].update(status="expired", url=None)
    look(source, timedelta(minutes=5))
    assert on_file(source).other == "refused"


def test_a_card_saved_after_stripe_ended_the_plan_is_not_called_refused(house: House, source: BillingSource) -> None:
    started(house, source)
    answered(source.account.update_card(ANNA))
    house.stripe.billing.end(house.stripe.billing.subscriptions[SUB])
    assert on_file(source).other == "over"
    house.stripe.complete(FIRST)
    got = told(source.account.card_progress(ANNA, FIRST))
    assert (got.title, got.good) == ("A card was saved at Stripe", None)
    assert "Stripe has ended the plan, so no card is charged for it any more." in got.message
    assert on_file(source).other == "over"


def test_a_card_saved_for_a_plan_that_ends_promises_no_further_charge(house: House, source: BillingSource) -> None:
    started(house, source)
    answered(source.account.update_card(ANNA))
    house.stripe.billing.subscriptions[SUB].update(cancel_at_period_end=True, cancel_at=4_000_000_000)
    house.stripe.complete(FIRST)
    assert "which ends and does not renew" in told(source.account.card_progress(ANNA, FIRST)).message


def test_a_card_that_waits_is_told_while_lago_does_not_answer_as_well(house: House, source: BillingSource) -> None:
    started(house, source)
    answered(source.account.update_card(ANNA))
    house.stripe.complete(FIRST)
    house.stripe.rights["Subscriptions"] = "read"
    house.lago.fail("500")
    look(source, timedelta(minutes=3))
    (row,) = source.desk.purchases().value
    assert "it lacks rak_subscription_write" in str(row.note)
    assert on_file(source).other == "waits"
    look(source, timedelta(minutes=6))
    house.lago.heal()
    house.stripe.rights["Subscriptions"] = "write"
    look(source, timedelta(minutes=9))
    assert now_of(house).note is None


def test_everything_that_is_wrong_at_once_stands_in_whole_sentences(house: House, source: BillingSource) -> None:
    started(house, source)
    house.stripe.billing.travel(31)
    row = house.lago.subscriptions[0]
    house.lago.bill_period(row, at=house.stripe.billing.now).update(total_amount_cents=12000)
    house.stripe.billing.travel(31, pays=False)
    answered(source.account.update_card(ANNA))
    house.stripe.complete(FIRST)
    house.stripe.rights["Subscriptions"] = "read"
    look(source, timedelta(hours=7))
    note = str(now_of(house).note)
    assert note.startswith("A charge failed: 100.00 USD")
    assert "Another card is saved and not charged yet: " in note
    assert note.endswith("with the metadata stripe_invoice = in_00000001.")


def test_a_page_that_ended_unfinished_is_asked_about_no_more(house: House, source: BillingSource) -> None:
    started(house, source)
    answered(source.account.update_card(ANNA))
    house.stripe.sessions[FIRST].update(status="expired", url=None)
    look(source, timedelta(minutes=5))
    before = len(house.stripe.requests("GET", f"/v1/checkout/sessions/{FIRST}"))
    look(source, timedelta(hours=8))
    assert len(house.stripe.requests("GET", f"/v1/checkout/sessions/{FIRST}")) == before


def test_an_admin_who_has_chosen_another_customer_meanwhile_reads_whose_page_it_was(
    house: House, source: BillingSource
) -> None:
    admin = Buyer("token:admin", "org-acme", None, None, chooses=True)
    started(house, source)
    answered(source.account.update_card(admin))
    house.stripe.complete(FIRST)
    other = Buyer("token:admin", "org-other", None, None, chooses=True)
    got = told(source.account.card_progress(other, FIRST))
    assert got.title == "A card was saved at Stripe"
    assert "It is for another customer than the one chosen now." in got.message
    look(source, timedelta(minutes=5))
    assert charged_to(house) == "pm_00000001"


def test_a_card_of_a_customer_whom_lago_charges_is_not_called_stripes(house: House, source: BillingSource) -> None:
    customer = house.lago.add_customer("org-acme")
    customer["billing_configuration"] = {"payment_provider": "stripe", "provider_customer_id": "cus_lago"}
    house.lago.methods["org-acme"] = [card("pm_9999")]
    house.stripe.billing.methods["pm_9999"] = "cus_lago"
    view = on_file(source)
    assert (view.by_stripe, view.can_update) == (False, False)


def test_a_name_that_is_known_stays_while_stripe_does_not_answer(house: House) -> None:
    source = house.source()
    answered(buy(source))
    house.stripe.complete("cs_test_00000000")
    known = on_file(source)
    house.stripe.fail("500")
    assert on_file(source) == known


def test_pages_that_never_opened_do_not_count_against_how_many_may(
    house: House, source: BillingSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data_sources.billing.account.card.MOST_ATTEMPTS", 1)
    started(house, source)
    house.stripe.fail("500", "/v1/checkout/sessions", method="POST")
    failed(source.account.update_card(ANNA))
    house.stripe.heal()
    answered(source.account.update_card(ANNA))
    assert failed(source.account.update_card(ANNA)).code == "too_many"


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
