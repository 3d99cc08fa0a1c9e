"""Other hosts, through a Prometheus: raw counters by this machine's own rules, and every way of not knowing apart."""

import dataclasses
import itertools
import threading

import numpy as np
import pytest

from data_sources import http
from data_sources.result import Failed, Kind, Problem, Ready
from data_sources.system.history_reader import HistoryQuery
from data_sources.system.prometheus import PrometheusSource, host_list
from data_sources.system.prometheus_wire import Answered, PrometheusClient, any_of, quoted
from tests.fakes.machine import FakeMachine
from tests.fakes.prometheus import FakePrometheus
from tests.peers.record_prometheus import NAMES, SCRAPES, STEPS

RECEIVED = "node_network_receive_bytes_total"


@pytest.fixture
def fake():
    server = FakePrometheus()
    yield server
    server.close()


@pytest.fixture
def client(fake):
    made = PrometheusClient(fake.url, timeout_s=(5, 20))
    yield made
    made.close()


@pytest.fixture
def hasty(fake):
    """Gives up after two seconds."""
    made = PrometheusClient(fake.url, timeout_s=(2, 2))
    yield made
    made.close()


@pytest.fixture
def source(client, fake):
    return PrometheusSource(client, clock_s=fake.clock_s)


def row(source, instance):
    return next(each for each in source.hosts().value if each.instance == instance)


def raw(fake, metric, **labels):
    """The recorded samples of one series, the longest answer of it."""
    found = [
        series["values"]
        for one in fake.recorded["answers"]
        for series in (one["body"].get("data") or {}).get("result", [])
        if "values" in series and {"__name__": metric, **labels}.items() <= series["metric"].items()
    ]
    return max(found, key=len)


def edit(metric, change):
    """Changes the recorded samples of a metric: `change(values) -> values`."""

    def body(_, answer):
        for series in (answer.get("data") or {}).get("result", []):
            if series["metric"].get("__name__") == metric and "values" in series:
                series["values"] = change(series["values"])

    return body


# -- the wire ---------------------------------------------------------------------------------------------------------


def test_what_is_no_number_is_left_out(client, fake):
    values = [[1.0, "1"], [2.0, "NaN"], [3.5, "+Inf"], [4.0, "2e3"]]
    fake.instead["load"] = 200, {"status": "success", "data": {"result": [{"metric": {}, "values": values}]}}
    assert client.instant("load", 5, what="").series[0].points == ((1000, 1.0), (4000, 2000.0))


def test_a_series_that_is_not_there_is_no_zero(client, fake):
    assert client.instant("no_such_series", fake.now_s, what="") == Answered(())


def test_what_prometheus_refuses_is_said_in_its_words(client, fake):
    for query, code, words in (
        ("rate(node_load1[30s]", "HTTP 400", "unclosed left parenthesis"),
        ("node_cpu_seconds_total * on(instance) node_network_flags", "HTTP 422", "many-to-many"),
    ):
        problem = client.instant(query, fake.now_s, what="Hosts")
        assert (problem.kind, problem.code) == (Kind.UPSTREAM, code)
        assert "Prometheus says: " in problem.detail
        assert words in problem.detail or len(problem.detail) > 200
    fake.instead["up"] = 422, {"status": "error", "errorType": "422", "error": "cannot parse query"}  # VictoriaMetrics
    assert client.instant("up", 1, what="").detail == "Prometheus says: cannot parse query"


def test_warnings_and_a_partial_answer_are_told(client, fake):
    body = {"status": "success", "data": {"result": []}, "warnings": ["w"], "infos": ["i"], "isPartial": True}
    fake.instead["up"] = 200, body
    assert client.instant("up", 1, what="").notes == (
        "w",
        "i",
        "The answer is partial: a storage node did not answer.",
    )


