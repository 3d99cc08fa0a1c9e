"""A window by the values of a dimension, and in buckets of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from data_sources.usage.costs import CostBasis
from data_sources.usage.types.figures import Coverage, Tokens, Totals
from data_sources.usage.types.question import Dimension, Granularity, Window

BucketState: TypeAlias = Literal["complete", "forming", "partial", "not_collected"]


@dataclass(frozen=True, slots=True)
class Group:
    """One value of a dimension. `name` None is what has no value there: "not set" or "not attributed".

    Attributes:
        name: The value.
        hue: Its colour slot 0 to 15, by order of first arrival; None for `name` None and for Other.
        sums: Its sums.
        percentage: Its share of all calls in percent, None where there are no calls or it is not known.
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
    """Buckets that tile the window as far as it has begun, oldest first.

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
        tokens: What those attempts report of input and output.
        why: Why there is no price, None where the source does not say.
        price_lines: What a price file would have to say, with the prices to be filled in; None where no price is what
            lacks, or the source does not say.
    """

    provider: str | None
    model: str | None
    calls: int
    attempts: int
    tokens: Tokens
    why: str | None
    price_lines: str | None = None


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
