"""From a table's row to an event of our own JSON: which column is which field, and what its times mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from data_sources.usage.attempt import BadEventError, us_of
from data_sources.usage.normalise.own import FIELDS, OwnEvent, whole_ms
from data_sources.usage.tables import RowIds

UNITS_US = {"s": Decimal(1_000_000), "ms": Decimal(1000), "us": Decimal(1), "ns": Decimal("0.001")}
_TYPES = {field.name: str(field.type) for field in msgspec.structs.fields(OwnEvent) if field.name in FIELDS}
_TIMES = ("started_at", "started_at_s", "started_at_ms", "started_at_us")
_FIELDS = tuple(name for name in FIELDS if name not in _TIMES[1:])
_TRUE, _FALSE = frozenset({"true", "yes", "1", "t"}), frozenset({"false", "no", "0", "f"})


class BadMappingError(Exception):
    """The options do not fit together or do not fit the file. The text says what to give."""


class NeedsOptionError(BadEventError):
    """A row's time means nothing without an option that was not given. Where no row's does, the file needs it."""

    def __init__(self, reason: str, demand: str) -> None:
        """Say it of the row and of the file.

        Args:
            reason: Of the row.
            demand: Of the whole file.
        """
        super().__init__(reason)
        self.demand = demand


def _number_without_unit(value: Any) -> NeedsOptionError:
    return NeedsOptionError(
        f"the start {str(value)[:40]} is a number: give --time-unit", "the start column holds numbers: give --time-unit"
    )


@dataclass(frozen=True, slots=True)
class TimeRule:
    """What the start column means.

    Attributes:
        zone: Zone of times without an offset.
        unit: s, ms, us or ns for numbers.
        origin: What numbers count from; 1970 when None.
    """

    zone: str | None = None
    unit: str | None = None
    origin: datetime | None = None

    def __post_init__(self) -> None:
        """Check that the parts fit.

        Raises:
            BadMappingError: They do not.
        """
        if self.unit is not None and self.unit not in UNITS_US:
            raise BadMappingError(f"--time-unit is one of {', '.join(UNITS_US)}")
        if self.origin is not None and self.unit is None:
            raise BadMappingError("--time-origin needs --time-unit")
        if self.origin is not None and self.origin.tzinfo is None:
            raise BadMappingError("--time-origin needs an offset, such as 2023-11-16T00:00:00Z")
        if self.zone is not None:
            try:
                ZoneInfo(self.zone)
            except (ZoneInfoNotFoundError, ValueError):
                raise BadMappingError(f"--tz {self.zone!r} is not an IANA time zone such as Europe/Berlin") from None

    def read_us(self, value: Any) -> int:
        """A start in whole microseconds since 1970 UTC; finer digits are cut.

        Raises:
            NeedsOptionError: This row's value is no time without an option that was not given.
            BadEventError: It is none at all.
        """
        if isinstance(value, datetime):
            return self._local_us(value)
        if self.unit is not None:
            return self._number_us(value)
        if isinstance(value, int | float | Decimal):
            raise _number_without_unit(value)
        try:
            moment = datetime.fromisoformat(str(value).strip())
        except ValueError:
            if _is_number(str(value)):
                raise _number_without_unit(value) from None
            raise BadEventError(f"{str(value)[:40]!r} is not an ISO 8601 time") from None
        return self._local_us(moment)

    def _number_us(self, value: Any) -> int:
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            raise BadEventError(f"{str(value)[:40]!r} is not a number") from None
        if not number.is_finite() or number.adjusted() > 20:  # abs() would round, and fail for very large ones
            raise BadEventError(f"{str(value)[:40]!r} is not a number that can be a time")
        assert self.unit is not None  # noqa: S101  (the caller asked for it)
        return int(number * UNITS_US[self.unit]) + (us_of(self.origin) if self.origin else 0)

    def _local_us(self, moment: datetime) -> int:
        if moment.tzinfo is not None:
            return us_of(moment)
        if self.zone is None:
            raise NeedsOptionError(
                f"the start {moment.isoformat(sep=' ')} has no offset: give --tz",
                "the start column has times without an offset: give --tz",
            )
        zoned = moment.replace(tzinfo=ZoneInfo(self.zone))
        # a time that clocks skip comes back as another one
        try:
            exists = zoned.astimezone(UTC).astimezone(zoned.tzinfo).replace(tzinfo=None) == moment
        except OverflowError:  # in the first or the last year that there is
            raise BadEventError(f"{moment.isoformat(sep=' ')} is no time that a call can have") from None
        if not exists:
            raise BadEventError(f"{moment.isoformat(sep=' ')} does not exist in {self.zone}")
        return us_of(zoned)

    def is_twice(self, value: Any) -> bool:
        """Whether a local time comes twice, when clocks are put back; it is read as the first."""
        if self.zone is None or self.unit is not None:
            return False
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
        except ValueError:
            return False
        zone = ZoneInfo(self.zone)
        first, second = (moment.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
        # after a gap the second offset is the greater one; only a repeated hour has a smaller one
        return moment.tzinfo is None and (second or timedelta()) < (first or timedelta())


@dataclass(slots=True)
class RowMapper:
    """Makes an event of each row.

    Attributes:
        columns: Field -> column, as asked and by equal names.
        fixed: Field -> value for every row.
        times: What the start column means.
        twice: How many local times came twice.
    """

    columns: dict[str, str]
    fixed: dict[str, Any]
    times: TimeRule
    twice: int = 0
    _ids: RowIds = field(default_factory=RowIds)

    def event(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The event of a row, with its start in microseconds; what is empty is left out.

        Raises:
            NeedsOptionError: Its time needs an option that was not given.
            BadEventError: It cannot be an event.
        """
        row_id = self._ids.of(dict(values))  # also when the row is bad: equal rows keep their numbers
        start = values.get(self.columns["started_at"])
        if start is None or start == "":
            raise BadEventError("the start is empty")
        event: dict[str, Any] = {**self.fixed, "started_at_us": self.times.read_us(start)}
        self.twice += self.times.is_twice(start)
        for name, column in self.columns.items():
            if name != "started_at" and (value := typed(name, values.get(column))) is not None:
                event[name] = value
        event.setdefault("event_id", row_id)
        return event


