"""The system page in a real browser: measured rates, gaps that say why, and nothing old that looks new."""

import socket
import threading

import pytest

from components import formats
from data_sources.system.interfaces import LinuxInterfaces
from data_sources.system.levels import SlowReadings
from data_sources.system.mounts import MountWatch
from data_sources.system.network import ProcNetDev
from data_sources.system.sampler import Sampler
from data_sources.system.source import SystemSource
from data_sources.system.types import Counters, Gpu
from tests.fakes.machine import FakeMachine

pytestmark = pytest.mark.browser

PATH = "/admin/system/monitoring"
BADGE = "#system-live"
UNKNOWN = "#system-received-value .oc-unknown"


@pytest.fixture
def machine():
    return FakeMachine()


@pytest.fixture
def console(app, serve, machine):
    """A served console whose machine is the fake one; the test makes the ticks: `console.tick(received=…)`."""
    served = serve(app)
    use(app, machine.held_source())

    def tick(received=0, sent=0, seconds=2.0, name="eth0"):
        machine.wait(seconds)
        if name in machine.counters:
            machine.receive(name, received, sent)
        app.server.extensions["ops"].system.sampler.tick()

    served.tick = tick
    return served


def use(app, source):
    ops = app.server.extensions["ops"]
    ops.system.close()
    ops.system = source


def asked(browser):
    """How often the page has asked for live figures, and how many of those had no answer."""
    statuses = browser.driver.execute_script(
        "return performance.getEntriesByType('resource').filter(e => e.name.includes('/system/live'))"
        ".map(e => e.responseStatus)"
    )
    return len(statuses), statuses.count(0)


LIVE_ASKED = "return performance.getEntriesByType('resource').filter(e => e.name.includes('/system/live')).length"


def pick(browser, group, label):
    next(each for each in browser.find_all(f"{group} label") if each.text == label).click()


def shown(browser, value):
    browser.driver.execute_script(
        "Object.defineProperty(document, 'hidden', {configurable: true, value: arguments[0]});"
        "document.dispatchEvent(new Event('visibilitychange'))",
        not value,
    )


def test_it_says_measuring_and_then_the_rate_of_real_traffic(browser, app, serve, machine):
    network = ProcNetDev()
    # The counters are real, the clock is the test's: on a busy machine a held sample would grow old before it is seen.
    source = SystemSource(Sampler(network, machine, LinuxInterfaces(), clock_ns=machine.clock_ns))
    source.sampler.start = lambda: None
    served = serve(app)
    use(app, source)
    machine.at_ns = source.sampler.tick().at_ns
    browser.sign_in(served, path=f"{PATH}?interface=lo")
    browser.wait_for_text(BADGE, "Measuring")
    assert browser.find_all(UNKNOWN)
    assert "measuring" in browser.text("#system-received-note")
    assert browser.text("#system-received-value").strip() == "not known: measuring"

    source.sampler.tick()  # the traffic stands between two known readings
    sent = send_over_loopback(30_000_000)
    sample = source.sampler.tick()
    machine.at_ns = sample.at_ns
    rate = sample.rates["lo"].first
    assert sent <= rate * sample.interval_s <= sent * 1.2  # headers, acknowledgements and the page's own requests
    browser.wait_for_text(BADGE, "Live, every 2 s")
    browser.wait_for_text("#system-received-value", f"{rate / 1e6:.3g}"[:3])
    unit = browser.text("#system-received-value .oc-unit")
    assert unit in ("MB/s", "GB/s")
    figure, factor = browser.text("#system-received-value").split()[0], {"MB/s": 1e6, "GB/s": 1e9}[unit]
    assert float(figure.replace(",", "")) * factor == pytest.approx(rate, rel=0.01)
    assert "lo, over the last" in browser.text("#system-received-note")


