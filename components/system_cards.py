"""The parts of the system page: figures, interfaces, the live badge, and what a panel tells about itself.

Places without children are filled by the browser, every two seconds, from one answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from components.panel import say
from components.parts import icon, info_button, info_popover, waiting
from components.static import static
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
    return static(html.Div([_figure(*figure) for figure in FIGURES], className="oc-figures"))


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
            html.Div(id=f"{figure_id}-span", className="sys-span"),
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
        html.Div(className="sys-span"),
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


def export_button() -> html.Button:
    """Writes the window that is shown to a CSV file."""
    return html.Button(
        [icon("download", small=True), html.Span("Export CSV")],
        id="system-export",
        className="btn btn-secondary",
        type="button",
        title="The window that is shown, as CSV",
    )


def unzoom_button() -> html.Button:
    """Goes back to the whole window; hidden unless something is zoomed into."""
    return html.Button(
        [icon("close", small=True), "Whole window"],
        id="system-unzoom",
        className="btn btn-secondary",
        type="button",
        hidden=True,
    )


def host_chip(host: str) -> html.Div:
    """Says that another host is shown, and leads back to this machine."""
    return html.Div(
        [html.Span(["Host ", html.B(host)]), html.A("Show this machine", href="?")], className="sys-host", title=host
    )


def interface_table() -> html.Div:
    """Every interface with its kind, rates, errors and drops; filled by the browser. A name chooses the interface."""
    heads = (
        ("Interface", False),
        ("Kind", False),
        ("In the total", False),
        ("Received", True),
        ("Sent", True),
        ("Errors", True),
        ("Drops", True),
    )
    return static(
        html.Div(
            [
                _table("system-network-rows", "Table of all interfaces", heads, "oc-table sys-table"),
                html.P(id="system-network-rule", className="oc-note sys-rule"),
            ],
            **{"data-live": ""},
        )
    )


def processes() -> html.Div:
    """The list of processes, asked for and filled by the browser while somebody looks."""
    heads = (
        ("Program", False),
        ("PID", True),
        ("User", False),
        ("CPU", True),
        ("Memory", True),
        ("Threads", True),
        ("State", False),
    )
    table = _table("system-processes-rows", "Table of processes", heads, "oc-table sys-table")
    table.hidden = True  # until there are rows: heads over nothing would say that nothing runs
    return html.Div(
        [
            html.Div(id="system-processes-note", className="oc-note", role="status"),
            table,
            html.P(id="system-processes-shown", className="oc-note sys-rule"),
        ]
    )


def not_yours() -> html.Div:
    """What stands in place of the processes for whoever is no admin."""
    return say(
        "",
        "user",
        "Processes are for admins",
        "Which programs run, and who runs them, can tell secrets of the machine. Ask an admin.",
    )


def _table(rows_id: str, name: str, heads: Sequence[tuple[str, bool]], kind: str) -> html.Div:
    cells = [html.Th(text, scope="col", className="oc-num" if figure else None) for text, figure in heads]
    table = html.Table([html.Thead(html.Tr(cells)), html.Tbody(id=rows_id)], className=kind)
    return html.Div(table, className="oc-tablewrap", tabIndex=0, role="region", **{"aria-label": name})


def interfaces() -> html.Div:
    """The table of interfaces and, under it, the gaps of the window in words; both filled by the browser."""
    heads = (("Interface", False), ("Received", True), ("Sent", True))
    return static(
        html.Div(
            [
                _table("system-interfaces-rows", "Table of interfaces", heads, "oc-table sys-interfaces"),
                html.Div(
                    [
                        html.H3("Gaps in this window", className="oc-side-h"),
                        html.Ul(id="system-gaps", className="mb-0"),
                    ],
                    className="sys-gaps",
                    tabIndex=0,  # it scrolls: the keyboard must reach it
                    role="region",
                    **{"aria-label": "Gaps in this window"},
                ),
            ],
            **{"data-live": ""},
        )
    )


def mounts(list_id: str) -> html.Ul:
    """The file systems, filled by the browser."""
    return html.Ul(id=list_id, className="sys-mounts mb-0", **{"data-live": ""})


def about(told: Provenance, facts: HostFacts, what: str) -> Component:
    """What a live panel says about itself: source, whose machine, step. The newest sample's time and notes are kept up.

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
    # What the source says of its answers may come, and go, while the page is open.
    return static(html.Div([html.Dl(rows, className="oc-prov mb-0"), html.P(className="oc-note sys-notes")]))
