"""A list of the values of one dimension: name, figure, share, and a bar scaled to the largest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dash import html
from dash.development.base_component import Component

from components.chart import hollow, swatch
from components.static import Node, static, tags


@dataclass(frozen=True, slots=True)
class Row:
    """One value.

    Attributes:
        name: As it is shown; "not set" and Other included.
        hue: Colour slot, None for what has none.
        value: The figure in words.
        share: The share in words, or why there is none.
        length: Bar length 0 to 1; None draws a hatched bar: not known.
        ink: What has no value ("not attributed", "not set"): measured, and in ink.
        step: Place 0 to 2 of an ordered value (eco, balanced, precision): one hue in three steps.
        keep: (dimension, value) that a click on the name keeps; None for Other.
        reason: Why the figure is not known.
    """

    name: str
    hue: int | None
    value: str
    share: str
    length: float | None
    ink: bool = False
    step: int | None = None
    keep: tuple[str, str] | None = None
    reason: str | None = None


def breakdown(rows: Sequence[Row], *, label: str) -> html.Div:
    """The list, in the order given.

    Args:
        rows: The values.
        label: Names the list for screen readers.
    """
    return static(tags.Ul([_row(row) for row in rows], className="oc-break", **{"aria-label": label}))


def _row(row: Row) -> Node:
    name: Any = tags.Span(row.name, title=row.name)
    if row.keep is not None:
        dimension, value = row.keep
        name = tags.Button(
            row.name,
            type="button",
            className="oc-name",
            title=f"Show only {row.name}",
            **{"data-filter": dimension, "data-value": value},
        )
    return tags.Li(
        [
            tags.Span([_swatch(row), name], className="n"),
            tags.Span(row.value, className="v", title=row.reason),
            tags.Span(row.share, className="s"),
            tags.Span(_bar(row), className="oc-bar", **{"aria-hidden": "true"}),
        ]
    )


def _swatch(row: Row) -> Node | Component:
    if row.step is not None:
        return tags.Span(className="oc-sw", style={"--c": f"var(--oc-q{row.step})"}, **{"aria-hidden": "true"})
    return swatch(row.hue, ink=row.ink)


def _bar(row: Row) -> Node:
    if row.length is None:
        return tags.I(className="hatch", style={"width": "100%"})
    # a measured zero has no bar; anything more is seen
    width = f"{max(row.length * 100, 0.5 if row.length else 0):.2f}%"
    if row.ink:
        return tags.I(className="oc-sw-ink", style={"width": width})
    if row.step is not None:
        return tags.I(style={"width": width, "--c": f"var(--oc-q{row.step})"})
    kinds = [] if row.hue is None else [f"oc-sw-{row.hue % 8}", *(["hollow"] if hollow(row.hue) else [])]
    colour = {} if row.hue is not None else {"--c": "var(--oc-other)"}
    return tags.I(className=" ".join(kinds), style={"width": width, **colour})
