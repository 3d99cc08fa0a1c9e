"""Changing, ending and paying in a real browser: asked in words, done once, told with the next step."""

import pytest
from selenium.webdriver.common.keys import Keys

from tests.fakes.billing import Billing
from tests.fakes.lago_account import usage_of, wallet
from tests.fakes.lago_objects import card

pytestmark = pytest.mark.browser

PATH = "/admin/subscription/plan"
ASK, TOASTS, PURCHASE, CURRENT = "#subscription-ask", "#oc-toasts", "#subscription-purchase", "#subscription-current"


@pytest.fixture
def billing():
    made = Billing()
    yield made
    made.close()


@pytest.fixture
def page(make_app, serve, browser, billing):
    """Acme's page, on this plan and with a card on file: `page("team")`."""

    def start(code, **more):
        billing.lago.subscribe("org-acme", code, **more)
        configuration = billing.lago.customers["org-acme"]["billing_configuration"]
        configuration |= {"payment_provider": "stripe", "provider_customer_id": "cus_acme"}
        billing.lago.methods["org-acme"] = [card("pm_4242")]
        billing.stripe.billing.methods["pm_4242"] = "cus_acme"
        given = billing.settings()
        served = serve(make_app(**given), given["port"])
        browser.sign_in(served, "member", "acme", path=PATH)
        look(browser, "#subscription-plans", "ready")
        return served

    return start


def look(browser, panel, name):
    browser.wait_for(lambda: browser.find_all(f"{panel}[data-look='{name}']"), f"{panel} never looked {name}")


def click(browser, selector):
    browser.wait_for(lambda: browser.find_all(selector), f"no {selector}")
    browser.driver.execute_script("arguments[0].click()", browser.find(selector))


def asked(browser, *words):
    for each in words:
        browser.wait_for_text(ASK, each)


def lose_the_answer(browser):
    """What is agreed to next is done, and a proxy's error page comes in place of the answer."""
    browser.driver.execute_script(
        "const post = window.opsPost; window.opsPost = (url, body) => post(url, body).then(answer => {"
        "if (!body.confirm) return answer; window.opsPost = post; return new Response('<p>504', { status: 504 }); })"
    )


def marked(browser):
    # Read in one go: a card may be drawn anew between finding it and asking it.
    plans = "return [...document.querySelectorAll('.oc-plan.current')].map(each => each.dataset.plan)"
    return browser.driver.execute_script(plans)


def test_an_upgrade_is_asked_kept_or_made_once_and_waits_for_lago_over_a_reload(browser, page, billing):
    page("team")
    assert browser.text("[data-select-plan=business]") == "Upgrade now"
    click(browser, "[data-select-plan=business]")
    asked(browser, "Switch from Team to Business now?", "Until then Team goes on", "The exact amount is on the invoice")
    assert browser.axe() == []
    browser.find("[data-ask-keep]").click()
    assert not browser.find(ASK).is_displayed()
    assert billing.lago.requests("POST", "/api/v1/subscriptions") == []
    click(browser, "[data-select-plan=business]")
    asked(browser, "Switch to Business")
    lose_the_answer(browser)
    browser.driver.execute_script(
        "const b = document.querySelector('[data-ask-do]'); for (let i = 0; i < 5; i++) b.click()"
    )
    browser.wait_for_text(TOASTS, "Whether anything was bought is not known")
    browser.wait_for_text(PURCHASE, "your plan goes on until then")
    assert len(billing.lago.requests("POST", "/api/v1/subscriptions")) == 1
    browser.driver.refresh()
    browser.wait_for_text(PURCHASE, "Waiting for Lago to confirm")
    browser.wait_for_text(CURRENT, "Payment is being confirmed")
    browser.wait_for(lambda: marked(browser) == ["team"], "the plan that goes on was never marked alone")
    billing.lago.settle(paid=True)
    browser.wait_for_text(PURCHASE, "Business has started")
    browser.wait_for(lambda: marked(browser) == ["business"], "Business was never marked")
    browser.wait_for(lambda: "purchase=" not in browser.driver.current_url, "the address still names the purchase")


