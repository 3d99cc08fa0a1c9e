"""Why figures are missing, as spans of time: kept beside the slots, which only say how much is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from .windows import GapSpan

EVERYTHING = "*"
LOST = "lost"  # of everything too, but only of what is read from the file
_EACH_TICK = {"network", "cpu", "memory", "disk_io"}
ENDED = "ended"  # no gap: a run of the console that ended by itself, with everything saved
_MAX_UNSAVED = 5_000


class GapLog:
    """Draws the reasons of one tick after another together."""

    def __init__(self) -> None:
        self._open: dict[str, GapSpan] = {}
        self._unsaved: dict[tuple[str, float], GapSpan] = {}

    def note(self, start_s: float, end_s: float, reasons: Mapping[str, str]) -> None:
        """Take in one step.

        Args:
            start_s: Where it began, seconds since the epoch.
            end_s: Where it ended.
            reasons: Why figures are missing over it, by group of series.
        """
        for what, reason in reasons.items():
            span = self._open.get(what)
            if span is None or span.reason != reason or abs(span.end_s - start_s) > 1e-3:
                span = GapSpan(start_s, end_s, reason, what)
            else:
                span = replace(span, end_s=end_s)
            self._open[what] = self._unsaved[what, span.start_s] = span
        while len(self._unsaved) > _MAX_UNSAVED:
            del self._unsaved[next(iter(self._unsaved))]

    def unsaved(self) -> dict[tuple[str, float], GapSpan]:
        """What is new or longer since it was saved."""
        return dict(self._unsaved)

    def saved(self, spans: Mapping[tuple[str, float], GapSpan]) -> None:
        """Forget what has been saved, unless it has grown meanwhile."""
        self._unsaved = {key: span for key, span in self._unsaved.items() if spans.get(key) != span}

    def spans(self) -> dict[tuple[str, float], GapSpan]:
        """Everything that a file may not have yet."""
        return {**{(span.of or EVERYTHING, span.start_s): span for span in self._open.values()}, **self._unsaved}


def merge_spans(spans: Iterable[GapSpan], start_s: float, end_s: float) -> tuple[GapSpan, ...]:
    """Those within a window, in the order of time.

    The same span of all that is read with each tick becomes one of everything; of some groups it stays theirs, since
    the others may be known. Spans of one reason that touch become one.
    """
    by_place: dict[tuple[float, float, str], set[str | None]] = {}
    for span in spans:
        cut = replace(span, start_s=max(span.start_s, start_s), end_s=min(span.end_s, end_s))
        if cut.end_s <= cut.start_s:
            continue
        by_place.setdefault((cut.start_s, cut.end_s, cut.reason), set()).add(cut.of)
    placed = [
        GapSpan(*place, of)
        for place, groups in by_place.items()
        for of in ([None] if None in groups or groups >= _EACH_TICK else sorted(map(str, groups)))
    ]
    merged: list[GapSpan] = []
    last: dict[tuple[str | None, str], int] = {}
    for span in sorted(placed, key=lambda span: (span.start_s, span.end_s, span.reason, span.of or "")):
        place = last.get((span.of, span.reason))
        if place is not None and span.start_s <= merged[place].end_s:
            merged[place] = replace(merged[place], end_s=max(merged[place].end_s, span.end_s))
        else:
            last[span.of, span.reason] = len(merged)
            merged.append(span)
    return tuple(merged)
