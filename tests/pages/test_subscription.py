"""What the subscription page's panels show for whom, without a browser: what may be bought, and why not."""

import shutil
import sys
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import g

from components.account import card_words
from data_sources.billing.account.types import CardView
from data_sources.billing.types import Wanted
from data_sources.principal import Principal
from data_sources.result import utc_now
from tests.fakes import lago
from tests.fakes.billing import Billing
from tests.fakes.lago_objects import tax

MEMBER = Principal("link:anna", "member", "acme")
ADMIN = Principal("token:admin", "admin")


@pytest.fixture
def billing():
    made = Billing()
    yield made
    made.close()


@pytest.fixture
def look(make_app, billing):
    """The look of a panel: `look("plans", who, collector=…)`."""

    def draw(panel, who=MEMBER, *given, **settings):
        app = make_app(**billing.settings(**settings))
        with app.server.test_request_context():
            g.principal = who
            return drawn(panel, *given)

    return draw


def drawn(panel, *given):
    """The look of a panel of the subscription page, in a request."""
    page = sys.modules["pages.subscription"]
    place = ("current_plan", "plans").index(panel) if panel in ("current_plan", "plans") else None
    return getattr(page, panel)(*given) if place is None else page.held_and_plans(*given)[place]


def words(part):
    """All words of a component tree."""
    if part is None or isinstance(part, bool):
        return ""
    if isinstance(part, str | int):
        return str(part)
    if isinstance(part, list | tuple):
        return " ".join(words(each) for each in part)
    return words(getattr(part, "children", None))


def parts(tree, **wanted):
    """Components with these properties."""
    found = [] if isinstance(tree, str) else [tree, *[each for each in tree._traverse() if not isinstance(each, str)]]
    return [one for one in found if all(getattr(one, name, None) == value for name, value in wanted.items())]


def buttons(look):
    """Code of each plan with a button -> whether it can be pressed."""
    found = [one for one in parts(look.body) if hasattr(one, "data-select-plan")]
    return {getattr(one, "data-select-plan"): not one.disabled for one in found}


def test_everything_on_offer_can_be_chosen_by_a_member_without_a_plan(look):
    drawn = look("plans")
    assert drawn.name == "ready"
    assert buttons(drawn) == {"starter": True, "team": True, "team-yearly": True, "business": True}


def test_one_button_at_most_is_ink(look):
    drawn = look("plans")
    assert len(parts(drawn.body, className="btn btn-primary")) == 1


def test_no_plan_on_offer_is_said_in_words(look, billing):
    billing.lago.plans = []
    drawn = look("plans")
    assert drawn.name == "empty"
    assert "No plans on offer" in words(drawn.body)


def test_admins_read_which_plans_are_not_shown_and_why(look, billing):
    billing.lago.plans.append(lago.plan("nameless", "", 900))
    told = words(look("plans", ADMIN, lago_customer="acme-gmbh", billing_plans="team,gone").body)
    assert "Plan nameless has no name." in told
    assert "not in Lago: gone" in told
    assert "nameless" not in words(look("plans", MEMBER).body)
    billing.lago.plans = billing.lago.plans[-1:]
    drawn = look("plans", ADMIN)
    assert drawn.name == "empty"
    assert "Plan nameless has no name." in words(drawn.body)
    billing.lago.asked.clear()  # what it answered here is wrong on purpose


def test_without_stripe_paid_plans_say_what_to_set_and_free_ones_work(look):
    drawn = look("plans", stripe_api_key=None, stripe_api_base=None)
    assert buttons(drawn) == {"starter": True, "team": False, "team-yearly": False, "business": False}
    assert "OPS_STRIPE_API_KEY" in words(drawn.body)


def test_where_stripe_collects_only_flat_prices_can_be_chosen_and_the_others_say_why(look, billing):
    billing.lago.plan_of("business")["charges"] = []
    drawn = look("plans", billing_collector="stripe")
    assert buttons(drawn) == {"starter": True, "team": False, "team-yearly": False, "business": True}
    assert "which can take a flat price only. Ask whoever runs this console for it." in words(drawn.body)
    billing.lago.taxes = [tax(19.0, organization=True)]
    drawn = look("plans", billing_collector="stripe")
    assert buttons(drawn) == {"starter": True, "team": False, "team-yearly": False, "business": False}
    assert "Lago adds tax to what this customer pays" in words(drawn.body)


