"""Which models have usage without a price, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from data_sources.usage import sql
from data_sources.usage.attempt import Attempt
from data_sources.usage.figures import ZERO, add, sums_of
from data_sources.usage.pricing import PriceBook
from data_sources.usage.remedy import Remedy, lines, merged
from data_sources.usage.types import Sums, Tokens, UnpricedModel

BY = ("provider", "model", "cost_source")

Whose: TypeAlias = tuple[str | None, str | None]  # provider and model
_NOT_KEPT = "Its calls are no longer kept one by one, so the reason is not known."
_MOST_REASONS = 3
_OLDER = f"Its calls are older than the newest {sql.NEWEST_UNPRICED:,} without a price, whose reasons are looked up."


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why models have no price, and what a price file would have to say.

    Attributes:
        words: A sentence for each reason, the most frequent first.
        lines: Of a price file, where a price is what lacks.
        otherwise: What is to be said of models of which none was looked up.
    """

    words: Mapping[Whose, str]
    lines: Mapping[Whose, str]
    otherwise: str


def reasons(rows: Iterable[tuple[Any, ...]], prices: PriceBook) -> Reasons:
    """Why models have no price.

    Args:
        rows: Of `sql.unpriced_kinds`.
        prices: Say why one attempt has no price.
    """
    found: dict[Whose, dict[str, int]] = {}
    remedies: dict[Whose, list[Remedy]] = {}
    looked_up = 0
    for provider, model, attempts, oldest, newest in rows:
        looked_up += attempts
        counts = found.setdefault((provider, model), {})
        # prices have their time: what is missing for the oldest may be there for the newest
        examples = [_example(provider, model, kind) for kind in (oldest, newest)]
        for reason in {prices.why_unpriced(example) for example in examples}:
            counts[reason] = counts.get(reason, 0) + attempts
        for remedy in filter(None, map(prices.remedy, examples)):
            remedies.setdefault((provider, model), []).append(remedy)
    all_of_them = looked_up < sql.NEWEST_UNPRICED
    told = {whose: _joined(counts) for whose, counts in found.items()}
    if not all_of_them:
        told = {whose: f"Of its newest calls: {words}" for whose, words in told.items()}
    given = {whose: lines(whose[0], str(whose[1]), merged(each)) for whose, each in remedies.items()}
    return Reasons(told, given, _NOT_KEPT if all_of_them else _OLDER)


def _example(provider: str | None, model: str | None, kind: tuple[Any, ...]) -> Attempt:
    facts = dict(zip(sql.KIND, kind, strict=True))
    return Attempt(event_id="", call_id="", source="", provider=provider, model=model, **facts)


def _joined(counts: Mapping[str, int]) -> str:
    ranked = sorted(counts, key=lambda reason: (-counts[reason], reason))
    more = len(ranked) - _MOST_REASONS
    told = ranked[:_MOST_REASONS] + ([f"And {more} more reasons." if more > 1 else "And one more."] if more > 0 else [])
    return " ".join(told)


def unpriced_models(rows: Iterable[tuple[Any, ...]], why: Reasons) -> list[UnpricedModel]:
    """Read the answer of a question by `BY`.

    What has no cost is unpriced or unmetered; the latter reports no usage, so all usage of a group without a cost is
    that of its unpriced attempts.

    Args:
        rows: The values of `BY`, then `sql.MEASURES`.
        why: Of `reasons`.

    Returns:
        The models with unpriced usage, most calls first; of their tokens those of input and output.
    """
    found: dict[Whose, Sums] = {}
    for provider, model, cost_source, *measures in rows:
        if cost_source is None:
            found[provider, model] = add(found.get((provider, model), ZERO), sums_of(measures))
    models = []
    for (provider, model), sums in found.items():
        if sums.unpriced_attempts:
            tokens = Tokens(sums.tokens.input, sums.tokens.output, None, None, None)
            reason = why.words.get((provider, model), why.otherwise)
            given = why.lines.get((provider, model))
            counts = (sums.unpriced_calls, sums.unpriced_attempts)
            models.append(UnpricedModel(provider, model, *counts, tokens, reason, given))
    return sorted(models, key=lambda one: (-one.calls, -one.attempts, one.provider or "", one.model or ""))
