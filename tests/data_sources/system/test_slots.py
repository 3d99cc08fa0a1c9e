"""Slots never lose a spike, never weigh a second twice, and say how much of them is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from data_sources.system.slots import SlotBuilder, merge_planes, planes

NAMES = ("a", "b")


def steps(values, lengths, start=1000.0):
    at = start
    for value, length in zip(values, lengths, strict=True):
        yield at, at + length, value
        at += length


def build(ticks, tier_s=10):
    builder, slots = SlotBuilder(tier_s), []
    for start, end, value in ticks:
        slots += builder.add(start, end, ("a",), np.array([math.nan if value is None else value]))
    return [*slots, *builder.close()]


VALUES = st.one_of(st.none(), st.floats(0, 1e12))


@given(st.lists(st.tuples(VALUES, st.floats(0.5, 3)), min_size=1, max_size=40), st.sampled_from([10, 60]))
@examples(max_examples=50)
def test_slots_hold_what_the_ticks_held(ticks, tier_s):
    values, lengths = [value for value, _ in ticks], [length for _, length in ticks]
    slots = build(steps(values, lengths), tier_s)
    known = [(value, length) for value, length in ticks if value is not None]
    total = sum(float(slot.known_s[0]) for slot in slots)
    assert total == pytest.approx(sum(length for _, length in known))
    held = sum(float(slot.mean[0] * slot.known_s[0]) for slot in slots if slot.known_s[0])
    assert held == pytest.approx(sum(value * length for value, length in known))
    if known:
        assert np.nanmax([slot.most[0] for slot in slots]) == max(value for value, _ in known)
        assert np.nanmin([slot.least[0] for slot in slots]) == min(value for value, _ in known)
    assert all(np.isnan(slot.mean[0]) == (slot.known_s[0] == 0) for slot in slots)
    assert len({slot.number for slot in slots}) == len(slots)


def test_a_tick_over_a_border_gives_each_slot_its_seconds():
    first, second = build([(1009.0, 1011.0, 8.0)])
    assert (first.number, first.mean[0], first.known_s[0], first.most[0]) == (100, 8.0, 1.0, 8.0)
    assert (second.number, second.mean[0], second.known_s[0], second.most[0]) == (101, 8.0, 1.0, 8.0)


def test_a_clock_that_is_set_back_begins_the_earlier_slot_anew():
    slots = build([(1000.0, 1002.0, 1.0), (988.0, 990.0, 5.0), (990.0, 992.0, 7.0)])
    assert [(slot.number, float(slot.mean[0])) for slot in slots] == [(100, 1.0), (98, 5.0), (99, 7.0)]


def test_a_series_that_appears_within_a_slot_is_known_from_then_on():
    builder = SlotBuilder(10)
    assert list(builder.add(1000.0, 1002.0, ("a",), np.array([1.0]))) == []
    assert list(builder.add(1002.0, 1004.0, NAMES, np.array([3.0, 9.0]))) == []
    (slot,) = builder.close()
    assert (slot.names, slot.mean.tolist(), slot.known_s.tolist()) == (NAMES, [2.0, 9.0], [4.0, 2.0])


def test_two_pieces_of_one_slot_keep_both_and_the_spike():
    (first,), (second,) = build([(1000.0, 1004.0, 2.0)]), build([(1006.0, 1008.0, 50.0)])
    mean, least, most, known_s = merge_planes(planes(first, ("a",)), planes(second, ("a",)), 10)[:, 0]
    assert (mean, least, most, known_s) == (pytest.approx(18.0), 2.0, 50.0, 6.0)
