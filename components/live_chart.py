"""The holder of a chart that the browser keeps drawing: `assets/system/charts.js` fills it from the live answers.

What a chart shows is written here, once, and travels on the holder. Legend, words and the table of numbers have ids of
their own and no children: React leaves their content alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal, TypeAlias

from dash import dcc, html
from dash.development.base_component import Component

from components.chart import CONFIG, SIDE_PX

Kind: TypeAlias = Literal["rate", "events", "percent", "bytes", "celsius", "watts", "plain"]


@dataclass(frozen=True, slots=True)
class LiveChart:
    """What a chart of the system page shows.

    Attributes:
        title: Names it, for screen readers.
        kind: What its values are; decides scale, unit and words.
        series: Name in the history, label and colour role of each line; a name that the machine lacks is left out.
        sub: The words beside the panel's title, before the unit.
        height_px: Height of the plot.
        family: Rates of one family share the unit of their axes: "network" or "disk".
        match: Lines for every series whose name begins so, such as "cpu_core_".
        word: What one of those is called: "core".
        numbered: Only those whose name ends there in a number.
        beside: Beginnings of the names of what stands in the legend beside those, and its kind: its newest value.
        color: One colour for all of those; None gives each its own.
        most: At most so many of those.
        whole: The axis always reaches to the whole: 100 %, or all memory.
        of: The series whose gaps are hatched; None is the last line's.
        slow: Its series have a slower clock than the live answers, which leave them to the history.
        named: The interface's name stands beside the title.
        absent: What is said when the machine has none of it.
        why: Why that is.
        elsewhere: Why it is on another host; None where nothing came of it from its Prometheus.
    """

    title: str
    kind: Kind
    series: tuple[tuple[str, str, str], ...] = ()
    sub: str = ""
    height_px: int = SIDE_PX
    family: str | None = None
    match: str | None = None
    word: str = ""
    numbered: bool = False
    beside: tuple[tuple[str, Kind], ...] = ()
    color: str | None = None
    most: int = 16
    whole: bool = False
    of: str | None = None
    slow: bool = False
    named: bool = False
    absent: str = ""
    why: str = ""
    elsewhere: str | None = None

    def spec(self) -> str:
        """For the browser, as JSON; what is unset is left out."""
        told = {
            "kind": self.kind,
            "series": self.series,
            "sub": self.sub,
            "height": self.height_px,
            "family": self.family,
            "match": self.match,
            "word": self.word,
            "numbered": self.numbered,
            "beside": self.beside,
            "color": self.color,
            "most": self.most,
            "whole": self.whole,
            "of": self.of,
            "slow": self.slow,
            "named": self.named,
            "absent": self.absent,
            "why": self.why,
            "elsewhere": self.elsewhere,
        }
        return json.dumps({name: value for name, value in told.items() if value or name == "series"})


def live_chart(chart_id: str, chart: LiveChart, *, below: Component | None = None) -> html.Figure:
    """An empty chart with its legend, its words and its numbers.

    Args:
        chart_id: Prefix of the ids: `-legend`, `-graph`, `-instead`, `-caption`, `-numbers`.
        chart: What it shows.
        below: What stands under the plot.
    """
    height = chart.height_px
    graph = dcc.Graph(
        id=f"{chart_id}-graph",
        # No figure until there is one: an empty chart would draw axes around nothing.
        figure={"data": [], "layout": {"height": height, "xaxis": {"visible": False}, "yaxis": {"visible": False}}},
        config=CONFIG,
        style={"height": f"{height}px"},
        className="oc-chart-graph",
    )
    numbers = html.Details(
        [
            html.Summary("Show the numbers"),
            html.Div(
                id=f"{chart_id}-numbers",
                className="oc-tablewrap",
                tabIndex=0,
                role="region",
                **{"aria-label": f"Table of {chart.title}, newest first"},
            ),
        ],
        className="oc-numbers",
    )
    parts: list[Component] = [
        html.Ul(id=f"{chart_id}-legend", className="oc-legend"),
        html.Div(id=f"{chart_id}-instead", hidden=True),
        graph,
        html.Figcaption(id=f"{chart_id}-caption", className="visually-hidden"),
    ]
    return html.Figure(
        [*parts, numbers, *([below] if below is not None else [])],
        className="oc-figure-chart",
        **{"data-chart": chart_id, "data-spec": chart.spec(), "data-live": ""},
    )
