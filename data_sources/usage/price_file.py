"""The operator's own prices: a TOML file that stands above the bundled table.

    [providers]                      # names of yours for providers of the bundled table
    "eu-gateway" = "openai"

    [[price]]
    provider = "openai"              # left out: whoever the provider is
    model = "our-own-finetune-7b"    # or model_prefix = "ft:gpt-4o-mini"
    # region = "us"                  # where the provider bills one otherwise; left out: wherever it was answered
    valid_from = 2026-03-01          # left out: always
    input = 0.30                     # USD for a million tokens
    output = 1.20
    cache_read = 0.03
    [price.batch]                    # complete prices of their own, nothing is carried over
    input = 0.15
    output = 0.60

An entry of such inner tables alone adds them to the bundled table's prices, which stand for every other call.

An explicit 0 is a price. What is wrong with a file is one sentence that names its line and field.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from data_sources.usage.attempt import us_of
from data_sources.usage.costs import FILE
from data_sources.usage.provider_names import plain, table_provider
from data_sources.usage.unit_prices import ORDINARY, REQUESTS, Rate, UnitPrices, arrange, special

BATCH = "batch"
MAX_BYTES = 4 * 10**6
_MOST = Decimal(10) ** 6
_INPUT, _OUTPUT = {"direction": "input"}, {"direction": "output"}
# field of the file -> usage key, USD is for how many, what tells it from the others
FIELDS: Mapping[str, tuple[str, int, Mapping[str, str]]] = {
    "input": ("input_tokens", 10**6, _INPUT),
    "output": ("output_tokens", 10**6, _OUTPUT),
    "cache_read": ("cache_read_tokens", 10**6, _INPUT | {"kind": "read"}),
    "cache_write": ("cache_write_tokens", 10**6, _INPUT | {"kind": "write"}),
    "cache_write_1h": ("cache_write_1h_tokens", 10**6, _INPUT | {"kind": "write", "ttl": "1h"}),
    "reasoning": ("output_reasoning_tokens", 10**6, _OUTPUT | {"kind": "reasoning"}),
    "input_audio": ("input_audio_tokens", 10**6, _INPUT | {"modality": "audio"}),
    "output_audio": ("output_audio_tokens", 10**6, _OUTPUT | {"modality": "audio"}),
    "web_search": ("web_searches", 1000, {"tool": "search"}),
    "request": (REQUESTS, 1, {"unit": "request"}),
}
_NAMES = ("provider", "model", "model_prefix", "region", "valid_from")
Context = tuple[str | None, str | None]
ORDINARY_CALL: Context = (None, None)
FIELD_OF = {key: name for name, (key, _, _) in FIELDS.items()}


def _in_file(value: object) -> str:
    """A value as the file has it."""
    if isinstance(value, str):
        return repr(value)  # a line break in it is shown as such
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a table"
    return str(value)


class PriceFileError(Exception):
    """The file cannot be used. The text is one line that names the place."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One `[[price]]`: what it is for (no provider or region: any), since when, and the prices of each context."""

    provider: str | None
    model: str
    is_prefix: bool
    region: str | None
    valid_from_us: int | None
    contexts: Mapping[Context, UnitPrices]

    @property
    def owner(self) -> str | None:
        """Whose model it is, under whatever name that provider goes; None for anybody's."""
        return None if self.provider is None else _owner(self.provider)


def _owner(provider: str) -> str:
    return table_provider(provider) or plain(provider)


def _region(name: str) -> str:
    return name.strip().lower()


