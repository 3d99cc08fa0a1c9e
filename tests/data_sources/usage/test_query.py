from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.usage.query import RANGES, BadQueryError, parse, to_parameters
from data_sources.usage.types import DIMENSIONS, UsageQuery

values = st.lists(st.one_of(st.none(), st.text(min_size=1, max_size=20)), max_size=3, unique=True).map(tuple)
quarters = st.integers(1_600_000_000 // 900, 1_700_000_000 // 900).map(lambda n: datetime.fromtimestamp(n * 900, UTC))


def lists(pairs):
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


@given(
    st.sampled_from([name for name in RANGES if name != "custom"]),
    st.sampled_from(["UTC", "Asia/Kathmandu", "Europe/Berlin"]),
    st.fixed_dictionaries(dict.fromkeys(DIMENSIONS, values)),
)
def test_parameters_read_back_to_the_same_query(name, tz, filters):
    query = UsageQuery(range=name, tz=tz, **filters)
    assert parse(lists(to_parameters(query))) == query


@given(quarters, st.integers(1, 5000))
def test_a_custom_window_reads_back_to_the_same_instants(start, slots):
    end = datetime.fromtimestamp(start.timestamp() + slots * 900, UTC)
    query = UsageQuery(range="custom", start=start, end=end, tz="Europe/Berlin")
    assert parse(lists(to_parameters(query))) == query


def test_nothing_asked_is_thirty_days_in_the_default_zone():
    assert parse({}, default_tz="Asia/Tokyo") == UsageQuery(range="30d", tz="Asia/Tokyo")


@pytest.mark.parametrize(("alias", "name"), [("day", "today"), ("week", "7d")])
def test_aliases_of_ranges_are_understood(alias, name):
    assert parse({"range": [alias]}).range == name


def test_an_empty_value_asks_for_what_is_not_set():
    assert parse({"power_level": ["", "eco"]}).power_level == (None, "eco")


def test_a_time_without_an_offset_is_in_the_zone_asked():
    query = parse({"start": ["2026-07-01T00:00"], "end": ["2026-07-02T00:00"], "tz": ["Europe/Berlin"]})
    assert query.start == datetime(2026, 6, 30, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    "parameters",
    [
        {"range": ["fortnight"]},
        {"range": ["today", "7d"]},
        {"tz": ["Mars/Olympus"]},
        {"tz": ["../../etc/passwd"]},
        {"range": ["custom"]},
        {"start": ["2026-07-01T00:00"]},
        {"start": ["2026-07-01T00:00"], "end": ["2026-06-01T00:00"]},
        {"start": ["2026-07-01T00:07"], "end": ["2026-07-02T00:00"]},
        {"start": ["yesterday"], "end": ["2026-07-02T00:00"]},
        {"start": ["1950-01-01T00:00"], "end": ["2026-07-02T00:00"]},
        {"start": ["1990-01-01T00:00"], "end": ["2026-07-02T00:00"]},
        {"range": ["today"], "start": ["2026-07-01T00:00"], "end": ["2026-07-02T00:00"]},
        {"model": ["m" * 513]},
        {"model": [str(n) for n in range(101)]},
    ],
)
def test_a_question_that_makes_no_sense_is_refused_in_a_sentence(parameters):
    with pytest.raises(BadQueryError) as refused:
        parse(parameters)
    assert str(refused.value).endswith(".")
