"""Prices of one model in one context, and exact arithmetic on them, whoever the prices are from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple

REQUESTS = "requests"
# our field -> the usage key that prices go by
USAGE_KEYS: Mapping[str, str] = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "cache_write_1h_tokens": "cache_write_1h_tokens",
    "reasoning_tokens": "output_reasoning_tokens",
    "input_audio_tokens": "input_audio_tokens",
    "output_audio_tokens": "output_audio_tokens",
    "web_searches": "web_searches",
}
KEYS = tuple(USAGE_KEYS.values())
# Words for the tier and the way of processing that the prices of a list are for.
ORDINARY = frozenset({"standard", "default", "auto", "on_demand", "realtime", "online"})
_NOTHING = Decimal(0)
counts_of = attrgetter(*USAGE_KEYS)  # read at once: this runs for every event
# Used without a price of its own, these would silently be priced as something cheaper, or not at all.
_NEED_OWN_PRICE = ("cache_write_1h_tokens", "input_audio_tokens", "output_audio_tokens", "web_searches")
# usage key -> what a sentence calls it
_WORDS = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_read_tokens": "cache reads",
    "cache_write_tokens": "cache writes",
    "cache_write_1h_tokens": "one-hour cache writes",
    "output_reasoning_tokens": "reasoning",
    "input_audio_tokens": "audio input",
    "output_audio_tokens": "audio output",
    "web_searches": "web searches",
}


def special(value: str | None) -> str | None:
    """A tier or a way of processing, as prices go by it; None for the ordinary one."""
    if value is None:
        return None
    word = value.strip().lower()
    return word if word and word not in ORDINARY else None


class Unit(NamedTuple):
    """One priced unit: what is counted, what is taken off because it has its own price, and USD for one."""

    usage_key: str
    inner: tuple[str, ...]
    base: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()


class UnitPrices(NamedTuple):
    """The prices of one model on one day in one context, most specific unit first."""

    units: tuple[Unit, ...]
    keys: frozenset[str]
    without_price: tuple[str, ...] = ()  # once one of these is used, there is no cost in this context

    def cost(self, usage: Mapping[str, int]) -> Decimal | None:
        """The exact cost in USD, not rounded.

        Args:
            usage: Counts by usage key; only what was reported.

        Returns:
            The cost; None when a count that has a price was not reported, or a used one has no price.
        """
        for key in self.without_price:
            if usage.get(key):
                return None
        if usage.get("input_audio_tokens") and usage.get("cache_read_tokens"):
            return None  # nothing tells how many of the cached tokens are audio
        total, leaves = _NOTHING, dict[str, int]()
        for key, inner, base, tiers in self.units:
            leaf = usage.get(key)
            if leaf is None:
                if key in ("input_tokens", "output_tokens") and (base or tiers):
                    return None
                leaf = 0  # a part that was not reported is priced with its whole
            for part in inner:
                leaf -= leaves[part]
            if leaf < 0:
                return None
            leaves[key] = leaf
            if leaf:
                total += leaf * (_price_at(base, tiers, usage.get("input_tokens")) if tiers else base)
        return total

    def lacking(self, usage: Mapping[str, int]) -> list[str]:
        """The usage keys that were used and have no price here."""
        return [key for key in _WORDS if key in self.without_price and usage.get(key)]

    def why_not(self, usage: Mapping[str, int]) -> str | None:
        """Why `cost` gives none, in one sentence; None where it gives one."""
        if self.cost(usage) is not None:
            return None
        if used := [_WORDS[key] for key in self.lacking(usage)]:
            return f"There is no price for {' and '.join(used)}."
        if usage.get("input_audio_tokens") and usage.get("cache_read_tokens"):
            return "How many of the cached tokens are audio was not reported."
        for key, _, base, tiers in self.units:
            if key in ("input_tokens", "output_tokens") and key not in usage and (base or tiers):
                return f"The number of {_WORDS[key]} tokens was not reported."
        if usage.get("cache_write_1h_tokens") and "cache_write_tokens" not in usage:
            return "The number of tokens written to the cache was not reported."
        return "The parts of the tokens add up to more than the whole."


def _price_at(base: Decimal, tiers: tuple[tuple[int, Decimal], ...], input_tokens: int | None) -> Decimal:
    """The tier is decided by all input tokens, and then holds for every token."""
    if input_tokens is not None:
        for start, price in reversed(tiers):
            if input_tokens > start:
                return price
    return base


class Rate(NamedTuple):
    """The price of one unit before its place among the others is known.

    Attributes:
        usage_key: What is counted.
        dimensions: What tells it from other units: a unit lies inside another that has some of its dimensions.
        base: USD for one.
        tiers: Input tokens beyond which another price holds, and that price.
    """

    usage_key: str
    dimensions: Mapping[str, Any]
    base: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()


def arrange(rates: Iterable[Rate], refused: Collection[str] = ()) -> UnitPrices:
    """Put prices in the order in which they are taken off each other."""
    ordered = sorted(rates, key=lambda rate: (-len(rate.dimensions), rate.usage_key))
    units = tuple(
        Unit(
            rate.usage_key,
            tuple(
                inner.usage_key
                for inner in ordered
                if inner is not rate and rate.dimensions.items() <= inner.dimensions.items()
            ),
            rate.base,
            rate.tiers,
        )
        for rate in ordered
    )
    keys = frozenset(unit.usage_key for unit in units)
    return UnitPrices(units, keys, tuple({*refused, *_NEED_OWN_PRICE} - (keys - set(refused))))
