from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_sources.usage.attempt import BadEventError, us_of
from data_sources.usage.mapping import NeedsOptionError, TimeRule, plan
from data_sources.usage.tables import RowIds
from tests.data_sources.usage.importing.steps import ORIGIN


@given(st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1)), st.sampled_from(["Europe/Berlin", "Asia/Kathmandu"]))
def test_a_local_time_is_read_in_its_zone_or_refused(moment, zone):
    rule = TimeRule(zone)
    local = moment.replace(tzinfo=ZoneInfo(zone))
    exists = local.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) == moment
    if not exists:
        with pytest.raises(BadEventError):
            rule.read_us(moment)
        return
    assert rule.read_us(moment) == us_of(local)
    assert rule.read_us(moment.isoformat(" ")) == us_of(local)


def test_an_hour_that_clocks_skip_is_refused_and_one_that_comes_twice_is_told():
    rule = TimeRule("Europe/Berlin")
    with pytest.raises(BadEventError):
        rule.read_us("2026-03-29 02:30:00")
    assert not rule.is_twice("2026-03-29 02:30:00")
    assert rule.is_twice("2026-10-25 02:30:00")
    assert not rule.is_twice("2026-10-25 03:30:00")
    assert not rule.is_twice("2026-10-25T02:30:00Z")
    assert rule.read_us("2026-10-25 02:30:00") == us_of(datetime(2026, 10, 25, 0, 30, tzinfo=UTC))


@given(st.integers(0, 4 * 10**9), st.sampled_from(["s", "ms", "us", "ns"]))
def test_a_number_is_read_in_its_unit_from_its_origin(number, unit):
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    assert TimeRule(unit=unit).read_us(number) == number * 10**6 // per_second
    assert TimeRule(unit=unit, origin=ORIGIN).read_us(str(number)) == us_of(ORIGIN) + number * 10**6 // per_second


@pytest.mark.parametrize("digits", ["1e999999999", "-1e999999999", "9e30", "NaN"])
def test_a_number_that_nothing_can_have_is_refused_with_its_row_alone(digits):
    with pytest.raises(BadEventError):
        TimeRule(unit="s").read_us(digits)
    mapper = plan(["started_at", "input_tokens"], {}, {}, TimeRule())
    with pytest.raises(BadEventError):
        mapper.event({"started_at": "2026-01-01T00:00:00Z", "input_tokens": digits})


@pytest.mark.parametrize(
    ("moment", "zone"), [("0001-01-01T00:00:00", "Asia/Tokyo"), ("9999-12-31T23:59:59", "America/New_York")]
)
def test_a_time_at_the_end_of_the_calendar_is_refused_with_its_row_alone(moment, zone):
    with pytest.raises(BadEventError, match="no time that a call can have"):
        TimeRule(zone).read_us(moment)


def test_numbers_without_a_unit_are_no_times():
    with pytest.raises(NeedsOptionError):
        TimeRule().read_us(1700000000)
    with pytest.raises(NeedsOptionError):
        TimeRule("UTC").read_us("1700000000.5")


def test_the_id_of_a_row_is_its_content_and_its_number_among_equals():
    first, second = RowIds(), RowIds()
    rows = [{"a": 1, "b": "x"}, {"b": "x", "a": 1}, {"a": 2, "b": "x"}]
    made = [first.of(row) for row in rows]
    assert len(set(made)) == 3
    assert made[0][:-1] == made[1][:-1]
    assert [second.of(row) for row in rows] == made


def test_the_id_of_a_row_does_not_depend_on_the_mapping():
    row = {"when": "2026-01-01T00:00:00Z", "n": "5"}
    plain = plan(list(row), {"started_at": "when"}, {}, TimeRule())
    mapped = plan(list(row), {"started_at": "when", "input_tokens": "n"}, {"model": "m"}, TimeRule())
    assert plain.event(row)["event_id"] == mapped.event(row)["event_id"]