@pytest.mark.parametrize(
    ("kind", "wanted", "words"),
    [
        ("slow", Kind.TIMEOUT, "did not answer within 2 s"),
        ("500", Kind.UPSTREAM, "none of its answers"),
        ("401", Kind.UPSTREAM, "refused our key"),
        ("html", Kind.UPSTREAM, "not JSON"),
        ("half", Kind.UPSTREAM, "broke off"),
        ("closed", Kind.UPSTREAM, "cannot be reached"),
        ("empty", Kind.UPSTREAM, "none of its answers"),
    ],
)
def test_each_way_of_failing_is_a_problem(hasty, fake, kind, wanted, words):
    fake.fail(kind)
    problem = hasty.instant("up", 1, what="Hosts could not be read")
    assert isinstance(problem, Problem)
    assert problem.kind == wanted
    assert words in problem.detail


def test_an_answer_without_end_is_cut_off(client, fake, monkeypatch):
    monkeypatch.setattr(http, "MAX_BODY_BYTES", 1000)
    fake.instead["up"] = 200, {"status": "success", "data": {"result": []}, "warnings": ["w" * 2000]}
    assert "more than" in client.instant("up", 1, what="").detail


@pytest.mark.parametrize(("token", "header"), [("abc.def", "Bearer abc.def"), ("me:secret", "Basic bWU6c2VjcmV0")])
def test_the_key_goes_in_the_header(fake, token, header):
    client = PrometheusClient(fake.url, token)
    client.instant("no_such_series", 1, what="")
    client.close()
    assert fake.asked[0].headers["Authorization"] == header


def test_a_long_question_goes_in_the_body(client, fake):
    long = "up or " * 400 + "up"
    fake.instead[long] = 200, {"status": "success", "data": {"result": []}}
    assert client.instant(long, 1, what="") == Answered(())
    assert (fake.asked[0].method, fake.asked[0].query) == ("POST", {})


def test_names_are_quoted_so_that_they_match_themselves_alone():
    assert quoted('a"b\\') == '"a\\"b\\\\"'
    assert any_of(["a.b:1", "c|d"]) == '"a\\\\.b:1|c\\\\|d"'


ABSURD = (4e12, -1.0, 0.0, float("inf"))  # far in the future, before all time, its beginning, and no time at all


def test_a_sample_of_a_time_that_was_not_asked_for_is_a_reason_and_no_point(client, fake):
    def told(*times_s):
        values = [[at_s, "1"] for at_s in times_s]
        return 200, {"status": "success", "data": {"result": [{"metric": {}, "values": values}]}}

    for absurd in ABSURD[:3]:
        fake.instead["load"] = told(990.0, absurd, 1000.0)
        answer = client.raw("load", 1000.0, 60, what="")
        assert answer.series[0].points == ((990_000, 1.0), (1_000_000, 1.0))
        assert answer.notes == ("1 samples were left out, of times that were not asked for.",)
    for absurd in ABSURD:
        fake.instead["load"] = told(absurd)
        assert isinstance(client.raw("load", 1000.0, 60, what=""), Problem)


@pytest.mark.parametrize("absurd", ABSURD[:3])
def test_a_host_whose_scrapes_have_impossible_times_says_so(source, fake, absurd):
    host = source.host(fake.instance)

    def moved(query, body):
        for series in body["data"]["result"]:
            series["values"] = [[absurd, text] for _, text in series.get("values", ())]

    fake.change = moved
    fake.instead["max_over_time"] = 200, {"status": "success", "data": {"result": []}}
    told = host.live(window_s=60)
    assert isinstance(told, Failed)
    assert "of times that were not asked for" in told.problem.detail
    fake.now_s += 10
    assert "of times that were not asked for" in source.hosts().problem.detail


# -- the hosts --------------------------------------------------------------------------------------------------------


