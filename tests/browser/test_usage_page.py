"""The usage page in a real browser: what was sent is what stands there, and what is not known never looks like a 0."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from data_sources.result import utc_now
from data_sources.usage.embedded import EmbeddedUsage
from routes.gate import public
from tests.fakes.usage_rows import attempt, fill, make_store

pytestmark = pytest.mark.browser

PATH = "/admin/llm/usage"
KEY = "an-ingest-key-for-tests"
PANELS = ("figures", "calls", "models", "cost", "providers", "levels", "recent")


@pytest.fixture
def console(make_app, serve):
    return serve(make_app(ingest_token=KEY, reporting_tz="UTC"))


def send(console, *events):
    body = json.dumps(events).encode()
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    with urlopen(Request(f"{console.url}/api/v1/llm/usage/events", body, headers)) as answer:
        assert json.load(answer)["accepted"] == len(events)


def event(number, **fields):
    started = utc_now() - timedelta(seconds=60 - number)
    return {
        "event_id": f"e{number}",
        "started_at": started.isoformat(),
        "provider": "openai",
        "model": "gpt-5-mini",
        "status": "success",
        "input_tokens": 2006,
        "output_tokens": 300,
        "duration_ms": 831,
        "cost_reported_usd": 0.5,
    } | fields


def open_page(browser, console, query="?range=7d"):
    browser.sign_in(console, path=quote(PATH + query))


def click(browser, selector):
    """Click it as soon as it is there: a panel may be drawn anew between finding and clicking."""
    script = "const it = document.querySelector(arguments[0]); if (it) it.click(); return it !== null"
    browser.wait_for(lambda: browser.driver.execute_script(script, selector), f"no {selector} to click")


def looks(browser):
    return {name: browser.find(f"#usage-{name}").get_attribute("data-look") for name in PANELS}


def wait_looks(browser, look):
    browser.wait_for(lambda: set(looks(browser).values()) == {look}, f"not every panel became {look}: {looks(browser)}")


def test_before_the_first_call_the_page_tells_how_to_send_one(browser, console):
    open_page(browser, console)
    browser.wait_for_text("#usage-first", "No usage data yet")
    assert not browser.find("#usage-panels").is_displayed()
    assert KEY in browser.text("#usage-copy-curl")
    hidden = "const box = arguments[0].parentElement; return box.scrollWidth - box.clientWidth"
    assert browser.driver.execute_script(hidden, browser.find("#usage-copy-curl")) == 0, "a part of it is hidden"
    next(label for label in browser.find_all("#usage-way label") if label.text == "LiteLLM").click()
    browser.wait_for(lambda: browser.find("#usage-copy-litellm").is_displayed(), "LiteLLM's way never showed")
    assert browser.axe() == []


def test_readers_who_are_no_admins_do_not_see_the_key(browser, console):
    browser.sign_in(console, role="analyst", path=PATH)
    browser.wait_for_text("#usage-copy-curl", "ask an admin")
    assert KEY not in browser.driver.page_source


def test_the_first_call_appears_without_a_reload(browser, console):
    open_page(browser, console)
    browser.wait_for_text("#usage-first", "No usage data yet")
    send(console, event(1))
    browser.wait_for_text("#usage-fig-calls-value", "1")
    browser.wait_for_text("#usage-fig-cost-value", "$0.5000")
    assert browser.find("#usage-panels").is_displayed()
    assert not browser.find("#usage-first").is_displayed()
    send(console, event(2), event(3, status="failure", cost_reported_usd=None, input_tokens=None, output_tokens=None))
    browser.wait_for_text("#usage-fig-calls-value", "3")
    browser.wait_for_text("#usage-recent-body", "failed")
    browser.wait_for(
        lambda: re.search(r"Usage store\s\d\d:\d\d:\d\d UTC", browser.text("#oc-sources")), "no zone beside its time"
    )


def test_range_and_filters_live_in_the_address_and_apply_to_every_panel(browser, console):
    send(console, event(1), event(2, provider="anthropic", model="claude-sonnet-4-5"), event(3, provider=None))
    open_page(browser, console, "?range=7d&provder=anthropic&utm_source=mail")
    browser.wait_for_text("#usage-fig-calls-value", "3")
    assert browser.text("#usage-strangers") == "“provder” in the address is no filter of this page and narrows nothing."
    click(browser, "#usage-providers [data-value='anthropic']")
    browser.wait_for_text("#usage-fig-calls-value", "1")
    assert not browser.find("#usage-strangers").is_displayed()
    assert "provder" not in browser.driver.current_url
    browser.wait_for_text("#usage-models-body", "claude-sonnet-4-5")
    browser.wait_for(lambda: "gpt-5-mini" not in browser.text("#usage-recent-body"), "the table was not filtered")
    assert "provider=anthropic" in browser.driver.current_url
    browser.driver.refresh()
    browser.wait_for_text("#usage-chips", "provider is anthropic")
    browser.wait_for_text("#usage-fig-calls-value", "1")
    next(label for label in browser.find_all("#usage-range label") if label.text == "Today").click()
    browser.wait_for(lambda: "range=today" in browser.driver.current_url, "the range is not in the address")
    browser.find("#usage-chips [data-unfilter]").click()
    browser.wait_for(lambda: "provider" not in browser.driver.current_url, "the filter stayed in the address")
    browser.driver.back()
    browser.wait_for_text("#usage-chips", "provider is anthropic")


def test_a_filter_for_what_has_no_value_is_chosen_from_the_values_of_the_window(browser, console):
    send(console, event(1), event(2, provider=None))
    open_page(browser, console)
    browser.wait_for_text("#usage-fig-calls-value", "2")
    browser.find("#usage-filter").click()
    option = "#usage-filter-value option[value='n:']"
    browser.wait_for(lambda: browser.find_all(option), "no choice for what has no value")
    browser.find(option).click()
    browser.find("#usage-filter-add").click()
    browser.wait_for_text("#usage-chips", "provider is not set")
    browser.wait_for_text("#usage-fig-calls-value", "1")


def test_what_is_not_known_is_not_drawn_as_zero(browser, console):
    send(console, event(1, model="our-own-finetune-7b", cost_reported_usd=None, duration_ms=None))
    open_page(browser, console)
    wait_looks(browser, "ready")
    assert browser.find_all("#usage-fig-cost-value .oc-unknown")
    assert browser.find_all("#usage-fig-latency-value .oc-unknown")
    assert "no price is known" in browser.text("#usage-figures")
    assert "No cost is known" in browser.text("#usage-cost-body")
    assert "unpriced" in browser.text("#usage-recent-body")
    assert "$0" not in browser.text("#usage-panels")


def test_a_broken_store_fails_every_panel_with_its_cause_and_retry_brings_them_back(browser, console, tmp_path):
    ops = console.app.server.extensions["ops"]
    whole = ops.usage
    broken = make_store(tmp_path / "broken")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "usage.duckdb").write_bytes(b"no database" * 999)
    send(console, event(1))
    ops.usage = EmbeddedUsage(broken)
    for line in ("/version", "503"):
        browser.expect_log(line)
    open_page(browser, console)
    wait_looks(browser, "failed")
    assert "Failed to Load Usage Data" in browser.text("#usage-calls-body")
    assert not any(character.isdigit() for character in browser.text("#usage-figures-body").split("UTC")[-1])
    ops.usage = whole
    click(browser, "#usage-models [data-retry]")
    browser.wait_for_text("#usage-models-body", "gpt-5-mini")


def test_one_failing_panel_leaves_the_others_alone(browser, console):
    ops = console.app.server.extensions["ops"]
    send(console, event(1))

    class OneFault:
        def __getattr__(self, name):
            return getattr(whole, name)

        def breakdown(self, query, dimension, **limit):
            if dimension == "model":
                raise RuntimeError("a bug of ours")
            return whole.breakdown(query, dimension, **limit)

    whole = ops.usage
    ops.usage = OneFault()
    open_page(browser, console)
    browser.wait_for_text("#usage-models-body", "Retry")
    browser.wait_for_text("#usage-fig-calls-value", "1")
    assert looks(browser) == {name: "failed" if name == "models" else "ready" for name in PANELS}


def test_an_address_that_asks_for_nonsense_is_told_so(browser, console):
    send(console, event(1))
    open_page(browser, console, "?range=fortnight")
    wait_looks(browser, "failed")
    assert "fortnight" in browser.text("#usage-calls-body")


def test_load_more_shows_older_calls(browser, console):
    store = console.app.server.extensions["ops"].usage_store
    fill(store, [attempt(n, utc_now() - timedelta(seconds=n), model="m") for n in range(1, 71)])
    open_page(browser, console)
    browser.wait_for(lambda: len(browser.find_all("#usage-recent tbody tr")) == 50, "not the newest 50")
    click(browser, "[data-usage-more]")
    browser.wait_for(lambda: len(browser.find_all("#usage-recent tbody tr")) == 70, "no more were loaded")


def test_exports_are_saved_whole_and_a_failed_one_is_an_error(browser, console):
    send(console, event(1), event(2))
    open_page(browser, console)
    wait_looks(browser, "ready")
    browser.find(".oc-head-tools [data-export='csv']").click()
    browser.wait_for_text("#oc-toasts", "2 attempts of 2 calls, CSV")
    views = console.app.server.view_functions
    name = next(rule.endpoint for rule in console.app.server.url_map.iter_rules() if str(rule).endswith("/export"))
    whole = views[name]
    for line in ("/version", "/export", "503", "502"):
        browser.expect_log(line)
    for answer, words in (
        (("Bad gateway", 502), "The answer was HTTP 502 without a reason. No file was saved."),
        ("<h1>Sign in to the proxy</h1>", "What came is no export. No file was saved."),
    ):
        views[name] = public(lambda answer=answer: answer)
        browser.find(".oc-head-tools [data-export='csv']").click()
        browser.wait_for_text("#oc-toasts", words)
    views[name] = whole
    console.app.server.extensions["ops"].usage_store.close()
    browser.find(".oc-head-tools [data-export='json']").click()
    browser.wait_for_text("#oc-toasts .oc-toast:last-child", "The export failed")
    browser.wait_for_text("#oc-toasts .oc-toast:last-child", "The usage store")


@pytest.mark.parametrize(
    ("window", "fields"),
    [
        ("start=2026-11-01T10:00:00Z&end=2026-11-02T10:00:00Z", ("2026-11-01T15:45", "2026-11-02T15:45")),
        ("start=2026-11-01T10:00:00-05:00&end=2026-11-02T10:00%2B02:00", ("2026-11-01T20:45", "2026-11-02T13:45")),
        ("start=2026-11-01T10:00&end=2026-11-02T10:15", ("2026-11-01T10:00", "2026-11-02T10:15")),
    ],
    ids=["Z", "offsets", "local"],
)
def test_show_without_an_edit_keeps_the_window_of_the_address(browser, console, window, fields):
    send(console, event(1))
    open_page(browser, console, f"?range=custom&tz=Asia/Kathmandu&{window}")

    def shown():
        return tuple(browser.find(f"#usage-{name}").get_attribute("value") for name in ("start", "end"))

    browser.wait_for(lambda: shown() == fields, "the fields do not show the window in the page's zone")
    words = browser.wait_for(lambda: browser.text("#usage-sub").partition("  ")[0], "no window was told")
    asked = "return performance.getEntriesByType('resource').filter(e => e.name.includes('_dash-update')).length"
    before = browser.driver.execute_script(asked)
    click(browser, "#usage-custom-show")
    browser.wait_for(lambda: browser.driver.execute_script(asked) >= before + len(PANELS), "Show asked nothing")
    browser.wait_gone("#usage-panels .oc-busy.on")
    assert browser.text("#usage-sub").partition("  ")[0] == words
    assert shown() == fields


@pytest.mark.parametrize("width", [1360, 900, 390])
def test_no_figure_overflows_its_cell_with_a_quota(browser, make_app, serve, width):
    console = serve(make_app(ingest_token=KEY, reporting_tz="UTC", quota_calls_per_month=8_000_000))
    store = console.app.server.extensions["ops"].usage_store
    fill(store, [attempt(n, utc_now() - timedelta(seconds=n), duration_ms=600_000 + n) for n in range(1, 41)])
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    open_page(browser, console)
    browser.wait_for_text("#usage-fig-quota-value", "%")
    browser.wait_for_text("#usage-fig-latency-value", "p99")
    over = """return [...document.querySelectorAll('.oc-figure')].filter(cell => {
      const right = cell.getBoundingClientRect().right;
      return [...cell.querySelectorAll('.oc-figure-part')].some(part => part.getBoundingClientRect().right > right);
    }).map(cell => cell.innerText)"""
    assert browser.driver.execute_script(over) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_passes_axe_and_names_no_other_host(browser, console, theme):
    names = {
        "model": "claude-sonnet-4-5-20250929",
        "provider": "anthropic",
        "source": "a-long-source-name-of-a-gateway",
    }
    first = event(1, **names, power_level="precision", cost_reported_usd=1.0359)
    failed = event(2, status="failure", http_status=429)
    again = event(4, **names, power_level="precision", call_id="c", status="failure", http_status=503)
    retried = event(5, **names, power_level="precision", call_id="c", cost_reported_usd=0.4321)
    send(console, first, failed, event(3, model=None, cost_reported_usd=None), again, retried)
    browser.theme(theme)
    open_page(browser, console)
    wait_looks(browser, "ready")
    click(browser, "[data-pop='usage-fig-calls-info']")
    browser.wait_for(lambda: browser.find("#usage-fig-calls-info").is_displayed(), "the popover stayed shut")
    assert "Usage store" in browser.text("#usage-fig-calls-info")
    assert browser.axe() == []
    assert browser.foreign_requests() == []
    cut = "const it = document.querySelector('.oc-calls'); return it.scrollWidth - it.clientWidth"
    assert browser.driver.execute_script(cut) <= 0  # the cost stands last: a part of it would be another amount


def test_no_label_of_time_is_cut_at_the_end_of_its_chart(browser, console):
    send(console, event(1))
    browser.phone()
    open_page(browser, console, "?range=30d")  # its last label is of the last day but one
    wait_looks(browser, "ready")
    browser.wait_for(lambda: len(browser.find_all("#usage-calls .xtick text")) == 5, "the days have no labels")
    over = browser.driver.execute_script(
        "const panel = document.querySelector('#usage-calls'), svg = panel.querySelector('.main-svg');"
        "const cuts = getComputedStyle(svg).overflowX !== 'visible';"
        "const edge = cuts ? svg.getBoundingClientRect().right : panel.getBoundingClientRect().right - 1;"
        "return [...panel.querySelectorAll('.xtick text')]"
        ".filter(each => each.getBoundingClientRect().right > edge).map(each => each.textContent)"
    )
    assert over == []


def test_on_a_phone_nothing_is_wider_than_the_screen(browser, console):
    send(console, event(1), event(2, model="a-model-with-a-name-of-sixty-characters-or-so-for-the-phone"))
    browser.phone()
    open_page(browser, console)
    wait_looks(browser, "ready")
    width = browser.driver.execute_script("return document.documentElement.scrollWidth")
    assert width <= 390
    assert browser.axe() == []
