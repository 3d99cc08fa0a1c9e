"""Another host's windows of the past."""

import dataclasses
import itertools

import numpy as np
import pytest

from data_sources.system.prometheus import PrometheusSource
from tests.data_sources.system.prometheus.steps import RECEIVED, raw
from tests.peers.record_prometheus import NAMES, SCRAPES, STEPS


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
    ups = raw(fake, "up", instance=fake.instance)
    asked_in_vain = [place for place, (when, up) in enumerate(ups) if up == "0" and when > window.grid.t0_s]
    before, after = ups[asked_in_vain[0] - 1][0], ups[asked_in_vain[-1] + 1][0]
    (down,) = [gap for gap in window.gaps if gap.end_s > before]
    assert (down.reason, down.of) == ("host down", None)
    assert (down.start_s, down.end_s) == pytest.approx((before, after), abs=0.002), "from its last answer to its next"
    assert {"net_in", "net_err_in", "cpu", "cpu_user", "cpu_core_0", "mem_used", "load1", "disk_read"} <= set(
        window.series
    )
    told = raw(fake, "node_filesystem_free_bytes", mountpoint="/")
    free = [float(value) for at_s, value in told if window.grid.t0_s < at_s <= window.grid.end_s]
    size = float(raw(fake, "node_filesystem_size_bytes", mountpoint="/")[0][1])
    assert window.series["mount_used_root"].summary.most == pytest.approx(size - min(free))


def test_a_time_that_prometheus_has_no_scrape_of_is_told_apart_from_one_when_the_host_was_down(source, fake):
    ups = raw(fake, "up", instance=fake.instance)
    kept = [when for when, _ in ups][:-12] + [when for when, _ in ups][-4:]

    def hole(query, body):
        for series in body["data"]["result"]:
            if "values" in series:
                series["values"] = [[when, value] for when, value in series["values"] if when in kept]

    fake.change = hole
    window = past(PrometheusSource(source.client, clock_s=fake.clock_s), fake, SCRAPES)
    gone = window.gaps[-1]
    assert (gone.reason, gone.of, gone.start_s, gone.end_s) == (
        "late sample",
        None,
        pytest.approx(kept[-5], abs=0.002),
        pytest.approx(kept[-4], abs=0.002),
    )


@pytest.mark.parametrize(
    ("up", "reason"),
    [
        ("0", "host down"),
        ("1", "no figures"),
        (None, "Prometheus has nothing of this host"),
    ],
)
def test_a_step_without_a_figure_says_whether_the_host_was_asked_in_vain(source, fake, up, reason):
    cut = past(source, fake, STEPS).grid
    at_s = [cut.t0_s + (place + 1) * cut.step_s for place in range(3)]

    def series(value):
        found = [{"metric": {}, "values": [[when, str(value)] for when in at_s]}]
        return 200, {"status": "success", "data": {"resultType": "matrix", "result": [] if up is None else found}}

    fake.instead["max(count_over_time(up{"] = series(20)
    fake.instead["max(sum_over_time(up{"] = series(20 * int(up or 0))
    first = past(source, fake, STEPS).gaps[0]
    assert (first.reason, first.of, first.start_s) == (reason, None, cut.t0_s)
    fake.instead["max(sum_over_time(up{"] = (
        422,
        {"status": "error", "errorType": "execution", "error": "too many samples"},
    )
    window = past(source, fake, STEPS)
    assert window.gaps[0].reason == "Prometheus has nothing of this host"
    assert "up: Prometheus says: too many samples" in window.reason


def test_an_outage_within_a_long_window_is_as_long_as_it_was_whatever_the_steps(source, fake):
    window = past(source, fake, STEPS)
    ups = raw(fake, "up", instance=fake.instance)
    asked_in_vain = [place for place, (when, up) in enumerate(ups) if up == "0" and when < window.grid.end_s]
    truly = [ups[asked_in_vain[0] - 1][0], ups[asked_in_vain[-1] + 1][0]]
    (down,) = [gap for gap in window.gaps if gap.reason == "host down"]
    assert (down.of, [down.start_s, down.end_s]) == (None, pytest.approx(truly, abs=0.002))
    assert down.end_s - down.start_s < window.grid.step_s
    assert not [
        gap for gap in window.gaps if gap.of == "network" and gap.start_s < down.end_s and gap.end_s > down.start_s
    ]


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
        assert f"Least and greatest are of means over {found.summary.most_of.removesuffix(' means')}." in window.reason
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
    assert ("a counter fell, or was not in every scrape", "network") in {(gap.reason, gap.of) for gap in window.gaps}


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


@pytest.mark.parametrize(
    "fault", [(500, {"status": "error", "error": "no room"}), (200, b"<html>"), (200, b'{"status": "suc')]
)
def test_outages_that_cannot_be_looked_at_are_told_by_their_steps_and_the_figures_stay(source, fake, fault):
    whole = past(source, fake, STEPS)
    fake.instead['"up|node_load1|node_memory'] = fault
    window = past(PrometheusSource(source.client, clock_s=fake.clock_s), fake, STEPS)
    assert "The host did not answer at times, or was not asked" in {gap.reason for gap in window.gaps}
    assert "up: Prometheus " in window.reason
    assert set(window.series) == set(whole.series)
    assert not np.isnan(window.series["load1"].mean).all()
