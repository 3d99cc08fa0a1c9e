"""One attempt: one try at a provider, as every wire format is turned into it, and what makes one acceptable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from operator import attrgetter

import msgspec

MAX_TEXT = 512
MAX_TAGS = 64
MAX_COUNT = 10**12  # no attempt has so many; sums of what passes stay within the store's integers
_EARLIEST_US = 315_532_800_000_000  # 1980: since then every zone's offset is a multiple of 15 minutes
_DAY_US = 86_400_000_000
COST_LIMIT = Decimal(10) ** 6  # DECIMAL(18,12)
_COST_STEP = Decimal(1).scaleb(-12)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

STATUSES = ("success", "failure", "unknown")


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What a source may say of an attempt, beside when and which it was: the one list of these fields.

    Our own JSON and the store's columns have the same names. Unknown is None, never 0.

    Attributes:
        input_tokens: Cache inclusive.
        cost_reported_usd: As the source says it.
    """

    trace_id: str | None = None
    session_id: str | None = None
    duration_ms: int | None = None
    time_to_first_token_ms: int | None = None
    provider: str | None = None
    model: str | None = None
    requested_model: str | None = None
    operation: str | None = None
    power_level: str | None = None
    user_id: str | None = None
    end_user_id: str | None = None
    team_id: str | None = None
    organization_id: str | None = None
    api_key_id: str | None = None
    tags: tuple[str, ...] | None = None
    stream: bool | None = None
    error_type: str | None = None
    http_status: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None
    web_searches: int | None = None
    service_tier: str | None = None
    processing: str | None = None
    region: str | None = None
    cost_reported_usd: Decimal | None = None
    byok: bool | None = None


class Attempt(Facts, frozen=True, kw_only=True, gc=False):
    """An attempt before it is stored; the names are the store's columns.

    Attributes:
        started_at_us: When it began, microseconds since 1970 UTC.
        status: success, failure, or unknown where the source does not say.
        pricing: priced (the cost is known), unpriced (usage without a price), unmetered (no usage reported).
        cost_usd: What the source reported, else what prices make of it.
        cost_source: Whose `cost_usd` is: reported, disputed (reported, and prices make something else of it), or the
            version of the prices that it is computed by.
    """

    event_id: str
    call_id: str
    started_at_us: int
    source: str
    status: str = "unknown"
    cost_usd: Decimal | None = None
    cost_computed_usd: Decimal | None = None
    price_version: str | None = None
    pricing: str = "unmetered"
    cost_source: str | None = None


def _named(kind: object) -> tuple[str, ...]:
    return tuple(field.name for field in msgspec.structs.fields(Facts) if field.type == kind)


_TEXTS = ("event_id", "call_id", "source", *_named(str | None))
_COUNTS = tuple(name for name in _named(int | None) if name != "http_status")
USED = tuple(name for name in _COUNTS if not name.endswith("_ms"))  # what is counted of the usage
_texts, _counts = attrgetter(*_TEXTS), attrgetter(*_COUNTS)  # read at once: this runs for every event


class BadEventError(Exception):
    """An event cannot be taken as it is. The text says why, to the person who sent it."""


UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)  # what reading somebody's JSON may raise


