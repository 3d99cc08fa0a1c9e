"""The coverage page: what came, what became of it, and when nobody listened. It shows that the figures are whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import dash
from dash import html, set_props
from dash.development.base_component import Component

from components.panel import Look, panel, show
from components.shell import page
from data_sources.result import Empty, Ready, Result
from data_sources.usage.provenance import window_words
from data_sources.usage.types import Intake, UsageQuery
from pages import coverage_panels as draw
from pages.callbacks import principal, sources
from pages.coverage_listening import listening
from pages.usage_controls import asking, controls, usage_panel
from routes.own_command import own_command

dash.register_page(
    __name__,
    path="/admin/llm/coverage",
    name="Coverage",
    title="Coverage · Ops Center",
    icon="gateway",
    order=3,
    needs="usage:intake",
)


def layout(**_: Any) -> Component:
    """The page; what it shows comes from the address, read in the browser."""
    return page(
        "Coverage",
        sub_id="coverage-sub",
        children=[
            controls(None, filters=(("Source", "source"),)),
            html.Div(
                [
                    panel("coverage-chart", "Received over time", width="oc-c12"),
                    panel("coverage-sources", "Sources", kind="table", skeleton="rows", width="oc-c12"),
                    panel("coverage-listening", "When we listened", skeleton="rows", width="oc-c12"),
                    panel("coverage-rejected", "Rejected", kind="table", skeleton="rows", width="oc-c12"),
                    panel("coverage-refused", "Refused requests", kind="table", skeleton="rows", width="oc-c12"),
                    panel("coverage-imports", "Imports", kind="table", skeleton="rows", width="oc-c12"),
                    panel(
                        "coverage-time", "Received by source and time", kind="table", skeleton="table", width="oc-c12"
                    ),
                ],
                className="oc-grid",
            ),
            *asking(),
            _dialog(),
        ],
    )


def _dialog() -> html.Dialog:
    """Asks before an import is taken out; `assets/js/coverage.js` fills and opens it."""
    return html.Dialog(
        [
            html.H2("Take out this import?", id="coverage-undo-title"),
            html.P(id="coverage-undo-words"),
            html.Div(
                [
                    html.Button("Keep it", type="button", className="btn btn-secondary", **{"data-undo-keep": ""}),
                    html.Button(
                        "Take it out", type="button", className="btn btn-outline-danger", **{"data-undo-confirm": ""}
                    ),
                ],
                className="oc-dialog-actions",
            ),
        ],
        id="coverage-undo",
        className="oc-dialog",
        **{"aria-labelledby": "coverage-undo-title"},
    )


def _panel(
    name: str,
    listed: Callable[[Intake], Sequence[Any]],
    nothing: tuple[str, str],
    view: Callable[[Intake], Component],
    missing: Callable[[Intake], tuple[str, str] | None] = draw.not_counted,
    **words: Any,
) -> None:
    """One panel of the page; all of them ask the same.

    Args:
        name: The last word of its id.
        listed: What it lists: without any of it the panel is empty.
        nothing: Title and sentence of the empty look.
        view: Draws it.
        missing: Title and sentence where it is not known whether there was nothing; None where it is.
        **words: As in `components.panel.show`.
    """

    @usage_panel(f"coverage-{name}", needs="usage:intake")
    def fill(query: UsageQuery, _: dict[str, Any]) -> Look:
        result: Result[Intake] = sources().usage.intake(query)
        if name == "sources":
            told = window_words(result.value.window) if isinstance(result, Ready) else "What came could not be read."
            set_props("coverage-sub", {"children": told})
        unknown = missing(result.value) if isinstance(result, Ready) else None
        if isinstance(result, Ready) and (unknown or not listed(result.value)):
            title, why = unknown or nothing
            return show(Empty(title, " ".join([why, *result.provenance.notes]), result.provenance), view)
        return show(result, view, **words)


_panel(
    "sources",
    lambda found: found.sources,
    ("0 events received", "Nothing was received and counted in this window."),
    draw.sources_table,
    sub=draw.sources_sub,
    foot=draw.sources_foot,
    extra=lambda _: {"Is": "Events by when they were received, counted in the commit that stored them."},
)
_panel(
    "chart",
    lambda found: found.buckets,
    ("0 events received", "Nothing was received and counted in this window."),
    draw.series_chart,
    missing=draw.no_series,
    extra=lambda _: {"Is": "Accepted, duplicate and rejected events add up to what was received."},
    sub=draw.series_sub,
    foot=draw.series_foot,
)
_panel("listening", lambda found: [found.coverage], ("", ""), listening, missing=lambda _: None)
_panel(
    "refused",
    lambda found: found.refused or (),
    ("0 requests refused", "No request with events that came in this window was refused."),
    draw.refused_table,
    missing=draw.refused_not_counted,
    extra=lambda _: {"Is": "Requests that were answered with 400 or above, whoever refused them."},
    foot=draw.refused_foot,
)
_panel(
    "rejected",
    lambda found: found.rejections,
    ("0 events rejected", "No event that came in this window was refused."),
    draw.rejected_table,
    missing=draw.no_reasons,
    foot=draw.rejected_foot,
)
_panel(
    "imports",
    lambda found: found.imports,
    ("No imports", f"No file was imported yet. The command {own_command()} import FILE does it."),
    lambda found: draw.imports_table(found, may_undo=_may_undo()),
    missing=lambda _: None,
    sub=lambda _: "the newest files, whatever the window",
)
_panel(
    "time",
    lambda found: found.buckets,
    ("0 events received", "Nothing was received and counted in this window."),
    draw.time_table,
    sub=lambda found: f"by {found.granularity} and source",
    foot=draw.time_foot,
)


def _may_undo() -> bool:
    """Only imports of our own store can be taken out here."""
    return principal().may("usage:write") and sources().settings.usage_api_url is None
