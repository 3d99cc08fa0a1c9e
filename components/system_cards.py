"""The parts of the system page: figures, interfaces, the live badge, and what a panel tells about itself.

Places without children are filled by the browser, every two seconds, from one answer.
"""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from components.parts import icon, info_button, info_popover, waiting
from data_sources.result import Provenance
from data_sources.system.types import HostFacts

# id, name, what it is
FIGURES = (
    (
        "system-received",
        "Received",
        "Bytes per second that came in over the chosen interface, averaged over the last measured step. "
        "1 MB = 1,000,000 B. The kernel counts Ethernet frames, headers included.",
    ),
    (
        "system-sent",
        "Sent",
        "Bytes per second that went out over the chosen interface, averaged over the last measured step.",
    ),
    (
        "system-cpu-now",
        "CPU",
        "Busy share of all cores over the last measured step. Waiting for a disk counts as idle.",
    ),
    (
        "system-memory-now",
        "Memory",
        "Total less what a program can still get without swapping. In a container with a limit of its own, "
        "what is used against that limit, without file cache that can be dropped.",
    ),
    (
        "system-disk-now",
        "Disk",
        "Space in use on the root file system, and what the console may still write. Asked every 10 s.",
    ),
    (
        "system-load",
        "Load",
        "Tasks that run or wait to run, averaged over 1 minute; beside it over 5 and 15. As the kernel computes it.",
    ),
)


def figures() -> html.Div:
    """The strip of figures, each with its value, its note and a sparkline."""
    return html.Div([_figure(*figure) for figure in FIGURES], className="oc-figures")


def _figure(figure_id: str, name: str, what: str) -> html.Div:
    return html.Div(
        [
            html.Div(
                [
                    name,
                    info_button(f"{figure_id}-info", name),
                    info_popover(f"{figure_id}-info", name, html.P(what, className="oc-p")),
                ],
                className="oc-figure-label",
            ),
            html.Div(id=f"{figure_id}-value", className="oc-figure-value"),
            html.Div(id=f"{figure_id}-note", className="oc-figure-note"),
            html.Div(id=f"{figure_id}-spark", className="oc-spark"),
        ],
        className="oc-figure",
        id=figure_id,
    )


def waiting_figures() -> html.Div:
    """The strip before its figures come, as high as with them."""
    cell = [
        html.Div(waiting("50%", 12), className="oc-figure-label"),
        html.Div(waiting("70%", 24), className="oc-figure-value"),
        html.Div(className="oc-figure-note"),
        html.Div(className="oc-spark"),
    ]
    return html.Div([html.Div(cell, className="oc-figure") for _ in FIGURES], className="oc-figures")


def live_badge() -> html.Span:
    """Says whether the page is live; announced when it changes, unlike the figures."""
    return html.Span(id="system-live", role="status")


def pause_button() -> html.Button:
    """Stops and continues the asking."""
    return html.Button(
        [icon("pause", small=True), html.Span("Pause")],
        id="system-pause",
        className="btn btn-secondary",
        type="button",
        **{"aria-pressed": "false"},
    )


def interfaces() -> html.Div:
    """The table of interfaces and, under it, the gaps of the window in words; both filled by the browser."""
    head = html.Thead(
        html.Tr(
            [
                html.Th("Interface", scope="col"),
                html.Th("Received", scope="col", className="oc-num"),
                html.Th("Sent", scope="col", className="oc-num"),
            ]
        )
    )
    table = html.Table([head, html.Tbody(id="system-interfaces-rows")], className="oc-table sys-interfaces")
    return html.Div(
        [
            html.Div(
                table, className="oc-tablewrap", tabIndex=0, role="region", **{"aria-label": "Table of interfaces"}
            ),
            html.Div(
                [html.H3("Gaps in this window", className="oc-side-h"), html.Ul(id="system-gaps", className="mb-0")],
                className="sys-gaps",
                tabIndex=0,  # it scrolls: the keyboard must reach it
                role="region",
                **{"aria-label": "Gaps in this window"},
            ),
        ]
    )


def mounts() -> html.Ul:
    """The file systems, filled by the browser."""
    return html.Ul(id="system-mounts", className="sys-mounts mb-0")


def about(told: Provenance, facts: HostFacts, what: str) -> Component:
    """What a live panel says about itself: source, whose machine, step; the newest sample's time is kept up to date.

    Args:
        told: Where the figures come from.
        facts: About the machine.
        what: What the panel shows and how it is computed.
    """
    scope = {"host": "This host", "container": "This container", "unknown": "This system"}[facts.scope]
    rows: list[Component] = []
    for label, text in (
        ("Source", told.source),
        ("Of", f"{scope}. {facts.scope_rule}."),
        ("How", what),
    ):
        rows += [html.Dt(label), html.Dd(text)]
    rows += [
        html.Dt("Data as of"),
        html.Dd("—", className="sys-as-of"),
        html.Dt("Step"),
        html.Dd("—", className="sys-step"),
    ]
    return html.Dl(rows, className="oc-prov mb-0")