def test_a_host_that_answers_has_the_figures_that_its_counters_make(source, fake):
    host = row(source, fake.instance)
    (before_s, before), (after_s, after) = raw(fake, RECEIVED, device="eth0")[-2:]
    assert (host.state, host.period_s, host.reason) == ("up", 1.0, None)
    assert host.sample.total.first == pytest.approx((int(after) - int(before)) / (after_s - before_s))
    assert host.sample.choice.names == ("eth0",)
    assert "tells no default route" in host.sample.choice.rule
    modes = {
        mode: [raw(fake, "node_cpu_seconds_total", cpu=cpu, mode=mode)[-2:] for cpu in "01"]
        for mode in ("idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user")
    }
    spent = {mode: sum(float(new[1]) - float(old[1]) for old, new in pairs) for mode, pairs in modes.items()}
    busy = sum(seconds for mode, seconds in spent.items() if mode not in ("idle", "iowait"))
    assert host.sample.host.cpu_percent == pytest.approx(100 * busy / sum(spent.values()), abs=0.01)
    free = raw(fake, "node_filesystem_free_bytes", mountpoint="/")[-1][1]
    assert host.root.used == host.root.total - int(float(free))


def test_a_host_that_never_answered_is_not_one_that_is_down(source, fake):
    host = row(source, fake.nobody)
    assert (host.state, host.seen_at, host.sample) == ("never seen", None, None)
    fake.change = edit("up", lambda values: [*values[:-1], [values[-1][0], "0"]])
    fake.now_s += 10
    host = row(source, fake.instance)
    assert (host.state, host.sample) == ("down", None)
    assert host.seen_at.timestamp() == pytest.approx(raw(fake, "up", instance=fake.instance)[-2][0])


def test_a_host_that_is_no_longer_scraped_is_listed_without_figures(source, fake):
    # its labels are still found in the last day, its samples are not
    def gone(query, body):
        if query.startswith("{") and "up|" in query:
            body["data"]["result"] = [s for s in body["data"]["result"] if s["metric"]["instance"] != fake.instance]
        if query.startswith("max_over_time"):
            body["data"]["result"] = []

    fake.change = gone
    fake.instead["max_over_time"] = 200, {"status": "success", "data": {"result": []}}
    host = row(source, fake.instance)
    assert (host.state, host.reason) == ("no data", "Prometheus no longer scrapes it")


def test_a_prometheus_that_stopped_scraping_makes_no_host_look_well(source, fake):
    fake.now_s += 60
    fake.instead["max_over_time"] = 200, {"status": "success", "data": {"result": []}}
    host = row(source, fake.instance)
    assert host.state == "no data"
    assert "has not scraped it for 6" in host.reason


def test_a_target_without_the_exporters_figures_says_so(source, fake):
    def bare(query, body):
        if query.startswith("{"):
            body["data"]["result"] = [s for s in body["data"]["result"] if s["metric"]["__name__"] == "up"]

    fake.change = bare
    host = row(source, fake.instance)
    assert (host.state, host.reason) == ("no data", "It answers, but without node_exporter's figures")


def test_this_machine_is_listed_whatever_prometheus_does(source, fake):
    machine = FakeMachine().held_source()
    machine.sampler.tick()
    alone = host_list(machine, "here", None).value
    assert ([host.name for host in alone.rows], alone.unset.settings) == (["here"], ("OPS_PROMETHEUS_URL",))
    assert len(host_list(machine, "here", source).value.rows) == 3
    fake.fail("500")
    fake.now_s += 10
    broken = host_list(machine, "here", source).value
    assert broken.problem is not None
    assert [(host.state, host.sample is None) for host in broken.rows] == [
        ("up", False),
        ("no data", True),
        ("no data", True),
    ]


def test_many_who_look_at_the_list_ask_prometheus_once(source, fake):
    source.hosts()
    asked = len(fake.asked)
    assert [isinstance(source.hosts(), Ready) for _ in range(5)] == [True] * 5
    assert len(fake.asked) == asked


