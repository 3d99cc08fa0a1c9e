"""The subscription page in a real browser: live plans, one purchase to its end, and every look."""

from datetime import timedelta

import pytest

from data_sources.billing.types import Buyer, Wanted
from data_sources.result import utc_now
from tests.console import login_path
from tests.fakes import lago
from tests.fakes.billing import Billing

pytestmark = pytest.mark.browser

PATH = "/admin/subscription/plan"
CURRENT, PLANS, PURCHASE = "#subscription-current", "#subscription-plans", "#subscription-purchase"


@pytest.fixture
def billing():
    made = Billing()
    yield made
    made.close()


@pytest.fixture
def open_page(make_app, serve, browser, billing):
    """Open the page as a member of acme: `open_page(collector=…)`; gives the served console."""

    def start(*, role="member", org="acme", path=PATH, **more):
        given = billing.settings(**more)
        served = serve(make_app(**given), given["port"])
        browser.sign_in(served, role, org, path=path)
        return served

    return start


def look(browser, panel, name):
    browser.wait_for(lambda: browser.find_all(f"{panel}[data-look='{name}']"), f"{panel} never looked {name}")


def marked(browser):
    # Read in one go, here and below: the cards may be drawn anew between finding one and asking it.
    plans = "return [...document.querySelectorAll('.oc-plan.current')].map(each => each.dataset.plan)"
    return browser.driver.execute_script(plans)


def can_choose(browser):
    """Codes of the plans whose button can be pressed."""
    plans = "return [...document.querySelectorAll('[data-select-plan]:enabled')].map(each => each.dataset.selectPlan)"
    return browser.driver.execute_script(plans)


def button(browser, code):
    browser.wait_for(lambda: browser.find_all(f"[data-select-plan='{code}']"), f"no button for {code}")
    return browser.find(f"[data-select-plan='{code}']")


def retry(browser, panel):
    browser.driver.execute_script("arguments[0].click()", browser.find(f"{panel} [data-retry]"))


def card(browser, code):
    return browser.text(f".oc-plan[data-plan='{code}']")


def started_at_stripe(browser, open_page, billing):
    """Business bought where Stripe collects, and the page that says so; gives the served console."""
    billing.lago.plan_of("business")["charges"] = []
    served = open_page(billing_collector="stripe")
    button(browser, "business").click()
    browser.wait_for_text("#words", "Business")
    browser.find("#save").click()
    browser.wait_for_text(PURCHASE, "Business has started")
    return served


def test_the_plans_are_lagos_and_only_the_current_one_is_marked(browser, open_page, billing):
    billing.lago.subscribe("org-acme", "team")
    billing.lago.subscribe("org-other", "business")
    open_page()
    look(browser, PLANS, "ready")
    assert marked(browser) == ["team"]
    assert "$100" in card(browser, "business")
    assert "Let us talk" in card(browser, "enterprise")
    assert "Renews 1 Dec 2026" in card(browser, "team")
    browser.wait_for_text(CURRENT, "$20 per month, plus usage, excl. tax")
    assert "Active" in browser.text(CURRENT)
    assert browser.foreign_requests() == []


def test_monthly_and_yearly_change_places_and_the_mark_keeps_to_the_interval(browser, open_page, billing):
    billing.lago.subscribe("org-acme", "team-yearly")
    open_page()
    look(browser, PLANS, "ready")
    assert marked(browser) == ["team-yearly"]
    browser.wait_for_text(".oc-plan[data-plan='team-yearly']", "$200")
    assert "Saves $40 a year" in card(browser, "team-yearly")
    assert card(browser, "team") == ""
    next(each for each in browser.find_all(".oc-plans-switch label") if each.text == "Monthly").click()
    browser.wait_for_text(".oc-plan[data-plan='team']", "$20")
    assert card(browser, "team-yearly") == ""
    assert "Current plan" not in card(browser, "team")


