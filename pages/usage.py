"""The usage page: who used which model, and what did it cost?

Range, zone and filters live in the address. The browser puts them into the store `usage-query`, which every panel
listens to; a cheap question every two seconds renews it when anything changed (`assets/js/usage.js`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import dash
import dash_bootstrap_components as dbc
from dash import ClientsideFunction, Input, Output, State, callback, clientside_callback, dcc, html, set_props
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from components import formats
from components.figures import Figure, strip
from components.first_run import first_run
from components.panel import Look, failed, panel, show
from components.parts import icon
from components.requests_table import left_out, requests_table
from components.shell import page
from data_sources.result import Failed, Kind, Problem, Ready, Result, utc_now
from data_sources.usage.provenance import window_words
from data_sources.usage.query import BadQueryError, parse
from data_sources.usage.types import DIMENSIONS, Breakdown, RequestPage, Summary, Timeseries, UsageQuery, Version
from pages import usage_panels as draw
from pages.callbacks import needs, panel_callback, principal, sources
from pages.usage_figures import quota_figure, strip_figures
from routes import source_states

dash.register_page(
    __name__,
    path="/admin/llm/usage",
    name="LLM usage",
    title="LLM usage · Ops Center",
    icon="usage",
    order=1,
    needs="usage:read",
)

RANGES = (
    ("Today", "today"),
    ("7 days", "7d"),
    ("30 days", "30d"),
    ("Month", "month"),
    ("Quarter", "quarter"),
    ("Year", "year"),
    ("Custom", "custom"),
)
FILTERS = (("Provider", "provider"), ("Model", "model"), ("Power level", "power_level"), ("Status", "status"))
MORE_FILTERS = (("User", "user"), ("Team", "team"), ("Source", "source"))
TOP_MODELS, FEW = 10, 8
PAGE, MOST = 50, 500
_OPTIONS = 200


def layout(**_: Any) -> Component:
    """The page; what it shows comes from the address, read in the browser."""
    zone = sources().settings.reporting_tz
    panels = html.Div(
        [
            panel("usage-figures", "Figures", kind="figures", skeleton="figures", width="oc-c12", heading=False),
            html.Div(
                [
                    panel("usage-calls", "Calls", sub="by provider", width="oc-c8"),
                    panel("usage-models", "Top models", sub="calls", skeleton="rows", width="oc-c4 oc-r2"),
                    panel("usage-cost", "Cost", sub="by provider", width="oc-c8"),
                    panel("usage-providers", "Usage by provider", sub="calls", skeleton="rows"),
                    panel("usage-levels", "Cost by power level", sub="USD", skeleton="rows"),
                ],
                className="oc-grid",
            ),
            panel("usage-recent", "Recent requests", kind="table", skeleton="table", width="oc-c12"),
        ],
        id="usage-panels",
        className="oc-page",
    )
    return page(
        "LLM usage",
        sub_id="usage-sub",
        tools=_exports(),
        children=[
            _filters(),
            html.Div(id="usage-first", hidden=True),
            panels,
            *(dcc.Store(id=name) for name in ("usage-query", "usage-first-ask", "usage-done")),
            html.Div(id="usage-page", hidden=True, **({"data-zone": zone} if zone else {})),
        ],
    )


def _exports() -> list[Component]:
    return [
        html.Button(
            [icon("download", small=True), f"Export {form.upper()}"],
            className="btn btn-secondary",
            type="button",
            **{"data-export": form},
        )
        for form in ("csv", "json")
    ]


def _filters() -> html.Div:
    ranges = dbc.RadioItems(
        id="usage-range",
        options=[{"label": label, "value": value} for label, value in RANGES],
        value="30d",
        inputClassName="btn-check",
        labelClassName="btn",
        inline=True,
    )
    custom = html.Div(
        [
            html.Label("From", htmlFor="usage-start", className="oc-field"),
            dbc.Input(id="usage-start", type="datetime-local", step=900),
            html.Label("to", htmlFor="usage-end", className="oc-field"),
            dbc.Input(id="usage-end", type="datetime-local", step=900),
            html.Button("Show", id="usage-custom-show", type="button", className="btn btn-secondary"),
        ],
        id="usage-custom",
        className="oc-custom",
        hidden=True,
    )
    return html.Div(
        [
            html.Div(ranges, className="oc-seg", role="group", **{"aria-label": "Range"}),
            custom,
            html.Label("Time zone", htmlFor="usage-tz", className="visually-hidden"),
            dbc.Select(id="usage-tz", options=[{"label": "UTC", "value": "UTC"}]),
            _add_filter(),
            html.Div(id="usage-chips", className="oc-chips"),
            html.Div(_exports(), className="oc-only-phone"),
        ],
        className="oc-filters",
    )


def _add_filter() -> html.Div:
    form = html.Div(
        [
            html.Label("Show only", htmlFor="usage-filter-dimension"),
            dbc.Select(
                id="usage-filter-dimension",
                options=[{"label": label, "value": value} for label, value in (*FILTERS, *MORE_FILTERS)],
                value="provider",
            ),
            html.Label("that is", htmlFor="usage-filter-value"),
            dbc.Select(id="usage-filter-value", options=[]),
            html.Button("Add filter", id="usage-filter-add", type="button", className="btn btn-secondary"),
        ],
        className="oc-filter-form",
    )
    return html.Div(
        [
            html.Button(
                [icon("plus", small=True), "Filter"],
                id="usage-filter",
                type="button",
                className="btn btn-ghost",
                **{"data-pop": "usage-filter-pop", "aria-expanded": "false"},
            ),
            html.Div(
                [html.H3("Add a filter"), form],
                id="usage-filter-pop",
                className="oc-pop",
                role="dialog",
                **{"aria-label": "Add a filter"},
            ),
        ]
    )


# ---- from the address to a question


def scope() -> str | None:
    """The organization that the reader is confined to, None for the console's own people.

    Raises:
        BadQueryError: A member of no organization.
    """
    who = principal()
    if who.role == "member" and who.organization_id is None:
        raise BadQueryError("You belong to no organization, so there is no usage to see.")
    return who.organization_id if who.role == "member" else None


def asked(data: dict[str, Any] | None) -> UsageQuery:
    """The question in the store `usage-query`.

    Raises:
        BadQueryError: The address asks for something that makes no sense.
        PreventUpdate: The browser has not asked yet.
    """
    if not data:
        raise PreventUpdate
    given = parse_qs(str(data.get("search", "")), keep_blank_values=True)
    return parse(given, default_tz=sources().settings.reporting_tz or "UTC", organization_id=scope())


Draw = Callable[[UsageQuery, dict[str, Any]], Look]


def _usage_panel(panel_id: str) -> Callable[[Draw], Draw]:
    """A panel that answers the page's question."""

    def wrap(look: Draw) -> Draw:
        @panel_callback(panel_id, Input("usage-query", "data"), needs="usage:read", prevent_initial_call=True)
        def fill(data: dict[str, Any] | None) -> Look:
            try:
                query = asked(data)
            except BadQueryError as error:
                return failed(Failed(Problem(Kind.BAD_QUERY, "The address is not right", str(error))))
            return look(query, data or {})

        return look

    return wrap