def not_readable(error: Exception) -> BadEventError:
    """What to raise where an event cannot be read; of bytes that are no text none is repeated.

    Args:
        error: One of `UNREADABLE`.
    """
    return BadEventError("its text is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error))


def us_of(moment: datetime) -> int:
    """Whole microseconds since 1970 UTC of an aware time."""
    return (moment - _EPOCH) // _MICROSECOND


def iso_us(text: str) -> int:
    """Read an ISO 8601 time with its offset.

    Args:
        text: Such as `2026-11-22T09:30:00Z` or `2026-11-22 10:30:00.25+01:00`; digits beyond microseconds are cut.

    Returns:
        Microseconds since 1970 UTC.

    Raises:
        BadEventError: It is no such time, or it names no offset: a time without one is a guess.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadEventError(f"started_at {text[:40]!r} is not an ISO 8601 time") from None
    if moment.tzinfo is None:
        raise BadEventError(f"started_at {text[:40]!r} has no offset; add Z or +hh:mm")
    return us_of(moment)


def money(amount: Decimal | None) -> Decimal | None:
    """Round an amount once, at the door, to the store's 12 decimals."""
    return None if amount is None else amount.quantize(_COST_STEP, ROUND_HALF_EVEN)


def first_token_ms(first_ms: int | None, duration_ms: int | None) -> int | None:
    """The time to the first token of an attempt that took so long: never more than the whole.

    Args:
        first_ms: As the source says it, whole milliseconds.
        duration_ms: Of the attempt, whole milliseconds; None where it is not known.

    Returns:
        Milliseconds; None where the first token came after the end, so that one of the two clocks is wrong. One
        millisecond more is how the two were rounded.
    """
    if first_ms is None or duration_ms is None or first_ms <= duration_ms:
        return first_ms
    return duration_ms if first_ms == duration_ms + 1 else None


def text_or_none(value: str | None) -> str | None:
    """An empty text is no text."""
    return value or None


def check(attempt: Attempt, now_us: int) -> None:
    """Refuse what cannot be true or cannot be kept.

    Args:
        attempt: As the normaliser made it.
        now_us: Now, microseconds since 1970 UTC.

    Raises:
        BadEventError: With the reason.
    """
    if attempt.started_at_us < _EARLIEST_US:
        raise BadEventError("started_at is before 1980; is its unit right?")
    if attempt.started_at_us > now_us + _DAY_US:
        raise BadEventError("started_at is more than a day in the future; is its unit right?")
    if attempt.status not in STATUSES:
        raise BadEventError(f"status {attempt.status[:40]!r} is not one of success, failure, unknown")
    if not attempt.event_id or not attempt.call_id:
        raise BadEventError("event_id is empty")
    if max(map(len, filter(None, _texts(attempt)))) > MAX_TEXT:
        raise BadEventError(f"{_too_long(attempt)} is longer than {MAX_TEXT} characters")
    for place, count in enumerate(_counts(attempt)):
        if count is not None and not 0 <= count <= MAX_COUNT:
            raise BadEventError(f"{_COUNTS[place]} {count} is not between 0 and 10^12")
    if attempt.tags is not None and (len(attempt.tags) > MAX_TAGS or any(len(tag) > MAX_TEXT for tag in attempt.tags)):
        raise BadEventError(f"tags are more than {MAX_TAGS} or longer than {MAX_TEXT} characters")
    if attempt.http_status is not None and not 100 <= attempt.http_status <= 599:
        raise BadEventError(f"http_status {attempt.http_status} is not between 100 and 599")
    _check_cost(attempt.cost_reported_usd)
    _check_parts(attempt)


def _check_cost(cost: Decimal | None) -> None:
    if cost is not None and not (cost.is_finite() and 0 <= cost < COST_LIMIT):
        raise BadEventError("cost_reported_usd is not an amount between 0 and 1,000,000 USD")


def _too_long(attempt: Attempt) -> str:
    return next(name for name, text in zip(_TEXTS, _texts(attempt), strict=True) if len(text or "") > MAX_TEXT)


def _check_parts(attempt: Attempt) -> None:
    """A part that exceeds its whole means that cached or reasoning tokens were left out of the total."""
    whole = attempt.input_tokens
    if whole is not None:
        # written for an hour is part of what was written, of which it is the least where the whole is not reported
        written = attempt.cache_write_1h_tokens if attempt.cache_write_tokens is None else attempt.cache_write_tokens
        _fits("input_tokens", whole, (attempt.cache_read_tokens or 0) + (written or 0))
        _fits("input_tokens", whole, attempt.input_audio_tokens)
    whole = attempt.output_tokens
    if whole is not None:
        _fits("output_tokens", whole, attempt.reasoning_tokens)
        _fits("output_tokens", whole, attempt.output_audio_tokens)
    if attempt.cache_write_tokens is not None:
        _fits("cache_write_tokens", attempt.cache_write_tokens, attempt.cache_write_1h_tokens)


def _fits(name: str, whole: int, parts: int | None) -> None:
    if parts is not None and parts > whole:
        raise BadEventError(f"parts of {name} add up to {parts}, more than its {whole}")
