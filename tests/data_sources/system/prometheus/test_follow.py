"""Another host's live page: raw counters by this machine's own rules."""

import threading

import pytest

from data_sources.result import Failed, Kind
from data_sources.system.history_reader import HistoryQuery
from data_sources.system.prometheus import PrometheusSource
from tests.data_sources.system.prometheus.steps import RECEIVED, edit, raw, row

NOTHING = {"status": "success", "data": {"resultType": "matrix", "result": []}}


def matrix(at_s, values, **labels):
    """One scrape of these metrics."""
    found = [{"metric": {"__name__": name, **labels}, "values": [[at_s, str(value)]]} for name, value in values.items()]
    return 200, {"status": "success", "data": {"resultType": "matrix", "result": found}}


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
    assert (after.total.reason, after.host.cpu_percent) == ("measuring", None), "it came in time"
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


def test_a_host_that_was_down_and_is_scraped_no_more_is_not_down_for_ever(source, fake):
    good_s = raw(fake, "up", instance=fake.instance)[-4][0]
    fake.change = edit("up", lambda values: [[when, "0" if when > good_s else was] for when, was in values])
    host = PrometheusSource(source.client, clock_s=fake.clock_s).host(fake.instance)
    assert host.live(window_s=60).value.down is not None
    fake.now_s += 700  # the list of hosts looks back for ten minutes
    fake.instead["node_network_receive_bytes_total"] = 200, NOTHING
    told = host.live(window_s=60)
    assert (told.value.down, told.value.empty) == (None, "Prometheus no longer scrapes it")
    assert "no longer scrapes it" in told.stale.detail


def test_a_host_without_a_figure_says_why_in_the_words_of_the_list(source, fake):
    def bare(query, body):
        if query.startswith("{"):
            body["data"]["result"] = [s for s in body["data"]["result"] if s["metric"]["__name__"] == "up"]

    fake.change = bare
    listed = PrometheusSource(source.client, clock_s=fake.clock_s)
    told = listed.host(fake.instance).live(window_s=60)
    assert told.value.empty == row(listed, fake.instance).reason == "It answers, but without node_exporter's figures"
    newest = told.value.points[-1]
    assert {newest.total.reason, *newest.host.reasons.values()} == {"no figures"}

    def gone(query, body):
        if query.startswith("{"):
            body["data"]["result"] = [s for s in body["data"]["result"] if s["metric"]["instance"] != fake.instance]

    fake.change = gone
    fake.instead["max_over_time"] = fake.instead[f'instance="{fake.instance}"'] = 200, NOTHING
    listed = PrometheusSource(source.client, clock_s=fake.clock_s)
    told = listed.host(fake.instance).live(window_s=60)
    assert told.value.empty == row(listed, fake.instance).reason == "Prometheus no longer scrapes it"
    assert (told.value.points, told.stale.detail) == ((), "Prometheus no longer scrapes it.")


def test_a_host_that_comes_back_has_its_file_systems_at_once(source, fake):
    fake.instead["node_network_protocol_type"] = 200, NOTHING  # asked about while it is down it tells nothing
    fake.change = edit("up", lambda values: [*values[:-3], *([when, "0"] for when, _ in values[-3:])])
    host = source.host(fake.instance)
    first = host.live(window_s=60).value
    assert (first.down is None, first.mounts) == (False, ())
    root = {"mountpoint": "/", "fstype": "ext4"}
    sizes = {f"node_filesystem_{name}_bytes": size for name, size in (("size", 90), ("avail", 50), ("free", 60))}
    fake.instead["node_network_protocol_type"] = matrix(fake.now_s + 4, sizes, **root)
    fake.instead['"up|node_network_receive_bytes_total'] = matrix(fake.now_s + 1, {"up": 1, "node_load1": 0.5})
    fake.now_s += 3
    again = host.live(first.seq).value
    assert (again.down, again.mounts) == (None, ())
    fake.now_s += 2
    told = host.live(again.seq).value
    assert [(mount.path, mount.used) for mount in told.mounts] == [("/", 30)]
    assert told.new_facts, "who has had the last scrape is told too"


def test_what_was_told_of_a_host_holds_while_prometheus_has_no_scrape_of_it_after_a_start(source, fake):
    host = source.host(fake.instance)
    first = host.live(window_s=60).value
    assert first.mounts
    fake.instead["node_network_protocol_type"] = 200, NOTHING
    fake.instead['"up|node_network_receive_bytes_total'] = 200, NOTHING
    fake.now_s += 61
    assert host.live(first.seq).value.mounts == first.mounts
    sizes = {f"node_filesystem_{name}_bytes": size for name, size in (("size", 90), ("avail", 50), ("free", 60))}
    fake.instead["node_network_protocol_type"] = matrix(fake.now_s + 4, sizes, mountpoint="/", fstype="ext4")
    fake.now_s += 6  # soon, not in a minute
    assert [mount.used for mount in host.live(first.seq).value.mounts] == [30]
    fake.instead["node_network_protocol_type"] = 200, NOTHING
    fake.now_s += 200
    assert host.live(first.seq).value.mounts == (), "and not for ever"


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