def test_a_prometheus_that_hangs_holds_one_thread_and_the_others_have_the_list_of_before_with_its_age(
    hasty, fake, monkeypatch
):
    source = PrometheusSource(hasty, clock_s=fake.clock_s)
    before = source.hosts()
    asked = len(fake.asked)
    fake.fail("slow")
    fake.now_s += 10
    answers = []
    asking = threading.Thread(target=lambda: answers.append(source.hosts()))
    asking.start()
    while len(fake.asked) == asked:
        asking.join(0.01)
    assert source.hosts() is before
    monkeypatch.setattr("data_sources.system.prometheus._FIRST_S", 0)
    fake.now_s += 166
    aged = source.hosts()
    assert (aged.value, aged.stale.title) == (before.value, "No list of hosts for 176 s")
    told = host_list(FakeMachine().held_source(), "here", source).value
    assert {(row.state, row.sample) for row in told.rows[1:]} == {("no data", None)}
    assert told.problem.title == "No list of hosts for 176 s"
    asking.join()
    assert answers[0].problem.kind is Kind.TIMEOUT
    assert source.hosts() is answers[0]


def test_a_prometheus_that_hangs_holds_few_threads_and_only_until_that_is_known(fake):
    client = PrometheusClient(fake.url, timeout_s=(4, 4))
    source = PrometheusSource(client, clock_s=fake.clock_s)
    host = source.host(fake.instance)
    fake.fail("slow")
    asked = len(fake.asked)
    answers, entered = [], threading.Semaphore(0)

    def ask():
        answers.append(host.live(window_s=3600))
        entered.release()

    threads = [threading.Thread(target=ask) for _ in range(66)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        entered.acquire()
    assert {type(each) for each in answers} == {Ready}, "measuring: nobody knows yet that it hangs"
    for thread in threads:
        thread.join()
    assert 1 <= [type(each) for each in answers].count(Failed) <= 16
    assert len(fake.asked) == asked + 1
    for again in (host.live(window_s=3600), host.history(HistoryQuery(window_s=3600))):
        assert again.problem.kind is Kind.TIMEOUT
    assert len(fake.asked) == asked + 1, "it is left alone for a while"
    client.close()


# -- one host ---------------------------------------------------------------------------------------------------------


def points(source, fake):
    return source.host(fake.instance).live(window_s=60).value.points


def test_a_hole_in_the_scrapes_is_a_gap_and_so_is_the_first_scrape_after_it(source, fake):
    found = points(source, fake)
    ups = {round(at_s * 1000): value for at_s, value in raw(fake, "up", instance=fake.instance)}
    failed = [point for point in found if ups[point.at_ns // 10**6] == "0"]
    assert len(failed) >= 3
    assert {point.total.reason for point in failed} == {"host down"}
    assert {str(why) for point in failed for why in point.host.reasons.values()} == {"host down"}
    assert {point.host.disk_io.reason for point in failed} == {"host down"}
    after = found[found.index(failed[-1]) + 1]
    assert (after.total.reason, after.host.cpu_percent) == ("late sample", None)
    assert found[-1].total.reason is None


def test_a_host_that_does_not_answer_is_down_since_it_last_did_and_never_current(source, fake):
    assert source.host(fake.instance).live(window_s=60).value.down is None
    good_s = raw(fake, "up", instance=fake.instance)[-4][0]
    fake.change = edit("up", lambda values: [[when, "0" if when > good_s else was] for when, was in values])
    down = PrometheusSource(source.client, clock_s=fake.clock_s).host(fake.instance).live(window_s=60)
    assert down.value.down.since.timestamp() == pytest.approx(good_s, abs=0.001)
    assert "is down since" in down.stale.title
    fake.change = edit("up", lambda values: [[when, "0"] for when, _ in values])
    fake.instead["max_over_time"] = 200, {"status": "success", "data": {"result": []}}
    never = PrometheusSource(source.client, clock_s=fake.clock_s).host(fake.instance).live(window_s=60)
    assert (never.value.down.since, "has never answered" in never.stale.title) == (None, True)


def test_a_counter_that_fell_is_a_gap_never_a_rate(source, fake):
    whole = points(source, fake)
    at_s = whole[-1].at.timestamp()
    fake.change = edit(
        RECEIVED, lambda values: [[when, str(float(was) // 2) if when >= at_s else was] for when, was in values]
    )
    other = PrometheusSource(source.client, clock_s=fake.clock_s)
    assert whole[-1].total.reason is None
    assert points(other, fake)[-1].total.reason == "counter reset"


def test_the_mark_of_a_series_that_ended_is_a_gap(source, fake):
    at_s = points(source, fake)[-1].at.timestamp()
    fake.change = edit(RECEIVED, lambda values: [[when, "NaN" if when >= at_s else was] for when, was in values])
    newest = points(PrometheusSource(source.client, clock_s=fake.clock_s), fake)[-1]
    assert (newest.total.first, newest.total.reason) == (None, "read error")  # no interface is in this scrape
    assert newest.host.cpu_percent is not None


def test_a_viewer_gets_the_new_points_and_all_viewers_one_question(source, fake):
    host = source.host(fake.instance)
    first = host.live(window_s=60).value
    asked = len(fake.asked)
    again = host.live(first.seq).value
    assert (first.reset, again.points, again.reset) == (True, (), False)
    assert len(fake.asked) == asked


def test_a_host_that_tells_of_no_swap_has_its_memory_all_the_same(source, fake):
    def without(query, body):
        result = body["data"]["result"]
        body["data"]["result"] = [each for each in result if "Swap" not in each["metric"].get("__name__", "")]

    fake.change = without
    newest = points(source, fake)[-1].host
    assert newest.memory.used > 0
    assert (newest.memory.swap_total, newest.memory.swap_used) == (None, None)
    assert newest.reasons == {"swap": "not offered here"}


def test_a_host_keeps_its_last_points_and_says_why_when_prometheus_fails(source, fake):
    host = source.host(fake.instance)
    before = host.live(window_s=60).value.points
    fake.fail("500")
    fake.now_s += 2
    found = host.live(window_s=60)
    assert found.value.points == before
    assert found.stale.title == "This host could not be read"


def test_a_host_that_nobody_knows_is_not_found(source, fake):
    assert source.host("nowhere:9100").kind is Kind.NOT_FOUND
    fake.fail("500")
    empty = PrometheusSource(source.client, clock_s=fake.clock_s)
    assert isinstance(empty.hosts(), Failed)
    assert empty.host("nowhere:9100").kind is Kind.UPSTREAM


# -- its past ---------------------------------------------------------------------------------------------------------


def past(source, fake, query):
    return source.host(fake.instance).history(query).value


def test_a_short_window_is_made_of_raw_scrapes_and_has_the_hole_and_its_reason(source, fake):
    window = past(source, fake, SCRAPES)
    assert (window.grid.tier_s, window.reason) == (1, None)
    own = window.series["net_in"]
    values = [(at_s, float(value)) for at_s, value in raw(fake, RECEIVED, device="eth0")]
    steps = [
        (after - before) / (now_s - then_s)
        for (then_s, before), (now_s, after) in itertools.pairwise(values)
        if now_s - then_s < 1.5 and now_s > window.grid.t0_s
    ]
    assert own.summary.most == pytest.approx(max(steps))
    assert 0.5 < own.summary.known_share < 1
    assert np.isnan(own.mean).any() or (own.gap > 0).any()
    reasons = {gap.reason for gap in window.gaps}
    assert {"host down", "late sample"} <= reasons
    assert {"net_in", "net_err_in", "cpu", "cpu_user", "cpu_core_0", "mem_used", "load1", "disk_read"} <= set(
        window.series
    )
    told = raw(fake, "node_filesystem_free_bytes", mountpoint="/")
    free = [float(value) for at_s, value in told if window.grid.t0_s < at_s <= window.grid.end_s]
    size = float(raw(fake, "node_filesystem_size_bytes", mountpoint="/")[0][1])
    assert window.series["mount_used_root"].summary.most == pytest.approx(size - min(free))


def test_a_series_that_is_named_comes_alone_and_of_the_interface_that_is_named(source, fake):
    window = past(source, fake, dataclasses.replace(SCRAPES, names=("net_in",), interface="nope0"))
    assert window.series == {}
    window = past(source, fake, dataclasses.replace(SCRAPES, names=("net_out",), interface="eth0"))
    assert list(window.series) == ["net_out"]


def test_a_long_window_has_mean_and_greatest_of_each_step_and_is_blank_before_the_first_scrape(source, fake):
    window = past(source, fake, STEPS)
    cut = window.grid
    assert cut.step_s >= 4
    assert cut.tier_s == cut.step_s
    assert fake.now_s - 40 <= cut.end_s <= fake.now_s - 30  # VictoriaMetrics's newest half minute is not asked for
    assert window.gaps[0].reason == "Prometheus has nothing of this host"
    assert window.reason == "Least and greatest are of means over 4 s."
    for name, found in window.series.items():
        known = ~np.isnan(found.mean)
        assert known.any(), name
        assert (found.most[known] >= found.mean[known]).all()
        assert found.summary.of == f"{cut.step_s} s means"
    assert set(window.series) == set(NAMES)
    assert 0 <= window.series["cpu_core_0"].summary.most <= 100.5
    assert window.series["mount_used_root"].summary.most > 10**9


@pytest.mark.parametrize(
    ("label", "values", "names"),
    [
        ("cpu", ("0", "1", "10"), ("cpu_core_0", "cpu_core_1", "cpu_core_10")),
        ("device", ("sda",), ("disk_read_sda", "disk_write_sda")),
        ("mountpoint", ("/", "/srv/my data"), ("mount_used_root", "mount_used_/srv/my_data")),
    ],
)
def test_a_long_window_has_every_core_disk_and_file_system(source, fake, label, values, names):
    cut = past(source, fake, STEPS).grid
    at_s = [cut.t0_s + (place + 1) * cut.step_s for place in range(cut.count)]
    series = [{"metric": {label: value}, "values": [[when, "7"] for when in at_s[2:]]} for value in values]
    fake.instead[f"by ({label})"] = 200, {"status": "success", "data": {"resultType": "matrix", "result": series}}
    window = past(source, fake, dataclasses.replace(STEPS, names=names))
    assert tuple(window.series) == names
    for found in window.series.values():
        assert np.isnan(found.mean[:2]).all()
        assert set(found.mean[-3:]) == {7.0}


def test_a_step_in_which_prometheus_blanks_a_counter_says_why(source, fake):
    def fell(query, body):
        if "node_network" in query and "query_range" not in query:
            for series in body["data"]["result"]:
                if "device" not in series["metric"]:
                    series["values"] = series["values"][:-1]

    whole = past(source, fake, STEPS)
    fake.change = fell
    window = past(PrometheusSource(source.client, clock_s=fake.clock_s), fake, STEPS)
    assert not np.isnan(whole.series["net_in"].mean[-1])
    assert np.isnan(window.series["net_in"].mean[-1])
    assert ("a counter fell, or too few scrapes", "network") in {(gap.reason, gap.of) for gap in window.gaps}


def test_a_step_of_a_long_window_that_no_interface_carries_is_a_gap(source, fake):
    def jump(query, body):
        if "max_over_time((sum(rate(node_network_receive_bytes" in query:
            body["data"]["result"][0]["values"][-1][1] = "1e12"

    fake.change = jump
    window = past(source, fake, STEPS)
    assert np.isnan(window.series["net_in"].mean[-1])
    assert window.series["net_in"].summary.most < 50e9
    assert ("faster than possible", "network") in {(gap.reason, gap.of) for gap in window.gaps}


def test_a_series_that_could_not_be_read_is_absent_and_said(source, fake):
    body = {"status": "error", "errorType": "execution", "error": "too many samples"}
    fake.instead["max_over_time((100*sum"] = 422, body
    window = past(source, fake, STEPS)
    assert "cpu" not in window.series
    assert "cpu: Prometheus says: too many samples" in window.reason
    assert "net_in" in window.series
