"""What the usage page and the list of its calls share: range, zone and filters, which live in the address.

The browser puts the address into the store `usage-query`, which every panel listens to; a cheap question every two
seconds renews it when anything changed (`assets/js/usage.js`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import dash_bootstrap_components as dbc
from dash import ClientsideFunction, Input, Output, State, callback, clientside_callback, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from components.panel import Look, failed
from components.parts import icon
from data_sources.principal import Permission
from data_sources.result import Failed, Kind, Problem, Ready, Result
from data_sources.usage.query import BadQueryError, parse
from data_sources.usage.types import DIMENSIONS, PRICINGS, Breakdown, Grain, UsageQuery
from pages import usage_panels as draw
from pages.callbacks import needs as guarded
from pages.callbacks import panel_callback, principal, sources

RANGES = (
    ("Today", "today"),
    ("7 days", "7d"),
    ("30 days", "30d"),
    ("Month", "month"),
    ("Quarter", "quarter"),
    ("Year", "year"),
    ("Custom", "custom"),
)
FILTERS = (
    ("Provider", "provider"),
    ("Model", "model"),
    ("Power level", "power_level"),
    ("Status", "status"),
    ("User", "user"),
    ("Team", "team"),
    ("Source", "source"),
    ("Pricing", "pricing"),
)
_OPTIONS = 200


# ---- the controls


def exports(grain: Grain) -> list[Component]:
    """The buttons that save the window as a file.

    Args:
        grain: One row a call, or one an attempt.
    """
    return [
        html.Button(
            [icon("download", small=True), f"Export {form.upper()}"],
            className="btn btn-secondary",
            type="button",
            **{"data-export": form, "data-grain": grain},
        )
        for form in ("csv", "json")
    ]


def controls(grain: Grain | None, *, filters: Sequence[tuple[str, str]] = FILTERS) -> html.Div:
    """The filter bar; on a phone it holds the exports as well.

    Args:
        grain: Of the exports; None for none.
        filters: Label and name of what can be filtered by, the first chosen.
    """
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
    filter_bar = html.Div(
        [
            html.Div(ranges, className="oc-seg", role="group", **{"aria-label": "Range"}),
            custom,
            html.Label("Time zone", htmlFor="usage-tz", className="visually-hidden"),
            dbc.Select(id="usage-tz", options=[{"label": "UTC", "value": "UTC"}]),
            _add_filter(filters),
            html.Div(id="usage-chips", className="oc-chips"),
            *([html.Div(exports(grain), className="oc-only-phone")] if grain else []),
        ],
        id="usage-filters",
        className="oc-filters",
        **{"data-names": " ".join(name for _, name in filters)},
    )
    return html.Div([filter_bar, html.P(id="usage-strangers", className="oc-note", hidden=True, role="status")])


def _add_filter(filters: Sequence[tuple[str, str]]) -> html.Div:
    form = html.Div(
        [
            html.Label("Show only", htmlFor="usage-filter-dimension"),
            dbc.Select(
                id="usage-filter-dimension",
                options=[{"label": label, "value": value} for label, value in filters],
                value=filters[0][1],
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


def asking() -> list[Component]:
    """What turns the address into questions, unseen: it begins to ask when it comes with a page."""
    zone = sources().settings.reporting_tz
    return [
        dcc.Store(id="usage-query"),
        dcc.Store(id="usage-done"),
        html.Div(id="usage-page", hidden=True, **({"data-zone": zone} if zone else {})),
    ]


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


def given(data: dict[str, Any] | None) -> dict[str, list[str]]:
    """The parameters of the address in the store `usage-query`.

    Raises:
        PreventUpdate: The browser has not asked yet.
    """
    if not data:
        raise PreventUpdate
    return parse_qs(str(data.get("search", "")), keep_blank_values=True)


def asked(data: dict[str, Any] | None) -> UsageQuery:
    """The question in the store `usage-query`.

    Raises:
        BadQueryError: The address asks for something that makes no sense.
        PreventUpdate: The browser has not asked yet.
    """
    default_tz = sources().settings.reporting_tz or "UTC"
    return parse(given(data), default_tz=default_tz, organization_id=scope())


Draw = Callable[[UsageQuery, dict[str, Any]], Look]


def usage_panel(panel_id: str, *, needs: Permission = "usage:read") -> Callable[[Draw], Draw]:
    """A panel that answers the page's question."""

    def wrap(look: Draw) -> Draw:
        @panel_callback(panel_id, Input("usage-query", "data"), needs=needs, prevent_initial_call=True)
        def fill(data: dict[str, Any] | None) -> Look:
            try:
                query = asked(data)
            except BadQueryError as error:
                return failed(Failed(Problem(Kind.BAD_QUERY, "The address is not right", str(error))))
            return look(query, data or {})

        return look

    return wrap


# ---- their callbacks


def _filter_values(dimension: str, clicks: int | None, data: dict[str, Any] | None) -> tuple[list[dict[str, str]], str]:
    """The values of a dimension in the window, for the filter; "not set" among them."""
    if clicks and dimension == "pricing":
        return [{"label": name, "value": f"v:{name}"} for name in PRICINGS], f"v:{PRICINGS[0]}"
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


def listen() -> None:
    """Make the callbacks of the controls, once for each console: one page calls it for both."""
    callback(
        Output("usage-filter-value", "options"),
        Output("usage-filter-value", "value"),
        Input("usage-filter-dimension", "value"),
        Input("usage-filter", "n_clicks"),
        State("usage-query", "data"),
        prevent_initial_call=True,
    )(guarded("usage:read")(_filter_values))
    _client("start", Input("usage-page", "id"))
    _client("range", Input("usage-range", "value"))
    _client("zone", Input("usage-tz", "value"))
    _client(
        "custom", Input("usage-custom-show", "n_clicks"), State("usage-start", "value"), State("usage-end", "value")
    )
    _client(
        "add",
        Input("usage-filter-add", "n_clicks"),
        State("usage-filter-dimension", "value"),
        State("usage-filter-value", "value"),
    )
