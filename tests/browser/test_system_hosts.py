"""Another host's page in a real browser: its figures in one request a tick, and words where there are none."""

import math
import re
from datetime import UTC, datetime

import pytest

from data_sources.system.prometheus import PrometheusSource
from data_sources.system.prometheus_wire import PrometheusClient
from data_sources.system.windows import grid
from tests.browser.test_system_page import BADGE, PATH
from tests.data_sources.system.prometheus.steps import edit, raw
from tests.fakes.prometheus import FakePrometheus

pytestmark = pytest.mark.browser


def clock(at_s):
    return datetime.fromtimestamp(at_s, UTC).strftime("%H:%M:%S")


def over_the_chart(browser):
    """The words over the first chart, of gaps that are wide enough for them."""
    return browser.driver.execute_script(
        "return [...document.querySelectorAll('#system-network-graph .annotation-text')].map(each => each.textContent)"
    )


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
    browser.wait_for_text("#system-network-body", "Prometheus has no node_exporter of that name: nowhere.")

    browser.go(served, f"{PATH}?host={fake.instance}")
    browser.wait_for_text(BADGE, "Live")
    browser.wait_for_text("#system-sub", fake.instance)
    browser.wait_for_text("#system-disk-now-span", "max")  # file systems are the history's
    assert set(browser.driver.execute_script(ASKED)) == {"/api/v1/system/live"}

    fake.change = edit("up", lambda values: [*values[:-4], *([when, "0"] for when, _ in values[-4:])])
    ops.prometheus = PrometheusSource(PrometheusClient(fake.url), clock_s=fake.clock_s)
    browser.go(served, f"{PATH}?host={fake.instance}")
    browser.wait_for_text(BADGE, "Down since ")
    since = clock(raw(fake, "up", instance=fake.instance)[-5][0])
    browser.wait_for_text(BADGE, f"Down since {since}")
    browser.wait_for_text("#system-sub", f"last sample {since}")  # not that of the scrape that found nobody
    for card in ("received", "cpu-now", "memory-now", "disk-now", "load"):
        browser.wait_for_text(f"#system-{card}-note", "Down since ")

    def bare(query, body):
        found = body["data"]["result"]
        body["data"]["result"] = [each for each in found if each["metric"].get("__name__", "up") == "up"]

    fake.change = bare
    ops.prometheus = PrometheusSource(PrometheusClient(fake.url), clock_s=fake.clock_s)
    browser.go(served, f"{PATH}?host={fake.instance}")
    browser.wait_for_text(BADGE, "No data")
    browser.wait_for_text("#system-past", "It answers, but without node_exporter's figures.")
    browser.wait_for_text("#system-sub", "no sample")
    browser.wait_for_text("#system-received-note", "no data")
    browser.wait_for_text("#system-gaps", "It answers, but without node_exporter's figures.")
    assert "no data" in over_the_chart(browser)

    fake.change = edit("up", lambda values: [[when, "0"] for when, _ in values])
    fake.instead["max_over_time"] = 200, {"status": "success", "data": {"result": []}}
    ops.prometheus = PrometheusSource(PrometheusClient(fake.url), clock_s=fake.clock_s)
    browser.go(served, f"{PATH}?host={fake.instance}")
    browser.wait_for_text(BADGE, "Never seen")
    browser.wait_for_text("#system-gaps", "No scrape of it succeeded in the last 24 hours.")
    assert "never seen" in over_the_chart(browser)

    def gone(query, body):
        found = body["data"]["result"]
        body["data"]["result"] = [each for each in found if each["metric"].get("instance") != fake.instance]

    fake.change = lambda query, body: gone(query, body) if query.startswith("{") else None
    nothing = {"status": "success", "data": {"resultType": "matrix", "result": []}}
    fake.instead[f'instance="{fake.instance}"'] = 200, nothing
    ops.prometheus = PrometheusSource(PrometheusClient(fake.url), clock_s=fake.clock_s)
    browser.go(served, f"{PATH}?host={fake.instance}")
    browser.wait_for_text(BADGE, "No data")
    browser.wait_for_text("#system-past", "Prometheus no longer scrapes it.")
    browser.wait_for_text("#system-gaps", "Prometheus no longer scrapes it.")
    assert over_the_chart(browser) == ["no data"]
    browser.wait_for_text("#system-received-note", "no data")


