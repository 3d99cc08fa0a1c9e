"""`ops-center verify`: asks a running console to count everything anew, part by part. Prints nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from data_sources.http import session
from data_sources.result import Problem
from data_sources.usage.console_client import Console, StoppedError

_WHAT = "The store was not checked"


@dataclass(slots=True)
class VerifyReport:
    """What the check found, so far or at the end.

    Attributes:
        attempts: Checked so far.
        slots: Quarter-hours checked that have any.
        first: The first difference in words, None when there is none.
        differences: How many there are.
        damage: What earlier starts of the console found missing.
        notes: What could not be checked, and why.
        problem: Why the check ended early.
    """

    attempts: int = 0
    slots: int = 0
    first: str | None = None
    differences: int = 0
    damage: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problem: Problem | None = None


def run_verify(url: str, key: Callable[[], str], on_progress: Callable[[int, int], None]) -> VerifyReport:
    """Check a running console's store.

    Args:
        url: Its address.
        key: Makes an administrator's bearer key.
        on_progress: Told after each part: attempts checked, attempts there are.

    Returns:
        The report; `problem` is set when the check ended early.
    """
    report = VerifyReport()
    try:
        with session() as made:
            _check(Console(made, url, key), report, on_progress)
    except StoppedError as error:
        report.problem = error.problem
    return report


def _check(console: Console, report: VerifyReport, on_progress: Callable[[int, int], None]) -> None:
    whole = console.ask("verify", _WHAT)
    report.damage, report.notes = tuple(whole["damage"]), tuple(whole["notes"])
    report.notes += (console.note,) if console.note else ()
    _note(report, whole["differences"], 0)
    slot = whole["first_slot"]
    while slot is not None and slot < whole["end_slot"]:
        part = console.ask("verify/part", _WHAT, params={"from": slot})
        report.attempts += part["attempts"]
        report.slots += part["slots"]
        _note(report, part["differences"], part["more"])
        on_progress(report.attempts, whole["attempts"])
        slot = part["next_slot"]


def _note(report: VerifyReport, found: list[dict[str, Any]], more: int) -> None:
    report.differences += len(found) + more
    if report.first is None and found:
        report.first = difference_words(found[0])


def difference_words(found: dict[str, Any]) -> str:
    """A difference in words: where, of what, which measure, and both values."""
    where = [found["what"]]
    if found["slot"] is not None:
        where.append(f"{datetime.fromtimestamp(found['slot'] * 900, UTC):%Y-%m-%d %H:%M} UTC")
    where += [f"{name} {'not set' if value is None else value}" for name, value in found["key"].items()]
    kept, counted = ("nothing" if value is None else value for value in (found["kept"], found["counted"]))
    return f"{', '.join(where)}: {found['measure']} is {kept}, counted anew it is {counted}"
