"""The usage page: who used which model, and what did it cost?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import dash
from dash import ClientsideFunction, Input, Output, callback, clientside_callback, dcc, html, set_props
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from components import formats
from components.figures import Figure, strip
from components.first_run import first_run
from components.panel import Look, panel, show
from components.requests_table import left_out, requests_table
from components.shell import page
from components.unpriced import how_to_price, unpriced_table
from data_sources.result import Failed, Ready, Result, utc_now
from data_sources.usage.provenance import window_words
from data_sources.usage.types import (
    Breakdown,
    RequestPage,
    Summary,
    Timeseries,
    Unpriced,
    UnpricedModel,
    UsageQuery,
    Version,
)
from pages import usage_panels as draw
from pages.call_drawer import drawer, link_of
from pages.callbacks import needs, principal, sources
from pages.usage_controls import asking, controls, exports, listen, usage_panel
from pages.usage_figures import quota_figure, strip_figures, waiting
from routes import source_states
from routes.own_command import own_command

dash.register_page(
    __name__,
    path="/admin/llm/usage",
    name="LLM usage",
    title="LLM usage · Ops Center",
    icon="usage",
    order=1,
    needs="usage:read",
)

TOP_MODELS, FEW = 10, 8
UNPRICED = 20
PAGE, MOST = 50, 500


def layout(**_: Any) -> Component:
    """The page; what it shows comes from the address, read in the browser."""
    strip_to_come = [waiting(quota=sources().settings.quota_calls_per_month is not None)]
    panels = html.Div(
        [
            panel("usage-figures", "Figures", kind="figures", skeleton=strip_to_come, width="oc-c12", heading=False),
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
            panel("usage-unpriced", "Without a price", kind="table", skeleton="table", width="oc-c12"),
            panel("usage-recent", "Recent requests", kind="table", skeleton="table", width="oc-c12"),
        ],
        id="usage-panels",
        className="oc-page",
    )
    return page(
        "LLM usage",
        sub_id="usage-sub",
        tools=exports("attempts"),
        children=[
            controls("attempts"),
            html.Div(id="usage-first", hidden=True),
            panels,
            dcc.Store(id="usage-first-ask"),
            *asking(),
            *drawer(),
        ],
    )


# ---- the panels


@usage_panel("usage-figures")
def figures(query: UsageQuery, _: dict[str, Any]) -> Look:
    """The strip: all figures from one question."""
    result: Result[Summary] = sources().usage.summary(query)
    if isinstance(result, Ready):
        set_props("usage-sub", {"children": _sub(result.value, first=_never_collected())})
        made = strip_figures(result.value, result.provenance, query, _quota(query))
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
    asked = UsageQuery(range="month", tz=query.tz, organization_id=query.organization_id)
    month: Result[Summary] = sources().usage.summary(asked)
    if isinstance(month, Ready):
        return quota_figure(month.value, month.provenance, asked, quota, "")
    reason = month.problem.detail if isinstance(month, Failed) else "The month's calls are not known."
    return quota_figure(None, None, asked, quota, reason)


def _told(name: str, query: UsageQuery, result: Result[Any], view: Callable[[Any], Any], **words: Any) -> Look:
    """A panel whose information says how it is computed and opens the calls behind it."""
    return show(
        result,
        view,
        extra=lambda found: draw.computed(name, found.total),
        more=draw.behind(query),
        **words,
    )


def _series(query: UsageQuery) -> Result[Timeseries]:
    """Both charts ask the same, so the store answers once."""
    result: Result[Timeseries] = sources().usage.timeseries(query, group_by="provider", limit=FEW)
    return draw.or_empty(result, lambda value: (value.total, value.coverage), query)


@usage_panel("usage-calls")
def calls(query: UsageQuery, _: dict[str, Any]) -> Look:
    """Calls over time, by provider."""
    return _told("calls", query, _series(query), draw.calls_chart, sub=draw.grain_words, foot=draw.series_foot)


@usage_panel("usage-cost")
def cost(query: UsageQuery, _: dict[str, Any]) -> Look:
    """Cost over time, by provider."""
    return _told("cost", query, _series(query), draw.cost_chart, sub=draw.cost_grain_words, foot=draw.cost_foot)


def _groups(result: Result[Breakdown], query: UsageQuery) -> Result[Breakdown]:
    return draw.or_empty(result, lambda value: (value.total, value.coverage), query)


@usage_panel("usage-providers")
def providers(query: UsageQuery, _: dict[str, Any]) -> Look:
    """Calls by provider."""
    result = _groups(sources().usage.breakdown(query, "provider", limit=FEW), query)
    return _told("providers", query, result, draw.calls_list, foot=draw.list_foot)


@usage_panel("usage-levels")
def levels(query: UsageQuery, _: dict[str, Any]) -> Look:
    """Cost by power level."""
    result = _groups(sources().usage.breakdown(query, "power_level", limit=FEW), query)
    return _told("levels", query, result, draw.cost_list, foot=draw.cost_list_foot)


@usage_panel("usage-models")
def models(query: UsageQuery, _: dict[str, Any]) -> Look:
    """The models with most calls."""
    result = _groups(sources().usage.breakdown(query, "model", limit=TOP_MODELS), query)
    return _told("models", query, result, draw.calls_list, sub=draw.models_sub, foot=draw.list_foot)


@usage_panel("usage-unpriced")
def unpriced(query: UsageQuery, _: dict[str, Any]) -> Look:
    """The models with usage that has no price, and what to do about it."""
    result = draw.unpriced_or_empty(sources().usage.unpriced(query, limit=UNPRICED), query)
    without = draw.narrow(query, pricing=("unpriced",))

    def link(model: UnpricedModel) -> str:
        return draw.calls_address(replace(without, provider=(model.provider,), model=(model.model,)))

    def view(found: Unpriced) -> Component:
        own_store = sources().settings.usage_api_url is None
        may_price = principal().may("admin") and own_store and any(model.model for model in found.models)
        file_set = sources().settings.prices_file is not None
        how = [how_to_price(found, file_set=file_set, command=own_command())] if may_price else []
        return html.Div([unpriced_table(found, link=link), *how])

    return show(
        result,
        view,
        sub=draw.unpriced_sub,
        foot=draw.unpriced_foot,
        extra=lambda found: draw.computed("unpriced", found.total),
        more=draw.behind(without),
    )


@usage_panel("usage-recent")
def recent(query: UsageQuery, data: dict[str, Any]) -> Look:
    """The newest calls; "Load more" asks for more of them."""
    limit = min(PAGE * max(1, int(data.get("more") or 1)), MOST)
    result: Result[RequestPage] = sources().usage.recent(query, limit=limit)
    if isinstance(result, Ready) and not result.value.requests:
        return show(draw.no_requests(result, query), lambda _: None)
    return show(
        result,
        lambda found: html.Div([requests_table(found, link=link_of), _more(found, limit, query)]),
        sub=lambda found: [f"newest {formats.number(len(found.requests))} · ", draw.behind(query, _all_words(found))],
        extra=lambda _: {"Is": draw.IS["recent"]},
        more=draw.behind(query),
        foot=lambda found: draw.requests_foot(found, left_out(found), filtered=bool(query.filters())),
    )


def _all_words(found: RequestPage) -> str:
    if found.total_calls is None:
        return "all requests"
    return "all of them" if found.total_calls == 1 else f"all {formats.number(found.total_calls)} requests"


def _more(found: RequestPage, limit: int, query: UsageQuery) -> Component | None:
    if found.next_cursor is None:
        return None
    if limit >= MOST:
        whole = [f"These are the newest {MOST}. See ", draw.behind(query, _all_words(found)), "."]
        return html.P(whole, className="oc-more oc-muted")
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
    return first_run(house.settings.base_url, key, states, since, command=own_command())


clientside_callback(
    ClientsideFunction("ops_usage", "way"),
    Output("usage-done", "data", allow_duplicate=True),
    Input("usage-way", "value"),
    prevent_initial_call=True,
)
listen()
