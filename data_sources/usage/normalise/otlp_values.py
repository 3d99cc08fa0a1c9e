"""Values of span attributes, whose types differ from sender to sender."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from data_sources.usage.attempt import BadEventError

_LEVELS = ("eco", "balanced", "precision")


def first(given: dict[str, Any], names: Iterable[str]) -> tuple[str, Any] | None:
    """The first of these attributes that has a value; an empty text is none."""
    return next(((name, given[name]) for name in names if given.get(name) not in (None, "")), None)


def text(given: dict[str, Any], names: Iterable[str]) -> str | None:
    """A text; what is not one is not known."""
    found = first(given, names)
    return found[1] if found and isinstance(found[1], str) else None


def flag(given: dict[str, Any], names: Iterable[str]) -> bool | None:
    """A truth value, also as the words True and False."""
    found = first(given, names)
    return None if found is None else {"true": True, "false": False}.get(str(found[1]).lower())


def count(given: dict[str, Any], names: Iterable[str]) -> int | None:
    """A whole number, also as text or as a double without a fraction.

    Raises:
        BadEventError: It is something else: a figure is not guessed.
    """
    number = _number(given, names)
    if number is None:
        return None
    if number[1] != int(number[1]):
        raise BadEventError(f"{number[0]} is not a whole number")
    return int(number[1])


def cost(given: dict[str, Any], names: Iterable[str]) -> Decimal | None:
    """An amount, exactly as written.

    Raises:
        BadEventError: It is no number.
    """
    number = _number(given, names)
    return None if number is None else number[1]


def seconds_ms(given: dict[str, Any], names: Iterable[str]) -> int | None:
    """A duration in seconds as whole milliseconds.

    Raises:
        BadEventError: It is no number.
    """
    number = _number(given, names)
    return None if number is None else round(number[1] * 1000)


def known_level(word: str | None) -> str | None:
    """A power level; unknown words stay as they are."""
    return word.lower() if word and word.lower() in _LEVELS else word


def _number(given: dict[str, Any], names: Iterable[str]) -> tuple[str, Decimal] | None:
    found = first(given, names)
    if found is None:
        return None
    name, value = found
    try:
        number = Decimal(value) if isinstance(value, int | str | Decimal) and not isinstance(value, bool) else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or number.adjusted() > 20:
        raise BadEventError(f"{name} is not a number")
    return name, number
