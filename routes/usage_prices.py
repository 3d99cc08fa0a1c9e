"""Prices stored usage anew: slice by slice, so that nobody waits long and a run can be stopped at any point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import BadRequest

from data_sources.usage import integrity, reprice
from data_sources.usage.attempt import BadEventError, iso_us
from data_sources.usage.pricing import PriceBook
from data_sources.usage.store import StoreError, UsageStore
from data_sources.usage.windows import from_us
from data_sources.usage.writer import Writer, now_us
from routes.errors import from_problem
from routes.gate import needs, principal
from routes.usage_api import ROOT
from routes.usage_json import amount, time
from routes.wire import query_params


class _Reprice(msgspec.Struct, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}):
    start: str
    end: str
    provider: str | None = None
    model: str | None = None
    override: bool = False
    apply: bool = False
    after: tuple[int, str, str] | None = None
    run: int | None = None
    limit: int = reprice.SLICE_ATTEMPTS


def blueprint(store: Callable[[], UsageStore], writer: Callable[[], Writer], prices: PriceBook) -> Blueprint:
    """The route that prices stored attempts anew.

    Args:
        store: Gives the usage store.
        writer: Gives its started writer.
        prices: The prices of now.
    """
    made = Blueprint("usage_prices", __name__)

    @made.post(f"{ROOT}/reprice")
    @needs("admin")
    def reprice_slice() -> Response:
        """Tell what pricing one slice anew would change, and with `apply` change it."""
        query_params(())
        given, asked = _asked()
        actor = principal().id
        try:
            if given.apply:
                done = writer().change(
                    lambda cursor: reprice.write(
                        cursor, prices, asked, given.after, given.limit, run=given.run, actor=actor, now_us=now_us()
                    )
                )
            else:
                with store().cursor() as cursor:
                    done = reprice.look(cursor, prices, asked, given.after, given.limit)
            with store().cursor() as cursor:
                kept_from_us = integrity.raw_from(cursor) or 0
        except StoreError as error:
            return from_problem(error.problem)
        return jsonify(
            lines=[_line(line) for line in done.lines],
            after=done.after,
            run=done.run,
            applied=given.apply,
            price_versions=prices.versions,
            kept_from=time(from_us(kept_from_us)) if kept_from_us > asked.start_us else None,
            currency="USD",
        )

    return made


def _asked() -> tuple[_Reprice, reprice.Asked]:
    try:
        given = msgspec.json.decode(request.get_data(), type=_Reprice)
    except msgspec.DecodeError as error:
        raise BadRequest(f"The body is not right: {error}.") from None
    try:
        start_us, end_us = iso_us(given.start), iso_us(given.end)
    except BadEventError:
        raise BadRequest("from and to are ISO 8601 times with an offset.") from None
    if start_us >= end_us:
        raise BadRequest("from lies before to.")
    if not 1 <= given.limit <= reprice.SLICE_ATTEMPTS:
        raise BadRequest(f"limit: use a whole number from 1 to {reprice.SLICE_ATTEMPTS:,}.")
    return given, reprice.Asked(start_us, end_us, given.provider, given.model, given.override)


def _line(line: reprice.Line) -> dict[str, Any]:
    return {
        "provider": line.provider,
        "model": line.model,
        "attempts": line.attempts,
        "changed": line.changed,
        "priced_before": line.priced_before,
        "priced_after": line.priced_after,
        "cost_before": amount(line.cost_before) if line.priced_before else None,
        "cost_after": amount(line.cost_after) if line.priced_after else None,
    }