def test_a_purchase_from_the_click_to_the_plan_that_lago_confirms(browser, open_page, billing):
    open_page()
    button(browser, "business").click()
    browser.wait_for_text("#words", "Nothing is charged on this page")
    assert "$100 per month" in browser.text("#words")
    slow = billing.lago.fail("slow", "/api/v1/customers/org-acme/payment_methods", delay_s=1.5)
    browser.find("#save").click()
    browser.wait_for_text(PURCHASE, "Confirming payment…")
    assert "Whether the plan has started is not known yet" in browser.text(PURCHASE)
    billing.lago.faults.remove(slow)
    browser.wait_for_text(PURCHASE, "You have not been moved to Business yet")
    assert marked(browser) == []
    browser.driver.execute_script(
        "const line = document.querySelector(arguments[0]);"
        "new MutationObserver(() => { if (window.seen === undefined && line.textContent.includes('has started'))"
        " window.seen = [...document.querySelectorAll('.oc-plan.current')].map(each => each.dataset.plan).join(); })"
        ".observe(line, { childList: true, subtree: true })",
        PURCHASE,
    )
    billing.lago.settle(paid=True)
    browser.wait_for_text(PURCHASE, "Business has started")
    assert browser.driver.execute_script("return window.seen") == "business"
    browser.wait_for_text("#oc-toasts", "Its invoice stands under “Invoices”")
    assert "purchase=" not in browser.driver.current_url


def test_going_back_from_stripe_says_that_nothing_was_charged_and_where_stripe_collects_it_is_paid_there(
    browser, open_page, billing
):
    billing.lago.plan_of("business")["charges"] = []
    open_page(billing_collector="stripe")
    button(browser, "business").click()
    browser.wait_for_text("#words", "Business")
    browser.find("#back").click()
    browser.wait_for_text(PURCHASE, "Checkout was not finished")
    assert "Nothing was charged" in browser.text(PURCHASE)
    assert billing.lago.subscriptions == []
    button(browser, "business").click()
    browser.wait_for_text("#save", "Pay 10000 USD")
    browser.find("#save").click()
    browser.wait_for_text(PURCHASE, "Stripe took the payment and Lago started the plan.")
    browser.wait_for_text("#oc-toasts", "Business has started")
    browser.wait_for(lambda: marked(browser) == ["business"], "Business was never marked")
    (invoice,) = billing.lago.invoices
    assert invoice["payment_status"] == "succeeded"


def test_a_payment_that_fails_is_said_and_marks_nothing(browser, open_page, billing):
    open_page()
    button(browser, "business").click()
    browser.wait_for_text("#words", "Business")
    browser.find("#save").click()
    browser.wait_for_text(PURCHASE, "You have not been moved to Business yet")  # Lago has it, and waits for its payment
    billing.lago.settle(paid=False)
    browser.wait_for_text(PURCHASE, "Business was not started")
    assert "payment failed" in browser.text(PURCHASE)
    assert "was not started" not in browser.text(CURRENT)  # said once
    browser.driver.refresh()
    browser.wait_for_text(CURRENT, "Business was not started")  # until its buyer closes it
    assert marked(browser) == []


def test_a_free_plan_starts_without_leaving_the_page(browser, open_page, billing):
    open_page()
    button(browser, "starter").click()
    browser.wait_for(lambda: marked(browser) == ["starter"], "Starter was never marked")
    browser.wait_for_text("#oc-toasts", "Nothing was charged")
    assert billing.stripe.asked == []


def test_many_clicks_ask_once(browser, open_page, billing):
    open_page()
    button(browser, "business")
    browser.driver.execute_script(
        "const b = document.querySelector('[data-select-plan=business]'); for (let i = 0; i < 5; i++) b.click()"
    )
    browser.wait_for_text("#words", "Business")
    assert len(billing.lago.requests("GET", "/api/v1/plans/business")) == 1


def test_a_changed_price_is_a_toast_and_the_card_shows_the_new_one(browser, open_page, billing):
    browser.expect_log("409")
    open_page()
    button(browser, "business")
    billing.lago.plan_of("business")["amount_cents"] = 12000
    button(browser, "business").click()
    browser.wait_for_text("#oc-toasts", "The price of Business has changed. Look at the new one and choose again.")
    assert "price_changed" in browser.text("#oc-toasts")
    browser.wait_for_text(".oc-plan[data-plan='business']", "$120")
    assert billing.stripe.sessions == {}
    assert browser.axe() == []