# ---- the panels


@_usage_panel("usage-figures")
def figures(query: UsageQuery, _: dict[str, Any]) -> Look:
    """The strip: all figures from one question."""
    result: Result[Summary] = sources().usage.summary(query)
    if isinstance(result, Ready):
        set_props("usage-sub", {"children": _sub(result.value, first=_never_collected())})
        made = strip_figures(result.value, result.provenance, _quota(query))
        return show(result, lambda _: strip(made))
    set_props("usage-sub", {"children": "What this page shows could not be read."})
    return show(result, lambda _: None)


def _never_collected() -> bool:
    """Whether we know that no event was ever received."""
    result: Result[Version] = sources().usage.version()
    return isinstance(result, Ready) and result.value.ever_collected is False


def _sub(summary: Summary, *, first: bool) -> str:
    if first:
        return "Nothing has been collected yet, so there is nothing to draw."
    parts = [window_words(summary.window)]
    if summary.data_as_of is not None:
        parts.append(f"data as of {draw.seconds(summary.data_as_of, summary.window.tz)}")
    if summary.coverage is not None and summary.coverage.gaps:
        parts.append(draw.missing_words(summary.coverage))
    return "  ·  ".join(parts)


def _quota(query: UsageQuery) -> Figure | None:
    quota = sources().settings.quota_calls_per_month
    if quota is None:
        return None
    month: Result[Summary] = sources().usage.summary(
        UsageQuery(range="month", tz=query.tz, organization_id=query.organization_id)
    )
    if isinstance(month, Ready):
        return quota_figure(month.value, month.provenance, quota, "")
    reason = month.problem.detail if isinstance(month, Failed) else "The month's calls are not known."
    return quota_figure(None, None, quota, reason)


def _series(query: UsageQuery) -> Result[Timeseries]:
    """Both charts ask the same, so the store answers once."""
    result: Result[Timeseries] = sources().usage.timeseries(query, group_by="provider", limit=FEW)
    return draw.or_empty(result, lambda value: (value.total, value.coverage), query)


@_usage_panel("usage-calls")
def calls(query: UsageQuery, _: dict[str, Any]) -> Look:
    """Calls over time, by provider."""
    return show(_series(query), draw.calls_chart, sub=draw.grain_words, foot=draw.series_foot)


@_usage_panel("usage-cost")
def cost(query: UsageQuery, _: dict[str, Any]) -> Look:
    """Cost over time, by provider."""
    return show(_series(query), draw.cost_chart, sub=draw.cost_grain_words, foot=draw.cost_foot)


