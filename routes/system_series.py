"""The newest points of the series that a viewer names: under the names of the history, and nothing else."""

from __future__ import annotations

import math
from typing import Any

from data_sources.system.series import UNKNOWN, Figures, figures, group, network_group, stored_name
from data_sources.system.types import Gap, Levels, Live

_NO_LEVELS = Levels()


def encode_series(live: Live, names: tuple[str, ...]) -> dict[str, Any]:
    """The answer of `/api/v1/system/live?series=`, without what rarely changes and without its age.

    Args:
        live: The points after a cursor.
        names: The series; one that this machine does not have is absent from the answer.

    Returns:
        Columns by series, as long as `t`. `gaps` holds, by reading and index of the point, why there is no figure.
    """
    newest = len(live.points) - 1
    # The newest answers of file systems and sensors say nothing of the points before.
    found = [_of(live, index, live.levels if index == newest else _NO_LEVELS) for index in range(newest + 1)]
    columns = {}
    for name in names:
        place = stored_name(name, live.interface)
        column = [each.values.get(place, UNKNOWN) for each in found]
        if any(place in each.values for each in found) or (live.interface is not None and name.startswith("net_")):
            columns[name] = [None if math.isnan(value) else round(value, 2) for value in column]
    return {
        "seq": live.seq,
        "reset": live.reset,
        "period_s": live.period_s,
        "t": [int(point.at.timestamp() * 1000) for point in live.points],
        "series": columns,
        "gaps": _gaps(found, {*names, *map(group, names)}, network_group(live.interface)),
    }


def _of(live: Live, index: int, levels: Levels) -> Figures:
    point = live.points[index]
    found = figures(point, levels, first=() if live.interface is None else (live.interface,))
    if live.interface is not None and live.interface not in point.rates:
        found.reasons[network_group(live.interface)] = Gap.GONE
    return found


def _gaps(found: list[Figures], wanted: set[str], own: str) -> dict[str, dict[str, str]]:
    """Reasons by reading and index; of the network only those of the interface that is shown."""
    gaps: dict[str, dict[str, str]] = {}
    for index, each in enumerate(found):
        for reading, reason in each.reasons.items():
            shown = "network" if reading == own else reading
            if shown in wanted and (reading == own or not reading.startswith("network")):
                gaps.setdefault(shown, {})[str(index)] = reason
    return gaps