def test_a_page_opened_afresh_tells_what_its_own_look_has_started(browser, open_page, billing):
    billing.lago.plan_of("business")["charges"] = []
    served = open_page(billing_collector="stripe")
    button(browser, "business").click()
    browser.wait_for_text("#words", "Business")
    billing.stripe.complete(billing.stripe.only_session()["id"])  # and the tab is closed: nobody comes back
    browser.go(served, PATH)
    browser.wait_for_text(PURCHASE, "Business has started")
    browser.wait_for(lambda: marked(browser) == ["business"], "Business was never marked")
    browser.wait_for_text(CURRENT, "Active")


def test_another_card_is_charged_by_stripe_and_the_page_names_it(browser, open_page, billing):
    served = started_at_stripe(browser, open_page, billing)
    browser.go(served, PATH)
    browser.wait_for_text("#subscription-card", "Visa ending in 0000, valid until 12/2099. Stripe charges it.")
    browser.wait_for_text("#subscription-card", "Update card")
    browser.driver.execute_script("arguments[0].click()", browser.find("[data-card-update]"))
    browser.wait_for_text("#words", "Nothing is charged on this page")
    browser.find("#save").click()
    browser.wait_for_text(PURCHASE, "Stripe charges it from now on. No plan was started or changed")
    browser.wait_for_text("#subscription-card", "Visa ending in 0001")
    browser.wait_for(lambda: "card=" not in browser.driver.current_url, "the address still names the card")


def test_a_failed_charge_that_is_paid_in_another_tab_is_told_no_more_on_the_way_back(browser, open_page, billing):
    served = started_at_stripe(browser, open_page, billing)
    billing.stripe.billing.travel(31, pays=False)
    served.app.server.extensions["ops"].billing.sweeper.look(utc_now() + timedelta(hours=2))
    browser.go(served, PATH)
    browser.wait_for_text(CURRENT, "A charge of $100 for Business failed")
    stay = "document.querySelector('[data-stripe-pay]').addEventListener('click', event => event.preventDefault())"
    browser.driver.execute_script(stay)  # the other tab would take the screen from this one
    browser.find("[data-stripe-pay]").click()
    billing.stripe.billing.pay(billing.stripe.billing.invoices[-1])
    browser.driver.execute_script("document.dispatchEvent(new Event('visibilitychange'))")
    browser.wait_for(lambda: "failed" not in browser.text(CURRENT), "it still is told as failed")


def test_a_payment_that_failed_after_the_tab_was_closed_is_told_once_its_buyer_comes_back(browser, open_page, billing):
    served = open_page()
    button(browser, "team").click()
    browser.wait_for_text("#words", "Team")
    billing.stripe.complete(billing.stripe.only_session()["id"])
    source = served.app.server.extensions["ops"].billing
    source.sweeper.look(utc_now() + timedelta(seconds=90))
    billing.lago.settle(paid=False)
    source.sweeper.look(utc_now() + timedelta(minutes=5))
    browser.go(served, PATH)
    browser.wait_for_text(CURRENT, "Team was not started")
    assert "The payment failed." in browser.text(CURRENT)
    assert browser.axe() == []
    browser.find("[data-has-read]").click()
    browser.wait_for(lambda: "was not started" not in browser.text(CURRENT), "it was told again")
    browser.go(served, PATH)
    look(browser, PLANS, "ready")
    assert "was not started" not in browser.text(CURRENT)


@pytest.mark.parametrize("click", ["[data-give-up]", ".oc-plan [data-select-plan='team']"])
def test_what_was_paid_in_another_tab_is_followed_once_a_click_finds_it_out(browser, open_page, billing, click):
    browser.expect_log("409")
    for code in ("business", "team"):
        billing.lago.plan_of(code)["charges"] = []
    served = open_page(billing_collector="stripe")
    button(browser, "business").click()
    browser.wait_for_text("#words", "Business")
    browser.go(served, PATH)
    browser.wait_for_text("#subscription-closed", "Continue there, or give it up")
    billing.stripe.complete(billing.stripe.only_session()["id"])  # in the other tab, which is closed; no webhook comes
    browser.find(click).click()
    browser.wait_for_text(PURCHASE, "Business has started")
    browser.wait_for(lambda: marked(browser) == ["business"], "Business was never marked")