def plan(header: list[str], asked: Mapping[str, str], fixed: Mapping[str, str], times: TimeRule) -> RowMapper:
    """Decide which column is which field.

    Args:
        header: The file's columns.
        asked: Field -> column.
        fixed: Field -> text, for every row.
        times: What the start column means.

    Raises:
        BadMappingError: A field or column does not exist, or nothing says when calls started.
    """
    for name in (*asked, *fixed):
        if name not in _FIELDS:
            raise BadMappingError(f"{name!r} is not a field. Fields: {', '.join(_FIELDS)}")
    for name, column in asked.items():
        if column not in header:
            raise BadMappingError(f"--map {name}={column}: the file has no such column. It has: {', '.join(header)}")
    both = sorted(set(asked) & set(fixed))
    if both:
        raise BadMappingError(f"{both[0]} is both mapped and set")
    if "started_at" in fixed or "event_id" in fixed:
        raise BadMappingError("started_at and event_id differ in each row: map them, or leave event_id out")
    columns = {name: name for name in _FIELDS if name in header and name not in fixed} | dict(asked)
    if "started_at" not in columns:
        raise BadMappingError(f"--map started_at=COLUMN is needed. The file has: {', '.join(header)}")
    try:
        values = {name: typed(name, text) for name, text in fixed.items()}
    except BadEventError as error:
        raise BadMappingError(f"--set: {error}") from None
    return RowMapper(columns, {name: value for name, value in values.items() if value is not None}, times)


def typed(name: str, value: Any) -> Any:
    """A cell as its field's type; an empty cell is None.

    Raises:
        BadEventError: It is of another type.
    """
    if value is None or value == "" or value != value:  # NaN is a table's way to say nothing
        return None
    kind, text = _TYPES[name], str(value).strip()
    if "int" in kind:
        try:
            number = Decimal(text)
        except InvalidOperation:
            raise BadEventError(f"{name} {text[:40]!r} is not a number") from None
        if not number.is_finite() or number.adjusted() > 20:
            raise BadEventError(f"{name} {text[:40]!r} is not a number that can be right")
        if "float" in kind:
            return whole_ms(float(number))
        if number != int(number):
            raise BadEventError(f"{name} {text[:40]!r} is not a whole number")
        return int(number)
    if "bool" in kind:
        if text.lower() not in _TRUE | _FALSE:
            raise BadEventError(f"{name} {text[:40]!r} is not true or false")
        return text.lower() in _TRUE
    if "tuple" in kind:
        parts = value if isinstance(value, list | tuple) else text.replace(";", ",").split(",")
        return [tag for tag in (str(part).strip() for part in parts) if tag] or None
    if "Decimal" in kind and not _is_number(text):
        raise BadEventError(f"{name} {text[:40]!r} is not an amount")
    return text


def _is_number(text: str) -> bool:
    try:
        return Decimal(text.strip()).is_finite()
    except InvalidOperation:
        return False
