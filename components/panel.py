"""One way for every panel: `panel` is the frame, `show` turns a Result into one of the six looks.

A page puts `panel("usage-by-model", "Top models")` into its layout; its callback returns `show(result, view)`. Frame
and height stay the same in all six looks, so nothing moves when data arrives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, TypeVar

from dash import dcc, html
from dash.development.base_component import Component

from components import formats
from components.parts import badge, icon, info_button, info_popover, problem_meta, provenance, setting
from components.static import static
from data_sources.result import Empty, Failed, Kind, NotConfigured, Problem, Provenance, Ready, Result, utc_now

T = TypeVar("T")
LookName = Literal["loading", "ready", "empty", "failed", "unset", "stale"]
Skeleton = Literal["bars", "rows", "table"]


@dataclass(frozen=True, slots=True)
class Look:
    """What a panel's callback puts into its frame.

    Attributes:
        name: Which of the looks.
        body: The content.
        badge: Beside the title, such as "Stale: 14 min old".
        info: Content of the info popover; None hides nothing but says that nothing is known.
        sub: The words beside the title (unit, grain, grouping); None leaves them as they are.
        foot: How whole it is: "Showing 8 of 487, the rest in Other".
    """

    name: LookName
    body: Any
    badge: Any = None
    info: Any = None
    sub: Any = None
    foot: Any = None


def panel(
    panel_id: str,
    title: str,
    *,
    sub: str | None = None,
    skeleton: Skeleton | Sequence[Component] = "bars",
    width: str = "oc-c6",
    tools: Sequence[Component] = (),
    kind: Literal["", "figures", "table"] = "",
    heading: bool = True,
) -> html.Section:
    """The frame of a panel, in its loading look.

    Args:
        panel_id: Unique on all pages; prefix it with the page's name.
        title: What question the panel answers.
        sub: Unit, grain or grouping, muted beside the title.
        skeleton: Shape of what comes, or the parts of it as they will stand, empty.
        width: Column class in the 12-column grid.
        tools: Controls at the right of the head.
        kind: "figures" for a strip of figures, "table" for a full-width table.
        heading: False hides the head (a strip of figures names itself); the title stays for screen readers.
    """
    head = html.Header(
        [
            html.H2(title, id=f"{panel_id}-title"),
            html.Span(sub, id=f"{panel_id}-sub", className="oc-panel-sub"),
            html.Span(id=f"{panel_id}-badge", role="status"),
            html.Div([*tools, *_info(panel_id, title, heading=heading)], className="oc-panel-tools"),
        ],
        className="oc-panel-head" if heading else "visually-hidden",
    )
    extra = f" oc-{kind}-panel" if kind else ""
    return html.Section(
        [
            html.Div(id=f"{panel_id}-busy", className="oc-busy", **{"aria-hidden": "true"}),
            head,
            html.Div(_skeleton(skeleton), id=f"{panel_id}-body", className="oc-panel-body"),
            html.Footer(id=f"{panel_id}-foot", className="oc-panel-foot"),
            dcc.Store(id=f"{panel_id}-retry"),
        ],
        id=panel_id,
        className=f"oc-panel {width}{extra}",
        **{"aria-labelledby": f"{panel_id}-title", "data-panel": "", "data-look": "loading"},
    )


def _info(panel_id: str, title: str, *, heading: bool) -> list[Component]:
    told = info_popover(f"{panel_id}-info", title, "Nothing has been read yet.")
    # Where the head is hidden each figure has a button of its own: one that nobody sees would only catch the focus.
    return [info_button(f"{panel_id}-info", title), told] if heading else [told]


def _skeleton(shape: Skeleton | Sequence[Component]) -> Component:
    loading = html.Span("Loading", className="visually-hidden")
    return static(html.Div([loading, *_shapes(shape)], className="oc-loading"))


def _shapes(shape: Skeleton | Sequence[Component]) -> Sequence[Component]:
    if shape == "bars":
        heights = (38, 62, 51, 74, 45, 83, 58, 69, 40, 77, 55, 66)
        bars = [html.I(className="oc-sk", style={"height": f"{height}%"}) for height in heights]
        return [html.Div(bars, className="oc-sk-bars")]
    if not isinstance(shape, str):
        return shape
    count = 7 if shape == "table" else 5
    rows = [html.I(className="oc-sk", style={"width": f"{width}%"}) for width in (96, 88, 92, 70, 84, 78, 90)[:count]]
    return [html.Div(rows, className="oc-sk-rows")]


def say(
    kind: str, icon_name: str, title: str, *paragraphs: Any, meta: str | None = None, actions: Any = None
) -> html.Div:
    """A message block in a panel's body: icon, title, sentences, a muted line, buttons."""
    parts: list[Any] = [html.Div([icon(icon_name), title], className="t")]
    parts += [html.P(paragraph) for paragraph in paragraphs]
    if meta:
        parts.append(html.P(meta, className="m"))
    if actions:
        parts.append(html.Div(actions, className="a"))
    return html.Div(parts, className=f"oc-say {kind}".strip(), role="alert" if kind == "failed" else None)