def test_the_cards_of_a_colleague_keep_up_with_a_purchase_under_way(browser, open_page, billing):
    browser.expect_log("409")
    served = open_page()
    button(browser, "team")
    source = served.app.server.extensions["ops"].billing
    ben = Buyer("link:ben", "org-acme", "acme", None)
    source.checkout(ben, Wanted("business"))
    session = billing.stripe.only_session()
    billing.stripe.complete(session["id"])
    source.progress(ben, session["metadata"]["attempt_id"])
    button(browser, "team").click()
    browser.wait_for_text("#oc-toasts", "A payment is being confirmed")
    browser.wait_for_text("#subscription-closed", "The payment for Business is being confirmed")
    assert can_choose(browser) == []
    assert browser.axe() == []
    billing.lago.settle(paid=True)
    source.progress(ben, session["metadata"]["attempt_id"])
    browser.wait_for(lambda: marked(browser) == ["business"], "the page did not keep up")
    browser.wait_for(lambda: "team" in can_choose(browser), "the buttons stayed locked")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_stuck_purchase_is_on_the_cards_and_given_up_there(browser, open_page, billing, theme):
    browser.theme(theme)
    billing.stripe.on_card = None
    open_page()
    button(browser, "business").click()
    browser.wait_for_text("#words", "Business")
    browser.find("#save").click()
    browser.wait_for_text("#subscription-closed", "Wait, or give it up.")
    assert can_choose(browser) == []
    assert browser.text(".oc-plan [data-select-plan='business']") == "Under way"
    browser.wait_for_text("#subscription-card", "has not taken it over yet")
    assert browser.axe() == []
    browser.phone()
    assert browser.axe() == []
    browser.find("[data-give-up]").click()
    browser.wait_for_text("#oc-toasts", "Checkout was given up")
    browser.wait_for_text(PURCHASE, "Your card stays saved at Stripe")
    browser.wait_for(lambda: "team" in can_choose(browser), "the buttons stayed locked")
    assert "purchase=" not in browser.driver.current_url


def test_a_plan_that_is_gone_since_it_was_chosen_is_said(browser, open_page, billing):
    open_page(path=f"{PATH}?plan=gone")
    browser.wait_for_text("#oc-toasts", "not on offer any more")
    assert browser.driver.execute_script("return location.search") == ""


def test_the_page_never_names_one_customer_and_buys_for_another(browser, open_page, billing):
    browser.expect_log("409")
    for name in ("org-acme", "org-other"):
        billing.lago.add_customer(name, name=f"{name} Ltd")
    open_page(role="admin", org=None)
    choose = (
        "const done = arguments[1]; window.opsPost('/api/v1/billing/customer', { customer_id: arguments[0] })"
        ".then(() => done())"
    )
    browser.driver.execute_async_script(choose, "org-acme")
    browser.driver.refresh()
    browser.wait_for_text("#subscription-customer", "You look and buy for org-acme")
    button(browser, "starter")
    browser.driver.execute_async_script(choose, "org-other")  # in another tab
    button(browser, "starter").click()
    browser.wait_for_text("#subscription-customer", "You look and buy for org-other")
    browser.wait_for_text("#oc-toasts", "Another customer was chosen")
    assert billing.lago.subscriptions == []
    # Whatever reads the panels again.
    browser.driver.execute_async_script(choose, "org-acme")
    browser.driver.execute_script("window.opsRetry('subscription-plans')")
    browser.wait_for_text("#subscription-customer", "You look and buy for org-acme")


def test_as_long_as_it_is_not_known_whether_something_was_bought_nothing_else_is_chosen(browser, open_page, billing):
    open_page()
    button(browser, "business")
    browser.driver.execute_script("window.opsPost = () => Promise.reject(new Error('gone'))")
    button(browser, "business").click()
    browser.wait_for_text("#oc-toasts", "Whether anything was bought is not known")
    browser.driver.execute_script("window.opsRetry('subscription-plans')")
    enabled = "return [...document.querySelectorAll('[data-select-plan]')].filter(each => !each.disabled).length"
    browser.wait_for(lambda: browser.driver.execute_script(enabled) == 0, "a plan can be chosen")


def test_when_stripe_fails_a_toast_says_so_and_the_buttons_come_back(browser, open_page, billing):
    browser.expect_log("502")
    open_page()
    billing.stripe.key = "another key"
    button(browser, "business").click()
    browser.wait_for_text("#oc-toasts", "Stripe refused our key")
    browser.wait_for(lambda: "business" in can_choose(browser), "the button stayed locked")
    assert button(browser, "business").text == "Select plan"


