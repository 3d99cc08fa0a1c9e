"""The holder of a chart that the browser keeps drawing: `assets/system/` fills it from the live answers.

Legend, gaps in words and the table of numbers have ids of their own and no children: React leaves their content alone.
"""

from __future__ import annotations

from dash import dcc, html
from dash.development.base_component import Component

from components.chart import CONFIG, MAIN_PX


def live_chart(chart_id: str, title: str, *, height_px: int = MAIN_PX, below: Component | None = None) -> html.Figure:
    """An empty chart with its legend, its words and its numbers.

    Args:
        chart_id: Prefix of the ids: `-legend`, `-graph`, `-caption`, `-numbers`.
        title: What it shows, for screen readers.
        height_px: Height of the plot.
        below: What stands under the plot.
    """
    graph = dcc.Graph(
        id=f"{chart_id}-graph",
        # No figure until there is one: an empty chart would draw axes around nothing.
        figure={"data": [], "layout": {"height": height_px, "xaxis": {"visible": False}, "yaxis": {"visible": False}}},
        config=CONFIG,
        style={"height": f"{height_px}px"},
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
                **{"aria-label": f"Table of {title}, newest first"},
            ),
        ],
        className="oc-numbers",
    )
    parts: list[Component] = [
        html.Ul(id=f"{chart_id}-legend", className="oc-legend"),
        graph,
        html.Figcaption(id=f"{chart_id}-caption", className="visually-hidden"),
    ]
    return html.Figure([*parts, numbers, *([below] if below is not None else [])], className="oc-figure-chart")
