"""Single calls, their attempts, and exports of them."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from data_sources.usage.types.figures import Tokens
from data_sources.usage.types.question import Grain, Window

NO_CALL = "There is no such call"
NO_CALL_CODE = "no-such-call"
NO_CALL_WHY = "No call of this id is kept here for you. It may have been taken out, or be of another organization."


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
        kept_since: Where the window begins before single calls are kept: since when they are, UTC. The list ends there.
        reason: Why it ends there, why `total_calls` is not known, or where a window's attempts are that has no calls.
    """

    window: Window
    requests: tuple[RequestRow, ...]
    next_cursor: str | None
    hues: Mapping[str, int] = field(default_factory=dict)
    previous_cursor: str | None = None
    total_calls: int | None = None
    newer_calls: int | None = None
    kept_since: datetime | None = None
    reason: str | None = None


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
