"""What a usage source is asked and what it answers.

`None` in a figure means "not known" and always has a sentence in `reasons` under the figure's name. Sums are exact:
counts are integers, money is `Decimal` US dollars, times are aware UTC.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol, TypeAlias

from data_sources.result import Result
from data_sources.usage.costs import CostBasis

Dimension: TypeAlias = Literal["provider", "model", "power_level", "status", "user", "team", "source"]
Granularity: TypeAlias = Literal["minute", "hour", "day", "week", "month"]
RangeName: TypeAlias = Literal["today", "7d", "30d", "month", "quarter", "year", "custom"]
BucketState: TypeAlias = Literal["complete", "forming", "partial", "not_collected"]
Grain: TypeAlias = Literal["calls", "attempts"]
Filter: TypeAlias = Dimension | Literal["pricing"]

DIMENSIONS: tuple[Dimension, ...] = ("provider", "model", "power_level", "status", "user", "team", "source")
FILTERS: tuple[Filter, ...] = (*DIMENSIONS, "pricing")
PRICINGS = ("priced", "unpriced", "unmetered", "disputed")  # a disputed call is priced, too
GRANULARITIES: tuple[Granularity, ...] = ("minute", "hour", "day", "week", "month")
# The list's name in an answer of the API, and the name of a value in it: those of the original console.
LISTS: Mapping[Dimension, tuple[str, str]] = {
    "provider": ("providers", "name"),
    "model": ("models", "name"),
    "power_level": ("levels", "level"),
    "user": ("users", "name"),
    "team": ("teams", "name"),
    "status": ("statuses", "name"),
    "source": ("sources", "name"),
}
FAILED = "Failed to Load Usage Data"
NO_CALL = "There is no such call"
NO_CALL_CODE = "no-such-call"
NO_CALL_WHY = "No call of this id is kept here for you. It may have been taken out, or be of another organization."
NOT_SENT = "The usage API did not send it."


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """What every panel of the usage page and every address of the read API is asked.

    Attributes:
        range: A calendar range in `tz` up to now, or `custom` with `start` and `end`.
        start: First instant of a custom window, on a quarter-hour, aware.
        end: First instant after a custom window, on a quarter-hour, aware.
        tz: IANA zone of the calendar.
        provider: Values to keep, none for all; `None` among them keeps what has no value ("not set").
        model: As `provider`, and so are all filters below.
        power_level: Filter.
        status: Filter: success, failure or unknown.
        user: Filter.
        team: Filter.
        source: Filter.
        pricing: Filter: some of `PRICINGS`, never None.
        organization_id: Only this organization's usage; set by the gate for members, never by a reader.
    """

    range: RangeName = "30d"
    start: datetime | None = None
    end: datetime | None = None
    tz: str = "UTC"
    provider: tuple[str | None, ...] = ()
    model: tuple[str | None, ...] = ()
    power_level: tuple[str | None, ...] = ()
    status: tuple[str | None, ...] = ()
    user: tuple[str | None, ...] = ()
    team: tuple[str | None, ...] = ()
    source: tuple[str | None, ...] = ()
    pricing: tuple[str | None, ...] = ()
    organization_id: str | None = None

    def filters(self) -> tuple[tuple[Filter, tuple[str | None, ...]], ...]:
        """The filters that are set, in the order of `FILTERS`."""
        return tuple((name, getattr(self, name)) for name in FILTERS if getattr(self, name))


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, from `start` up to but not including `end`, both UTC, and the zone its calendar is in."""

    start: datetime
    end: datetime
    tz: str
    name: RangeName


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


