"""Buckets of time as stacked bars: gaps are hatched, the bucket that is still filling is pale, zero is zero.

Every bucket is one place on a category axis and has a label of its own, so the two hours named two of an autumn night
stand side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from html import escape
from typing import Any, NamedTuple, TypeAlias

from dash import html

from components.chart import MAIN_PX, PALE, SURFACE, bar_marker, chart, legend, swatch
from components.time_axis import axis, labels
from data_sources.usage.types import Bucket, Group, Timeseries, Totals

Measure: TypeAlias = Callable[[Totals], Decimal | int | None]
_TABLE_ROWS = 400
_RESOLUTION_S = 60  # the log of collection is good to a minute


@dataclass(frozen=True, slots=True)
class Style:
    """How a measure is drawn.

    Attributes:
        measure: Takes the figure out of a bucket's sums; None where it is not known.
        words: Writes a figure.
        title: What is drawn, for the table and the caption: "Calls".
        tick: Axis ticks: a d3 format and a prefix.
        unknown: What a hatched bucket that has calls is called: "cost not known".
    """

    measure: Measure
    words: Callable[[Any], str]
    title: str
    tick: Callable[[float], tuple[str, str]]
    unknown: str


def timeline(series: Timeseries, style: Style, *, name_of: Callable[[Group], str], caption: str) -> html.Figure:
    """The chart of a series.

    Args:
        series: Buckets, and groups to stack in them.
        style: The measure.
        name_of: A group's name as it is shown.
        caption: The finding in words.
    """
    starts = [bucket.start for bucket in series.buckets]
    names = labels(starts, series.granularity, series.window.tz)
    pale = [PALE if bucket.state == "forming" else 1.0 for bucket in series.buckets]
    stacks = _stacks(series, style, name_of)
    traces = [_hatch(series, style, names), *_backing(series, style, names)]
    for name, (hue, ink), values, _ in stacks:
        traces.append(
            {
                "type": "bar",
                "name": escape(name),
                "x": names,
                "yaxis": "y2",
                "y": [None if value is None else float(value) for value in values],
                "customdata": [style.words(value) for value in values],
                "hovertemplate": "<b>%{customdata}</b>  %{fullData.name}<extra></extra>",
                "marker": bar_marker(hue, ink=ink, opacity=pale),
            }
        )
    top = max((float(value) for bucket in series.buckets if (value := _of(bucket, style)) is not None), default=0.0)
    tick_format, prefix = style.tick(top)
    layout = {
        "barmode": "stack",
        "xaxis": axis(starts, names, series.granularity, series.window.tz),
        # what is not known lies behind what is: plotly draws an overlaying axis on top
        "yaxis": {"range": [0, 1], "visible": False, "fixedrange": True},
        "yaxis2": {
            "overlaying": "y",
            "side": "left",
            "tickmode": "auto",
            "tickformat": tick_format,
            "tickprefix": prefix,
            **({"range": [0, 1]} if top == 0 else {}),
        },
        "uirevision": "usage",
    }
    return chart(
        {"data": traces, "layout": layout},
        caption=caption,
        height_px=MAIN_PX,
        legend=_legend(series, style, stacks),
        numbers=_numbers(series, style, names, stacks),
    )


_Figure: TypeAlias = Decimal | int | None


class _Stack(NamedTuple):
    """One series of a chart: its name, (colour slot, whether it is in ink), a figure a bucket, that of the window.

    The window's is its own: added up over buckets, those of which nothing is known would count as nothing.
    """

    name: str
    look: tuple[int | None, bool]
    values: list[_Figure]
    total: _Figure


def _of(bucket: Bucket, style: Style) -> Decimal | int | None:
    return None if bucket.sums is None else style.measure(bucket.sums)


def _stacks(series: Timeseries, style: Style, name_of: Callable[[Group], str]) -> list[_Stack]:
    """The series to stack."""
    stacks: list[_Stack] = []
    for place, group in enumerate(series.series):
        cells = [bucket.groups[place] if bucket.groups else None for bucket in series.buckets]
        values = [None if cell is None else style.measure(cell) for cell in cells]
        if any(value is not None and value != 0 for value in values):
            look = (group.hue, group.name is None)
            stacks.append(_Stack(name_of(group), look, values, style.measure(group.sums)))
    if series.other is not None:
        rest = [None if bucket.other is None else style.measure(bucket.other) for bucket in series.buckets]
        count = "" if series.other_groups is None else f" ({series.other_groups})"
        stacks.append(_Stack(f"Other{count}", (None, False), rest, style.measure(series.other.sums)))
    if len(stacks) < 2 and all(group.name is None for group in series.series) and series.other is None:
        # nothing to tell apart: one series without identity
        values = [_of(bucket, style) for bucket in series.buckets]
        return [_Stack(style.title, (None, True), values, style.measure(series.total))]
    return stacks


def _span(seconds: float) -> str:
    """A length of time in the unit that suits it: "90 min", "17.5 h", "6.7 d"."""
    if seconds < 7200:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:,.1f} h" if seconds < 172_800 else f"{seconds / 86_400:,.1f} d"


def _gap(bucket: Bucket, series: Timeseries) -> tuple[str, bool]:
    """What of a bucket was not collected, in words, and whether that is most of it (so far, where it still fills)."""
    if bucket.state == "not_collected":
        return "not collected", True
    end = bucket.end
    if bucket.state == "forming" and series.coverage is not None:
        end = min(end, series.window.start + timedelta(seconds=series.coverage.window_s))
    length_s, collected_s = (end - bucket.start).total_seconds(), bucket.collected_s
    if collected_s is None:
        partial = bucket.state == "partial"
        return "partly not collected" if partial else "", partial
    if bucket.state == "complete" or length_s - collected_s < _RESOLUTION_S:
        return "", False
    return f"{_span(length_s - collected_s)} not collected", collected_s < length_s / 2


def _unknown(bucket: Bucket, style: Style) -> bool:
    return bucket.sums is not None and style.measure(bucket.sums) is None


def _hatch(series: Timeseries, style: Style, names: Sequence[str]) -> dict[str, Any]:
    """The band where nothing is known: not collected, for the most part not collected, or the figure is missing."""
    heights: list[int | None] = []
    words: list[str] = []
    for bucket in series.buckets:
        unknown, (missing, mostly) = _unknown(bucket, style), _gap(bucket, series)
        heights.append(1 if mostly or unknown else None)
        words.append(style.unknown if unknown else missing)
    return {
        "type": "bar",
        "name": "not known",
        "x": list(names),
        "y": heights,
        "width": 1,
        "customdata": words,
        "hovertemplate": "%{customdata}<extra></extra>",
        "marker": bar_marker(None, hatched=True) | {"line": {"width": 0}, "cornerradius": 0},
    }


def _backing(series: Timeseries, style: Style, names: Sequence[str]) -> list[dict[str, Any]]:
    """The surface behind a pale bar that stands on the band, so that no hatch shows through what was measured."""
    values = [
        _of(bucket, style) if bucket.state == "forming" and _gap(bucket, series)[1] else None
        for bucket in series.buckets
    ]
    if not any(values):
        return []
    return [
        {
            "type": "bar",
            "name": "",
            "x": list(names),
            "yaxis": "y2",
            "y": [float(value) if value else None for value in values],
            "base": 0,  # with a base it is no part of the stack
            "hoverinfo": "skip",
            "hovertemplate": "",  # in place of the house template's
            "marker": {"color": SURFACE},
        }
    ]


def _legend(series: Timeseries, style: Style, stacks: Sequence[_Stack]) -> html.Ul:
    entries = [(swatch(one.look[0], ink=one.look[1]), one.name, style.words(one.total)) for one in stacks]
    if any(bucket.state == "forming" for bucket in series.buckets):
        pale = html.Span(className="oc-sw pale oc-sw-0", **{"aria-hidden": "true"})
        entries.append((pale, "still filling", ""))
    whys = {"not collected": any(_gap(bucket, series)[1] for bucket in series.buckets)}
    whys[style.unknown] = any(_unknown(bucket, style) for bucket in series.buckets)
    hatched = [why for why, seen in whys.items() if seen]
    if hatched:
        entries.append((swatch(None, hatched=True), " or ".join(hatched), ""))
    return legend(entries)


def _numbers(
    series: Timeseries, style: Style, names: Sequence[str], stacks: Sequence[_Stack]
) -> tuple[list[str], list[list[str]]]:
    state = {
        "complete": "",
        "forming": "still filling",
        "partial": "partly collected",
        "not_collected": "not collected",
    }
    head = [f"Time, {series.window.tz}", style.title, *(one.name for one in stacks), "State"]
    rows = []
    for place in range(max(0, len(names) - _TABLE_ROWS), len(names)):
        bucket = series.buckets[place]
        cells = [style.words(one.values[place]) for one in stacks]
        missing, _ = _gap(bucket, series)
        told = [state[bucket.state], *([missing] if missing and bucket.state == "forming" else [])]
        rows.append([names[place], style.words(_of(bucket, style)), *cells, ", ".join(told)])
    return head, rows
