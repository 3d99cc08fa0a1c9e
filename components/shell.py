"""The frame around every page: rail, navigation, sources, and the page's header."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dash
from dash import dcc, html
from dash.development.base_component import Component

from components.parts import icon


@dataclass(frozen=True, slots=True)
class NavItem:
    """One page in the navigation."""

    name: str
    path: str
    icon_name: str


def mark() -> html.Span:
    """Ops Center's mark."""
    return html.Span(className="oc-mark", **{"aria-hidden": "true"})


def shell(items: Sequence[NavItem], *, who: str, admin: bool) -> html.Div:
    """The whole frame; the page goes into `main`.

    Args:
        items: The pages this reader may open.
        who: Name of the reader, at the foot of the rail.
        admin: Reserved for what only admins see in the rail.
    """
    links = [
        dcc.Link(
            [icon(item.icon_name), html.Span(item.name)],
            href=item.path,
            className="oc-nav-link",
            title=item.name,
        )
        for item in items
    ]
    foot = html.Div(
        [
            html.Span(who, title=who, className="text-truncate"),
            html.Button(
                [_themed("moon", "light"), _themed("sun", "dark")],
                className="oc-icon-btn",
                type="button",
                **{"data-theme-toggle": "", "aria-label": "Switch between light and dark"},
            ),
            html.Button(
                icon("sign-out"),
                className="oc-icon-btn",
                type="button",
                title="Sign out",
                **{"data-sign-out": "", "aria-label": "Sign out"},
            ),
        ],
        className="oc-side-foot",
    )
    rail = html.Aside(
        [
            dcc.Link([mark(), "Ops Center"], href="/", className="oc-brand", title="Ops Center"),
            html.Nav(links, className="oc-nav", **{"aria-label": "Pages"}),
            html.Section(
                [html.H2("Sources", className="oc-side-h"), html.Ul(id="oc-sources", className="mb-0")],
                className="oc-sources",
                **{"aria-label": "Sources"},
            ),
            foot,
        ],
        className="oc-side",
    )
    return html.Div(
        [
            html.A("Skip to content", href="#main", className="oc-skip"),
            html.Div(
                [rail, html.Main(dash.page_container, id="main", className="oc-main", tabIndex=-1)],
                className="oc-shell",
            ),
            dcc.Store(id="oc-toast"),
            dcc.Store(id="oc-shell-done"),
        ]
    )


def _themed(name: str, theme: str) -> html.I:
    return html.I(className=f"oc-i oc-i-{name} oc-theme-{theme}", **{"aria-hidden": "true"})


def page(
    title: str, *, sub: Any = None, sub_id: str | None = None, tools: Any = None, children: Any = None
) -> html.Div:
    """A page: its header with one `h1` and one muted line, then its panels.

    Args:
        title: The page's name.
        sub: Window in words, zone, "data as of", sources.
        sub_id: Id of that line where a callback fills it.
        tools: At most two actions at the right.
        children: The rest of the page.
    """
    line = html.P(sub, className="oc-head-sub", **({"id": sub_id} if sub_id else {}))
    parts: list[Component] = [
        html.Header(
            [html.Div([html.H1(title), line]), html.Div(tools, className="oc-head-tools")],
            className="oc-head",
        )
    ]
    return html.Div([*parts, *(children or [])], className="oc-page")