@dataclass(frozen=True, slots=True)
class Group:
    """One value of a dimension. `name` None is what has no value there: "not set" or "not attributed".

    Attributes:
        name: The value.
        hue: Its colour slot 0 to 15, by order of first arrival; None for `name` None and for Other.
        sums: Its sums.
        percentage: Its share of all calls in percent, None where there are no calls.
        cost_percentage: Its share of the known cost in percent, None where its cost or the whole is not known.
    """

    name: str | None
    hue: int | None
    sums: Totals
    percentage: float | None
    cost_percentage: float | None


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A dimension's values, most calls first.

    Attributes:
        dimension: Which one.
        window: The window asked.
        groups: The values listed.
        other: The rest, summed; None where all are listed.
        other_groups: How many values the rest holds, None where the source does not say.
        total_groups: How many there are, listed or not, the one without a name included; None where the
            source does not say.
        total: The sum of all, listed or not.
        coverage: Of the window.
        data_as_of: Newest call included.
    """

    dimension: Dimension
    window: Window
    groups: tuple[Group, ...]
    other: Group | None
    other_groups: int | None
    total_groups: int | None
    total: Totals
    coverage: Coverage | None
    data_as_of: datetime | None
    basis: CostBasis | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """One step of a series, from `start` up to but not including `end`.

    Attributes:
        start: UTC.
        end: UTC, the natural end also while the bucket is still filling.
        state: `complete`; `forming` (still filling); `partial` (not listening for part of it, `collected_s` of it);
            `not_collected` (no events, and we did not listen: `sums` is None).
        collected_s: Seconds collected so far, None where the source does not say.
        sums: Its sums; None where not collected.
        groups: The same for each series, None where not collected; same order as `Timeseries.series`.
        other: The rest beside the listed series, None where all are listed.
    """

    start: datetime
    end: datetime
    state: BucketState
    collected_s: float | None
    sums: Totals | None
    groups: tuple[Totals | None, ...] = ()
    other: Totals | None = None


@dataclass(frozen=True, slots=True)
class Timeseries:
    """Buckets that tile the window, oldest first.

    `series` are the groups' totals over the window, in the order of `Bucket.groups`; `other` as in `Breakdown`.
    """

    window: Window
    granularity: Granularity
    group_by: Dimension | None
    buckets: tuple[Bucket, ...]
    series: tuple[Group, ...]
    other: Group | None
    other_groups: int | None
    total_groups: int | None
    total: Totals
    coverage: Coverage | None
    data_as_of: datetime | None
    basis: CostBasis | None = None


@dataclass(frozen=True, slots=True)
class UnpricedModel:
    """A model of a provider with usage that has no price.

    Attributes:
        provider: As senders name it.
        model: Likewise.
        calls: Calls that end unpriced.
        attempts: Attempts with usage and no price, retries among them.
        tokens: What those attempts report.
        why: Why there is no price, None where the source does not say.
    """

    provider: str | None
    model: str | None
    calls: int
    attempts: int
    tokens: Tokens
    why: str | None


@dataclass(frozen=True, slots=True)
class Unpriced:
    """What of a window has no price, most calls first.

    Attributes:
        window: The window asked.
        models: The models listed.
        total_models: How many there are, listed or not.
        calls: Unpriced calls of all of them, None where nothing was collected.
        attempts: Unpriced attempts of all of them, likewise.
        total: Of the whole window, priced or not.
        coverage: Of the window, None where the source does not say.
        data_as_of: Newest call of the window.
    """

    window: Window
    models: tuple[UnpricedModel, ...]
    total_models: int
    calls: int | None
    attempts: int | None
    total: Totals
    coverage: Coverage | None
    data_as_of: datetime | None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One try at a provider, every field as it was reported; None where it was not."""

    event_id: str
    started_at: datetime
    duration_ms: int | None
    time_to_first_token_ms: int | None
    provider: str | None
    model: str | None
    requested_model: str | None
    operation: str | None
    power_level: str | None
    user_id: str | None
    team_id: str | None
    stream: bool | None
    status: str
    error_type: str | None
    http_status: int | None
    tokens: Tokens
    cost: Decimal | None
    pricing: str | None
    source: str


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One call: its deciding attempt, all of its attempts in time order, and what they add up to.

    Attributes:
        call_id: What the client's request is known by.
        decided_by: The attempt that ended the call.
        latency_ms: First start to deciding end: what the client waited.
        tokens: Summed over the attempts, None where none reports it.
        cost: Sum of the attempts' known costs.
        unpriced_attempts: Attempts with usage and no price.
        attempts: All of them, oldest first.
    """

    call_id: str
    decided_by: AttemptRow
    latency_ms: int | None
    tokens: Tokens
    cost: Decimal | None
    unpriced_attempts: int | None
    attempts: tuple[AttemptRow, ...]


@dataclass(frozen=True, slots=True)
class RequestPage:
    """Some of a window's calls, newest first.

    Attributes:
        window: The window asked.
        requests: The calls.
        next_cursor: Asks for the calls after them, None at the end.
        hues: Model -> colour slot.
        previous_cursor: Asks for as many calls before them, None at the beginning or where the source has no way back.
        total_calls: How many calls the whole list has, the figure of every card; None where the source does not say.
        newer_calls: How many of them stand before these, None where the source does not say.
    """

    window: Window
    requests: tuple[RequestRow, ...]
    next_cursor: str | None
    hues: Mapping[str, int] = field(default_factory=dict)
    previous_cursor: str | None = None
    total_calls: int | None = None
    newer_calls: int | None = None


Fact: TypeAlias = str | int | bool | Decimal | datetime | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class CallKey:
    """What a call is asked for by.

    Attributes:
        call_id: What the client's request is known by; senders may use one again.
        source: Whose id it is, None for anybody's.
        at: When one of its attempts began, None for the newest call of that id.
    """

    call_id: str
    source: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CallFacts:
    """Everything that is kept of one call. Prompts and answers are not among it: they are never kept.

    Attributes:
        request: The call as it stands in the list.
        facts: Every stored field of each attempt by its name, None where it was not reported; in the attempts' order.
        others: Other calls that share the id, newest first.
    """

    request: RequestRow
    facts: tuple[Mapping[str, Fact], ...]
    others: tuple[CallKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Export:
    """Rows of a whole window, read in one snapshot.

    Attributes:
        window: The window asked.
        grain: One row a call, or one an attempt.
        columns: Names, in the order of each row.
        total_rows: How many `rows` gives; it raises rather than give fewer.
        rows: Opened once; raises when the store fails under it.
        total_calls: How many calls are decided by these rows, None where the source does not say.
    """

    window: Window
    grain: Grain
    columns: tuple[str, ...]
    total_rows: int
    rows: Generator[tuple[object, ...], None, None]
    total_calls: int | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of received events.

    Attributes:
        accepted: New, and stored.
        duplicates: Sent before: nothing changed.
        rejected: Not taken, and the sender was told why.
        late: Of the accepted, those that came more than a quarter-hour after they ended; None where not told.
    """

    accepted: int
    duplicates: int
    rejected: int
    late: int | None

    @property
    def received(self) -> int:
        """All of them."""
        return self.accepted + self.duplicates + self.rejected

    def __add__(self, other: Taken) -> Taken:
        late = None if self.late is None or other.late is None else self.late + other.late
        return Taken(
            self.accepted + other.accepted, self.duplicates + other.duplicates, self.rejected + other.rejected, late
        )