def test_what_prometheus_says_of_its_answers_is_told_when_it_begins_and_when_it_ends(source, fake):
    host = source.host(fake.instance)
    first = host.live(window_s=60).value
    assert (first.notes, host.live(first.seq).value.new_facts) == ((), False)
    nothing_new = {"status": "success", "data": {"resultType": "matrix", "result": []}}
    fake.instead[fake.instance] = 200, {**nothing_new, "warnings": ["a block is missing"], "infos": ["no such name"]}
    fake.now_s += 2
    warned = host.live(first.seq).value
    assert (warned.notes, warned.new_facts) == (("a block is missing", "no such name"), True)
    fake.instead[fake.instance] = 200, nothing_new
    fake.now_s += 2
    again = host.live(warned.seq).value
    assert (again.notes, again.new_facts) == ((), True)


def test_an_old_failure_is_not_told_as_one_of_now_while_prometheus_is_asked_again(hasty, fake, monkeypatch):
    host = PrometheusSource(hasty, clock_s=fake.clock_s).host(fake.instance)
    fake.fail("500")
    assert host.live(window_s=60).problem.code == "HTTP 500"
    fake.heal()
    fake.fail("slow")
    fake.now_s += 35
    monkeypatch.setattr("data_sources.system.prometheus_follow._WAIT_S", 0)
    asked, answers = len(fake.asked), []
    asking = threading.Thread(target=lambda: answers.append(host.live(window_s=60)))
    asking.start()
    while len(fake.asked) == asked:
        asking.join(0.01)
    for told in (host.live(window_s=60), host.history(HistoryQuery())):
        assert (told.problem.kind, told.problem.detail) == (Kind.BUSY, "Prometheus is being asked.")
    asking.join()
    assert answers[0].problem.kind is Kind.TIMEOUT
    assert host.live(window_s=60).problem is answers[0].problem


def test_a_host_that_nobody_knows_is_not_found(source, fake):
    assert source.host("nowhere:9100").kind is Kind.NOT_FOUND
    fake.fail("500")
    empty = PrometheusSource(source.client, clock_s=fake.clock_s)
    assert isinstance(empty.hosts(), Failed)
    assert empty.host("nowhere:9100").kind is Kind.UPSTREAM


def scraped(*runs):
    """Scrapes of one interface that takes 100 B/s: so many seconds apart, from and to in epoch seconds."""
    times = sorted({at_s for step_s, start_s, end_s in runs for at_s in range(int(start_s), int(end_s) + 1, step_s)})
    of = {"up": lambda _: 1, RECEIVED: lambda at_s: 100 * at_s, "node_network_transmit_bytes_total": lambda at_s: at_s}
    found = [
        {
            "metric": {"__name__": name, **({} if name == "up" else {"device": "eth0"})},
            "values": [[at_s, str(value(at_s))] for at_s in times],
        }
        for name, value in of.items()
    ]
    return 200, {"status": "success", "data": {"resultType": "matrix", "result": found}}


def test_an_interval_that_is_changed_is_followed_and_no_scrape_of_either_is_late(source, fake):
    host = source.host(fake.instance)
    first = host.live(window_s=60).value
    assert first.period_s == pytest.approx(1, abs=0.05)
    begun_s = int(fake.now_s)
    fake.now_s = begun_s + 100
    fake.instead[RECEIVED] = scraped((1, begun_s - 150, begun_s), (5, begun_s, begun_s + 95))
    slower = host.live(first.seq, window_s=60).value
    assert (slower.reset, slower.period_s, slower.facts.scope_rule.endswith("every 5 s")) == (True, 5, True)
    rates = [point.total for point in host.live(window_s=300).value.points]
    # Of the first three that came later nobody can know yet that they were not late.
    assert [rate.reason for rate in rates].count("late sample") <= 3
    assert {rate.first for rate in rates if rate.reason is None} == {100.0}
    fake.now_s = begun_s + 130
    fake.instead[RECEIVED] = scraped((5, begun_s - 150, begun_s + 120), (1, begun_s + 120, begun_s + 128))
    faster = host.live(slower.seq, window_s=60).value
    assert (faster.reset, faster.period_s) == (True, 1)
    points = host.live(window_s=300).value.points
    assert [point.total.reason for point in points[1:]] == [None] * (len(points) - 1)
    window = host.history(HistoryQuery(window_s=60, points=300)).value
    assert (window.grid.tier_s, "late sample" in {gap.reason for gap in window.gaps}) == (5, False)
