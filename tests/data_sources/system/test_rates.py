"""A rate is the exact difference over the measured step, or a gap with its reason. Never negative, never made up."""

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from data_sources.system import rates
from data_sources.system.types import Counters, CpuTimes, Faults, Gap, InterfaceInfo, Rate

PERIOD_NS = 2 * 10**9
counter = st.integers(0, 2**64 - 1)
pairs = st.builds(Counters, counter, counter)
steps_ns = st.integers(1, 10 * PERIOD_NS)


def run(readings, start_ns=0):
    """Rates of a whole sequence of (step_ns, Counters or None)."""
    track, at_ns, out = None, start_ns, []
    for step_ns, counters in readings:
        at_ns += step_ns
        track, rate = rates.step(track, at_ns, counters, period_ns=PERIOD_NS)
        out.append(rate)
    return out


def every_period(*counters):
    return run(
        [(PERIOD_NS, pair if pair is None or isinstance(pair, Counters) else Counters(*pair)) for pair in counters]
    )


def test_the_first_reading_is_measuring_and_not_zero():
    assert every_period((5, 5)) == [Rate(None, None, Gap.MEASURING)]


def test_a_counter_that_did_not_move_is_a_measured_zero():
    assert every_period((5, 5), (5, 5))[1] == Rate(0.0, 0.0)


def test_the_measured_step_counts_and_not_the_period():
    assert run([(1, Counters(0, 0)), (2_500_000_000, Counters(1000, 500))])[1] == Rate(400.0, 200.0)


@given(st.lists(st.tuples(steps_ns, st.one_of(st.none(), pairs)), max_size=30))
def test_a_rate_is_never_negative_and_an_unknown_always_has_a_reason(readings):
    for rate in run(readings):
        assert (rate.first is None) == (rate.second is None) == (rate.reason is not None)
        assert rate.first is None or (rate.first >= 0 and rate.second >= 0)


@given(st.integers(0, 10**15), st.integers(0, 10**12), st.integers(1, int(1.5 * PERIOD_NS)))
def test_rate_times_step_gives_the_bytes_back(start, moved, step_ns):
    rate = run([(1, Counters(start, start)), (step_ns, Counters(start + moved, start))])[1]
    if moved / step_ns > 50:
        assert rate.reason is Gap.IMPOSSIBLE
        return
    assert rate.first * step_ns / 1e9 == pytest.approx(moved, rel=1e-12)
    assert rate.second == 0.0


@given(st.lists(st.tuples(steps_ns, pairs), min_size=2, max_size=20), st.integers(0, 10**18))
def test_only_differences_of_time_matter(readings, start_ns):
    assert run(readings) == run(readings, start_ns)


@given(pairs, pairs)
def test_any_counter_that_falls_is_a_gap_in_both_directions(before, after):
    rate = every_period(before, after)[1]
    fell = after.first < before.first or after.second < before.second
    assert (rate.reason is Gap.RESET) == fell


@given(
    st.lists(st.integers(0, 10**9), min_size=4, max_size=12),
    st.integers(1, 10**13),
    st.integers(1, 9),
    st.integers(1, 3),
)
def test_rows_of_zeros_never_make_a_spike(moves, start, where, how_many):
    total, honest = start, []
    for move in moves:
        total += move
        honest.append(Counters(total, total))
    seen = list(honest)
    for index in range(where, min(where + how_many, len(seen))):
        seen[index] = Counters(0, 0)
    limit = max(moves) / 2  # bytes per second at a period of 2 s
    assert all(rate.first is None or rate.first <= limit for rate in every_period(*seen))


def test_a_row_of_zeros_is_a_gap_until_the_counter_moves_on():
    found = every_period((10**12, 0), (0, 0), (0, 0), (10**12 + 50, 0), (10**12 + 100, 0))
    assert [rate.reason for rate in found] == [Gap.MEASURING, Gap.RESET, Gap.RESET, Gap.RESET, None]
    assert found[-1].first == 25.0


def test_a_true_reset_is_measured_again_from_the_next_step():
    found = every_period((10**12, 10**12), (400, 100), (2400, 1100))
    assert found[1].reason is Gap.RESET
    assert found[2] == Rate(1000.0, 500.0)


def test_after_a_fall_no_more_than_the_link_carries_is_believed():
    track, _ = rates.step(None, 0, Counters(10**15, 0), period_ns=PERIOD_NS)
    track, _ = rates.step(track, PERIOD_NS, Counters(1, 0), period_ns=PERIOD_NS)
    fast = Counters(10**10, 0)  # 5 GB/s over a link of 125 MB/s, still far below where it stood
    _, rate = rates.step(track, 2 * PERIOD_NS, fast, period_ns=PERIOD_NS, ceiling_bytes_per_s=125e6)
    assert rate.reason is Gap.RESET


def test_a_counter_that_jumps_is_no_rate_and_is_measured_again_from_the_next_step():
    found = every_period((0, 0), (10**13, 5), (10**13 + 2000, 5))
    assert [rate.reason for rate in found] == [Gap.MEASURING, Gap.IMPOSSIBLE, None]
    assert found[2].first == 1000.0


