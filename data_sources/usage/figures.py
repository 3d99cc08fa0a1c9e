"""Makes figures from exact sums: averages, shares, rates, percentiles and changes, each None with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from data_sources.usage.types import NOT_SENT, Coverage, Figures, Growth, Latency, Sums, Tokens, Totals

MIN_CALLS_FOR_PERCENTILES = 20
_NO_PRICED_CALL = "No call that ended here has a cost of its own."
_SPLIT = "Under this filter the cost of retries belongs to calls that are not counted here."
# true also under a filter, and where events came later
NOT_LISTENING = "We were not listening in this window."
_UNIT = Decimal("0.000000000001")
_TOKEN_WORDS = {
    "input": "input tokens",
    "output": "output tokens",
    "cache_read": "tokens read from cache",
    "cache_write": "tokens written to cache",
    "reasoning": "reasoning tokens",
}
_NONE = Tokens(None, None, None, None, None)
ZERO = Sums(0, 0, 0, 0, 0, 0, 0, 0, 0, None, _NONE, Tokens(0, 0, 0, 0, 0))


def sums_of(row: Sequence[Any]) -> Sums:
    """Read one answer row of `sql.MEASURES`.

    Args:
        row: The measures in that order; all null when there was nothing to sum.

    Returns:
        The sums; cost and token sums are None where no attempt reports them.
    """
    if row[0] is None or row[0] == 0:
        return ZERO  # no attempts: corrections may have left rows that cancel each other
    counts = [int(value) for value in row[:9]]
    known = [int(value) for value in row[15:20]]
    tokens = [int(value) if reported else None for value, reported in zip(row[10:15], known, strict=True)]
    attempts, calls, failed, unknown, priced, unpriced, unmetered, priced_attempts, unpriced_attempts = counts
    return Sums(
        attempts=attempts,
        calls=calls,
        failed_calls=failed,
        unknown_calls=unknown,
        priced_calls=priced,
        unpriced_calls=unpriced,
        unmetered_calls=unmetered,
        priced_attempts=priced_attempts,
        unpriced_attempts=unpriced_attempts,
        cost=row[9] if priced_attempts else None,
        tokens=Tokens(*tokens),
        reports=Tokens(*known),
    )


def _token_tuple(tokens: Tokens) -> tuple[int | None, ...]:
    return (tokens.input, tokens.output, tokens.cache_read, tokens.cache_write, tokens.reasoning)


_COUNT_NAMES = (
    "attempts",
    "calls",
    "failed_calls",
    "unknown_calls",
    "priced_calls",
    "unpriced_calls",
    "unmetered_calls",
    "priced_attempts",
    "unpriced_attempts",
)
_COUNTS = attrgetter(*_COUNT_NAMES)


def _known(values: Iterable[Any]) -> Any:
    """A sum in which None means that there is nothing known to add; None where nothing is known."""
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known else None


def total(parts: Iterable[Sums]) -> Sums:
    """The sums of disjoint sets of attempts."""
    given = list(parts)
    if len(given) < 2:
        return given[0] if given else ZERO
    tokens = [_known(column) for column in zip(*(_token_tuple(part.tokens) for part in given), strict=True)]
    reports = [_known(column) for column in zip(*(_token_tuple(part.reports) for part in given), strict=True)]
    counts: dict[str, int] = dict(
        zip(_COUNT_NAMES, (sum(column) for column in zip(*map(_COUNTS, given), strict=True)), strict=True)
    )
    return Sums(**counts, cost=_known(p.cost for p in given), tokens=Tokens(*tokens), reports=Tokens(*reports))


def add(left: Sums, right: Sums) -> Sums:
    """The sums of two disjoint sets of attempts."""
    return total((left, right))


def percentage(part: int, whole: int) -> float | None:
    """A share in percent, None of nothing."""
    return 100 * part / whole if whole else None


def cost_percentage(part: Decimal | None, whole: Decimal | None) -> float | None:
    """A share of the known cost in percent, None where a side is not known or the whole is 0."""
    return None if part is None or not whole else float(100 * part / whole)


def average_cost(sums: Sums, *, split: bool = False) -> Decimal | None:
    """Known cost of all attempts, failed ones included, by priced call: US dollars, to 12 decimals.

    Args:
        sums: What is divided.
        split: Whether a filter may keep some attempts of a call and leave out others. Where the sums then hold
            attempts that decide no call, cost and calls are of different calls, and there is no average.
    """
    if sums.cost is None or sums.priced_calls <= 0 or (split and sums.attempts != sums.calls):
        return None
    return (sums.cost / sums.priced_calls).quantize(_UNIT)


def latency_of(durations: npt.NDArray[Any], counts: npt.NDArray[Any]) -> Latency:
    """Exact percentiles by nearest rank from value counts.

    Args:
        durations: Different durations in ms.
        counts: How many calls took each.

    Returns:
        The percentiles, None below 20 calls; the p-th is the smallest duration that p percent of calls do not exceed.
    """
    keep = counts > 0
    order = np.argsort(durations[keep])
    values, reached = durations[keep][order], np.cumsum(counts[keep][order].astype(np.int64))
    calls = int(reached[-1]) if len(reached) else 0
    if calls < MIN_CALLS_FOR_PERCENTILES:
        return Latency(None, None, None, calls)

    def rank(percent: int) -> int:
        return int(values[np.searchsorted(reached, -(-percent * calls // 100))])

    return Latency(rank(50), rank(95), rank(99), calls)


def figures_of(sums: Sums, latency: Latency, coverage: Coverage, *, split: bool = False) -> Figures:
    """The figures of a window, and the reason for each that is not known; `split` as in `average_cost`."""
    if not sums.attempts:
        return _nothing(coverage)
    known_ends = sums.calls - sums.unknown_calls
    average = average_cost(sums, split=split)
    reasons = _reasons(sums, latency, average)
    return Figures(
        total_calls=sums.calls,
        total_attempts=sums.attempts,
        failed_calls=sums.failed_calls if known_ends else None,
        unknown_calls=sums.unknown_calls,
        priced_calls=sums.priced_calls,
        unpriced_calls=sums.unpriced_calls,
        unmetered_calls=sums.unmetered_calls,
        unpriced_attempts=sums.unpriced_attempts,
        total_cost=sums.cost,
        avg_cost_per_call=average,
        error_rate=sums.failed_calls / known_ends if known_ends else None,
        tokens=sums.tokens,
        reports=sums.reports,
        latency=latency,
        reasons=reasons,
    )


def _nothing(coverage: Coverage) -> Figures:
    """No attempts: true zeros where we listened, unknown where we did not."""
    listened = coverage.collected_s > 0
    zero = 0 if listened else None
    why = "No calls in this window."
    if not listened:
        why = NOT_LISTENING
    elif not coverage.complete:
        why = f"No calls in the {minutes(coverage.collected_s)} of this window that we listened."
    fields = ["avg_cost_per_call", "error_rate", "latency_ms.p50", "latency_ms.p95", "latency_ms.p99"]
    if not listened:
        fields += ["total_calls", "total_attempts", "failed_calls", "unknown_calls", "priced_calls"]
        fields += ["unpriced_calls", "unmetered_calls", "unpriced_attempts", "total_cost"]
        fields += [f"tokens.{name}" for name in _TOKEN_WORDS]
    tokens = Tokens(zero, zero, zero, zero, zero)
    return Figures(
        total_calls=zero,
        total_attempts=zero,
        failed_calls=zero,
        unknown_calls=zero,
        priced_calls=zero,
        unpriced_calls=zero,
        unmetered_calls=zero,
        unpriced_attempts=zero,
        total_cost=Decimal(0) if listened else None,
        avg_cost_per_call=None,
        error_rate=None,
        tokens=tokens,
        reports=Tokens(0, 0, 0, 0, 0),
        latency=Latency(None, None, None, 0),
        reasons=dict.fromkeys(fields, why),
    )


def why_no_cost(sums: Totals) -> str | None:
    """Why there is no cost, None when there is one."""
    if sums.cost is not None or sums.attempts == 0:
        return None
    if sums.attempts is None or sums.unpriced_attempts is None:
        return NOT_SENT
    if sums.unpriced_attempts:
        return f"Unpriced: no price is known for {_of(sums.unpriced_attempts, sums.attempts, 'attempt')}."
    return "Unmetered: no usage was reported."


def _of(part: int, whole: int, word: str) -> str:
    if part == whole:
        return f"the {word}" if whole == 1 else f"any of {whole:,} {word}s"
    return f"{part:,} of {whole:,} {word}s"


def _reasons(sums: Sums, latency: Latency, average: Decimal | None) -> dict[str, str]:
    reasons: dict[str, str] = {}
    no_cost = why_no_cost(sums)
    if no_cost:
        reasons["total_cost"] = no_cost
    if average is None:
        why = _NO_PRICED_CALL if sums.priced_calls <= 0 else _SPLIT
        reasons["avg_cost_per_call"] = no_cost or why
    if sums.calls == sums.unknown_calls:
        why = "The sources do not say whether calls succeeded." if sums.calls else "No calls in this selection."
        reasons |= dict.fromkeys(("error_rate", "failed_calls"), why)
    for name, value in zip(_TOKEN_WORDS, _token_tuple(sums.tokens), strict=True):
        if value is None:
            reasons[f"tokens.{name}"] = f"No event reports {_TOKEN_WORDS[name]}."
    if latency.p50 is None:
        why = f"Needs {MIN_CALLS_FOR_PERCENTILES} calls with a duration, has {latency.calls}."
        if not latency.calls:
            why = "No durations in these events."
        reasons |= dict.fromkeys(("latency_ms.p50", "latency_ms.p95", "latency_ms.p99"), why)
    return reasons


def growth_of(now: Figures, before: Figures, coverage_before: Coverage) -> Growth:
    """The change of each figure against the period before, in percent.

    Args:
        now: The window's figures.
        before: Those of the period before.
        coverage_before: For how much of the period before we listened.

    Returns:
        The changes; None with a reason where the base is 0, not known or not fully collected.
    """
    reasons: dict[str, str] = {}
    gap = _gap_reason(coverage_before)

    def change(
        name: str, new: Decimal | int | None, old: Decimal | int | None, part: str | None = None
    ) -> float | None:
        why = gap or part
        if why is None and old is None:
            why = "Not known for the period before."
        elif why is None and new is None:
            why = "Not known for this window."
        elif why is None and old == 0:
            why = "The period before had none."
        if why is not None or old is None or new is None:
            reasons[name] = why or ""
            return None
        return float(100 * (Decimal(new) - Decimal(old)) / Decimal(old))

    cost_part = _unpriced_reason(now, before)
    return Growth(
        calls=change("calls", now.total_calls, before.total_calls),
        cost=change("cost", now.total_cost, before.total_cost, cost_part),
        avg_cost=change("avg_cost", now.avg_cost_per_call, before.avg_cost_per_call),
        input_tokens=change("input_tokens", now.tokens.input, before.tokens.input),
        output_tokens=change("output_tokens", now.tokens.output, before.tokens.output),
        latency_p95=change("latency_p95", now.latency.p95, before.latency.p95),
        reasons=reasons,
    )


def _gap_reason(before: Coverage) -> str | None:
    if not before.collected_s:
        return "We were not listening in the period before."
    if not before.complete:
        return f"The period before was not fully collected ({minutes(before.window_s - before.collected_s)} missing)."
    return None


def minutes(seconds: float) -> str:
    """A length of time in words: "1 minute", "90 minutes", "17.5 hours", "30 days"."""
    count = max(1, round(seconds / 60))
    if count < 120:
        return "1 minute" if count == 1 else f"{count} minutes"
    length, unit = (seconds / 3600, "hours") if seconds < 48 * 3600 else (seconds / 86_400, "days")
    return f"{length:,.1f}".removesuffix(".0") + f" {unit}"


def _unpriced_reason(now: Figures, before: Figures) -> str | None:
    """A known part of one sum does not compare with a known part of another."""
    for figures, words in ((now, "this window"), (before, "the period before")):
        if figures.unpriced_attempts and figures.total_cost is not None:
            return f"{figures.unpriced_attempts:,} of {figures.total_attempts:,} attempts in {words} are unpriced."
    return None
