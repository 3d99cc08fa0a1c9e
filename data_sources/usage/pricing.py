"""What an attempt costs: what its source reported, else the operator's price, else the bundled table's.

A price is only given where one is known for everything that was used: an unknown model, an unknown tier, audio or
searches without a price of their own are unpriced, not priced as something else.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from data_sources.usage import price_table
from data_sources.usage.attempt import COST_LIMIT, Attempt, BadEventError, money
from data_sources.usage.costs import DISPUTED, REPORTED
from data_sources.usage.price_file import PriceFile
from data_sources.usage.price_table import DAY_US, TABLE_VERSION
from data_sources.usage.provider_names import plain
from data_sources.usage.unit_prices import KEYS, REQUESTS, counts_of, special

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
        model = attempt.model
        if model is None:
            return None, None
        tier, processing = special(attempt.service_tier), special(attempt.processing)
        version, moment_us, provider = TABLE_VERSION, attempt.started_at_us, attempt.provider
        entry = None if self.file is None else self.file.entry(provider, model, attempt.region, moment_us)
        if entry is not None and self.file is not None:
            # it stands for all of the model's prices: a tier that it does not name is not the table's list price
            version, prices = self.file.version, entry.contexts.get((tier, processing))
        else:
            if self.file is not None and provider is not None and self.file.providers:
                provider = self.file.providers.get(plain(provider), provider)
            if price_table.lacks_region(provider, model, attempt.region):
                return None, None
            if not price_table.changes_in_the_day(provider, model):
                moment_us -= moment_us % DAY_US
            prices = price_table.unit_prices(provider, model, tier, processing, moment_us)
        if prices is None:
            return None, None
        usage = {key: count for key, count in zip(KEYS, counts_of(attempt), strict=True) if count is not None}
        if REQUESTS in prices.keys and (usage or attempt.status == "success"):
            usage[REQUESTS] = 1
        exact = prices.cost(usage) if usage else None
        if exact is not None and exact >= COST_LIMIT:
            raise BadEventError("its cost by price is 1,000,000 USD or more; are its counts right?")
        cost = money(exact)
        return cost, None if cost is None else version

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

    def why_unpriced(self, provider: str | None, model: str | None) -> str:
        """Why calls of a model have no price, in one sentence."""
        if model is None:
            return "The events name no model."
        if self.file is not None and self.file.fitting(provider, model, None):
            return "The price file has no price for this time, tier or unit."
        if provider is not None and self.file is not None:
            provider = self.file.providers.get(plain(provider), provider)
        if price_table.knows(provider, model):
            return "The price table has no price for a tier, a way of processing or a unit that was used."
        return "No price table lists this model of this provider."


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
