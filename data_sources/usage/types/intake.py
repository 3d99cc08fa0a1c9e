"""What became of everything that was received."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from data_sources.usage.types.figures import Coverage
from data_sources.usage.types.groups import BucketState
from data_sources.usage.types.question import Granularity, Window


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
class IntakeStep:
    """What came in one hour or day from all sources that were asked for.

    Attributes:
        start: UTC.
        end: UTC, the natural end also while it is still filling.
        state: As of `Bucket`, of the time in which the console was listening: nothing is received by an import's span.
        taken: None where nobody listened, or where it was not counted yet.
    """

    start: datetime
    end: datetime
    state: BucketState
    taken: Taken | None


@dataclass(frozen=True, slots=True)
class IntakeSeries:
    """What came over time: steps that tile the window up to now, oldest first."""

    granularity: Granularity
    steps: tuple[IntakeStep, ...]


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
class Refused:
    """Requests that were refused whole for one reason: what they held is not known.

    Attributes:
        door: The address that they were sent to.
        status: The answer's.
        reason: Why, in our own words.
        requests: How many.
        last_received_at: When the last of them came.
    """

    door: str
    status: int
    reason: str
    requests: int
    last_received_at: datetime


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
        series: The same over time for all sources together, empty times included; None where it is not told.
        refused: Requests that were refused whole, by reason, most first; None where the source does not count them.
        refused_since: Since when these are counted, None where they are not.
        damage: What starts of the console found missing in the store, oldest first; None where it is not told.
    """

    window: Window
    coverage: Coverage
    counted_since: datetime | None
    granularity: Granularity
    sources: tuple[SourceIntake, ...]
    buckets: tuple[IntakeBucket, ...]
    rejections: tuple[Rejection, ...]
    imports: tuple[ImportedFile, ...]
    series: IntakeSeries | None = None
    refused: tuple[Refused, ...] | None = None
    refused_since: datetime | None = None
    damage: tuple[str, ...] | None = None

    @property
    def uncounted(self) -> bool:
        """Whether nothing is known of the window: it ended before anything was counted."""
        return self.counted_since is None or self.window.end <= self.counted_since
