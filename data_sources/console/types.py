"""What the console tells about itself. Unknown is None with its reason in `reasons`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class OwnProcess:
    """The console's process, over its last measured step.

    Attributes:
        started_at: When it started, UTC.
        cpu_s: Seconds of processor time since then.
        cpu_percent: Share of one core; None until two readings are there.
        memory_bytes: Resident memory.
        threads: How many.
        step_s: How long the step was, in seconds.
        accepted_per_s: Events that were stored a second, over the same step; None as `cpu_percent`.
    """

    started_at: datetime
    cpu_s: float
    cpu_percent: float | None
    memory_bytes: int
    threads: int
    step_s: float | None
    accepted_per_s: float | None


@dataclass(frozen=True, slots=True)
class Jitter:
    """How punctual the sampler was over its last hour: how far each step was from its period.

    Attributes:
        median_s: Half of the steps were nearer.
        p95_s: 95 % of the steps were nearer; None of fewer than 20.
        worst_s: The greatest.
        steps: How many were measured.
        late: How many were so long that they became gaps.
    """

    median_s: float
    p95_s: float | None
    worst_s: float
    steps: int
    late: int


@dataclass(frozen=True, slots=True)
class Received:
    """What came into the usage store since the console started.

    Attributes:
        accepted: Events stored.
        duplicates: Events that were there already.
    """

    accepted: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class Connection:
    """A source outside, as it was last seen without asking it.

    Attributes:
        name: "Lago", "Stripe", …
        answers: Whether its last answer was good; None when it is not set or was not asked.
        word: One word or a time.
        detail: One sentence.
    """

    name: str
    answers: bool | None
    word: str
    detail: str


@dataclass(frozen=True, slots=True)
class ConsoleNow:
    """The console about itself; a None has its reason in `reasons`, by field name ("jitter.p95_s").

    Attributes:
        version: Of the console.
        process: Its process.
        jitter: The sampler's punctuality.
        store_bytes: Size of the usage store's files.
        last_event_at: When the newest event was received, UTC.
        received: Events since the start.
        free_bytes: What the console may still write into its data folder.
        min_free_bytes: With less than this no event is accepted.
        webhooks: When the last webhook whose signature was right came, by sender, UTC; a None here means never.
        connections: Lago, Stripe, and others.
        reasons: Why something is not known.
    """

    version: str
    process: OwnProcess | None = None
    jitter: Jitter | None = None
    store_bytes: int | None = None
    last_event_at: datetime | None = None
    received: Received | None = None
    free_bytes: int | None = None
    min_free_bytes: int = 0
    webhooks: Mapping[str, datetime | None] | None = None
    connections: tuple[Connection, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
