"""What an attempt costs by the price table: unit prices of genai-prices, resolved once, and exact arithmetic of ours.

The bundled table is used and nothing is ever fetched. A price is only given where the table knows one for everything
that was used: an unknown model, an unknown tier, audio or searches without a price of their own are unpriced, not
priced as something else.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from importlib.metadata import version
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from genai_prices import data_snapshot
from genai_prices.types import TieredPrices, TimeOfDateConstraint
from genai_prices.units import _get_registry  # the package offers no public way to its units; its version is pinned

from data_sources.usage.attempt import Attempt, money
from data_sources.usage.provider_names import GATEWAYS, plain, table_provider

PRICE_VERSION = f"genai-prices {version('genai-prices')}"

NOT_KNOWN = object()
_STANDARD = frozenset({"standard", "default", "auto", "on_demand", "realtime", "online"})
# our field -> the table's usage key
_USAGE = {
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
_KEYS, _counts = tuple(_USAGE.values()), attrgetter(*_USAGE)
# Used without a price of its own, these would silently be priced as something cheaper, or not at all.
_NEED_OWN_PRICE = ("cache_write_1h_tokens", "input_audio_tokens", "output_audio_tokens", "web_searches")
_DAY_US = 86_400_000_000


class Unit(NamedTuple):
    """One priced unit: what is counted, what is taken off because it has its own price, and USD for one."""

    usage_key: str
    inner: tuple[str, ...]
    base: Decimal
    tiers: tuple[tuple[int, Decimal], ...]


class UnitPrices(NamedTuple):
    """The prices of one model on one day in one context, most specific unit first."""

    units: tuple[Unit, ...]
    keys: frozenset[str]
    refused: frozenset[str] = frozenset()  # used, these have no price in this context

    def cost(self, usage: dict[str, int]) -> Decimal | None:
        """The exact cost in USD, not rounded.

        Args:
            usage: Counts by usage key; only what was reported.

        Returns:
            The cost; None when a count that has a price was not reported, or a used one has no price.
        """
        if any(usage.get(key) and key not in self.keys for key in _NEED_OWN_PRICE):
            return None
        if self.refused and any(usage.get(key) for key in self.refused):
            return None
        total, leaves = Decimal(0), dict.fromkeys(self.keys, 0)
        for unit in self.units:
            count = usage.get(unit.usage_key)
            if count is None:
                if unit.usage_key in ("input_tokens", "output_tokens") and unit.base:
                    return None
                count = 0  # a part that was not reported is priced with its whole
            leaf = count - sum(leaves[key] for key in unit.inner)
            if leaf < 0:
                return None
            leaves[unit.usage_key] = leaf
            if leaf:
                total += leaf * _price_at(unit, usage.get("input_tokens"))
        return total


def _price_at(unit: Unit, input_tokens: int | None) -> Decimal:
    """The tier is decided by all input tokens, and then holds for every token."""
    if input_tokens is not None:
        for start, price in reversed(unit.tiers):
            if input_tokens > start:
                return price
    return unit.base


@lru_cache(maxsize=65536)
def unit_prices(
    provider: str | None, model: str, service_tier: str | None, processing: str | None, moment_us: int
) -> UnitPrices | None:
    """Look the prices of a model up.

    Args:
        provider: As the source names it; None finds it by the model's name.
        model: Without a provider prefix.
        service_tier: Such as `priority`; None or a standard one is the list price.
        processing: Such as `batch`.
        moment_us: The day (or, where prices change in the day, the moment), microseconds since 1970 UTC.

    Returns:
        The unit prices, None when the table does not know them.
    """
    found = _model(provider, model)
    if found is None:
        return None
    owner, info = found
    moment = datetime.fromtimestamp(moment_us / 1e6, UTC)
    tier, way = _special(service_tier), _special(processing)
    if tier is None and way is None:
        return _resolve(info.get_prices(moment).__dict__)
    prices = _in_context(owner, info, tier, way, moment)
    return None if prices is None else _resolve(prices)


def _special(value: str | None) -> str | None:
    """A tier or a way of processing that is not the ordinary one."""
    word = (value or "").strip().lower()
    return word if word and word not in _STANDARD else None


@lru_cache(maxsize=8192)
def _model(provider: str | None, model: str) -> tuple[Any, Any] | None:
    if provider is not None and plain(provider) in GATEWAYS:
        named, _, rest = model.partition("/")
        provider, model = (named, rest) if rest else (None, model)
    known = None if provider is None else table_provider(provider)
    if provider is not None and known is None:
        return None
    try:
        found: tuple[Any, Any] = data_snapshot.get_snapshot().find_provider_model(model, None, known, None)
    except LookupError:
        return None
    return found


def _in_context(owner: Any, info: Any, tier: str | None, processing: str | None, moment: datetime) -> Any:
    """The prices of a tier and of a way of processing.

    The library prices in full what it does not know: a tier that no variant of the model names, and tokens for which
    a variant that it knows has no price of its own. Neither is priced here.

    Returns:
        Prices by the table's keys, None when a part of the context is not known.
    """
    if not any(info is model for model in owner.models):
        return None  # the prices of another provider, whose tiers are not this one's
    active = [v for v in info.price_variants or () if v.constraint is None or v.constraint.active(moment)]
    context: dict[str, str] = {}
    for value, keys in ((tier, ("service_tier", "speed")), (processing, ("processing",))):
        if value is not None:
            key = next((key for key in keys if any(variant.when.get(key) == value for variant in active)), None)
            if key is None:
                return None
            context[key] = value
    own = {
        key
        for variant in active
        if all(context.get(name) == value for name, value in variant.when.items())
        for key, price in variant.prices.__dict__.items()
        if price is not None
    }
    return {
        key: price if key in own or not key.endswith("_mtok") else NOT_KNOWN
        for key, price in info.get_prices(moment, context).__dict__.items()
        if price is not None
    }


def _resolve(prices: dict[str, Any]) -> UnitPrices | None:
    registry = _get_registry()
    priced, refused = [], set()
    for price_key, price in prices.items():
        if price is None or price_key.startswith("_"):
            continue
        unit = registry.unit_for_price_key(price_key)
        if price is NOT_KNOWN:
            refused.add(unit.usage_key)
            continue
        if unit.usage_key not in _USAGE.values():
            if unit.dimensions.get("family") not in ("tokens", "tool_calls"):
                return None  # priced by the request, second, page or pixel: nothing we keep counts those
            continue  # such as image tokens: never reported to us, so none are taken off
        priced.append((unit, price))
    if not priced:
        return None
    priced.sort(key=lambda pair: (-len(pair[0].dimensions), pair[0].usage_key))
    units = tuple(
        Unit(
            unit.usage_key,
            tuple(
                inner.usage_key
                for inner, _ in priced
                if inner is not unit and unit.dimensions.items() <= inner.dimensions.items()
            ),
            (price.base if isinstance(price, TieredPrices) else price) / unit.per,
            tuple((tier.start, tier.price / unit.per) for tier in price.tiers)
            if isinstance(price, TieredPrices)
            else (),
        )
        for unit, price in priced
    )
    return UnitPrices(units, frozenset(unit.usage_key for unit in units), frozenset(refused))


@lru_cache(maxsize=8192)
def _changes_in_the_day(provider: str | None, model: str) -> bool:
    found = _model(provider, model)
    if found is None or not isinstance(found[1].prices, list):
        return False
    return any(isinstance(conditional.constraint, TimeOfDateConstraint) for conditional in found[1].prices)


def computed_cost(attempt: Attempt) -> Decimal | None:
    """The cost by the price table, USD, rounded once to 12 decimals; None where it does not know."""
    if attempt.model is None:
        return None
    moment_us = attempt.started_at_us
    if not _changes_in_the_day(attempt.provider, attempt.model):
        moment_us -= moment_us % _DAY_US
    prices = unit_prices(attempt.provider, attempt.model, attempt.service_tier, attempt.processing, moment_us)
    if prices is None:
        return None
    usage = {key: count for key, count in zip(_KEYS, _counts(attempt), strict=True) if count is not None}
    return money(prices.cost(usage)) if usage else None


def priced(attempt: Attempt) -> Attempt:
    """The attempt with its costs and how well they are known.

    What the source reported wins; what the table computes is kept beside it.
    """
    reported, computed = money(attempt.cost_reported_usd), computed_cost(attempt)
    cost = computed if reported is None else reported
    if cost is not None:
        pricing = "priced"
    elif attempt.input_tokens is not None or attempt.output_tokens is not None:
        pricing = "unpriced"
    else:
        pricing = "unmetered"
    return msgspec.structs.replace(
        attempt,
        cost_usd=cost,
        cost_reported_usd=reported,
        cost_computed_usd=computed,
        price_version=None if computed is None else PRICE_VERSION,
        pricing=pricing,
    )
