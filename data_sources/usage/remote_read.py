"""Reads the fields of a foreign JSON answer: what is missing is None, what has a wrong type is named.

Nothing is turned into something else on the way: text is not a number, and a number is not yes or no.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

_PLAIN_AMOUNT = re.compile(r"-?\d{1,18}(\.\d{1,30})?", re.ASCII)
_MOST = 2**63
_NAMES: Mapping[type, str] = {
    bool: "yes or no",
    int: "a number",
    Decimal: "a number",
    str: "text",
    list: "a list",
    dict: "an object",
}


class WrongFieldError(ValueError):
    """The answer is not what was agreed. The text is one sentence that names the field, fit to show."""


def _name(value: object) -> str:
    return _NAMES.get(type(value), "nothing" if value is None else "a number")


def _as_sent(value: object) -> str:
    """A value as it stands in the answer, cut where it is long; of lists and objects only that they are some."""
    if value is None or isinstance(value, list | dict):
        return _name(value)
    if isinstance(value, str):
        return repr(value[:60])  # a line break in it is shown as such
    return (str(value) if isinstance(value, Decimal) else json.dumps(value))[:60]


_REASON_CHARS = 300  # it stands in cards


class Node:
    """An object of the answer that knows where it stands in it.

    Args:
        value: The decoded object; its numbers with a fraction are `Decimal`.
        path: Where it stands: "" or "providers[2]".
    """

    __slots__ = ("_path", "_value")

    def __init__(self, value: Mapping[str, Any], path: str = "") -> None:
        self._value = value
        self._path = path

    @classmethod
    def root(cls, body: object) -> Node:
        """The whole answer.

        Raises:
            WrongFieldError: It is not an object.
        """
        if not isinstance(body, dict):
            raise WrongFieldError(f"The usage API answered {_name(body)} where an object belongs.")
        return cls(body)

    def has(self, name: str) -> bool:
        """Whether the field was sent, null included."""
        return name in self._value

    def is_given(self, name: str) -> bool:
        """Whether the field was sent and is not null."""
        return self._value.get(name) is not None

    def is_whole(self, name: str) -> bool:
        """Whether the field is a whole number."""
        value = self._value.get(name)
        return isinstance(value, int) and not isinstance(value, bool)

    def wrong(self, name: str, wanted: str) -> WrongFieldError:
        """What to raise where a field is not what it should be."""
        value = self._value.get(name)
        field = f"{self._path}.{name}" if self._path else name
        if not self.has(name):
            return WrongFieldError(f"The usage API did not send {field}.")
        return WrongFieldError(f"The usage API sent {field} as {_as_sent(value)} where {wanted} belongs.")

    def whole(self, name: str) -> int | None:
        """A count, 0 or more; None where it is null or missing."""
        value = self._value.get(name)
        if value is None:
            return None
        if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < 19 and value == int(value):
            value = int(value)  # 12.0 is the number 12 in JSON
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MOST:
            raise self.wrong(name, "a whole number")
        return value

    def number(self, name: str, *, negative: bool = False, most: float = math.inf) -> float | None:
        """A measured number, 0 or more unless it may be `negative`, as a change may; `most` at the most, as a share."""
        value = self._value.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise self.wrong(name, "a number")
        try:
            found = float(value)
        except OverflowError:
            found = math.inf
        if not math.isfinite(found):
            raise self.wrong(name, "a finite number")
        if found < 0 and not negative:
            raise self.wrong(name, "a number of 0 or more")
        if found > most:
            raise self.wrong(name, f"a number up to {most:g}")
        return found

    def money(self, name: str) -> Decimal | None:
        """An amount, 0 or more, from plain digits as text or from a number's own text."""
        value = self._value.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise self.wrong(name, "an amount")
        if isinstance(value, str) and not _PLAIN_AMOUNT.fullmatch(value):
            raise self.wrong(name, "an amount")
        found = Decimal(value)
        if not found.is_finite() or (found and not -30 <= found.adjusted() < 18):
            raise self.wrong(name, "an amount")
        if found < 0:
            raise self.wrong(name, "an amount of 0 or more")
        return found.copy_abs()  # -0 is 0

    def text(self, name: str) -> str | None:
        """Text."""
        value = self._value.get(name)
        if value is not None and not isinstance(value, str):
            raise self.wrong(name, "text")
        return value

    def plain(self, name: str) -> str | int | bool | None:
        """Text, a whole number, or yes or no."""
        value = self._value.get(name)
        if value is not None and not isinstance(value, str | int):
            raise self.wrong(name, "text or a whole number")
        return value

    def flag(self, name: str) -> bool | None:
        """Yes or no."""
        value = self._value.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(name, "yes or no")
        return value

    def time(self, name: str) -> datetime | None:
        """A time with its zone, as UTC."""
        text = self.text(name)
        if text is None:
            return None
        try:
            found = datetime.fromisoformat(text)
            if found.tzinfo is not None:
                return found.astimezone(UTC)
        except (ValueError, OverflowError):
            pass  # told below, like a time without a zone
        raise self.wrong(name, "a time with its zone")

    def node(self, name: str) -> Node | None:
        """An object inside."""
        value = self._value.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong(name, "an object")
        return Node(value, self._inside(name))

    def nodes(self, name: str) -> list[Node]:
        """A list of objects, which must have been sent."""
        value = self._value.get(name)
        if not isinstance(value, list):
            raise self.wrong(name, "a list")
        for place, item in enumerate(value):
            if not isinstance(item, dict):
                raise WrongFieldError(
                    f"The usage API sent {self._inside(name)}[{place}] as {_name(item)} where an object belongs."
                )
        return [Node(item, f"{self._inside(name)}[{place}]") for place, item in enumerate(value)]

    def texts(self, name: str) -> tuple[str | None, ...]:
        """A list of texts in which null is a value; none where it is missing."""
        value = self._value.get(name, [])
        if not isinstance(value, list) or not all(item is None or isinstance(item, str) for item in value):
            raise self.wrong(name, "a list of texts")
        return tuple(value)

    def maybe_texts(self, name: str) -> list[str | None] | None:
        """A list of texts; None where it is null or missing."""
        return None if self._value.get(name) is None else list(self.texts(name))

    def must_text(self, name: str) -> str:
        """Text without which the rest means nothing."""
        found = self.text(name)
        if found is None:
            raise self.wrong(name, "text")
        return found

    def must_whole(self, name: str) -> int:
        """A count without which the rest means nothing."""
        found = self.whole(name)
        if found is None:
            raise self.wrong(name, "a whole number")
        return found

    def must_time(self, name: str) -> datetime:
        """A time without which the rest means nothing."""
        found = self.time(name)
        if found is None:
            raise self.wrong(name, "a time with its zone")
        return found

    def reasons(self) -> dict[str, str]:
        """The sentences for what is null."""
        found = self.node("reasons")
        return {} if found is None else {name: found.must_text(name)[:_REASON_CHARS] for name in found}

    def __iter__(self) -> Iterator[str]:
        return iter(self._value)

    def _inside(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name