@pytest.mark.parametrize(
    ("kind", "speed", "jump", "reason"),
    [
        ("physical", 125e6, 2.0e8, None),  # its driver told two steps in one
        ("physical", 125e6, 1.1e9, Gap.IMPOSSIBLE),
        ("physical", None, 9e10, None),
        ("physical", 1e11, 5e11, None),  # a faster link than there is today
        ("tunnel", 1.25e6, 9e10, None),  # names 10 Mbit/s whatever it carries
        ("virtual", 1.25e9, 1.1e11, Gap.IMPOSSIBLE),
    ],
)
def test_a_step_is_judged_by_what_the_interface_can_carry(kind, speed, jump, reason):
    track, _ = rates.step(None, 0, Counters(0, 0), period_ns=PERIOD_NS)
    most = rates.possible(InterfaceInfo("x", kind, speed_bytes_per_s=speed))
    _, rate = rates.step(track, PERIOD_NS, Counters(0, int(jump)), period_ns=PERIOD_NS, possible_bytes_per_s=most)
    assert rate.reason is reason


def test_an_interface_that_vanishes_is_a_gap_and_starts_anew():
    found = every_period((100, 0), None, None, (50, 0), (150, 0))
    assert [rate.reason for rate in found] == [Gap.MEASURING, Gap.GONE, Gap.GONE, Gap.MEASURING, None]


@pytest.mark.parametrize(("step_ns", "reason"), [(3 * 10**9, None), (3 * 10**9 + 1, Gap.LATE)])
def test_more_than_one_and_a_half_periods_is_a_gap(step_ns, reason):
    assert run([(1, Counters(0, 0)), (step_ns, Counters(9, 9))])[1].reason is reason


def test_a_sum_with_one_unknown_part_is_unknown():
    known, unknown = Rate(1.0, 2.0), Rate(None, None, Gap.RESET)
    assert rates.add_up({"a": known, "b": known}, ["a", "b"]) == Rate(2.0, 4.0)
    assert rates.add_up({"a": known, "b": unknown}, ["a", "b"]).reason is Gap.RESET
    assert rates.add_up({"a": known}, ["a", "b"]).reason is Gap.GONE
    assert rates.add_up({"a": known}, []).reason is Gap.NO_ROUTE


times = st.builds(CpuTimes, st.floats(0, 1e9), st.floats(0, 1e9))


@given(times, times)
def test_a_busy_share_stays_within_0_and_100_or_is_unknown(before, after):
    share = rates.busy_percent(before, after)
    assert share is None or 0 <= share <= 100


def test_a_quarter_busy_is_25_percent():
    assert rates.busy_percent(CpuTimes(10, 10), CpuTimes(10.5, 11.5)) == 25.0


def test_idle_time_that_steps_back_by_one_tick_is_known_jitter_and_by_more_is_unknown():
    assert rates.busy_percent(CpuTimes(10, 10.01), CpuTimes(12, 10.0)) == 100.0
    assert rates.busy_percent(CpuTimes(10, 11), CpuTimes(12, 10.0)) is None


packets = st.integers(0, 2**64 - 1)
faults = st.builds(Faults, packets, packets, packets, packets)


@given(st.one_of(st.none(), faults), st.one_of(st.none(), faults), st.floats(0.1, 3))
@examples(max_examples=40)
def test_errors_and_drops_are_never_negative_and_known_only_of_counters_that_grew(before, after, seconds):
    found = rates.fault_rates(before, after, seconds)
    fields = ("err_in", "err_out", "drop_in", "drop_out")
    grew = before is not None and after is not None and all(getattr(after, f) >= getattr(before, f) for f in fields)
    assert (found is not None) == grew
    if found is not None:
        assert all(getattr(found, f) == (getattr(after, f) - getattr(before, f)) / seconds for f in fields)


@given(st.lists(st.floats(0, 1e6), min_size=4, max_size=4), st.lists(st.floats(0, 2), min_size=4, max_size=4))
@examples(max_examples=40)
def test_modes_are_shares_of_the_whole_and_a_counter_that_falls_is_unknown(start, spent):
    user, system, iowait, idle = start
    before = CpuTimes(user + system, iowait + idle, {"user": user, "system": system, "iowait": iowait})
    user, system, iowait, idle = (old + more for old, more in zip(start, spent, strict=True))
    after = CpuTimes(user + system, iowait + idle, {"user": user, "system": system, "iowait": iowait})
    found = rates.mode_percents(before, after)
    busy = rates.busy_percent(before, after)
    if busy is not None and sum(spent) > 0.1:
        assert found["user"] + found["system"] == pytest.approx(busy, abs=0.01)
        assert 0 <= found["iowait"] <= 100 - busy + 0.01
    assert rates.mode_percents(after, CpuTimes(after.busy_s + 1, after.idle_s + 1, {"user": user - 1}))["user"] is None


@pytest.mark.parametrize(
    ("before", "after", "percent"), [(0, 500_000, 25.0), (7, 7, 0.0), (9, 8, None), (0, 9_000_000, 100.0)]
)
def test_pressure_is_the_share_of_the_step_that_some_task_waited(before, after, percent):
    assert rates.waited_percent(before, after, 2.0) == percent


def test_a_sum_of_faults_is_unknown_when_a_part_is():
    one = Faults(1, 2, 3, 4)
    assert rates.add_faults({"a": one, "b": one}, ("a", "b")) == Faults(2, 4, 6, 8)
    assert rates.add_faults({"a": one}, ("a", "b")) is None
    assert rates.add_faults({}, ()) is None
