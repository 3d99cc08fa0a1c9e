"""The strip of figures: one query, one panel, split by hairlines. Every figure has its change or why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dash import html

from components.parts import info_button, info_popover, unknown, waiting
from components.static import Node, static, tags


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a strip.

    Attributes:
        figure_id: Prefix of its popover's id.
        label: What it is, two or three words.
        values: (figure, unit, small label before it), several for percentiles; empty where it is not known.
        reason: Why it is not known.
        change: The change in words, "↓ 8.0%"; empty where there is none.
        base: What it is compared with, "from 14,484", or why with nothing.
        notes: One line under it: what it is made of.
        partly: Whether the figure is "at least", because a part is not known.
        info: What the popover says.
        wide: Takes two columns.
    """

    figure_id: str
    label: str
    values: Sequence[tuple[str, str, str]] = ()
    reason: str = ""
    change: str = ""
    base: str = ""
    notes: str = ""
    partly: bool = False
    info: Any = field(default=None)
    wide: bool = False


def strip(figures: Sequence[Figure]) -> html.Div:
    """The figures in their cells, four in a row."""
    return static(tags.Div([_cell(figure) for figure in figures], className="oc-figures oc-figures-4"))


def waiting_strip(wide: Sequence[bool]) -> html.Div:
    """The strip before its figures come, as high as with them.

    Args:
        wide: For each figure whether it takes two columns.
    """
    cells = [
        html.Div(
            [
                html.Div(waiting("50%", 12), className="oc-figure-label"),
                html.Div(waiting("70%", 24), className="oc-figure-value"),
                html.Div(className="oc-figure-lines"),
            ],
            className="oc-figure oc-figure-wide" if each else "oc-figure",
        )
        for each in wide
    ]
    return html.Div(cells, className="oc-figures oc-figures-4")


def _cell(figure: Figure) -> Node:
    label = tags.Div(
        [
            tags.Span(figure.label),
            info_button(f"{figure.figure_id}-info", figure.label),
            info_popover(f"{figure.figure_id}-info", figure.label, figure.info),
        ],
        className="oc-figure-label",
    )
    value: list[Any] = [_value(*each) for each in figure.values]
    if not value:
        value = [unknown(figure.reason)]
    lines: list[Any] = []
    if not figure.values and figure.reason:
        lines.append(tags.Span(figure.reason.removesuffix("."), **{"aria-hidden": "true"}))
    elif figure.change or figure.base:
        delta = [tags.Span(figure.change, className="oc-delta"), " "] if figure.change else []
        lines.append(tags.Span([*delta, figure.base]))
    if figure.notes:
        mark = [tags.Span(className="oc-sw hatch", **{"aria-hidden": "true"}), " "] if figure.partly else []
        lines.append(tags.Span([*mark, figure.notes]))
    return tags.Div(
        [
            label,
            tags.Div(value, className="oc-figure-value", id=f"{figure.figure_id}-value"),
            tags.Div(lines, className="oc-figure-lines"),
        ],
        className="oc-figure oc-figure-wide" if figure.wide else "oc-figure",
    )


def _value(text: str, unit: str, small: str) -> Node:
    before = [tags.Span(small, className="oc-figure-small")] if small else []
    after = [tags.Span(unit, className="oc-unit")] if unit else []
    return tags.Span([*before, text, *after], className="oc-figure-part")
