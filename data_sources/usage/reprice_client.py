"""`ops-center reprice`: asks a running console to price stored usage anew, slice by slice. Prints nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from data_sources.http import session
from data_sources.result import Problem
from data_sources.usage.console_client import Console, StoppedError
from data_sources.usage.reprice import Line

WHAT = "The usage was not priced anew"


@dataclass(slots=True)
class RepriceReport:
    """What a run found and did, up to where it came.

    Attributes:
        lines: By provider and model.
        price_versions: The prices of now.
        kept_from: From when on single calls are kept, where that is later than what was asked; what is older keeps
            the cost it has.
        problem: Why it ended early; None when all was looked at.
        note: What must be known about it.
    """

    lines: dict[tuple[str | None, str | None], Line] = field(default_factory=dict)
    price_versions: tuple[str, ...] = ()
    kept_from: str | None = None
    problem: Problem | None = None
    note: str | None = None

    @property
    def attempts(self) -> int:
        """How many attempts were looked at."""
        return sum(line.attempts for line in self.lines.values())

    @property
    def changed(self) -> int:
        """How many of them change."""
        return sum(line.changed for line in self.lines.values())


def run_reprice(
    url: str,
    key: Callable[[], str],
    *,
    start: datetime,
    end: datetime,
    provider: str | None,
    model: str | None,
    override: bool,
    apply: bool,
    told: Callable[[RepriceReport], None],
    limit: int | None = None,
    report: RepriceReport | None = None,
) -> RepriceReport:
    """Price a window anew, or tell what that would change.

    Args:
        url: The console's address.
        key: Makes an administrator's bearer key.
        start: First instant, aware.
        end: First instant after.
        provider: Only this provider, as senders name it.
        model: Only this model.
        override: Let prices replace what senders reported.
        apply: Whether to do it.
        told: Called after each slice.
        limit: Attempts a slice; None leaves it to the console.
        report: Is filled as it goes, for who stops it; one is made where none is given.
    """
    body: dict[str, object] = {"from": start.isoformat(), "to": end.isoformat(), "provider": provider, "model": model}
    body |= {"override": override, "apply": apply, "after": None, "run": None}
    if limit is not None:
        body["limit"] = limit
    report = report or RepriceReport()
    try:
        with session() as made:
            console = Console(made, url, key)
            while True:
                answer = console.ask("reprice", WHAT, method="POST", body=body)
                _add(report, answer["lines"])
                report.price_versions = tuple(answer["price_versions"])
                report.kept_from, report.note = answer.get("kept_from"), console.note
                told(report)
                if answer["after"] is None:
                    return report
                body |= {"after": answer["after"], "run": answer["run"]}
    except StoppedError as error:
        report.problem = error.problem
        return report


def _add(report: RepriceReport, lines: list[dict[str, object]]) -> None:
    for told in lines:
        named = (_text(told["provider"]), _text(told["model"]))
        line = report.lines.setdefault(named, Line(*named))
        for name in ("attempts", "changed", "priced_before", "priced_after"):
            setattr(line, name, getattr(line, name) + int(str(told[name])))
        for name in ("cost_before", "cost_after"):
            setattr(line, name, getattr(line, name) + Decimal(str(told[name] or 0)))


def _text(value: object) -> str | None:
    return None if value is None else str(value)
