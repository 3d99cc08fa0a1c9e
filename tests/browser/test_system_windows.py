"""Tabs, windows, zoom and export of the system page in a real browser: what is drawn is what was measured."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from data_sources.result import Failed, Kind, Problem
from data_sources.system.history_reader import KILLED, NOT_RUNNING, OLDER, HistoryQuery
from data_sources.system.prometheus_outages import AT_TIMES, NOTHING
from tests.browser.test_system_page import BADGE, PATH, console, machine, pause, pick, use  # noqa: F401
from tests.data_sources.system.test_sampler import wait_until

pytestmark = pytest.mark.browser

HOUR = f"{PATH}?window=3600"
PLOT = "document.querySelector('#system-network-graph .js-plotly-plot')"


def query(browser):
    return {name: values[0] for name, values in parse_qs(urlsplit(browser.driver.current_url).query).items()}


def wait_for_line(browser, panel="system-network"):
    browser.wait_for(lambda: browser.find_all(f"#{panel}-graph .scatterlayer path.js-line"), "no line was drawn")


def shown_range(browser):
    return browser.driver.execute_script(f"return {PLOT}.layout.xaxis.range")


def test_a_gap_is_bridged_by_no_line_and_no_band_and_a_spike_outlives_the_steps(browser, console, machine):  # noqa: F811
    # 30 minutes around midnight with 80 s in which nobody sampled, and one tick of 2 s at 50 MB/s.
    machine.wait(42_000)
    console.tick()
    for number in range(600):
        console.tick(received=100_000_000 if number == 300 else 20_000, sent=2000)
    console.tick(received=20_000, seconds=80)
    for _ in range(300):
        console.tick(received=20_000, sent=2000)
    browser.sign_in(console, path=HOUR)
    browser.wait_for_text("#system-network-legend", "least to most")
    browser.wait_for_text("#system-network-legend", "peak 50.0 MB/s")
    browser.wait_for_text("#system-received-span", "max 50.0 MB/s")
    assert "p95 0.0100 MB/s" in browser.text("#system-received-span").replace("\u00a0", " ")
    browser.wait_for_text("#system-gaps", "No sample for 80")
    assert "2 Mar 00:00:07 to 2 Mar 00:01:27" in browser.text("#system-gaps"), "its own ends, not those of a step"
    assert "to 1 Mar 23:40:07\nOps Center was not running." in browser.text("#system-gaps")
    wait_for_line(browser)
    ticks = browser.driver.execute_script(
        "return [...document.querySelectorAll('#system-network-graph .xtick')].map(tick => tick.textContent)"
    )
    assert "00:002 Mar" in ticks, "a time of day alone does not say of which day"
    room = browser.driver.execute_script(
        "const ends = [...document.querySelectorAll('#system-network-graph .xtick')]"
        ".map(tick => tick.getBoundingClientRect().bottom);"
        "const next = document.querySelector('#system-network-numbers').parentElement.querySelector('summary');"
        "return next.getBoundingClientRect().top - Math.max(...ends)"
    )
    assert room >= 0, "the day runs into what stands under the chart"
    gap = browser.driver.execute_script(
        f"const plot = {PLOT}, gap = plot.data.find(t => t.name === 'no sample'), axis = plot._fullLayout.xaxis;"
        "const i = gap.x.length - 5; return [axis.d2p(gap.x[i]), axis.d2p(gap.x[i + 2])]"
    )
    assert gap[1] - gap[0] > 10
    # Every piece that is drawn, line or band, ends before the gap or begins behind it; the hatch alone stands in it.
    spans = browser.driver.execute_script(
        f"const plot = {PLOT}, span = d => d.split('M').slice(1)"
        ".map(piece => piece.match(/-?[0-9.]+,-?[0-9.]+/g).map(point => Number(point.split(',')[0])))"
        ".map(x => [Math.min(...x), Math.max(...x)]);"
        "return ['path.js-line', 'path.js-fill'].map(drawn => [...plot.querySelectorAll(drawn)]"
        ".flatMap(path => span(path.getAttribute('d'))))"
    )
    lines, bands = spans
    middle = (gap[0] + gap[1]) / 2
    assert len(lines) == 4, "two lines in two pieces each"
    assert not [piece for piece in lines if piece[0] < middle < piece[1]]
    over = [piece for piece in bands if piece[0] < middle < piece[1]]
    assert len(bands) == 6
    assert len(over) == 1
    assert over[0] == pytest.approx(gap, abs=1)
    # What is newer than the history's last answer is in the window all the same.
    console.tick(received=400_000_000)
    browser.wait_for_text("#system-received-value", "200")
    assert "max 200 MB/s" in browser.text("#system-received-span").replace("\u00a0", " ")
    # The last step is drawn within the window from its first moment on.
    middles = browser.driver.execute_async_script(
        "Promise.all(['source', 'state'].map(name => import(`/assets/system/${name}.js`))).then(([source, state]) => {"
        "state.H.body = {t0_s: 0, step_s: 100, n: 2, window: {end: '1970-01-01T00:02:00Z'}};"
        "arguments[0](source.history.at); })"
    )
    assert middles == [50_000, 110_000]


def test_a_history_that_is_damaged_says_so_in_the_panels_and_begins_anew(browser, app, console, machine, tmp_path):  # noqa: F811
    source = machine.held_source(tmp_path / "history.db")
    use(app, source)
    for _ in range(3):
        for _ in range(600):
            console.tick(received=20_000)
        source.history(HistoryQuery())
        source._history.flush()
    source._history._file._writer.execute("pragma wal_checkpoint(truncate)")
    with source._history._writing:  # the writer waits: what a reader finds is seen before it is mended
        (tmp_path / "history.db").write_bytes(b"this is no database" * 500)
        browser.sign_in(console, path=f"{PATH}?window=21600")
        browser.wait_for_text("#system-gaps", "The history is damaged and cannot be read: file is not a database.")
        browser.wait_for_text("#system-past", "The history is damaged and cannot be read: file is not a database")
        browser.wait_for_text("#system-network-graph", "The history is damaged and cannot be read")
        over = browser.text("#system-network-graph")
        assert "no database" not in over, "words wider than a chart run into the next one"
        browser.wait_for_text("#system-received-value", "10.0")  # what is live does not depend on it
    wait_until((tmp_path / "history.db.damaged").exists, 30)
    browser.driver.refresh()  # so long a window is asked for once a minute
    lost = "Lost: the file of the history was damaged. It is kept as history.db.damaged."
    browser.wait_for_text("#system-gaps", lost)
    browser.wait_for_text("#system-network-graph", "Lost")


def test_on_a_phone_the_last_moments_label_is_clear_of_the_panels_line(browser, app, console, machine):  # noqa: F811
    # A label stands at the very end of the axis: of a day where the window is of days, else of an hour.
    machine.clock_offset_s = (datetime(2026, 11, 29, 0, 0, 30, tzinfo=UTC) - machine.now()).total_seconds()
    use(app, machine.held_source())
    console.tick()
    console.tick(received=5000)
    browser.phone()
    browser.sign_in(console, path=PATH)
    wait_for_line(browser)
    clear = (
        "const panel = document.querySelector('#system-network'), line = panel.getBoundingClientRect().right - 1;"
        "const labels = [...panel.querySelectorAll('.xtick text')];"
        "const rights = labels.map(label => label.getBoundingClientRect().right);"
        "const last = rights.indexOf(Math.max(...rights));"
        "return labels.length ? [labels[last].textContent, line - rights[last]] : ['', 0]"
    )
    seen = {}
    windows = {"5 min": "00:00", "15 min": "00:00", "1 h": "00:00", "6 h": "00:00", "24 h": "00:00"}
    for label, last in {**windows, "7 d": "29 Nov", "30 d": "29 Nov", "90 d": "29 Nov"}.items():
        pick(browser, "#system-window", label)

        def stands(last=last):
            return browser.driver.execute_script(clear)[0].startswith(last)

        browser.wait_for(stands, f"no {last} in {label}")
        seen[label] = browser.driver.execute_script(clear)[1]
    assert {label: room for label, room in seen.items() if room < 3} == {}


def test_a_drag_zooms_every_chart_and_holds_while_data_flow(browser, console):  # noqa: F811
    from selenium.webdriver import ActionChains

    console.tick()
    for received in range(140):
        console.tick(received=2000 + received)
    browser.sign_in(console, path=PATH)
    wait_for_line(browser)
    browser.wait_for_text(BADGE, "Live")
    # A chart that moves while the mouse is pressed on it is not dragged: wait until all are drawn and stand still.
    browser.wait_for(lambda: browser.find_all("#system-disk-graph .js-line"), "the charts below never came")
    places = []

    def at_rest():
        places.append(browser.find("#system-network-graph .nsewdrag").rect)
        return places[-3:] == [places[-1]] * 3

    browser.wait_for(at_rest, "the charts never stood still")
    area = browser.find("#system-network-graph .nsewdrag")
    ActionChains(browser.driver).move_to_element_with_offset(area, 100, 60).click_and_hold().move_by_offset(
        140, 0
    ).release().perform()
    browser.wait_for(lambda: "from" in query(browser), "the zoom never reached the address")
    zoomed = shown_range(browser)
    newest = browser.text("#system-sub")
    console.tick(received=4242)
    browser.wait_for(lambda: browser.text("#system-sub") != newest, "no new sample came")
    assert shown_range(browser) == zoomed
    browser.wait_for(
        lambda: (
            browser.driver.execute_script(
                "return document.querySelector('#system-cpu-graph .js-plotly-plot').layout.xaxis.range"
            )
            == zoomed
        ),
        "the other charts were not zoomed",
    )
    assert "from 12:" in browser.text("#system-received-span")
    browser.driver.refresh()
    wait_for_line(browser)
    browser.wait_for(lambda: shown_range(browser) == zoomed, "the zoom was not taken from the address")
    browser.find("#system-unzoom").click()
    browser.wait_for(lambda: shown_range(browser) != zoomed, "the window never came back")
    assert "from" not in query(browser)


def test_the_mouse_on_one_chart_shows_the_moment_on_all(browser, console):  # noqa: F811
    from selenium.webdriver import ActionChains

    console.tick()
    for received in range(160):
        console.tick(received=2000 + received)
    browser.sign_in(console, path=PATH)
    wait_for_line(browser)
    wait_for_line(browser, "system-cpu")

    def shown_under_a_moving_mouse():
        # What loads last can move the chart away from under the mouse, which then is on nothing.
        area = browser.find("#system-network-graph .nsewdrag")
        steps.append(200 + len(steps) % 2)
        ActionChains(browser.driver).move_to_element_with_offset(area, steps[-1], 60).perform()
        graphs = ("#system-network-graph", "#system-cpu-graph")
        return all(browser.find_all(f"{graph} .hoverlayer .legend") for graph in graphs)

    steps = []
    browser.wait_for(shown_under_a_moving_mouse, "the moment is not shown on both")
    console.tick(received=9000)  # all of them are drawn anew under a mouse that stands still
    browser.wait_for_text("#system-received-value", "4.50")
    browser.wait_for(lambda: browser.find_all("#system-network-graph .hoverlayer .legend"), "nothing is shown here now")
    browser.wait_for(lambda: browser.find_all("#system-cpu-graph .hoverlayer .legend"), "nothing is shown there now")
    # The window slides on: the same place is another moment with each tick, on all of them.
    before = moment(browser, "network")
    for received in (9200, 9400, 9600):
        console.tick(received=received)
        browser.wait_for_text("#system-received-value", f"{received / 2000:.2f}")
    browser.wait_for(lambda: moment(browser, "network") not in ("", before), "the window did not slide")
    browser.wait_for(lambda: moment(browser, "cpu") == moment(browser, "network"), "the charts show two moments")


def moment(browser, name):
    told = f"document.querySelector('#system-{name}-graph .hoverlayer .legend')"
    time = r"/\d\d:\d\d:\d\d/"
    return browser.driver.execute_script(
        f"const told = {told}; return told ? (told.textContent.match({time}) || [''])[0] : ''"
    )


def test_tabs_move_by_keyboard_stand_in_the_address_and_pass_axe(browser, console):  # noqa: F811
    console.tick()
    console.tick(received=5000)
    browser.theme("light")
    browser.sign_in(console, path=PATH)
    browser.wait_for_text(BADGE, "Live")
    browser.driver.execute_script("document.getElementById('system-tabs-overview').focus()")
    for key, name, seen, text in (
        ("arrow_right", "network", "#system-network-rows", "eth0"),
        ("arrow_right", "disk", "#system-usage-mounts", "55.0"),
        ("arrow_right", "processes", "#system-processes-rows", "py"),
        ("end", "hosts", "#system-hosts-body", "OPS_PROMETHEUS_URL"),
    ):
        browser.press(key)
        browser.wait_for_text(seen, text)
        assert query(browser)["tab"] == name
        assert browser.find("[role=tab][aria-selected=true]").get_attribute("data-tab") == name
        assert browser.driver.execute_script("return document.activeElement.dataset.tab") == name
        assert browser.axe() == []
    assert browser.find_all("#system-now") != []
    assert not browser.find("#system-now").is_displayed()
    browser.theme("dark")
    browser.driver.refresh()
    browser.wait_for_text("#system-hosts-body", "OPS_PROMETHEUS_URL")
    assert browser.axe() == []
    browser.press("tab")
    browser.driver.execute_script("document.getElementById('system-tabs-hosts').focus()")
    browser.press("home")
    browser.wait_for_text("#system-received-value", "2.50")
    assert "tab" not in query(browser)
    assert browser.axe() == []


def test_the_tab_of_processes_alone_asks_for_processes_and_with_the_tick(browser, console):  # noqa: F811
    console.tick()
    console.tick(received=5000)
    asked = (
        "return performance.getEntriesByType('resource')"
        ".filter(e => e.name.includes('/api/v1/system/live') && e.name.includes('processes=')).length"
    )
    others = (
        "return performance.getEntriesByType('resource').map(e => new URL(e.name).pathname)"
        ".filter(path => path.startsWith('/api/v1/system/') && path !== '/api/v1/system/live')"
    )
    browser.sign_in(console, path=f"{PATH}?tab=network")
    browser.wait_for_text("#system-network-rows", "eth0")
    assert "carries the IPv4 default route" in browser.text("#system-network-rule")
    assert browser.driver.execute_script(asked) == 0
    browser.find("#system-tabs-processes").click()
    browser.wait_for_text("#system-processes-shown", "Names only")
    assert browser.driver.execute_script(asked) >= 1
    assert browser.text("#system-processes-sub") == "by CPU"
    rows = browser.driver.execute_script(
        "return Array.from(document.querySelectorAll('#system-processes-rows tr td:nth-child(4)'), e => e.textContent)"
    )
    shares = [float(text.split("%")[0]) for text in rows if "not known" not in text]
    assert shares, "the first list that is shown has shares"
    assert shares == sorted(shares, reverse=True)
    pick(browser, "#system-window", "1 h")
    browser.find("#system-tabs-network").click()
    wait_for_line(browser, "system-traffic")
    assert browser.driver.execute_script(others) == [], "one request a tick"


def test_processes_come_and_gaps_end_with_the_zoom_while_the_page_is_paused(browser, console):  # noqa: F811
    pause(browser, console)
    browser.find("#system-tabs-processes").click()
    browser.wait_for(
        lambda: browser.find_all("#system-processes-rows tr"), "a list that needs two readings waits for Continue"
    )
    browser.wait_for_text(BADGE, "Paused")
    # A window before the first point, and one that ends before it: neither gap goes on behind its end.
    spans = browser.driver.execute_async_script(
        "const done = arguments[0];"
        "import('/assets/system/gaps.js').then(gaps => done([60, 15].map(first => gaps.gaps([first, first + 2],"
        "i => i > 0, ['measuring', null], 0, 20, 2, () => false).map(gap => [gap.from, gap.to, gap.reason]))))"
    )
    assert spans == [[[0, 20, "not started"]], [[0, 15, "not started"]]]
    # Words over a chart must not run into the next one.
    over = browser.driver.execute_async_script(
        "const [reasons, done] = arguments; import('/assets/system/gaps.js')"
        ".then(gaps => done(reasons.map(reason => gaps.short({ reason, from: 0, to: 60000 }, 'web').length)))",
        [KILLED, NOT_RUNNING, OLDER, AT_TIMES, NOTHING, "late sample", "host down", "no newer sample"],
    )
    assert max(over) <= 36


def test_the_window_is_exported_and_a_failed_export_writes_no_file(browser, console, app, tmp_path):  # noqa: F811
    console.tick()
    console.tick(received=5000)
    browser.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path), "eventsEnabled": False}
    )
    browser.sign_in(console, path=PATH)
    browser.wait_for_text(BADGE, "Live")
    browser.find("#system-export").click()
    browser.wait_for(lambda: list(tmp_path.glob("system-*.csv")), "no file was written")
    file = next(iter(tmp_path.glob("system-*.csv")))
    browser.wait_for(lambda: "2500.0" in file.read_text(encoding="utf-8"), "the rate is not in the file")
    assert file.read_text(encoding="utf-8").startswith("time,step [s],net_in_mean [")

    browser.expect_log("502")
    file.unlink()
    source = app.server.extensions["ops"].system
    history = source.history
    source.history = lambda _: Failed(Problem(Kind.UPSTREAM, "The history is not readable", "Disk gone."))
    browser.find("#system-export").click()
    browser.wait_for_text(".oc-toast", "Not exported")
    assert "No file was written." in browser.text(".oc-toast")
    assert list(tmp_path.glob("system-*.csv")) == []
    pick(browser, "#system-window", "1 h")
    browser.wait_for_text("#system-network-instead", "The history could not be read")
    assert "Retry" in browser.text("#system-network-instead")
    assert browser.text("#system-received-value").split() == ["2.50", "kB/s"]  # what is live does not depend on it
    assert "Disk gone." in browser.text("#system-network-instead")
    source.history = history
    browser.find("#system-network-instead button").click()
    wait_for_line(browser)