def test_an_admin_without_an_organization_sees_plans_and_why_none_can_be_bought(look):
    drawn = look("plans", ADMIN)
    assert not any(buttons(drawn).values())
    assert "OPS_LAGO_CUSTOMER" in words(drawn.body)
    assert "OPS_LAGO_CUSTOMER" in words(look("current_plan", ADMIN).body)


def test_an_admin_of_a_single_company_buys_for_the_customer_that_was_set(look, billing):
    billing.lago.subscribe("acme-gmbh", "starter")
    drawn = look("plans", ADMIN, lago_customer="acme-gmbh")
    assert [getattr(one, "data-plan") for one in parts(drawn.body, className="oc-plan current")] == ["starter"]
    assert buttons(drawn)["business"]


def labels(look):
    """Code of each plan with a button -> what the button says."""
    found = [one for one in parts(look.body) if hasattr(one, "data-select-plan")]
    return {getattr(one, "data-select-plan"): one.children for one in found}


def managed(tree):
    """What can be done with which subscription."""
    found = [one for one in parts(tree) if hasattr(one, "data-manage")]
    return [(getattr(one, "data-manage"), getattr(one, "data-subscription")) for one in found]


def test_the_buttons_know_which_way_a_change_goes_and_when(look, billing):
    billing.lago.subscribe("org-acme", "team")
    drawn = look("plans")
    assert labels(drawn) == {
        "starter": "Downgrade on 1 Dec 2026",
        "team-yearly": "Downgrade on 1 Dec 2026",
        "business": "Upgrade now",
    }
    assert all(buttons(drawn).values())
    assert "Renews 1 Dec 2026" in words(drawn.body)
    assert len(parts(drawn.body, className="btn btn-primary")) == 1


def test_a_yearly_plan_changes_to_its_monthly_twin_at_once(look, billing):
    billing.lago.subscribe("org-acme", "team-yearly")
    found = labels(look("plans"))
    assert (found["team"], found["business"]) == ("Switch now", "Switch now")


def test_a_planned_change_is_on_its_card_with_the_way_back_and_locks_the_others(look, billing):
    running = billing.lago.subscribe("org-acme", "business")
    billing.lago.schedule(running, "team")
    drawn, held = look("plans"), look("current_plan")
    assert "Starts 1 Dec 2026" in words(drawn.body)
    assert managed(drawn.body) == [("undo", "sub-org-acme")]
    assert not any(buttons(drawn).values())
    assert "Another plan is planned already" in words(drawn.body)
    assert managed(held.body) == [("undo", "sub-org-acme")]
    assert "To the plan Team." in words(held.body)
    assert words(held.body).count("Coming plan") == 0


def test_a_plan_that_ends_can_be_resumed_and_locks_the_others(look, billing):
    billing.lago.subscribe("org-acme", "team", ending_at="2026-12-01T00:00:00Z")
    drawn, held = look("plans"), look("current_plan")
    assert "Ends 1 Dec 2026" in words(drawn.body)
    assert managed(drawn.body) == [("resume", "sub-org-acme")]
    assert not any(buttons(drawn).values())
    assert "Resume it to change to another plan" in words(drawn.body)
    assert managed(held.body) == [("resume", "sub-org-acme")]
    # Resumed, it could not be changed there either.
    drawn = look("plans", billing_collector="stripe")
    assert "Team ends on 1 Dec 2026. Then choose another plan." in words(drawn.body)


def test_several_subscriptions_are_all_listed_and_each_card_is_marked(look, billing):
    billing.lago.subscribe("org-acme", "team", external_id="a")
    billing.lago.subscribe("org-acme", "business", external_id="b")
    drawn, held = look("plans"), look("current_plan")
    marked = [getattr(one, "data-plan") for one in parts(drawn.body, className="oc-plan current")]
    assert marked == ["team", "business"]
    assert "Several subscriptions run" in words(drawn.body)
    assert managed(held.body) == [("cancel", "a"), ("cancel", "b")]


