"""The one protocol of every usage source."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from data_sources.result import Result
from data_sources.usage.types.calls import CallFacts, CallKey, Export, RequestPage
from data_sources.usage.types.figures import Coverage, Summary
from data_sources.usage.types.groups import Breakdown, Timeseries, Unpriced
from data_sources.usage.types.intake import Intake
from data_sources.usage.types.question import Dimension, Grain, Granularity, UsageQuery

FAILED = "Failed to Load Usage Data"


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
