"""The console beside a real Prometheus or VictoriaMetrics and a node_exporter: what it tells is what was counted."""

import math
import subprocess
import time

import numpy as np
import psutil
import pytest

from data_sources.result import Problem
from data_sources.system.history_reader import HistoryQuery
from data_sources.system.prometheus import PrometheusSource
from data_sources.system.prometheus_history import DELAY_S
from data_sources.system.prometheus_wire import PrometheusClient
from tests.peers.prometheus import find, wait_until

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def source(prometheus):
    prometheus.wait_for(f'count_over_time(node_load1{{instance="{prometheus.instance}"}}[1m]) > 5')
    made = PrometheusSource(PrometheusClient(prometheus.url))
    yield made
    made.close()


def rows(source):
    return {row.instance: row for row in source.hosts().value}


def test_a_host_has_its_own_figures_and_one_that_never_answered_none(source, prometheus):
    found = rows(source)
    here, nobody = found[prometheus.instance], found[prometheus.nobody]
    assert (here.state, nobody.state, nobody.sample) == ("up", "never seen", None)
    assert here.period_s == pytest.approx(1, abs=0.05)
    memory = here.sample.host.memory
    assert memory.total == psutil.virtual_memory().total
    assert len(here.sample.host.core_percents) == psutil.cpu_count()
    assert 0 <= here.sample.host.cpu_percent <= 100
    assert here.sample.total.reason is None
    assert set(found) == {prometheus.instance, prometheus.nobody}  # Prometheus itself is a target, and no host


def test_a_host_that_stops_is_down_with_the_time_it_was_seen_and_its_hole_is_a_gap(source, prometheus):
    host = source.host(prometheus.instance)
    seq = host.live().value.seq
    stopped_s = time.time()
    prometheus.stop_exporter()
    try:
        wait_until(lambda: rows(source)[prometheus.instance].state == "down", "the host is down")
        down = rows(source)[prometheus.instance]
        assert (down.sample, down.reason) == (None, "The last scrape of it failed")
        assert down.seen_at.timestamp() == pytest.approx(stopped_s, abs=3)
    finally:
        prometheus.start_exporter()
    seen = []

    def back():
        seen.extend(host.live(seq + len(seen)).value.points)
        return len(seen) > 2 and seen[-1].total.reason is None and seen[-2].total.reason == "measuring"

    wait_until(back, "a rate after the gap")
    assert {str(point.total.reason) for point in seen} == {"None", "host down", "measuring"}
    assert rows(source)[prometheus.instance].state in ("up", "down")  # the list is read every five seconds


def test_the_past_of_a_host_is_its_scrapes_and_the_hole_in_them_stays_one(source, prometheus):
    found = source.host(prometheus.instance).history(HistoryQuery(window_s=300, points=300))
    window = found.value
    assert window.grid.tier_s == 1
    assert window.series["mem_used"].summary.most <= psutil.virtual_memory().total
    (down,) = [gap for gap in window.gaps if gap.reason == "host down"]
    assert down.of is None
    assert np.isnan(window.series["cpu"].mean).any()
    long = source.host(prometheus.instance).history(HistoryQuery(window_s=90 * 86_400, points=1000)).value
    # Prometheus takes each of our questions over 90 days, and answers all of them in time
    assert long.reason == "Least and greatest are of means over 389 s."
    assert long.gaps[0].reason == "Prometheus has nothing of this host"


def test_an_outage_within_a_step_of_a_long_window_is_as_long_as_its_scrapes_say(source, prometheus):
    host = source.host(prometheus.instance)
    short = host.history(HistoryQuery(window_s=300, points=300)).value
    (truly,) = [gap for gap in short.gaps if gap.reason == "host down"]
    wait_until(lambda: time.time() - truly.end_s > DELAY_S + 12, "a long window holds the outage", 60)
    long = host.history(HistoryQuery(window_s=2000, points=100)).value
    assert long.grid.step_s >= 20
    (told,) = [gap for gap in long.gaps if gap.reason == "host down"]
    assert (told.start_s, told.end_s, told.of) == pytest.approx((truly.start_s, truly.end_s, None), abs=0.01)
    assert not [gap for gap in long.gaps if gap.of == "network" and gap.start_s < told.end_s < gap.end_s]
    assert not np.isnan(long.series["mem_used"].mean).all()
    # it takes each of our questions, the closer looks too
    assert long.reason == f"Least and greatest are of means over {math.ceil(4 * host.period_s)} s."


def test_prometheus_refuses_nonsense_in_words(source, prometheus):
    problem = source.client.instant("rate(up[5s]", time.time(), what="Hosts could not be read")
    assert isinstance(problem, Problem)
    own = {"prometheus": "unclosed left parenthesis", "victoria-metrics": "unexpected token"}
    assert own[prometheus.server] in problem.detail


def test_prometheuss_own_checker_finds_nothing_wrong_with_our_metrics(make_app):
    promtool = find("promtool")
    if promtool is None:
        pytest.skip("promtool could not be had here")
    client = make_app(read_token="reader-key-of-the-tests").server.test_client()

    def told():
        return client.get("/metrics", headers={"Authorization": "Bearer reader-key-of-the-tests"}).data

    wait_until(lambda: b"lateness" in told(), "the sampler has taken two samples")
    done = subprocess.run([promtool, "check", "metrics"], input=told(), capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
