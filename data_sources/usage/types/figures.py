"""The figures of a window, their coverage, and the change against the period before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from data_sources.usage.costs import CostBasis
from data_sources.usage.types.question import Window

NOT_SENT = "The usage API did not send it."


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token counts, each None where nothing reported it. Input includes what came from or went to the cache."""

    input: int | None
    output: int | None
    cache_read: int | None
    cache_write: int | None
    reasoning: int | None


@dataclass(frozen=True, slots=True)
class Latency:
    """What clients waited for whole calls, exact percentiles in milliseconds, None below 20 calls with a duration."""

    p50: int | None
    p95: int | None
    p99: int | None
    calls: int | None  # how many calls have a duration


@dataclass(frozen=True, slots=True)
class Totals:
    """What a source says of some attempts; a count is None where it does not say.

    The embedded store always knows all of it: see `Sums`.

    Attributes:
        attempts: Tries at a provider.
        calls: What clients asked for; a call is counted where its deciding attempt is.
        failed_calls: Calls whose deciding attempt failed.
        unknown_calls: Calls whose source does not say whether they succeeded.
        priced_calls: Calls whose deciding attempt has a cost.
        unpriced_calls: Usage known, no price known.
        unmetered_calls: No usage reported (failures).
        priced_attempts: Attempts with a cost.
        unpriced_attempts: Attempts with usage and no price.
        cost: Sum of the known costs in US dollars, None where none is known.
        tokens: Sums of the reported counts, None where none is reported.
        reports: How many attempts report each count.
    """

    attempts: int | None
    calls: int | None
    failed_calls: int | None
    unknown_calls: int | None
    priced_calls: int | None
    unpriced_calls: int | None
    unmetered_calls: int | None
    priced_attempts: int | None
    unpriced_attempts: int | None
    cost: Decimal | None
    tokens: Tokens
    reports: Tokens

    @property
    def measured_cost(self) -> Decimal | None:
        """The cost where collection ran: without any attempt nothing is unknown, and it is 0."""
        return Decimal(0) if self.attempts == 0 else self.cost

    @property
    def measured_tokens(self) -> Tokens:
        """The tokens where collection ran: without any attempt nothing is unknown, and they are 0."""
        return Tokens(0, 0, 0, 0, 0) if self.attempts == 0 else self.tokens


@dataclass(frozen=True, slots=True)
class Sums(Totals):
    """Exact additive sums over some attempts, every count known: the one material that figures are made of."""

    attempts: int
    calls: int
    failed_calls: int
    unknown_calls: int
    priced_calls: int
    unpriced_calls: int
    unmetered_calls: int
    priced_attempts: int
    unpriced_attempts: int


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one window.

    Attributes:
        total_calls: Calls; None where nothing was collected.
        total_attempts: Attempts; None where nothing was collected.
        failed_calls: Calls that ended in failure, None where no source says how calls ended.
        unknown_calls: Calls whose source does not say whether they succeeded: the error rate leaves them out.
        priced_calls: Calls with a known cost.
        unpriced_calls: Calls with usage and no price.
        unmetered_calls: Calls without any usage reported.
        unpriced_attempts: Attempts with usage and no price: the cost is "at least" where there are any.
        total_cost: Sum of the known costs, US dollars.
        avg_cost_per_call: `total_cost` / `priced_calls`, US dollars.
        error_rate: Failed calls / calls whose end is known, 0 to 1.
        tokens: Token sums.
        reports: How many attempts report each token count.
        latency: Percentiles of what clients waited.
        reasons: For every None above (dotted, such as `tokens.input`), a sentence that says why.
    """

    total_calls: int | None
    total_attempts: int | None
    failed_calls: int | None
    unknown_calls: int | None
    priced_calls: int | None
    unpriced_calls: int | None
    unmetered_calls: int | None
    unpriced_attempts: int | None
    total_cost: Decimal | None
    avg_cost_per_call: Decimal | None
    error_rate: float | None
    tokens: Tokens
    reports: Tokens
    latency: Latency
    reasons: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Coverage:
    """For how much of a window the store was listening, or holds an import that covers it.

    Attributes:
        window_s: Length of the window so far, in seconds.
        collected_s: Seconds of it that were collected.
        gaps: Spans of a minute or more that were not, oldest first.
        collecting_since: When collection ever began, UTC; None before.
    """

    window_s: float
    collected_s: float
    gaps: tuple[tuple[datetime, datetime], ...]
    collecting_since: datetime | None

    @property
    def complete(self) -> bool:
        """Whether no minute is missing."""
        return not self.gaps

    @property
    def collected_minutes(self) -> int:
        """Whole minutes that were collected."""
        return int(self.collected_s // 60)


@dataclass(frozen=True, slots=True)
class Growth:
    """Change against the period before, in percent; None with a reason where there is no base to compare with."""

    calls: float | None
    cost: float | None
    avg_cost: float | None
    input_tokens: float | None
    output_tokens: float | None
    latency_p95: float | None
    reasons: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LastEvent:
    """When the newest attempt of a source began, before the window ends."""

    source: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Summary:
    """All figures of the page's strip, from one question, beside those of the period before.

    A coverage is None where the source does not say for how long it listened, and a basis where it does not say whose
    its costs are; so they are in every answer below.

    Attributes:
        last_events: Where the window has none: the last one of each source that passes the filters, newest first.
    """

    window: Window
    figures: Figures
    previous_window: Window
    previous: Figures
    growth: Growth
    coverage: Coverage | None
    previous_coverage: Coverage | None
    data_as_of: datetime | None
    basis: CostBasis | None = None
    last_events: tuple[LastEvent, ...] = ()
