"""What stands at an address that is no page; Dash shows it by this file's name, and the server answers 404."""

from __future__ import annotations

from typing import Any

import dash
from dash import html
from dash.development.base_component import Component

from components.panel import say
from components.shell import page

dash.register_page(__name__, title="Not found · Ops Center", charts=False)


def layout(**_: Any) -> Component:
    """The page."""
    words = say("", "search", "There is no page at this address", "It may have moved, or the link is mistyped.")
    return page(
        "Not found",
        sub="Status 404",
        children=[
            html.Section(
                html.Div(
                    [words, html.P(html.A("Go to LLM usage", href="/admin/llm/usage"))], className="oc-panel-body"
                ),
                className="oc-panel",
            )
        ],
    )
