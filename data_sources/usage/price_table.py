"""Unit prices of the bundled table, genai-prices: dated, tiered, by service tier and way of processing.

Nothing is ever fetched. A price is only given where the table knows one: an unknown provider, model, tier or way of
processing has none, instead of another's.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from genai_prices import data_snapshot
from genai_prices.types import TieredPrices, TimeOfDateConstraint
from genai_prices.units import _get_registry  # the package offers no public way to its units; its version is pinned

from data_sources.usage import regions
from data_sources.usage.provider_names import GATEWAYS, plain, table_provider
from data_sources.usage.unit_prices import KEYS, REQUESTS, Rate, UnitPrices, arrange

TABLE = "genai-prices"
TABLE_VERSION = f"{TABLE} {version('genai-prices')}"
DAY_US = 86_400_000_000
_NOT_KNOWN = object()
_COUNTED = frozenset((*KEYS, REQUESTS))


@lru_cache(maxsize=65536)
def unit_prices(
    provider: str | None, model: str, tier: str | None, processing: str | None, moment_us: int
) -> UnitPrices | None:
    """Look the prices of a model up.

    Args:
        provider: As the source names it; None finds it by the model's name.
        model: Without a provider prefix.
        tier: Such as `priority`; None is the list price.
        processing: Such as `batch`; None is at once.
        moment_us: The day (or, where prices change in the day, the moment), microseconds since 1970 UTC.

    Returns:
        The unit prices, None when the table does not know them.
    """
    found = _model(provider, model)
    if found is None:
        return None
    owner, info = found
    moment = datetime.fromtimestamp(moment_us / 1e6, UTC)
    if tier is None and processing is None:
        return _resolve(info.get_prices(moment).__dict__)
    prices = _in_context(owner, info, tier, processing, moment)
    return None if prices is None else _resolve(prices)


def knows(provider: str | None, model: str) -> bool:
    """Whether the table lists the model of that provider, at whatever price."""
    return _model(provider, model) is not None


def lacks_region(provider: str | None, model: str, region: str | None) -> bool:
    """Whether a call that was answered in that region has a price of its own, which the table does not have."""
    if region is None or (found := _model(provider, model)) is None:
        return False
    owner, info = found
    return regions.has_its_own_price(owner.id, info.id, region)


def has_dates(provider: str | None, model: str) -> bool:
    """Whether the model has had other prices before, or has them at other times of the day."""
    found = _model(provider, model)
    return found is not None and isinstance(found[1].prices, list)


@lru_cache(maxsize=8192)
def changes_in_the_day(provider: str | None, model: str) -> bool:
    """Whether the model's price depends on the time of day."""
    found = _model(provider, model)
    if found is None or not isinstance(found[1].prices, list):
        return False
    return any(isinstance(conditional.constraint, TimeOfDateConstraint) for conditional in found[1].prices)


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


def _in_context(
    owner: Any, info: Any, tier: str | None, processing: str | None, moment: datetime
) -> dict[str, Any] | None:
    """The prices of a tier and of a way of processing.

    The library prices in full what it does not know: a tier that no variant of the model names, a tier and a way of
    processing that no variant names together, and tokens for which a variant that it knows has no price of its own.
    None of these is priced here.

    Returns:
        Prices by the table's keys, None when a part of the context is not known.
    """
    if not any(info is model for model in owner.models):
        return None  # the prices of another provider, whose tiers are not this one's
    active = [v for v in info.price_variants or () if v.constraint is None or v.constraint.active(moment)]
    tiers = [{"service_tier": tier}, {"speed": tier}] if tier is not None else [dict[str, str]()]
    way = {} if processing is None else {"processing": processing}
    # named together, as priority and batch, they need a variant that names both: the price of either is not theirs
    context = next((each | way for each in tiers if any(v.when == each | way for v in active)), None)
    if context is None:
        return None
    own = {
        key
        for variant in active
        if all(context.get(name) == value for name, value in variant.when.items())
        for key, price in variant.prices.__dict__.items()
        if price is not None
    }
    return {
        key: price if key in own or not key.endswith("_mtok") else _NOT_KNOWN
        for key, price in info.get_prices(moment, context).__dict__.items()
        if price is not None
    }


def _resolve(prices: dict[str, Any]) -> UnitPrices | None:
    registry = _get_registry()
    rates, refused = [], set()
    for price_key, price in prices.items():
        if price is None or price_key.startswith("_"):
            continue
        unit = registry.unit_for_price_key(price_key)
        if price is _NOT_KNOWN:
            refused.add(unit.usage_key)
        elif unit.usage_key in _COUNTED:
            tiered = isinstance(price, TieredPrices)
            base = (price.base if tiered else price) / unit.per
            tiers = tuple((tier.start, tier.price / unit.per) for tier in price.tiers) if tiered else ()
            rates.append(Rate(unit.usage_key, unit.dimensions, base, tiers))
        elif unit.dimensions.get("family") not in ("tokens", "tool_calls"):
            return None  # priced by the second, page or character: nothing we keep counts those
        # else such as image tokens: never reported to us, so none are taken off
    return arrange(rates, refused) if rates else None