def test_a_payment_that_is_being_confirmed_beside_the_old_plan_locks_everything(look, billing):
    billing.lago.subscribe("org-acme", "team")
    billing.lago.subscribe("org-acme", "business", status="incomplete")
    drawn, held = look("plans"), look("current_plan")
    assert not any(buttons(drawn).values())
    assert managed(held.body) == []
    assert "What runs until then goes on" in words(held.body)


def test_a_trial_counts_its_days_by_the_customers_calendar(look, billing):
    billing.lago.plans.append(lago.plan("t", "Trial", 1900, trial_period=14.0))
    started = utc_now() - timedelta(days=4)
    billing.lago.subscribe("org-acme", "t", started_at=f"{started:%Y-%m-%dT%H:%M:%SZ}")
    told = words(look("current_plan").body)
    assert "10 days left" in told
    assert "The base price is free until then" in told


def test_an_overdue_invoice_is_above_everything_with_its_way_to_pay(look, billing):
    billing.lago.subscribe("org-acme", "team")
    running = billing.lago.subscriptions[0]
    assert "overdue" not in words(look("current_plan").body)
    late = {"payment_overdue": True, "payment_status": "failed", "_subscription": running}
    bill = billing.lago.bill("org-acme", "OPS-7", 2000, **late)
    billing.lago.add_customer("org-other")
    billing.lago.bill("org-other", "OPS-8", 900, payment_overdue=True, payment_status="failed")
    drawn = look("current_plan")
    assert "Invoice OPS-7 is overdue since 1 Nov 2026: $20." in words(drawn.body)
    assert "Active, payment overdue" in words(drawn.body)
    assert "OPS-8" not in words(drawn.body)
    assert [getattr(one, "data-invoice-pay") for one in parts(drawn.body) if hasattr(one, "data-invoice-pay")] == [
        bill["lago_id"]
    ]


def test_an_overdue_invoice_of_another_subscription_leaves_the_one_that_is_paid_active(look, billing):
    billing.lago.subscribe("org-acme", "team", external_id="a")
    other = billing.lago.subscribe("org-acme", "business", external_id="b")
    billing.lago.bill("org-acme", "OPS-7", 2000, payment_overdue=True, payment_status="failed", _subscription=other)
    rows = [words(one) for one in parts(look("current_plan").body) if hasattr(one, "data-subscription-row")]
    assert ["Active, payment overdue" in one for one in rows] == [False, True]


def test_what_a_purchase_started_is_not_called_active_before_the_page_has_told_the_end_of_it(look, billing, make_app):
    app = make_app(**billing.settings())
    source = app.server.extensions["ops"].billing
    buyer = source.buyer(MEMBER)
    source.checkout(buyer, Wanted("business"))
    session = billing.stripe.only_session()
    billing.stripe.complete(session["id"])
    source.returned(buyer, session["id"])
    purchase = session["metadata"]["attempt_id"]
    source.progress(buyer, purchase)
    billing.lago.settle(paid=True)
    with app.server.test_request_context():
        g.principal = MEMBER
        page = sys.modules["pages.subscription"]
        held, cards = page.held_and_plans(purchase)
        assert "Payment is being confirmed" in words(held.body)
        assert parts(cards.body, className="oc-plan current") == []
        assert not any(buttons(cards).values())
        assert words(page.layout(purchase=purchase)).count("Confirming payment…") == 1
        assert "Looking up your checkout…" in words(page.layout(purchase=purchase, left="1"))
        assert "Looking up your card…" in words(page.layout(card="cs_1"))
        for nobody in (None, "made-up", 7):
            assert "Active" in words(drawn("current_plan", nobody).body)
        g.principal = replace(MEMBER, id="link:ben")
        assert "Active" in words(drawn("current_plan", purchase).body)