@dataclass(frozen=True, slots=True)
class SourceIntake:
    """What came from one source; `source` None is what is not kept apart."""

    source: str | None
    hue: int | None
    taken: Taken
    last_received_at: datetime


@dataclass(frozen=True, slots=True)
class IntakeBucket:
    """What came from one source in one hour or day, by when it was received."""

    start: datetime
    end: datetime
    source: str | None
    taken: Taken


@dataclass(frozen=True, slots=True)
class Rejection:
    """Events that were not taken for one reason, and the newest of them: its batch, place and names of fields.

    `source` and `reason` None are what is not kept apart. Values that were sent are not kept.
    """

    source: str | None
    reason: str | None
    events: int
    last_received_at: datetime
    batch_id: str | None
    index: int | None
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """A file that was imported, as one batch that can be taken out again."""

    batch_id: str
    name: str | None
    source: str | None
    received_at: datetime
    taken: Taken
    undone_at: datetime | None


@dataclass(frozen=True, slots=True)
class Intake:
    """What became of everything that was received in a window.

    Attributes:
        window: When it was received, not when calls began.
        coverage: For how much of it we listened.
        counted_since: Since when this is counted at all, None before the first event.
        granularity: Length of the buckets: hour or day.
        sources: Most first.
        buckets: By time and source, newest first, without those in which nothing came.
        rejections: By reason, most first.
        imports: The newest files, whatever the window.
    """

    window: Window
    coverage: Coverage
    counted_since: datetime | None
    granularity: Granularity
    sources: tuple[SourceIntake, ...]
    buckets: tuple[IntakeBucket, ...]
    rejections: tuple[Rejection, ...]
    imports: tuple[ImportedFile, ...]

    @property
    def uncounted(self) -> bool:
        """Whether nothing is known of the window: it ended before anything was counted."""
        return self.counted_since is None or self.window.end <= self.counted_since


@dataclass(frozen=True, slots=True)
class Version:
    """Cheap to ask: has anything changed since?

    Attributes:
        version: Grows with every change of the data.
        last_event_at: When the newest event was received, UTC.
        ever_collected: Whether the source holds any event, None where it does not say.
    """

    version: int
    last_event_at: datetime | None
    ever_collected: bool | None


class UsageSource(Protocol):
    """Where usage is read from: the embedded store, or a remote usage API. Nothing here raises for a failing source."""

    def summary(self, query: UsageQuery) -> Result[Summary]:
        """All figures of the window and of the period before."""

    def breakdown(self, query: UsageQuery, dimension: Dimension, *, limit: int | None = None) -> Result[Breakdown]:
        """The window by the values of one dimension; `limit` cuts the list, the rest is in `other`."""

    def timeseries(
        self,
        query: UsageQuery,
        *,
        granularity: Granularity | None = None,
        group_by: Dimension | None = None,
        limit: int | None = None,
    ) -> Result[Timeseries]:
        """The window in buckets; without `granularity` the one that suits its length."""

    def unpriced(self, query: UsageQuery, *, limit: int | None = None) -> Result[Unpriced]:
        """The models with usage that has no price; `limit` cuts the list."""

    def recent(self, query: UsageQuery, *, limit: int = 50, cursor: str | None = None) -> Result[RequestPage]:
        """The newest calls of the window, each with its attempts."""

    def call(self, key: CallKey, *, organization_id: str | None = None) -> Result[CallFacts]:
        """Everything that is kept of one call, whatever the window; `organization_id` as in `UsageQuery`."""

    def export(self, query: UsageQuery, *, grain: Grain = "calls") -> Result[Export]:
        """Every row of the window."""

    def coverage(self, query: UsageQuery) -> Result[Coverage]:
        """For how much of the window we were listening."""

    def intake(self, query: UsageQuery) -> Result[Intake]:
        """What became of everything that was received in the window, of all organizations."""

    def version(self) -> Result[Version]:
        """Whether anything changed, cheap enough to ask every two seconds."""