def _groups(result: Result[Breakdown], query: UsageQuery) -> Result[Breakdown]:
    return draw.or_empty(result, lambda value: (value.total, value.coverage), query)


@_usage_panel("usage-providers")
def providers(query: UsageQuery, _: dict[str, Any]) -> Look:
    """Calls by provider."""
    result = _groups(sources().usage.by_provider(query, limit=FEW), query)
    return show(result, draw.calls_list, foot=draw.list_foot)


@_usage_panel("usage-levels")
def levels(query: UsageQuery, _: dict[str, Any]) -> Look:
    """Cost by power level."""
    result = _groups(sources().usage.by_power_level(query, limit=FEW), query)
    return show(result, draw.cost_list, foot=draw.cost_list_foot)


@_usage_panel("usage-models")
def models(query: UsageQuery, _: dict[str, Any]) -> Look:
    """The models with most calls."""
    result = _groups(sources().usage.by_model(query, limit=TOP_MODELS), query)
    return show(result, draw.calls_list, sub=draw.models_sub, foot=draw.list_foot)


@_usage_panel("usage-recent")
def recent(query: UsageQuery, data: dict[str, Any]) -> Look:
    """The newest calls; "Load more" asks for more of them."""
    limit = min(PAGE * max(1, int(data.get("more") or 1)), MOST)
    result: Result[RequestPage] = sources().usage.recent(query, limit=limit)
    if isinstance(result, Ready) and not result.value.requests:
        return show(draw.no_requests(result, query), requests_table)
    return show(
        result,
        lambda found: html.Div([requests_table(found), _more(found, limit)]),
        sub=lambda found: f"newest {formats.number(len(found.requests))}",
        foot=lambda found: draw.requests_foot(found, left_out(found), filtered=bool(query.filters())),
    )


def _more(found: RequestPage, limit: int) -> Component | None:
    if found.next_cursor is None:
        return None
    if limit >= MOST:
        return html.P(f"These are the newest {MOST}. Export the window for all of them.", className="oc-more oc-muted")
    button = html.Button("Load more", type="button", className="btn btn-secondary", **{"data-usage-more": ""})
    return html.Div(button, className="oc-more")


# ---- what is no panel


@callback(  # type: ignore[untyped-decorator]
    Output("usage-first", "children"), Input("usage-first-ask", "data"), prevent_initial_call=True
)
@needs("usage:read")
def first(clicked: int | None) -> Component:
    """What stands here before the first call."""
    if not clicked:
        raise PreventUpdate
    house = sources()
    key = house.ingest_token if principal().may("admin") else None
    states = [(state.dot, state.name, state.detail) for state in source_states.states(house)]
    since = f"Listening. No event until {utc_now():%H:%M:%S} UTC. This page fills by itself."
    return first_run(house.settings.base_url, key, states, since)


@callback(  # type: ignore[untyped-decorator]
    Output("usage-filter-value", "options"),
    Output("usage-filter-value", "value"),
    Input("usage-filter-dimension", "value"),
    Input("usage-filter", "n_clicks"),
    State("usage-query", "data"),
    prevent_initial_call=True,
)
@needs("usage:read")
def filter_values(dimension: str, clicks: int | None, data: dict[str, Any] | None) -> tuple[list[dict[str, str]], str]:
    """The values of a dimension in the window, for the filter; "not set" among them."""
    if not clicks or dimension not in DIMENSIONS:
        raise PreventUpdate
    try:
        without: dict[str, Any] = {dimension: ()}  # so that another value can be chosen
        query = replace(asked(data), **without)
    except BadQueryError:
        raise PreventUpdate from None
    result: Result[Breakdown] = sources().usage.breakdown(query, dimension, limit=_OPTIONS)
    if not isinstance(result, Ready):
        return [{"label": "The values could not be read", "value": ""}], ""
    options = draw.options(result.value)
    if not options:
        return [{"label": "None in this window", "value": ""}], ""
    return options, options[0]["value"]


def _client(name: str, *inputs: Input | State) -> None:
    clientside_callback(
        ClientsideFunction("ops_usage", name),
        Output("usage-done", "data", allow_duplicate=True),
        *inputs,
        prevent_initial_call=name != "start" or "initial_duplicate",
    )


_client("start", Input("usage-page", "id"))
_client("range", Input("usage-range", "value"))
_client("zone", Input("usage-tz", "value"))
_client("custom", Input("usage-custom-show", "n_clicks"), State("usage-start", "value"), State("usage-end", "value"))
_client(
    "add",
    Input("usage-filter-add", "n_clicks"),
    State("usage-filter-dimension", "value"),
    State("usage-filter-value", "value"),
)
_client("way", Input("usage-way", "value"))
