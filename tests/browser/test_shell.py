"""The frame around every page: navigation, themes, sign-in, and the watch over the connection."""

import pytest
from flask import Response

from routes.gate import public

pytestmark = pytest.mark.browser


@pytest.fixture
def served(app, serve):
    return serve(app)


def test_a_printed_link_signs_in_and_leads_to_the_usage_page(browser, served):
    browser.sign_in(served)
    browser.wait_for_text("h1", "LLM usage")
    assert browser.driver.current_url == served.url + "/admin/llm/usage"
    assert browser.driver.title == "LLM usage · Ops Center"


def test_the_form_signs_in_with_a_whole_link(browser, served):
    from tests.console import login_path

    browser.go(served, "/admin/system/monitoring")
    browser.wait_for_text("h1", "Sign in")
    browser.find("#token").send_keys(served.url + login_path(served.app))
    browser.find("form button").click()
    browser.wait_for_text("h1", "System")


def test_a_wrong_token_is_told(browser, served):
    browser.expect_log("403")
    browser.go(served, "/login")
    browser.find("#token").send_keys("not-a-token-of-ours")
    browser.find("form button").click()
    browser.wait_for_text("#why", "not a valid sign-in link")


def test_sign_out_ends_the_session(browser, served):
    browser.expect_log("401")  # a look at the session may be on its way while it ends
    browser.sign_in(served)
    browser.wait_for_text("h1", "LLM usage")
    browser.find("[data-sign-out]").click()
    browser.wait_for_text("h1", "Sign in")
    browser.go(served, "/admin/llm/usage")
    browser.wait_for_text("h1", "Sign in")


def test_navigation_moves_the_focus_to_the_new_heading_and_names_the_page(browser, served):
    browser.sign_in(served)
    browser.wait_for_text("h1", "LLM usage")
    browser.find('a.oc-nav-link[href="/admin/system/monitoring"]').click()
    browser.wait_for_text("h1", "System")
    browser.wait_for(
        lambda: browser.driver.execute_script("return document.activeElement.tagName") == "H1", "the h1 never had focus"
    )
    browser.wait_for(lambda: browser.driver.title == "System · Ops Center", "the title never changed")
    current = browser.find_all('.oc-nav-link[aria-current="page"]')
    assert [link.text for link in current] == ["System"]


def test_plotly_is_loaded_once_and_draws_in_our_colours_wherever_the_reader_came_from(browser, served):
    def loads():
        return browser.driver.execute_script(
            "return performance.getEntriesByType('resource').filter(each => each.name.includes('plotly.min.js')).length"
        )

    def drawn():
        line = browser.driver.find_elements("css selector", "#system-network-graph .js-line")
        return line and line[0].value_of_css_property("stroke")

    browser.sign_in(served, path="/admin/subscription/plan")  # a page without charts does not ask for it
    browser.wait_for_text("h1", "Subscription")
    assert loads() == 0
    browser.find('a.oc-nav-link[href="/admin/system/monitoring"]').click()
    browser.wait_for(drawn, "the chart was never drawn")
    colour, first = drawn(), loads()
    browser.driver.refresh()
    browser.wait_for(drawn, "the chart was never drawn")
    ours = browser.driver.execute_script("return opsCharts.tokens[opsTheme.now()].series").copy()
    assert (first, loads()) == (1, 1)
    assert colour == drawn()
    assert "#{:02X}{:02X}{:02X}".format(*map(int, colour[4:-1].split(", "))) in ours


def test_an_unknown_address_says_so(browser, served):
    browser.expect_log("404")
    browser.sign_in(served, path="/no/such/page")
    browser.wait_for_text("h1", "Not found")


def test_the_theme_follows_the_system_until_the_reader_chooses(browser, served):
    def theme():
        return browser.driver.execute_script("return document.documentElement.dataset.bsTheme")

    browser.theme("dark")
    browser.sign_in(served)
    browser.wait_for_text("h1", "LLM usage")
    assert theme() == "dark"
    browser.find("[data-theme-toggle]").click()
    assert theme() == "light"
    browser.driver.refresh()
    browser.wait_for_text("h1", "LLM usage")
    assert theme() == "light"
    browser.find("[data-theme-toggle]").click()
    browser.theme("light")
    browser.wait_for(lambda: theme() == "light", "the theme does not follow the system again")


def ask_every_panel(browser):
    """Have callbacks under way, whatever the page was doing."""
    browser.driver.execute_script("document.querySelectorAll('section[data-panel]').forEach(p => opsRetry(p.id))")


