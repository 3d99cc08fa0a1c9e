"""What a usage source is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

Dimension: TypeAlias = Literal["provider", "model", "power_level", "status", "user", "team", "source"]
Granularity: TypeAlias = Literal["minute", "hour", "day", "week", "month"]
RangeName: TypeAlias = Literal["today", "7d", "30d", "month", "quarter", "year", "custom"]
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
    """A span of time, from `start` up to but not including `end`, both UTC, and the zone its calendar is in.

    `confirmed` tells whether the source says itself that its answer is of this time; else it is only what was asked.
    """

    start: datetime
    end: datetime
    tz: str
    name: RangeName
    confirmed: bool = True
