"""What an attempt costs: what its source reported, else the operator's price, else the bundled table's.

A price is only given where one is known for everything that was used: an unknown model, an unknown tier, audio or
searches without a price of their own are unpriced, not priced as something else.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import msgspec

from data_sources.usage import price_table
from data_sources.usage.attempt import COST_LIMIT, Attempt, BadEventError, money
from data_sources.usage.costs import DISPUTED, REPORTED
from data_sources.usage.price_file import BATCH, FIELD_OF, ORDINARY_CALL, Context, PriceFile
from data_sources.usage.price_table import DAY_US, TABLE_VERSION
from data_sources.usage.provider_names import plain
from data_sources.usage.remedy import Remedy, of_table, used_fields
from data_sources.usage.unit_prices import KEYS, REQUESTS, UnitPrices, counts_of, special

_SHARE, _AMOUNT = Decimal("0.005"), Decimal("0.000001")


class PriceBook:
    """All prices that are known, and what they make of an attempt."""

    def __init__(self, file: PriceFile | None = None) -> None:
        """Price with the bundled table.

        Args:
            file: The operator's prices, which stand above it.
        """
        self.file = file

    @property
    def versions(self) -> list[str]:
        """The prices that are known, those that stand above others first."""
        return [*([self.file.version] if self.file is not None else ()), TABLE_VERSION]

    def computed(self, attempt: Attempt) -> tuple[Decimal | None, str | None]:
        """The cost by price, USD, rounded once to 12 decimals, and which prices gave it; None where none is known.

        Raises:
            BadEventError: It is more than an attempt can cost: its counts cannot be right.
        """
        found = self._look_up(attempt)
        if found is None or found.prices is None:
            return None, None
        usage = _usage(attempt, found.prices)
        exact = found.prices.cost(usage) if usage else None
        if exact is not None and exact >= COST_LIMIT:
            raise BadEventError("its cost by price is 1,000,000 USD or more; are its counts right?")
        cost = money(exact)
        return cost, None if cost is None else found.version

    def _look_up(self, attempt: Attempt) -> _Found | None:
        """The prices of an attempt's model, time and context; None where it names no model."""
        model, provider, moment_us = attempt.model, attempt.provider, attempt.started_at_us
        if model is None:
            return None
        tier, processing = context_of(attempt)
        if self.file is not None:
            entry = self.file.entry(provider, model, attempt.region, moment_us)
            # with prices of ordinary calls it stands for all of the model's: a tier that it does not name is not the
            # table's list price; without them it adds to the table's
            if entry is not None and not entry.contexts.keys().isdisjoint({(tier, processing), ORDINARY_CALL}):
                return _Found(entry.contexts.get((tier, processing)), self.file.version, provider)
            if provider is not None and self.file.providers:
                provider = self.file.providers.get(plain(provider), provider)
        if price_table.lacks_region(provider, model, attempt.region):
            return _Found(None, TABLE_VERSION, provider)
        if not price_table.changes_in_the_day(provider, model):
            moment_us -= moment_us % DAY_US
        return _Found(price_table.unit_prices(provider, model, tier, processing, moment_us), TABLE_VERSION, provider)

    def priced(self, attempt: Attempt) -> Attempt:
        """The attempt with its costs and how well they are known.

        What the source reported wins; what prices make of it is kept beside it.

        Raises:
            BadEventError: As `computed`.
        """
        reported = money(attempt.cost_reported_usd)
        computed, version = self.computed(attempt)
        cost = computed if reported is None else reported
        return msgspec.structs.replace(
            attempt,
            cost_usd=cost,
            cost_reported_usd=reported,
            cost_computed_usd=computed,
            price_version=version,
            pricing=pricing_of(attempt, cost),
            cost_source=cost_source(reported, computed, version),
        )

    def why_unpriced(self, attempt: Attempt) -> str:
        """Why an attempt that has no cost has none, in one sentence, by the prices of now."""
        model, found = attempt.model, self._look_up(attempt)
        if model is None or found is None:
            return "The events name no model."
        if found.prices is not None:
            usage = _usage(attempt, found.prices)
            return found.prices.why_not(usage) or "There is a price by now; repricing gives it to calls from before."
        context = _words(attempt)
        if found.version != TABLE_VERSION:
            return f"The price file has no price for {context or 'calls of no special tier'} of this model."
        adds = self._adds(attempt)
        if adds and not price_table.knows(found.provider, model):
            what = context or "calls of no special tier"
            return f"The price file has no price for {what} of this model, and no price table lists it."
        later = not adds and self.file is not None and bool(self.file.fitting(attempt.provider, model, attempt.region))
        regions = self.file.regions(attempt.provider, model) if self.file is not None and not later else ()
        only = f" The price file prices it for region {' and '.join(regions)} only." if regions else ""
        if price_table.lacks_region(found.provider, model, attempt.region):
            return f"The price table has no price for region {attempt.region}, which is billed otherwise.{only}"
        if price_table.knows(found.provider, model):
            if context:
                return f"The price table has no price for {context} of this model.{only}"
            return f"The price table prices this model by units that nobody reports, such as seconds.{only}"
        if later:
            return "The price file has no price for that time, and no price table lists this model of this provider."
        if regions:
            where = f"were answered in {attempt.region}" if attempt.region else "name no region"
            return f"The price file prices this model for region {' and '.join(regions)} only; these calls {where}."
        return "No price table lists this model of this provider."

    def _adds(self, attempt: Attempt) -> bool:
        """Whether an entry of the file is for the attempt, but has no price for calls such as it."""
        if self.file is None or attempt.model is None:
            return False
        return self.file.entry(attempt.provider, attempt.model, attempt.region, attempt.started_at_us) is not None

    def remedy(self, attempt: Attempt) -> Remedy | None:
        """What a price file must say so that an attempt without a price has one; None where no price is what lacks."""
        found = self._look_up(attempt)
        if attempt.model is None or found is None:
            return None
        tier, processing = context_of(attempt)
        if processing not in (None, BATCH) or (attempt.input_audio_tokens and attempt.cache_read_tokens):
            return None  # a file has no place for it; no price tells how many of the cached tokens are audio
        context, fields = tier or processing, used_fields(attempt)
        if found.prices is not None:
            lacking = frozenset(FIELD_OF[key] for key in found.prices.lacking(_usage(attempt, found.prices)))
            if not lacking or context is not None or found.version != TABLE_VERSION:
                return None  # what was not reported no price mends; in a file of one's own the reason names the field
            if price_table.has_dates(found.provider, attempt.model):
                return None  # lines with the prices of one day would replace those of every other
            known = of_table(found.prices)
            return None if known is None else Remedy(lacking, known)
        if tier is not None and processing is not None:
            return None  # there are no prices for both at once
        lacks = price_table.lacks_region(found.provider, attempt.model, attempt.region)
        region = attempt.region if lacks else None
        return Remedy(fields, region=region) if context is None else Remedy(contexts={context: fields}, region=region)


