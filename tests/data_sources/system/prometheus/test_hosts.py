"""Other hosts in a list: up, down, never seen and without data apart, whatever Prometheus does."""

import threading

import pytest

from data_sources.result import Failed, Kind, Problem, Ready
from data_sources.system.history_reader import HistoryQuery
from data_sources.system.prometheus import PrometheusSource, host_list
from data_sources.system.prometheus_wire import PrometheusClient
from tests.data_sources.system.prometheus.steps import ABSURD, RECEIVED, edit, raw, row
from tests.fakes.machine import FakeMachine


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


def test_a_prometheus_that_names_no_host_says_so_and_those_of_before_are_missed(source, fake):
    machine = FakeMachine().held_source()
    known = host_list(machine, "here", source).value.rows
    fake.instead[""] = 200, {"status": "success", "data": {"resultType": "vector", "result": []}}
    fake.now_s += 10
    told = host_list(machine, "here", source).value
    assert told.problem.title == "Prometheus names no host"
    assert [row.name for row in told.rows] == [row.name for row in known]
    assert {(row.state, row.reason, row.sample) for row in told.rows[1:]} == {("no data", told.problem.title, None)}
    fresh = host_list(machine, "here", PrometheusSource(source.client, clock_s=fake.clock_s)).value
    assert (len(fresh.rows), fresh.problem.title) == (1, "Prometheus names no host")


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


def test_how_prometheus_answered_last_is_that_of_any_question(source, fake):
    assert source.seen is None
    fake.fail("500")
    assert isinstance(source.hosts(), Failed)
    assert isinstance(source.seen, Failed)
    fake.heal()
    answer = source.client.instant("nothing", fake.now_s, what="x")
    assert isinstance(answer, Problem), "the fake knows no such question"
    assert source.seen.problem == answer
    again = PrometheusSource(source.client, clock_s=fake.clock_s)
    again.host(fake.instance).live(window_s=60)
    assert isinstance(again.seen, Ready)
    fake.fail("401")
    fake.now_s += 2
    again.host(fake.instance).live(window_s=60)
    assert "refused our key" in again.seen.problem.detail