@dataclass(slots=True)
class PriceFile:
    """The prices of a file.

    Attributes:
        version: Names the file's very content, as `price_version` of what it priced.
        entries: As they stand in the file.
        providers: The operator's names of the bundled table's providers, as `plain` writes them.
    """

    version: str
    entries: tuple[Entry, ...]
    providers: Mapping[str, str]
    _found: dict[tuple[str | None, str, str | None], tuple[Entry, ...]] = field(default_factory=dict)

    def entry(self, provider: str | None, model: str, region: str | None, moment_us: int) -> Entry | None:
        """The entry that prices a model at a moment, None where the file has nothing to say."""
        fitting = self.fitting(provider, model, region)
        return next((e for e in fitting if e.valid_from_us is None or e.valid_from_us <= moment_us), None)

    def fitting(self, provider: str | None, model: str, region: str | None) -> tuple[Entry, ...]:
        """The entries for a model that was answered in a region, whatever their day, the most fitting first."""
        key = (provider, model, region)
        found = self._found.get(key)
        if found is None:
            found = self._fitting(provider, model.lower(), None if region is None else _region(region))
            if len(self._found) >= 8192:
                self._found.clear()
            self._found[key] = found
        return found

    def _fitting(self, provider: str | None, model: str, region: str | None) -> tuple[Entry, ...]:
        """A whole name goes before a start, then the longest, the provider's own, the region's own, the newest."""
        owners = self._owners(provider)

        def rank(entry: Entry) -> tuple[bool, int, int, bool, float]:
            since = float("-inf") if entry.valid_from_us is None else entry.valid_from_us
            return (entry.is_prefix, -len(entry.model), owners[entry.owner], entry.region is None, -since)

        return tuple(sorted((e for e in self._named(model, owners) if e.region in (None, region)), key=rank))

    def regions(self, provider: str | None, model: str) -> tuple[str, ...]:
        """The regions for which alone the file has prices of a model; none where it has some for every region."""
        regions = {entry.region for entry in self._named(model.lower(), self._owners(provider))}
        return () if None in regions else tuple(sorted(region for region in regions if region is not None))

    def _owners(self, provider: str | None) -> dict[str | None, int]:
        """Whose prices hold for a provider's models, the most fitting with the lowest number."""
        owners: dict[str | None, int] = {None: 2}
        if provider is not None:
            own = _owner(provider)
            # a name of [providers] may have prices of its own: they go before those of the provider it stands for
            owners |= {self.providers.get(plain(provider), own): 1, own: 0}
        return owners

    def _named(self, model: str, owners: Mapping[str | None, int]) -> Iterator[Entry]:
        for entry in self.entries:
            fits = model.startswith(entry.model) if entry.is_prefix else model == entry.model
            if fits and entry.owner in owners:
                yield entry


def read_price_file(path: Path) -> PriceFile:
    """Read and check a file of prices.

    Args:
        path: The TOML file.

    Raises:
        PriceFileError: It cannot be read, or something in it is wrong.
    """
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8")
    except OSError as error:
        raise PriceFileError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise PriceFileError(f"{path} is not UTF-8 text") from None
    if len(raw) > MAX_BYTES:
        raise PriceFileError(f"{path} is larger than {MAX_BYTES // 10**6} MB")
    return _Reader(path, text).read(f"{FILE} {hashlib.sha256(raw).hexdigest()[:12]}")


