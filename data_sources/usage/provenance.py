"""Says of every figure where it comes from, in the words of the information popover."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from data_sources.result import Provenance
from data_sources.usage.costs import CostBasis, words
from data_sources.usage.figures import NOT_LISTENING, minutes
from data_sources.usage.types import Coverage, Totals, Window
from data_sources.usage.words import counted


class Asked(Protocol):
    """What `ask.Ask` knows of a question."""

    window: Window
    now: datetime
    statements: list[tuple[str, dict[str, int | str]]]


def moment(at: datetime, tz: str) -> str:
    """A time in a zone: "22 Nov 2026 14:02"."""
    local = at.astimezone(ZoneInfo(tz))
    return f"{local.day} {local:%b %Y %H:%M}"


def window_words(window: Window) -> str:
    """A window in words with its zone: "22 Nov 2026 00:00 to 14:02, Europe/Berlin", and whether it is only assumed."""
    zone = ZoneInfo(window.tz)
    start, end = moment(window.start, window.tz), moment(window.end, window.tz)
    if window.start.astimezone(zone).date() == window.end.astimezone(zone).date():
        end = f"{window.end.astimezone(zone):%H:%M}"
    return f"{start} to {end}, {window.tz}{'' if window.confirmed else ' (asked for, not confirmed)'}"


def provenance(
    ask: Asked,
    newest: datetime | None,
    coverage: Coverage,
    sums: Totals | None,
    basis: CostBasis | None = None,
    *,
    calls: int | None = None,
) -> Provenance:
    """The provenance of an answer.

    Args:
        ask: The question.
        newest: The newest attempt included, UTC.
        coverage: Of the window.
        sums: What was summed, None for lists.
        basis: Whose its costs are.
        calls: How many calls a list is of, whether or not they are still kept.

    Returns:
        Source, statements, window, rows and notes.
    """
    return Provenance(
        source="Usage store",
        query="\n\n".join(_statement(text, values) for text, values in ask.statements),
        as_of=newest,
        fetched_at=ask.now,
        window=window_words(ask.window),
        rows=None if sums is None else sums.attempts,
        notes=notes(ask.window, coverage, sums, basis, came=newest is not None or bool(calls)),
    )


def _statement(text: str, values: dict[str, int | str]) -> str:
    bound = ", ".join(f"${name} = {value!r}" for name, value in values.items())
    return f"{text}\n-- {bound}"


def notes(
    window: Window,
    coverage: Coverage | None,
    sums: Totals | None,
    basis: CostBasis | None = None,
    *,
    came: bool = False,
) -> tuple[str, ...]:
    """What a reader must know about an answer: how much of it is priced, and what was not collected.

    Args:
        window: Of the answer.
        coverage: Of the window, None where the source does not say.
        sums: What was summed, None for lists.
        basis: Whose its costs are, None where the source does not say.
        came: Whether any event of the window is known, where `sums` does not tell.
    """
    came = came or bool(sums is not None and sums.attempts)
    return (*_pricing(sums), *(words(basis) if basis else ()), *_missing(window, coverage, came=came))


def damage_words(findings: Iterable[str]) -> tuple[str, ...]:
    """What starts of the console found missing in the store, as notes.

    Args:
        findings: As of `integrity.damage`.
    """
    return tuple(
        f"An earlier start found damage: {finding}. Figures of that time may be wrong until its events are sent again."
        for finding in findings
    )


def _pricing(sums: Totals | None) -> Iterator[str]:
    if sums is None or not sums.attempts:
        return
    if sums.priced_calls is not None and sums.calls is not None:
        yield f"{sums.priced_calls:,} of {sums.calls:,} calls priced"
    if sums.unpriced_calls:
        yield f"{counted(sums.unpriced_calls, 'call')} unpriced: usage known, no price known"
    if sums.unmetered_calls:
        yield f"{counted(sums.unmetered_calls, 'call')} unmetered: no usage reported"


def _missing(window: Window, coverage: Coverage | None, *, came: bool) -> Iterator[str]:
    if coverage is None:
        yield "It is not known for how much of the window usage was collected."
    elif not coverage.collected_s:
        late = "We were not listening in this window; its figures are of events that came later."
        yield late if came else NOT_LISTENING
    elif coverage.gaps:
        missing = minutes(coverage.window_s - coverage.collected_s)
        first = moment(coverage.gaps[0][0], window.tz)
        yield f"Collection did not run for {missing} of the window, first at {first}."
