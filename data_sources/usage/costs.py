"""Whose the costs behind a total are: the senders', the bundled price table's, or the operator's own prices'."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

from data_sources.usage.words import counted

REPORTED, DISPUTED = "reported", "disputed"
FILE = "prices.toml"
Kind: TypeAlias = Literal["reported", "computed", "operator"]
KINDS: tuple[Kind, ...] = ("reported", "computed", "operator")


def kind_of(cost_source: str) -> Kind:
    """Who named a cost, from the store's `cost_source`: the sender, the bundled table, or the operator's file."""
    if cost_source in (REPORTED, DISPUTED):
        return "reported"
    return "operator" if cost_source.startswith(f"{FILE} ") else "computed"


@dataclass(frozen=True, slots=True)
class CostPart:
    """The costs of one origin.

    Attributes:
        kind: reported, computed (by the bundled table) or operator (by the operator's prices).
        version: Of the prices; None for what was reported.
        attempts: How many have their cost from there.
        calls: How many of these decide their call.
        cost: Their sum, US dollars.
    """

    kind: Kind
    version: str | None
    attempts: int
    calls: int
    cost: Decimal


@dataclass(frozen=True, slots=True)
class CostBasis:
    """What a total of costs is made of.

    Attributes:
        parts: By origin, the greatest cost first; their costs add up to the total.
        disputed_calls: Calls whose reported cost differs from what prices make of them by more than 0.5 %.
        disputed_attempts: Likewise attempts.
    """

    parts: tuple[CostPart, ...]
    disputed_calls: int
    disputed_attempts: int

    @property
    def price_versions(self) -> tuple[str, ...]:
        """The versions of the prices that something was computed by."""
        return tuple(part.version for part in self.parts if part.version is not None)

    @property
    def cost(self) -> Decimal:
        """The total."""
        return sum((part.cost for part in self.parts), Decimal(0))


def basis_of(rows: Iterable[tuple[str | None, int, int, Decimal]]) -> CostBasis:
    """Read the answer of a question by `cost_source`.

    Args:
        rows: `cost_source`, attempts, calls and cost; one source may come in several rows, None is what has no cost.
    """
    found: dict[tuple[Kind, str | None], CostPart] = {}
    disputed_calls = disputed_attempts = 0
    for source, attempts, calls, cost in rows:
        if source is None or not attempts:
            continue
        if source == DISPUTED:
            disputed_calls, disputed_attempts = disputed_calls + calls, disputed_attempts + attempts
        kind = kind_of(source)
        key = (kind, None if kind == "reported" else source)
        old = found.get(key, CostPart(*key, 0, 0, Decimal(0)))
        found[key] = CostPart(*key, old.attempts + attempts, old.calls + calls, old.cost + cost)
    parts = sorted((part for part in found.values() if part.attempts), key=lambda p: (-p.cost, -p.attempts, p.kind))
    return CostBasis(tuple(parts), disputed_calls, disputed_attempts)


_WORDS = {"reported": "as reported by the senders", "computed": "by {}", "operator": "by your {}"}


def words(basis: CostBasis) -> Iterator[str]:
    """The origin of a cost in sentences, fit for the notes of a figure."""
    whole = basis.cost
    if basis.parts:
        shares = [
            (100 * part.cost / whole if whole else Decimal(100 * part.attempts) / sum(p.attempts for p in basis.parts))
            for part in basis.parts
        ]
        named = [
            f"{share:.1f}".removesuffix(".0") + f" % {_WORDS[part.kind].format(part.version)}"
            for share, part in zip(shares, basis.parts, strict=True)
        ]
        yield "Cost: " + ", ".join(named)
    if basis.disputed_calls:
        calls = counted(basis.disputed_calls, "call")
        yield f"{calls} disputed: the reported cost and the price differ by more than 0.5 %"