def test_invoices_are_paged_and_a_page_that_cannot_be_read_leaves_the_way_back(make_app, billing):
    for number in range(4):
        billing.lago.bill("org-acme", f"OPS-{number}", 2000)
    app = make_app(**billing.settings())
    with app.server.test_request_context():
        g.principal = MEMBER
        page = sys.modules["pages.subscription_account"]
        first, last = page.invoices(1), page.invoices(2)
        billing.lago.fail("500", "/api/v1/customers/org-acme/invoices")
        failed = page.invoices(3)
        ways = [
            [getattr(one, "data-invoices-page") for one in parts(drawn.body) if hasattr(one, "data-invoices-page")]
            for drawn in (first, last, failed)
        ]
    assert ways == [["", "2"], ["1", ""], ["2", ""]]
    assert "OPS-3" in words(first.body)
    assert "OPS-0" not in words(first.body)
    assert "OPS-0" in words(last.body)
    assert [first.foot, last.foot] == [
        "The newest 3 of 4. Amounts include tax.",
        "4 to 4 of 4. Amounts include tax.",
    ]
    assert failed.name == "failed"


def test_when_invoices_cannot_be_read_the_plan_still_is_and_overdue_is_unknown(look, billing):
    billing.lago.subscribe("org-acme", "team")
    billing.lago.fail("html", "/api/v1/customers/org-acme/invoices")
    drawn = look("current_plan")
    assert drawn.name == "ready"
    assert "Team" in words(drawn.body)
    assert "Whether an invoice is overdue is not known" in drawn.foot


def test_with_stripe_as_collector_a_running_paid_plan_cannot_be_changed(look, billing):
    billing.lago.subscribe("org-acme", "team")
    drawn = look("plans", billing_collector="stripe")
    assert not any(buttons(drawn).values())
    assert "cannot be changed here" in words(drawn.body)


def test_a_plan_whose_price_has_changed_says_what_its_customer_pays(look, billing):
    billing.lago.subscribe("org-acme", "business")
    assert "Yours is" not in words(look("plans").body)
    billing.lago.plan_of("business")["amount_cents"] = 13000
    assert "Yours is $100 per month, as Lago has it." in words(look("plans").body)


def test_what_cannot_be_changed_here_is_not_called_an_upgrade(look, billing):
    billing.lago.subscribe("org-acme", "team")
    assert set(labels(look("plans", billing_collector="stripe")).values()) == {"Select plan"}


@pytest.fixture
def page(make_app, billing):
    """Both panels for somebody: `page(buy="business")`, with a console that lives on between the calls."""
    app = make_app(**billing.settings())
    source = app.server.extensions["ops"].billing

    def draw(who=MEMBER, *, buy=None, shown=None):
        if buy is not None:
            source.checkout(source.buyer(who), Wanted(buy))
        with app.server.test_request_context():
            g.principal = who
            return sys.modules["pages.subscription"].held_and_plans(None, shown)

    draw.source = source
    return draw


def test_a_checkout_that_was_left_is_on_the_cards_with_its_way_on(page, billing):
    billing.lago.add_customer("org-acme")
    _, cards = page(buy="business")
    assert labels(cards)["business"] == "Continue at Stripe"
    assert labels(cards)["team"] == "Select plan"
    assert all(buttons(cards).values())
    assert "selecting another plan gives it up, too" in words(cards.body)
    assert len([one for one in parts(cards.body) if hasattr(one, "data-give-up")]) == 1
    _, cards = page(Principal("link:ben", "member", "acme"))
    assert labels(cards)["business"] == "Select plan"
    assert "Somebody else has opened Stripe's page for Business" in words(cards.body)
    assert [one for one in parts(cards.body) if hasattr(one, "data-give-up")] == []


def test_every_button_knows_a_purchase_that_lago_is_asked_for(page, billing):
    billing.lago.subscribe("org-acme", "team")
    billing.lago.customers["org-acme"]["billing_configuration"] |= {
        "payment_provider": "stripe",
        "provider_customer_id": "cus_acme",
    }
    source, buyer = page.source, page.source.buyer(MEMBER)
    offer = source.checkout(buyer, Wanted("business")).value.offer
    source.checkout(buyer, Wanted("business", confirm=offer.token))
    billing.lago.fail("500", "/api/v1/subscriptions")
    session = billing.stripe.only_session()
    billing.stripe.complete(session["id"])
    source.progress(buyer, session["metadata"]["attempt_id"])
    billing.lago.heal()
    source.progress(buyer, session["metadata"]["attempt_id"])
    held, cards = page()
    assert not any(buttons(cards).values())
    assert labels(cards)["business"] == "Under way"
    assert "Business is under way." in words(cards.body)
    assert managed(held.body) == []
    assert "Cannot be changed until the purchase is settled." in words(held.body)
    assert [getattr(one, "data-under-way", None) for one in parts(cards.body, id="subscription-cards")] != [None]


