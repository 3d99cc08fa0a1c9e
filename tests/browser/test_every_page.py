"""What holds for every page alike: room for fingers, a ring around what has the focus, nothing that jumps."""

from datetime import timedelta

import pytest

from data_sources.result import utc_now
from tests.fakes.billing import Billing
from tests.fakes.machine import FakeMachine
from tests.fakes.usage_rows import attempt, fill

pytestmark = pytest.mark.browser

USAGE, SYSTEM, PLAN = "/admin/llm/usage", "/admin/system/monitoring", "/admin/subscription/plan"
REQUESTS, COVERAGE = "/admin/llm/requests", "/admin/llm/coverage"
MARKS = {
    USAGE: "#usage-calls .main-svg",
    SYSTEM: "#system-disk-graph .js-line",
    PLAN: ".oc-plan",
    REQUESTS: "#requests-list tbody tr",
    COVERAGE: "#coverage-listening .oc-span",
}

SMALL = """
const found = [];
for (const it of document.querySelectorAll('button, select, summary, nav a, .oc-brand, a.btn, label.btn, input')) {
  if (it.matches('.btn-check, [type=hidden]') || !it.checkVisibility({visibilityProperty: true})) continue;
  const box = it.getBoundingClientRect();
  if (box.width < 43.9 || box.height < 43.9)
    found.push(`${it.outerHTML.slice(0, 90)} is ${Math.round(box.width)} x ${Math.round(box.height)}`);
}
return found
"""

# The ring of each control, with its contrast to what it stands on. A key was pressed before, so focus is shown.
RINGS = """
const light = color => {
  const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const found = [];
for (const it of document.querySelectorAll('a[href], button, select, input, summary, [tabindex="0"]')) {
  if (!it.checkVisibility({visibilityProperty: true}) || it.disabled) continue;
  it.focus();
  if (document.activeElement !== it) continue;
  const ringed = it.matches('.btn-check') ? it.nextElementSibling : it, style = getComputedStyle(ringed);
  let ground = ringed.parentElement;
  const clear = /, 0\\)$/;
  while (ground.parentElement && clear.test(getComputedStyle(ground).backgroundColor)) ground = ground.parentElement;
  const a = light(style.outlineColor), b = light(getComputedStyle(ground).backgroundColor);
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (style.outlineStyle !== 'solid' || parseFloat(style.outlineWidth) < 2 || contrast < 3)
    found.push(`${it.outerHTML.slice(0, 90)}: ${style.outline}, contrast ${contrast.toFixed(1)}`);
}
return found
"""

# A panel that is not shown, such as that of a drawer, may wait for its question.
SETTLED = """
const shown = [...document.querySelectorAll('.oc-panel')].filter(panel => panel.checkVisibility());
return shown.length > 0 && shown.every(panel => panel.dataset.look !== 'loading')
"""

SHIFTS = """
const done = arguments[0];
new PerformanceObserver(list => done(list.getEntries().filter(e => !e.hadRecentInput).map(e =>
  [e.value, e.sources.map(s => s.node && (s.node.id || s.node.className || s.node.nodeName) + ' ' +
    [s.previousRect.y, s.currentRect.y, s.previousRect.height, s.currentRect.height].map(Math.round))])))
  .observe({type: 'layout-shift', buffered: true});
setTimeout(() => done([]), 300);
"""


@pytest.fixture
def billing():
    made = Billing()
    made.lago.subscribe("org-acme", "team")
    yield made
    made.close()


@pytest.fixture
def served(make_app, serve, billing):
    """A console with a quota, two plans more than one, a machine that was read twice, and no call yet."""
    given = billing.settings(reporting_tz="UTC", quota_calls_per_month=8_000, lago_customer="org-acme")
    app = make_app(**given)
    ops, machine = app.server.extensions["ops"], FakeMachine()
    ops.system.close()
    ops.system = machine.held_source()
    for _ in range(3):
        machine.wait(2)
        machine.receive("eth0", 5000, 300)
        ops.system.sampler.tick()
    return serve(app, given["port"])


def calls(served):
    store = served.app.server.extensions["ops"].usage_store
    names = ("gpt-5-mini", "claude-sonnet-4-5", "a-model-with-a-name-of-sixty-characters-or-so-for-the-phone")
    rows = [
        attempt(n, utc_now() - timedelta(seconds=n), model=names[n % 3], provider="openai", duration_ms=831 + n)
        for n in range(1, 61)
    ]
    fill(store, rows)


def wait_drawn(browser, path):
    """Until nothing more is to come on this page."""
    browser.wait_for(
        lambda: browser.driver.execute_script(SETTLED),
        f"{path} went on loading",
    )
    browser.wait_for(lambda: browser.find_all(MARKS[path]), f"nothing was drawn on {path}")


def test_what_a_finger_presses_is_44_pixels_on_a_phone(browser, served):
    browser.phone()
    browser.go(served, "/login")
    assert browser.driver.execute_script(SMALL) == []
    browser.sign_in(served, path=USAGE)
    browser.wait_for_text("#usage-first", "No usage data yet")
    assert browser.driver.execute_script(SMALL) == []
    covered = (
        "return [...document.querySelectorAll('[data-copy]')].filter(b => b.getBoundingClientRect().left <"
        " document.getElementById(b.dataset.copy).parentElement.getBoundingClientRect().right).length"
    )
    assert browser.driver.execute_script(covered) == 0, "a copy button stands on the words it copies"
    calls(served)
    for path in MARKS:
        browser.go(served, path)
        wait_drawn(browser, path)
        assert browser.driver.execute_script(SMALL) == [], path
    browser.go(served, "/plans")
    assert browser.driver.execute_script(SMALL) == []


def test_every_control_shows_a_ring_that_can_be_seen_in_both_themes(browser, served):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    calls(served)
    browser.sign_in(served)
    for path in (*MARKS, "/login"):
        browser.go(served, path)
        if path != "/login":
            wait_drawn(browser, path)
        ActionChains(browser.driver).send_keys(Keys.TAB).perform()
        for theme in ("light", "dark"):
            browser.driver.execute_script("document.documentElement.dataset.bsTheme = arguments[0]", theme)
            assert browser.driver.execute_script(RINGS) == [], (path, theme)


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_nothing_jumps_when_the_figures_come(browser, served, phone):
    calls(served)
    if phone:
        browser.phone()
    browser.sign_in(served, path="/no/such/page")
    browser.expect_log("404")
    for path in MARKS:
        browser.go(served, path)
        wait_drawn(browser, path)
        shifts = browser.driver.execute_async_script(SHIFTS)
        assert sum(value for value, _ in shifts) < 0.1, (path, shifts)