def test_after_a_host_was_down_its_gap_tells_that_and_how_long_it_truly_was(browser, app, serve, fake):
    ups = raw(fake, "up", instance=fake.instance)
    away = range(len(ups) - 60, len(ups) - 6)  # the scrape before these and the one after them were answered
    begun_s, ended_s = ups[away[0] - 1][0], ups[away[-1] + 1][0]
    length = f"{int(ended_s - begun_s + 0.5)}\u00a0s"
    fake.change = edit("up", lambda values: [[when, "0" if begun_s < when < ended_s else "1"] for when, _ in values])
    ops = app.server.extensions["ops"]
    ops.prometheus = PrometheusSource(PrometheusClient(fake.url), clock_s=fake.clock_s)
    served = serve(app)
    browser.sign_in(served, path=f"{PATH}?host={fake.instance}")
    browser.wait_for_text(BADGE, "Live")
    told = "return document.querySelector('#system-gaps').textContent"
    browser.wait_for(lambda: "did not answer" in browser.driver.execute_script(told), "the gap is not told")
    text = browser.driver.execute_script(told)
    assert f"{clock(begun_s)} to {clock(ended_s)}{fake.instance} did not answer for {length}." in text
    assert "No sample" not in text
    assert f"down for {length}" in over_the_chart(browser)

    # The window has moved on until only its end is in sight.
    later = browser.driver.execute_async_script(
        "const [from, done] = arguments;"
        "Promise.all(['gaps', 'state'].map(name => import(`/assets/system/${name}.js`))).then(([gaps, state]) => {"
        "const S = state.S, known = S.v.net_in.map(value => value !== null);"
        "done(gaps.gaps(S.t, i => known[i], S.why.network, from, S.t[S.t.length - 1], 1000, () => false)"
        ".map(gap => gaps.why(gap, '', 'web'))); })",
        (ended_s - 2) * 1000,
    )
    assert later == [f"web did not answer for {length}."]

    def hole(query, body):
        for series in body["data"]["result"]:
            if "values" in series:
                series["values"] = [each for each in series["values"] if not begun_s < each[0] < ended_s]

    fake.change = hole
    ops.prometheus = PrometheusSource(PrometheusClient(fake.url), clock_s=fake.clock_s)
    browser.go(served, f"{PATH}?host={fake.instance}")
    browser.wait_for_text(BADGE, "Live")
    browser.wait_for(lambda: "has no sample" in browser.driver.execute_script(told), "the hole is not told")
    assert f"Prometheus has no sample of it for {length}." in browser.driver.execute_script(told)