def test_a_payment_that_fails_while_the_page_is_loaded_again_is_still_told(browser, page, billing):
    browser.phone()
    browser.expect_log("401")
    page("team")
    click(browser, "[data-select-plan=business]")
    asked(browser, "Switch to Business")
    click(browser, "[data-ask-do]")
    browser.wait_for_text(PURCHASE, "Waiting for Lago to confirm")
    in_view = (
        "const line = document.querySelector(arguments[0]), box = line.getBoundingClientRect();"
        "return document.activeElement === line && box.top >= 0 && box.bottom <= window.innerHeight"
    )
    browser.wait_for(lambda: browser.driver.execute_script(in_view, PURCHASE), "the line is out of sight")
    cookies = browser.driver.get_cookies()
    browser.driver.delete_all_cookies()  # signed out in another tab
    browser.wait_for_text(PURCHASE, "You are signed out")
    for each in cookies:
        browser.driver.add_cookie(each)
    browser.driver.get("about:blank")
    billing.lago.settle(paid=False)
    browser.driver.back()
    browser.wait_for_text(PURCHASE, "You were not moved to Business")
    assert "Your plan goes on as before" in browser.text(PURCHASE)


def test_a_downgrade_is_planned_and_taken_back_and_a_plan_is_ended_and_resumed(browser, page, billing):
    page("business")
    click(browser, "[data-select-plan=team]")
    asked(browser, "Switch to Team on 1 Dec 2026?", "you can take this back")
    click(browser, "[data-ask-do]")
    browser.wait_for_text(TOASTS, "It starts on 1 Dec 2026")
    browser.wait_for_text(".oc-plan[data-plan=team]", "Starts 1 Dec 2026")
    click(browser, ".oc-plan[data-plan=team] [data-manage=undo]")
    browser.wait_for_text(TOASTS, "The planned change was taken back")
    click(browser, "[data-manage=cancel]")
    asked(browser, "Cancel Business on 1 Dec 2026?", "instead of renewing")
    lose_the_answer(browser)
    click(browser, "[data-ask-do]")
    browser.wait_for_text(TOASTS, "Whether anything was changed is not known")
    browser.wait_for_text(CURRENT, "It goes on until then and does not renew")
    click(browser, f"{CURRENT} [data-manage=resume]")
    browser.wait_for_text(TOASTS, "It renews on 1 Dec 2026")
    assert billing.lago.held_by("org-acme") == ["business"]


def test_a_line_that_told_a_plan_goes_when_it_is_taken_back_and_focus_and_toggle_stay(browser, page, billing):
    page("business")
    next(each for each in browser.find_all(".oc-plans-switch label") if each.text == "Yearly").click()
    browser.wait_for_text(".oc-plan[data-plan='team-yearly']", "$200")
    click(browser, "[data-select-plan=team-yearly]")
    asked(browser, "Switch to Team")
    billing.lago.fail("500", "/api/v1/subscriptions", method="POST", times=1, after=True)
    click(browser, "[data-ask-do]")
    browser.wait_for_text(PURCHASE, "Team is planned")
    browser.find(f"{CURRENT} [data-manage=undo]").send_keys(Keys.ENTER)
    browser.wait_for_text(TOASTS, "The planned change was taken back")
    browser.wait_for(lambda: browser.find_all(f"{CURRENT} [data-manage=cancel]"), "the plan cannot be cancelled again")
    assert browser.text(PURCHASE) == ""
    focused = "return document.activeElement.dataset.manage"
    browser.wait_for(lambda: browser.driver.execute_script(focused) == "cancel", "the focus is lost")
    assert browser.text(".oc-plan[data-plan='team-yearly']") != ""  # still yearly, though the page was read again
    browser.find(f"{CURRENT} [data-manage=cancel]").send_keys(Keys.ENTER)
    asked(browser, "Cancel Business")
    browser.find("[data-ask-do]").send_keys(Keys.ENTER)
    browser.wait_for(lambda: browser.driver.execute_script(focused) == "resume", "the focus is lost")


