"""The admin's view: what is open or failed and why, what was told, and who did what, from our own books."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update

from data_sources.billing import attempts as book
from data_sources.billing.attempts import Attempt
from data_sources.billing.inbox import MOST_TRIES, Delivery
from data_sources.billing.progress import ADMIN, progress_of
from data_sources.billing.source import BillingSource
from data_sources.billing.types import AuditRow, InboxView, PurchaseRow
from data_sources.result import Empty, Failed, Kind, Ready, utc_now
from data_sources.state.store import State
from tests.data_sources.billing.conftest import ANNA, EVE, House
from tests.data_sources.billing.steps import SESSION, answered, at_stripe, back, buy


def purchases(source: BillingSource) -> tuple[PurchaseRow, ...]:
    got = source.desk.purchases()
    assert isinstance(got, Ready), got
    return got.value


def log(source: BillingSource) -> list[AuditRow]:
    got = source.desk.log()
    assert isinstance(got, Ready), got
    return list(reversed(got.value))


def inbox(source: BillingSource) -> InboxView:
    got = source.desk.inbox()
    assert isinstance(got, Ready), got
    return got.value


def test_nothing_sold_is_said_in_words(house: House) -> None:
    desk = house.source().desk
    assert isinstance(desk.purchases(), Empty)
    assert isinstance(desk.log(), Empty)


def test_each_step_is_in_the_log_with_who_did_it_and_the_ids_of_that_moment(house: House) -> None:
    source = at_stripe(house)
    purchase = back(house, source).attempt_id
    source.sweeper.look(utc_now() + timedelta(seconds=90))
    house.lago.settle(paid=True)
    source.progress(ANNA, purchase)
    told = log(source)
    assert [(row.who, row.action) for row in told] == [
        (ANNA.principal_id, "opened"),
        (ANNA.principal_id, "redirected"),
        (ANNA.principal_id, "card_saved"),
        ("console", "starting"),
        ("console", "waiting"),
        (ANNA.principal_id, "started"),
    ]
    assert {(row.customer_id, row.plan_code, str(row.amount), row.currency) for row in told} == {
        ("org-acme", "business", "100.00", "USD")
    }
    assert SESSION not in told[0].ids
    assert SESSION in told[-1].ids
    assert house.lago.subscriptions[0]["lago_id"] in told[-1].ids


def test_a_step_that_somebody_else_took_first_is_not_in_the_log(house: House) -> None:
    source = at_stripe(house)
    store = book.Attempts(house.state, "late")
    attempt = store.open_for("org-acme")
    assert attempt is not None
    back(house, source)
    assert store.move(attempt, book.ABANDONED) is None
    assert "late" not in {row.who for row in log(source)}


def test_what_needs_a_person_comes_first_then_what_is_open_and_what_ended_well_is_not_there(house: House) -> None:
    source = house.source()
    for number, state in enumerate((book.STARTED, book.REFUSED, book.STUCK, book.REDIRECTED)):
        buyer = type(ANNA)(f"link:{number}", f"org-{number}", str(number), None)
        answered(buy(source, buyer=buyer))
        with house.state.session() as session:
            holds = f"org-{number}" if state in book.OPEN_STATES else None
            values = {"state": state, "open_customer": holds, "note": f"why {number}"}
            session.execute(update(Attempt).where(Attempt.customer_id == f"org-{number}").values(**values))
    shown = purchases(source)
    assert [(row.state, row.is_open, row.needs_person, row.note) for row in shown] == [
        ("stuck", False, True, "why 2"),
        ("redirected", True, False, "why 3"),
        ("refused", False, False, "why 1"),
    ]


def test_a_purchase_that_lago_started_otherwise_needs_a_person(house: House) -> None:
    source = at_stripe(house)
    with house.state.session() as session:
        note = f"{book.OTHERWISE}for 120.00 USD; you chose 100.00 USD."
        session.execute(update(Attempt).values(state=book.STARTED, open_customer=None, note=note))
    (row,) = purchases(source)
    assert row.needs_person
    assert row.title == "Business has started, but not as the customer chose it"


def test_titles_speak_to_the_buyer_and_of_the_buyer_to_an_admin() -> None:
    attempt = book.Attempt(id="a", plan_name="Business", collector="stripe", amount_cents=1, note="", change=None)
    said = {}
    for attempt.state in (book.PAID, book.HELD, book.STARTING):
        said[progress_of(attempt).title] = progress_of(attempt, ADMIN).title
    attempt.collector, attempt.change, attempt.state = "lago", book.UPGRADE, book.REFUSED
    said[progress_of(attempt).title] = progress_of(attempt, ADMIN).title
    assert said == {
        "Your payment is in": "The payment is in",
        "Business has not started, and your payment is in": "Business has not started, and the payment is in",
        "You were not moved to Business": "The customer was not moved to Business",
    }


def test_looking_again_takes_the_next_step_and_is_in_the_log(house: House) -> None:
    source = at_stripe(house)
    house.stripe.complete(SESSION)
    purchase = purchases(source)[0].attempt_id
    got = source.desk.retry("link:admin", purchase)
    assert isinstance(got, Ready)
    assert got.value.state == book.WAITING
    assert [(row.who, row.action) for row in log(source)][2:] == [
        ("link:admin", "retried"),
        ("link:admin", "card_saved"),
        ("link:admin", "starting"),
        ("link:admin", "waiting"),
    ]


def test_looking_again_says_what_is_wrong_and_never_repeats_what_is_closed(house: House) -> None:
    source = at_stripe(house)
    purchase = purchases(source)[0].attempt_id
    house.stripe.key = "another key"
    got = source.desk.retry("link:admin", purchase)
    assert isinstance(got, Failed)
    assert "Stripe refused our key" in got.problem.detail
    with house.state.session() as session:
        session.execute(update(Attempt).values(state=book.REFUSED, open_customer=None, note="The payment failed."))
    before = len(house.stripe.asked), len(house.lago.asked)
    assert isinstance(source.desk.retry("link:admin", purchase), Ready)
    assert (len(house.stripe.asked), len(house.lago.asked)) == before
    unknown = source.desk.retry("link:admin", "made-up")
    assert isinstance(unknown, Failed)
    assert unknown.problem.kind is Kind.NOT_FOUND


def test_what_keeps_a_purchase_from_going_on_stands_in_its_row_until_it_does(house: House) -> None:
    source = at_stripe(house)
    house.stripe.complete(SESSION)
    house.lago.fail("500")
    source.sweeper.look(utc_now() + timedelta(seconds=90))
    (row,) = purchases(source)
    assert (row.state, row.title) == (book.CARD_SAVED, "The card is saved")
    assert str(row.note).startswith(f"{book.STALLED}Cards on file could not be read. Lago ")
    before = row.updated_at
    assert isinstance(source.desk.retry("link:admin", row.attempt_id), Failed)
    assert [(one.note, one.updated_at) for one in purchases(source)] == [(row.note, before)]
    house.lago.heal()
    got = source.desk.retry("link:admin", row.attempt_id)
    assert isinstance(got, Ready)
    assert got.value.title == "org-acme: Confirming payment…"
    assert got.value.message.startswith("org-acme reads: “Waiting for Lago to confirm it. You have not been moved")
    assert purchases(source)[0].note is None


def test_a_page_at_stripe_is_not_called_unfinished_before_it_is_looked_at(house: House) -> None:
    source = at_stripe(house)
    house.stripe.complete(SESSION)
    (row,) = purchases(source)
    assert row.title == "At Stripe's page"
    assert "not known here" in str(row.note)
    house.stripe.fail("500")
    failed = source.desk.retry("link:admin", row.attempt_id)
    assert isinstance(failed, Failed)
    assert failed.problem.detail.endswith("Nothing is known to have changed. Try again in a moment.")
    source.sweeper.look(utc_now() + timedelta(seconds=90))
    (row,) = purchases(source)
    assert row.title == "At Stripe's page"
    assert "could not be read" in str(row.note)


def test_why_a_purchase_was_given_up_is_said_in_words(house: House) -> None:
    source = at_stripe(house)
    for note, words in (
        ("HTTP 401", "Stripe answered HTTP 401 when its page was to be opened."),
        ("replaced", "A plan was selected anew, and this purchase gave way to it."),
    ):
        with house.state.session() as session:
            session.execute(update(Attempt).values(state=book.ABANDONED, open_customer=None, note=note))
        assert purchases(source)[0].note == words


def test_looking_again_at_what_stays_stuck_says_why(house: House) -> None:
    house.stripe.on_card = None
    source = at_stripe(house)
    back(house, source)
    got = source.desk.retry("link:admin", purchases(source)[0].attempt_id)
    assert isinstance(got, Ready)
    assert got.value.good is None
    assert got.value.message.endswith("Look at the customer's payment methods in Lago.")


def test_the_inbox_tells_who_was_heard_when_and_what_was_given_up(house: House) -> None:
    source = house.source(stripe_webhook_secret="whsec_x")
    assert inbox(source).last == {"stripe": None, "lago": None}
    assert inbox(house.source()).last == {"lago": None}
    source.inbox.add(Delivery("stripe", "evt_1", "checkout.session.completed", SESSION))
    view = inbox(source)
    heard = view.last["stripe"]
    assert heard is not None
    assert utc_now() - heard < timedelta(minutes=1)
    (event,) = view.events
    assert (event.event_id, event.subject, event.tries, event.done_at) == ("evt_1", SESSION, 0, None)


def test_a_webhook_that_was_given_up_can_be_tried_again(house: House) -> None:
    source = at_stripe(house)
    house.stripe.complete(SESSION)
    source.inbox.add(Delivery("stripe", "evt_1", "checkout.session.completed", SESSION))
    key, house.stripe.key = house.stripe.key, "another key"
    for _ in range(MOST_TRIES):
        source.sweeper._work_off(source.inbox.latest(1)[0], utc_now())
    (event,) = inbox(source).events
    assert (event.tries, event.next_try_at) == (MOST_TRIES, None)
    house.stripe.key = key
    assert isinstance(source.desk.retry_event(event.id), Ready)
    source.sweeper.look(utc_now())
    assert inbox(source).events[0].done_at is not None
    assert isinstance(source.desk.retry_event(999), Failed)


def test_without_the_state_database_every_view_says_so(house: House) -> None:
    desk = house.source(state=State("sqlite:////nowhere/at/all/state.db")).desk
    views = (desk.purchases(), desk.inbox(), desk.log(), desk.retry("a", "b"), desk.retry_event(1))
    for got in views:
        assert isinstance(got, Failed)
        assert got.problem.kind is Kind.STORE


def test_other_organizations_are_told_apart(house: House) -> None:
    source = house.source()
    answered(buy(source))
    answered(buy(source, buyer=EVE))
    assert {(row.customer_id, row.principal_id) for row in purchases(source)} == {
        ("org-acme", ANNA.principal_id),
        ("org-other", EVE.principal_id),
    }
