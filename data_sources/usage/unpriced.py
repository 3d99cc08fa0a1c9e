"""Which models have usage without a price."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from data_sources.usage.types import Tokens, UnpricedModel

BY = ("provider", "model")
MEASURES = (
    "unpriced_calls",
    "unpriced_attempts",
    "input_tokens",
    "output_tokens",
    "input_known",
    "output_known",
)


def unpriced_models(
    rows: Iterable[tuple[Any, ...]], why: Callable[[str | None, str | None], str]
) -> list[UnpricedModel]:
    """Read the answer of a question by `BY` of attempts without a cost.

    Those are unpriced or unmetered; the latter report no usage, so all usage of a group is that of its unpriced ones.

    Args:
        rows: The values of `BY`, then `MEASURES`.
        why: Says why a model of a provider has no price.

    Returns:
        The models with unpriced usage, most calls first; of their tokens those of input and output.
    """
    found: dict[tuple[str | None, str | None], list[int]] = {}
    for provider, model, *measures in rows:
        kept = found.setdefault((provider, model), [0] * len(MEASURES))
        for place, value in enumerate(measures):
            kept[place] += int(value or 0)  # a part of the window in which nothing was
    models = []
    for (provider, model), (calls, attempts, sent, answered, sent_known, answered_known) in found.items():
        if attempts:
            tokens = Tokens(sent if sent_known else None, answered if answered_known else None, None, None, None)
            models.append(UnpricedModel(provider, model, calls, attempts, tokens, why(provider, model)))
    return sorted(models, key=lambda one: (-one.calls, -one.attempts, one.provider or "", one.model or ""))
