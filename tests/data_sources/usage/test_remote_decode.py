from __future__ import annotations

import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from data_sources.usage import remote_decode
from data_sources.usage.remote_read import Node
from data_sources.usage.types import DIMENSIONS, Breakdown, Coverage, Group, Sums, Tokens, Totals, Window
from routes import usage_json
from tests.fakes.usage_rows import at

WINDOW = Window(at("2026-11-01T00:00:00"), at("2026-11-22T14:02:10"), "Asia/Kathmandu", "30d")
COUNTS = st.integers(0, 2**62)
COSTS = st.decimals(0, 10**12, places=12).map(abs)
SHARES = st.floats(0, 100)
TIMES = st.datetimes(at("2026-01-01T00:00:00").replace(tzinfo=None)).map(lambda naive: at(naive.isoformat()))


def maybe(values):
    return st.none() | values


TOKENS = st.builds(Tokens, *[maybe(COUNTS)] * 5)
TOTALS = st.builds(Totals, *[maybe(COUNTS.filter(bool))] * 9, maybe(COSTS), TOKENS, TOKENS)
SUMS = st.builds(Sums, *[COUNTS.filter(bool)] * 9, maybe(COSTS), TOKENS, TOKENS)
SOME = (TOTALS | SUMS).map(
    lambda found: found if isinstance(found, Sums) or None in parts(found)[:9] else Sums(*parts(found))
)
GAPS = st.lists(st.tuples(TIMES, TIMES), max_size=3).map(tuple)
COVERAGES = st.builds(
    lambda window_s, share, gaps, since: Coverage(window_s, window_s * share, gaps, since),
    st.floats(0, 1e9),
    st.floats(0, 1),
    GAPS,
    maybe(TIMES),
)


def parts(found):
    return [getattr(found, name) for name in Totals.__dataclass_fields__]


def groups(dimension):
    hue = maybe(st.integers(0, 15))
    group = st.builds(Group, maybe(st.text()), hue, SOME, maybe(SHARES), maybe(SHARES))
    other = st.builds(Group, st.none(), st.none(), SOME, maybe(SHARES), maybe(SHARES))
    return st.builds(
        Breakdown,
        st.just(dimension),
        st.just(WINDOW),
        st.lists(group, max_size=4, unique_by=lambda one: one.name).map(tuple),
        maybe(other),
        maybe(COUNTS),
        maybe(COUNTS),
        SOME,
        maybe(COVERAGES),
        maybe(TIMES),
    )


@given(st.sampled_from(DIMENSIONS).flatmap(groups))
def test_what_the_api_writes_is_read_back_to_the_last_digit_with_every_unknown(value):
    text = json.dumps(usage_json.breakdown(value))
    root = Node.root(json.loads(text, parse_float=Decimal))
    assert remote_decode.window_of(root, WINDOW) == WINDOW
    assert remote_decode.breakdown(root, value.dimension, WINDOW, lambda *_: None) == value


def outcome(read):
    """Whether a field was read, is unknown, or was refused by its name."""
    try:
        found = read("field")
    except remote_decode.WrongFieldError as error:
        return "named" if "rows[3].field" in str(error) else str(error)
    return "unknown" if found is None else "read"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner)))
def test_a_field_of_any_type_is_read_or_named_and_nothing_else(value):
    node = Node({"field": value}, "rows[3]")
    for read in (
        node.whole,
        node.number,
        node.money,
        node.text,
        node.flag,
        node.time,
        node.node,
        node.nodes,
        node.plain,
    ):
        assert outcome(read) in ("unknown" if value is None else "read", "named"), read
