"""The verdict of the live page's heap: it must be able to fail."""

import pytest

from bench.held import Reading, detached, held_bytes, slope, verdict

TICKS = range(300, 1501, 120)


def readings(data_mb: list[float], nodes: list[int] | None = None) -> list[Reading]:
    counted = nodes or [2835] * len(data_mb)
    return [
        Reading(at, int(mb * 1e6), 9_000_000, 160, count, 639)
        for at, mb, count in zip(TICKS, data_mb, counted, strict=False)
    ]


@pytest.mark.parametrize(
    ("data_mb", "nodes", "told"),
    [
        ([20.0, 20.2, 19.9, 20.1, 20.2, 19.9, 20.0, 20.1, 20.0, 20.1, 20.0], None, "flat"),
        ([20.0 + 0.05 * i for i in range(11)], None, "grows: data"),
        # let go all at once: the line falls, and yet it grew
        ([16.5, 17.2, 18.1, 18.6, 19.1, 19.6, 16.3, 16.9, 16.2, 16.7, 17.2], None, "grows: data"),
        ([20.0] * 11, [2835 + 8 * i for i in range(11)], "grows: nodes"),
        ([20.0] * 7, None, "too few ticks"),
        ([], None, "too few ticks"),
    ],
)
def test_verdict(data_mb: list[float], nodes: list[int] | None, told: str) -> None:
    assert verdict(readings(data_mb, nodes), 1200) == told


def test_slope() -> None:
    assert slope([(0, 1.0), (1000, 1.5), (2000, 2.0)]) == pytest.approx(0.0005)
    with pytest.raises(ValueError, match="two points"):
        slope([(5, 1.0), (5, 2.0)])


def test_a_snapshot_is_parted_by_what_each_thing_is() -> None:
    meta = {
        "node_fields": ["type", "id", "self_size", "detachedness"],
        "node_types": [["object", "code", "native"], "number", "number", "number"],
    }
    nodes = [0, 1, 100, 0, 1, 2, 40, 0, 2, 3, 5000, 1, 2, 3, 5000, 2, 0, 4, 11, 0]
    found = {"snapshot": {"meta": meta}, "nodes": nodes}
    assert held_bytes(found) == {"object": 111, "code": 40}
    assert detached(found) == 1