def test_an_outage_that_fills_no_step_of_a_long_window_is_told_as_long_as_it_was(browser, app, serve, fake):
    ops = app.server.extensions["ops"]
    ops.prometheus = PrometheusSource(PrometheusClient(fake.url), clock_s=fake.clock_s)
    host = ops.prometheus.host(fake.instance)  # found before the answers are others
    window_s, end_s = 21_600, math.floor((fake.now_s - 30) / 10) * 10
    step_s = grid(fake.now_s - window_s, end_s, tier_s=math.ceil(4 * host.period_s), points=360).step_s
    ends_s = [end_s - step_s * place for place in range(int((end_s - fake.now_s + window_s) // step_s))][::-1]
    begun_s, ended_s = ends_s[100] + 10, ends_s[100] + 31

    def matrix(*series):
        found = [{"metric": {"__name__": name}, "values": values} for name, values in series]
        return 200, {"status": "success", "data": {"resultType": "matrix", "result": found}}

    def lost(when):  # of a step's scrapes those that failed
        return sum(begun_s < when - second < ended_s for second in range(step_s))

    known = [[when, "3"] for when in ends_s if not lost(when)]
    scrapes = range(ends_s[0] - 2 * step_s, end_s + 1)
    up = [[when, "0" if begun_s < when < ended_s else "1"] for when in scrapes]
    fake.instead |= {  # the first that is part of a question answers it
        "rate(": matrix(("", known)),
        "max(count_over_time(up{": matrix(("", [[when, str(step_s)] for when in ends_s])),
        "max(sum_over_time(up{": matrix(("", [[when, str(step_s - lost(when))] for when in ends_s])),
        "max(label_replace(": matrix(("", [[when, str(step_s - lost(when))] for when in ends_s])),
        '{__name__=~"up|node_load1|node_memory': matrix(
            ("up", up), ("node_load1", [each for each in up if each[1] == "1"])
        ),
        "_over_time(": matrix(("", known)),
    }
    served = serve(app)
    browser.sign_in(served)
    browser.go(served, f"{PATH}?host={fake.instance}&window=21600")
    browser.wait_for_text(BADGE, "Live")
    told = "return document.querySelector('#system-gaps').textContent"
    length = f"{fake.instance} did not answer for 21\u00a0s."
    browser.wait_for(lambda: length in browser.driver.execute_script(told), "the outage is not told")
    text = browser.driver.execute_script(told)
    assert f"{clock(begun_s)} to {clock(ended_s)}" in text
    assert text.count("did not answer") == 1
    # No line is drawn through the step that holds it: it is hatched as a whole.
    hatched = (
        "const drawn = document.querySelector('#system-network-graph .js-plotly-plot').data;"
        "return (drawn.find(trace => trace.name === 'no sample') || { x: [] }).x.map(at => at && at.slice(11, 19))"
    )
    first, last = clock(ends_s[100]), clock(ends_s[101])
    browser.wait_for(
        lambda: browser.driver.execute_script(hatched)[:4] == [first, first, last, last], "the step is not hatched"
    )


def test_the_cards_of_another_host_break_no_line_within_a_figure(browser, app, serve, fake):
    """Its scrapes and steps are of any length, and a card has room for some twenty letters."""
    ops = app.server.extensions["ops"]
    ops.prometheus = PrometheusSource(PrometheusClient(fake.url), clock_s=fake.clock_s)
    served = serve(app)
    browser.sign_in(served, path=f"{PATH}?host={fake.instance}")
    browser.wait_for_text("#system-disk-now-span", "max")

    def written():
        return browser.driver.execute_script(
            "return [...document.querySelectorAll('#system-now :is(.oc-figure-note, .sys-span > span)')]"
            ".map(each => each.textContent)"
        )

    words = browser.wait_for(lambda: len(found := written()) == 24 and found, "a card has not all its words")
    assert [each for each in words if re.search(r"\d (s|min|h|d|[kMGT]?B(/s)?)\b", each)] == []
    told = browser.driver.execute_async_script(
        "const done = arguments[0];"
        "Promise.all(['state', 'view', 'cards'].map(name => import(`/assets/system/${name}.js`)))"
        ".then(([state, view, cards]) => {"
        "Object.assign(state.H.body.summary.mount_used_root, {of: '21612 s means', max_of: '15 s means', max: 9e12});"
        "cards.cards(view.viewOf());"
        "done([...document.querySelectorAll('#system-disk-now-span > span')].map(each => each.textContent)); })"
    )
    p95, most, steps = (each.split(" ") for each in told)
    assert (p95[0].split("\u00a0")[0], p95[1]) == ("p95", "of\u00a06\u00a0h")
    assert most == ["max\u00a09.00\u00a0TB", "of\u00a015\u00a0s"]
    assert steps == ["means", "in\u00a05\u00a0min"]

    def elsewhere(query, body):
        for series in body["data"]["result"]:
            if series["metric"].get("mountpoint") == "/":
                series["metric"]["mountpoint"] = "/srv"

    fake.change = elsewhere
    ops.prometheus = PrometheusSource(PrometheusClient(fake.url), clock_s=fake.clock_s)
    browser.go(served, f"{PATH}?host={fake.instance}")
    browser.wait_for_text("#system-disk-now-note", "no root file system is told")
    browser.wait_for_text("#system-mounts", "/srv")
    assert browser.text("#system-mounts").count("/srv") == 1


def test_old_figures_of_another_host_name_prometheus_where_it_is_at_fault(browser, app, serve, fake):
    ops = app.server.extensions["ops"]
    ops.prometheus = PrometheusSource(PrometheusClient(fake.url), clock_s=fake.clock_s)
    served = serve(app)
    browser.sign_in(served, path=f"{PATH}?host={fake.instance}")
    browser.wait_for_text(BADGE, "Live")
    fake.fail("401")
    fake.now_s += 60
    browser.wait_for_text(BADGE, "Stale")
    browser.wait_for_text("#system-past", "This host could not be read. Prometheus refused our key.")
    browser.wait_for_text("#system-interfaces-badge", "Stale")
    browser.wait_for_text("#system-gaps", "s. Prometheus refused our key.")


def test_what_prometheus_says_of_its_answers_stands_in_every_panel_while_it_does(browser, app, serve, fake):
    ops = app.server.extensions["ops"]
    ops.prometheus = PrometheusSource(PrometheusClient(fake.url), clock_s=fake.clock_s)
    served = serve(app)
    browser.sign_in(served, path=f"{PATH}?host={fake.instance}")
    browser.wait_for_text(BADGE, "Live")
    browser.wait_for_text("#system-sub", fake.instance)
    note = "return document.querySelector('#system-network .sys-notes').textContent"
    browser.wait_for(lambda: browser.find_all("#system-network .sys-notes"), "the panel tells nothing of itself")
    assert browser.driver.execute_script(note) == ""
    nothing_new = {"status": "success", "data": {"resultType": "matrix", "result": []}}
    fake.instead[fake.instance] = 200, {**nothing_new, "warnings": ["a block is missing"]}
    fake.now_s += 2
    told = "Prometheus says: a block is missing"
    browser.wait_for(lambda: browser.driver.execute_script(note) == told, "the warning is not told")
    browser.wait_for_text("#system-past", told)  # and in sight
    fake.instead[fake.instance] = 200, nothing_new
    fake.now_s += 2
    browser.wait_for(lambda: browser.driver.execute_script(note) == "", "the warning is told for ever")


def test_panels_that_a_failing_prometheus_kept_empty_are_filled_once_it_answers(browser, app, serve, fake):
    ops = app.server.extensions["ops"]
    fake.fail("401")
    ops.prometheus = PrometheusSource(PrometheusClient(fake.url), clock_s=fake.clock_s)
    browser.expect_log("502")
    served = serve(app)
    browser.sign_in(served, path=f"{PATH}?host={fake.instance}")
    browser.wait_for_text("#system-network-body", "Prometheus refused our key.")
    fake.heal()
    ops.prometheus = PrometheusSource(PrometheusClient(fake.url), clock_s=fake.clock_s)
    browser.wait_for_text(BADGE, "Live")
    browser.wait_for(lambda: browser.find_all("#system-network-graph .scatterlayer path.js-line"), "no line was drawn")
    browser.wait_for(lambda: not browser.find_all("section[data-look=failed]"), "a panel kept its old failure")
