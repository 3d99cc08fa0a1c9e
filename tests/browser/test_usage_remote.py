"""The usage page over a remote usage API: what it has is drawn, what it lacks is said, what fails looks failed."""

from __future__ import annotations

import pytest

from tests.fakes.usage_api import KEY, LiveUsageApi, OriginalUsageApi
from tests.fakes.usage_rows import at, attempt, fill, make_store

pytestmark = pytest.mark.browser

PATH = "/admin/llm/usage"
NOW = at("2026-11-22T14:02:10")


# The tests name their fake before the browser: it must outlive the page, which goes on asking until it is left.
@pytest.fixture
def original():
    made = OriginalUsageApi()
    yield made
    made.close()


@pytest.fixture
def another_console(tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    store = make_store(folder)
    start = at("2026-11-22T09:00:00")
    rows = [
        attempt(1, start, provider="openai", model="gpt-5-mini", cost_usd="0.5", organization_id="acme"),
        attempt(2, start, provider="<b>evil</b>", model="=cmd()", cost_usd="0.25", organization_id="other"),
    ]
    fill(store, rows, listened=[(at("2026-11-01T00:00:00"), NOW)])
    made = LiveUsageApi(store, lambda: NOW)
    yield made
    made.close()
    store.close()


@pytest.fixture
def open_page(make_app, serve, browser):
    def start(url, *, role="admin", org=None, query="?range=30d&tz=UTC"):
        served = serve(make_app(usage_api_url=url, usage_api_token=KEY))
        browser.sign_in(served, role, org, path=PATH)
        browser.go(served, PATH + query)
        return served

    return start


def look(browser, panel, name):
    browser.wait_for(lambda: browser.find_all(f"#{panel}[data-look='{name}']"), f"{panel} never looked {name}")


def test_an_original_style_backend_shows_what_it_has_and_says_what_it_lacks(original, browser, open_page):
    open_page(original.url, query="?range=30d&tz=UTC&provider=openai")
    look(browser, "usage-figures", "ready")
    browser.wait_for_text("#usage-figures", "1,200")
    assert "34.56" in browser.text("#usage-figures")
    assert "12.5%" in browser.text("#usage-figures")
    assert "not confirmed" in browser.text("#usage-sub")
    for panel, words in (("usage-providers", "openai"), ("usage-levels", "balanced")):
        look(browser, panel, "ready")
        browser.wait_for_text(f"#{panel}", words)
    for panel in ("usage-figures", "usage-providers", "usage-levels"):
        assert "Window not confirmed: " in browser.text(f"#{panel}")
        assert "Filters not confirmed (provider): " in browser.text(f"#{panel}")
    lacking = {"usage-calls": "usage over time", "usage-models": "usage by model", "usage-recent": "single calls"}
    for panel, words in lacking.items():
        look(browser, panel, "failed")
        browser.wait_for_text(f"#{panel}", f"This usage API does not offer {words}.")


def test_another_console_is_read_whole_and_its_words_stay_text(another_console, browser, open_page):
    open_page(another_console.url)
    for panel in ("usage-figures", "usage-calls", "usage-cost", "usage-models", "usage-providers", "usage-recent"):
        look(browser, panel, "ready")
    browser.wait_for_text("#usage-providers", "<b>evil</b>")
    browser.wait_for_text("#usage-figures", "0.75")


def test_a_member_sees_its_own_organization_of_another_console(another_console, browser, open_page):
    open_page(another_console.url, role="member", org="acme")
    look(browser, "usage-figures", "ready")
    browser.wait_for_text("#usage-providers", "openai")
    assert "evil" not in browser.text("#usage-panels")


def test_a_member_sees_nothing_of_an_api_that_does_not_know_organizations(original, browser, open_page):
    open_page(original.url, role="member", org="acme")
    look(browser, "usage-figures", "failed")
    browser.wait_for_text("#usage-figures", "does not confirm that its answer is limited to your organization")
    assert "1,200" not in browser.text("#usage-panels")


def test_an_api_that_dies_while_the_page_is_open_is_seen_without_a_reload(original, browser, open_page):
    open_page(original.url)
    browser.wait_for_text("#usage-figures", "1,200")
    look(browser, "usage-figures", "ready")
    # the page has learnt the version, so that its end is news
    asked = "return performance.getEntriesByType('resource').filter(e => e.name.includes('/usage/version')).length"
    browser.wait_for(lambda: browser.driver.execute_script(asked) > 0, "the version was never asked")
    browser.expect_log("/api/v1/llm/usage/version")
    original.fail("500")
    browser.wait_for(
        lambda: browser.find("#usage-figures").get_attribute("data-look") in ("stale", "failed"),
        "the figures kept looking current",
    )
    original.heal()
    look(browser, "usage-figures", "ready")


def test_an_api_that_fails_shows_its_cause_and_retry_brings_it_back(original, browser, open_page):
    original.fail("500")
    browser.expect_log("/api/v1/llm/usage/version")
    open_page(original.url)
    look(browser, "usage-figures", "failed")
    browser.wait_for_text("#usage-figures", "Usage API answered with an error.")
    original.heal()
    browser.driver.execute_script("arguments[0].click()", browser.find("#usage-figures [data-retry]"))
    look(browser, "usage-figures", "ready")
    browser.wait_for_text("#usage-figures", "1,200")
