"""The list of calls in a real browser: the same window and filters as the figures, page by page."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

import pytest

from data_sources.result import utc_now
from tests.fakes.usage_rows import attempt, fill

pytestmark = pytest.mark.browser

PATH = "/admin/llm/requests"

WIDE = {
    "provider": "anthropic",
    "user_id": "ann.of.a.large.customer@example.com",
    "team_id": "platform-engineering",
    "power_level": "precision",
    "duration_ms": 339_800,
    "input_tokens": 656_512,
    "output_tokens": 11_788,
    "cost_usd": "0.0739",
}


@pytest.fixture
def console(make_app, serve):
    app = make_app(reporting_tz="UTC")
    now = utc_now()
    rows = [
        attempt(n, now - timedelta(hours=n), model="claude-sonnet-4-5-20250929" if n % 10 else None, **WIDE)
        for n in range(120)
    ]
    rows.append(attempt(500, now - timedelta(days=2), model="unheard-of", input_tokens=7, provider="vllm"))
    fill(app.server.extensions["ops"].usage_store, rows)
    return serve(app)


def click(browser, selector):
    """Click it as soon as it is there: a panel may be drawn anew between finding and clicking."""
    script = "const it = document.querySelector(arguments[0]); if (it) it.click(); return it !== null"
    browser.wait_for(lambda: browser.driver.execute_script(script, selector), f"no {selector} to click")


def test_the_list_is_paged_by_the_address_and_filtered_as_the_figures_are(browser, console):
    browser.sign_in(console, path=quote(PATH + "?range=7d"))
    browser.wait_for_text("#requests-list-sub", "1 to 50 of 121")
    assert browser.axe() == []
    cut = "const it = document.querySelector('.oc-calls'); return it.scrollWidth - it.clientWidth"
    assert browser.driver.execute_script(cut) <= 0
    click(browser, "[data-after]:last-child")
    browser.wait_for_text("#requests-list-sub", "51 to 100 of 121")
    assert "after=" in browser.driver.current_url
    browser.driver.refresh()
    browser.wait_for_text("#requests-list-sub", "51 to 100 of 121")
    browser.go(console, PATH + "?range=7d&pricing=unpriced")
    browser.wait_for_text("#requests-list-sub", "1 to 1 of 1")
    browser.wait_for_text("#usage-chips", "pricing is unpriced")
    browser.wait_for_text("#requests-list-body", "unheard-of")
    click(browser, "[data-unfilter='pricing']")
    browser.wait_for_text("#requests-list-sub", "1 to 50 of 121")


def focused(browser, selector):
    """Whether the focus is in it, or out of the page where the browser's own controls are."""
    script = "const at = document.activeElement; return at === document.body || at.closest(arguments[0]) !== null"
    return browser.driver.execute_script(script, selector)


def test_a_row_opens_all_facts_of_its_call_and_takes_the_focus_back(browser, console):
    browser.sign_in(console, path=quote(PATH + "?range=7d"))
    browser.wait_for_text("#requests-list-sub", "1 to 50 of 121")
    click(browser, "[data-call-row]:nth-child(3) td:nth-child(4)")
    browser.wait_for_text("#call-body", "Attempt 1 of 1")
    assert "c000002" in browser.text("#call-body")
    assert "call=c000002" in browser.driver.current_url
    assert browser.axe() == []
    for _ in range(5):
        browser.press("Tab")
        assert focused(browser, "#call-drawer")
    browser.press("Escape")
    browser.wait_for(lambda: not browser.find("#call-drawer").is_displayed(), "the drawer stayed open")
    assert "call=" not in browser.driver.current_url
    assert "c000002" in browser.driver.execute_script("return document.activeElement.getAttribute('href')")
    browser.go(console, "/admin/llm/usage?range=7d&call=c000500")
    browser.wait_for_text("#call-body", "unheard-of")
    browser.theme("dark")
    assert browser.axe() == []
    click(browser, "[data-close-drawer]")
    browser.wait_for(lambda: not browser.find("#call-drawer").is_displayed(), "the drawer stayed open")


def test_the_drawer_shows_that_it_reads_while_it_reads(browser, console):
    browser.sign_in(console, path=quote(PATH + "?range=7d"))
    browser.wait_for_text("#requests-list-sub", "1 to 50 of 121")
    click(browser, "[data-call-row]:nth-child(3) a.oc-call")
    browser.wait_for_text("#call-body", "c000002")
    press = "document.querySelector('[data-close-drawer]').click(); document.querySelectorAll('a.oc-call')[4].click()"
    # The next answer never comes.
    browser.driver.execute_script("window.fetch = () => new Promise(() => {})")
    browser.driver.execute_script(press)
    browser.wait_for(lambda: browser.find_all("#call[data-look='loading'] .oc-sk-rows i"), "the drawer stood blank")
    assert "c000002" not in browser.text("#call-body")
