"""The admin's view of purchases in a real browser: what is open, and looking at it again."""

import pytest
from selenium.webdriver.common.keys import Keys

from data_sources.billing.inbox import Delivery
from data_sources.billing.types import Buyer, Wanted
from tests.fakes.billing import Billing

pytestmark = pytest.mark.browser

OPEN, INBOX, LOG = "#attempts-open", "#attempts-inbox", "#attempts-log"


@pytest.fixture
def billing():
    made = Billing()
    yield made
    made.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_an_admin_sees_an_open_purchase_and_brings_it_further(browser, make_app, serve, billing, theme):
    given = billing.settings(stripe_webhook_secret="whsec_x")
    app = make_app(**given)
    source = app.server.extensions["ops"].billing
    source.checkout(Buyer("link:anna", "org-acme", "acme", None), Wanted("business"))
    source.inbox.add(Delivery("lago", "key-1", "invoice.created", None))
    browser.theme(theme)
    browser.sign_in(serve(app, given["port"]), path="/admin/subscription/plan")
    browser.wait_for(lambda: browser.find_all("main a[href='/admin/subscription/attempts']"), "no way to the purchases")
    browser.find("main a[href='/admin/subscription/attempts']").click()
    browser.wait_for_text(OPEN, "At Stripe's page")
    browser.wait_for_text(INBOX, "Lago: last heard")
    browser.wait_for_text(LOG, "redirected")
    assert browser.axe() == []
    wider = "return [...document.querySelectorAll('.oc-tablewrap')].map(each => each.scrollWidth - each.clientWidth)"
    assert browser.driver.execute_script(wider) == [0, 0, 0]  # no button is off the edge
    billing.stripe.complete("cs_test_00000000")
    browser.find(f"{OPEN} [data-retry-purchase]").send_keys(Keys.ENTER)
    browser.wait_for_text("#oc-toasts", "Waiting for Lago to confirm")
    browser.wait_for_text(OPEN, "Confirming payment…")
    browser.wait_for_text(LOG, "retried")
    focused = "return document.activeElement.textContent"
    browser.wait_for(lambda: browser.driver.execute_script(focused) == "Look again", "the focus is lost")
    beside = f"const e = document.querySelector('{LOG} .oc-tablewrap'); return e.scrollWidth - e.clientWidth"
    browser.driver.set_window_size(1280, 900)
    assert browser.driver.execute_script(beside) <= 0
    browser.phone()
    assert browser.axe() == []
    shown = browser.find(f"{OPEN} [data-retry-purchase]").rect
    assert shown["x"] + shown["width"] <= 390
    wider = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.driver.execute_script(wider) == 0
