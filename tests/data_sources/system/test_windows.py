"""A window's steps: no spike is lost, unknown is told as a share, and a percentile says what it is taken of."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from data_sources.system.gap_log import EVERYTHING, GapLog, merge_spans
from data_sources.system.history_reader import not_running
from data_sources.system.windows import Columns, GapSpan, fold, grid


def columns(rows):
    return Columns(*np.array(rows, float).T)


@given(st.floats(1e9, 2e9), st.floats(10, 8e6), st.sampled_from([2, 10, 60]), st.integers(10, 1000))
@examples(max_examples=80)
def test_steps_cover_the_window_and_are_never_more_than_asked(start, length, tier, points):
    cut = grid(start, start + length, tier_s=tier, points=points)
    assert cut.count <= points
    assert cut.step_s % tier == 0
    assert cut.t0_s <= start + 1e-3
    assert cut.t0_s + cut.count * cut.step_s >= start + length - 1e-3
    assert cut.t0_s % cut.step_s == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 99), st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 10)),
        min_size=1,
        max_size=60,
        unique_by=lambda row: row[0],
    ),
    st.integers(10, 100),
)
@examples(max_examples=60)
def test_a_coarser_step_keeps_the_most_the_least_and_the_bytes(rows, points):
    made = [[1000 + place * 10, sum(sorted(v)[1:2]), min(v), max(v), known] for place, *v, known in rows]
    cut = grid(1000, 2000, tier_s=10, points=points)
    found, fine = fold(columns(made), cut), [row for row in made if row[4] > 0]
    if fine:
        assert np.nanmax(found.most) == found.summary.most == max(row[3] for row in fine)
        assert np.nanmin(found.least) == found.summary.least == min(row[2] for row in fine)
    known = (1 - found.gap) * np.minimum(cut.step_s, 2000 - cut.t0_s - np.arange(cut.count) * cut.step_s)
    assert known.sum() == pytest.approx(sum(row[4] for row in fine), abs=0.02 * cut.step_s * cut.count)
    assert ((found.gap == 1) | ~np.isnan(found.mean)).all()
    means = [row[1] for row in fine]
    if means:
        assert found.summary.p95 in means
        assert sum(mean <= found.summary.p95 for mean in means) >= 0.95 * len(means)


def test_of_a_step_that_is_not_over_only_what_has_passed_counts():
    found = fold(columns([[1000, 5, 5, 5, 10], [1010, 7, 7, 7, 4]]), grid(1000, 1014, tier_s=10, points=100))
    assert found.gap.tolist() == [0.0, 0.0]
    assert fold(columns([[1000, 5, 5, 5, 10]]), grid(1000, 1014, tier_s=10, points=100)).gap.tolist() == [0.0, 1.0]


def test_nothing_known_is_no_figure_and_not_zero():
    found = fold(columns([[1000, 0, 0, 0, 0]]), grid(1000, 1100, tier_s=10, points=100))
    assert np.isnan(found.mean).all()
    assert (found.summary.p95, found.summary.most, found.summary.mean, found.summary.most_at) == (None,) * 4
    assert found.summary.known_share == 0


def test_a_gap_is_one_span_as_long_as_its_reason_lasts():
    gaps = GapLog()
    for at in (0.0, 2.0, 4.0):
        gaps.note(at, at + 2, {"network": "interface gone", **({"cpu": "read error"} if at == 2.0 else {})})
    gaps.note(6.0, 8.0, {"network": "counter reset"})
    found = {(span.of, span.start_s, span.end_s, span.reason) for span in gaps.spans().values()}
    assert found == {
        ("network", 0.0, 6.0, "interface gone"),
        ("cpu", 2.0, 4.0, "read error"),
        ("network", 6.0, 8.0, "counter reset"),
    }
    gaps.saved(gaps.unsaved())
    assert gaps.unsaved() == {}
    gaps.note(8.0, 10.0, {"network": "counter reset"})
    assert [span.end_s for span in gaps.unsaved().values()] == [10.0]


def test_gaps_of_several_readings_at_once_are_told_once_and_cut_to_the_window():
    groups = ("cpu", "network", "memory", "disk_io", "psi")
    spans = [*(GapSpan(0, 9, "read error", of) for of in groups), GapSpan(20, 30, "x", None)]
    assert merge_spans(spans, 5, 15) == (GapSpan(5, 9, "read error", None),)
    assert EVERYTHING not in {span.of for span in spans}


def test_a_run_that_was_killed_is_not_known_from_the_slot_on_that_it_had_not_saved():
    runs, cut = [(100.0, 134.9), (150.0, 200.0)], grid(100, 200, tier_s=10, points=100)
    killed, clean = not_running(runs, cut), not_running(runs, cut, ended={100.0: 134.9})
    assert [(gap.start_s, gap.end_s) for gap in (*killed, *clean)] == [(130.0, 150.0), (134.9, 150.0)]


def test_a_gap_of_some_readings_is_not_told_of_the_others():
    spans = [GapSpan(0, 9, "read error", of) for of in ("memory", "load", "memory")]
    assert merge_spans(spans, 0, 15) == (GapSpan(0, 9, "read error", "load"), GapSpan(0, 9, "read error", "memory"))


def test_gaps_of_one_reason_that_touch_are_one():
    spans = [GapSpan(0, 4, "x"), GapSpan(4, 6, "x"), GapSpan(5, 7, "y"), GapSpan(5, 9, "x"), GapSpan(10, 12, "x")]
    assert merge_spans(spans, 0, 99) == (GapSpan(0, 9, "x"), GapSpan(5, 7, "y"), GapSpan(10, 12, "x"))
