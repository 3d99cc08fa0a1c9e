"""When a host was silent in a long window: as long as it truly was, whatever the steps."""

import itertools
import re
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from data_sources.system.prometheus_node import Scrape
from data_sources.system.prometheus_outages import AT_TIMES, HOLE, outages, read_silences, scrapes_with_figures
from data_sources.system.prometheus_wire import PrometheusClient
from data_sources.system.windows import Grid
from tests.fakes.server import Asked, FakeServer, Reply

PERIOD_S, STEP_S, STEPS = 5.0, 60, 60
BEGUN_S = 1_800_000_000.0
CUT = Grid(STEP_S, STEP_S, BEGUN_S, STEPS, BEGUN_S + STEPS * STEP_S)
BEFORE = 12  # scrapes before the window
ALL = int(STEPS * STEP_S / PERIOD_S)


class Ups(FakeServer):
    """A Prometheus that has nothing but `up` of one host, as samples at times in epoch seconds."""

    samples: list[tuple[float, int]]
    bare: tuple[float, ...] = ()  # when it answered without figures
    looks = 0

    def answer(self, asked: Asked) -> Reply:
        query = asked.query["query"][0]
        raw = re.fullmatch(r"\{__name__=~.up\|node_load1[a-zA-Z_|0-9]*.,\}\[(\d+)s\]", query)
        if raw:
            self.looks += 1
            at_s, back_s = float(asked.query["time"][0]), float(raw[1])
            found = [(when, value) for when, value in self.samples if at_s - back_s < when <= at_s]
            load = [when for when, value in found if value and when not in self.bare]
            return self._several(
                up=[[when, str(value)] for when, value in found], node_load1=[[when, "1"] for when in load]
            )
        function, length = re.fullmatch(r"max\((count|sum)_over_time\(up\{\}\[(\d+)s\]\)\)", query).groups()
        values = []
        for place in range(STEPS):
            end_s = CUT.t0_s + (place + 1) * STEP_S
            inside = [value for when, value in self.samples if end_s - float(length) < when <= end_s]
            if inside:
                values.append([end_s, str(len(inside) if function == "count" else sum(inside))])
        return self._series(values)

    def _series(self, values: list[list[object]]) -> Reply:
        return self._several(**{"": values})

    def _several(self, **named: list[list[object]]) -> Reply:
        series = [{"metric": {"__name__": name}, "values": values} for name, values in named.items() if values]
        return 200, {"status": "success", "data": {"resultType": "matrix", "result": series}}


@pytest.fixture(scope="module")
def ups():
    server = Ups()
    yield server
    server.close()


@pytest.fixture(scope="module")
def told(ups):
    client = PrometheusClient(ups.url, timeout_s=(5, 20))

    def ask(expression):
        found = np.full(STEPS, np.nan)
        answer = client.ranged(expression, CUT.t0_s + STEP_S, CUT.end_s, STEP_S, what="")
        for series in answer.series:
            for at_ms, value in series.points:
                found[round((at_ms / 1000 - CUT.t0_s) / STEP_S) - 1] = value
        return {"": found}

    def read(samples, figures=None, bare=()):
        ups.samples, ups.bare, ups.looks = samples, bare, 0
        if figures is None:
            good = [when for when, value in samples if value and when not in bare]
            ends_s = CUT.t0_s + np.arange(STEPS + 1) * STEP_S
            counted = np.array([sum(a < when <= b for when in good) for a, b in itertools.pairwise(ends_s)], float)
            figures = np.where(counted > 0, counted, np.nan)
        return read_silences(client, ask, "", PERIOD_S, CUT, figures, time.monotonic() + 60)

    yield read
    client.close()


def schedule(values):
    """A scrape each period; None is one that Prometheus did not make."""
    return [
        (BEGUN_S + 1 + (place - BEFORE) * PERIOD_S, value) for place, value in enumerate(values) if value is not None
    ]


def spans(found, reason):
    return sorted((gap.start_s, gap.end_s) for gap in found if gap.reason == reason)


def joined(found):
    """Spans that touch as one."""
    made: list[tuple[float, float]] = []
    for start_s, end_s in found:
        if made and start_s <= made[-1][1]:
            made[-1] = made[-1][0], max(end_s, made[-1][1])
        else:
            made.append((start_s, end_s))
    return made


OUTAGE = st.tuples(st.integers(1, 60), st.integers(40, 90))  # so many scrapes failed, then so many did not
UNASKED = st.tuples(st.integers(0, 4), st.integers(6, 60))  # after so many outages Prometheus was away for so long


@given(st.integers(0, 40), st.lists(OUTAGE, max_size=3), UNASKED)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_outage_is_told_from_the_last_answer_before_it_to_the_first_after_it(told, first, failing, unasked):
    lengths = [(1, first), *itertools.chain.from_iterable([(0, failed), (1, good)] for failed, good in failing)]
    lengths.insert(2 * unasked[0] + 2, (None, unasked[1]))
    values = [*itertools.chain.from_iterable([value] * count for value, count in lengths)]
    assume(len(values) <= ALL - 20)
    samples = schedule([*[1] * BEFORE, *values, *[1] * (ALL - len(values))])
    found = told(samples)
    assert (found.troubles, AT_TIMES in {gap.reason for gap in found.gaps}) == ((), False)
    failed, holes = [], []
    for (before_s, before), (at_s, good) in itertools.pairwise(samples):
        if at_s - before_s > PERIOD_S:
            holes.append((before_s, at_s))
        elif not (before and good):
            failed.append((before_s, at_s))
    # Of a hole one scrape may pass for the end of the outage beside it, or for the loss that a drawn step can afford.
    assert joined(spans(found.gaps, "host down")) == [pytest.approx(each, abs=2 * PERIOD_S) for each in joined(failed)]
    # At the beginning of the window nobody knows whether there was something before.
    unasked = joined(spans(found.gaps, "late sample") + spans(found.gaps, "Prometheus has nothing of this host"))
    assert unasked == [pytest.approx(each, abs=2 * PERIOD_S) for each in holes]


