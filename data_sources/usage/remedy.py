"""What a price file would have to say so that attempts without a price get one, as the lines of it.

Lines with a price that is not filled in are refused at the start, so nothing is priced by a guess.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from data_sources.usage.attempt import Attempt
from data_sources.usage.price_file import FIELD_OF, FIELDS
from data_sources.usage.unit_prices import USAGE_KEYS, UnitPrices

_ALWAYS = ("input", "output")


@dataclass(frozen=True, slots=True)
class Remedy:
    """What is to be filled in for one model.

    Attributes:
        fields: Names of prices under `[[price]]` itself; none where the price table's stand.
        known: The table's own prices of such fields, USD as the file counts them.
        contexts: Inner tables, such as `batch` or `flex`, and the names of prices in each.
        region: Where alone it is for.
    """

    fields: frozenset[str] = frozenset()
    known: Mapping[str, Decimal] = field(default_factory=dict)
    contexts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    region: str | None = None


def used_fields(attempt: Attempt) -> frozenset[str]:
    """The prices that an attempt's usage goes by: input and output, and whatever else it used."""
    used = (USAGE_KEYS[name] for name in USAGE_KEYS if getattr(attempt, name))
    return frozenset({*_ALWAYS, *(FIELD_OF[key] for key in used if FIELD_OF[key] != "reasoning")})


def of_table(prices: UnitPrices) -> dict[str, Decimal] | None:
    """A table's prices as the file would say them, None where it cannot: they rise with the input, or are of others."""
    known = {}
    for unit in prices.units:
        if unit.tiers or unit.usage_key not in FIELD_OF:
            return None
        name = FIELD_OF[unit.usage_key]
        known[name] = unit.base * FIELDS[name][1]
    return known


def merged(remedies: Iterable[Remedy]) -> tuple[Remedy, ...]:
    """One remedy for each region, the one for everywhere first."""
    found: dict[str | None, Remedy] = {}
    for one in remedies:
        before = found.get(one.region, Remedy(region=one.region))
        contexts = dict(before.contexts)
        for name, fields in one.contexts.items():
            contexts[name] = contexts.get(name, frozenset()) | fields
        found[one.region] = Remedy(before.fields | one.fields, {**before.known, **one.known}, contexts, one.region)
    return tuple(found[region] for region in sorted(found, key=lambda region: (region is not None, region or "")))


def lines(provider: str | None, model: str, remedies: Iterable[Remedy]) -> str:
    """The lines of a price file.

    Args:
        provider: As senders name it, None for whoever it is.
        model: Likewise.
        remedies: Of `merged`.
    """
    return "\n".join(line for one in remedies for line in (*_entry(provider, model, one), ""))


def _entry(provider: str | None, model: str, remedy: Remedy) -> list[str]:
    told = ["[[price]]"]
    if provider is not None:
        told.append(f"provider = {_toml(provider)}")
    told.append(f"model = {_toml(model)}")
    if remedy.region is not None:
        told.append(f"region = {_toml(remedy.region)}")
    if remedy.fields:
        told += _prices(remedy.fields | frozenset(remedy.known), remedy.known)
    for name in sorted(remedy.contexts):
        told += [f"[price.{name if name.replace('_', '').isalnum() and name.isascii() else _toml(name)}]"]
        told += _prices(remedy.contexts[name], {})
    return told


def _prices(names: frozenset[str], known: Mapping[str, Decimal]) -> list[str]:
    told = []
    for name in (name for name in FIELDS if name in names):
        unit = {10**6: "a million tokens", 1000: "a thousand", 1: "each"}[FIELDS[name][1]]
        if name in known:
            told.append(f"{name} = {known[name].normalize():f}  # the price table's")
        else:
            told.append(f"{name} =     # USD for {unit}")
    return told


def _toml(text: str) -> str:
    """A text as TOML writes it; JSON's escapes are among TOML's."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
