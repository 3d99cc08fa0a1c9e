"""What became of what was received, over time: stacked bars whose whole is everything that came.

Solid is measured, pale is still filling, hatched is a time in which nobody listened or nothing was counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dash import html

from components import formats
from components.chart import MAIN_PX, OTHER, PALE, bar_marker, chart, legend, swatch
from components.time_axis import axis, labels
from data_sources.usage.types import IntakeSeries, IntakeStep, Taken

_HUE, _LATE_HUE = 0, 8  # late is a kind of accepted: the same colour, drawn hollow
_TABLE_ROWS = 400
_STATES = {
    "complete": "",
    "forming": "still filling",
    "partial": "partly not listening",
    "not_collected": "nobody listened",
}


@dataclass(frozen=True, slots=True)
class _Part:
    """A share of what was received: its name, mark and bar, and one figure a step."""

    name: str
    mark: html.Span
    bar: dict[str, Any]
    values: list[int | None]


def intake_chart(series: IntakeSeries, tz: str) -> html.Figure:
    """The chart.

    Args:
        series: What came in each hour or day.
        tz: IANA zone of its labels.
    """
    starts = [step.start for step in series.steps]
    names = labels(starts, series.granularity, tz)
    parts = _parts(series.steps)
    pale = [PALE if step.state == "forming" else 1.0 for step in series.steps]
    traces = [_hatch(series.steps, names)]
    traces += [
        {
            "type": "bar",
            "name": part.name,
            "x": names,
            "yaxis": "y2",
            "y": part.values,
            "customdata": [formats.number(value) for value in part.values],
            "hovertemplate": "<b>%{customdata}</b>  %{fullData.name}<extra></extra>",
            "marker": part.bar | {"opacity": pale},
        }
        for part in parts
    ]
    most = max((step.taken.received for step in series.steps if step.taken is not None), default=0)
    layout = {
        "barmode": "stack",
        "xaxis": axis(starts, names, series.granularity, tz),
        "yaxis": {"range": [0, 1], "visible": False, "fixedrange": True},
        "yaxis2": {
            "overlaying": "y",
            "side": "left",
            **({"tickmode": "linear", "dtick": 1} if most < 4 else {"tickmode": "auto"}),  # there are no half events
            "tickformat": "~s" if most >= 10_000 else ",.0f",
            **({"range": [0, 1]} if most == 0 else {}),
        },
        "uirevision": "coverage",
    }
    whole = sum(step.taken.received for step in series.steps if step.taken is not None)
    return chart(
        {"data": traces, "layout": layout},
        caption=f"Events received per {series.granularity}: {formats.number(whole)} in all.",
        height_px=MAIN_PX,
        legend=_legend(series.steps, parts),
        numbers=_numbers(series.steps, names, parts, tz),
    )


def _parts(steps: Sequence[IntakeStep]) -> list[_Part]:
    """What was received, in parts that add up to it."""
    danger = html.Span(className="oc-sw", style={"--c": "var(--oc-danger)"}, **{"aria-hidden": "true"})
    takens = [step.taken for step in steps]
    ends = [
        _Part("duplicate", swatch(None), {"color": OTHER}, [None if t is None else t.duplicates for t in takens]),
        _Part("rejected", danger, {"color": "oc:danger"}, [None if t is None else t.rejected for t in takens]),
    ]
    if any(t is not None and t.late is None for t in takens):  # the source does not tell late ones apart
        accepted = [None if t is None else t.accepted for t in takens]
        return [_Part("accepted", swatch(_HUE), bar_marker(_HUE), accepted), *ends]
    late = [None if t is None else t.late for t in takens]
    return [
        _Part("accepted in time", swatch(_HUE), bar_marker(_HUE), [_in_time(t) for t in takens]),
        _Part("accepted late", swatch(_LATE_HUE), bar_marker(_LATE_HUE), late),
        *ends,
    ]


def _in_time(taken: Taken | None) -> int | None:
    return None if taken is None or taken.late is None else taken.accepted - taken.late


def _why(step: IntakeStep) -> str | None:
    """Why nothing is known of a step."""
    if step.taken is not None:
        return None
    return "nobody listened" if step.state == "not_collected" else "not counted yet"


def _hatch(steps: Sequence[IntakeStep], names: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "bar",
        "name": "not known",
        "x": list(names),
        "y": [None if _why(step) is None else 1 for step in steps],
        "width": 1,
        "customdata": [_why(step) or "" for step in steps],
        "hovertemplate": "%{customdata}<extra></extra>",
        "marker": bar_marker(None, hatched=True) | {"line": {"width": 0}, "cornerradius": 0},
    }


def _legend(steps: Sequence[IntakeStep], parts: Sequence[_Part]) -> html.Div:
    sums = [sum(value for value in part.values if value is not None) for part in parts]
    entries = [(part.mark, part.name, formats.number(total)) for part, total in zip(parts, sums, strict=True)]
    if any(step.state == "forming" for step in steps):
        pale = html.Span(className="oc-sw pale oc-sw-0", **{"aria-hidden": "true"})
        entries.append((pale, "still filling", ""))
    unknown = {why for why in map(_why, steps) if why is not None}
    entries += [(swatch(None, hatched=True), why, "") for why in sorted(unknown)]
    return legend(entries)


def _numbers(
    steps: Sequence[IntakeStep], names: Sequence[str], parts: Sequence[_Part], tz: str
) -> tuple[list[str], list[list[str]]]:
    head = [f"Time, {tz}", "Received", *(part.name.capitalize() for part in parts), "State"]
    rows = []
    for place in range(max(0, len(steps) - _TABLE_ROWS), len(steps)):
        step = steps[place]
        received = None if step.taken is None else step.taken.received
        cells = [formats.number(part.values[place]) for part in parts]
        state = _why(step) or _STATES[step.state]
        rows.append([names[place], formats.number(received), *cells, state])
    return head, rows
