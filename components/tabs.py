"""Tabs by the pattern of WAI-ARIA; `assets/system/tabs.js` moves between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import html


def tabs(
    tabs_id: str, name: str, labels: Sequence[tuple[str, str]], chosen: str, panels: Mapping[str, Any]
) -> html.Div:
    """A row of tabs and their panels, of which one is shown.

    Args:
        tabs_id: Prefix of the ids.
        name: What the tabs are of, for screen readers.
        labels: Key and words of each, in order.
        chosen: The key of the one that is shown first.
        panels: The content by key.
    """
    row = [
        html.Button(
            label,
            id=f"{tabs_id}-{key}",
            className="oc-tab",
            type="button",
            role="tab",
            tabIndex=0 if key == chosen else -1,
            **{
                "aria-selected": "true" if key == chosen else "false",
                "aria-controls": f"{tabs_id}-{key}-panel",
                "data-tab": key,
            },
        )
        for key, label in labels
    ]
    shown = [
        html.Div(
            panels[key],
            id=f"{tabs_id}-{key}-panel",
            className="oc-tabpanel",
            role="tabpanel",
            hidden=key != chosen,
            **{"aria-labelledby": f"{tabs_id}-{key}"},
        )
        for key, _ in labels
    ]
    return html.Div(
        [html.Div(row, id=tabs_id, className="oc-tabs", role="tablist", **{"aria-label": name}), *shown],
    )