def opened(browser, served):
    browser.sign_in(served)
    browser.wait_for_text("h1", "LLM usage")
    browser.wait_for(lambda: browser.find_all("#oc-sources li"), "the sources never came")


def test_what_inputs_held_before_is_let_go_and_the_page_goes_on(browser, served):
    remembered = "return dash_stores.reduce((sum, store) => sum + store.getState().history.past.length, 0)"
    opened(browser, served)
    # In one script, so that no beat comes in between: Dash did remember, and then does not.
    ask_and_beat = "opsRetry('usage-recent'); const before = (() => {" + remembered + "})(); opsBeat(); return before"
    assert browser.driver.execute_script(ask_and_beat) > 0
    browser.wait_gone("#usage-panels .oc-busy.on")
    assert browser.driver.execute_script("opsBeat(); " + remembered) == 0
    ask_every_panel(browser)
    browser.wait_gone("#usage-panels .oc-busy.on")


def test_a_dead_server_is_said_and_its_return_too(browser, served):
    browser.expect_log("net::ERR_")  # the browser's own word for the fault, and nothing but that
    opened(browser, served)
    served.stop()
    ask_every_panel(browser)
    browser.wait_for_text("#oc-connection", "No answer from the console since", 30)
    assert browser.driver.execute_script("return document.documentElement.dataset.connection") == "lost"
    browser.wait_gone("#usage-panels .oc-busy.on")
    browser.driver.execute_script("document.querySelector('#usage-range input:not(:checked)').click()")
    browser.wait_for_text("#oc-connection", ", before your last choice.")
    browser.find('a.oc-nav-link[href="/admin/system/monitoring"]').click()
    browser.wait_for(lambda: browser.driver.current_url.endswith("/monitoring"), "the address never changed")
    served.start()
    browser.wait_gone("#oc-connection", 30)
    browser.wait_for_text("h1", "System")  # the page that was asked for while nobody answered


def test_a_session_that_ended_elsewhere_is_said_with_a_way_back(browser, served):
    browser.expect_log("401")
    opened(browser, served)
    browser.driver.delete_all_cookies()
    ask_every_panel(browser)
    browser.wait_for_text("#oc-connection", "You are signed out", 30)
    assert "/login?next=%2Fadmin%2Fllm%2Fusage" in browser.find("#oc-connection a").get_attribute("href")


def test_answers_that_no_callback_can_use_are_told_and_leave_nothing_else_in_the_log(browser, served):
    browser.expect_log("500")
    browser.expect_log("net::ERR_CONTENT_LENGTH_MISMATCH")
    opened(browser, served)
    views = served.app.server.view_functions

    def answer(view):
        views["/_dash-update-component"] = public(view)
        ask_every_panel(browser)

    whole = views["/_dash-update-component"]
    answer(lambda: ("a bug of ours", 500))
    browser.wait_for_text("#oc-toasts", "HTTP 500")
    browser.wait_gone("#usage-panels .oc-busy.on")  # every panel has failed
    assert len(browser.find_all(".oc-toast")) == 1
    views["/_dash-update-component"] = whole
    browser.wait_gone(".oc-toast")  # it asks again by itself
    answer(lambda: ("a bug of ours", 500))
    browser.wait_for_text("#oc-toasts", "HTTP 500")
    answer(lambda: "<h1>Sign in to the proxy</h1>")
    browser.wait_for_text("#oc-connection", "You are signed out")
    assert browser.find_all(".oc-toast") == []  # the banner says it
    answer(lambda: Response(["{"], headers={"Content-Length": "90"}, mimetype="application/json"))
    browser.wait_for_text("#oc-connection", "No answer from the console")
    browser.wait_gone("#usage-panels .oc-busy.on")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/login", "/admin/llm/usage", "/no/such/page"])
def test_nothing_serious_for_axe_and_no_other_host(browser, served, theme, path):
    browser.expect_log("404")
    browser.theme(theme)
    if path == "/login":
        browser.go(served, path)
    else:
        browser.sign_in(served, path=path)
    browser.wait_for(lambda: browser.text("h1"), "no heading")
    assert browser.axe() == []
    assert browser.foreign_requests() == []


def test_the_phone_has_its_navigation_under_the_thumb(browser, served):
    browser.phone()
    browser.sign_in(served)
    browser.wait_for_text("h1", "LLM usage")
    nav = browser.find(".oc-nav").rect
    assert nav["y"] > 700
    assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= 390
