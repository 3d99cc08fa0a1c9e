"""The small parts that stand everywhere: icons, info buttons with their popovers, code to copy, badges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import html
from dash.development.base_component import Component

from components import formats
from data_sources.result import Problem, Provenance


def icon(name: str, *, small: bool = False) -> html.I:
    """A Lucide icon in the ink of its surroundings; never alone without a label beside or on it."""
    return html.I(className=f"oc-i oc-i-{name}" + (" sm" if small else ""), **{"aria-hidden": "true"})


def info_button(pop_id: str, label: str) -> html.Button:
    """The button that opens the popover of `info_popover`."""
    return html.Button(
        icon("info", small=True),
        className="oc-icon-btn sm",
        type="button",
        **{"data-pop": pop_id, "aria-label": f"About {label}", "aria-expanded": "false"},
    )


def info_popover(pop_id: str, title: str, children: Any = None) -> html.Div:
    """The box that says where a figure comes from. Stands beside its button, is shown by `shell.js`."""
    return html.Div(
        [html.H3(title), html.Div(children, id=f"{pop_id}-content")],
        id=pop_id,
        className="oc-pop",
        role="dialog",
        **{"aria-label": f"About {title}"},
    )


def provenance(told: Provenance, *, extra: dict[str, str] | None = None, more: Any = None) -> Component:
    """Source, window, data as of, rows, notes, and the query behind a fold.

    Args:
        told: Where the figure comes from.
        extra: More rows, label to text, such as {"Priced": "94.9%"}.
        more: Links under the rows, such as "See the calls".
    """
    rows: dict[str, str] = {"Source": told.source}
    if told.window:
        rows["Window"] = told.window
    none = "nothing received yet" if told.tells_as_of else "the source does not tell"
    rows["Data as of"] = told.as_of.strftime("%-d %b %Y %H:%M:%S UTC") if told.as_of else none
    if told.rows is not None:
        rows["Rows"] = formats.number(told.rows)
    rows |= extra or {}
    rows["Asked"] = told.fetched_at.strftime("%H:%M:%S UTC")
    listed: list[Component] = []
    for label, text in rows.items():
        listed += [html.Dt(label), html.Dd(text)]
    for note in told.notes:
        listed += [html.Dt("Note"), html.Dd(note)]
    parts: list[Component] = [html.Dl(listed, className="oc-prov mb-0")]
    if more is not None:
        parts.append(html.Div(more, className="mt-2"))
    if told.query:
        parts.append(
            html.Details(
                [html.Summary("Show the query"), html.Pre(html.Code(told.query), className="oc-pre")],
            )
        )
    return html.Div(parts)


def badge(text: str, kind: str = "", *, icon_name: str | None = None, **more: str) -> html.Span:
    """A word in a pill; `kind` is "", ok, warn, danger or accent. Shape and word, never colour alone."""
    mark = [icon(icon_name, small=True)] if icon_name else []
    return html.Span([*mark, text], className=f"oc-badge {kind}".strip(), **more)


def setting(name: str) -> html.Code:
    """The name of a setting or a field, as code."""
    return html.Code(name)


def copyable(code_id: str, text: str, label: str) -> html.Div:
    """Code with a copy button beside it, so that it never stands on the words however far they are scrolled."""
    code = html.Pre(html.Code(text, id=code_id), tabIndex=0, role="region", **{"aria-label": label})
    return html.Div(
        [
            code,
            html.Button(
                icon("copy"),
                className="oc-icon-btn",
                type="button",
                **{"data-copy": code_id, "aria-label": f"Copy {label}"},
            ),
        ],
        className="oc-copy",
    )


def problem_meta(problem: Problem) -> str:
    """Time and code of a problem in one muted line."""
    parts = [problem.at.strftime("%H:%M:%S UTC")]
    if problem.code:
        parts.append(problem.code)
    return " · ".join(parts)


def waiting(width: str, height_px: int) -> html.I:
    """A shape that stands where words or figures will."""
    return html.I(className="oc-sk", style={"height": height_px, "width": width})


def unknown(reason: str) -> html.Span:
    """A figure that is not known: the hatched chip, with its reason for the mouse and for screen readers."""
    return html.Span(
        html.Span(f"not known: {reason}", className="visually-hidden"), className="oc-unknown", title=reason
    )


def pager(label: str, ways: Mapping[str, str | None], attribute: str) -> html.Nav:
    """The ways to the other pages of a list; the browser goes them.

    Args:
        label: Names them together.
        ways: Word to where it leads, None where there is no such page.
        attribute: The `data-` attribute that bears where.
    """
    buttons = [
        html.Button(
            word, type="button", className="btn btn-secondary", disabled=to is None, **{f"data-{attribute}": to or ""}
        )
        for word, to in ways.items()
    ]
    return html.Nav(buttons, className="oc-pager", **{"aria-label": label})