def show(
    result: Result[T],
    view: Callable[[T], Any],
    *,
    foot: Callable[[T], Any] | None = None,
    sub: Callable[[T], Any] | None = None,
    extra: Callable[[T], dict[str, str]] | None = None,
    more: Any = None,
) -> Look:
    """Give a result its look.

    Args:
        result: What the source answered.
        view: Draws the value of a Ready.
        foot: Says how whole the value is.
        sub: Replaces the words beside the title; without a value they are taken away.
        extra: More rows of the info popover, from the value.
        more: Links in the info popover.
    """
    if isinstance(result, Ready):
        info = static(provenance(result.provenance, extra=extra(result.value) if extra else None, more=more))
        body = view(result.value)
        look: LookName = "ready"
        mark = None
        if result.stale is not None:
            look, mark = "stale", stale_badge(result.provenance.fetched_at)
            body = html.Div([body, _stale_note(result.stale)], className="oc-stale-body d-flex flex-column flex-grow-1")
        return Look(
            look,
            body,
            badge=mark,
            info=info,
            sub=sub(result.value) if sub else None,
            foot=_foot(result.provenance, foot(result.value) if foot else None),
        )
    told = _without(result)
    # Words that are made of the value, such as "all 12,050 requests", must not outlive it.
    return told if sub is None else replace(told, sub="")


def _foot(told: Provenance, words: Any) -> Any:
    """The words under a panel, after what a reader must know before believing its figures."""
    if not told.caveats:
        return words
    before = " ".join(told.caveats)
    return before if words is None else f"{before} {words}" if isinstance(words, str) else [before, " ", words]


def _without(result: Empty | NotConfigured | Failed) -> Look:
    """The look of a result that has no value."""
    if isinstance(result, Empty):
        body = say("", "empty", result.title, result.detail)
        return Look("empty", body, info=static(provenance(result.provenance)), foot=_foot(result.provenance, None))
    if isinstance(result, NotConfigured):
        return not_configured(result)
    return failed(result)


def failed(result: Failed) -> Look:
    """The failed look: what failed, why, when, and Retry."""
    problem = result.problem
    body = say(
        "failed",
        "failed",
        problem.title,
        problem.detail,
        meta=problem_meta(problem),
        actions=[] if problem.kind is Kind.BAD_QUERY else [retry_button()],  # asked again it is as wrong
    )
    info = static(provenance(result.provenance)) if result.provenance else f"{problem.title}. {problem.detail}"
    return Look("failed", body, info=info)


def not_configured(result: NotConfigured) -> Look:
    """The not-configured look: what is missing and which settings bring it."""
    words: list[Any] = ["Set "]
    for position, name in enumerate(result.settings):
        if position:
            words.append(" and " if position == len(result.settings) - 1 else ", ")
        words.append(setting(name))
    words.append(", then restart.")
    return Look(
        "unset",
        say("", "unset", result.title, result.detail, words),
        info=f"Nothing was asked: {', '.join(result.settings)} is not set.",
    )


def retry_button() -> html.Button:
    """Asks the source of the panel that it stands in again; `shell.js` finds the panel."""
    return html.Button(
        [icon("retry", small=True), "Retry"],
        className="btn btn-sm btn-secondary",
        type="button",
        **{"data-retry": ""},
    )


def stale_badge(fetched_at: datetime) -> html.Span:
    """Says how old the last good answer is."""
    seconds = (utc_now() - fetched_at).total_seconds()
    # It grows older while it is looked at: shell.js counts on.
    words = f"Stale: {formats.age(seconds)} old"
    return badge(words, "warn", icon_name="stale", **{"data-stale-s": str(max(int(seconds), 0))})


def _stale_note(problem: Problem) -> html.Div:
    return html.Div(
        [
            html.Span(f"{problem.title}. {problem.detail} This is the last good answer."),
            retry_button(),
        ],
        className="oc-note mt-2",
    )
