"""Calls, newest first, each with its attempts where there was more than one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from dash import html

from components import formats
from components.chart import swatch
from components.parts import badge
from components.static import Node, static, tags
from data_sources.usage.types import AttemptRow, RequestPage, RequestRow

CURRENCY = "USD"
_MOST_LETTERS = 24  # of what went wrong, in a badge; its title has all


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its words, how a call fills it, whether a call has it at all, and whether figures stand right."""

    title: str
    cell: Callable[[RequestRow], Any]
    known: Callable[[RequestRow], bool]
    figure: bool = False
    always: bool = False

    @property
    def css(self) -> str | None:
        """Its class: figures stand right, and the source is left out first where there is no room."""
        return "oc-num" if self.figure else "oc-roomy" if self is _SOURCE else None


def _dash(reason: str) -> Node:
    return tags.Span(
        [tags.Span("—", **{"aria-hidden": "true"}), tags.Span(f"not known: {reason}", className="visually-hidden")],
        className="dim",
        title=reason,
    )


def _text(value: str | None) -> Any:
    return _dash("not set") if value is None else tags.Span(value, title=value, className="oc-cut")


def _count(value: int | None) -> Any:
    return _dash("not reported") if value is None else formats.number(value)


def moment(at: datetime, zone: ZoneInfo, newest: datetime) -> str:
    """A call's time: the clock, and the day where it is not the window's last."""
    local = at.astimezone(zone)
    clock = formats.clock(at, zone, milliseconds=True)
    return clock if local.date() == newest.astimezone(zone).date() else f"{local.day} {local:%b} {clock}"


def _model(row: RequestRow, hues: Mapping[str, int]) -> Any:
    model = row.decided_by.model
    if model is None:
        return _dash("no model named")
    return tags.Span([swatch(hues.get(model)), tags.Span(model, title=model, className="oc-cut")], className="oc-model")


def _cost(row: RequestRow) -> Any:
    if row.cost is None:
        if row.unpriced_attempts:
            return tags.Span([swatch(None, hatched=True), " unpriced"], className="dim")
        return _dash("no usage was reported")
    words = formats.money(row.cost, CURRENCY)
    return [swatch(None, hatched=True), f" at least {words}"] if row.unpriced_attempts else words


def _status(row: RequestRow) -> Any:
    marks: list[Any] = [status(row.decided_by)]
    if len(row.attempts) > 1:
        marks.append(tags.Span(f"{len(row.attempts)} attempts", className="dim ms-2"))
    return marks


def status(row: AttemptRow) -> Any:
    """How an attempt ended; only trouble gets a badge."""
    if row.status == "success":
        return tags.Span("ok", className="dim")
    if row.status == "unknown":
        return _dash("the source does not say")
    words = " ".join(str(part) for part in (row.http_status, row.error_type) if part is not None)
    short = str(row.http_status) if row.http_status is not None else row.error_type or "failed"
    short = short if len(short) <= _MOST_LETTERS else f"{short[: _MOST_LETTERS - 1]}…"
    return tags.Span(badge(short, "danger", icon_name="failed"), title=words or "The source gives no reason")


_SOURCE = Column("Source", lambda row: _text(row.decided_by.source), lambda _: True)
_PEOPLE = (
    Column("User", lambda row: _text(row.decided_by.user_id), lambda row: row.decided_by.user_id is not None),
    Column("Team", lambda row: _text(row.decided_by.team_id), lambda row: row.decided_by.team_id is not None),
)


def columns(tz: str, newest: datetime, hues: Mapping[str, int], *, people: bool = False) -> list[Column]:
    """The columns in their order: time first, money last; with `people` users and teams in place of the source."""
    zone = ZoneInfo(tz)
    return [
        Column(f"Time, {tz}", lambda row: moment(row.decided_by.started_at, zone, newest), lambda _: True, always=True),
        Column("Model", lambda row: _model(row, hues), lambda row: row.decided_by.model is not None),
        Column("Provider", lambda row: _text(row.decided_by.provider), lambda row: row.decided_by.provider is not None),
        Column(
            "Power level",
            lambda row: _text(row.decided_by.power_level),
            lambda row: row.decided_by.power_level is not None,
        ),
        *(_PEOPLE if people else ()),
        Column("Status", _status, lambda row: row.decided_by.status != "unknown"),
        *(() if people else (_SOURCE,)),
        Column("Input tokens", lambda row: _count(row.tokens.input), lambda row: row.tokens.input is not None, True),
        Column("Output tokens", lambda row: _count(row.tokens.output), lambda row: row.tokens.output is not None, True),
        Column(
            "Latency",
            lambda row: (
                _dash("no duration was reported") if row.latency_ms is None else formats.duration_ms(row.latency_ms)
            ),
            lambda row: row.latency_ms is not None,
            True,
        ),
        Column("Cost", _cost, lambda row: row.cost is not None or bool(row.unpriced_attempts), True),
    ]


def left_out(page: RequestPage, *, people: bool = False) -> list[str]:
    """The columns that no call of the page fills."""
    newest = page.window.end
    return [
        column.title.lower()
        for column in columns(page.window.tz, newest, {}, people=people)
        if not column.always and not any(column.known(row) for row in page.requests)
    ]


def requests_table(
    page: RequestPage,
    *,
    link: Callable[[RequestRow], str],
    label: str = "Table of recent requests",
    people: bool = False,
) -> html.Div:
    """The table, in a region that scrolls sideways and takes the focus.

    Args:
        page: The calls, one at least.
        link: The address of all facts of a call; the browser opens them in a drawer.
        label: Names the region.
        people: With users and teams in place of the source.
    """
    newest = page.window.end
    drop = set(left_out(page, people=people))
    listed = columns(page.window.tz, newest, page.hues, people=people)
    shown = [column for column in listed if column.title.lower() not in drop]
    body: list[Node] = []
    for row in page.requests:
        time, *others = [tags.Td(c.cell(row), className=c.css) for c in shown]
        opener = tags.A(time.children, href=link(row), className="oc-call", title="All facts of this call")
        body.append(tags.Tr([tags.Td(opener), *others], **{"data-call-row": ""}))
        if len(row.attempts) > 1:
            body += _attempts(row, page.window.tz, newest, len(shown))
    head = tags.Tr([tags.Th(c.title, scope="col", className=c.css) for c in shown])
    table = tags.Table([tags.Thead(head), tags.Tbody(body)], className="oc-table")
    named = {"aria-label": label}
    return static(tags.Div(table, className="oc-tablewrap oc-calls", tabIndex=0, role="region", **named))


def _attempts(row: RequestRow, tz: str, newest: datetime, width: int) -> Sequence[Node]:
    """One quiet line for each attempt of a call that took several."""
    lines = []
    for number, tried in enumerate(row.attempts, 1):
        facts = [
            f"attempt {number} of {len(row.attempts)}",
            tried.provider or "provider not set",
            tried.model or "model not set",
            "cost not known" if tried.cost is None else formats.money(tried.cost, CURRENCY),
            "duration not known" if tried.duration_ms is None else formats.duration_ms(tried.duration_ms),
        ]
        cells = [
            tags.Td(moment(tried.started_at, ZoneInfo(tz), newest), className="dim oc-subtime"),
            tags.Td([" · ".join(facts), " · ", status(tried)], className="dim", colSpan=width - 1),
        ]
        lines.append(tags.Tr(cells, className="oc-subrow"))
    return lines
