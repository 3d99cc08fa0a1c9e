"""Charts: plain dicts with role names for colours ("oc:s3"); the browser resolves them in the reader's theme.

Figures carry no template and no hex: `assets/js/charts.js` adds both, so that one answer serves light and dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import dcc, html

from components.static import static, tags

# The house's configuration of every graph: no mode bar, no logo, nothing that sends a chart away.
CONFIG: dict[str, Any] = {
    "displayModeBar": False,
    "displaylogo": False,
    "showSendToCloud": False,
    "responsive": True,
    "scrollZoom": False,
    "doubleClick": False,
}
MAIN_PX, SIDE_PX = 224, 176
PALE = 0.42  # a bucket that is still filling
OTHER, PREVIOUS, INK, SURFACE = "oc:other", "oc:previous", "oc:text2", "oc:surface"


def color(hue: int) -> str:
    """The colour role of a slot; slots 8 to 15 are those of 0 to 7, drawn hollow."""
    return f"oc:s{hue % 8}"


def hollow(hue: int) -> bool:
    """Whether the slot is drawn hollow."""
    return hue % 16 >= 8


def bar_marker(
    hue: int | None, *, ink: bool = False, hatched: bool = False, opacity: Sequence[float] | None = None
) -> dict[str, Any]:
    """The marker of a bar trace: solid, hollow, ink for what has no name, hatched for a gap, or grey for Other.

    Args:
        hue: Colour slot, None for Other.
        ink: Measured, but of no named value ("not attributed", "not set"): never a hatch, which is a gap.
        hatched: Not known.
        opacity: One a bar.
    """
    marker: dict[str, Any] = {"color": INK if ink else OTHER if hue is None else color(hue)}
    if hatched:
        marker = {
            "color": "oc:hatch_bg",
            "pattern": {"shape": "/", "fgcolor": "oc:hatch_ink", "bgcolor": "oc:hatch_bg", "size": 5, "solidity": 0.16},
            "line": {"width": 1, "color": "oc:line2"},
        }
    elif hue is not None and not ink and hollow(hue):
        marker = {"color": SURFACE, "line": {"width": 1.5, "color": color(hue)}}
    if opacity is not None:
        marker["opacity"] = list(opacity)
    return marker


def line_style(hue: int) -> dict[str, Any]:
    """The line of a scatter trace; hollow slots are dashed."""
    return {"color": color(hue), "width": 1.75, **({"dash": "4px,3px"} if hollow(hue) else {})}


def swatch(hue: int | None, *, ink: bool = False, hatched: bool = False, line: bool = False) -> html.Span:
    """The mark of a series in a legend or a row; as `bar_marker`."""
    if hatched or ink:
        return html.Span(className=f"oc-sw {'hatch' if hatched else 'oc-sw-ink'}", **{"aria-hidden": "true"})
    kinds = ["oc-sw"]
    if hue is not None:
        kinds.append(f"oc-sw-{hue % 8}")
        if hollow(hue):
            kinds.append("hollow")
    if line:
        kinds.append("line")
    return html.Span(className=" ".join(kinds), **{"aria-hidden": "true"})


def chart(
    figure: dict[str, Any],
    *,
    caption: str,
    graph_id: Any = None,
    height_px: int = MAIN_PX,
    legend: Any = None,
    numbers: tuple[Sequence[str], Sequence[Sequence[str]]] | None = None,
    config: dict[str, Any] | None = None,
) -> html.Figure:
    """A chart that also works without seeing it.

    Args:
        figure: `{"data": [...], "layout": {...}}`, colours as roles.
        caption: The finding in words, for screen readers.
        graph_id: Id of the graph where a callback needs it.
        height_px: Height of the plot.
        legend: HTML legend above the plot; plotly's own is off.
        numbers: Head and rows of the table under "Show the numbers".
        config: Additions to the house's configuration.
    """
    layout = {"height": height_px, "showlegend": False, **figure.get("layout", {})}
    graph = dcc.Graph(
        figure={"data": figure.get("data", []), "layout": layout},
        config={**CONFIG, **(config or {})},
        style={"height": f"{height_px}px"},
        className="oc-chart-graph",
        **({"id": graph_id} if graph_id is not None else {}),
    )
    parts: list[Any] = [legend, graph, html.Figcaption(caption, className="visually-hidden")]
    if numbers is not None:
        parts.append(_numbers(*numbers, caption=caption))
    return html.Figure([part for part in parts if part is not None], className="oc-figure-chart")


def _numbers(head: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str) -> html.Div:
    body = [
        tags.Tr([tags.Td(cell, className="oc-num" if column else None) for column, cell in enumerate(row)])
        for row in rows
    ]
    table = tags.Table(
        [
            tags.Thead(
                tags.Tr(
                    [
                        tags.Th(cell, scope="col", className="oc-num" if column else None)
                        for column, cell in enumerate(head)
                    ]
                )
            ),
            tags.Tbody(body),
        ],
        className="oc-table",
    )
    details = tags.Details(
        [
            tags.Summary("Show the numbers"),
            tags.Div(
                table, className="oc-tablewrap", tabIndex=0, role="region", **{"aria-label": f"Table of {caption}"}
            ),
        ],
        className="oc-numbers",
    )
    return static(details)


def legend(entries: Sequence[tuple[Any, str, str]]) -> html.Div:
    """An HTML legend: swatch, name, total."""
    items = [tags.Li([mark, tags.Span(name), *([tags.B(total)] if total else [])]) for mark, name, total in entries]
    return static(tags.Ul(items, className="oc-legend"))


def unknown_plot(title: str, detail: Any) -> html.Div:
    """Rows exist but lack the field: the plot area hatched wide, and what would fill it."""
    return html.Div(html.Div([html.B(title), detail]), className="oc-unknown-plot")


__all__ = [
    "CONFIG",
    "INK",
    "MAIN_PX",
    "OTHER",
    "PALE",
    "PREVIOUS",
    "SIDE_PX",
    "SURFACE",
    "bar_marker",
    "chart",
    "color",
    "hollow",
    "legend",
    "line_style",
    "swatch",
    "unknown_plot",
]