class _Found(NamedTuple):
    """What was found: the prices, None for none; whose version; and what the table calls the provider by."""

    prices: UnitPrices | None
    version: str
    provider: str | None


def _usage(attempt: Attempt, prices: UnitPrices) -> dict[str, int]:
    usage = {key: count for key, count in zip(KEYS, counts_of(attempt), strict=True) if count is not None}
    if REQUESTS in prices.keys and (usage or attempt.status == "success"):
        usage[REQUESTS] = 1
    return usage


def context_of(attempt: Attempt) -> Context:
    """The tier and the way of processing of an attempt, as prices go by them; None for the ordinary ones.

    Anthropic, and who passes its answers on, calls a batch a service tier: it is the way of processing.
    """
    tier, processing = special(attempt.service_tier), special(attempt.processing)
    return (None, BATCH) if tier == BATCH and processing in (None, BATCH) else (tier, processing)


def _words(attempt: Attempt) -> str:
    """The tier and the way of processing, where they are not the ordinary ones."""
    tier, processing = context_of(attempt)
    named = (tier and f"service tier {tier}", processing and f"{processing} processing")
    return " with ".join(word for word in named if word)


BUNDLED = PriceBook()


def pricing_of(attempt: Attempt, cost: Decimal | None) -> str:
    """How well the cost of an attempt is known: priced, unpriced (usage without a price) or unmetered (no usage)."""
    if cost is not None:
        return "priced"
    return "unmetered" if attempt.input_tokens is None and attempt.output_tokens is None else "unpriced"


def cost_source(reported: Decimal | None, computed: Decimal | None, version: str | None) -> str | None:
    """Whose cost stands for an attempt.

    Args:
        reported: By the source.
        computed: By prices.
        version: Of those prices.

    Returns:
        The version where nothing was reported; disputed where prices make something else of it than was reported: by
        more than 0.5 % of it and a millionth of a dollar. None where no cost is known.
    """
    if reported is None:
        return version
    if computed is None:
        return REPORTED
    apart = abs(reported - computed)
    return DISPUTED if apart > _AMOUNT and apart > _SHARE * reported else REPORTED