class _Reader:
    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = text.splitlines()
        self._text = text

    def read(self, version: str) -> PriceFile:
        try:
            # numbers are taken from their digits, never through a float
            found = tomllib.loads(self._text, parse_float=Decimal)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise PriceFileError(f"{self._path} is not TOML: {error}") from None
        for name in found:
            if name not in ("price", "providers"):
                self._fail(None, name, "is not known here. Use [[price]] and [providers]")
        given = found.get("price", [])
        if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
            self._fail(None, "price", "is written [[price]], once for each price")
        entries = [self._entry(number, each) for number, each in enumerate(given)]
        self._check_twice(entries)
        return PriceFile(version, tuple(entries), self._providers(found))

    def _providers(self, found: Mapping[str, Any]) -> dict[str, str]:
        given = found.get("providers", {})
        if not isinstance(given, dict):
            self._fail(None, "providers", "is a table of names")
        spelled: dict[str, str] = {}
        for name, target in given.items():
            if not isinstance(target, str) or table_provider(target) is None:
                self._fail(None, name, f"{_in_file(target)} is no provider of the bundled price table")
            if (first := spelled.setdefault(plain(name), name)) != name:
                self._fail(None, name, f"is the same name as {first}")
        return {plain(name): str(table_provider(target)) for name, target in given.items()}

    def _entry(self, number: int, given: dict[str, Any]) -> Entry:
        for name in given:
            if isinstance(given[name], list) and name not in _NAMES and name not in FIELDS:
                self._fail(number, name, f"is written [price.{name}], in single brackets")
            if name not in _NAMES and name not in FIELDS and not isinstance(given[name], dict):
                self._fail(number, name, f"is not known. Prices: {', '.join(FIELDS)}")
        if ("model" in given) == ("model_prefix" in given):
            self._fail(number, None, "needs one of model and model_prefix")
        is_prefix = "model_prefix" in given
        contexts: dict[Context, UnitPrices] = {}
        own = {name: value for name, value in given.items() if name in FIELDS}
        if own:
            contexts[None, None] = self._prices(number, None, own)
        for name, value in given.items():
            if isinstance(value, dict):
                context = self._context(number, name)
                if context in contexts:
                    self._fail(number, name, "is named twice: tiers are the same in small and capital letters")
                contexts[context] = self._prices(number, name, value)
        if not contexts:
            self._fail(number, None, "has no price. An explicit 0 is one")
        return Entry(
            self._name(number, given, "provider") if "provider" in given else None,
            self._name(number, given, "model_prefix" if is_prefix else "model").lower(),
            is_prefix,
            _region(self._name(number, given, "region")) if "region" in given else None,
            self._since_us(number, given.get("valid_from")),
            contexts,
        )

    def _context(self, number: int, name: str) -> Context:
        """What the prices of an inner table are for. Under a name that no call has they would never be used."""
        word = special(name)
        if word is None:
            words = ", ".join(sorted(ORDINARY))
            self._fail(number, name, f"is no tier of its own: {words} cost what stands under [[price]] itself")
        if word == BATCH and name != BATCH:
            self._fail(number, name, f"is written {BATCH}, in small letters without a space")
        return (None, BATCH) if word == BATCH else (word, None)

    def _name(self, number: int, given: dict[str, Any], name: str) -> str:
        value = given[name]
        if not isinstance(value, str) or not value.strip():
            self._fail(number, name, "is a text that is not empty")
        return str(value).strip()

    def _since_us(self, number: int, value: object) -> int | None:
        if value is None:
            return None
        if isinstance(value, datetime):
            if value.tzinfo is None:
                self._fail(number, "valid_from", "has no offset: add Z or +hh:mm, or give a day")
            return us_of(value)
        if not isinstance(value, date):
            self._fail(number, "valid_from", "is a day such as 2026-03-01, without quotes")
        return us_of(datetime(value.year, value.month, value.day, tzinfo=UTC))

    def _prices(self, number: int, context: str | None, given: Mapping[str, Any]) -> UnitPrices:
        rates = []
        for name, value in given.items():
            if isinstance(value, dict) and context is not None:
                why = "is a table too deep: a tier or batch has its prices alone, there are none for both at once"
                self._fail(number, name, why, context)
            if name not in FIELDS:
                self._fail(number, name, f"is not known. Prices: {', '.join(FIELDS)}", context)
            price = Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value
            if not isinstance(price, Decimal) or not price.is_finite() or not 0 <= price < _MOST:
                self._fail(number, name, f"{_in_file(value)} is not a price in USD between 0 and 1,000,000", context)
            key, count, dimensions = FIELDS[name]
            rates.append(Rate(key, dimensions, price / count))
        if not given:
            self._fail(number, None, "has no price. An explicit 0 is one", context)
        if "request" not in given:
            for name in ("input", "output"):
                if name not in given:
                    self._fail(number, name, "is missing. An explicit 0 is a price", context)
        return arrange(rates)

    def _check_twice(self, entries: list[Entry]) -> None:
        seen: dict[tuple[Any, ...], int] = {}
        for number, entry in enumerate(entries):
            key = (entry.owner, entry.model, entry.is_prefix, entry.region, entry.valid_from_us)
            if key in seen:
                self._fail(number, None, f"is for the same model and day as price {seen[key] + 1}")
            seen[key] = number

    def _fail(self, number: int | None, name: str | None, why: str, context: str | None = None) -> NoReturn:
        line = self._line(number, name, context)
        place = [str(self._path) + (f", line {line}" if line else "")]
        if number is not None:
            place.append(f"price {number + 1}" + (f", {context}" if context else ""))
        if name is not None:
            place.append(name)
        raise PriceFileError(f"{': '.join(place)}: {why}".replace("\n", " "))

    def _line(self, number: int | None, name: str | None, context: str | None) -> int | None:
        """Where a field stands, as far as its usual spelling tells; the parser itself keeps no lines."""
        first, last = 0, len(self._lines)
        if number is not None:
            heads = [place for place, line in enumerate(self._lines) if re.match(r"\s*\[\[\s*price\s*\]\]", line)]
            if number >= len(heads):
                return None
            first = heads[number]
            last = heads[number + 1] if number + 1 < len(heads) else last
            if context is not None:
                # under a heading of its own, else in the lines that begin with its name
                start = rf"\s*(?:\[\s*price\s*\.\s*)?{_spelled(context)}\s*"
                inner = re.compile(rf"{start}[\].=]")
                places = [at for at in range(first, last) if inner.match(self._lines[at])]
                first = next(iter(places), first)
                if name is not None:
                    # [price.batch.flex], batch.flex = 1
                    own = re.compile(rf"{start}\.\s*{_spelled(name)}\s*[\].=]")
                    found = next((at for at in places if own.match(self._lines[at])), None)
                    if found is not None:
                        return found + 1
        if name is None:
            return first + 1 if number is not None else None
        wanted = re.compile(rf"\s*[\[\s]*(?:price\s*\.\s*)?{_spelled(name)}\s*[\].=]")
        named = (at + 1 for at in range(first, last) if wanted.match(self._lines[at]))
        return next(named, first + 1 if number is not None else None)


def _spelled(name: str) -> str:
    """A pattern of a name as a file may have it."""
    return rf"[\"']?{re.escape(name)}[\"']?"