def test_an_invoice_paid_after_a_first_return_is_read_again(browser, page, billing):
    billing.lago.add_customer("org-acme")
    bill = billing.lago.bill("org-acme", "OPS-1", 2345, payment_status="failed", payment_overdue=True)
    page("team")
    browser.wait_for_text(CURRENT, "Invoice OPS-1 is overdue")
    browser.driver.execute_script("window.open = () => ({ document: {}, location: { replace() {} }, close() {} });")
    click(browser, f"{CURRENT} [data-invoice-pay]")
    browser.wait_for_text(TOASTS, "page")
    back = "document.dispatchEvent(new Event('visibilitychange'))"
    asked_before = len(billing.lago.asked)
    browser.driver.execute_script(back)  # a look at the page before anything is paid
    browser.wait_for(lambda: len(billing.lago.asked) > asked_before, "the page was not read again")
    bill |= {"payment_status": "succeeded", "payment_overdue": False}
    browser.driver.execute_script(back)
    browser.wait_for(lambda: "overdue" not in browser.text(CURRENT), "it still is overdue")


def test_another_card_is_told_apart_from_a_plan(browser, page, billing):
    page("team")
    billing.stripe.on_card = None
    click(browser, "[data-card-update]")
    browser.wait_for_text("#words", "Nothing is charged on this page")
    browser.find("#save").click()
    browser.wait_for_text(PURCHASE, "Waiting for Lago to take it over")
    assert "No plan was started" in browser.text(PURCHASE)
    session = billing.stripe.only_session()
    billing.lago.take_card("cus_acme", session["_intent"]["payment_method"])
    browser.wait_for_text(PURCHASE, "Lago charges it from now on")
    browser.wait_for(lambda: "card=" not in browser.driver.current_url, "the address still names the card")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everything_a_customer_has_is_there_in_words_and_one_broken_panel_stays_one(browser, page, billing, theme):
    browser.theme(theme)
    billing.lago.plan_of("team")["metadata"] |= {"limit_calls": "50000", "limit_tokens": "1000"}
    billing.lago.usages["sub-org-acme"] = [usage_of("calls", "Calls", "32104.0", 1200)]
    billing.lago.wallets.append(wallet("org-acme", "1250.0", 12500))
    billing.lago.add_customer("org-acme")
    for number in (4, 3, 2):
        billing.lago.bill("org-acme", f"OPS-{number}", 2345)
    billing.lago.bill("org-acme", "OPS-1", 2345, payment_status="failed", payment_overdue=True)
    page("team")
    browser.wait_for_text(CURRENT, "Invoice OPS-1 is overdue since 1 Nov 2026: $23.45")
    browser.wait_for_text("#subscription-usage", "32,104 of 50,000")
    browser.wait_for_text("#subscription-credits", "1,250 credits")
    browser.wait_for_text(
        "#subscription-card", "Visa ending in 4242, valid until 12/2099. It is on file at Stripe since"
    )
    browser.wait_for_text("#subscription-invoices", "The newest 3 of 4. Amounts include tax")
    assert browser.axe() == []
    click(browser, "[data-invoices-page='2']")
    browser.wait_for_text("#subscription-invoices", "4 to 4 of 4")
    click(browser, "[data-invoices-page='1']")
    browser.wait_for_text("#subscription-invoices", "The newest 3 of 4")
    at_work = "return [...document.querySelectorAll('[data-manage], [data-invoice-pdf], [data-card-update]')]"
    click_one = "document.querySelector('[data-invoice-pdf]').click();"
    assert browser.driver.execute_script(f"{click_one} {at_work}.every(each => each.disabled)")
    browser.wait_for_text(TOASTS, "The PDF is not ready yet")
    assert browser.driver.execute_script(f"{at_work}.every(each => !each.disabled)")
    billing.lago.fail("500", "/api/v1/wallets")
    browser.driver.execute_script("window.opsRetry('subscription-credits')")
    look(browser, "#subscription-credits", "stale")
    assert "This is the last good answer" in browser.text("#subscription-credits")
    assert browser.find_all("#subscription-usage[data-look='ready']")
    browser.phone()
    assert browser.axe() == []
    wider = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.driver.execute_script(wider) == 0