def test_a_card_that_lago_has_not_taken_over_is_not_called_no_card(page, billing, make_app):
    billing.stripe.on_card = None
    page(buy="business")
    source, buyer = page.source, page.source.buyer(MEMBER)
    session = billing.stripe.only_session()
    billing.stripe.complete(session["id"])
    source.returned(buyer, session["id"])
    _, cards = page()
    assert not any(buttons(cards).values())
    assert "Wait, or give it up." in words(cards.body)
    view = CardView(None, by_stripe=False, can_update=True)
    assert "has not taken it over yet" in words(card_words(view, saved=True))
    assert "No card is on file." in words(card_words(view))


def test_the_choice_of_monthly_or_yearly_is_kept_over_a_reading(page, billing):
    billing.lago.subscribe("org-acme", "team-yearly")
    for given, shown in ((None, "yearly"), ("monthly", "monthly"), ("nonsense", "yearly")):
        _, cards = page(shown=given)
        (grid,) = parts(cards.body, id="subscription-cards")
        (switch,) = parts(cards.body, id="subscription-interval")
        assert (getattr(grid, "data-shown"), switch.value) == (shown, shown)


def test_without_knowing_the_current_plan_nothing_can_be_bought(look, billing):
    billing.lago.add_customer("org-acme")
    billing.lago.fail("500", "/api/v1/subscriptions")
    drawn = look("plans")
    assert drawn.name == "ready"
    assert not any(buttons(drawn).values())
    assert "Subscriptions could not be read" in words(drawn.body)


def test_a_plan_with_a_trial_says_that_it_cannot_be_started_yet(look, billing):
    billing.lago.plans = [lago.plan("t", "Trial", 1900, trial_period=14.0)]
    drawn = look("plans")
    assert buttons(drawn) == {"t": False}
    assert "Plans with a trial cannot be started here yet" in words(drawn.body)
    assert "14-day trial" in words(drawn.body)


def test_contact_sales_without_an_address_says_what_to_set(look):
    assert "OPS_SALES_EMAIL" in words(look("plans", sales_email=None).body)


def test_a_coming_and_a_waiting_plan_are_told_apart_from_the_current_one(look, billing):
    billing.lago.subscribe("org-acme", "team", external_id="a")
    billing.lago.subscribe("org-acme", "business", external_id="b", status="incomplete")
    told = words(look("current_plan").body)
    assert "Active" in told
    assert "Payment is being confirmed" in told
    assert "Starts when the payment succeeds" in " ".join(told.split())


def test_an_unknown_price_of_a_subscription_is_said_and_not_zero(look, billing):
    billing.lago.subscribe("org-acme", "team", plan_amount_currency="MGA")
    told = words(look("current_plan").body)
    assert "Lago does not tell its price" in told
    assert "0 per" not in told


def test_an_admin_without_an_organization_finds_customers_and_chooses_one(look, billing):
    for name in ("acme", "other", "third", "fourth"):
        billing.lago.add_customer(f"org-{name}", name=f"{name.title()} Ltd")
    drawn = look("customers", ADMIN, None)
    assert "Nobody is chosen yet" in words(drawn.body)
    assert drawn.foot == "Showing 3 of 4. Search for the others."
    chosen = replace(ADMIN, customer_id="org-other")
    found = look("customers", chosen, "other")
    assert "You look and buy for  org-other" in words(found.body)
    assert "Choose nobody" in words(found.body)
    assert look("customers", ADMIN, "nobody like that").name == "empty"
    billing.lago.subscribe("org-other", "team")
    assert "Team" in words(look("current_plan", chosen).body)