def test_contact_sales_opens_the_mail_client(browser, open_page):
    open_page()
    look(browser, PLANS, "ready")
    link = browser.find(".oc-plan[data-plan='enterprise'] a.btn")
    assert link.get_attribute("href") == "mailto:sales@reseller.test?subject=Enterprise%20plan"


def test_loading_then_failed_then_ready_by_retry(browser, open_page, billing):
    fault = billing.lago.fail("slow", delay_s=1.0)
    open_page()
    look(browser, PLANS, "loading")
    assert "$" not in browser.text(PLANS)
    look(browser, PLANS, "failed")
    look(browser, CURRENT, "failed")
    assert "Plans could not be read" in browser.text(PLANS)
    assert "$" not in browser.text("main")
    assert browser.axe() == []
    billing.lago.faults.remove(fault)
    retry(browser, PLANS)
    look(browser, PLANS, "ready")


def test_when_lago_goes_down_the_last_plans_stay_pale_unmarked_and_locked(browser, open_page, billing):
    billing.lago.subscribe("org-acme", "team")
    open_page()
    look(browser, PLANS, "ready")
    billing.lago.fail("500")
    browser.driver.execute_script("window.opsRetry('subscription-plans')")
    look(browser, PLANS, "stale")
    assert marked(browser) == []
    assert "Lago gives no usable answer" in browser.text(PLANS)
    said = browser.text("#subscription-plans-badge")
    assert "Stale" in said
    # It grows older by itself while nobody asks again.
    browser.wait_for(lambda: browser.text("#subscription-plans-badge") != said, "its age stands still")
    assert "Stale" in browser.text("#subscription-plans-badge")
    assert can_choose(browser) == []
    assert browser.axe() == []
    billing.lago.heal()
    retry(browser, PLANS)
    look(browser, PLANS, "ready")
    assert marked(browser) == ["team"]


def test_without_lago_the_page_says_what_to_set(browser, make_app, serve):
    browser.sign_in(serve(make_app()), path=PATH)
    look(browser, PLANS, "unset")
    look(browser, CURRENT, "unset")
    for name in ("OPS_LAGO_URL", "OPS_LAGO_API_KEY"):
        assert name in browser.text(PLANS)
    assert "$" not in browser.text("main")
    assert browser.axe() == []


def test_a_plan_without_a_price_shows_none(browser, open_page, billing):
    billing.lago.plans = [lago.plan("odd", "A plan whose name has sixty characters, which is rather many", 0)]
    billing.lago.plans[0]["amount_currency"] = "MGA"
    open_page()
    look(browser, PLANS, "ready")
    assert "Price unavailable" in card(browser, "odd")
    assert "$" not in card(browser, "odd")
    button(browser, "odd")
    assert "odd" not in can_choose(browser)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everybody_can_use_the_page(browser, open_page, billing, theme):
    billing.lago.subscribe("org-acme", "team")
    browser.theme(theme)
    open_page()
    look(browser, PLANS, "ready")
    look(browser, CURRENT, "ready")
    assert browser.axe() == []
    browser.phone()
    assert browser.axe() == []
    wider = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.driver.execute_script(wider) == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_visitors_can_use_their_page_and_come_back_after_signing_in(browser, make_app, serve, billing, theme):
    given = billing.settings()
    served = serve(make_app(**given), given["port"])
    browser.theme(theme)
    browser.go(served, "/plans")
    assert browser.axe() == []
    assert browser.foreign_requests() == []
    browser.find(".oc-plan:nth-child(3) a.btn").click()
    browser.wait_for(lambda: browser.find_all("#token"), "no sign-in")
    token = login_path(served.app, "member", "acme").removeprefix("/login?token=")
    browser.find("#token").send_keys(token)
    browser.find("form button").click()
    focused = "return document.activeElement.dataset.selectPlan === 'team-yearly'"
    browser.wait_for(lambda: browser.driver.execute_script(focused), "the chosen plan is not shown")
    assert browser.driver.execute_script("return location.search") == ""
    assert not browser.find(".oc-compare thead").is_displayed()
    browser.find(".oc-compare summary").click()
    assert browser.text(".oc-compare thead").split() == ["What", "Starter", "Team,", "yearly", "Business", "Enterprise"]
