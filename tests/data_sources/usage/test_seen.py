"""What the writer remembers of the store spares questions to it, and never changes a figure."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_sources.usage import seen as seen_module
from data_sources.usage.calls import JOIN_US
from data_sources.usage.seen import Seen
from tests.data_sources.usage.ingest_rows import NOON_US, attempts, differences, event, figures, writing

HOUR_US = 3_600_000_000
keys = st.tuples(st.sampled_from("ab"), st.integers(0, 200).map(str))


@settings(max_examples=50)
@given(st.lists(st.lists(keys, max_size=40), max_size=12), keys)
def test_what_was_added_is_never_denied(commits, other):
    fold, seen_module._FOLD = seen_module._FOLD, 8  # many runs
    try:
        seen = Seen(0)
        for commit in commits:
            seen.add(commit)
        stored = {key for commit in commits for key in commit}
        assert all(seen.may_hold([key], JOIN_US) for key in stored)
        assert seen.may_hold([other], JOIN_US) == (other in stored)
        assert all(len(longer) >= 2 * len(run) for longer, run in zip(seen._folded, seen._folded[1:], strict=False))
    finally:
        seen_module._FOLD = fold


def test_what_may_lie_before_it_began_is_asked_of_the_store():
    seen = Seen(NOON_US)
    assert seen.may_hold([("s", "new")], NOON_US + JOIN_US - 1)
    assert not seen.may_hold([("s", "new")], NOON_US + JOIN_US)


def tried(number, call, hours, status):
    started_us = NOON_US - int(hours * HOUR_US) + number
    return event(number, call_id=f"c{call}", status=status, duration_ms=100) | {"started_at_us": started_us}


tries = st.builds(
    tried,
    st.integers(1, 6),
    st.integers(1, 3),
    st.sampled_from([0, 0, 1, 20, 23.5, 24.5, 30, 47, 72]),
    st.sampled_from(["success", "failure"]),
)


@settings(max_examples=15)
@given(st.lists(st.lists(tries, min_size=1, max_size=4), min_size=1, max_size=4), st.booleans())
def test_figures_are_the_same_with_and_without_it(tmp_path_factory, requests, restart):
    found = []
    for clock_us in (NOON_US, NOON_US + 30 * 24 * HOUR_US):  # a month later, all of it is asked of the store
        folder = tmp_path_factory.mktemp("seen")
        receipts = []
        for part in (requests[:1], requests[1:]) if restart else (requests,):
            with writing(folder, clock_us=lambda now=clock_us: now) as (store, writer):
                for number, request in enumerate(part):
                    told = writer.submit(attempts(*request), batch_id=f"{len(part)}-{number}")
                    receipts.append((told.accepted, told.duplicates))
                assert differences(store) == []
                made = figures(store)
        found.append((receipts, made))
    assert found[0] == found[1]


@pytest.mark.parametrize("most", [3, 8])
def test_one_that_grew_too_large_is_read_anew_and_nothing_counts_twice(tmp_path, monkeypatch, most):
    monkeypatch.setattr(seen_module, "_MOST", most)
    with writing(tmp_path, clock_us=lambda: NOON_US) as (store, writer):
        for _ in range(2):
            for number in range(6):
                writer.submit(attempts(event(number), event(number + 1)), batch_id="b", named=True)
        assert len(figures(store)[0]) == 7
        assert differences(store) == []