def test_a_host_that_answers_has_no_outage_and_costs_no_closer_look(told, ups):
    found = told(schedule([1] * (BEFORE + ALL)))
    assert (found.gaps, found.thin.any(), ups.looks) == ((), False, 0)


def test_of_a_host_that_comes_and_goes_the_newest_outages_are_looked_at_and_the_others_said(told, ups, monkeypatch):
    monkeypatch.setattr("data_sources.system.prometheus_outages._MOST_SCRAPES", STEP_S / PERIOD_S)  # a step a look
    found = told(schedule(([1] * 20 + [0] * 4) * (ALL // 24 + 1)))
    assert ups.looks == 24
    assert [gap.reason for gap in found.gaps if gap.reason == AT_TIMES]
    newest = max(gap.start_s for gap in found.gaps if gap.reason == AT_TIMES)
    assert all(gap.start_s > newest for gap in found.gaps if gap.reason == "host down")


def test_an_interval_that_was_changed_leaves_no_step_without_scrapes(told):
    changed = [(BEGUN_S + 1 + second, 1) for second in range(0, STEPS * STEP_S, 5) if second < 1200 or not second % 15]
    found = told(changed, np.where(np.arange(STEPS) < 20, 12.0, 4.0))
    assert (found.gaps, found.thin.any()) == ((), False)
    assert (found.expected[0], found.expected[-1]) == (12, 4)
    # An outage of before the change is judged by the interval of then.
    then = [(when, 1) for when, _ in changed if when > BEGUN_S + 1200 or not int(when - BEGUN_S - 1) % 20]
    down = [(when, 0 if BEGUN_S + 600 < when < BEGUN_S + 700 else 1) for when, _ in then]
    found = told(down).gaps
    assert {gap.reason for gap in found} == {"host down"}
    assert joined(spans(found, "host down")) == [(BEGUN_S + 581, BEGUN_S + 701)]


def test_what_is_pushed_to_prometheus_is_never_asked_and_is_judged_by_its_figures(told):
    figures = np.full(STEPS, 12.0)
    figures[3], figures[4] = np.nan, 5.0
    found = told([], figures)
    assert [(gap.reason, gap.start_s, gap.end_s) for gap in found.gaps] == [
        ("Prometheus has nothing of this host", BEGUN_S + 3 * STEP_S, BEGUN_S + 4 * STEP_S)
    ]
    assert np.flatnonzero(found.thin).tolist() == [3, 4]


@pytest.mark.parametrize(("first", "last"), [(3, 4), (0, 60), (13, 99), (24, 35)])
def test_answers_without_figures_are_told_as_long_as_they_were(told, first, last):
    samples = schedule([1] * (BEFORE + ALL))
    bare = tuple(when for when, _ in samples[BEFORE + first : BEFORE + last])
    found = told(samples, bare=bare)
    assert joined(spans(found.gaps, "no figures")) == [(bare[0] - PERIOD_S, bare[-1] + PERIOD_S)]


def scrape(at_s, up):
    return Scrape(int(at_s * 1000), {"up": {"": up}, **({"node_load1": {"": 1.0}} if up else {})})


def test_a_host_whose_exporter_tells_no_load_is_not_without_figures():
    found = [
        Scrape(at_s * 1000, {"up": {"": 1.0}, "node_boot_time_seconds": {"": 1.0}}) for at_s in range(1000, 1040, 5)
    ]
    assert outages(found, PERIOD_S, 1_000.0, 1_036.0) == []
    for sign in ("node_load1", "node_memory_MemTotal_bytes", "node_boot_time_seconds"):
        assert f'count_over_time({sign}{{job="a"}}[60s])' in scrapes_with_figures('job="a"', 60)


def test_a_step_that_begins_or_ends_within_an_outage_has_no_rate(told):
    values = [1] * (BEFORE + ALL)
    values[BEFORE + 30 : BEFORE + 36] = [0] * 6  # from within the third step to the end of it
    values[BEFORE + 62] = 0  # within the sixth
    found = told(schedule(values))
    assert np.flatnonzero(found.crossed(CUT)).tolist() == [2, 3]
    assert np.flatnonzero(found.touched(CUT)).tolist() == [2, 3, 5]


def test_an_outage_that_goes_on_lasts_to_the_end_of_the_window():
    found = outages([scrape(1_000, 1.0), scrape(1_005, 0.0)], PERIOD_S, 998.0, 1_009.0)
    assert joined(spans(found, "host down")) == [(1_000, 1_009)]


def test_a_longer_interval_is_not_late_from_its_second_scrape_on():
    times = [*range(1_000, 1_060, 5), *range(1_085, 1_300, 30)]
    assert outages([scrape(at_s, 1.0) for at_s in times], PERIOD_S, 1_000.0, 1_296.0) == []


def test_what_is_before_the_first_and_after_the_last_answer_is_not_known():
    found = outages([scrape(1_010, 1.0), scrape(1_015, 0.0), scrape(1_020, 1.0)], PERIOD_S, 1_000.0, 1_040.0)
    assert spans(found, HOLE) == [(1_000, 1_010), (1_020, 1_040)]
    assert joined(spans(found, "host down")) == [(1_010, 1_020)]
    assert spans(outages([], PERIOD_S, 1_000.0, 1_040.0), HOLE) == [(1_000, 1_040)]
