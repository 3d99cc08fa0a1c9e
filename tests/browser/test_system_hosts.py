"""Another host's page in a real browser: its figures in one request a tick, and words where there are none."""

import pytest

from data_sources.system.prometheus import PrometheusSource
from data_sources.system.prometheus_wire import PrometheusClient
from tests.browser.test_system_page import BADGE, PATH
from tests.data_sources.system.prometheus.steps import edit
from tests.fakes.prometheus import FakePrometheus

pytestmark = pytest.mark.browser

ASKED = (
    "return performance.getEntriesByType('resource').map(e => new URL(e.name).pathname)"
    ".filter(path => path.startsWith('/api/v1/system/'))"
)


@pytest.fixture
def fake():
    server = FakePrometheus()
    yield server
    server.close()


def test_another_host_is_one_request_a_tick_and_says_what_is_so_when_there_is_none(browser, app, serve, fake):
    served = serve(app)
    browser.expect_log("503")
    browser.sign_in(served, path=f"{PATH}?host={fake.instance}")
    browser.wait_for_text(BADGE, "Not configured")
    browser.wait_for_text("#system-network-body", "OPS_PROMETHEUS_URL")
    assert browser.driver.execute_script(ASKED) == ["/api/v1/system/live"], "asked again for what only a restart brings"

    ops = app.server.extensions["ops"]
    ops.prometheus = PrometheusSource(PrometheusClient(fake.url), clock_s=fake.clock_s)
    browser.expect_log("404")
    browser.go(served, f"{PATH}?host=nowhere")
    browser.wait_for_text(BADGE, "There is no such host")
    browser.wait_for_text("#system-network-body", "Prometheus watches no host called nowhere.")

    browser.go(served, f"{PATH}?host={fake.instance}")
    browser.wait_for_text(BADGE, "Live")
    browser.wait_for_text("#system-sub", fake.instance)
    browser.wait_for_text("#system-disk-now-span", "max")  # file systems are the history's
    assert set(browser.driver.execute_script(ASKED)) == {"/api/v1/system/live"}

    fake.change = edit("up", lambda values: [*values[:-4], *([when, "0"] for when, _ in values[-4:])])
    ops.prometheus = PrometheusSource(PrometheusClient(fake.url), clock_s=fake.clock_s)
    browser.go(served, f"{PATH}?host={fake.instance}")
    browser.wait_for_text(BADGE, "Down since ")
    for card in ("received", "cpu-now", "memory-now", "disk-now", "load"):
        browser.wait_for_text(f"#system-{card}-note", "Down since ")
