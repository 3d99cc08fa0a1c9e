"""The bar of a window: solid where we listened or an import covers it, hatched where nobody did."""

from __future__ import annotations

from dash import html

from components import formats
from components.parts import badge
from components.static import Node, static, tags
from data_sources.usage.figures import minutes
from data_sources.usage.provenance import damage_words
from data_sources.usage.types import Coverage, Intake, Window
from pages.usage_panels import seconds

MOST_GAPS = 12


def listening(found: Intake) -> html.Div:
    """A bar of the window: solid where we listened or an import covers it, hatched where nobody did."""
    coverage, window = found.coverage, found.window
    mark = badge("Damage", "danger", icon_name="failed")
    lost = [tags.P([mark, " ", words], className="oc-listen-words") for words in damage_words(found.damage or ())]
    if not coverage.window_s:
        return static(tags.Div([*lost, tags.P("The window has not begun.", className="oc-muted")]))
    parts = [
        tags.I(className="hatch" if missing else "", style={"width": f"{share * 100:.3f}%"})
        for share, missing in _spans(coverage, window)
    ]
    words = listening_words(coverage)
    gaps = [
        tags.Li(f"{seconds(low, window.tz)} to {seconds(high, window.tz)}: {minutes((high - low).total_seconds())}")
        for low, high in coverage.gaps[:MOST_GAPS]
    ]
    more = len(coverage.gaps) - MOST_GAPS
    if more > 0:
        gaps.append(tags.Li(f"and {formats.number(more)} more"))
    told: list[Node] = [
        *lost,
        tags.P(words, className="oc-listen-words"),
        tags.Div(parts, className="oc-span", role="img", **{"aria-label": words}),
        tags.Div(
            [tags.Span(seconds(window.start, window.tz)), tags.Span(seconds(window.end, window.tz))],
            className="oc-span-ends",
        ),
    ]
    if gaps:
        told += [tags.H3("Nobody listened"), tags.Ul(gaps)]
    return static(tags.Div(told, className="oc-listened"))


def _spans(coverage: Coverage, window: Window) -> list[tuple[float, bool]]:
    """(share of the window, whether it is a gap) in time order."""
    shares, at = [], 0.0
    for low, high in coverage.gaps:
        start, end = ((one - window.start).total_seconds() for one in (low, high))
        shares += [((start - at) / coverage.window_s, False), ((end - start) / coverage.window_s, True)]
        at = end
    return [part for part in [*shares, ((coverage.window_s - at) / coverage.window_s, False)] if part[0] > 0]


def listening_words(coverage: Coverage) -> str:
    """How much of the window was collected: "Collected 6.9 of 7 days"."""
    if not coverage.collected_s:
        return "Nobody listened in this window, and no import covers it."
    if coverage.complete:
        return f"Collected the whole time, {minutes(coverage.window_s)}."
    return f"Collected {minutes(coverage.collected_s)} of {minutes(coverage.window_s)}."
