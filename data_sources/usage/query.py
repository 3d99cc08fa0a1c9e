"""Reads a `UsageQuery` from the parameters of an address, and writes it back: the page and the API share this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

from data_sources.usage.schema import SLOT_S
from data_sources.usage.types import FILTERS, PRICINGS, CallKey, RangeName, UsageQuery

RANGES: tuple[RangeName, ...] = ("today", "7d", "30d", "month", "quarter", "year", "custom")
ALIASES: Mapping[str, RangeName] = {"day": "today", "week": "7d"}
CALL_PARAMETERS = ("call", "call_source", "call_at")
PARAMETERS: frozenset[str] = frozenset({"range", "start", "end", "tz", *FILTERS})

MAX_WINDOW_DAYS = 3_700
MAX_VALUES = 100
MAX_LENGTH = 512
_EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)  # zones keep to quarter-hours from here on
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


class BadQueryError(ValueError):
    """The question itself is wrong. The text is one sentence, fit to show to who asked."""


def parse(
    parameters: Mapping[str, Sequence[str]], *, default_tz: str = "UTC", organization_id: str | None = None
) -> UsageQuery:
    """Read the parameters of an address.

    A filter may be repeated; an empty value keeps what has none ("not set").

    Args:
        parameters: Name -> values, as in a parsed query string; names outside `PARAMETERS` are the caller's business.
        default_tz: Zone when none is asked.
        organization_id: Scope of a member.

    Returns:
        The query.

    Raises:
        BadQueryError: A value makes no sense.
    """
    tz = _one(parameters, "tz") or default_tz
    if tz not in _zones():
        raise BadQueryError(f"tz: {_short(tz)} is not an IANA time zone such as Europe/Berlin.")
    start_text, end_text = _one(parameters, "start"), _one(parameters, "end")
    name = _range(_one(parameters, "range"), custom=start_text is not None or end_text is not None)
    start = end = None
    if name == "custom":
        if start_text is None or end_text is None:
            raise BadQueryError("A custom window needs both start and end.")
        start, end = _instant("start", start_text, tz), _instant("end", end_text, tz)
        _check_window(start, end)
    filters = {name: _values(name, parameters.get(name, ())) for name in FILTERS}
    if not set(filters["pricing"]) <= set(PRICINGS):
        raise BadQueryError(f"pricing: use some of {', '.join(PRICINGS)}.")
    return UsageQuery(range=name, start=start, end=end, tz=tz, organization_id=organization_id, **filters)


def to_parameters(query: UsageQuery) -> list[tuple[str, str]]:
    """The parameters that `parse` reads back to the same query (the organization's scope is not among them)."""
    pairs = [("range", query.range), ("tz", query.tz)]
    if query.start and query.end:
        zone = ZoneInfo(query.tz)
        pairs += [("start", query.start.astimezone(zone).isoformat()), ("end", query.end.astimezone(zone).isoformat())]
    pairs += [(name, "" if value is None else value) for name, values in query.filters() for value in values]
    return pairs


def parse_call(parameters: Mapping[str, Sequence[str]]) -> CallKey:
    """Read which call is asked for from the parameters of an address.

    Raises:
        BadQueryError: None is named, or a value makes no sense.
    """
    call_id, source, at_text = (_one(parameters, name) or None for name in CALL_PARAMETERS)
    if call_id is None:
        raise BadQueryError("call: name the call by its id.")
    if max(len(call_id), len(source or "")) > MAX_LENGTH:
        raise BadQueryError(f"call: an id has at most {MAX_LENGTH} characters.")
    return CallKey(call_id, source, None if at_text is None else _moment("call_at", at_text, "UTC"))


def call_parameters(key: CallKey) -> list[tuple[str, str]]:
    """The parameters that `parse_call` reads back to the same key."""
    at_text = None if key.at is None else key.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    told = zip(CALL_PARAMETERS, (key.call_id, key.source, at_text), strict=True)
    return [(name, value) for name, value in told if value is not None]


_ZONES: frozenset[str] = frozenset()


def _zones() -> frozenset[str]:
    global _ZONES  # reading the zone database takes 20 ms: once is enough
    if not _ZONES:
        _ZONES = frozenset(available_timezones())
    return _ZONES


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _one(parameters: Mapping[str, Sequence[str]], name: str) -> str | None:
    values = parameters.get(name, ())
    if len(values) > 1:
        raise BadQueryError(f"{name}: give it once.")
    return values[0] if values else None


def _range(text: str | None, *, custom: bool) -> RangeName:
    if text is None:
        return "custom" if custom else "30d"
    name = ALIASES.get(text) or next((known for known in RANGES if known == text), None)
    if name is None:
        raise BadQueryError(f"range: {_short(text)} is none of {', '.join(RANGES)}.")
    if custom != (name == "custom"):
        raise BadQueryError("start and end go with range=custom, and only with it.")
    return name


def _moment(name: str, text: str, tz: str) -> datetime:
    try:
        # a plus sign that was not escaped arrives as a space
        value = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        raise BadQueryError(f"{name}: {_short(text)} is not a time such as 2026-11-22T14:00.") from None
    aware = value.replace(tzinfo=ZoneInfo(tz)) if value.tzinfo is None else value
    try:
        instant = aware.astimezone(UTC)
    except OverflowError:
        raise BadQueryError(f"{name}: {_short(text)} is out of range.") from None
    if not _EARLIEST <= instant <= _LATEST:
        raise BadQueryError(f"{name}: use a time between 1980 and 2200.")
    return instant


def _instant(name: str, text: str, tz: str) -> datetime:
    instant = _moment(name, text, tz)
    if instant.microsecond or int(instant.timestamp()) % SLOT_S:
        raise BadQueryError(f"{name}: use a full quarter-hour, such as 14:00 or 14:15.")
    return instant


def _check_window(start: datetime, end: datetime) -> None:
    if end <= start:
        raise BadQueryError("end must be later than start.")
    if (end - start).days > MAX_WINDOW_DAYS:
        raise BadQueryError(f"A window may span {MAX_WINDOW_DAYS:,} days.")


def _values(name: str, values: Sequence[str]) -> tuple[str | None, ...]:
    if len(values) > MAX_VALUES:
        raise BadQueryError(f"{name}: at most {MAX_VALUES} values.")
    if any(len(value) > MAX_LENGTH for value in values):
        raise BadQueryError(f"{name}: a value has at most {MAX_LENGTH} characters.")
    return tuple(dict.fromkeys(value if value else None for value in values))
