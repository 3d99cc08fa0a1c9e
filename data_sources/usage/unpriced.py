"""Which models have usage without a price."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from data_sources.usage.figures import ZERO, add, sums_of
from data_sources.usage.types import Sums, Tokens, UnpricedModel

BY = ("provider", "model", "cost_source")


def unpriced_models(
    rows: Iterable[tuple[Any, ...]], why: Callable[[str | None, str | None], str]
) -> list[UnpricedModel]:
    """Read the answer of a question by `BY`.

    What has no cost is unpriced or unmetered; the latter reports no usage, so all usage of a group without a cost is
    that of its unpriced attempts.

    Args:
        rows: The values of `BY`, then `sql.MEASURES`.
        why: Says why a model of a provider has no price.

    Returns:
        The models with unpriced usage, most calls first; of their tokens those of input and output.
    """
    found: dict[tuple[str | None, str | None], Sums] = {}
    for provider, model, cost_source, *measures in rows:
        if cost_source is None:
            found[provider, model] = add(found.get((provider, model), ZERO), sums_of(measures))
    models = []
    for (provider, model), sums in found.items():
        if sums.unpriced_attempts:
            tokens = Tokens(sums.tokens.input, sums.tokens.output, None, None, None)
            reason = why(provider, model)
            models.append(UnpricedModel(provider, model, sums.unpriced_calls, sums.unpriced_attempts, tokens, reason))
    return sorted(models, key=lambda one: (-one.calls, -one.attempts, one.provider or "", one.model or ""))
