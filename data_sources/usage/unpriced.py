"""Which models have usage without a price."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from data_sources.usage.figures import add, sums_of, total
from data_sources.usage.types import Sums, UnpricedModel

BY = ("provider", "model", "cost_source")


def whole_and_models(
    rows: Iterable[tuple[Any, ...]], why: Callable[[str | None, str | None], str]
) -> tuple[Sums, list[UnpricedModel]]:
    """Read the answer of a question by `BY`.

    Attempts without a cost are unpriced or unmetered; the latter report no usage, so all usage of a group without a
    cost is that of its unpriced attempts.

    Args:
        rows: The values of `BY`, then the measures.
        why: Says why a model of a provider has no price.

    Returns:
        The sums of all, and the models with unpriced usage, most calls first.
    """
    sums: list[Sums] = []
    found: dict[tuple[str | None, str | None], Sums] = {}
    for provider, model, cost_source, *measures in rows:
        part = sums_of(measures)
        sums.append(part)
        if cost_source is None and part.unpriced_attempts:
            known = found.get((provider, model))
            found[provider, model] = part if known is None else add(known, part)
    models = [
        UnpricedModel(provider, model, part.unpriced_calls, part.unpriced_attempts, part.tokens, why(provider, model))
        for (provider, model), part in found.items()
    ]
    models.sort(key=lambda one: (-one.calls, -one.attempts, one.provider or "", one.model or ""))
    return total(sums), models