def send_over_loopback(count):
    """Send so many bytes through a TCP connection on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        got = bytearray()

        def take():
            with listener.accept()[0] as end:
                while part := end.recv(1 << 20):
                    got.extend(part[:1])

        taker = threading.Thread(target=take)
        taker.start()
        with socket.create_connection(listener.getsockname()) as out:
            out.sendall(b"x" * count)
        taker.join(timeout=30)
    return count


def test_the_last_hour_is_the_servers_so_a_reload_and_a_restart_show_the_same(browser, console, app, machine, tmp_path):
    use(app, machine.held_source(tmp_path / "history.db"))
    console.tick()
    for received in (2000, 90_000, 4000):
        console.tick(received=received, sent=received // 2)
    browser.sign_in(console, path=PATH)
    browser.wait_for_text("#system-network-legend", "peak 45.0 kB/s")
    browser.wait_for_text("#system-received-value", "2.00")
    before = browser.text("#system-network-caption")
    browser.driver.refresh()
    browser.wait_for_text("#system-network-legend", "peak 45.0 kB/s")
    assert browser.text("#system-network-caption") == before
    console.tick(received=400_000)
    browser.wait_for_text("#system-network-legend", "peak 200 kB/s")
    assert browser.text("#system-cpu-now-value").split() == ["25", "%"]
    assert browser.text("#system-memory-now-value").split() == ["2.00", "GB"]
    assert browser.text("#system-disk-now-value") != ""
    assert browser.text("#system-load-value") == "0.50"
    assert "2 s samples in 5 min" in browser.text("#system-memory-now-span").replace("\u00a0", " ")
    assert "2 s rates in 5 min" in browser.text("#system-received-span").replace("\u00a0", " ")

    app.server.extensions["ops"].system.close()
    machine.wait(60)
    use(app, machine.held_source(tmp_path / "history.db"))
    console.tick()
    console.tick(received=2000)
    browser.wait_for_text("#system-gaps", "12:01:17\nOps Center was not running.")
    browser.wait_for_text("#system-received-span", "max 200 kB/s")
    span = browser.text("#system-received-span").replace("\u00a0", " ").splitlines()
    assert span[0].endswith("kB/s of 10 s")
    assert span[1:] == ["max 200 kB/s of 2 s", "means in 5 min"]  # a slot keeps its greatest tick
    assert "of 2 s rates at 12:" in browser.find("#system-received-span > :nth-child(2)").get_attribute("title")
    span = browser.text("#system-memory-now-span").replace("\u00a0", " ").splitlines()
    assert span == ["p95 2.00 GB of 10 s", "max 2.00 GB of 2 s", "steps in 5 min"]
    assert "peak 200 kB/s" in browser.text("#system-network-legend")
    assert "last start" not in browser.text("#system-gaps")
    # What is measured since is drawn tick by tick, beside the steps of before, and no line leads from one to the other.
    drawn = (
        "return document.querySelector('#system-cpu-graph .js-plotly-plot').data.find(t => t.name === 'all cores').{}"
    )
    before = browser.driver.execute_script(drawn.format("x"))
    console.tick(received=6000)
    browser.wait_for_text("#system-received-value", "3.00")
    browser.wait_for(lambda: len(browser.driver.execute_script(drawn.format("x"))) == len(before) + 1, "no tick came")
    values = browser.driver.execute_script(drawn.format("y"))
    assert None in values[1:-1]


def test_a_measured_zero_is_a_figure_and_not_unknown(browser, console):
    console.tick()
    console.tick()
    browser.sign_in(console, path=PATH)
    browser.wait_for_text("#system-received-value", "0")
    assert not browser.find_all(UNKNOWN)


def test_the_axis_begins_at_zero_also_after_a_window_of_nothing_but_zeros(browser, app, console, machine):
    """Its range is Plotly's, then ours as nothing but a zero is there, then Plotly's again."""
    console.tick()
    console.tick(received=5000)
    browser.sign_in(console, path=PATH)
    browser.wait_for_text("#system-network-legend", "peak 2.50 kB/s")
    use(app, machine.held_source())
    console.tick()
    console.tick()
    browser.wait_for_text("#system-network-legend", "peak 0 B/s")
    console.tick(received=7000)
    browser.wait_for_text("#system-network-legend", "peak 3.50 kB/s")
    ends = "return document.querySelector('#system-network-graph .js-plotly-plot')._fullLayout.yaxis.range"
    browser.wait_for(lambda: 3.5 < browser.driver.execute_script(ends)[1] < 4, "the axis does not fit")
    assert browser.driver.execute_script(ends)[0] == 0


def test_an_interface_that_vanishes_is_a_gap_and_never_a_zero(browser, console, machine):
    console.tick()
    console.tick(received=5000)
    browser.sign_in(console, path=f"{PATH}?interface=eth0")
    browser.wait_for_text("#system-received-value", "2.50")
    del machine.counters["eth0"]
    console.tick()
    browser.wait_for_text("#system-received-note", "interface gone")
    assert browser.find_all(UNKNOWN)
    browser.wait_for_text("#system-gaps", "eth0 was not there.")
    browser.wait_for_text("#system-network-legend", "no sample")
    line = browser.driver.execute_script(
        "return document.querySelector('#system-network-graph .js-plotly-plot').data[0].y"
    )
    assert line[-1] is None
    assert 0 not in line
    browser.find("#system-tabs-network").click()
    browser.wait_for(lambda: browser.find_all("[data-interface=eth0]"), "the interface is not in the list")
    row = "return document.querySelector('[data-interface=eth0]').closest('tr').textContent"
    browser.wait_for(
        lambda: browser.driver.execute_script(row).count("interface gone") == 4, "errors and drops say another reason"
    )


def test_a_session_that_ends_is_told_on_the_badge_and_the_page_goes_on_once_it_is_back(browser, console):
    console.tick()
    console.tick(received=5000)
    browser.sign_in(console, path=PATH)
    browser.wait_for_text(BADGE, "Live")
    browser.expect_log("401")
    cookies = browser.driver.get_cookies()
    browser.driver.execute_script(
        "const badge = document.getElementById('system-live');"
        "new MutationObserver(() => { if (badge.textContent.includes('No answer')) window.missed = true; })"
        ".observe(badge, {childList: true})"
    )
    browser.driver.delete_all_cookies()
    browser.wait_for_text(BADGE, "You are signed out")
    assert browser.find("#system-page").get_attribute("data-state") == "silent"  # its figures look old
    browser.wait_for_text("#system-gaps", "s. You are signed out.")
    assert not browser.driver.execute_script("return window.missed"), "the console did answer"
    for cookie in cookies:
        browser.driver.add_cookie(cookie)
    browser.wait_for_text(BADGE, "Live")


def test_a_gap_of_the_total_names_no_interface_that_carries_it_now(browser, console, machine):
    console.tick()
    console.tick(received=5000)
    del machine.counters["eth0"]
    console.tick()
    machine.counters["wan0"], machine.route = Counters(0, 0), ("wan0",)
    for _ in range(3):
        console.tick(received=5000, name="wan0")
    browser.sign_in(console, path=PATH)
    browser.wait_for_text("#system-received-note", "wan0")
    browser.wait_for_text("#system-gaps", "An interface of the total was not there.")
    assert "wan0" not in browser.text("#system-gaps")


def test_the_page_writes_rates_and_sizes_as_the_server_does(browser, console):
    browser.sign_in(console, path=PATH)
    browser.wait_for(lambda: browser.find_all(UNKNOWN), "the figures were never drawn")
    values = [
        0,
        0.4,
        1,
        9.994,
        9.996,
        42,
        99.94,
        99.96,
        999.4,
        999.6,
        1000,
        43_210,
        999_499,
        999_501,
        1e6,
        3.62e9,
        5e13,
    ]
    wrote = browser.driver.execute_async_script(
        "import('/assets/system/words.js').then(words => arguments[1](arguments[0].map("
        "v => [words.rate(v, false), words.rate(v, true), words.size(Math.round(v))])))",
        values,
    )
    for value, (in_bytes, in_bits, size) in zip(values, wrote, strict=True):
        assert tuple(in_bytes) == formats.rate(value)
        assert tuple(in_bits) == formats.rate(value, bits=True)
        if value >= 1000:  # single bytes are exact in words on the server
            assert tuple(size) == formats.size(round(value))


def test_a_held_up_sampler_and_a_clock_that_is_set_are_gaps_told_in_words(browser, console, machine):
    console.tick()
    console.tick(received=5000)
    console.tick(received=10**9, seconds=18)
    console.tick(received=5000)
    browser.sign_in(console, path=PATH)
    browser.wait_for_text("#system-gaps", "No sample for 18")
    assert "Rates over so long a step are not drawn." in browser.text("#system-gaps")
    assert "peak 2.50 kB/s" in browser.text("#system-network-legend")
    drawn = browser.driver.execute_script(
        "return document.querySelector('#system-network-graph .js-plotly-plot').data"
        ".map(trace => [trace.name, trace.mode, trace.fillpattern?.shape, trace.y.length])"
    )
    assert ["no sample", "none", "/", 10] in drawn
    assert ["received, lone points", "markers", None, 2] in drawn, "what has no neighbour has no line: it gets a dot"

    machine.clock_offset_s = 100.0
    console.tick(received=5000)
    browser.wait_for_text("#system-gaps", "The clock was set forward")
    machine.clock_offset_s = 1000.0  # by more than the window
    console.tick(received=5000)
    browser.wait_for_text("#system-sub", "12:17:13")
    assert "last start" not in browser.text("#system-gaps")
    assert "The clock was set forward" in browser.text("#system-gaps")
    machine.clock_offset_s = -3600.0
    console.tick(received=5000)
    console.tick(received=7000)
    browser.wait_for_text("#system-gaps", "11:00:35\nThe clock was set back.")
    browser.wait_for_text("#system-received-value", "3.50")
    assert "last start" not in browser.text("#system-gaps")
    beyond = browser.driver.execute_script(
        "const plot = document.querySelector('#system-network-graph .js-plotly-plot');"
        "return plot.data.flatMap(trace => trace.x).filter(x => x !== null && x > plot.layout.xaxis.range[1])"
    )
    assert beyond == [], "nothing is drawn where the time has not come yet"
    browser.driver.get(f"{console.url}{PATH}?from=2030-01-01T00:00:00Z&to=2030-01-01T01:00:00Z")
    browser.wait_for_text("#system-gaps", "This time has not come yet.")


def test_one_unit_serves_the_chart_and_every_figure_beside_it(browser, console):
    console.tick()
    console.tick(received=5000)
    console.tick(received=1556, sent=4)
    browser.sign_in(console, path=PATH)
    browser.wait_for_text("#system-received-value", "0.778")
    assert browser.text("#system-received-value").split() == ["0.778", "kB/s"]
    assert "0.778 kB/s" in " ".join(browser.text("#system-interfaces-rows").replace("kB/s", " kB/s").split())
    assert "peak 2.50 kB/s" in browser.text("#system-network-legend")
    assert "eth0, kB/s" in browser.text("#system-network-sub")
    # too small for that unit: its own, or it would look like nothing
    assert browser.text("#system-sent-value").split() == ["2.00", "B/s"]


def fail(_):
    raise OSError("Host is down")


def test_each_figure_of_a_gpu_has_its_unit_and_a_machine_without_disks_says_so(browser, app, serve, machine):
    gpu = Gpu(0, "A100", percent=40.0, memory_used=5 * 10**9, memory_total=80 * 10**9, celsius=61.0, watts=200.0)
    machine.disk = {}
    source = SystemSource(
        machine.sampler(),
        SlowReadings((MountWatch("/nfs", "nfs", ask=fail),), ask_gpus=lambda: (gpu,)),
        now=machine.now,
    )
    source.sampler.start = lambda: None
    served = serve(app)
    use(app, source)
    browser.wait_for(lambda: source.host().value.levels.gpus, "the driver was never asked")
    for _ in range(4):
        machine.wait(2)
        source.sampler.tick()
    browser.sign_in(served, path=PATH)
    browser.wait_for_text("#system-gpu-legend", "GPU 0")
    assert browser.text("#system-gpu-legend").replace("\u00a0", " ").split("\n")[:3] == [
        "GPU 0",
        "peak 40%, 5.00 GB, 61.0 °C, 200 W",
        "no sample",
    ]
    browser.wait_for_text("#system-disk-instead", "No devices")
    browser.wait_for_text("#system-mounts", "nfs")
    bar = "const bar = document.querySelector('#system-mounts .oc-meter'); return [bar.className, bar.children.length]"
    assert browser.driver.execute_script(bar) == ["oc-meter ink unknown", 0], "what is not known is no full bar"


def test_a_sampler_that_stops_behind_a_live_server_is_stale(browser, console, machine):
    console.tick()
    console.tick(received=5000)
    browser.sign_in(console, path=PATH)
    browser.wait_for_text(BADGE, "Live")
    machine.wait(26)
    browser.wait_for_text(BADGE, "Stale: 26")
    browser.wait_for_text("#system-received-note", "old")
    browser.wait_for(lambda: browser.find_all('#system-network[data-look="stale"]'), "the chart never looked stale")
    dash = "return document.querySelector('#system-network-graph .js-plotly-plot').data.map(trace => trace.line?.dash)"
    assert browser.driver.execute_script(dash)[:2] == [None, "6px 4px"], "two greys that nobody can tell apart"
    console.tick(received=5000, seconds=0)
    console.tick(received=5000)
    browser.wait_for_text(BADGE, "Live")
    browser.wait_for(lambda: browser.find_all('#system-network[data-look="ready"]'), "the chart stayed stale")


def test_a_dead_server_shows_by_the_third_missed_tick_and_a_restart_heals_it(browser, console):
    browser.expect_log("ERR_CONNECTION_REFUSED")
    browser.expect_log("ERR_CONNECTION_RESET")
    browser.expect_log("ERR_EMPTY_RESPONSE")
    console.tick()
    console.tick(received=5000)
    browser.sign_in(console, path=PATH)
    browser.wait_for_text(BADGE, "Live")
    _, missed_before = asked(browser)
    # Counted in the page, when the words appear: a busy machine lets the driver look later, after further misses.
    browser.driver.execute_script(
        "const badge = document.querySelector(arguments[0]);"
        "new MutationObserver(() => { if (window.missed === undefined && badge.textContent.includes('No answer since'))"
        " window.missed = performance.getEntriesByType('resource').filter(e => e.name.includes('/system/live')"
        " && e.responseStatus === 0).length; }).observe(badge, {childList: true, subtree: true})",
        BADGE,
    )
    console.stop()
    browser.wait_for_text(BADGE, "No answer since")
    assert 0 < browser.driver.execute_script("return window.missed") - missed_before <= 3
    browser.wait_for_text("#system-received-note", "old")
    assert browser.find_all("#system-now .sys-stale")
    console.start()
    console.tick(received=8000)
    browser.wait_for_text(BADGE, "Live")
    browser.wait_for_text("#system-received-value", "4.00")
    assert not browser.find_all("#system-now .sys-stale")


def test_a_hidden_tab_stops_asking_and_asks_at_once_when_shown(browser, console):
    console.tick()
    console.tick(received=5000)
    browser.sign_in(console, path=PATH)
    browser.wait_for_text(BADGE, "Live")
    shown(browser, False)
    before, _ = asked(browser)
    browser.wait_for_text(BADGE, "Stale")  # three ticks have gone by
    after, _ = asked(browser)
    assert after - before <= 1  # one may have been on its way
    shown(browser, True)
    browser.wait_for_text(BADGE, "Live")


def test_choices_live_in_the_address_and_survive_a_reload(browser, console):
    console.tick()
    console.tick(received=5000)
    browser.sign_in(console, path=PATH)
    browser.wait_for_text("#system-received-value", "2.50")
    browser.wait_for_text("#system-interface", "lo")
    pick(browser, "#system-unit", "Bits")
    browser.wait_for_text("#system-received-value", "kbit/s")
    assert browser.text("#system-received-value").split() == ["20.0", "kbit/s"]
    pick(browser, "#system-window", "15 min")
    browser.find('#system-interface option[value="lo"]').click()
    browser.wait_for_text("#system-network-sub", "lo, ")
    query = browser.driver.current_url.split("?")[1]
    assert sorted(query.split("&")) == ["interface=lo", "unit=bits", "window=900"]
    browser.driver.refresh()
    browser.wait_for_text("#system-network-sub", "lo, ")
    browser.wait_for_text("#system-received-value", "bit/s")


def pause(browser, console):
    """A page that was paused at 2.50 kB/s."""
    console.tick()
    console.tick(received=5000)
    browser.sign_in(console, path=PATH)
    browser.wait_for_text("#system-received-value", "2.50")
    browser.find("#system-pause").click()
    browser.wait_for_text(BADGE, "Paused")


def test_pause_stops_the_asking_and_continues_where_it_was(browser, console):
    pause(browser, console)
    browser.wait_for_text("#system-pause", "Continue")
    console.tick(received=8000)
    browser.find("#system-pause").click()
    browser.wait_for_text("#system-received-value", "4.00")
    browser.wait_for_text(BADGE, "Live")
    assert "None: every sample came in time." not in browser.text("#system-gaps")  # the window began before the sampler


def test_what_is_chosen_while_the_page_is_paused_is_fetched_once(browser, console):
    pause(browser, console)
    console.tick(received=8000)
    pick(browser, "#system-window", "1 h")
    browser.wait_for_text("#system-received-span", "in 1 h")
    browser.wait_for_text("#system-received-value", "4.00")
    browser.wait_for(
        lambda: browser.driver.execute_async_script(
            "const done = arguments[0]; import('/assets/system/state.js').then(state => done(!state.asked.owed))"
        ),
        "it is asked for again and again",
    )
    browser.wait_for_text(BADGE, "Paused")
    console.tick(received=9000)
    asked = browser.driver.execute_script(LIVE_ASKED)
    browser.find("#system-pause").click()
    browser.wait_for_text("#system-received-value", "4.50")
    assert browser.driver.execute_script(LIVE_ASKED) > asked


def test_unreadable_counters_fail_one_panel_and_retry_brings_it_back(browser, console, machine):
    machine.network_error = PermissionError(13, "Permission denied")
    console.tick()
    console.tick()
    browser.sign_in(console, path=PATH)
    browser.wait_for_text("#system-interfaces-body", "Network interfaces could not be read")
    browser.wait_for_text("#system-cpu-now-value", "25")
    browser.wait_for_text("#system-received-note", "read error")
    machine.network_error = None
    console.tick()
    browser.find("#system-interfaces [data-retry]").click()
    browser.wait_for_text("#system-interfaces-body", "eth0")


def test_leaving_and_coming_back_shows_the_page_again(browser, console):
    console.tick()
    console.tick(received=5000)
    browser.sign_in(console, path=PATH)
    browser.wait_for_text(BADGE, "Live")
    browser.find(".oc-brand").click()
    browser.wait_gone("#system-page")
    browser.driver.back()
    browser.wait_for_text(BADGE, "Live")
    browser.wait_for_text("#system-received-value", "2.50")
    browser.wait_for(lambda: browser.find_all("#system-network-graph .scatterlayer path.js-line"), "no line was drawn")


def test_it_is_accessible_in_both_themes_and_asks_no_other_host(browser, console):
    console.tick()
    for received in (2000, 3000):
        console.tick(received=received)
    browser.theme("light")
    browser.sign_in(console, path=PATH)
    browser.wait_for_text(BADGE, "Live")
    browser.wait_for(lambda: browser.find_all("#system-disk-graph .scatterlayer path.js-line"), "no line was drawn")
    browser.find("#system-network .oc-numbers summary").click()
    browser.wait_for_text("#system-network-numbers", "kB/s")
    assert browser.axe() == []
    browser.theme("dark")
    browser.wait_for(lambda: browser.find_all('html[data-bs-theme="dark"]'), "the theme never changed")
    assert browser.axe() == []
    assert browser.foreign_requests() == []


def test_on_a_phone_nothing_stands_beyond_the_edge(browser, console):
    console.tick()
    console.tick(received=2000)
    browser.phone()
    browser.sign_in(console, path=PATH)
    browser.wait_for_text(BADGE, "Live")
    browser.wait_for(lambda: browser.find_all("#system-disk-graph .scatterlayer path.js-line"), "no line was drawn")
    widths = browser.driver.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1] == 390
    for control in ("#system-export", "#system-pause", "#system-window", "#system-interface", "#system-unit"):
        left, right, height = browser.driver.execute_script(
            "const box = document.querySelector(arguments[0]).getBoundingClientRect();"
            "return [box.left, box.right, box.height]",
            control,
        )
        assert 0 < left < right <= 390, control
        assert height >= 40, control
    browser.wait_for_text("#system-disk-now-span", "max")
    assert browser.axe() == []