@pytest.mark.parametrize(
    ("who", "settings", "shown"),
    [
        (ADMIN, {}, True),
        (MEMBER, {}, False),
        (replace(ADMIN, organization_id="acme"), {}, False),
        (ADMIN, {"lago_customer": "org-acme"}, False),
    ],
)
def test_the_list_of_customers_is_only_on_the_page_of_who_may_choose(look, who, settings, shown):
    assert bool(parts(look("layout", who, **settings), id="subscription-customer")) is shown


def test_a_lago_that_is_down_leaves_the_list_failed_with_its_reason(look, billing):
    billing.lago.fail("500", "/api/v1/customers")
    drawn = look("customers", ADMIN, "")
    assert drawn.name == "failed"
    assert "Customers could not be read" in words(drawn.body)


@pytest.mark.parametrize(("who", "shown"), [(MEMBER, 1), (ADMIN, 0)])
def test_a_portal_is_offered_where_there_is_a_customer_who_has_one(look, who, shown):
    assert len([one for one in parts(look("layout", who)) if hasattr(one, "data-portal")]) == shown


def test_a_customer_whom_the_other_collector_charges_has_no_button_and_is_told_why(look, billing):
    for plan in billing.lago.plans:
        plan["charges"] = []
    customer = billing.lago.add_customer("org-acme")
    customer["billing_configuration"] = {"payment_provider": "stripe", "provider_customer_id": "cus_lago"}
    drawn_cards = look("plans", billing_collector="stripe")
    assert buttons(drawn_cards) == {"starter": True, "team": False, "team-yearly": False, "business": False}
    assert "Paid here as well, it would be charged twice. Ask your admin." in words(drawn_cards.body)


def test_how_a_purchase_ended_unseen_stands_above_what_is_held(make_app, billing):
    app = make_app(**billing.settings())
    with app.server.test_request_context():
        g.principal = MEMBER
        source = app.server.extensions["ops"].billing
        source.checkout(source.buyer(MEMBER), Wanted("team"))
        billing.stripe.complete("cs_test_00000000")
        source.sweeper.look(utc_now() + timedelta(seconds=90))
        billing.lago.settle(paid=False)
        source.sweeper.look(utc_now() + timedelta(minutes=5))
        told = words(drawn("current_plan").body)
        assert "Team was not started" in told
        assert "The payment failed." in told
        assert "No plan runs" in told


def test_where_stripe_collects_for_what_runs_nothing_else_can_be_chosen_after_the_setting_changed(
    make_app, billing, tmp_path
):
    for plan in billing.lago.plans:
        plan["charges"] = []
    settings = billing.settings()
    first = make_app(**settings, billing_collector="stripe")
    source = first.server.extensions["ops"].billing
    buyer = source.buyer(MEMBER)
    source.checkout(buyer, Wanted("team"))
    billing.stripe.complete("cs_test_00000000")
    source.sweeper.look(utc_now() + timedelta(seconds=90))
    assert billing.lago.held_by("org-acme") == ["team"]
    (tmp_path / "after").mkdir()
    for part in (tmp_path / "data0").glob("state.db*"):  # with what it has not yet written into itself
        shutil.copy(part, tmp_path / "after")
    app = make_app(**settings, billing_collector="lago", data_dir=tmp_path / "after")
    with app.server.test_request_context():
        g.principal = MEMBER
        cards = drawn("plans")
        assert not any(buttons(cards).values())
        assert "Cancel it; when it has ended, choose another." in words(cards.body)
        billing.lago.subscriptions[0]["ending_at"] = "2099-01-01T00:00:00Z"
        told = words(drawn("plans").body)
        assert "Team ends on 1 Jan 2099. Then choose another plan." in told
        assert "Cancel it" not in told


def test_a_plan_that_lago_collects_for_is_not_called_stripes_after_the_setting_changed(look, billing):
    billing.lago.subscribe("org-acme", "team")
    customer = billing.lago.customers["org-acme"]
    customer["billing_configuration"] = {"payment_provider": "stripe", "provider_customer_id": "cus_lago"}
    told = words(look("plans", billing_collector="stripe").body)
    assert "Lago collects this customer's money itself." in told
    assert "Stripe collects for the plan that runs" not in told
